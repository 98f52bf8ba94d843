//! Deleting files with everything that shows them. The page asks first and names what is lost.

use super::listing::PATH;
use super::rows::Place as UsePlace;
use super::store;
use crate::app::App;
use crate::courses::{self, Contents};
use crate::db::Write;
use crate::entities::{item, upload, user};
use crate::error::{Error, Result};
use crate::media;
use crate::web::audit::{By, ByPage, Facts};
use crate::web::form::Form;
use crate::web::identity::{Author, Person};
use crate::web::permissions::{self, require};
use crate::web::shell::{Place, Shell, page, page_with};
use crate::web::{redirect, text};
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use sea_orm::{ActiveEnum as _, ColumnTrait as _, ConnectionTrait, EntityTrait as _};
use std::collections::BTreeSet;

/// So many files are deleted at once; a page of the library has fewer.
const MOST: usize = 100;

const ELSEWHERE: &str =
    "A course of somebody else shows this file. Ask its teacher to take it out of there first.";

const NOT_NAMED: &str = "Nothing was deleted: lessons have begun to use what you chose. ";

/// The page that asks.
#[derive(Template)]
#[template(path = "library/delete.html")]
struct DeletePage {
    shell: Shell,
    heading: String,
    words: String,
    files: Vec<Doomed>,
    /// The contents that the page names.
    contents: BTreeSet<i64>,
    submit: String,
}

/// A file that is to be deleted, and the contents that lose it.
struct Doomed {
    id: i64,
    name: String,
    size: String,
    uses: Vec<UsePlace>,
}

/// The numbers that were sent, each once, those that are no numbers left out.
fn numbers<'a>(sent: impl Iterator<Item = &'a str>) -> Result<Vec<i64>> {
    let ids: BTreeSet<i64> = sent.filter_map(|value| value.trim().parse().ok()).collect();
    if ids.len() > MOST {
        return Err(Error::BadRequest(format!(
            "Up to {MOST} files are deleted at once. Choose fewer."
        )));
    }
    Ok(ids.into_iter().collect())
}

/// GET `/library/delete/?file=<upload>&file=...`: asks whether to delete these files.
pub async fn ask(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    RawQuery(query): RawQuery,
) -> Result<Response> {
    let query = query.unwrap_or_default();
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let sent = pairs.iter().filter(|(name, _)| name == "file");
    let ids = numbers(sent.map(|(_, value)| value.as_str()))?;
    let db = app.db.read();
    let files = store::list_own(db, person.id, &ids).await?;
    if files.is_empty() && !ids.is_empty() {
        return Err(Error::NotFound);
    }
    if files.is_empty() {
        return Ok(redirect::see_other(PATH));
    }
    page(&asking(&app, shell, &person, files, "").await?)
}

/// The page about these files. `before`: what stands before the warning.
async fn asking(
    app: &App,
    shell: Shell,
    person: &Person,
    files: Vec<upload::Model>,
    before: &str,
) -> Result<DeletePage> {
    let ids: Vec<i64> = files.iter().map(|file| file.id).collect();
    let mut uses = store::list_uses(app.db.read(), &ids).await?;
    let mut contents = BTreeSet::new();
    let files: Vec<Doomed> = files
        .into_iter()
        .map(|file| {
            let uses = uses.remove(&file.id).unwrap_or_default();
            contents.extend(uses.iter().map(|found| found.content_id));
            Doomed {
                id: file.id,
                size: text::size(file.size_bytes),
                uses: uses
                    .iter()
                    .map(|found| UsePlace::new(found, person))
                    .collect(),
                name: file.name,
            }
        })
        .collect();
    Ok(DeletePage {
        shell: shell.at(Place::Teach),
        heading: heading(&files),
        words: format!("{before}{}", warning(contents.len(), files.len())),
        contents,
        submit: match files.len() {
            1 => "Delete it".into(),
            count => format!("Delete these {count} files"),
        },
        files,
    })
}

fn heading(files: &[Doomed]) -> String {
    match files {
        [file] => format!("Delete {}?", file.name),
        _ => format!("Delete {} files?", files.len()),
    }
}

/// What is lost besides the files themselves.
fn warning(lessons: usize, files: usize) -> String {
    let (it, is, them) = if files == 1 {
        ("It", "is", "it")
    } else {
        ("They", "are", "them")
    };
    match lessons {
        0 => format!("{it} {is} used nowhere. This cannot be undone."),
        1 => format!(
            "{it} {is} used in 1 lesson, which will lose {them} too. This cannot be undone."
        ),
        count => format!(
            "{it} {is} used in {count} lessons, which will lose {them} too. This cannot be undone."
        ),
    }
}

/// POST `/library/delete/`, `file=<upload>` once or several times, and `content=<content>` for each content that the
/// page has named: deletes the files, and the contents that show them. What is gone already is no fault. Are there
/// contents now that were not named, it asks again (409).
pub async fn delete(
    State(app): State<App>,
    Author(person): Author,
    ByPage(by): ByPage,
    shell: Shell,
    form: Form,
) -> Result<Response> {
    let ids = numbers(form.all("file"))?;
    let named = form.all("content").filter_map(|id| id.trim().parse().ok());
    let named: BTreeSet<i64> = named.collect();
    let mut write = app.write().await?;
    let files = store::list_own(&*write, person.id, &ids).await?;
    let losing = hold_losing(&app, &write, &files).await?;
    require_hers(&write, &person, &losing).await?;
    if losing.shows.is_subset(&named) {
        delete_files(&app, &mut write, &by, &files, losing).await?;
        write.commit().await?;
        return Ok(redirect::see_other(PATH));
    }
    drop(write);
    let files = store::list_own(app.db.read(), person.id, &ids).await?;
    if files.is_empty() {
        return Ok(redirect::see_other(PATH));
    }
    page_with(
        StatusCode::CONFLICT,
        &asking(&app, shell, &person, files, NOT_NAMED).await?,
    )
}

