//! Numbers about courses, for lists of them: each function costs one query, however many courses it is asked for.

use crate::entities::upload::UploadState;
use crate::entities::{
    content, course, done_mark, enrollment, item, module, subject, upload, user,
};
use crate::error::Result;
use sea_orm::sea_query::{Expr, ExprTrait, IntoCondition};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect,
    RelationTrait,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A subject and how many courses it has.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SubjectView {
    /// Its number.
    pub id: i64,
    /// Its title.
    pub title: String,
    /// Its address is `/course/subject/<slug>/`.
    pub slug: String,
    /// Its published courses.
    pub courses: u64,
}

/// All subjects by title, with the number of their published courses.
pub async fn list_subjects(db: &impl ConnectionTrait) -> Result<Vec<SubjectView>> {
    let subjects = subject::Entity::find()
        .order_by_asc(subject::Column::Title)
        .order_by_desc(subject::Column::Id)
        .all(db)
        .await?;
    let rows: Vec<(i64, i64)> = course::Entity::find()
        .select_only()
        .column(course::Column::SubjectId)
        .column_as(course::Column::Id.count(), "number")
        .filter(course::Column::IsDraft.eq(false))
        .group_by(course::Column::SubjectId)
        .into_tuple()
        .all(db)
        .await?;
    let counts: HashMap<i64, i64> = rows.into_iter().collect();
    let view = |subject: subject::Model| SubjectView {
        courses: counts
            .get(&subject.id)
            .and_then(|count| u64::try_from(*count).ok())
            .unwrap_or(0),
        id: subject.id,
        title: subject.title,
        slug: subject.slug,
    };
    Ok(subjects.into_iter().map(view).collect())
}

/// How many modules each course has; courses without any are left out.
pub async fn count_modules(
    db: &impl ConnectionTrait,
    course_ids: &[i64],
) -> Result<HashMap<i64, i64>> {
    let rows: Vec<(i64, i64)> = module::Entity::find()
        .select_only()
        .column(module::Column::CourseId)
        .column_as(module::Column::Id.count(), "number")
        .filter(module::Column::CourseId.is_in(course_ids.iter().copied()))
        .group_by(module::Column::CourseId)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}

/// How many students each course has; courses without any are left out.
pub async fn count_students(
    db: &impl ConnectionTrait,
    course_ids: &[i64],
) -> Result<HashMap<i64, i64>> {
    let rows: Vec<(i64, i64)> = enrollment::Entity::find()
        .select_only()
        .column(enrollment::Column::CourseId)
        .column_as(enrollment::Column::Id.count(), "number")
        .filter(enrollment::Column::CourseId.is_in(course_ids.iter().copied()))
        .group_by(enrollment::Column::CourseId)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}

/// Seconds of recordings that are ready in each course; courses without any are left out.
pub async fn media_seconds(
    db: &impl ConnectionTrait,
    course_ids: &[i64],
) -> Result<HashMap<i64, f64>> {
    let rows: Vec<(i64, Option<f64>)> = module::Entity::find()
        .select_only()
        .column(module::Column::CourseId)
        .column_as(upload::Column::DurationSeconds.sum(), "seconds")
        .join(JoinType::InnerJoin, content::Relation::Module.def().rev())
        .join(JoinType::InnerJoin, content::Relation::Item.def())
        .join(JoinType::InnerJoin, item::Relation::Upload.def())
        .filter(module::Column::CourseId.is_in(course_ids.iter().copied()))
        .filter(upload::Column::State.eq(UploadState::Ready))
        .group_by(module::Column::CourseId)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .filter_map(|(id, seconds)| seconds.map(|seconds| (id, seconds)))
        .collect())
}

/// How far the student is in each of these courses in which she is enrolled: 0-100, and 100 only when every
/// content is done.
pub async fn progress_percent(
    db: &impl ConnectionTrait,
    user_id: i64,
    course_ids: &[i64],
) -> Result<HashMap<i64, i64>> {
    let of_hers = done_mark::Relation::Content
        .def()
        .rev()
        .on_condition(move |_, marks| {
            Expr::col((marks, done_mark::Column::UserId))
                .eq(user_id)
                .into_condition()
        });
    let rows: Vec<(i64, i64, i64)> = enrollment::Entity::find()
        .select_only()
        .column(enrollment::Column::CourseId)
        .column_as(content::Column::Id.count(), "contents")
        .column_as(done_mark::Column::ContentId.count(), "done")
        .join(JoinType::InnerJoin, enrollment::Relation::Course.def())
        .join(JoinType::LeftJoin, module::Relation::Course.def().rev())
        .join(JoinType::LeftJoin, content::Relation::Module.def().rev())
        .join(JoinType::LeftJoin, of_hers)
        .filter(enrollment::Column::UserId.eq(user_id))
        .filter(enrollment::Column::CourseId.is_in(course_ids.iter().copied()))
        .group_by(enrollment::Column::CourseId)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, contents, done)| (id, done * 100 / Ord::max(contents, 1)))
        .collect())
}

/// The names of people as others see them.
pub async fn list_names(
    db: &impl ConnectionTrait,
    user_ids: &[i64],
) -> Result<HashMap<i64, String>> {
    let rows: Vec<(i64, String, String)> = user::Entity::find()
        .select_only()
        .column(user::Column::Id)
        .column(user::Column::Name)
        .column(user::Column::Username)
        .filter(user::Column::Id.is_in(user_ids.iter().copied()))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, name, username)| (id, if name.is_empty() { username } else { name }))
        .collect())
}
