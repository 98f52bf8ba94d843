//! What keeps a move from deleting the files that it copies: from where, to where and what the site uses must be
//! places apart, however they are spelled.

use crate::cli::{CliError, CliResult};
use crate::config::Config;
use backends::clock::Clock;
use backends::files::{Entry, Files, Standing};

/// Folder of markers; files in it are never copied.
const MARKERS: &str = "move-marker";

/// A place and the URL that names it.
pub struct Named {
    pub url: String,
    pub files: Files,
}

impl Named {
    /// Opens the place; `option` is where the URL comes from.
    pub fn open(config: &Config, url: String, option: &str) -> CliResult<Self> {
        let files = Files::open_with(&url, &config.data, &config.s3_keys)
            .map_err(|error| format!("{option} {url}: {error}"))?;
        Ok(Self { url, files })
    }

    async fn standing(&self, other: &Self) -> CliResult<Standing> {
        Ok(self.files.standing(&other.files).await?)
    }
}

/// Refuses places whose names tell that they are not apart. `used` is the place that the site uses, when files are
/// to be deleted.
pub async fn compare(from: &Named, to: &Named, used: Option<&Named>) -> CliResult<()> {
    match from.standing(to).await? {
        Standing::Apart => {}
        Standing::Same => return Err(same(from, to)),
        Standing::Nested => return Err(nested(from, to)),
    }
    let Some(used) = used else { return Ok(()) };
    if from.standing(used).await? == Standing::Apart {
        return Ok(());
    }
    Err(format!(
        "the site still uses {}: set files (LYCEUM_FILES) to {}, restart every process, and ask again with --from {}",
        used.url, to.url, from.url
    )
    .into())
}

/// The files to be copied. Names tell little of a store with two addresses or a folder that is mounted twice: a
/// marker is put where the copies go, and must not be seen where they come from; when files are to be deleted, it
/// must be seen at the place that the site uses.
pub async fn list(from: &Named, to: &Named, used: Option<&Named>) -> CliResult<Vec<Entry>> {
    // One of a run that was killed.
    to.files.delete_prefix(MARKERS).await?;
    let token = Clock::system().random_token().to_lowercase();
    let marker = format!("{MARKERS}/m{token}");
    let mut writer = to.files.create(&marker).await?;
    writer.write("lyceum files move".into()).await?;
    writer.finish().await?;
    let listed = list_beside(&marker, from, to, used).await;
    to.files.delete(&marker).await?;
    listed
}

async fn list_beside(
    marker: &str,
    from: &Named,
    to: &Named,
    used: Option<&Named>,
) -> CliResult<Vec<Entry>> {
    let mut entries = from.files.list("").await?;
    if entries.iter().any(|entry| entry.key == marker) {
        return Err(same(from, to));
    }
    if entries.iter().any(|entry| entry.key.ends_with(marker)) {
        return Err(nested(from, to));
    }
    if let Some(used) = used
        && !used.files.exists(marker).await?
    {
        return Err(format!(
            "the site uses {}, not {}: files are deleted at the old place only when the site uses the new one; \
             set files (LYCEUM_FILES) to {}, restart every process, and ask again",
            used.url, to.url, to.url
        )
        .into());
    }
    if !to.files.exists(marker).await? {
        return Err(format!(
            "another lyceum files move to {} is under way; ask again when it is done",
            to.url
        )
        .into());
    }
    let is_marker = |entry: &Entry| entry.key.starts_with(&format!("{MARKERS}/"));
    entries.retain(|entry| !is_marker(entry));
    Ok(entries)
}

fn same(from: &Named, to: &Named) -> CliError {
    format!(
        "the files are at {} already: {} is the same place; name another one with --to",
        to.url, from.url
    )
    .into()
}

fn nested(from: &Named, to: &Named) -> CliError {
    format!(
        "of {} and {} one lies in the other, and files could not be told from their copies; name a place apart with --to",
        from.url, to.url
    )
    .into()
}
