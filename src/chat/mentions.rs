//! Mentions: `@maya` in a line names somebody of the course, who gets a message.

use super::frames::Speaker;
use crate::app::App;
use crate::db::Write;
use crate::entities::{chat_mention, course, enrollment, user};
use crate::error::Result;
use crate::messages::{self, MessageLevel, NewMessage, TEXT_LIMIT};
use sea_orm::sea_query::{OnConflict, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _,
    QuerySelect as _,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Most people whom one line mentions; more `@` than that are text.
const MOST: usize = 20;

/// Most ways to read where a name ends.
const MOST_READINGS: usize = 8;

/// Names in one query.
const AT_ONCE: usize = 1_000;

/// Longest user name.
const NAME_LIMIT: usize = 150;

/// Longest part of a name or title in a message, in characters.
const SHOWN: usize = 80;

/// Those who can be mentioned, by user name.
pub type People = HashMap<String, i64>;

/// The user names that a text may mention: each `@` that begins a word, with every way to read where the name ends,
/// the longest first. A full stop after a name may be a part of it.
fn candidates(text: &str) -> Vec<Vec<&str>> {
    let mut found = Vec::new();
    let mut before = ' ';
    for (at, character) in text.char_indices() {
        let begins = character == '@' && !is_in_name(before);
        before = character;
        if !begins || found.len() == MOST {
            continue;
        }
        let rest = text.get(at + 1..).unwrap_or_default();
        let end = rest
            .char_indices()
            .find(|(_, character)| !is_in_name(*character))
            .map_or(rest.len(), |(end, _)| end);
        // Whatever is longer is nobody's name, wherever it ends.
        let mut name = rest.get(..end.min(4 * NAME_LIMIT)).unwrap_or_default();
        let mut readings = Vec::new();
        while !name.is_empty() && readings.len() < MOST_READINGS {
            if name.chars().count() <= NAME_LIMIT {
                readings.push(name);
            }
            let Some(shorter) = name.strip_suffix(['.', '+', '-', '@']) else {
                break;
            };
            name = shorter;
        }
        if !readings.is_empty() {
            found.push(readings);
        }
    }
    found
}

/// What a user name is made of: `[\w.@+-]`.
fn is_in_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '.' | '@' | '+' | '-')
}

/// Those of whom the texts may speak and who may be in the room: its students, its teacher, staff. One query, and none
/// where no text holds an `@`.
pub async fn find(
    write: &Write,
    course: &course::Model,
    texts: impl IntoIterator<Item = &str>,
) -> Result<People> {
    let names: BTreeSet<&str> = texts.into_iter().flat_map(candidates).flatten().collect();
    let names: Vec<&str> = names.into_iter().collect();
    let mut people = People::new();
    for some in names.chunks(AT_ONCE) {
        people.extend(find_some(write, course, some).await?);
    }
    Ok(people)
}

async fn find_some(
    write: &Write,
    course: &course::Model,
    names: &[&str],
) -> Result<Vec<(String, i64)>> {
    let mut may_come = Condition::any()
        .add(user::Column::Id.eq(course.owner_id))
        .add(user::Column::IsStaff.eq(true));
    if !course.is_draft {
        let students = Query::select()
            .column(enrollment::Column::UserId)
            .from(enrollment::Entity)
            .and_where(enrollment::Column::CourseId.eq(course.id))
            .to_owned();
        may_come = may_come.add(user::Column::Id.in_subquery(students));
    }
    let people = user::Entity::find()
        .select_only()
        .column(user::Column::Username)
        .column(user::Column::Id)
        .filter(user::Column::Username.is_in(names.iter().copied()))
        .filter(user::Column::IsActive.eq(true))
        .filter(may_come)
        .into_tuple();
    Ok(people.all(&**write).await?)
}

/// The user names that this text mentions, as they are stored: with spaces between, each once, in the order of the
/// text; and whose they are.
pub fn of(text: &str, people: &People) -> (Option<String>, BTreeSet<i64>) {
    let (mut names, mut ids) = (Vec::new(), BTreeSet::new());
    for readings in candidates(text) {
        let known = readings
            .into_iter()
            .find_map(|name| Some((name, *people.get(name)?)));
        if let Some((name, id)) = known
            && ids.insert(id)
        {
            names.push(name);
        }
    }
    ((!names.is_empty()).then(|| names.join(" ")), ids)
}

/// Who is to be told of being mentioned, in which lines. Told at the end of a transaction, by growing number of the
/// person, since each is locked until it ends.
#[derive(Debug, Default)]
pub struct Notices(BTreeMap<i64, Vec<NewMessage>>);

