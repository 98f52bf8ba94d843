//! `lyceum files move`: stored files from one place to another, checked, and resumed where it was cut off.

mod fence;

use self::fence::Named;
use super::{CliResult, say};
use crate::config::Config;
use backends::files::{Entry, Files, FilesError};
use clap::Subcommand;
use futures::{StreamExt as _, TryStreamExt as _};
use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Mutex;

/// Files that are copied at once: most are small, and a store far away answers slowly.
const AT_ONCE: usize = 4;
/// So many faults are told one by one.
const MOST_TOLD: usize = 10;

/// What can be done with stored files.
#[derive(Subcommand)]
pub enum FilesCommand {
    /// Copy every stored file to another place, and check each copy; asked again, copy only what is missing
    Move {
        /// Where to: `disk:`, `disk:/path` or `s3://bucket/prefix?...`, as in the setting `files`
        #[arg(long, value_name = "URL")]
        to: String,
        /// Where from [default: the setting `files`]
        #[arg(long, value_name = "URL")]
        from: Option<String>,
        /// Delete the files at the old place when every copy has been checked
        #[arg(long)]
        delete: bool,
    },
}

/// Does what is asked.
pub async fn run(config: &Config, command: FilesCommand) -> CliResult {
    let FilesCommand::Move { to, from, delete } = command;
    let from = from.unwrap_or_else(|| config.files.clone());
    let source = Named::open(config, from, "--from")?;
    let target = Named::open(config, to, "--to")?;
    let used = delete.then(|| Named::open(config, config.files.clone(), "files"));
    let used = used.transpose()?;
    fence::compare(&source, &target, used.as_ref()).await?;
    for Named { url, files } in [&source, &target] {
        let checked = files.check().await;
        checked.map_err(|error| format!("{url} cannot be used: {error}"))?;
    }
    let entries = fence::list(&source, &target, used.as_ref()).await?;
    let (from, to) = (source.url, target.url);
    let mut moving = Move {
        source: source.files,
        target: target.files,
        journal: Journal::open(&config.data, &from, &to).await?,
    };
    let copied = moving.copy(&entries).await?;
    let at = copied.told(&to);
    if !copied.faults.is_empty() {
        return Err(at.into());
    }
    say(&at);
    let growing = moving.source.list_partial().await?.len();
    if growing > 0 {
        say(&format!(
            "Unfinished uploads: {growing}. They are not copied; at the new place they begin anew by themselves."
        ));
    }
    if delete {
        let count = moving.delete(&entries).await?;
        moving.journal.remove().await?;
        say(&format!("{count} files were deleted at {from}."));
    } else {
        say(&next_steps(config, &from, &to));
    }
    Ok(ExitCode::SUCCESS)
}

/// What is left to be done by hand.
fn next_steps(config: &Config, from: &str, to: &str) -> String {
    let again = format!("lyceum files move --from '{from}' --to '{to}'");
    if config.files == to {
        return format!(
            "The site uses this place. To delete the files at the old one: {again} --delete"
        );
    }
    format!(
        "Next:\n  1. Set files = \"{to}\" in lyceum.toml, or LYCEUM_FILES, on every machine, and restart every process.\n  \
         2. Copy what came in meanwhile: {again}\n  \
         3. When all is well, delete the files at the old place: {again} --delete"
    )
}

/// From where, to where, and what is known to be there.
struct Move {
    source: Files,
    target: Files,
    journal: Journal,
}

/// What came of it.
#[derive(Default)]
struct Copied {
    sent: usize,
    sent_bytes: u64,
    there: usize,
    /// Deleted while it was copied.
    gone: usize,
    faults: Vec<String>,
}

/// What came of one file.
enum Outcome {
    Copied(u64),
    There,
    Gone,
}

impl Copied {
    fn add(&mut self, key: &str, outcome: Result<Outcome, FilesError>) {
        match outcome {
            Ok(Outcome::Copied(bytes)) => {
                self.sent += 1;
                self.sent_bytes += bytes;
            }
            Ok(Outcome::There) => self.there += 1,
            Ok(Outcome::Gone) => self.gone += 1,
            Err(error) => self.faults.push(format!("{key}: {error}")),
        }
    }

    fn told(&self, to: &str) -> String {
        let mut text = format!(
            "{} files ({}) were copied to {to} and checked; {} were there already.",
            self.sent,
            BinaryBytes(self.sent_bytes),
            self.there,
        );
        if self.gone > 0 {
            // Writing to a string cannot fail.
            let _ = write!(text, " {} were deleted meanwhile.", self.gone);
        }
        if !self.faults.is_empty() {
            let _ = write!(
                text,
                "\n{} could not be copied; nothing was deleted. Ask again to go on:",
                self.faults.len()
            );
            for fault in self.faults.iter().take(MOST_TOLD) {
                let _ = write!(text, "\n  {fault}");
            }
        }
        text
    }
}

