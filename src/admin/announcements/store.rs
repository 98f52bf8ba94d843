//! The queries of announcements.

use super::{NewAnnouncement, dedupe_key};
use crate::app::App;
use crate::db::Write;
use crate::entities::announcement::{self, AnnouncementState, Audience};
use crate::entities::{course, enrollment, group, message, user, user_group};
use crate::error::Result;
use crate::web::identity::Person;
use crate::web::paging::Paging;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Condition, Expr, ExprTrait as _, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use std::collections::HashMap;

/// Announcements on a page.
const PAGE: u64 = 20;

/// With more courses than this one types a course's address instead of choosing it.
const MOST_COURSES: u64 = 300;

/// An audience, with the number and name of its course or group.
type Named = (Audience, Option<(i64, String)>);

/// The audience that was typed, if there is one: `everybody`, `course:7`, `group:2`.
pub async fn find_audience(db: &impl ConnectionTrait, typed: &str) -> Result<Option<Named>> {
    if typed == "everybody" {
        return Ok(Some((Audience::Everybody, None)));
    }
    let (kind, id) = typed.split_once(':').unwrap_or(("", ""));
    let Ok(id) = id.parse::<i64>() else {
        return Ok(None);
    };
    Ok(match kind {
        "course" => {
            let found = course::Entity::find_by_id(id).one(db).await?;
            found.map(|course| (Audience::Course, Some((id, course.title))))
        }
        "group" => {
            let found = group::Entity::find_by_id(id).one(db).await?;
            found.map(|group| (Audience::Group, Some((id, group.name))))
        }
        _ => None,
    })
}

/// Of a person: that she is told. Accounts that are shut are not.
fn is_told(audience: Audience, id: Option<i64>) -> Condition {
    let active = Condition::all().add(user::Column::IsActive.eq(true));
    let id = id.unwrap_or(0);
    match audience {
        Audience::Everybody => active,
        Audience::Course => {
            let students = Query::select()
                .column(enrollment::Column::UserId)
                .from(enrollment::Entity)
                .and_where(enrollment::Column::CourseId.eq(id))
                .to_owned();
            let owner = Query::select()
                .column(course::Column::OwnerId)
                .from(course::Entity)
                .and_where(course::Column::Id.eq(id))
                .to_owned();
            active.add(
                Condition::any()
                    .add(user::Column::Id.in_subquery(students))
                    .add(user::Column::Id.in_subquery(owner)),
            )
        }
        Audience::Group => {
            let members = Query::select()
                .column(user_group::Column::UserId)
                .from(user_group::Entity)
                .and_where(user_group::Column::GroupId.eq(id))
                .to_owned();
            active.add(user::Column::Id.in_subquery(members))
        }
    }
}

/// How many are told.
pub async fn count_recipients(
    db: &impl ConnectionTrait,
    audience: Audience,
    id: Option<i64>,
) -> Result<u64> {
    let told = user::Entity::find().filter(is_told(audience, id));
    Ok(told.count(db).await?)
}

/// The next who are told, by their numbers.
pub async fn list_recipients(
    db: &impl ConnectionTrait,
    found: &announcement::Model,
    most: u64,
) -> Result<Vec<i64>> {
    let next = user::Entity::find()
        .select_only()
        .column(user::Column::Id)
        .filter(is_told(found.audience, found.audience_id))
        .filter(user::Column::Id.gt(found.last_user_id))
        .order_by_asc(user::Column::Id)
        .limit(most)
        .into_tuple();
    Ok(next.all(db).await?)
}

/// Writes an announcement; answers its number.
pub async fn insert(
    app: &App,
    write: &Write,
    person: &Person,
    new: &NewAnnouncement,
    expected: u64,
) -> Result<i64> {
    let row = announcement::ActiveModel {
        author_id: Set(Some(person.id)),
        author_name: Set(person.username.clone()),
        audience: Set(new.audience),
        audience_id: Set(new.audience_id),
        audience_name: Set(new.audience_name.clone()),
        text: Set(new.text.clone()),
        link: Set(new.link.clone()),
        state: Set(AnnouncementState::Sending),
        expected: Set(i64::try_from(expected).unwrap_or(i64::MAX)),
        told: Set(0),
        last_user_id: Set(0),
        created_at: Set(app.clock.now()),
        ..Default::default()
    };
    let inserted = announcement::Entity::insert(row).exec(&**write).await?;
    Ok(inserted.last_insert_id)
}

/// The same words by the same person to the same people since a time.
pub async fn find_same(
    write: &Write,
    author_id: i64,
    new: &NewAnnouncement,
    since: DateTime<Utc>,
) -> Result<Option<i64>> {
    let mut same = announcement::Entity::find()
        .filter(announcement::Column::AuthorId.eq(author_id))
        .filter(announcement::Column::Audience.eq(new.audience))
        .filter(announcement::Column::Text.eq(new.text.as_str()))
        .filter(announcement::Column::Link.eq(new.link.as_str()))
        .filter(announcement::Column::CreatedAt.gte(since));
    same = match new.audience_id {
        Some(id) => same.filter(announcement::Column::AudienceId.eq(id)),
        None => same.filter(announcement::Column::AudienceId.is_null()),
    };
    Ok(same.one(&**write).await?.map(|found| found.id))
}

/// The announcement of this number.
pub async fn find(db: &impl ConnectionTrait, id: i64) -> Result<Option<announcement::Model>> {
    Ok(announcement::Entity::find_by_id(id).one(db).await?)
}