impl Notices {
    /// Notes that these people are mentioned in a line. Nobody is told of what she says herself.
    pub async fn add(
        &mut self,
        write: &Write,
        course: &course::Model,
        speaker: &Speaker,
        (line_id, mentioned): (i64, &BTreeSet<i64>),
    ) -> Result<()> {
        let others: Vec<i64> = mentioned
            .iter()
            .copied()
            .filter(|id| Some(*id) != speaker.id)
            .collect();
        if others.is_empty() {
            return Ok(());
        }
        let rows = others.iter().map(|user_id| chat_mention::ActiveModel {
            user_id: Set(*user_id),
            course_id: Set(course.id),
            line_id: Set(line_id),
        });
        chat_mention::Entity::insert_many(rows)
            .on_conflict(
                OnConflict::columns([
                    chat_mention::Column::UserId,
                    chat_mention::Column::CourseId,
                    chat_mention::Column::LineId,
                ])
                .do_nothing()
                .to_owned(),
            )
            .exec_without_returning(&**write)
            .await?;
        for recipient_id in others {
            let message = message(course, speaker, recipient_id, line_id);
            self.0.entry(recipient_id).or_default().push(message);
        }
        Ok(())
    }

    /// Sends the messages: one for each line and person, also when the line is changed later.
    pub async fn send(self, app: &App, write: &mut Write) -> Result<()> {
        for message in self.0.into_values().flatten() {
            messages::send(app, write, message).await?;
        }
        Ok(())
    }

    /// Who is told.
    pub fn user_ids(&self) -> Vec<i64> {
        self.0.keys().copied().collect()
    }
}

/// The words of the line stay where they are: who deletes it takes them back.
fn message(
    course: &course::Model,
    speaker: &Speaker,
    recipient_id: i64,
    line_id: i64,
) -> NewMessage {
    let text = format!(
        "{} mentioned you in the room of {}",
        short(&speaker.name),
        short(&course.title)
    );
    debug_assert!(text.chars().count() <= TEXT_LIMIT);
    NewMessage {
        recipient_id,
        text,
        level: MessageLevel::Info,
        link: line_path(course.id, line_id),
        dedupe_key: Some(format!("chat-mention:{}:{line_id}", course.id)),
    }
}

/// The page of a room at one of its lines.
pub fn line_path(course_id: i64, line_id: i64) -> String {
    format!("/chat/room/{course_id}/?line={line_id}#line-{line_id}")
}

fn short(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(SHOWN - 1).collect();
    short.push('…');
    short
}

/// Nobody is mentioned any more in a line that is gone, or reads otherwise.
pub async fn forget(write: &Write, course_id: i64, line_id: i64) -> Result<Vec<i64>> {
    let of_line = Condition::all()
        .add(chat_mention::Column::CourseId.eq(course_id))
        .add(chat_mention::Column::LineId.eq(line_id));
    let user_ids: Vec<i64> = chat_mention::Entity::find()
        .select_only()
        .column(chat_mention::Column::UserId)
        .filter(of_line.clone())
        .into_tuple()
        .all(&**write)
        .await?;
    if !user_ids.is_empty() {
        chat_mention::Entity::delete_many()
            .filter(of_line)
            .exec(&**write)
            .await?;
    }
    Ok(user_ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people() -> People {
        [("maya", 1), ("kwame.o", 2), ("zofia-", 3), ("łucja", 4)]
            .map(|(name, id)| (name.to_owned(), id))
            .into()
    }

    fn names(text: &str) -> String {
        of(text, &people()).0.unwrap_or_default()
    }

    #[test]
    fn a_name_ends_where_somebody_is_called_so() {
        assert_eq!(names("@maya, look"), "maya");
        assert_eq!(names("Ask @kwame.o."), "kwame.o");
        assert_eq!(names("(@maya...) and @zofia-"), "maya zofia-");
        assert_eq!(names("@łucja: see @maya"), "łucja maya");
        assert_eq!(names("@maya @maya"), "maya");
    }

    #[test]
    fn addresses_of_mail_and_names_of_nobody_mention_nobody() {
        for text in ["a@maya", "maya@example.org", "@mayan", "@", "@@@", "@ maya"] {
            assert_eq!(names(text), "", "{text}");
        }
    }

    #[test]
    fn a_line_mentions_no_more_than_a_few() {
        let many: String = (0..4_000).map(|_| "@a ").collect();
        assert_eq!(candidates(&many).len(), MOST);
        let dots = format!("@{}", ".".repeat(3_999));
        let readings: usize = candidates(&dots).iter().map(Vec::len).sum();
        assert!(readings <= MOST_READINGS);
    }
}
