//! What stands on the page "my courses": each course she is in, how far she is, and where she stopped.

use super::lesson_path;
use super::progress::{list_positions, percent};
use crate::app::App;
use crate::entities::{
    content, course, done_mark, enrollment, item, module, subject, upload, user,
};
use crate::error::Result;
use crate::web::cover::{cover_svg, subject_class};
use crate::web::identity::Person;
use crate::web::tags::{Noting, Tag};
use crate::web::text;
use backends::cache::Timeout;
use sea_orm::sea_query::Query;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect,
    RelationTrait,
};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// How long the page is remembered at most.
const KEPT: Timeout = Timeout::After(Duration::from_secs(600));

/// One of her courses.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StudiedCourse {
    /// Its title.
    pub title: String,
    /// Name of its subject.
    pub subject: String,
    /// Class of its subject's color.
    pub subject_class: String,
    /// Its cover.
    pub cover: String,
    /// Its teacher.
    pub teacher: String,
    /// Where she stopped.
    pub path: String,
    /// The same in words: `Waves that stand, at 6:42`.
    pub place: String,
    /// Done of all, 0-100.
    pub percent: i64,
    /// How many modules it has.
    pub modules_words: String,
    /// How long its films and recordings play; empty when it has none.
    pub length_words: String,
}

/// Her courses, the one where she was last first; remembered until something of it changes, and otherwise a
/// constant number of statements. Courses that became drafts again are left out, since she cannot open them.
pub async fn list_studied_courses(app: &App, person: &Person) -> Result<Vec<StudiedCourse>> {
    let role = if person.is_staff { "staff" } else { "user" };
    let key = format!("shelf:{role}:{}", person.id);
    let tags = [
        Tag::studies(person.id),
        Tag::progress(person.id),
        Tag::subjects(),
    ];
    let db = app.db.read();
    let load = |noting: Noting| async move {
        let ids: Vec<i64> = enrollment::Entity::find()
            .select_only()
            .column(enrollment::Column::CourseId)
            .filter(enrollment::Column::UserId.eq(person.id))
            .into_tuple()
            .all(db)
            .await?;
        let tags: Vec<Tag> = ids.into_iter().map(Tag::course).collect();
        noting.note(&tags).await?;
        load_studied_courses(db, person).await
    };
    app.tagged.get_or_set_noting(&key, &tags, KEPT, load).await
}

async fn load_studied_courses(
    db: &impl ConnectionTrait,
    person: &Person,
) -> Result<Vec<StudiedCourse>> {
    let rows = enrollment::Entity::find()
        .find_also_related(course::Entity)
        .filter(enrollment::Column::UserId.eq(person.id))
        .all(db)
        .await?;
    let mut studied: Vec<(enrollment::Model, course::Model)> = rows
        .into_iter()
        .filter_map(|(enrollment, course)| course.map(|course| (enrollment, course)))
        .filter(|(_, course)| !course.is_draft || course.owner_id == person.id || person.is_staff)
        .collect();
    if studied.is_empty() {
        return Ok(Vec::new());
    }
    studied.sort_by_key(|(enrollment, _)| {
        let last = enrollment.last_seen_at.unwrap_or(enrollment.created_at);
        std::cmp::Reverse((last, enrollment.id))
    });
    let shelf = Shelf::load(db, person.id, &studied).await?;
    let cards = studied
        .iter()
        .map(|(enrollment, course)| shelf.card(enrollment, course));
    Ok(cards.collect())
}

/// What all the cards are made from.
struct Shelf {
    subjects: HashMap<i64, String>,
    teachers: HashMap<i64, String>,
    modules: HashMap<i64, Vec<(i64, String)>>,
    sizes: HashMap<i64, (i64, f64)>,
    done: HashMap<i64, i64>,
    places: HashMap<i64, i64>,
    positions: HashMap<i64, f64>,
    /// Modules in which she has something left, of the courses where it is asked for.
    unfinished: HashSet<i64>,
}

impl Shelf {
    async fn load(
        db: &impl ConnectionTrait,
        user_id: i64,
        studied: &[(enrollment::Model, course::Model)],
    ) -> Result<Self> {
        let courses: Vec<i64> = studied.iter().map(|(_, course)| course.id).collect();
        let stopped: Vec<i64> = studied
            .iter()
            .filter_map(|(one, _)| one.last_content_id)
            .collect();
        let modules = modules(db, &courses).await?;
        let done = done(db, user_id, &courses).await?;
        let placeless: Vec<i64> = studied
            .iter()
            .filter(|(one, _)| done.contains_key(&one.course_id))
            .filter(|(one, _)| stopped_in(one, of_course(&modules, one.course_id)).is_none())
            .map(|(one, _)| one.course_id)
            .collect();
        Ok(Self {
            subjects: subjects(db).await?,
            teachers: teachers(db, studied).await?,
            modules,
            sizes: sizes(db, &courses).await?,
            done,
            places: places(db, &stopped).await?,
            positions: list_positions(db, user_id, &stopped).await?,
            unfinished: unfinished(db, user_id, &placeless).await?,
        })
    }

