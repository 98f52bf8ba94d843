//! What subjects, courses and their modules consist of, as the log of changes tells it.

use super::store;
use crate::db::Write;
use crate::entities::{course, subject, user};
use crate::error::Result;
use crate::web::audit::{By, Done, Facts, record, yes_no};
use sea_orm::{ConnectionTrait, EntityTrait, QuerySelect};

/// A subject; `None` when there is none.
pub async fn subject_facts(db: &impl ConnectionTrait, id: i64) -> Result<Option<Facts>> {
    let found = subject::Entity::find_by_id(id).one(db).await?;
    Ok(found.map(|row| Facts {
        name: row.title.clone(),
        fields: vec![("title", row.title), ("slug", row.slug)],
    }))
}

/// A course with its modules; `None` when there is none.
pub async fn course_facts(db: &impl ConnectionTrait, id: i64) -> Result<Option<Facts>> {
    let found = course::Entity::find_by_id(id)
        .find_also_related(subject::Entity)
        .one(db)
        .await?;
    let Some((course, subject)) = found else {
        return Ok(None);
    };
    let owner: Option<String> = user::Entity::find_by_id(course.owner_id)
        .select_only()
        .column(user::Column::Username)
        .into_tuple()
        .one(db)
        .await?;
    let modules = store::list_modules(db, id).await?;
    let modules = modules.into_iter().map(|module| match module.description {
        none if none.is_empty() => module.title,
        told => format!("{}: {told}", module.title),
    });
    let modules: Vec<String> = modules.collect();
    Ok(Some(Facts {
        name: course.title.clone(),
        fields: vec![
            ("title", course.title),
            ("slug", course.slug),
            ("owner", owner.unwrap_or_default()),
            ("subject", subject.map_or_else(String::new, |row| row.title)),
            ("overview", course.overview),
            ("draft", yes_no(course.is_draft)),
            (
                "places",
                course.places.map_or_else(String::new, |n| n.to_string()),
            ),
            ("approval", yes_no(course.needs_approval)),
            ("modules", modules.join("; ")),
        ],
    }))
}

/// What a course consists of before somebody changes it who is not its teacher; `None` for the teacher herself, whose own
/// changes are no matter of the log.
///
/// # Errors
/// When the database does not answer.
pub async fn facts_for_others(
    write: &Write,
    by: &By,
    course: &course::Model,
) -> Result<Option<Facts>> {
    if by.id == Some(course.owner_id) {
        Ok(None)
    } else {
        course_facts(&**write, course.id).await
    }
}

/// Logs what somebody has done to the course of another: `before` is what [`facts_for_others`] has told.
///
/// # Errors
/// When the database does not answer; then the change is not committed either.
pub async fn log_for_others(
    write: &Write,
    by: &By,
    act: &str,
    id: i64,
    before: Option<&Facts>,
) -> Result<()> {
    if before.is_none() {
        return Ok(());
    }
    let after = course_facts(&**write, id).await?;
    let done = Done {
        act,
        kind: "course",
        id,
        before,
        after: after.as_ref(),
    };
    record(write, by, done).await
}
