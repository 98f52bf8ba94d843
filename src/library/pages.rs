//! The page of the library, and giving a file another name.

use super::listing::{Asked, Found, KINDS, PATH, Sort, Standing, Wanted};
use super::rows::{Moment, Row};
use super::store;
use super::unfinished::{self, UnfinishedRow};
use crate::app::App;
use crate::entities::upload::UploadKind;
use crate::error::{Problems, Result};
use crate::media::{self, Accepts, Usage};
use crate::web::extract::{Path, Query};
use crate::web::form::{FaultLine, Field, Form, fault_lines};
use crate::web::identity::Author;
use crate::web::paging::Paging;
use crate::web::shell::{Place, Shell, page, page_with};
use crate::web::{redirect, text};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

/// The columns as a choice, for screens where they are no columns.
const SORTS: [(Sort, &str); 4] = [
    (Sort::Added, "Newest"),
    (Sort::Name, "Name"),
    (Sort::Length, "Length"),
    (Sort::Size, "Size"),
];

/// Longest name of a file, in characters.
const NAME_MAX: usize = 250;

/// All files of a teacher.
#[derive(Template)]
#[template(path = "library/list.html")]
struct LibraryPage {
    shell: Shell,
    /// `42 files, 18.4 GB of 50 GB`.
    totals: String,
    chips: Vec<Chip>,
    heads: Vec<Head>,
    wanted: Wanted,
    rows: Vec<Row>,
    paging: Paging,
    unfinished: Vec<UnfinishedRow>,
    is_empty: bool,
    max_bytes: u64,
    image_max_bytes: u64,
}

/// A kind, and how many files are of it.
struct Chip {
    words: &'static str,
    path: String,
    count: usize,
    is_chosen: bool,
}

/// The head of a column by which files are sorted.
struct Head {
    words: &'static str,
    path: String,
    /// `ascending`, `descending`, or nothing (WAI-ARIA 1.2, "aria-sort").
    sorted: Option<&'static str>,
    is_number: bool,
}

impl LibraryPage {
    fn head(&self, at: usize) -> Option<&Head> {
        self.heads.get(at)
    }

    fn page_url(&self, page: u64) -> String {
        self.wanted.at_page(page)
    }

    /// Where a form of a row leads back to.
    fn here(&self) -> String {
        self.wanted.path()
    }
}

/// GET `/library/`.
pub async fn list(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let db = app.db.read();
    let wanted = Wanted::of(&asked);
    let entries = store::list_entries(db, person.id).await?;
    let files = entries.len();
    let bytes = entries.iter().map(|entry| entry.size_bytes).sum();
    let totals = totals(files, bytes, media::usage(&app, db, person.id).await?);
    let Found {
        ids,
        paging,
        counts,
    } = wanted.find(entries);
    let mut views = media::list_files(db, &ids).await?;
    let uses = store::list_uses(db, &ids).await?;
    let rows = ids.iter().filter_map(|id| {
        let view = views.remove(id)?;
        let uses = uses.get(id).map_or(&[][..], Vec::as_slice);
        Some(Row::new(&view, uses, app.clock.now(), &person))
    });
    page(&LibraryPage {
        rows: rows.collect(),
        chips: chips(&wanted, &counts),
        heads: heads(&wanted),
        unfinished: unfinished::list(&app, &person).await?,
        is_empty: files == 0,
        shell: shell.at(Place::Teach),
        totals,
        wanted,
        paging,
        max_bytes: Accepts::File.max_bytes(&app),
        image_max_bytes: Accepts::Image.max_bytes(&app),
    })
}

/// `42 files, 18.4 GB of 50 GB`, and what uploads that are not finished take besides.
fn totals(files: usize, bytes: i64, usage: Usage) -> String {
    let files = i64::try_from(files).unwrap_or(i64::MAX);
    let [used, quota] =
        [usage.used_bytes, usage.quota_bytes].map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    let mut words = format!(
        "{}, {} of {}",
        text::count(files, "file", "files"),
        text::size(bytes),
        text::size(quota)
    );
    if used > bytes {
        words = format!("{words}, {} more not finished", text::size(used - bytes));
    }
    words
}

