//! Bringing a backup back, into an empty site: the whole archive is verified first, then come the files, and last the
//! rows, in one transaction. Until that is committed the site is as empty as before, and asking again goes on. Files take
//! their time: before the commit it is looked once more whether anybody has begun to use the site, and whether the files are
//! still there, which a worker would have swept as nobody's.

use super::BackupError;
use super::archive::{self, Summed, at};
use super::make::migrations;
use super::manifest::{FORMAT, Manifest, part};
use super::tables::{self, Table};
use crate::app::App;
use crate::entities::{audit_entry, course, node, upload, user};
use crate::web::metrics::nodes;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, PaginatorTrait as _,
    SqliteTransactionMode, TransactionOptions, TransactionTrait as _,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use tokio::runtime::Handle;

/// A longer one is none of ours.
const LONGEST_SECRET: u64 = 1 << 16;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Files that were stored.
    pub files: usize,
    /// Whether the site has another secret than the one that was backed up: then everybody logs in again, and who uses two
    /// factors has to set up the second one anew.
    pub has_other_secret: bool,
}

/// Brings back everything from a backup; with `may_differ`, also into a site that is set to another secret.
///
/// # Errors
/// [`BackupError`]; the site is as empty as it was.
pub async fn restore(app: &App, path: PathBuf, may_differ: bool) -> Result<Restored, BackupError> {
    if !app.bus.find_peers().await.is_empty() {
        return Err(BackupError::Running);
    }
    let (app, runtime) = (app.clone(), Handle::current());
    // Reading and writing files takes minutes, and blocks.
    let restoring =
        tokio::task::spawn_blocking(move || Restoring { app, runtime }.run(&path, may_differ));
    restoring.await.map_err(|_| BackupError::BrokenOff)?
}

struct Restoring {
    app: App,
    runtime: Handle,
}

/// Rows of a table, in a file that has no name.
type Rows = BTreeMap<String, File>;

impl Restoring {
    fn run(&self, path: &Path, may_differ: bool) -> Result<Restored, BackupError> {
        let mut secret = String::new();
        let manifest = archive::verify_and(path, |name, bytes| {
            if name == part::SECRET {
                let mut bytes = bytes.take(LONGEST_SECRET);
                bytes.read_to_string(&mut secret).map_err(at(path))?;
            }
            Ok(())
        })?;
        check(&manifest)?;
        self.runtime.block_on(self.refuse_if_used(&manifest))?;
        let has_other_secret = !self.can_take(&secret);
        if has_other_secret && !may_differ {
            return Err(BackupError::OtherSecret);
        }
        let mut rows = Rows::new();
        let mut files = 0;
        archive::walk(path, |name, bytes| {
            let is_wanted = manifest.parts.get(name).is_some_and(|part| part.is_wanted);
            // The secret is known already.
            if !is_wanted || name == part::SECRET {
                return Ok(());
            }
            if let Some(key) = name.strip_prefix(part::FILES) {
                put(&self.app, &self.runtime, key, bytes)?;
                files += 1;
            } else {
                rows.insert(name.to_owned(), self.kept_aside(bytes)?);
            }
            Ok(())
        })?;
        // Before the rows, which are there or not: with the secret alone the site is as empty as it was.
        if !has_other_secret {
            self.take_secret(&secret)?;
        }
        self.runtime.block_on(self.load(rows, &manifest))?;
        Ok(Restored {
            files,
            has_other_secret,
        })
    }

    /// Who works in this site would lose it. Files that a restoring brought which was broken off are none of somebody's.
    async fn refuse_if_used(&self, manifest: &Manifest) -> Result<(), BackupError> {
        let db = self.app.db.read();
        if self.is_worked_on(db).await? {
            return Err(BackupError::Running);
        }
        if let Some(use_of_it) = find_use(db).await? {
            return Err(BackupError::NotEmpty(use_of_it));
        }
        for entry in self.app.files.list("").await? {
            let name = format!("{}{}", part::FILES, entry.key);
            if !manifest.parts.contains_key(&name) {
                return Err(BackupError::NotEmpty(format!(
                    "its file store has {}",
                    entry.key
                )));
            }
        }
        Ok(())
    }

    /// Whether a process gives signs of life. Those that serve are asked on the bus, too; those that process files hear
    /// nothing there.
    async fn is_worked_on(&self, db: &impl ConnectionTrait) -> Result<bool, BackupError> {
        let now = self.app.clock.now();
        let found = node::Entity::find().all(db).await?;
        Ok(found.iter().any(|node| nodes::is_alive(node, now)))
    }

    /// Looks once more, before the rows are committed, at what may have come and gone while the files were put back.
    async fn refuse_if_overtaken(
        &self,
        db: &DatabaseTransaction,
        manifest: &Manifest,
    ) -> Result<(), BackupError> {
        let overtaken = |why: String| Err(BackupError::Overtaken(why));
        if self.is_worked_on(db).await? {
            return overtaken("a process of it was started".into());
        }
        if let Some(use_of_it) = find_use(db).await? {
            return overtaken(use_of_it);
        }
        let stored = self.app.files.list("").await?;
        let stored: BTreeSet<&str> = stored.iter().map(|entry| entry.key.as_str()).collect();
        let parts = manifest.parts.iter().filter(|(_, part)| part.is_wanted);
        let keys = parts.filter_map(|(name, _)| name.strip_prefix(part::FILES));
        match keys.filter(|key| !stored.contains(key)).count() {
            0 => Ok(()),
            gone => overtaken(format!(
                "files that were put into its file store are gone from there: {gone}"
            )),
        }
    }

