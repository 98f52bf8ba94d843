//! Bringing a course in from a file: the whole archive is verified first, then come its files, and last its rows, in one
//! transaction. Whatever goes wrong, the site is as it was.

use super::document::{ContentPart, CourseDocument, FilePart};
use super::{COURSE, part_of, room};
use crate::app::App;
use crate::backup::BackupError;
use crate::backup::archive::{self, at};
use crate::backup::manifest::Manifest;
use crate::backup::restore::put;
use crate::courses::{course_facts, slug_fault, subject_facts};
use crate::db::{Tag, Write};
use crate::entities::upload::UploadState;
use crate::entities::{content, course, item, module, rendition, subject, upload, user};
use crate::error::Error;
use crate::jobs;
use crate::media::{self, ORIGINAL, ProcessUpload};
use crate::web::audit::{By, Done, Facts, record};
use crate::web::permissions::CHANGE_COURSE;
use crate::web::{changes, sessions};
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, DbErr, EntityTrait as _,
    QueryFilter as _, SqlErr,
};
use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use tokio::runtime::Handle;

/// More is no document of ours.
const LARGEST_DOCUMENT: u64 = 256 << 20;

/// The folder, under the prefix of an upload, of what was made elsewhere: as if by an attempt before all others.
const MADE_ELSEWHERE: &str = "0-0";

/// How a course comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// User name of who it belongs to.
    pub owner: String,
    /// Its address; nothing: the one that it had.
    pub slug: Option<String>,
    /// Whether visitors see it at once.
    pub is_published: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Number of the course.
    pub id: i64,
    /// Its title.
    pub title: String,
    /// Its address.
    pub slug: String,
    /// Its uploads.
    pub files: usize,
    /// Those of them that are still to be processed.
    pub waiting: usize,
}

/// Brings a course in.
///
/// # Errors
/// [`BackupError`]; nothing is changed then. When the answer to the commit is lost it may have come in; the files of one that
/// did not are swept as nobody's.
pub async fn import(app: &App, path: PathBuf, wish: Wish) -> Result<Imported, BackupError> {
    let (app, runtime) = (app.clone(), Handle::current());
    // Reading and writing files takes minutes, and blocks.
    let importing = tokio::task::spawn_blocking(move || {
        let mut importing = Importing {
            app,
            runtime,
            stored: Vec::new(),
        };
        let done = importing.run(&path, &wish);
        if done.is_err() {
            importing.undo();
        }
        done
    });
    importing.await.map_err(|_| BackupError::BrokenOff)?
}

struct Importing {
    app: App,
    runtime: Handle,
    /// Keys of the files that were put into the store.
    stored: Vec<String>,
}

/// A course that may come in.
struct Admitted {
    document: CourseDocument,
    owner: user::Model,
    slug: String,
    /// Where the files of each upload go.
    prefixes: Vec<String>,
}

impl Importing {
    fn run(&mut self, path: &Path, wish: &Wish) -> Result<Imported, BackupError> {
        let manifest = archive::verify(path)?;
        let runtime = self.runtime.clone();
        let document = read(path, &manifest)?;
        let admitted = runtime.block_on(self.admit(document, wish))?;
        let keys = keys_of(&admitted);
        archive::walk(path, |name, bytes| {
            if let Some(key) = keys.get(name) {
                self.stored.push(key.clone());
                put(&self.app, &self.runtime, key, bytes)?;
            }
            Ok(())
        })?;
        runtime.block_on(self.insert(&admitted, wish.is_published))
    }

    /// Looks whether there is room for it here, before anything is stored.
    async fn admit(&self, document: CourseDocument, wish: &Wish) -> Result<Admitted, BackupError> {
        let refused = |words: String| Err(BackupError::Refused(words));
        let db = self.app.db.read();
        let owner = self.owner(&wish.owner).await?;
        let slug = wish.slug.clone().unwrap_or_else(|| document.slug.clone());
        if let Some(fault) = slug_fault(&slug) {
            return refused(format!("the address {slug:?}: {fault}"));
        }
        let taken = course::Entity::find().filter(course::Column::Slug.eq(&slug));
        if taken.one(db).await?.is_some() {
            return refused(slug_taken(&slug));
        }
        // Before the disk or the bucket is filled with what is refused then.
        let size = document.size_bytes();
        let share = media::check_room(&self.app, db, owner.id, size).await;
        share.map_err(fault)?;
        if let Some(words) = room::fault(&self.app.config, &document) {
            return refused(words);
        }
        let prefixes = document.files.iter().map(|_| media::new_prefix(&self.app));
        Ok(Admitted {
            prefixes: prefixes.collect(),
            document,
            owner,
            slug,
        })
    }