/// Deletes a file, whoever's it is, with the contents that show it; the line of a room that shows it stays without it. Who
/// may is for the caller to have asked.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn delete_upload(app: &App, write: &mut Write, by: &By, id: i64) -> Result<()> {
    let found = upload::Entity::find_by_id(id).one(&**write).await?;
    let files = [found.ok_or(Error::NotFound)?];
    let losing = hold_losing(app, write, &files).await?;
    media::take_out_of_room(write, id).await?;
    delete_files(app, write, by, &files, losing).await
}

/// What an upload consists of, for the log; `None` when there is none.
///
/// # Errors
/// When the database does not answer.
pub async fn upload_facts(db: &impl ConnectionTrait, id: i64) -> Result<Option<Facts>> {
    let found = upload::Entity::find_by_id(id)
        .find_also_related(user::Entity)
        .one(db)
        .await?;
    Ok(found.map(|(row, owner)| Facts {
        name: row.name.clone(),
        fields: vec![
            ("name", row.name),
            ("kind", row.kind.to_value()),
            (
                "owner",
                owner.map_or_else(String::new, |owner| owner.username),
            ),
            ("size", text::size(row.size_bytes)),
            ("state", row.state.to_value()),
        ],
    }))
}

/// What loses something when files are deleted.
pub(super) struct Losing {
    /// The contents that show one of them, and go with it.
    pub shows: BTreeSet<i64>,
    /// The items that wait for one of them, and keep what they show.
    waits: BTreeSet<i64>,
}

/// Holds these files with everything that shows them until the end of the transaction.
///
/// Courses before files before contents, as everywhere: two who take them in turn would wait for each other.
pub(super) async fn hold_losing(
    app: &App,
    write: &Write,
    files: &[upload::Model],
) -> Result<Losing> {
    let ids = numbers_of(files);
    let (contents, waiting) = store::list_contents(write, &ids).await?;
    let modules: Vec<i64> = contents.iter().map(|content| content.module_id).collect();
    for course_id in store::list_courses(&**write, &modules).await? {
        courses::touch(app, write, course_id).await?;
    }
    media::hold_files(write, &ids).await?;
    // Whoever began to use one of them before it was held is found now.
    let (contents_now, waiting_now) = store::list_contents(write, &ids).await?;
    Ok(Losing {
        shows: contents
            .iter()
            .chain(&contents_now)
            .map(|row| row.id)
            .collect(),
        waits: waiting
            .iter()
            .chain(&waiting_now)
            .map(|item| item.id)
            .collect(),
    })
}

/// Lets her go on who may delete what would go with files of hers: contents, in courses that are hers. A course that was
/// given to another teacher goes on showing files of the one before, who deletes nothing there.
///
/// # Errors
/// [`Error::Forbidden`] without the permission to delete contents, [`Error::Conflict`] when a course is somebody else's.
pub(super) async fn require_hers(write: &Write, person: &Person, losing: &Losing) -> Result<()> {
    if losing.shows.is_empty() {
        return Ok(());
    }
    require(person, permissions::DELETE_CONTENT)?;
    let is_elsewhere = store::are_in_courses_of_others(&**write, person.id, &losing.shows).await?;
    if is_elsewhere && !person.is_staff {
        return Err(Error::Conflict(ELSEWHERE.into()));
    }
    Ok(())
}

/// Deletes files that are [held](hold_losing), and the contents that show them. What courses of others lose by it is logged.
pub(super) async fn delete_files(
    app: &App,
    write: &mut Write,
    by: &By,
    files: &[upload::Model],
    losing: Losing,
) -> Result<()> {
    let contents: Vec<i64> = losing.shows.into_iter().collect();
    let freed = courses::delete_contents(write, by, &contents).await?;
    let waiting = item::Column::Id.is_in(losing.waits.iter().copied());
    let logged = Contents::before(write, by, waiting).await?;
    for item_id in losing.waits {
        match media::keep_present(app, write, item_id).await {
            Ok(()) | Err(Error::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    logged.log(write, by, "change").await?;
    let all: BTreeSet<i64> = freed.into_iter().chain(numbers_of(files)).collect();
    for id in all {
        media::discard(app, write, id).await?;
    }
    Ok(())
}

fn numbers_of(files: &[upload::Model]) -> Vec<i64> {
    files.iter().map(|file| file.id).collect()
}

#[cfg(test)]
mod tests {
    use super::{MOST, numbers, warning};

    #[test]
    fn files_are_named_by_number_each_once_and_not_without_end() {
        let read = |sent: &[&str]| numbers(sent.iter().copied()).unwrap();
        assert_eq!(read(&["7", " 3 ", "7", "x", "", "-1"]), [-1, 3, 7]);
        let many: Vec<String> = (0..=MOST).map(|number| number.to_string()).collect();
        assert!(numbers(many.iter().map(String::as_str)).is_err());
    }

    #[test]
    fn the_warning_says_how_many_lessons_lose_something() {
        assert!(warning(0, 1).starts_with("It is used nowhere."));
        assert!(warning(1, 1).starts_with("It is used in 1 lesson, which will lose it too."));
        assert!(warning(2, 3).starts_with("They are used in 2 lessons, which will lose them too."));
    }
}