/// The same, held until the end of the transaction, so that nobody ends or stops it in the meantime.
pub async fn hold(write: &Write, id: i64) -> Result<Option<announcement::Model>> {
    let held = announcement::Entity::find_by_id(id).lock_exclusive();
    Ok(held.one(&**write).await?)
}

/// Notes who was told; when nobody was left, that everybody was.
pub async fn advance(
    app: &App,
    write: &Write,
    found: &announcement::Model,
    told: &[i64],
) -> Result<()> {
    let Some(last) = told.last() else {
        return set_state(app, write, found.id, AnnouncementState::Sent).await;
    };
    let more = i64::try_from(told.len()).unwrap_or(i64::MAX);
    announcement::Entity::update_many()
        .col_expr(
            announcement::Column::Told,
            Expr::col(announcement::Column::Told).add(more),
        )
        .col_expr(announcement::Column::LastUserId, Expr::value(*last))
        .filter(announcement::Column::Id.eq(found.id))
        .exec(&**write)
        .await?;
    Ok(())
}

/// Notes how far it is, and when it ended.
pub async fn set_state(app: &App, write: &Write, id: i64, state: AnnouncementState) -> Result<()> {
    announcement::Entity::update_many()
        .col_expr(announcement::Column::State, Expr::value(state))
        .col_expr(
            announcement::Column::EndedAt,
            Expr::value(Some(app.clock.now())),
        )
        .filter(announcement::Column::Id.eq(id))
        .exec(&**write)
        .await?;
    Ok(())
}

/// Notes that it is on its way again.
pub async fn set_sending(write: &Write, id: i64) -> Result<()> {
    let none: Option<DateTime<Utc>> = None;
    announcement::Entity::update_many()
        .col_expr(
            announcement::Column::State,
            Expr::value(AnnouncementState::Sending),
        )
        .col_expr(announcement::Column::EndedAt, Expr::value(none))
        .filter(announcement::Column::Id.eq(id))
        .exec(&**write)
        .await?;
    Ok(())
}

/// A page of the announcements, newest first.
pub async fn list(
    db: &impl ConnectionTrait,
    page: Option<u64>,
) -> Result<(Paging, Vec<announcement::Model>)> {
    let all = announcement::Entity::find().order_by_desc(announcement::Column::Id);
    let paging = Paging::new(page, PAGE, all.clone().count(db).await?);
    let rows = all.offset(paging.offset()).limit(paging.size).all(db);
    Ok((paging, rows.await?))
}

/// Of these announcements those that anybody has read, with by how many; one query, which an index answers.
///
/// # Errors
/// When the database does not answer.
pub async fn count_readers(db: &impl ConnectionTrait, ids: &[i64]) -> Result<HashMap<i64, u64>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let keys: HashMap<String, i64> = ids.iter().map(|id| (dedupe_key(*id), *id)).collect();
    let read: Vec<(Option<String>, i64)> = message::Entity::find()
        .select_only()
        .column(message::Column::DedupeKey)
        .column_as(message::Column::Id.count(), "read")
        .filter(message::Column::DedupeKey.is_in(keys.keys().cloned()))
        .filter(message::Column::IsRead.eq(true))
        .group_by(message::Column::DedupeKey)
        .into_tuple()
        .all(db)
        .await?;
    let read = read.into_iter().filter_map(|(key, count)| {
        let id = keys.get(&key?)?;
        Some((*id, u64::try_from(count).unwrap_or(0)))
    });
    Ok(read.collect())
}

/// What an announcement may go to, to choose from: value and name.
pub struct Choices {
    /// None when there are too many: then one is typed.
    pub courses: Option<Vec<(String, String)>>,
    /// All of them.
    pub groups: Vec<(String, String)>,
}

/// Courses and groups to choose from.
pub async fn choices(db: &impl ConnectionTrait) -> Result<Choices> {
    let courses: Vec<(i64, String)> = course::Entity::find()
        .select_only()
        .columns([course::Column::Id, course::Column::Title])
        .order_by_asc(course::Column::Title)
        .order_by_asc(course::Column::Id)
        .limit(MOST_COURSES + 1)
        .into_tuple()
        .all(db)
        .await?;
    let are_few = u64::try_from(courses.len()).unwrap_or(u64::MAX) <= MOST_COURSES;
    let groups: Vec<(i64, String)> = group::Entity::find()
        .select_only()
        .columns([group::Column::Id, group::Column::Name])
        .order_by_asc(group::Column::Name)
        .into_tuple()
        .all(db)
        .await?;
    let valued = |rows: Vec<(i64, String)>, kind: &str| {
        let rows = rows.into_iter();
        rows.map(|(id, name)| (format!("{kind}:{id}"), name))
            .collect()
    };
    Ok(Choices {
        courses: are_few.then(|| valued(courses, "course")),
        groups: valued(groups, "group"),
    })
}

/// The number of the course that was typed: its address, or else its number.
pub async fn find_course(db: &impl ConnectionTrait, typed: &str) -> Result<Option<i64>> {
    let ids = || {
        course::Entity::find()
            .select_only()
            .column(course::Column::Id)
    };
    let named = ids().filter(course::Column::Slug.eq(typed));
    if let Some(id) = named.into_tuple().one(db).await? {
        return Ok(Some(id));
    }
    let Ok(id) = typed.parse::<i64>() else {
        return Ok(None);
    };
    let numbered = ids().filter(course::Column::Id.eq(id));
    Ok(numbered.into_tuple().one(db).await?)
}
