//! `lyceum cache`: the caches from the command line.
//!
//! A command is a process of its own. What lies on a server, in the database or in files it sees like every other;
//! what lies in the memory of the processes that serve it does not. So it forgets there too, by telling them over the
//! bus, and asks the address for metrics for their counts; but it looks up nothing there, and says so.

use super::{CliResult, failed, say};
use crate::admin::cache::{self as caches, keys, orders, value};
use crate::app::App;
use crate::config::Config;
use crate::web::audit::By;
use crate::web::metrics;
use crate::web::tags::Tag;
use axum::body::Body;
use axum::extract::Request;
use backends::cache::{Cache, Lasting};
use backends::clock::Clock;
use clap::Subcommand;
use hyper_util::rt::TokioIo;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long the process that serves may take to tell its counts.
const PATIENCE: Duration = Duration::from_secs(3);

/// Longer answers are none of ours.
const MOST_BYTES: usize = 4 * 1024 * 1024;

#[derive(Subcommand)]
pub enum CacheCommand {
    /// Show how full and how useful the caches are
    Stats,
    /// Print what lies under a key of a shared cache
    Get {
        /// The key, as the site uses it: without prefix and version
        key: String,
        /// Which cache
        #[arg(long, value_name = "NAME", default_value = "default")]
        cache: String,
    },
    /// Forget what lies under a key
    Delete {
        /// The key, as the site uses it: without prefix and version
        key: String,
        /// Which cache
        #[arg(long, value_name = "NAME", default_value = "default")]
        cache: String,
    },
    /// Empty a cache, all of them, or what rests on a tag; asks first
    #[command(group = clap::ArgGroup::new("what").required(true))]
    Clear {
        /// Empty this cache
        #[arg(long, value_name = "NAME", group = "what")]
        cache: Option<String>,
        /// Empty all caches
        #[arg(long, group = "what")]
        all: bool,
        /// Forget what rests on a tag such as course:7, in every cache
        #[arg(long, value_name = "TAG", group = "what")]
        tag: Option<String>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Runs one of them.
pub async fn run(config: Config, command: CacheCommand) -> CliResult {
    let app = App::open(config, Clock::system(), true).await?;
    let done = carry_out(&app, command).await;
    app.caches.close().await;
    app.bus.close().await;
    app.db.clone().close().await?;
    done
}

async fn carry_out(app: &App, command: CacheCommand) -> CliResult {
    match command {
        CacheCommand::Stats => stats(app).await,
        CacheCommand::Get { key, cache } => get(app, &cache, &key).await,
        CacheCommand::Delete { key, cache } => delete(app, &cache, &key).await,
        CacheCommand::Clear {
            cache,
            tag,
            yes,
            all: _,
        } => clear(app, cache.as_deref(), tag.as_deref(), yes).await,
    }
}

/// The counts of the process that serves, where it tells them; else what can be seen from here.
async fn stats(app: &App) -> CliResult {
    if let Some(address) = &app.config.metrics {
        match tokio::time::timeout(PATIENCE, ask(address)).await {
            Ok(Ok(table)) => {
                say(table.trim_end());
                return Ok(ExitCode::SUCCESS);
            }
            Ok(Err(error)) => note(&format!(
                "no process tells its figures at {address}: {error}"
            )),
            Err(_) => note(&format!(
                "no process tells its figures at {address} in time"
            )),
        }
    }
    say(metrics::table(app, false).await.trim_end());
    let has_memory = app.caches.iter().any(|(_, cache)| is_in_memory(cache));
    if has_memory {
        note("what is in the memory of the processes that serve cannot be seen from here");
    }
    if app.config.metrics.is_none() {
        note(
            "hits and misses are counted in the processes that serve: see /admin/cache/, or set LYCEUM_METRICS for them and for this command",
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks the address for metrics; over HTTP, as it is on this machine or in its network.
async fn ask(address: &str) -> CliResult<String> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get("/caches").header("host", address);
    let answer = sender.send_request(request.body(Body::empty())?).await?;
    if !answer.status().is_success() {
        return Err(format!("it answers {}", answer.status()).into());
    }
    let bytes = axum::body::to_bytes(Body::new(answer.into_body()), MOST_BYTES).await?;
    connection.abort();
    Ok(String::from_utf8(bytes.into())?)
}

async fn get(app: &App, name: &str, key: &str) -> CliResult {
    let cache = named(app, name)?;
    if !cache.is_shared() {
        return Ok(failed(&in_memory(name, cache)));
    }
    let Some((found, lasting)) = keys::find(cache, key).await? else {
        return Ok(failed("nothing is stored under this key"));
    };
    note(&match lasting {
        Lasting::Forever => "it does not end".to_owned(),
        Lasting::Left(left) => format!("it ends in {} s", left.as_secs()),
        Lasting::Unknown => "the backend does not say when it ends".to_owned(),
    });
    if !value::is_readable(key) {
        return Ok(failed(&format!(
            "there is a value, and it is not shown: only key spaces are that hold nothing secret ({})",
            value::READABLE.join(", ")
        )));
    }
    let mut out = std::io::stdout();
    if out.is_terminal() {
        let shown = value::show(&found);
        say(&shown.head);
        if !shown.left_out.is_empty() {
            note(&format!(
                "{} are left out here; it ends with:",
                shown.left_out
            ));
            say(&shown.tail);
        }
    } else {
        // For another program: as it is stored. A closed pipe is no fault of the command's.
        let _ = out.write_all(&found).and_then(|()| out.flush());
    }
    Ok(ExitCode::SUCCESS)
}

async fn delete(app: &App, name: &str, key: &str) -> CliResult {
    let cache = named(app, name)?;
    let by = By::terminal(app.clock.now());
    if !cache.is_shared() {
        cache.name(key)?;
        told(app)?;
        orders::delete(app, name, key, &by).await?;
        say("The processes that serve are told to forget it.");
        return Ok(ExitCode::SUCCESS);
    }
    answers(cache).await?;
    if orders::delete(app, name, key, &by).await? {
        say("It is forgotten.");
        Ok(ExitCode::SUCCESS)
    } else {
        Ok(failed("nothing is stored under this key"))
    }
}

async fn clear(app: &App, name: Option<&str>, tag: Option<&str>, is_sure: bool) -> CliResult {
    let tag: Option<Tag> = tag.map(str::parse).transpose()?;
    let names: Vec<&str> = match (name, tag) {
        (Some(name), _) => vec![name],
        (None, Some(_)) => Vec::new(),
        (None, None) => app.caches.iter().map(|(name, _)| name).collect(),
    };
    for name in &names {
        let cache = named(app, name)?;
        if cache.is_shared() {
            answers(cache).await?;
        } else {
            told(app)?;
        }
    }
    let what = match tag {
        Some(tag) => format!("Forget what rests on {tag}?"),
        None => format!("Empty {}?", names.join(", ")),
    };
    if !is_sure && !is_agreed(&what)? {
        return Ok(failed("nothing was forgotten"));
    }
    let by = By::terminal(app.clock.now());
    if let Some(tag) = tag {
        orders::clear_tag(app, tag, &by).await?;
        say(&format!(
            "What rests on {tag} is forgotten, in every cache."
        ));
    }
    for name in names {
        orders::clear(app, name, &by).await?;
        let cache = named(app, name)?;
        if !cache.is_shared() {
            say(&format!(
                "The processes that serve are told to empty {name}."
            ));
        } else if cache.report().await.owed == Some(0) {
            say(&format!("{name} is empty."));
        } else {
            return Ok(failed(&format!(
                "{name} did not forget all: its server broke off, or its user may not use SCAN and UNLINK there"
            )));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn named<'a>(app: &'a App, name: &str) -> CliResult<&'a Cache> {
    caches::get(app, name).map_err(|_| {
        let known: Vec<&str> = app.caches.iter().map(|(name, _)| name).collect();
        let known = known.join(", ");
        format!("there is no cache called {name}; there are: {known}").into()
    })
}

/// A cache that is away forgets nothing now, and this process does not wait until it is back.
async fn answers(cache: &Cache) -> CliResult<()> {
    let answer = cache.check().await;
    answer.map_err(|reason| format!("the cache does not answer: {reason}").into())
}

/// Whether the processes that serve hear this one.
fn told(app: &App) -> CliResult<()> {
    if app.config.bus.starts_with("memory:") {
        return Err(
            "the processes that serve do not hear this one, since LYCEUM_BUS is memory:\n  \
                    Use /admin/cache/, or restart them."
                .into(),
        );
    }
    Ok(())
}

fn is_in_memory(cache: &Cache) -> bool {
    cache.kind() == "memory"
}

fn in_memory(name: &str, cache: &Cache) -> String {
    if is_in_memory(cache) {
        format!(
            "the cache {name} is in the memory of the processes that serve, which this command does not see\n  \
             Look at /admin/cache/key/ on the site, or choose a cache that processes share."
        )
    } else {
        format!("the cache {name} is off: nothing is stored")
    }
}

/// Asks at the terminal; elsewhere somebody has to have said `--yes`.
fn is_agreed(what: &str) -> CliResult<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(format!("{what} Say --yes where nobody can be asked.").into());
    }
    note(&format!("{what} [y/N]"));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// A line for the person at the terminal that is no part of the answer.
fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "lyceum: {line}");
}
