//! `lyceum user token`: the keys of somebody's programs.

use super::{get, told};
use crate::accounts::{self, NewToken};
use crate::app::App;
use crate::cli::{CliResult, say};
use crate::db::Write;
use crate::entities::token;
use crate::error::Error;
use crate::web::audit::{By, Done, Facts, record};
use crate::web::scopes::Scope;
use chrono::{DateTime, Utc};
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::process::ExitCode;

/// What a key is called when nothing is said.
const USUAL_NAME: &str = "command line";

#[derive(Args)]
pub struct TokenArgs {
    /// The user name
    username: String,
    /// What the key is called in her list [default: command line]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// For what it may be used, several times for several things [default: everything that she may]
    #[arg(long = "scope", value_name = "SCOPE", value_parser = scopes())]
    scopes: Vec<String>,
    /// After how many days it opens nothing any more [default: never]
    #[arg(long, value_name = "DAYS")]
    expires: Option<i64>,
    /// List her keys instead, each with its number
    #[arg(long, conflicts_with_all = ["name", "scopes", "expires", "revoke"])]
    list: bool,
    /// End the key with this number instead
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["name", "scopes", "expires"])]
    revoke: Option<i64>,
}

fn scopes() -> PossibleValuesParser {
    PossibleValuesParser::new(Scope::ALL.map(Scope::name))
}

pub async fn run(app: &App, args: TokenArgs) -> CliResult {
    let account = get(app, &args.username).await?;
    if args.list {
        for row in accounts::list_tokens(app.db.read(), account.id).await? {
            say(&line(&row, app.clock.now()));
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(id) = args.revoke {
        return revoke(app, account.id, &args.username, id).await;
    }
    let now = app.clock.now();
    let expires_at = args.expires.map(|days| accounts::end_after(now, days));
    let expires_at = told(expires_at.transpose())?;
    let chosen = args.scopes.iter().filter_map(|name| Scope::named(name));
    let scopes = (!args.scopes.is_empty()).then(|| chosen.collect());
    let write = app.write().await?;
    let name = match args.name {
        Some(name) => name.trim().to_owned(),
        None => accounts::free_name(&*write, account.id, USUAL_NAME).await?,
    };
    let new = NewToken {
        user_id: account.id,
        name,
        scopes,
        expires_at,
    };
    let key = told(accounts::create_token(app, &write, new).await)?;
    log_made(app, &write, account.id).await?;
    write.commit().await?;
    say(&key);
    Ok(ExitCode::SUCCESS)
}

async fn revoke(app: &App, user_id: i64, username: &str, id: i64) -> CliResult {
    let mut write = app.write().await?;
    let before = accounts::token_facts(&*write, id).await?;
    match accounts::revoke_token(&mut write, user_id, id).await {
        Err(Error::NotFound) => {
            let words = format!(
                "{username} has no token with the number {id}; `lyceum user token {username} --list` shows all"
            );
            return Err(words.into());
        }
        done => done?,
    }
    log(app, &write, "revoke", id, (before, None)).await?;
    write.commit().await?;
    Ok(ExitCode::SUCCESS)
}

/// Logs the key that was just made for somebody: her newest.
async fn log_made(app: &App, write: &Write, user_id: i64) -> Result<(), Error> {
    let made = accounts::list_tokens(&**write, user_id).await?;
    let Some(row) = made.iter().max_by_key(|row| row.id) else {
        return Ok(());
    };
    let after = accounts::token_facts(&**write, row.id).await?;
    log(app, write, "add", row.id, (None, after)).await
}

async fn log(
    app: &App,
    write: &Write,
    act: &str,
    id: i64,
    (before, after): (Option<Facts>, Option<Facts>),
) -> Result<(), Error> {
    let done = Done {
        act,
        kind: "token",
        id,
        before: before.as_ref(),
        after: after.as_ref(),
    };
    record(write, &By::terminal(app.clock.now()), done).await
}

/// A key as the list shows it: number, what it is for, its days, name.
fn line(row: &token::Model, now: DateTime<Utc>) -> String {
    let day = |at: Option<DateTime<Utc>>, none: &str| {
        at.map_or_else(|| none.to_owned(), |at| at.format("%Y-%m-%d").to_string())
    };
    let scopes = row.scopes.as_deref().unwrap_or("everything");
    let is_over = row.expires_at.is_some_and(|end| end <= now);
    let ends = if is_over { "expired" } else { "expires" };
    format!(
        "{:6} {:24} made {}, last used {:10}, {ends} {:10}  {}",
        row.id,
        scopes.replace(' ', ","),
        day(Some(row.created_at), ""),
        day(row.last_used_at, "never"),
        day(row.expires_at, "never"),
        row.name
    )
}
