//! The commands. Exit codes: 0, 1 (failed), 2 (wrong use).

mod backup;
mod cache;
mod connections;
mod demo;
mod doctor;
mod files;
mod serve;
mod user;

use crate::app::App;
use crate::backup::course::Wish;
use crate::config::Config;
use crate::web::{errors, health};
use crate::{media, router};
use backends::clock::Clock;
use clap::{Args, Parser, Subcommand};
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// A learning platform in one binary.
#[derive(Parser)]
#[command(name = "lyceum", version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    site: Site,
    #[command(subcommand)]
    command: Command,
}

/// Which site.
#[derive(Args)]
struct Site {
    /// Configuration file [default: lyceum.toml where there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the site, with a worker inside unless told otherwise
    Serve {
        /// Address and port, or `unix:PATH`
        #[arg(long, value_name = "ADDR")]
        listen: Option<String>,
        /// Leave the work to `lyceum work`
        #[arg(long)]
        no_worker: bool,
    },
    /// Process files and other work without serving; as many as you like
    Work,
    /// Fill an empty site with the demo school; asked again, change nothing
    Demo {
        /// The folder that demo/recordings.sh has made [default: lyceum/recordings in the user's cache]
        #[arg(long, value_name = "DIR")]
        recordings: Option<PathBuf>,
    },
    /// Make and change accounts
    #[command(subcommand, arg_required_else_help = true)]
    User(user::UserCommand),
    /// Move stored files to another place
    #[command(subcommand, arg_required_else_help = true)]
    Files(files::FilesCommand),
    /// Look into the caches, and empty them
    #[command(subcommand, arg_required_else_help = true)]
    Cache(cache::CacheCommand),
    /// Write the whole site, database, files and secret, to one file, while it runs
    Backup {
        /// The file to make; there must be none of this name
        file: PathBuf,
    },
    /// Bring a backup back, into an empty site, on whatever database and file store it has
    Restore {
        /// What `lyceum backup` made
        file: PathBuf,
        /// Into a site that is set to another secret: then second factors have to be set up anew
        #[arg(long)]
        other_secret: bool,
    },
    /// Write a course with its media to one file, to be imported elsewhere, while the site runs
    Export {
        /// Its address, as in /course/ADDRESS/, or its number
        course: String,
        /// The file to make; there must be none of this name
        file: PathBuf,
    },
    /// Bring a course in that another site has exported, as a draft
    Import {
        /// What `lyceum export` made
        file: PathBuf,
        /// User name of the teacher whose course it becomes
        #[arg(long, value_name = "NAME")]
        owner: String,
        /// Another address than the one that it had
        #[arg(long, value_name = "ADDRESS")]
        slug: Option<String>,
        /// Show it in the catalogue at once
        #[arg(long)]
        publish: bool,
    },
    /// Bring the tables up to date
    Migrate,
    /// Print the schema of the API, OpenAPI 3.1, as served at /api/schema/
    Openapi,
    /// Show the configuration in force and try every service that it names
    Check,
    /// Look at everything that keeps the site well, and name the command that mends each thing it finds
    Doctor(doctor::Depth),
}

/// What a thread that still works gets at the end.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("the program cannot start: {error}")),
    };
    let code = match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => failed(&error.to_string()),
    };
    // Dropping the runtime would wait for ever for a thread that hangs, in a disk that is away for example.
    runtime.shutdown_timeout(STOP_TIMEOUT);
    code
}

/// A fault on its way to stderr.
pub type CliError = Box<dyn std::error::Error + Send + Sync>;

/// What a command answers.
pub type CliResult<T = ExitCode> = Result<T, CliError>;

async fn run(cli: Cli) -> CliResult {
    if matches!(cli.command, Command::Openapi) {
        return openapi();
    }
    let config = configure(cli.site, &cli.command)?;
    start_log(
        &config,
        matches!(cli.command, Command::Serve { .. } | Command::Work),
    );
    Box::pin(act(cli.command, config)).await
}

