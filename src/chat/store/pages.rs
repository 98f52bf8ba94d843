//! What was said, page by page.

use super::{Row, pictures, quotes, speaker};
use crate::chat::frames::{Frame, Picture, Quote, Speaker};
use crate::entities::{chat_line, course, user};
use crate::error::Result;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select,
};

/// A line with all that is shown of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Spoken {
    /// The line itself.
    pub line: chat_line::Model,
    /// Who said it.
    pub speaker: Speaker,
    /// What it answers.
    pub quote: Option<Quote>,
    /// The pictures that it shows.
    pub pictures: Vec<Picture>,
}

impl Spoken {
    /// As it goes over a socket.
    pub fn frame(&self) -> Frame {
        let quote = self.quote.as_ref();
        Frame::of_line(&self.line, &self.speaker, quote, &self.pictures)
    }
}

/// Which lines are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The newest.
    Newest,
    /// Those before this one.
    Before(i64),
    /// Those after this one.
    After(i64),
    /// This one, with those around it.
    Around(i64),
}

/// Some lines that follow each other, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The lines.
    pub lines: Vec<Spoken>,
    /// Whether there are older ones.
    pub has_older: bool,
    /// Whether there may be newer ones.
    pub has_newer: bool,
}

/// A page of up to `most` lines of a room, without those that are deleted.
pub async fn page(
    db: &impl ConnectionTrait,
    course: &course::Model,
    place: Place,
    most: u64,
) -> Result<Page> {
    use chat_line::Column::Id;
    let lines = of_room(course.id);
    let (rows, has_older, has_newer) = match place {
        Place::Newest => {
            let (rows, has_older) = older(db, lines, most).await?;
            (rows, has_older, false)
        }
        Place::Before(id) => {
            let (rows, has_older) = older(db, lines.filter(Id.lt(id)), most).await?;
            (rows, has_older, true)
        }
        Place::After(id) => {
            let (rows, has_newer) = newer(db, lines.filter(Id.gt(id)), most).await?;
            (rows, true, has_newer)
        }
        Place::Around(id) => {
            let half = most / 2;
            let (mut rows, has_older) =
                older(db, lines.clone().filter(Id.lte(id)), half + 1).await?;
            let (after, has_newer) = newer(db, lines.filter(Id.gt(id)), half).await?;
            rows.extend(after);
            (rows, has_older, has_newer)
        }
    };
    Ok(Page {
        lines: spoken(db, course, rows).await?,
        has_older,
        has_newer,
    })
}

/// Lines with what they show and what they answer: one more query for the pictures of all, and one where a line answers.
pub async fn spoken(
    db: &impl ConnectionTrait,
    course: &course::Model,
    rows: Vec<Row>,
) -> Result<Vec<Spoken>> {
    let answered = rows.iter().filter_map(|(line, _)| line.reply_to);
    let quotes = quotes(db, course, answered).await?;
    let ids = rows.iter().map(|(line, _)| line.id);
    let mut pictures = pictures::of_lines(db, course.id, ids).await?;
    let spoken = rows.into_iter().map(|(line, author)| Spoken {
        speaker: speaker(author.as_ref(), course),
        quote: line.reply_to.and_then(|id| quotes.get(&id).cloned()),
        pictures: pictures.remove(&line.id).unwrap_or_default(),
        line,
    });
    Ok(spoken.collect())
}

fn of_room(course_id: i64) -> Select<chat_line::Entity> {
    chat_line::Entity::find()
        .filter(chat_line::Column::CourseId.eq(course_id))
        .filter(chat_line::Column::DeletedAt.is_null())
}

/// The newest of these, oldest first, and whether there are more.
async fn older(
    db: &impl ConnectionTrait,
    lines: Select<chat_line::Entity>,
    most: u64,
) -> Result<(Vec<Row>, bool)> {
    let lines = lines.order_by_desc(chat_line::Column::Id);
    let (mut rows, has_more) = some(db, lines, most).await?;
    rows.reverse();
    Ok((rows, has_more))
}

/// The oldest of these, and whether there are more.
async fn newer(
    db: &impl ConnectionTrait,
    lines: Select<chat_line::Entity>,
    most: u64,
) -> Result<(Vec<Row>, bool)> {
    some(db, lines.order_by_asc(chat_line::Column::Id), most).await
}

async fn some(
    db: &impl ConnectionTrait,
    lines: Select<chat_line::Entity>,
    most: u64,
) -> Result<(Vec<Row>, bool)> {
    let rows = lines.find_also_related(user::Entity).limit(most + 1);
    let mut rows = rows.all(db).await?;
    let has_more = u64::try_from(rows.len()).is_ok_and(|count| count > most);
    rows.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    Ok((rows, has_more))
}
