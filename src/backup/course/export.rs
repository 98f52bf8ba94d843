//! Writing a course and its media to a file, while the site runs.

use super::document::{
    ContentPart, CourseDocument, FORMAT, FilePart, ModulePart, StoredPart, SubjectPart,
};
use super::{COURSE, part_of};
use crate::app::App;
use crate::backup::archive::Writer;
use crate::backup::manifest::{self, Manifest};
use crate::backup::{self, BackupError};
use crate::entities::{content, course, item, module, rendition, subject, upload};
use backends::files::FilesError;
use sea_orm::{
    AccessMode, ColumnTrait as _, ConnectionTrait, EntityTrait as _, IsolationLevel,
    QueryFilter as _, QueryOrder as _, TransactionTrait as _,
};
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use tokio::runtime::Handle;

/// Numbers in one question; SQLite takes 32,766 values.
const AT_ONCE: usize = 10_000;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The course's title.
    pub title: String,
    /// Its uploads.
    pub files: usize,
    /// Size of the archive in bytes.
    pub size: u64,
}

/// A course at one moment: what it is made of, and where its stored files are.
struct Moment {
    document: CourseDocument,
    /// Name in the archive and key in the store.
    keys: Vec<(String, String)>,
}

/// Writes a course, named by its address or its number, to a new file.
///
/// # Errors
/// [`BackupError`]; then there is no such file.
pub async fn export(app: &App, course: &str, path: PathBuf) -> Result<Exported, BackupError> {
    let moment = read(app, course).await?;
    let (app, runtime) = (app.clone(), Handle::current());
    // Reading and writing files takes minutes, and blocks.
    let writing = tokio::task::spawn_blocking(move || write(&app, &runtime, &moment, &path));
    writing.await.map_err(|_| BackupError::BrokenOff)?
}

async fn read(app: &App, named: &str) -> Result<Moment, BackupError> {
    // On SQLite a transaction that reads sees one moment anyhow.
    let isolation = Some(IsolationLevel::RepeatableRead);
    let db = app.db.read().unbounded();
    let db = db
        .begin_with_config(isolation, Some(AccessMode::ReadOnly))
        .await?;
    let missing = || BackupError::NoCourse(named.to_owned());
    let course = find(&db, named).await?.ok_or_else(missing)?;
    let subject = subject::Entity::find_by_id(course.subject_id).one(&db);
    let subject = subject.await?.ok_or_else(missing)?;
    let mut files = Files::default();
    let modules = list_modules(&db, course.id, &mut files).await?;
    let (files, keys) = files.read(&db).await?;
    db.commit().await?;
    let document = CourseDocument {
        format: FORMAT,
        subject: SubjectPart {
            title: subject.title,
            slug: subject.slug,
        },
        title: course.title,
        slug: course.slug,
        overview: course.overview,
        places: course.places,
        needs_approval: course.needs_approval,
        modules,
        files,
    };
    Ok(Moment { document, keys })
}

async fn find(
    db: &impl ConnectionTrait,
    named: &str,
) -> Result<Option<course::Model>, BackupError> {
    let by_slug = course::Entity::find().filter(course::Column::Slug.eq(named));
    if let Some(found) = by_slug.one(db).await? {
        return Ok(Some(found));
    }
    match named.parse::<i64>() {
        Ok(id) => Ok(course::Entity::find_by_id(id).one(db).await?),
        Err(_) => Ok(None),
    }
}

async fn list_modules(
    db: &impl ConnectionTrait,
    course_id: i64,
    files: &mut Files,
) -> Result<Vec<ModulePart>, BackupError> {
    let modules = module::Entity::find()
        .filter(module::Column::CourseId.eq(course_id))
        .order_by_asc(module::Column::Order)
        .order_by_desc(module::Column::Id);
    let mut parts = Vec::new();
    for module in modules.all(db).await? {
        let contents = content::Entity::find()
            .filter(content::Column::ModuleId.eq(module.id))
            .find_also_related(item::Entity)
            .order_by_asc(content::Column::Order)
            .order_by_desc(content::Column::Id);
        let contents = contents.all(db).await?;
        parts.push(ModulePart {
            title: module.title,
            description: module.description,
            contents: contents
                .into_iter()
                .filter_map(|(_, item)| item)
                .map(|item| files.content(item))
                .collect(),
        });
    }
    Ok(parts)
}

