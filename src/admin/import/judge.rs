//! What the lines of a file mean here: which account, which course, and what is wrong with those that mean nothing. Asked in
//! chunks, so that neither the statements nor the memory grow with every line.

use super::read::Lines;
use crate::admin::tables::who;
use crate::entities::{course, user};
use crate::error::Result;
use crate::learning;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Values in one statement.
const AT_ONCE: usize = 1_000;

/// Lines that are told one by one; of more, their numbers.
const MOST_TOLD: usize = 100;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A quote is open at its end.
    Quote,
    /// It is not UTF-8, or holds characters that no text has.
    Letters,
    /// It is far too long.
    Long,
    /// It names nobody.
    NoPerson,
    /// It names no course.
    NoCourse,
    /// Nobody is called so.
    UnknownPerson,
    /// Several accounts have this mail address.
    Ambiguous,
    /// The user name is one account's, and the mail address another's.
    Contradiction,
    /// No course has this address.
    UnknownCourse,
    /// A line before says the same.
    Repeated,
}

impl Fault {
    /// What is wrong, and what to do.
    pub fn words(self) -> &'static str {
        match self {
            Self::Quote => "A quote (\") is not closed.",
            Self::Letters => {
                "It holds characters that cannot be read. Save the file as CSV (UTF-8)."
            }
            Self::Long => "It is far too long for an enrollment.",
            Self::NoPerson => "It has neither a user name nor a mail address.",
            Self::NoCourse => "It names no course.",
            Self::UnknownPerson => "Nobody here has this user name or mail address.",
            Self::Ambiguous => "Several accounts have this mail address. Write the user name.",
            Self::Contradiction => "The user name and the mail address are of two accounts.",
            Self::UnknownCourse => "No course has this address.",
            Self::Repeated => "A line before says the same.",
        }
    }
}

/// What would happen.
#[derive(Debug, Default)]
pub struct Preview {
    /// Who would be enrolled where: account and course.
    pub pairs: Vec<(i64, i64)>,
    /// How many are in their course already.
    pub present: usize,
    /// How many would come into which course, by its title.
    pub courses: Vec<(String, usize)>,
    /// Lines that cannot be used, in their order: number, why, what stands there.
    pub faulty: Vec<(usize, Fault, String)>,
}

impl Preview {
    /// The first of the faulty lines, one by one.
    pub fn told(&self) -> &[(usize, Fault, String)] {
        self.faulty.get(..MOST_TOLD).unwrap_or(&self.faulty)
    }

    /// The numbers of all faulty lines, by what is wrong with them; nothing when each is told by itself.
    pub fn ranges(&self) -> Vec<(&'static str, usize, String)> {
        if self.faulty.len() <= MOST_TOLD {
            return Vec::new();
        }
        let mut by_fault: BTreeMap<Fault, Vec<usize>> = BTreeMap::new();
        for (number, fault, _) in &self.faulty {
            by_fault.entry(*fault).or_default().push(*number);
        }
        let told = by_fault.into_iter();
        told.map(|(fault, lines)| (fault.words(), lines.len(), ranges(&lines)))
            .collect()
    }
}

