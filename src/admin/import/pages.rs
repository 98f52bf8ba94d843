//! `/admin/enrollments/import/`: the file, what would happen, and the yes.

use super::judge::{Preview, judge};
use super::read::{MOST_LINES, read};
use crate::admin::site::{Side, grouped};
use crate::app::App;
use crate::db::Write;
use crate::entities::{course, csv_import, enrollment, user};
use crate::error::{Error, Problems, Result};
use crate::learning;
use crate::web::audit::{Done, Facts, record_all};
use crate::web::csrf::{self, Checked};
use crate::web::extract::Path;
use crate::web::form::{FaultLine, Field, Form, fault_lines};
use crate::web::permissions::admin;
use crate::web::shell::{Place, Shell, page, page_with};
use askama::Template;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::Response;
use chrono::TimeDelta;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait,
    QueryFilter, QuerySelect,
};
use std::collections::HashMap;

/// Bytes of a file, and of the form around it.
const MOST_BYTES: usize = 16_000_000;

/// How long a file waits for its yes.
const WAITS: TimeDelta = TimeDelta::days(1);

/// Values in one statement.
const AT_ONCE: usize = 1_000;

/// The page that asks for the file.
#[derive(Template)]
#[template(path = "admin/import.html")]
struct FilePage {
    shell: Shell,
    side: Side,
    faults: Vec<FaultLine>,
    file: Field,
    most: String,
}

/// The page that tells what would happen.
#[derive(Template)]
#[template(path = "admin/import_preview.html")]
struct PreviewPage {
    shell: Shell,
    side: Side,
    preview: Preview,
    /// The number under which the file waits; none when there is nothing to do.
    id: Option<i64>,
}

impl PreviewPage {
    fn enrolled(&self) -> String {
        count(self.preview.pairs.len(), "enrollment", "enrollments")
    }

    fn faults(&self) -> String {
        count(self.preview.faulty.len(), "line", "lines")
    }

    fn present(&self) -> String {
        count(
            self.preview.present,
            "enrollment is there already",
            "enrollments are there already",
        )
    }
}

fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{} {many}", grouped(u64::try_from(number).unwrap_or(0)))
    }
}

fn file_page(shell: Shell, side: Side, problems: &Problems) -> FilePage {
    FilePage {
        shell: shell.at(Place::Admin),
        side,
        faults: fault_lines(problems),
        file: Field::new("file", "", problems),
        most: grouped(u64::try_from(MOST_LINES).unwrap_or(0)),
    }
}

/// GET
pub async fn form(side: Side, shell: Shell) -> Result<Response> {
    side.require(admin::VIEW_ENROLLMENT)?;
    side.require(admin::ADD_ENROLLMENT)?;
    page(&file_page(shell, side, &Problems::new()))
}

/// POST: looks through the file.
pub async fn look(
    State(app): State<App>,
    side: Side,
    shell: Shell,
    request: Request,
) -> Result<Response> {
    side.require(admin::VIEW_ENROLLMENT)?;
    side.require(admin::ADD_ENROLLMENT)?;
    let (parts, body) = request.into_parts();
    let bytes = receive(&app, &parts, body).await?;
    let lines = match tokio::task::spawn_blocking(move || read(&bytes)).await {
        Ok(Ok(lines)) => lines,
        Ok(Err(words)) => {
            let problems = Problems::of("file", words);
            let page = file_page(shell, side, &problems);
            return page_with(StatusCode::UNPROCESSABLE_ENTITY, &page);
        }
        Err(error) => return Err(Error::internal(error)),
    };
    let preview = judge(app.db.read(), lines).await?;
    let id = if preview.pairs.is_empty() {
        None
    } else {
        Some(keep(&app, &side, &preview).await?)
    };
    page(&PreviewPage {
        shell: shell.at(Place::Admin),
        side,
        preview,
        id,
    })
}

/// The file, of a form whose token is right.
async fn receive(app: &App, parts: &Parts, body: Body) -> Result<Vec<u8>> {
    let content_type = parts.headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let bytes = axum::body::to_bytes(body, MOST_BYTES).await.map_err(|_| {
        Error::TooLarge(
            "The file has more than 16 MB. Please part it, and send one after the other.".into(),
        )
    })?;
    let (form, file) = Form::read_with_file(content_type.unwrap_or(""), bytes, "file").await?;
    if parts.extensions.get::<Checked>() != Some(&Checked::Yes) {
        csrf::accept_field(app, parts, form.get(csrf::FIELD))?;
    }
    Ok(file.map(|file| file.to_vec()).unwrap_or_default())
}