    /// The bytes in a file without a name.
    fn kept_aside(&self, bytes: &mut Summed<&mut dyn Read>) -> Result<File, BackupError> {
        let failed = |error: io::Error| BackupError::Files(error.into());
        let mut file = tempfile::tempfile_in(self.work()).map_err(failed)?;
        io::copy(bytes, &mut file).map_err(failed)?;
        file.rewind().map_err(failed)?;
        Ok(file)
    }

    fn work(&self) -> PathBuf {
        self.app.config.data.join("tmp")
    }

    /// Puts the rows in the place of those that a fresh site has.
    async fn load(&self, mut rows: Rows, manifest: &Manifest) -> Result<(), BackupError> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        let writer = self.app.db.writer().unbounded();
        let db = writer.begin_with_options(options).await?;
        if db.get_database_backend() == DbBackend::Postgres {
            // Nobody registers or sends anything from here on, however long it takes to list what is stored.
            let hold = "SET LOCAL idle_in_transaction_session_timeout = 0; \
                LOCK TABLE users, courses, uploads, audit_entries IN EXCLUSIVE MODE";
            db.execute_unprepared(hold).await?;
        }
        self.refuse_if_overtaken(&db, manifest).await?;
        let tables = tables::all();
        for table in tables.iter().rev() {
            table.clear(&db).await?;
        }
        for table in &tables {
            let Table { name, .. } = table;
            let file = rows.remove(&part::table(name));
            let file =
                file.ok_or_else(|| BackupError::Damaged(format!("the table {name} is missing")))?;
            table.load(&db, &mut BufReader::new(file)).await?;
            table.number_on(&db).await?;
        }
        db.commit().await?;
        Ok(())
    }

    /// Where a secret stands that the site has made by itself.
    fn made_secret(&self) -> PathBuf {
        self.app.config.data.join("secret")
    }

    /// Whether the site has this secret, or can take it over, because it made its own and nobody set one.
    fn can_take(&self, secret: &str) -> bool {
        let own = &self.app.config.secret.0;
        let made = std::fs::read_to_string(self.made_secret());
        own == secret || made.is_ok_and(|made| made.trim() == own)
    }

    /// Takes over a secret that [it can](Self::can_take).
    fn take_secret(&self, secret: &str) -> Result<(), BackupError> {
        if self.app.config.secret.0 == secret {
            return Ok(());
        }
        let path = self.made_secret();
        let beside = path.with_extension("restored");
        let mut options = File::options();
        let file = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = file.open(&beside).map_err(at(&beside))?;
        let written = file
            .write_all(secret.as_bytes())
            .and_then(|()| file.sync_all());
        written
            .and_then(|()| std::fs::rename(&beside, &path))
            .map_err(at(&path))
    }
}

/// What stands in the way of a restoring in the database.
async fn find_use(db: &impl ConnectionTrait) -> Result<Option<String>, BackupError> {
    let counts = [
        ("accounts", user::Entity::find().count(db).await?),
        ("courses", course::Entity::find().count(db).await?),
        ("uploads", upload::Entity::find().count(db).await?),
        // They outlive what they tell of, and nobody may delete them.
        (
            "lines in its log of changes",
            audit_entry::Entity::find().count(db).await?,
        ),
    ];
    let used = counts.into_iter().find(|(_, count)| *count > 0);
    Ok(used.map(|(what, count)| format!("it has {what}: {count}")))
}

/// Whether this program has the tables that were backed up, and every part is one of ours.
fn check(manifest: &Manifest) -> Result<(), BackupError> {
    if manifest.format != FORMAT || manifest.migrations != migrations() {
        return Err(BackupError::OtherRelease {
            made_by: manifest.version.clone(),
            own: env!("CARGO_PKG_VERSION"),
        });
    }
    let tables: Vec<String> = tables::all()
        .iter()
        .map(|table| part::table(table.name))
        .collect();
    for name in manifest.parts.keys() {
        let is_ours =
            name == part::SECRET || name.starts_with(part::FILES) || tables.contains(name);
        if !is_ours {
            return Err(BackupError::Damaged(format!(
                "{name} is no part of a backup"
            )));
        }
    }
    Ok(())
}

/// Puts the bytes of a part into the file store.
pub(super) fn put(
    app: &App,
    runtime: &Handle,
    key: &str,
    bytes: &mut Summed<&mut dyn Read>,
) -> Result<(), BackupError> {
    let fault = |error| BackupError::File {
        key: key.to_owned(),
        error,
    };
    let aside = tempfile::NamedTempFile::new_in(app.config.data.join("tmp"))
        .map_err(|error| fault(error.into()))?;
    let mut sink = BufWriter::new(aside.as_file());
    let copied = io::copy(bytes, &mut sink).and_then(|_| sink.flush());
    copied.map_err(|error| fault(error.into()))?;
    drop(sink);
    let local = aside.into_temp_path();
    let put = runtime.block_on(app.files.put(key, &local));
    put.map(|_| ()).map_err(fault)
}