/// `2-4, 9`
fn ranges(numbers: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let words = runs.into_iter().map(|(first, last)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Finds out what would happen. Nothing is changed.
///
/// # Errors
/// When the database does not answer.
pub async fn judge(db: &impl ConnectionTrait, lines: Lines) -> Result<Preview> {
    let people = People::find(db, &lines).await?;
    let wanted: BTreeSet<&str> = lines.good.iter().map(|line| line.course.as_str()).collect();
    let courses = find_courses(db, &wanted).await?;
    let mut preview = Preview {
        faulty: lines.faulty,
        ..Preview::default()
    };
    let mut seen = BTreeSet::new();
    for line in lines.good {
        let person = people.of(&line.username, &line.email);
        let course = courses.get(&line.course).ok_or(Fault::UnknownCourse);
        let shown = if line.username.is_empty() {
            &line.email
        } else {
            &line.username
        };
        match person.and_then(|user_id| Ok((user_id, course?.0))) {
            Ok(pair) if seen.insert(pair) => preview.pairs.push(pair),
            Ok(_) => {
                let shown = format!("{shown}, {}", line.course);
                preview.faulty.push((line.number, Fault::Repeated, shown));
            }
            Err(fault) => {
                let value = match fault {
                    Fault::UnknownCourse => &line.course,
                    _ => shown,
                };
                let value = value.chars().take(60).collect();
                preview.faulty.push((line.number, fault, value));
            }
        }
    }
    preview.faulty.sort_by_key(|(number, _, _)| *number);
    let present = learning::list_enrolled(db, &preview.pairs).await?;
    preview.present = present.len();
    preview.pairs.retain(|pair| !present.contains(pair));
    let titles: HashMap<i64, &String> = courses.values().map(|(id, title)| (*id, title)).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, course_id) in &preview.pairs {
        let title = titles.get(course_id).map_or("", |title| title.as_str());
        *counts.entry(title).or_default() += 1;
    }
    preview.courses = counts
        .into_iter()
        .map(|(title, count)| (title.to_owned(), count))
        .collect();
    Ok(preview)
}

/// Number and title of the courses of these addresses.
async fn find_courses(
    db: &impl ConnectionTrait,
    slugs: &BTreeSet<&str>,
) -> Result<HashMap<String, (i64, String)>> {
    let mut courses = HashMap::new();
    let slugs: Vec<&str> = slugs.iter().copied().collect();
    for chunk in slugs.chunks(AT_ONCE) {
        let rows: Vec<(String, i64, String)> = course::Entity::find()
            .select_only()
            .columns([
                course::Column::Slug,
                course::Column::Id,
                course::Column::Title,
            ])
            .filter(course::Column::Slug.is_in(chunk.iter().copied()))
            .into_tuple()
            .all(db)
            .await?;
        courses.extend(
            rows.into_iter()
                .map(|(slug, id, title)| (slug, (id, title))),
        );
    }
    Ok(courses)
}

/// Whose address something is.
#[derive(Clone, Copy)]
enum Written {
    /// One account's.
    One(i64),
    /// That of several.
    Several,
}

/// The accounts that the lines name.
struct People {
    usernames: HashMap<String, i64>,
    mails: HashMap<String, Written>,
    /// The same without regard to case.
    folded_mails: HashMap<String, Written>,
}

impl People {
    async fn find(db: &impl ConnectionTrait, lines: &Lines) -> Result<Self> {
        let names: BTreeSet<&str> = lines
            .good
            .iter()
            .map(|line| line.username.as_str())
            .collect();
        let mut mails: BTreeSet<&str> = lines.good.iter().map(|line| line.email.as_str()).collect();
        mails.extend(names.iter().filter(|name| name.contains('@')));
        let by_username = user::Column::Username.into_expr();
        let found = accounts(db, user::Column::Username, by_username, names).await?;
        let usernames = found.into_iter().map(|(id, name)| (name, id)).collect();
        let folded: BTreeSet<String> = mails.iter().flat_map(|mail| who::folded(mail)).collect();
        let folded = folded.iter().map(String::as_str).collect();
        let written = who::folded_email();
        let (mut exactly, mut folded_mails) = (HashMap::new(), HashMap::new());
        for (id, mail) in accounts(db, user::Column::Email, written, folded).await? {
            let add = |to: &mut HashMap<String, Written>, mail: String| {
                to.entry(mail)
                    .and_modify(|known| *known = Written::Several)
                    .or_insert(Written::One(id));
            };
            add(&mut folded_mails, mail.to_lowercase());
            add(&mut exactly, mail);
        }
        Ok(Self {
            usernames,
            mails: exactly,
            folded_mails,
        })
    }

    /// Whose address it is: of who writes it exactly so, else of who writes it in other letters.
    fn written(&self, mail: &str) -> Option<Written> {
        let exactly = self.mails.get(mail);
        let found = exactly.or_else(|| self.folded_mails.get(&mail.to_lowercase()));
        found.copied()
    }

    /// Who it is. A mail address beside a user name may say the same or, where the account has another one by now,
    /// nothing. A user name that is the mail address of another names neither: anybody may choose one.
    fn of(&self, name: &str, mail: &str) -> Result<i64, Fault> {
        let named = self.usernames.get(name).copied();
        let is_address = mail.is_empty() && name.contains('@');
        let written = self.written(if is_address { name } else { mail });
        match (name.is_empty(), named, written) {
            (false, Some(_), Some(Written::Several)) if is_address => Err(Fault::Contradiction),
            (false, Some(id), Some(Written::One(other))) if id != other => {
                Err(Fault::Contradiction)
            }
            (false, Some(id), _) | (true, _, Some(Written::One(id))) => Ok(id),
            (true, _, Some(Written::Several)) => Err(Fault::Ambiguous),
            _ => Err(Fault::UnknownPerson),
        }
    }
}

/// Numbers and a column of the accounts of which something is one of these values.
async fn accounts(
    db: &impl ConnectionTrait,
    column: user::Column,
    asked: Expr,
    values: BTreeSet<&str>,
) -> Result<Vec<(i64, String)>> {
    let mut found = Vec::new();
    let values: Vec<&str> = values
        .into_iter()
        .filter(|value| !value.is_empty())
        .collect();
    for chunk in values.chunks(AT_ONCE) {
        let rows: Vec<(i64, String)> = user::Entity::find()
            .select_only()
            .columns([user::Column::Id, column])
            .filter(asked.clone().is_in(chunk.iter().copied()))
            .into_tuple()
            .all(db)
            .await?;
        found.extend(rows);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn lines_in_a_row_are_told_as_one() {
        assert_eq!(ranges(&[2, 3, 4, 9, 11, 12]), "2-4, 9, 11-12");
        assert_eq!(ranges(&[]), "");
    }
}