    fn card(&self, enrollment: &enrollment::Model, course: &course::Model) -> StudiedCourse {
        let modules = of_course(&self.modules, course.id);
        let (all, seconds) = self.sizes.get(&course.id).copied().unwrap_or((0, 0.0));
        let done = self.done.get(&course.id).copied().unwrap_or(0);
        let (path, place) = self.place(enrollment, modules);
        let subject = usize::try_from(course.subject_id - 1).unwrap_or(0);
        StudiedCourse {
            title: course.title.clone(),
            subject: self
                .subjects
                .get(&course.subject_id)
                .cloned()
                .unwrap_or_default(),
            subject_class: subject_class(subject),
            cover: cover_svg(&course.slug, subject, ""),
            teacher: self
                .teachers
                .get(&course.owner_id)
                .cloned()
                .unwrap_or_default(),
            path,
            place,
            percent: percent(done, all),
            modules_words: text::count(
                i64::try_from(modules.len()).unwrap_or(i64::MAX),
                "module",
                "modules",
            ),
            length_words: if seconds < 1.0 {
                String::new()
            } else {
                text::span(seconds)
            },
        }
    }

    /// Where to go on, as a path and in words.
    fn place(&self, enrollment: &enrollment::Model, modules: &[(i64, String)]) -> (String, String) {
        let course = enrollment.course_id;
        if modules.is_empty() {
            return (lesson_path(course, None, None), "No modules yet".into());
        }
        let Some((module, title)) = stopped_in(enrollment, modules) else {
            return self.beginning(course, modules);
        };
        let content = enrollment
            .last_content_id
            .filter(|content| self.places.get(content) == Some(module));
        let position = content.and_then(|content| self.positions.get(&content).copied());
        let words = match position {
            Some(seconds) if seconds >= 1.0 => format!("{title}, at {}", text::timecode(seconds)),
            _ => title.clone(),
        };
        (lesson_path(course, Some(*module), content), words)
    }

    /// Where to go on in a course in which no place is known: she has opened nothing yet, marked things as done
    /// through a program, or the module where she stopped was deleted.
    fn beginning(&self, course: i64, modules: &[(i64, String)]) -> (String, String) {
        if !self.done.contains_key(&course) {
            return (
                lesson_path(course, None, None),
                "Begin with module 1".into(),
            );
        }
        match modules.iter().find(|(id, _)| self.unfinished.contains(id)) {
            Some((module, title)) => (lesson_path(course, Some(*module), None), title.clone()),
            None => (lesson_path(course, None, None), "All is done".into()),
        }
    }
}

/// Number and title of each module of a course.
fn of_course(modules: &HashMap<i64, Vec<(i64, String)>>, course: i64) -> &[(i64, String)] {
    modules.get(&course).map_or(&[], Vec::as_slice)
}

/// The module where she was last, if it is there still.
fn stopped_in<'a>(
    enrollment: &enrollment::Model,
    modules: &'a [(i64, String)],
) -> Option<&'a (i64, String)> {
    let last = enrollment.last_module_id?;
    modules.iter().find(|(id, _)| *id == last)
}

async fn subjects(db: &impl ConnectionTrait) -> Result<HashMap<i64, String>> {
    let subjects = subject::Entity::find().all(db).await?;
    Ok(subjects
        .into_iter()
        .map(|subject| (subject.id, subject.title))
        .collect())
}

async fn teachers(
    db: &impl ConnectionTrait,
    studied: &[(enrollment::Model, course::Model)],
) -> Result<HashMap<i64, String>> {
    let owners = studied.iter().map(|(_, course)| course.owner_id);
    let rows: Vec<(i64, String, String)> = user::Entity::find()
        .select_only()
        .columns([user::Column::Id, user::Column::Name, user::Column::Username])
        .filter(user::Column::Id.is_in(owners))
        .into_tuple()
        .all(db)
        .await?;
    let shown = |(id, name, username): (i64, String, String)| {
        (id, if name.is_empty() { username } else { name })
    };
    Ok(rows.into_iter().map(shown).collect())
}

