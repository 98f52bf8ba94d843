//! Tags: what remembered values rest on, each with a version that grows when it changes.
//!
//! Here are their names and the table of their versions; [`Write::changes`](super::Write::changes) makes them
//! grow. Who remembers what, and asks whether it still holds, is the business of `web::tags`.

use crate::entities::tag_version;
use crate::error::{Error, Result};
use backends::clock::Clock;
use sea_orm::sea_query::{Expr, ExprTrait, Func, IntoColumnRef, OnConflict, Query, SimpleExpr};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;

/// Who is told of versions that grew.
pub const GROUP: &str = "tags";

/// The row that is no tag: a number of this database's own.
const SITE: &str = "site";

/// Tags in one statement and in one event; SQLite takes 32,766 values a statement.
pub(super) const AT_ONCE: usize = 2_000;

/// Something that values are made from. Written as `course:7`; those of which there is one, as `catalogue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Tag {
    kind: Kind,
    id: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kind {
    Catalogue,
    Subjects,
    Course,
    Students,
    Taught,
    Upload,
    Person,
    Studies,
    Progress,
    Messages,
    Room,
    RoomsRead,
}

/// Every kind with its name, and whether there is one for each number.
const KINDS: [(Kind, &str, bool); 12] = [
    (Kind::Catalogue, "catalogue", false),
    (Kind::Subjects, "subjects", false),
    (Kind::Course, "course", true),
    (Kind::Students, "students", true),
    (Kind::Taught, "taught", true),
    (Kind::Upload, "upload", true),
    (Kind::Person, "person", true),
    (Kind::Studies, "studies", true),
    (Kind::Progress, "progress", true),
    (Kind::Messages, "messages", true),
    (Kind::Room, "room", true),
    (Kind::RoomsRead, "rooms-read", true),
];

impl Tag {
    /// The subjects, with their titles and addresses.
    pub const fn subjects() -> Self {
        Self::new(Kind::Subjects, 0)
    }

    /// What lists of courses show: of every course its title, teacher, modules and length.
    pub const fn catalogue() -> Self {
        Self::new(Kind::Catalogue, 0)
    }

    /// A course with its modules, contents, items, and the results of the files that it shows. Not who is in
    /// it, nor how far the processing of a file is ([`Tag::upload`]).
    pub const fn course(id: i64) -> Self {
        Self::new(Kind::Course, id)
    }

    /// Who is in a course, and how many.
    pub const fn students(course_id: i64) -> Self {
        Self::new(Kind::Students, course_id)
    }

    /// The courses of one teacher, as lists of them show.
    pub const fn taught(user_id: i64) -> Self {
        Self::new(Kind::Taught, user_id)
    }

    /// An upload: its state and how far it is, its files and captions, and which contents show it.
    pub const fn upload(id: i64) -> Self {
        Self::new(Kind::Upload, id)
    }

    /// An account: name, rights, settings, sessions.
    pub const fn person(id: i64) -> Self {
        Self::new(Kind::Person, id)
    }

    /// The courses that somebody is in. That one of them is deleted, or becomes a draft, is told by its own tag.
    pub const fn studies(user_id: i64) -> Self {
        Self::new(Kind::Studies, user_id)
    }

    /// What somebody has done, and where she stopped. What is deleted with a content is told by its course's tag.
    pub const fn progress(user_id: i64) -> Self {
        Self::new(Kind::Progress, user_id)
    }

    /// Somebody's messages, read and unread.
    pub const fn messages(user_id: i64) -> Self {
        Self::new(Kind::Messages, user_id)
    }

    /// The room of a course: which line is its newest.
    pub const fn room(course_id: i64) -> Self {
        Self::new(Kind::Room, course_id)
    }

    /// How far somebody has read in her rooms.
    pub const fn rooms_read(user_id: i64) -> Self {
        Self::new(Kind::RoomsRead, user_id)
    }

    const fn new(kind: Kind, id: i64) -> Self {
        Self { kind, id }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = KINDS.iter().find(|(kind, ..)| *kind == self.kind);
        match found {
            Some((_, name, true)) => write!(formatter, "{name}:{}", self.id),
            Some((_, name, false)) => formatter.write_str(name),
            None => Err(fmt::Error),
        }
    }
}

/// A text that names no tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such tag; tags are written as course:7, upload:7, person:7 or catalogue")]
pub struct NoSuchTag;

impl FromStr for Tag {
    type Err = NoSuchTag;

    fn from_str(text: &str) -> Result<Self, NoSuchTag> {
        let (name, id) = match text.split_once(':') {
            Some((name, id)) => (name, Some(id)),
            None => (text, None),
        };
        let found = KINDS.iter().find(|(_, known, _)| *known == name);
        match (found, id) {
            (Some((kind, _, true)), Some(id)) => {
                let id = id.parse().map_err(|_| NoSuchTag)?;
                Ok(Self::new(*kind, id))
            }
            (Some((kind, _, false)), None) => Ok(Self::new(*kind, 0)),
            _ => Err(NoSuchTag),
        }
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.to_string()
    }
}

