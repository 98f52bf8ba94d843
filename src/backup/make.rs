//! Making a backup while the site runs.
//!
//! First the files, then the rows, as one moment has them, and then the files that came meanwhile. So every file of
//! that moment is in the archive: what was deleted since had been read before. Only what came and went while the first
//! files were read can be missing; then the rows are read again, of a moment in which it is gone.

use super::BackupError;
use super::archive::Writer;
use super::manifest::{FORMAT, Manifest, part};
use super::tables;
use crate::app::App;
use crate::entities::{rendition, upload};
use crate::migrations::Migrator;
use backends::files::FilesError;
use sea_orm::{
    AccessMode, DatabaseTransaction, EntityTrait as _, IsolationLevel, QuerySelect as _,
    TransactionTrait as _,
};
use sea_orm_migration::MigratorTrait as _;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use tokio::runtime::Handle;

/// So often rows are read again because a file of theirs was gone.
const TRIES: usize = 3;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Stored files in it.
    pub files: usize,
    /// Rows of all tables.
    pub rows: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Keys of files that rows of the backup name and the store does not have: they are in no backup from here on.
    pub missing: Vec<String>,
}

/// Writes everything that the site is made of to a new file.
///
/// # Errors
/// [`BackupError`]; then there is no such file.
pub async fn make(app: &App, path: PathBuf) -> Result<Made, BackupError> {
    let (app, runtime) = (app.clone(), Handle::current());
    // Reading and writing files takes minutes, and blocks.
    let making = tokio::task::spawn_blocking(move || Making::begin(app, runtime, &path)?.run());
    making.await.map_err(|_| BackupError::BrokenOff)?
}

struct Making {
    app: App,
    runtime: Handle,
    archive: Writer,
    /// Keys of the stored files that are in the archive.
    files: BTreeSet<String>,
}

impl Making {
    fn begin(app: App, runtime: Handle, path: &Path) -> Result<Self, BackupError> {
        Ok(Self {
            archive: Writer::create(path, &app.stopping)?,
            app,
            runtime,
            files: BTreeSet::new(),
        })
    }

    fn run(mut self) -> Result<Made, BackupError> {
        self.add_files()?;
        let Moment {
            rows,
            wanted,
            missing,
        } = self.snapshot()?;
        let secret = self.app.config.secret.0.clone();
        let size = secret.len() as u64;
        let name = part::SECRET.to_owned();
        self.archive.add(name, secret.as_bytes(), size)?;
        for key in self.files.difference(&wanted) {
            if let Some(part) = self.archive.parts.get_mut(&format!("{}{key}", part::FILES)) {
                part.is_wanted = false;
            }
        }
        let manifest = Manifest {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            made_at: self.app.clock.now(),
            migrations: migrations(),
            parts: self.archive.parts.clone(),
        };
        Ok(Made {
            files: wanted.len(),
            rows,
            size: self.archive.finish(&manifest)?,
            missing,
        })
    }

    /// Adds the stored files that are not in the archive yet; answers those that there are now.
    fn add_files(&mut self) -> Result<BTreeSet<String>, BackupError> {
        let entries = self.runtime.block_on(self.app.files.list(""))?;
        let mut there = BTreeSet::new();
        for entry in entries {
            if self.files.contains(&entry.key) || self.add_file(&entry.key)? {
                self.files.insert(entry.key.clone());
                there.insert(entry.key);
            }
        }
        Ok(there)
    }