/// The configuration in force for a command.
fn configure(site: Site, command: &Command) -> CliResult<Config> {
    let mut flags = Vec::new();
    if let Some(data) = site.data {
        flags.push(("data", data));
    }
    if let Command::Serve {
        listen: Some(listen),
        ..
    } = command
    {
        flags.push(("listen", listen.clone()));
    }
    Ok(Config::load(site.config.as_deref(), &flags)?)
}

async fn act(command: Command, config: Config) -> CliResult {
    match command {
        Command::Serve { no_worker, .. } => {
            let app = App::open(config, Clock::system(), true).await?;
            Box::pin(serve::serve(app, !no_worker)).await?;
        }
        Command::Work => return Box::pin(work(config)).await,
        Command::Demo { recordings } => {
            let app = App::open(config, Clock::system(), true).await?;
            return Box::pin(demo::demo(app, recordings)).await;
        }
        Command::User(command) => {
            let app = App::open(config, Clock::system(), true).await?;
            return with(app, async |app| user::run(app, command).await).await;
        }
        Command::Cache(command) => return Box::pin(cache::run(config, command)).await,
        Command::Files(command) => return Box::pin(files::run(&config, command)).await,
        Command::Backup { file } => return Box::pin(backup::make(config, file)).await,
        Command::Restore { file, other_secret } => {
            return Box::pin(backup::restore(config, file, other_secret)).await;
        }
        Command::Export { course, file } => {
            return Box::pin(backup::export(config, course, file)).await;
        }
        Command::Import {
            file,
            owner,
            slug,
            publish,
        } => {
            let wish = Wish {
                owner,
                slug,
                is_published: publish,
            };
            return Box::pin(backup::import(config, file, wish)).await;
        }
        Command::Migrate => {
            App::open(config, Clock::system(), true).await?;
            say("The tables are up to date.");
        }
        Command::Check => return Box::pin(check(config)).await,
        Command::Doctor(depth) => return Box::pin(doctor::run(config, depth)).await,
        // Told above: it needs no configuration.
        Command::Openapi => {}
    }
    Ok(ExitCode::SUCCESS)
}

async fn work(config: Config) -> CliResult {
    let app = App::open(config, Clock::system(), true).await?;
    if !media::reaches_files(&app).await? {
        return Ok(failed(&format!(
            "this process does not see the files of the site in {}\n  \
             Let LYCEUM_FILES name the same folder or bucket on every machine.",
            config_files(&app)
        )));
    }
    serve::work(app).await?;
    Ok(ExitCode::SUCCESS)
}

/// Does something with a site, and lets go of it.
async fn with<T>(app: App, work: impl AsyncFnOnce(&App) -> CliResult<T>) -> CliResult<T> {
    let done = work(&app).await;
    app.bus.close().await;
    app.db.clone().close().await?;
    done
}

/// Where this process looks for files, without secrets.
fn config_files(app: &App) -> String {
    let shown = app.config.shown().into_iter();
    let files = shown.filter(|(key, _)| *key == "files");
    files.map(|(_, url)| url).collect()
}

fn openapi() -> CliResult {
    say(&router::api().schema()?.pretty()?);
    Ok(ExitCode::SUCCESS)
}

async fn check(config: Config) -> CliResult {
    for (key, value) in config.shown() {
        say(&format!("{key:16} {value}"));
    }
    let app = App::open(config, Clock::system(), false).await?;
    let mut is_well = true;
    for service in Box::pin(health::check(&app)).await {
        is_well &= service.is_well;
        let words = if service.is_well {
            "answers".to_owned()
        } else {
            service.reason
        };
        say(&format!("{:16} {words}", service.service));
    }
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Servers log to stderr at the configured level; other commands only what needs attention.
fn start_log(config: &Config, is_server: bool) {
    let filter = if is_server {
        config.log.as_str()
    } else {
        "warn"
    };
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = if config.log_as_json {
        log.json().try_init()
    } else {
        log.try_init()
    };
    if let Err(error) = started {
        say(&format!("logging could not be started: {error}"));
        return;
    }
    std::panic::set_hook(Box::new(errors::log_panic));
}

/// A line for the person at the terminal.
pub fn say(line: &str) {
    // A closed pipe is no fault of the command's.
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn failed(words: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "lyceum: {words}");
    ExitCode::FAILURE
}
