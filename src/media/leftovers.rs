//! What attempts leave behind: their work folders, and results of those that were cut off.

use super::{captions, replacing, store};
use crate::app::App;
use crate::entities::upload;
use crate::error::Result;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// Removes files of this upload that no row names: results of attempts that were cut off. For whoever has its job.
pub async fn remove_leftovers(app: &App, upload: &upload::Model) {
    if let Err(error) = remove_unnamed(app, upload, |_| true).await {
        tracing::warn!(%error, upload = upload.id, "what earlier attempts left could not be removed");
    }
}

/// As [`remove_leftovers`], but only what was made by attempts up to this one, named by job and fence.
pub async fn remove_leftovers_up_to(
    app: &App,
    upload: &upload::Model,
    last: (i64, i64),
) -> Result<()> {
    let is_over =
        |key: &str| attempt_of(&upload.prefix, key).is_some_and(|attempt| attempt <= last);
    remove_unnamed(app, upload, is_over).await
}

async fn remove_unnamed(
    app: &App,
    upload: &upload::Model,
    is_meant: impl Fn(&str) -> bool,
) -> Result<()> {
    // In this order: what is stored and written down in between is then named, or not in the list.
    let stored = app.files.list(&upload.prefix).await?;
    let rows = store::list_renditions(app.db.read(), &[upload.id]).await?;
    let named: BTreeSet<&str> = rows
        .values()
        .flatten()
        .map(|row| row.key.as_str())
        .collect();
    for entry in stored {
        // Captions that somebody sends may be on their way: their files come before their rows.
        let is_sent = captions::is_key(&entry.key) && !replacing::is_copy(&entry.key);
        let is_left = !named.contains(entry.key.as_str()) && !is_sent;
        if is_left && is_meant(&entry.key) {
            app.files.delete(&entry.key).await?;
        }
    }
    Ok(())
}

/// Job and fence of the attempt that made a file: `<prefix>/<job>-<fence>/<name>`.
fn attempt_of(prefix: &str, key: &str) -> Option<(i64, i64)> {
    let rest = key.strip_prefix(prefix)?.strip_prefix('/')?;
    let (job, fence) = rest.split_once('/')?.0.split_once('-')?;
    Some((job.parse().ok()?, fence.parse().ok()?))
}

/// The folder of one attempt; goes when it is dropped.
pub struct WorkFolder(pub PathBuf);

impl WorkFolder {
    /// Removes it now.
    pub async fn remove(mut self) {
        let path = std::mem::take(&mut self.0);
        report(&path, tokio::fs::remove_dir_all(&path).await);
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.0);
        if path.as_os_str().is_empty() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || report(&path, std::fs::remove_dir_all(&path)));
        }
    }
}

/// What cannot be removed now is swept.
fn report(path: &Path, removed: io::Result<()>) {
    if let Err(error) = removed
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, folder = %path.display(), "a work folder stays behind");
    }
}

#[cfg(test)]
mod tests {
    use super::attempt_of;

    #[test]
    fn a_key_tells_which_attempt_made_it() {
        let prefix = "uploads/20260302-ff";
        let of = |rest: &str| attempt_of(prefix, &format!("{prefix}/{rest}"));
        assert_eq!(of("12-3/video.mp4"), Some((12, 3)));
        for other in [
            "original",
            "carried-0011/captions-en.vtt",
            "12-3",
            "12/3",
            "x-1/a",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(attempt_of(prefix, "uploads/else/12-3/a"), None);
    }
}
