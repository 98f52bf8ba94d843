//! `lyceum backup` and `lyceum restore`.

use super::{CliResult, say};
use crate::app::App;
use crate::backup;
use indicatif::BinaryBytes;
use std::path::PathBuf;
use std::process::ExitCode;

/// Writes the whole site to a file.
pub async fn make(app: &App, path: PathBuf) -> CliResult {
    let shown = path.display().to_string();
    let made = backup::make(app, path).await?;
    say(&format!(
        "{shown}: {} stored files and {} rows, {}. It holds the site's secret and the hashes of all passwords: keep it where nobody else reads it.",
        made.files,
        made.rows,
        BinaryBytes(made.size)
    ));
    Ok(ExitCode::SUCCESS)
}

/// Brings a site back from a file.
pub async fn restore(app: &App, path: PathBuf) -> CliResult {
    let restored = backup::restore(app, path).await?;
    say(&format!(
        "The site is back, with {} stored files. Start it with `lyceum serve`.",
        restored.files
    ));
    if restored.has_other_secret {
        say("The setting `secret` is another one than before: everybody has to log in again.");
    }
    Ok(ExitCode::SUCCESS)
}
