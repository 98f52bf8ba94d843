//! The running site: its configuration and its services, handed to every request and job.

use crate::config::Config;
use crate::db::{Db, Write, tag};
use crate::error::Result;
use crate::web::credentials::Credentials;
use crate::web::fragments;
use crate::web::metrics::{History, Recorder, Traffic, nodes};
use crate::web::passwords::Passwords;
use crate::web::sessions::{self, Sessions};
use crate::web::streams::Streams;
use crate::web::tags::{Tagged, Tags};
use crate::web::turns::Turns;
use backends::bus::{Bus, BusDatabase};
use backends::cache::{Cache, CacheDatabase, Caches, Surroundings};
use backends::clock::Clock;
use backends::files::Files;
use backends::mail::Mail;
use backends::media::{Limits, Tools};
use backends::sns::{Sns, Trusted};
use backends::transcoder::Transcoder;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long the start waits for a service before it says which one does not answer.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// The site; clones share one.
#[derive(Clone)]
pub struct App(Arc<Services>);

/// What [`App`] gives access to.
pub struct Services {
    /// The configuration in force.
    pub config: Config,
    /// The database.
    pub db: Db,
    /// Values that may be forgotten.
    pub cache: Cache,
    /// The same, and the caches that were given a name.
    pub caches: Caches,
    /// Counts that limits rest on.
    pub counts: Counts,
    /// How the counts of the caches went lately in this process.
    pub history: History,
    /// What this process answers.
    pub traffic: Traffic,
    /// Gathers figures over time.
    pub recorder: Recorder,
    /// The name of this process among those of the site.
    pub node: String,
    /// What processes of this site tell each other.
    pub bus: Bus,
    /// Stored files.
    pub files: Files,
    /// Outgoing mail.
    pub mail: Mail,
    /// Time and randomness.
    pub clock: Clock,
    /// Hashes passwords, bounded.
    pub passwords: Passwords,
    /// Browsers that are logged in.
    pub sessions: Arc<Sessions>,
    /// Basic and token credentials that were checked lately.
    pub credentials: Arc<Credentials>,
    /// What remembered values rest on, and whether it has changed.
    pub tags: Tags,
    /// Values in the cache that are gone once something changes on which they rest.
    pub tagged: Tagged,
    /// Who converts recordings.
    pub transcoder: Transcoder,
    /// ffmpeg and its bounds.
    pub tools: Tools,
    /// Believes messages of Amazon SNS, or not.
    pub sns: Sns,
    /// Event streams and sockets that are open in this process.
    pub streams: Streams,
    /// Who goes on with which upload in this process.
    pub turns: Turns,
    /// Canceled when the process is asked to stop; event streams end at once, jobs are handed back.
    pub stopping: CancellationToken,
}

/// Where what limits rest on is counted.
pub struct Counts {
    /// The cache called `counts`, or else the default one, where nodes share it; otherwise that of this process.
    pub shared: Cache,
    /// In this process: where counting goes on while the shared cache does not answer.
    pub here: Cache,
}

/// A service that does not answer at the start.
#[derive(Debug, thiserror::Error)]
#[error(
    "{service} cannot be used: {reason}\n  It is configured as {url}; `lyceum check` shows the configuration in force."
)]
pub struct StartError {
    service: &'static str,
    url: String,
    reason: String,
}

impl Deref for App {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.0
    }
}

impl App {
    /// Opens every service. The tables are brought up to date when `migrate` is set.
    ///
    /// # Errors
    /// Within seconds, naming the first service that does not answer.
    pub async fn open(config: Config, clock: Clock, migrate: bool) -> Result<Self, StartError> {
        backends::https::use_ring();
        let shown: std::collections::BTreeMap<_, _> = config.shown().into_iter().collect();
        let url = |key: &str| shown.get(key).cloned().unwrap_or_default();
        let failed = |service, reason: String| StartError {
            service,
            url: url(service),
            reason,
        };
        std::fs::create_dir_all(&config.data).map_err(|e| failed("data", e.to_string()))?;
        let db = open_database(&config, migrate)
            .await
            .map_err(|e| failed("database", e))?;
        let bus = within(Box::pin(open_bus(&config, &db, &clock)))
            .await
            .map_err(|e| failed("bus", e))?;
        let caches = within(open_caches(&config, &db, &bus, &clock))
            .await
            .map_err(|e| failed("cache", e))?;
        let cache = caches.default_cache().clone();
        let counts = open_counts(&caches, &clock).map_err(|e| failed("cache", e))?;
        let files = open_files(&config).await.map_err(|e| failed("files", e))?;
        let mail =
            Mail::open(&config.mail, &config.data).map_err(|e| failed("mail", e.to_string()))?;
        let transcoder = Transcoder::open(&config.transcoder, &config.files)
            .map_err(|e| failed("transcoder", e))?;
        let sns = trusting(&config).map_err(|e| failed("sns_trust", e))?;
        let tags = Tags::hearing(&db, &bus);
        let sessions = Arc::new(sessions::remember());
        let credentials = Arc::new(Credentials::new(&config.secret));
        sessions::hear(&bus, &sessions, &credentials);
        let node = nodes::name(&clock);
        let services = Services {
            passwords: Passwords::new(),
            sessions,
            credentials,
            tagged: Tagged::new(cache.clone(), tags.clone()),
            tags,
            transcoder,
            sns,
            tools: Tools::new(config.ffmpeg.as_deref(), Limits::default()),
            streams: Streams::default(),
            turns: Turns::default(),
            stopping: CancellationToken::new(),
            config,
            db,
            cache,
            caches,
            counts,
            history: History::new(clock.now()),
            traffic: Traffic::default(),
            recorder: Recorder::new(&node),
            node,
            bus,
            files,
            mail,
            clock,
        };
        Ok(Self(Arc::new(services)))
    }

