//! `lyceum backup` and `restore`, `export` and `import`.

use super::serve::stop_on_signal;
use super::{CliResult, say, with};
use crate::app::App;
use crate::backup::course::Wish;
use crate::backup::{self, course};
use crate::config::Config;
use backends::clock::Clock;
use indicatif::BinaryBytes;
use std::path::PathBuf;
use std::process::ExitCode;

/// So many lost files are named.
const MOST_NAMED: usize = 20;

/// Writes the whole site to a file.
pub async fn make(config: Config, path: PathBuf) -> CliResult {
    let app = App::open(config, Clock::system(), false).await?;
    stop_on_signal(&app);
    let shown = path.display().to_string();
    let made = with(app, async |app| Ok(backup::make(app, path).await?)).await?;
    say(&format!(
        "{shown}: {} stored files and {} rows, {}. It holds the site's secret and the hashes of all passwords: keep it where nobody else reads it.",
        made.files,
        made.rows,
        BinaryBytes(made.size)
    ));
    if made.missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(lost(&made.missing).into())
}

/// What is told of files that are in no backup, since they are lost.
fn lost(missing: &[String]) -> String {
    let named: Vec<&str> = missing
        .iter()
        .take(MOST_NAMED)
        .map(String::as_str)
        .collect();
    let more = match missing.len().saturating_sub(named.len()) {
        0 => String::new(),
        more => format!("\n  and {more} more"),
    };
    format!(
        "The backup was made, but the file store no longer has {} files that it should have. They are not in it. \
         Keep older backups that have them: `tar -xf BACKUP files/KEY` takes one out.\n  {}{more}",
        missing.len(),
        named.join("\n  ")
    )
}

/// Brings a site back from a file.
pub async fn restore(config: Config, path: PathBuf, may_differ: bool) -> CliResult {
    let app = App::open(config, Clock::system(), true).await?;
    let restore = async |app: &App| Ok(backup::restore(app, path, may_differ).await?);
    let restored = with(app, restore).await?;
    say(&format!(
        "The site is back, with {} stored files. Start it with `lyceum serve`.",
        restored.files
    ));
    if restored.has_other_secret {
        say(
            "The setting `secret` is another one than before: everybody has to log in again, and `lyceum user two-factor NAME --reset` lets in each who used two factors.",
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a course with its media to a file.
pub async fn export(config: Config, course: String, path: PathBuf) -> CliResult {
    let app = App::open(config, Clock::system(), false).await?;
    stop_on_signal(&app);
    let shown = path.display().to_string();
    let export = async |app: &App| Ok(course::export(app, &course, path).await?);
    let exported = with(app, export).await?;
    say(&format!(
        "{shown}: {}, {} uploads, {}.",
        exported.title,
        exported.files,
        BinaryBytes(exported.size)
    ));
    Ok(ExitCode::SUCCESS)
}

/// Brings a course in from a file.
pub async fn import(config: Config, path: PathBuf, wish: Wish) -> CliResult {
    let app = App::open(config, Clock::system(), true).await?;
    let is_published = wish.is_published;
    let imported = with(app, async |app| Ok(course::import(app, path, wish).await?)).await?;
    let how = if is_published {
        "is in the catalogue"
    } else {
        "is a draft: its teacher publishes it"
    };
    let waiting = match imported.waiting {
        0 => String::new(),
        waiting => format!(" {waiting} of them are processed first."),
    };
    say(&format!(
        "{} ({}) {how}. It has {} uploads.{waiting}",
        imported.title, imported.slug, imported.files
    ));
    Ok(ExitCode::SUCCESS)
}
