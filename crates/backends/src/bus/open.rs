//! Which bus a URL means, and how it is opened.

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};

use sea_orm::{ConnectionTrait as _, DbBackend};
use tokio::task::JoinHandle;

use super::hub::Hub;
use super::outbox::Outbox;
use super::peers::Peers;
use super::pings::Pings;
use super::postgres::{self, Presence};
use super::promise::Promises;
use super::redis::{Address, Redis, Roster};
use super::sockets::Sockets;
use super::{Backend, Bus, BusDatabase, BusError, Inner, Station, sqlite, tell};
use crate::clock::Clock;

impl Bus {
    /// Whether `url` is one of a bus; connects to nothing.
    ///
    /// # Errors
    /// [`BusError::Url`], which says what is wrong without repeating the URL.
    pub fn check_url(url: &str) -> Result<(), BusError> {
        match url.split_once(':').map_or("", |(scheme, _)| scheme) {
            "redis" | "rediss" => Address::parse(url).map(drop),
            _ if matches!(url, "memory:" | "database:") => Ok(()),
            _ => Err(BusError::Url(
                "is neither database: nor memory:, and begins neither with redis: nor with rediss:"
                    .to_owned(),
            )),
        }
    }

    /// Opens the bus that `url` names (`memory:`, `database:`, `redis://...`, `rediss://...`) and begins to listen: events
    /// committed after this returns are heard, earlier ones are not. All but `memory:` need a `database` that already has
    /// [`events_table`](super::events_table). A Redis server that does not answer keeps nobody from opening the bus: until
    /// it does, events go over the database.
    ///
    /// # Errors
    /// [`BusError::Url`], or [`BusError::Listening`] when the database does not answer or has no such table.
    pub async fn open(url: &str, database: Option<BusDatabase>) -> Result<Self, BusError> {
        Self::check_url(url)?;
        let station = station(database.as_ref());
        if url == "memory:" {
            let backend = Backend::Memory {
                last_id: AtomicI64::new(0),
            };
            return Ok(Self::new(station, backend, None, Vec::new()));
        }
        let Some(database) = database else {
            return Err(BusError::Url(
                "needs a database, but none is open".to_owned(),
            ));
        };
        let (backend, listener) = listen(&station, database.clone()).await?;
        let mut listeners = vec![listener];
        let mut redis = None;
        if url != "database:" {
            let address = Address::parse(url)?;
            let roster = match &backend {
                Backend::Sqlite { sockets, .. } => Roster::Folder(sockets.clone()),
                _ => Roster::Heard(Arc::clone(&station.peers)),
            };
            let (opened, listener) = Redis::open(address, &station, roster, &database).await;
            listeners.push(listener);
            redis = Some(opened);
        }
        Ok(Self::new(station, backend, redis, listeners))
    }

    fn new(
        station: Station,
        backend: Backend,
        redis: Option<Redis>,
        listeners: Vec<JoinHandle<()>>,
    ) -> Self {
        Self(Arc::new(Inner {
            station,
            backend,
            redis,
            listeners: Mutex::new(listeners),
        }))
    }
}

fn station(database: Option<&BusDatabase>) -> Station {
    let hub = Arc::new(Hub::default());
    let is_postgres = database
        .is_some_and(|database| database.write.get_database_backend() == DbBackend::Postgres);
    Station {
        peers: Arc::new(Peers::new(is_postgres.then_some(postgres::LEASE))),
        // Never from a clock whose randomness is fixed: two instances must differ. 96 random bits.
        instance: Clock::system().random_token().chars().take(16).collect(),
        promises: Arc::new(Promises::new(&hub)),
        hub,
    }
}

async fn listen(
    station: &Station,
    database: BusDatabase,
) -> Result<(Backend, JoinHandle<()>), BusError> {
    match database.write.get_database_backend() {
        DbBackend::Sqlite => {
            let (poller, task) = sqlite::Poller::start(station, &database).await?;
            let file = sqlite::file_of(&database.url);
            let sockets = file.map(|file| Arc::new(Sockets::new(&file, station, &poller)));
            let backend = Backend::Sqlite {
                database,
                outbox: Outbox::default(),
                poller,
                sockets,
            };
            Ok((backend, task))
        }
        DbBackend::Postgres => {
            let pings = Arc::new(Pings::default());
            let presence = Arc::new(Presence::new(&station.instance));
            let (telling, told) = tell::queue();
            let task = postgres::start(station, &pings, &presence, told, &database).await?;
            let backend = Backend::Postgres {
                database,
                pings,
                presence,
                telling,
            };
            Ok((backend, task))
        }
        _ => Err(BusError::Url(
            "needs a database that is SQLite or PostgreSQL".to_owned(),
        )),
    }
}