impl TryFrom<String> for Tag {
    type Error = NoSuchTag;

    fn try_from(text: String) -> Result<Self, NoSuchTag> {
        text.parse()
    }
}

/// What is told on [`GROUP`]: tags, as text, with their new versions. A text because the next release may
/// know tags that this one does not.
#[derive(Debug, Serialize, Deserialize)]
pub struct Grown {
    /// The new versions.
    pub tags: BTreeMap<String, i64>,
}

/// The versions of these tags; 0 for one that never changed.
pub async fn load(db: &impl ConnectionTrait, tags: &[Tag]) -> Result<HashMap<Tag, i64>> {
    let mut versions: HashMap<Tag, i64> = tags.iter().map(|tag| (*tag, 0)).collect();
    for some in tags.chunks(AT_ONCE) {
        let names = some.iter().map(Tag::to_string);
        let rows = tag_version::Entity::find()
            .filter(tag_version::Column::Tag.is_in(names))
            .all(db)
            .await?;
        for row in rows {
            if let Ok(tag) = row.tag.parse() {
                versions.insert(tag, row.version);
            }
        }
    }
    Ok(versions)
}

/// A number that no other database has, for names in stores that several sites may share; made at the first call.
pub async fn site(db: &impl ConnectionTrait) -> Result<i64> {
    // Never from a clock whose randomness is fixed: two sites must differ.
    let made = i64::from_le_bytes(Clock::system().random_bytes()) & i64::MAX;
    let mut insert = Query::insert();
    insert
        .into_table(tag_version::Entity)
        .columns([tag_version::Column::Tag, tag_version::Column::Version])
        .values_panic([SITE.into(), made.into()])
        .on_conflict(
            OnConflict::column(tag_version::Column::Tag)
                .do_nothing()
                .to_owned(),
        );
    db.execute(&insert).await?;
    let row = tag_version::Entity::find_by_id(SITE).one(db).await?;
    row.map(|row| row.version)
        .ok_or_else(|| Error::internal("the number of this site is not in its table"))
}

/// Makes the versions of these tags grow, in the caller's transaction; answers the new ones. In the order of
/// their names, whichever release does it, so that two writers wait for each other and never both.
///
/// A version is the time in microseconds, or one more than the one before where the clock is behind: a database that
/// was restored never comes to the versions that values carry from before.
pub(super) async fn grow(
    db: &impl ConnectionTrait,
    tags: &BTreeSet<String>,
) -> Result<BTreeMap<String, i64>> {
    let names: Vec<&String> = tags.iter().collect();
    let now = Clock::system().now().timestamp_micros();
    let mut grown = BTreeMap::new();
    for some in names.chunks(AT_ONCE) {
        let version = (tag_version::Entity, tag_version::Column::Version);
        let mut insert = Query::insert();
        insert
            .into_table(tag_version::Entity)
            .columns([tag_version::Column::Tag, tag_version::Column::Version])
            .on_conflict(
                OnConflict::column(tag_version::Column::Tag)
                    .value(tag_version::Column::Version, later(db, version, now))
                    .to_owned(),
            )
            .returning(
                Query::returning()
                    .columns([tag_version::Column::Tag, tag_version::Column::Version]),
            );
        for name in some {
            insert.values_panic([(*name).clone().into(), now.into()]);
        }
        for row in db.query_all(&insert).await? {
            grown.insert(row.try_get("", "tag")?, row.try_get("", "version")?);
        }
    }
    Ok(grown)
}

/// The later of now and of the moment after `version`.
fn later(db: &impl ConnectionTrait, version: impl IntoColumnRef, now: i64) -> SimpleExpr {
    let next = Expr::col(version).add(1);
    // SQLite calls it by the name that PostgreSQL has for the aggregate.
    let name = match db.get_database_backend() {
        DbBackend::Sqlite => "max",
        _ => "greatest",
    };
    Func::cust(name).arg(next).arg(now).into()
}

#[cfg(test)]
mod tests {
    use super::{KINDS, NoSuchTag, Tag};

    #[test]
    fn every_tag_is_read_back_from_its_name() {
        for (kind, _, has_number) in KINDS {
            let tag = Tag::new(kind, if has_number { 7 } else { 0 });
            assert_eq!(tag.to_string().parse(), Ok(tag));
        }
        assert_eq!(Tag::course(7).to_string(), "course:7");
        assert_eq!(Tag::catalogue().to_string(), "catalogue");
    }

    #[test]
    fn what_names_no_tag_is_refused() {
        for text in ["", "course", "course:", "course:x", "catalogue:1", "cats:1"] {
            assert_eq!(text.parse::<Tag>(), Err(NoSuchTag), "{text}");
        }
    }
}
