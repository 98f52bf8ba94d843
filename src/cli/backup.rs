//! `lyceum backup` and `lyceum restore`.

use super::{CliResult, say, with};
use crate::app::App;
use crate::backup;
use crate::config::Config;
use backends::clock::Clock;
use indicatif::BinaryBytes;
use std::path::PathBuf;
use std::process::ExitCode;

/// Writes the whole site to a file.
pub async fn make(config: Config, path: PathBuf) -> CliResult {
    let app = App::open(config, Clock::system(), false).await?;
    let shown = path.display().to_string();
    let made = with(app, async |app| Ok(backup::make(app, path).await?)).await?;
    say(&format!(
        "{shown}: {} stored files and {} rows, {}. It holds the site's secret and the hashes of all passwords: keep it where nobody else reads it.",
        made.files,
        made.rows,
        BinaryBytes(made.size)
    ));
    Ok(ExitCode::SUCCESS)
}

/// Brings a site back from a file.
pub async fn restore(config: Config, path: PathBuf) -> CliResult {
    let app = App::open(config, Clock::system(), true).await?;
    let restored = with(app, async |app| Ok(backup::restore(app, path).await?)).await?;
    say(&format!(
        "The site is back, with {} stored files. Start it with `lyceum serve`.",
        restored.files
    ));
    if restored.has_other_secret {
        say("The setting `secret` is another one than before: everybody has to log in again.");
    }
    Ok(ExitCode::SUCCESS)
}
