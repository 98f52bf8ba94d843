//! A whole site in one file, made while it runs, and brought back into an empty one, on whatever database and file
//! store that has.
//!
//! The file is a tar archive (POSIX.1-2017, pax): `files/<key>` for each stored file, `tables/<table>.jsonl` with a row a
//! line, `secret`, and last `manifest.json`, which names every part with its size and SHA-256. So an archive that was cut
//! short has no manifest, and one that was damaged is told by the part that differs. Rows are written as the entities
//! have them, not as an engine does: a site that began on SQLite moves to PostgreSQL this way.
//!
//! Left out is what a site makes anew by itself: the cache, events of the bus, unfinished uploads and their progress.

mod archive;
pub mod course;
mod make;
mod manifest;
mod restore;
mod tables;

pub use make::{Made, make};
pub use restore::{Restored, restore};

use crate::app::App;
use backends::files::{FilesError, LocalFile};
use std::path::PathBuf;
use tokio::runtime::Handle;

/// Why a backup cannot be made or used; nothing is changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The archive's own file.
    #[error("{}: {error}", path.display())]
    Archive {
        /// Where it is.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A file of this name is there already.
    #[error("{} is there already; give another name, or remove it first", .0.display())]
    Exists(PathBuf),
    /// The archive is not whole, or not one of ours; says which part.
    #[error("this backup cannot be used: {0}. Nothing was changed")]
    Damaged(String),
    /// It was made by another release.
    #[error(
        "this backup was made by Lyceum {made_by}, whose tables are others than those of this program ({own}). \
         Restore it with that release, then bring it up to date with `lyceum migrate`. Nothing was changed"
    )]
    OtherRelease {
        /// By which one.
        made_by: String,
        /// This one.
        own: &'static str,
    },
    /// The site is not an empty one; says what there is.
    #[error(
        "this site is not empty: {0}. A backup is restored into a fresh data folder, database and file store. Nothing was changed"
    )]
    NotEmpty(String),
    /// The site is set to another secret than the one of the backup.
    #[error(
        "this site is set to another secret than the backup's: nobody's second factor would work any more. \
         Set LYCEUM_SECRET to the one of the backup, which `tar -xOf FILE secret` shows; \
         or restore with --other-secret, after which everybody logs in again and `lyceum user two-factor NAME --reset` \
         lets in each who used two factors. Nothing was changed"
    )]
    OtherSecret,
    /// A process serves the site.
    #[error(
        "this site is being served, or files are processed for it; stop every process of it first. One that was killed counts \
         as running for a minute. Nothing was changed"
    )]
    Running,
    /// Somebody began to use the site while its files were put back; says how.
    #[error(
        "meanwhile somebody has begun to use this site: {0}. Its rows were not brought back. Stop every process of it, and \
         restore into a fresh data folder, database and file store"
    )]
    Overtaken(String),
    /// Somebody asked the program to stop.
    #[error("it was stopped, and there is no such file")]
    Stopped,
    /// The database.
    #[error("the database: {0}")]
    Database(#[from] sea_orm::DbErr),
    /// A file that could not be read or written.
    #[error("the file {key}: {error}")]
    File {
        /// Its key in the store.
        key: String,
        /// Why.
        error: FilesError,
    },
    /// The list of files.
    #[error("the file store: {0}")]
    Files(#[from] FilesError),
    /// There is no course of this address or number.
    #[error(
        "there is no course {0:?}; its address stands in the address of its page, as in /course/<address>/"
    )]
    NoCourse(String),
    /// A file went while the course was exported, because somebody changed it.
    #[error("{0:?} was changed while it was exported; please ask again")]
    Changed(String),
    /// A course that cannot come in; says why.
    #[error("this course cannot be imported: {0}. Nothing was changed")]
    Refused(String),
    /// A row that cannot be written as JSON.
    #[error("a row of {table}: {error}")]
    Row {
        /// The table.
        table: &'static str,
        /// Why.
        error: serde_json::Error,
    },
    /// The thread that did the work ended early.
    #[error("the work was broken off")]
    BrokenOff,
}

/// A stored file as one on this machine, for a thread that may block; [`BackupError::Stopped`] when the process is asked to
/// stop while it is fetched.
fn local(
    app: &App,
    runtime: &Handle,
    key: &str,
) -> Result<Result<LocalFile, FilesError>, BackupError> {
    runtime.block_on(async {
        tokio::select! {
            local = app.files.local(key) => Ok(local),
            () = app.stopping.cancelled() => Err(BackupError::Stopped),
        }
    })
}