    /// Whether it was still there.
    fn add_file(&mut self, key: &str) -> Result<bool, BackupError> {
        let fault = |error| BackupError::File {
            key: key.to_owned(),
            error,
        };
        let local = match super::local(&self.app, &self.runtime, key)? {
            Ok(local) => local,
            Err(FilesError::NotFound) => return Ok(false),
            Err(error) => return Err(fault(error)),
        };
        let file = match File::open(local.path()) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(fault(error.into())),
        };
        self.archive
            .add_file(format!("{}{key}", part::FILES), file)?;
        Ok(true)
    }

    /// Adds the rows of one moment, and the files that came before it. A file that still is not there when the rows were
    /// read several times is lost: what there is is worth keeping all the same.
    fn snapshot(&mut self) -> Result<Moment, BackupError> {
        let mut tries = 1;
        loop {
            let runtime = self.runtime.clone();
            let rows = runtime.block_on(Rows::read(&self.app))?;
            let there = self.add_files()?;
            let missing: Vec<String> = rows.keys.difference(&self.files).cloned().collect();
            if tries < TRIES && !missing.is_empty() {
                tries += 1;
                continue;
            }
            let of_rows = self.files.iter().filter(|key| rows.names(key));
            let wanted = there.iter().chain(of_rows).cloned().collect();
            let count = rows.count;
            for (name, file) in rows.files {
                self.archive.add_file(part::table(name), file)?;
            }
            return Ok(Moment {
                rows: count,
                wanted,
                missing,
            });
        }
    }
}

/// What the site was made of at one moment.
struct Moment {
    rows: u64,
    /// Keys of the files that belong to it.
    wanted: BTreeSet<String>,
    /// Keys that rows name and the store does not have.
    missing: Vec<String>,
}

/// The rows of all tables at one moment, in files that have no name.
struct Rows {
    files: Vec<(&'static str, File)>,
    count: u64,
    /// Where the files of uploads are.
    prefixes: BTreeSet<String>,
    /// Which files they are.
    keys: BTreeSet<String>,
}

impl Rows {
    async fn read(app: &App) -> Result<Self, BackupError> {
        // On SQLite a transaction that reads sees one moment anyhow.
        let isolation = Some(IsolationLevel::RepeatableRead);
        let db = app.db.read().unbounded();
        let db = db
            .begin_with_config(isolation, Some(AccessMode::ReadOnly))
            .await?;
        let mut rows = Self {
            files: Vec::new(),
            count: 0,
            prefixes: prefixes(&db).await?,
            keys: keys(&db).await?,
        };
        for table in tables::all() {
            if app.stopping.is_cancelled() {
                return Err(BackupError::Stopped);
            }
            let failed = |error: std::io::Error| BackupError::Files(error.into());
            let mut sink =
                BufWriter::new(tempfile::tempfile_in(app.config.data.join("tmp")).map_err(failed)?);
            rows.count += table.dump(&db, &mut sink).await?;
            sink.flush().map_err(failed)?;
            let mut file = sink
                .into_inner()
                .map_err(|error| failed(error.into_error()))?;
            file.rewind().map_err(failed)?;
            rows.files.push((table.name, file));
        }
        db.commit().await?;
        Ok(rows)
    }

    /// Whether a stored file belongs to an upload of that moment.
    fn names(&self, key: &str) -> bool {
        let mut before = self.prefixes.range(..=key.to_owned());
        before
            .next_back()
            .is_some_and(|prefix| key.starts_with(prefix.as_str()))
    }
}

async fn prefixes(db: &DatabaseTransaction) -> Result<BTreeSet<String>, BackupError> {
    let prefixes: Vec<String> = upload::Entity::find()
        .select_only()
        .column(upload::Column::Prefix)
        .into_tuple()
        .all(db)
        .await?;
    Ok(prefixes.into_iter().collect())
}

async fn keys(db: &DatabaseTransaction) -> Result<BTreeSet<String>, BackupError> {
    let keys: Vec<String> = rendition::Entity::find()
        .select_only()
        .column(rendition::Column::Key)
        .into_tuple()
        .all(db)
        .await?;
    Ok(keys.into_iter().collect())
}

/// The steps of the schema that this program knows.
pub(super) fn migrations() -> Vec<String> {
    let steps = Migrator::migrations();
    steps.iter().map(|step| step.name().to_owned()).collect()
}