    /// Begins a transaction that may write.
    pub async fn write(&self) -> Result<Write> {
        self.db.write(&self.bus).await
    }
}

/// Opens the database, with its tables.
async fn open_database(config: &Config, migrate: bool) -> Result<Db, String> {
    let db = within(Db::open(
        &config.database,
        &config.data,
        config.database_timeout,
    ))
    .await?;
    prepare(&db, migrate).await?;
    Ok(db)
}

/// Opens the caches. A cache that does not answer does not keep the site from beginning.
async fn open_caches(config: &Config, db: &Db, bus: &Bus, clock: &Clock) -> Result<Caches, String> {
    let site = tag::site(db.writer())
        .await
        .map_err(|error| error.to_string())?;
    let surroundings = Surroundings {
        clock: clock.clone(),
        folder: Some(config.data.join("cache")),
        database: Some(CacheDatabase {
            read: db.read().clone(),
            write: db.writer().clone(),
        }),
        bus: Some(bus.clone()),
        space: Some(format!("{site:x}-{}", fragments::edition(config))),
    };
    Caches::open(&config.cache, &config.caches, &surroundings).map_err(|error| match error.name {
        Some(name) => format!("cache_{name}: {}", error.reason),
        None => error.reason.to_string(),
    })
}

/// Limits count in the cache that the nodes share, or in this process: then in a room of their own, out of which no
/// pages push them.
fn open_counts(caches: &Caches, clock: &Clock) -> Result<Counts, String> {
    let here = Cache::open_with("memory:", clock.clone()).map_err(|error| error.to_string())?;
    let named = caches.named("counts");
    let shared = if named.is_shared() { named } else { &here };
    Ok(Counts {
        shared: shared.clone(),
        here,
    })
}

/// Opens the bus, which may be the database's.
async fn open_bus(config: &Config, db: &Db, clock: &Clock) -> Result<Bus, String> {
    let site = tag::site(db.writer())
        .await
        .map_err(|error| error.to_string())?;
    let database = BusDatabase {
        read: db.read().clone(),
        write: db.writer().clone(),
        url: Db::full_url(&config.database, &config.data),
        clock: clock.clone(),
        site: format!("{site:x}"),
    };
    let bus = Bus::open(&config.bus, Some(database)).await;
    bus.map_err(|error| error.to_string())
}

/// Opens the file store; one elsewhere is tried at once, so that a site without its files does not begin.
async fn open_files(config: &Config) -> Result<Files, String> {
    let files = Files::open_with(&config.files, &config.data, &config.s3_keys);
    let files = files.map_err(|error| error.to_string())?;
    if files.origin().is_some() {
        within(files.check()).await?;
    }
    Ok(files)
}

/// Reads the roots that the configuration trusts besides Amazon's.
fn trusting(config: &Config) -> Result<Sns, String> {
    let trusted: Result<Vec<_>, _> = config
        .sns_trust
        .iter()
        .map(|(host, pem)| Trusted::read(host, pem))
        .collect();
    Sns::new(trusted?)
}

/// Brings the tables up to date, or makes sure that they are.
async fn prepare(db: &Db, migrate: bool) -> Result<(), String> {
    if migrate {
        return db.migrate().await.map_err(|error| error.to_string());
    }
    match within(db.pending_migrations()).await? {
        0 => Ok(()),
        1 => Err("its tables are one step behind; run `lyceum migrate`".into()),
        steps => Err(format!(
            "its tables are {steps} steps behind; run `lyceum migrate`"
        )),
    }
}

async fn within<T, E: std::fmt::Display>(
    opening: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match tokio::time::timeout(START_TIMEOUT, opening).await {
        Ok(opened) => opened.map_err(|e| e.to_string()),
        Err(_) => Err(format!(
            "no answer within {} seconds",
            START_TIMEOUT.as_secs()
        )),
    }
}
