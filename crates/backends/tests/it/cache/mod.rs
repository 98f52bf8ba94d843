//! The cache: its rules in this process, what every backend must do, and what becomes of it when a
//! server does not do what it should.

mod conformance;
pub mod fake;
mod faults;
mod near;
mod rules;
pub mod servers;

use std::time::Duration;

use backends::bounded::{Bounded, Timeout};
use backends::cache::{Cache, CacheDatabase, Surroundings};
use backends::cache::{entries_indexes, entries_table};
use backends::clock::Clock;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use tempfile::TempDir;

use self::servers::Server;

/// Waits until `look` finds something. Fails after a minute, so that nothing hangs.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(60), found).await;
    found.unwrap_or_else(|_| panic!("waited in vain until {what}"))
}

/// A backend with nothing in it, and what it needs to live.
struct Rig {
    kind: &'static str,
    place: String,
    surroundings: Surroundings,
    _folder: TempDir,
    _servers: Vec<Server>,
    /// On PostgreSQL: the database to remove.
    database: Option<String>,
}

impl Rig {
    async fn new(kind: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut surroundings = Surroundings::only(Clock::system());
        surroundings.folder = Some(folder.path().join("cache"));
        let mut servers = Vec::new();
        let mut database = None;
        let place = match kind {
            "redis" => {
                servers.push(Server::redis().await);
                format!("//{}", servers[0].address())
            }
            "memcached" => {
                servers.push(Server::memcached().await);
                servers.push(Server::memcached().await);
                format!("//{},{}", servers[0].address(), servers[1].address())
            }
            "database" => {
                let (tables, name) = open_database(&folder).await;
                surroundings.database = Some(tables);
                database = name;
                String::new()
            }
            _ => String::new(),
        };
        Self {
            kind,
            place,
            surroundings,
            _folder: folder,
            _servers: servers,
            database,
        }
    }

    /// A cache as another process has it, except in memory. It waits so long that a busy machine is
    /// not mistaken for a dead server.
    fn cache(&self, options: &str) -> Cache {
        let url = format!("{}:{}?wait=60000&{options}", self.kind, self.place);
        Cache::open_in(&url, &self.surroundings).unwrap()
    }

    /// The same cache as another process has it; where only one can have it, as another handle.
    fn other(&self, cache: &Cache) -> Cache {
        if self.is_shared() {
            self.cache("")
        } else {
            cache.clone()
        }
    }

    fn is_shared(&self) -> bool {
        self.kind != "memory"
    }

    async fn remove(self) {
        let Some(name) = &self.database else { return };
        drop(self.surroundings.database);
        let server = std::env::var("LYCEUM_TEST_POSTGRES").unwrap();
        let admin = Database::connect(server).await.unwrap();
        admin
            .execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)"))
            .await
            .unwrap();
    }
}

/// A database with the table of entries: on PostgreSQL where `LYCEUM_TEST_POSTGRES` names a server,
/// else in the folder.
async fn open_database(folder: &TempDir) -> (CacheDatabase, Option<String>) {
    let Ok(server) = std::env::var("LYCEUM_TEST_POSTGRES") else {
        let path = folder.path().join("site.db");
        let url = format!("sqlite://{}?mode=rwc", path.display());
        let write = connect(&url, 1).await;
        make_table(&write).await;
        let read = connect(&url, 2).await;
        return (CacheDatabase { read, write }, None);
    };
    let random = u64::from_be_bytes(Clock::system().random_bytes());
    let name = format!("lyceum_test_{random:x}");
    let admin = Database::connect(&server).await.unwrap();
    admin
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    let pool = connect(&format!("{base}/{name}"), 5).await;
    make_table(&pool).await;
    let tables = CacheDatabase {
        read: pool.clone(),
        write: pool,
    };
    (tables, Some(name))
}

async fn connect(url: &str, connections: u32) -> Bounded<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|options| options.journal_mode(sqlx::sqlite::SqliteJournalMode::Wal));
    Bounded::new(Database::connect(options).await.unwrap(), Timeout::never())
}

async fn make_table(db: &Bounded<DatabaseConnection>) {
    db.execute(&entries_table()).await.unwrap();
    for index in entries_indexes() {
        db.execute(&index).await.unwrap();
    }
}
