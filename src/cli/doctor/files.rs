//! Stored files and the rows that name them: each has the other, and with `--deep` each is as long as its row says.

use super::Finding;
use crate::app::App;
use crate::config::Config;
use crate::entities::{rendition, tus_upload, upload};
use backends::files::FilesError;
use futures::StreamExt as _;
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

/// Rows that are asked for at once.
const AT_ONCE: u64 = 500;

/// Without `--deep` so many rows are looked at, the newest first.
const MOST: usize = 20_000;

/// So many of those at fault are named.
const NAMED: usize = 5;

/// Prefixes that are looked for in one query.
const PREFIXES: usize = 500;

/// The folder of all uploads in the store.
const FOLDER: &str = "uploads";

/// What was found in one direction.
#[derive(Default)]
struct Found {
    looked: usize,
    wrong: Vec<String>,
    is_cut: bool,
}

impl Found {
    fn named(&self) -> String {
        let named: Vec<&str> = self.wrong.iter().take(NAMED).map(String::as_str).collect();
        let more = match self.wrong.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{}{more}", named.join(", "))
    }
}

/// Looks in both directions.
pub async fn look(app: &App, is_deep: bool) -> Vec<Finding> {
    let rows = rows_without_files(app, is_deep).await;
    let orphans = files_without_rows(app).await;
    vec![
        told_rows(app, rows, is_deep),
        match orphans {
            Ok(found) if found.wrong.is_empty() => Finding::ok(
                "files",
                format!(
                    "Of {} folders of files each belongs to an upload.",
                    found.looked
                ),
            ),
            Ok(found) => Finding::warning(
                "files",
                format!(
                    "{} folders of files belong to no upload: {}. Those older than a day are swept every hour while a process works.",
                    found.wrong.len(),
                    found.named()
                ),
                "lyceum work",
            ),
            Err(reason) => unknown(&reason),
        },
    ]
}

fn told_rows(app: &App, found: Result<Found, String>, is_deep: bool) -> Finding {
    match found {
        Ok(found) if found.wrong.is_empty() => {
            let how = if is_deep {
                "there, can be read and have their length"
            } else {
                "there"
            };
            let cut = if found.is_cut {
                " Older ones were not looked at; --deep looks at all."
            } else {
                ""
            };
            Finding::ok(
                "files",
                format!("{} stored files are {how}.{cut}", found.looked),
            )
        }
        Ok(found) => Finding::fault(
            "files",
            format!(
                "Of {} stored files {} are missing or not whole: {}.",
                found.looked,
                found.wrong.len(),
                found.named()
            ),
            taken_out(&app.config, &found),
        ),
        Err(reason) => unknown(&reason),
    }
}

/// How a file comes back from a backup. There it is called as in the data folder.
fn taken_out(config: &Config, found: &Found) -> String {
    let key = found.wrong.first().map_or("KEY", String::as_str);
    let data = config.data.display();
    if config.files == "disk:" {
        format!("tar -xf BACKUP -C {data} files/{key}    (a backup that has it; each of them so)")
    } else {
        format!(
            "tar -xf BACKUP files/{key}    (a backup that has it; then put it where LYCEUM_FILES leads, each of them so)"
        )
    }
}

fn unknown(reason: &str) -> Finding {
    Finding::fault(
        "files",
        format!("Stored files could not be looked at: {reason}."),
        "lyceum check",
    )
}

/// Rows whose file is not there, or with `is_deep` has another length when it is read.
async fn rows_without_files(app: &App, is_deep: bool) -> Result<Found, String> {
    let mut found = Found::default();
    let mut before = i64::MAX;
    loop {
        let rows = rendition::Entity::find()
            .filter(rendition::Column::Id.lt(before))
            .order_by_desc(rendition::Column::Id)
            .limit(AT_ONCE)
            .all(app.db.read())
            .await
            .map_err(|error| error.to_string())?;
        let Some(last) = rows.last() else {
            return Ok(found);
        };
        before = last.id;
        for row in rows {
            if !is_deep && found.looked >= MOST {
                found.is_cut = true;
                return Ok(found);
            }
            found.looked += 1;
            if !is_whole(app, &row, is_deep).await? {
                found.wrong.push(row.key);
            }
        }
    }
}

async fn is_whole(app: &App, row: &rendition::Model, is_deep: bool) -> Result<bool, String> {
    let wanted = u64::try_from(row.size_bytes).unwrap_or(0);
    let size = match app.files.size(&row.key).await {
        Ok(size) => size,
        Err(FilesError::NotFound) => return Ok(false),
        Err(error) => return Err(error.to_string()),
    };
    if size != wanted || !is_deep {
        return Ok(size == wanted);
    }
    // Every byte: a disk that is going bad says so only then.
    let Ok((_, mut pieces)) = app.files.read(&row.key, None).await else {
        return Ok(false);
    };
    let mut read = 0;
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else {
            return Ok(false);
        };
        read += piece.len() as u64;
    }
    Ok(read == wanted)
}

/// Folders of files that neither an upload nor an unfinished one has.
async fn files_without_rows(app: &App) -> Result<Found, String> {
    let folders = match app.files.list_folders(FOLDER).await {
        Ok(folders) => folders,
        Err(FilesError::NotFound) => Vec::new(),
        Err(error) => return Err(error.to_string()),
    };
    let mut found = Found {
        looked: folders.len(),
        ..Found::default()
    };
    let db = app.db.read();
    for some in folders.chunks(PREFIXES) {
        let names = || some.iter().map(String::as_str);
        let used: Vec<String> = upload::Entity::find()
            .select_only()
            .column(upload::Column::Prefix)
            .filter(upload::Column::Prefix.is_in(names()))
            .into_tuple()
            .all(db)
            .await
            .map_err(|error| error.to_string())?;
        let awaited: Vec<String> = tus_upload::Entity::find()
            .select_only()
            .column(tus_upload::Column::Prefix)
            .filter(tus_upload::Column::Prefix.is_in(names()))
            .into_tuple()
            .all(db)
            .await
            .map_err(|error| error.to_string())?;
        let lonely = some
            .iter()
            .filter(|folder| !used.contains(folder) && !awaited.contains(folder));
        found.wrong.extend(lonely.cloned());
    }
    Ok(found)
}