impl Move {
    async fn copy(&mut self, entries: &[Entry]) -> CliResult<Copied> {
        let bar = ProgressBar::new(entries.iter().map(|entry| entry.size).sum());
        bar.set_style(ProgressStyle::with_template(
            "Copying {bar:32} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left",
        )?);
        let moving = &*self;
        let progress = &bar;
        let outcomes = futures::stream::iter(entries)
            .map(|entry| async move {
                let outcome = moving.copy_one(entry, progress).await;
                (entry, outcome)
            })
            .buffer_unordered(AT_ONCE);
        let copied = outcomes.fold(
            Copied::default(),
            |mut copied, (entry, outcome)| async move {
                copied.add(&entry.key, outcome);
                copied
            },
        );
        let copied = copied.await;
        bar.finish_and_clear();
        Ok(copied)
    }

    async fn copy_one(&self, entry: &Entry, bar: &ProgressBar) -> Result<Outcome, FilesError> {
        let Entry { key, size } = entry;
        let there = match self.target.size(key).await {
            Ok(found) => Some(found),
            Err(FilesError::NotFound) => None,
            Err(error) => return Err(error),
        };
        if there == Some(*size) {
            if self.journal.knows(key, *size) {
                bar.inc(*size);
                return Ok(Outcome::There);
            }
            // Copied from elsewhere, or cut off before it was written down.
            let (one, other) =
                futures::try_join!(checksum(&self.source, key), checksum(&self.target, key))?;
            if one == other {
                bar.inc(*size);
                self.journal.add(key, *size, &one).await?;
                return Ok(Outcome::There);
            }
        }
        let sum = match self.send(key, bar).await {
            Err(FilesError::NotFound) if !self.source.exists(key).await? => {
                return Ok(Outcome::Gone);
            }
            sent => sent?,
        };
        if checksum(&self.target, key).await? != sum {
            self.target.delete(key).await?;
            return Err(FilesError::Io(std::io::Error::other(
                "the copy holds other bytes, and was deleted",
            )));
        }
        self.journal.add(key, *size, &sum).await?;
        Ok(Outcome::Copied(*size))
    }

    /// Copies a file; answers the checksum of what was read.
    async fn send(&self, key: &str, bar: &ProgressBar) -> Result<String, FilesError> {
        let (_, mut pieces) = self.source.read(key, None).await?;
        let mut writer = self.target.create(key).await?;
        let mut sum = Sha256::new();
        while let Some(piece) = pieces.try_next().await? {
            sum.update(&piece);
            bar.inc(piece.len() as u64);
            writer.write(piece).await?;
        }
        writer.finish().await?;
        Ok(hex(&sum.finalize()))
    }

    /// Deletes at the old place what is at the new one; answers how many.
    async fn delete(&self, entries: &[Entry]) -> CliResult<usize> {
        for entry in entries {
            let found = self.target.size(&entry.key).await;
            match found {
                Ok(size) if size == entry.size => {}
                // Deleted by the site, which uses the new place.
                Err(FilesError::NotFound) => {}
                Ok(_) => {
                    return Err(format!(
                        "{} has another size by now; nothing was deleted",
                        entry.key
                    )
                    .into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        for entry in entries {
            self.source.delete(&entry.key).await?;
        }
        Ok(entries.len())
    }
}

/// SHA-256 of a stored file.
async fn checksum(files: &Files, key: &str) -> Result<String, FilesError> {
    let (_, mut pieces) = files.read(key, None).await?;
    let mut sum = Sha256::new();
    while let Some(piece) = pieces.try_next().await? {
        sum.update(&piece);
    }
    Ok(hex(&sum.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Which copies have been checked, in a file of the data folder, so that asking again need not read them
/// again: stored files never change under their key.
struct Journal {
    path: PathBuf,
    known: BTreeMap<String, u64>,
    file: Mutex<tokio::fs::File>,
}

impl Journal {
    async fn open(data: &Path, from: &str, to: &str) -> CliResult<Self> {
        let pair = Sha256::digest(format!("{from}\n{to}"));
        let name: String = hex(&pair).chars().take(16).collect();
        let path = data.join(format!("moved-{name}.txt"));
        let text = match tokio::fs::read_to_string(&path).await {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(format!("{}: {error}", path.display()).into()),
        };
        // A last line that was cut off is no line.
        let lines = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        let known = lines.filter_map(|line| {
            let (key, rest) = line.trim_end().split_once('\t')?;
            let (size, _sum) = rest.split_once('\t')?;
            Some((key.to_owned(), size.parse().ok()?))
        });
        let known = known.collect();
        let mut options = tokio::fs::File::options();
        let file = options.append(true).create(true).open(&path).await;
        let mut file = file.map_err(|error| format!("{}: {error}", path.display()))?;
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n").await?;
        }
        Ok(Self {
            path,
            known,
            file: Mutex::new(file),
        })
    }

    fn knows(&self, key: &str, size: u64) -> bool {
        self.known.get(key) == Some(&size)
    }

    async fn add(&self, key: &str, size: u64, sum: &str) -> Result<(), FilesError> {
        let mut file = self.file.lock().await;
        file.write_all(format!("{key}\t{size}\t{sum}\n").as_bytes())
            .await?;
        file.flush().await?;
        Ok(())
    }

    async fn remove(&self) -> CliResult<()> {
        Ok(tokio::fs::remove_file(&self.path).await?)
    }
}