/// Puts what the file says aside until the yes; what she sent before is forgotten, and so is what waited too long.
async fn keep(app: &App, side: &Side, preview: &Preview) -> Result<i64> {
    let now = app.clock.now();
    let body = serde_json::to_string(&preview.pairs).map_err(Error::internal)?;
    let write = app.write().await?;
    let over = Condition::any()
        .add(csv_import::Column::UserId.eq(side.person.id))
        .add(csv_import::Column::CreatedAt.lt(now - WAITS));
    csv_import::Entity::delete_many()
        .filter(over)
        .exec(&*write)
        .await?;
    let row = csv_import::ActiveModel {
        user_id: Set(side.person.id),
        body: Set(body),
        faults: Set(i64::try_from(preview.faulty.len()).unwrap_or(i64::MAX)),
        created_at: Set(now),
        ..Default::default()
    };
    let row = row.insert(&*write).await?;
    write.commit().await?;
    Ok(row.id)
}

/// POST `<id>/`: does what the page told.
pub async fn confirm(State(app): State<App>, side: Side, Path(id): Path<i64>) -> Result<Response> {
    side.require(admin::VIEW_ENROLLMENT)?;
    side.require(admin::ADD_ENROLLMENT)?;
    let write = app.write().await?;
    let found = csv_import::Entity::find_by_id(id)
        .filter(csv_import::Column::UserId.eq(side.person.id))
        .filter(csv_import::Column::CreatedAt.gte(app.clock.now() - WAITS))
        .lock_exclusive();
    let Some(row) = found.one(&*write).await? else {
        return Err(Error::Conflict(
            "This file waits for nothing any more: it was imported already, you have sent another one since, or a day has passed. Look at the enrollments, and send it again if they are missing.".into(),
        ));
    };
    csv_import::Entity::delete_by_id(id).exec(&*write).await?;
    let pairs: Vec<(i64, i64)> = serde_json::from_str(&row.body).map_err(Error::internal)?;
    let made = learning::enroll_by_staff(&app, &write, &pairs)
        .await
        .map_err(|error| match error {
            Error::NotFound => Error::Conflict(
                "Meanwhile an account or a course of this file is gone. Nothing was changed; please send the file again.".into(),
            ),
            other => other,
        })?;
    log(&app, &side, &write, &made).await?;
    write.commit().await?;
    let count = made.len();
    let told = format!("/admin/enrollments/?done=import&count={count}");
    side.lead(&app, &told)
}

async fn log(app: &App, side: &Side, write: &Write, made: &[enrollment::Model]) -> Result<()> {
    let people = names(
        &**write,
        user::Column::Id,
        user::Column::Username,
        made.iter().map(|row| row.user_id),
    );
    let people = people.await?;
    let titles = names(
        &**write,
        course::Column::Id,
        course::Column::Title,
        made.iter().map(|row| row.course_id),
    );
    let titles = titles.await?;
    let name = |of: &HashMap<i64, String>, id: i64| of.get(&id).cloned().unwrap_or_default();
    let facts: Vec<(i64, Facts)> = made
        .iter()
        .map(|row| {
            let (student, title) = (name(&people, row.user_id), name(&titles, row.course_id));
            (row.id, learning::facts_of(&student, &title))
        })
        .collect();
    let done: Vec<Done<'_>> = facts
        .iter()
        .map(|(id, facts)| Done {
            act: "import",
            kind: "enrollment",
            id: *id,
            before: None,
            after: Some(facts),
        })
        .collect();
    record_all(write, &side.by(app), &done).await
}

/// What the things of these numbers are called.
async fn names<C: ColumnTrait>(
    db: &impl ConnectionTrait,
    id: C,
    name: C,
    ids: impl Iterator<Item = i64>,
) -> Result<HashMap<i64, String>>
where
    C::EntityName: EntityTrait,
{
    let mut ids: Vec<i64> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    let mut names = HashMap::new();
    for chunk in ids.chunks(AT_ONCE) {
        let rows: Vec<(i64, String)> = C::EntityName::find()
            .select_only()
            .column(id)
            .column(name)
            .filter(id.is_in(chunk.iter().copied()))
            .into_tuple()
            .all(db)
            .await?;
        names.extend(rows);
    }
    Ok(names)
}
