//! `lyceum demo`: the demo school, processed and ready to be tried.

use super::{CliResult, say};
use crate::app::App;
use crate::demo::school::{Role, School};
use crate::demo::{Outcome, fill, settle};
use crate::entities::job::{self, JobState};
use crate::entities::upload::{self, UploadState};
use crate::{jobs, registry};
use indicatif::{ProgressBar, ProgressStyle};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// How often the bar looks at the queue.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Fills the site, processes its files, and prints who can log in.
pub async fn demo(app: App, recordings: Option<PathBuf>) -> CliResult {
    let recordings = recordings
        .or_else(default_recordings)
        .ok_or("name the folder: --recordings DIR")?;
    match fill(&app, &recordings).await? {
        Outcome::WasThere => say("The demo school is there already; nothing was changed."),
        Outcome::Filled { files } => say(&format!("The demo school is there, with {files} files.")),
    }
    if process(&app).await? {
        settle(&app).await?;
    }
    let unready = upload::Entity::find()
        .filter(upload::Column::State.ne(UploadState::Ready))
        .count(app.db.read())
        .await?;
    if unready > 0 {
        say(&format!(
            "{unready} of its files are not ready; `lyceum check` may tell why, and `lyceum serve` tries again."
        ));
    }
    say("");
    say("Log in as:");
    for person in School::embedded()?.people {
        let role = match person.role {
            Role::Teacher => "teacher",
            Role::Student => "student",
            Role::Staff => "staff",
        };
        say(&format!(
            "  {:10} {:22} {role}",
            person.username, person.password
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs what is in line, with a bar when somebody is looking; answers whether there was anything.
async fn process(app: &App) -> CliResult<bool> {
    let waiting = count_open(app).await?;
    if waiting == 0 {
        return Ok(false);
    }
    let bar = ProgressBar::new(waiting);
    bar.set_style(ProgressStyle::with_template(
        "Processing {bar:32} {pos} of {len} files",
    )?);
    let registry = registry::registry();
    let draining = jobs::drain(app, &registry);
    tokio::pin!(draining);
    loop {
        tokio::select! {
            drained = &mut draining => {
                drained?;
                break;
            }
            () = tokio::time::sleep(LOOK_EVERY) => {
                bar.set_position(waiting.saturating_sub(count_open(app).await?));
            }
        }
    }
    bar.finish_and_clear();
    Ok(true)
}

async fn count_open(app: &App) -> CliResult<u64> {
    let open = [JobState::Waiting, JobState::Running];
    let find = job::Entity::find()
        .filter(job::Column::State.is_in(open))
        .filter(job::Column::RunAt.lte(app.clock.now()));
    Ok(find.count(app.db.read()).await?)
}

/// Where `demo/recordings.sh` puts them: the user's cache folder.
fn default_recordings() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    cache.map(|cache| cache.join("lyceum/recordings"))
}