    /// Whose it becomes: somebody who can open its editor.
    async fn owner(&self, name: &str) -> Result<user::Model, BackupError> {
        let refused = |words: String| Err(BackupError::Refused(words));
        let db = self.app.db.read();
        let owner = user::Entity::find().filter(user::Column::Username.eq(name));
        let Some(owner) = owner.one(db).await? else {
            return refused(format!(
                "there is no account {name:?}; `lyceum user add {name} --instructor` makes one"
            ));
        };
        if !owner.is_active {
            return refused(format!(
                "the account {name:?} is shut; `lyceum user activate {name}` opens it"
            ));
        }
        let person = sessions::load_person(db, owner.clone()).await;
        if !person.map_err(fault)?.may(CHANGE_COURSE) {
            return refused(format!(
                "{name:?} may not write courses, and nobody but staff could change this one; name somebody who may, \
                 or put her into the group Instructors at {}/admin/users/",
                self.app.config.site_url()
            ));
        }
        Ok(owner)
    }

    async fn insert(
        &mut self,
        admitted: &Admitted,
        is_published: bool,
    ) -> Result<Imported, BackupError> {
        let app = &self.app;
        let mut write = app.write().await.map_err(fault)?;
        let (owner_id, size) = (admitted.owner.id, admitted.document.size_bytes());
        let room = media::require_room(app, &write, owner_id, size).await;
        room.map_err(fault)?;
        let mut uploads = Vec::new();
        for (file, prefix) in admitted.document.files.iter().zip(&admitted.prefixes) {
            let made = insert_upload(app, &write, owner_id, file, prefix).await?;
            if made.state == UploadState::Waiting {
                let process = ProcessUpload::of(&made);
                let enqueued = jobs::enqueue(app, &mut write, &process).await;
                enqueued.map_err(fault)?;
            }
            uploads.push(made);
        }
        let (course, is_subject_new) = insert_course(app, &write, admitted, is_published).await?;
        insert_modules(app, &write, &course, &admitted.document, &uploads).await?;
        changes::course(&write, course.id, course.owner_id);
        let logged = log(app, &write, &course, is_subject_new).await;
        logged.map_err(fault)?;
        // When no answer comes it may have been committed all the same; then nothing may be undone.
        self.stored.clear();
        write.commit().await.map_err(fault)?;
        let is_waiting = |made: &&upload::Model| made.state == UploadState::Waiting;
        Ok(Imported {
            id: course.id,
            title: course.title,
            slug: course.slug,
            files: uploads.len(),
            waiting: uploads.iter().filter(is_waiting).count(),
        })
    }

    /// What was stored for nothing goes; what cannot be deleted now is swept as files that belong to no upload.
    fn undo(&self) {
        for key in &self.stored {
            if let Err(error) = self.runtime.block_on(self.app.files.delete(key)) {
                tracing::warn!(%error, key, "a file that is not needed is left to the sweep");
            }
        }
    }
}

/// What the archive says of the course, when it is one of ours.
fn read(path: &Path, manifest: &Manifest) -> Result<CourseDocument, BackupError> {
    if !manifest.parts.contains_key(COURSE) {
        return Err(BackupError::Refused(
            "this is no archive of a course; `lyceum restore` brings back a whole site".to_owned(),
        ));
    }
    let mut text = Vec::new();
    archive::walk(path, |name, bytes| {
        if name == COURSE {
            let mut bytes = bytes.take(LARGEST_DOCUMENT);
            bytes.read_to_end(&mut text).map_err(at(path))?;
        }
        Ok(())
    })?;
    let document: CourseDocument = serde_json::from_slice(&text)
        .map_err(|error| BackupError::Refused(format!("{COURSE} cannot be read: {error}")))?;
    document.check(manifest).map_err(BackupError::Refused)?;
    Ok(document)
}

/// Where each part of the archive goes in the store.
fn keys_of(admitted: &Admitted) -> HashMap<String, String> {
    let files = admitted.document.files.iter().zip(&admitted.prefixes);
    files
        .enumerate()
        .flat_map(|(number, (file, prefix))| {
            let stored = file.stored.iter();
            stored.map(move |part| (part_of(number, &part.name), key_of(prefix, &part.name)))
        })
        .collect()
}

fn key_of(prefix: &str, name: &str) -> String {
    if name == ORIGINAL {
        format!("{prefix}/{ORIGINAL}")
    } else {
        format!("{prefix}/{MADE_ELSEWHERE}/{name}")
    }
}