fn chips(wanted: &Wanted, counts: &[(Option<UploadKind>, usize)]) -> Vec<Chip> {
    let chip = |kind| Chip {
        words: match kind {
            None => "All",
            Some(UploadKind::Video) => "Video",
            Some(UploadKind::Audio) => "Audio",
            Some(UploadKind::Image) => "Images",
            Some(UploadKind::File) => "Other",
        },
        path: wanted.with_kind(kind),
        count: counts
            .iter()
            .find(|(counted, _)| *counted == kind)
            .map_or(0, |(_, count)| *count),
        is_chosen: wanted.kind == kind,
    };
    KINDS.into_iter().map(chip).collect()
}

fn heads(wanted: &Wanted) -> Vec<Head> {
    let head = |(sort, words, is_number)| Head {
        words,
        path: wanted.sorted_by(sort),
        sorted: (wanted.sort == sort).then_some(if wanted.is_descending {
            "descending"
        } else {
            "ascending"
        }),
        is_number,
    };
    [
        (Sort::Name, "Name", false),
        (Sort::Length, "Length", true),
        (Sort::Size, "Size", true),
        (Sort::Added, "Added", false),
    ]
    .map(head)
    .into()
}

/// The form of another name.
#[derive(Template)]
#[template(path = "library/rename.html")]
struct RenamePage {
    shell: Shell,
    id: i64,
    held: String,
    about: String,
    added: Moment,
    name: Field,
    faults: Vec<FaultLine>,
}

/// GET `/library/<upload>/rename/`.
pub async fn rename_form(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    Path(id): Path<i64>,
) -> Result<Response> {
    let view = media::get_own_file(app.db.read(), &person, id).await?;
    let name = view.upload.name.clone();
    page(&rename_page(
        &app,
        shell,
        &view,
        (&name, &Problems::new()),
        person.time_zone,
    ))
}

/// POST `/library/<upload>/rename/`.
pub async fn rename(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    Path(id): Path<i64>,
    form: Form,
) -> Result<Response> {
    let view = media::get_own_file(app.db.read(), &person, id).await?;
    let name = form.text("name");
    let problems = name_problems(name);
    if !problems.is_empty() {
        let state = (form.get("name"), &problems);
        let again = rename_page(&app, shell, &view, state, person.time_zone);
        return page_with(StatusCode::UNPROCESSABLE_ENTITY, &again);
    }
    media::rename(&app, &person, id, name).await?;
    Ok(redirect::see_other(PATH))
}

/// What is wrong with a name for a file, in the field `name`.
pub(super) fn name_problems(name: &str) -> Problems {
    let mut problems = Problems::new();
    problems.check(!name.is_empty(), "name", "Please give the file a name.");
    let length = name.chars().count();
    problems.check(
        length <= NAME_MAX,
        "name",
        format!("A name has at most {NAME_MAX} characters; this one has {length}."),
    );
    problems
}

fn rename_page(
    app: &App,
    shell: Shell,
    view: &media::FileView,
    (name, problems): (&str, &Problems),
    zone: chrono_tz::Tz,
) -> RenamePage {
    RenamePage {
        shell: shell.at(Place::Teach),
        id: view.upload.id,
        held: view.upload.name.clone(),
        about: text::size(view.upload.size_bytes),
        added: Moment::new(view.upload.created_at, app.clock.now(), zone),
        name: Field::new("name", name, problems),
        faults: fault_lines(problems),
    }
}

#[cfg(test)]
mod tests {
    use super::{Usage, totals};

    #[test]
    fn the_totals_tell_what_is_taken_of_the_quota() {
        let usage = |used_bytes| Usage {
            used_bytes,
            quota_bytes: 50_000_000_000,
        };
        let files = 18_400_000_000;
        assert_eq!(
            totals(42, files, usage(18_400_000_000)),
            "42 files, 18 GB of 50 GB"
        );
        assert_eq!(
            totals(1, files, usage(20_500_000_000)),
            "1 file, 18 GB of 50 GB, 2.1 GB more not finished"
        );
    }
}