/// Number and title of the modules of each course, in their order.
async fn modules(
    db: &impl ConnectionTrait,
    courses: &[i64],
) -> Result<HashMap<i64, Vec<(i64, String)>>> {
    let rows: Vec<(i64, i64, String)> = module::Entity::find()
        .select_only()
        .columns([
            module::Column::CourseId,
            module::Column::Id,
            module::Column::Title,
        ])
        .filter(module::Column::CourseId.is_in(courses.iter().copied()))
        .order_by_asc(module::Column::Order)
        .order_by_desc(module::Column::Id)
        .into_tuple()
        .all(db)
        .await?;
    let mut modules: HashMap<i64, Vec<(i64, String)>> = HashMap::new();
    for (course, id, title) in rows {
        modules.entry(course).or_default().push((id, title));
    }
    Ok(modules)
}

/// How many contents each course has, and how many seconds they play.
pub(super) async fn sizes(
    db: &impl ConnectionTrait,
    courses: &[i64],
) -> Result<HashMap<i64, (i64, f64)>> {
    let rows: Vec<(i64, i64, Option<f64>)> = content::Entity::find()
        .select_only()
        .column(module::Column::CourseId)
        .column_as(content::Column::Id.count(), "all")
        .column_as(upload::Column::DurationSeconds.sum(), "seconds")
        .join(JoinType::InnerJoin, content::Relation::Module.def())
        .join(JoinType::InnerJoin, content::Relation::Item.def())
        .join(JoinType::LeftJoin, item::Relation::Upload.def())
        .filter(module::Column::CourseId.is_in(courses.iter().copied()))
        .group_by(module::Column::CourseId)
        .into_tuple()
        .all(db)
        .await?;
    let size =
        |(course, all, seconds): (i64, i64, Option<f64>)| (course, (all, seconds.unwrap_or(0.0)));
    Ok(rows.into_iter().map(size).collect())
}

/// How many contents of each course she has done.
pub(super) async fn done(
    db: &impl ConnectionTrait,
    user_id: i64,
    courses: &[i64],
) -> Result<HashMap<i64, i64>> {
    let rows: Vec<(i64, i64)> = done_mark::Entity::find()
        .select_only()
        .column(module::Column::CourseId)
        .column_as(done_mark::Column::ContentId.count(), "done")
        .join(JoinType::InnerJoin, done_mark::Relation::Content.def())
        .join(JoinType::InnerJoin, content::Relation::Module.def())
        .filter(done_mark::Column::UserId.eq(user_id))
        .filter(module::Column::CourseId.is_in(courses.iter().copied()))
        .group_by(module::Column::CourseId)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}

/// How many contents of each course each of these people has done, by person and course.
pub(super) async fn done_by(
    db: &impl ConnectionTrait,
    people: &[i64],
    courses: &[i64],
) -> Result<HashMap<(i64, i64), i64>> {
    let rows: Vec<(i64, i64, i64)> = done_mark::Entity::find()
        .select_only()
        .column(done_mark::Column::UserId)
        .column(module::Column::CourseId)
        .column_as(done_mark::Column::ContentId.count(), "done")
        .join(JoinType::InnerJoin, done_mark::Relation::Content.def())
        .join(JoinType::InnerJoin, content::Relation::Module.def())
        .filter(done_mark::Column::UserId.is_in(people.iter().copied()))
        .filter(module::Column::CourseId.is_in(courses.iter().copied()))
        .group_by(done_mark::Column::UserId)
        .group_by(module::Column::CourseId)
        .into_tuple()
        .all(db)
        .await?;
    let keyed = rows
        .into_iter()
        .map(|(person, course, done)| ((person, course), done));
    Ok(keyed.collect())
}

/// The modules of these courses in which she has not done everything.
async fn unfinished(
    db: &impl ConnectionTrait,
    user_id: i64,
    courses: &[i64],
) -> Result<HashSet<i64>> {
    if courses.is_empty() {
        return Ok(HashSet::new());
    }
    let hers = Query::select()
        .column(done_mark::Column::ContentId)
        .from(done_mark::Entity)
        .and_where(done_mark::Column::UserId.eq(user_id))
        .to_owned();
    let rows: Vec<i64> = content::Entity::find()
        .select_only()
        .column(content::Column::ModuleId)
        .distinct()
        .join(JoinType::InnerJoin, content::Relation::Module.def())
        .filter(module::Column::CourseId.is_in(courses.iter().copied()))
        .filter(content::Column::Id.not_in_subquery(hers))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}

/// The modules in which these contents stand now.
async fn places(db: &impl ConnectionTrait, contents: &[i64]) -> Result<HashMap<i64, i64>> {
    if contents.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(i64, i64)> = content::Entity::find()
        .select_only()
        .columns([content::Column::Id, content::Column::ModuleId])
        .filter(content::Column::Id.is_in(contents.iter().copied()))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}