async fn insert_upload(
    app: &App,
    write: &Write,
    owner_id: i64,
    file: &FilePart,
    prefix: &str,
) -> Result<upload::Model, BackupError> {
    let now = app.clock.now();
    let (state, progress_percent) = match file.state {
        UploadState::Ready => (UploadState::Ready, 100.0),
        _ => (UploadState::Waiting, 0.0),
    };
    let row = upload::ActiveModel {
        owner_id: Set(owner_id),
        name: Set(file.name.clone()),
        kind: Set(file.kind),
        mime: Set(file.mime.clone()),
        size_bytes: Set(file.size_bytes),
        prefix: Set(prefix.to_owned()),
        state: Set(state),
        progress_percent: Set(progress_percent),
        duration_seconds: Set(file.duration_seconds),
        width: Set(file.width),
        height: Set(file.height),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    let made = row.insert(&**write).await?;
    for stored in &file.stored {
        let row = rendition::ActiveModel {
            upload_id: Set(made.id),
            name: Set(stored.name.clone()),
            key: Set(key_of(prefix, &stored.name)),
            mime: Set(stored.mime.clone()),
            size_bytes: Set(stored.size_bytes),
            width: Set(stored.width),
            height: Set(stored.height),
            ..Default::default()
        };
        row.insert(&**write).await?;
    }
    Ok(made)
}

/// Lines of the log for the course and, when it came with it, its subject.
async fn log(
    app: &App,
    write: &Write,
    course: &course::Model,
    is_subject_new: bool,
) -> Result<(), Error> {
    // There is no other way to bring a course in.
    let by = By::terminal(app.clock.now());
    let line = async |kind, id, facts: Option<Facts>| {
        let done = Done {
            act: "import",
            kind,
            id,
            before: None,
            after: facts.as_ref(),
        };
        record(write, &by, done).await
    };
    if is_subject_new {
        let facts = subject_facts(&**write, course.subject_id).await?;
        line("subject", course.subject_id, facts).await?;
    }
    let facts = course_facts(&**write, course.id).await?;
    line("course", course.id, facts).await
}

/// The course, and whether its subject is new here.
async fn insert_course(
    app: &App,
    write: &Write,
    admitted: &Admitted,
    is_published: bool,
) -> Result<(course::Model, bool), BackupError> {
    let (document, now) = (&admitted.document, app.clock.now());
    let wanted = &document.subject;
    let found = subject::Entity::find().filter(subject::Column::Slug.eq(&wanted.slug));
    let found = found.one(&**write).await?;
    let is_subject_new = found.is_none();
    let subject = if let Some(found) = found {
        found
    } else {
        write.changes(Tag::subjects());
        let row = subject::ActiveModel {
            title: Set(wanted.title.clone()),
            slug: Set(wanted.slug.clone()),
            ..Default::default()
        };
        let made = row.insert(&**write).await;
        made.map_err(|error| taken(error, || subject_taken(&wanted.slug)))?
    };
    let row = course::ActiveModel {
        owner_id: Set(admitted.owner.id),
        subject_id: Set(subject.id),
        title: Set(document.title.clone()),
        slug: Set(admitted.slug.clone()),
        overview: Set(document.overview.clone()),
        is_draft: Set(!is_published),
        places: Set(document.places),
        needs_approval: Set(document.needs_approval),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    let made = row.insert(&**write).await;
    let course = made.map_err(|error| taken(error, || slug_taken(&admitted.slug)))?;
    Ok((course, is_subject_new))
}

fn slug_taken(slug: &str) -> String {
    format!("there is a course at {slug:?} already; give it another address with --slug")
}

fn subject_taken(slug: &str) -> String {
    format!("somebody made the subject {slug:?} in this moment; please ask again")
}

/// The database decides whose an address is: of two at once one is told that it is taken.
fn taken(error: DbErr, words: impl FnOnce() -> String) -> BackupError {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => BackupError::Refused(words()),
        _ => error.into(),
    }
}

async fn insert_modules(
    app: &App,
    write: &Write,
    course: &course::Model,
    document: &CourseDocument,
    uploads: &[upload::Model],
) -> Result<(), BackupError> {
    for (order, part) in (0_i64..).zip(&document.modules) {
        let row = module::ActiveModel {
            course_id: Set(course.id),
            title: Set(part.title.clone()),
            description: Set(part.description.clone()),
            order: Set(order),
            ..Default::default()
        };
        let made = row.insert(&**write).await?;
        for (order, part) in (0_i64..).zip(&part.contents) {
            let item = insert_item(app, write, course.owner_id, part, uploads).await?;
            let row = content::ActiveModel {
                module_id: Set(made.id),
                item_id: Set(item.id),
                order: Set(order),
                ..Default::default()
            };
            row.insert(&**write).await?;
        }
    }
    Ok(())
}

async fn insert_item(
    app: &App,
    write: &Write,
    owner_id: i64,
    part: &ContentPart,
    uploads: &[upload::Model],
) -> Result<item::Model, BackupError> {
    let now = app.clock.now();
    let id_of = |at: Option<usize>| at.and_then(|at| uploads.get(at)).map(|made| made.id);
    let row = item::ActiveModel {
        owner_id: Set(owner_id),
        kind: Set(part.kind),
        title: Set(part.title.clone()),
        body: Set(part.body.clone()),
        format: Set(part.format),
        url: Set(part.url.clone()),
        upload_id: Set(id_of(part.file)),
        next_upload_id: Set(id_of(part.next_file)),
        allow_download: Set(part.allow_download),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    Ok(row.insert(&**write).await?)
}

/// What the site says of it, in its own words.
fn fault(error: Error) -> BackupError {
    match error {
        Error::Internal(_) | Error::Unavailable(_) => {
            tracing::error!(%error, "a course could not be imported");
            BackupError::BrokenOff
        }
        error => BackupError::Refused(error.words()),
    }
}