/// The uploads that contents show, in the order in which they come.
#[derive(Default)]
struct Files {
    ids: Vec<i64>,
    places: HashMap<i64, usize>,
}

impl Files {
    fn content(&mut self, item: item::Model) -> ContentPart {
        ContentPart {
            kind: item.kind,
            title: item.title,
            body: item.body,
            format: item.format,
            url: item.url,
            file: item.upload_id.map(|id| self.place(id)),
            next_file: item.next_upload_id.map(|id| self.place(id)),
            allow_download: item.allow_download,
        }
    }

    fn place(&mut self, id: i64) -> usize {
        *self.places.entry(id).or_insert_with(|| {
            self.ids.push(id);
            self.ids.len() - 1
        })
    }

    /// What they are, and where their stored files are.
    async fn read(
        self,
        db: &impl ConnectionTrait,
    ) -> Result<(Vec<FilePart>, Vec<(String, String)>), BackupError> {
        let (mut uploads, mut stored) = (HashMap::new(), HashMap::<i64, Vec<_>>::new());
        for ids in self.ids.chunks(AT_ONCE) {
            let of_these = upload::Column::Id.is_in(ids.iter().copied());
            for row in upload::Entity::find().filter(of_these).all(db).await? {
                uploads.insert(row.id, row);
            }
            let of_these = rendition::Column::UploadId.is_in(ids.iter().copied());
            let rows = rendition::Entity::find().filter(of_these);
            for row in rows.order_by_asc(rendition::Column::Id).all(db).await? {
                stored.entry(row.upload_id).or_default().push(row);
            }
        }
        let (mut parts, mut keys) = (Vec::new(), Vec::new());
        for id in self.ids {
            // Foreign keys see to it that each is there.
            let Some(upload) = uploads.remove(&id) else {
                continue;
            };
            let rows = stored.remove(&id).unwrap_or_default();
            let number = parts.len();
            let named = |row: &rendition::Model| (part_of(number, &row.name), row.key.clone());
            keys.extend(rows.iter().map(named));
            parts.push(file_part(upload, rows));
        }
        Ok((parts, keys))
    }
}

fn file_part(upload: upload::Model, stored: Vec<rendition::Model>) -> FilePart {
    FilePart {
        name: upload.name,
        kind: upload.kind,
        mime: upload.mime,
        size_bytes: upload.size_bytes,
        state: upload.state,
        duration_seconds: upload.duration_seconds,
        width: upload.width,
        height: upload.height,
        stored: stored
            .into_iter()
            .map(|row| StoredPart {
                name: row.name,
                mime: row.mime,
                size_bytes: row.size_bytes,
                width: row.width,
                height: row.height,
            })
            .collect(),
    }
}

fn write(
    app: &App,
    runtime: &Handle,
    moment: &Moment,
    path: &Path,
) -> Result<Exported, BackupError> {
    let mut archive = Writer::create(path, &app.stopping)?;
    let text = serde_json::to_vec(&moment.document).map_err(|error| BackupError::Row {
        table: "courses",
        error,
    })?;
    archive.add(COURSE.to_owned(), text.as_slice(), text.len() as u64)?;
    for (name, key) in &moment.keys {
        let fault = |error: FilesError| match error {
            FilesError::NotFound => BackupError::Changed(moment.document.title.clone()),
            error => BackupError::File {
                key: key.clone(),
                error,
            },
        };
        let local = backup::local(app, runtime, key)?.map_err(fault)?;
        let file = File::open(local.path()).map_err(|error| fault(error.into()))?;
        archive.add_file(name.clone(), file)?;
    }
    let manifest = Manifest {
        format: manifest::FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: app.clock.now(),
        migrations: Vec::new(),
        parts: archive.parts.clone(),
    };
    Ok(Exported {
        title: moment.document.title.clone(),
        files: moment.document.files.len(),
        size: archive.finish(&manifest)?,
    })
}
