//! What tests share: a running site, browsers with a cookie jar, and people to log in as.
//!
//! Each test has a site of its own: a temporary folder, and on PostgreSQL
//! (`LYCEUM_TEST_DATABASE=postgres`) a database of its own, on S3 (`LYCEUM_TEST_FILES=s3`) a folder
//! of its own. Its clock stands still until the
//! test moves it. Jobs run when the test says [`TestApp::drain`].

mod browser;
mod courses;
mod events;
mod forms;
mod learning;
mod letters;
mod line;
mod log;
mod media;
mod mediaconvert;
#[path = "../../../crates/backends/tests/it/files/proxy.rs"]
pub mod proxy;
#[expect(
    dead_code,
    reason = "only the tests of the services themselves fill servers up or have them refuse"
)]
#[path = "../../../crates/backends/tests/it/cache/servers.rs"]
pub mod servers;
mod sns;
mod sockets;
mod tus;

pub use browser::{Browser, Page, client};
pub use events::EventReader;
pub use forms::{MP4_HEAD, PNG};
pub use letters::WITH_MAIL;
pub use line::Line;
pub use log::changes_of;
pub use media::{UploadForm, endless, until};
pub use mediaconvert::{MediaConvert, event};
pub use sns::{Sns, TOPIC};
pub use sockets::Socket;
pub use tus::{PART_BYTES, answer, metadata, name_of};

use backends::clock::Clock;
use chrono::{DateTime, Utc};
use lyceum::accounts::{self, NewToken};
use lyceum::app::App;
use lyceum::config::Config;
use lyceum::entities::{group, user, user_group};
use lyceum::{jobs, registry, router};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, Database, DbBackend,
    EntityTrait, QueryFilter, Statement,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// The password of everybody whom the kit makes.
pub const PASSWORD: &str = "violet harbor 9";

/// How long tests wait for an answer of PostgreSQL, as sites do.
pub const DATABASE_TIMEOUT: Duration = Duration::from_secs(60);

/// A site that runs for one test.
pub struct TestApp {
    /// The site itself, for what cannot be seen from outside.
    pub app: App,
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    /// Its clock.
    pub clock: Clock,
    folder: TempDir,
}

/// Who a test person is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Student,
    Instructor,
    Staff,
}

impl TestApp {
    /// A site with the default settings.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A site with some settings changed.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut values: BTreeMap<String, String> = [
            ("data", folder.path().to_str().unwrap()),
            ("secret", "a secret that is only good for tests"),
            ("listen", "127.0.0.1:0"),
        ]
        .into_iter()
        .chain(settings.iter().copied())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
        if !values.contains_key("database")
            && let Some(database) = postgres_database().await
        {
            values.insert("database".into(), database);
        }
        if !values.contains_key("files")
            && let Some(files) = object_store()
        {
            values.insert("files".into(), files);
        }
        let config = Config::from_values(&values, Vec::new()).unwrap();
        let clock = Clock::fixed(
            "2026-03-02T09:30:00.123456Z"
                .parse::<DateTime<Utc>>()
                .unwrap(),
        );
        let app = Box::pin(App::open(config, clock.clone(), true))
            .await
            .unwrap();
        Self::serve(app, clock, folder).await
    }

    async fn serve(app: App, clock: Clock, folder: TempDir) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        app.bus.appear().await.unwrap();
        let service = router::router(&app).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self {
            app,
            url,
            clock,
            folder,
        }
    }

    /// A second process of the same site: its own services over the same database and files.
    pub async fn second(&self) -> Self {
        self.second_at(&self.app.config.database).await
    }

    /// A second process that reaches the database by another way.
    pub async fn second_at(&self, database: &str) -> Self {
        self.second_with(|config| database.clone_into(&mut config.database))
            .await
    }

    /// A second process with other settings.
    pub async fn second_with(&self, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = self.app.config.clone();
        change(&mut config);
        let app = Box::pin(App::open(config, self.clock.clone(), false))
            .await
            .unwrap();
        Self::serve(app, self.clock.clone(), tempfile::tempdir().unwrap()).await
    }

    /// Whether files are on the disk, where a test can look at them.
    pub fn is_on_disk(&self) -> bool {
        self.app.config.files.starts_with("disk:")
    }

    /// The data folder.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Somebody who is not logged in.
    pub fn visitor(&self) -> Browser {
        Browser::new(&self.url)
    }

    /// Makes an account; answers its number.
    pub async fn person(&self, username: &str, role: Role) -> i64 {
        let hash = self.app.passwords.hash(PASSWORD).await.unwrap();
        let row = user::ActiveModel {
            password_hash: Set(hash),
            is_staff: Set(role == Role::Staff),
            ..account_row(username, self.clock.now())
        };
        let id = user::Entity::insert(row)
            .exec(self.app.db.writer())
            .await
            .unwrap()
            .last_insert_id;
        if role == Role::Instructor {
            let group = group::Entity::find().filter(group::Column::Name.eq("Instructors"));
            let group = group.one(self.app.db.read()).await.unwrap().unwrap();
            let row = user_group::ActiveModel {
                user_id: Set(id),
                group_id: Set(group.id),
            };
            user_group::Entity::insert(row)
                .exec_without_returning(self.app.db.writer())
                .await
                .unwrap();
        }
        id
    }

    /// Gives an account a mail address.
    pub async fn address(&self, user_id: i64, email: &str) {
        let row = user::ActiveModel {
            id: Set(user_id),
            email: Set(email.to_owned()),
            ..Default::default()
        };
        row.update(self.app.db.writer()).await.unwrap();
        self.account_changed(user_id).await;
    }

    /// Makes a key for a program; answers it.
    pub async fn key(&self, new: NewToken) -> String {
        let write = self.app.write().await.unwrap();
        let key = accounts::create_token(&self.app, &write, new).await;
        write.commit().await.unwrap();
        key.unwrap()
    }

    /// Says that an account was changed, for tests that change it in its table.
    pub async fn account_changed(&self, user_id: i64) {
        let mut write = self.app.write().await.unwrap();
        lyceum::web::sessions::changed(&mut write, user_id)
            .await
            .unwrap();
        write.commit().await.unwrap();
    }

    /// Stores a row as if it had always been there.
    async fn store<A>(&self, row: A) -> <A::Entity as EntityTrait>::Model
    where
        A: ActiveModelTrait + sea_orm::ActiveModelBehavior + Send,
        <A::Entity as EntityTrait>::Model: sea_orm::IntoActiveModel<A>,
    {
        let stored = row.insert(self.app.db.writer()).await.unwrap();
        self.forget().await;
        stored
    }

    /// Forgets what is remembered of data, for tests that change it in its table.
    pub async fn forget(&self) {
        self.app.cache.clear().await.unwrap();
    }

    /// Makes an account and logs it in.
    pub async fn login_as(&self, username: &str, role: Role) -> Browser {
        self.person(username, role).await;
        self.login(username).await
    }

    /// Logs somebody in who has an account.
    pub async fn login(&self, username: &str) -> Browser {
        let browser = self.visitor();
        browser.get("/accounts/login/").await.expect(200);
        let page = browser
            .post(
                "/accounts/login/",
                &[("username", username), ("password", PASSWORD)],
            )
            .await;
        page.expect(303);
        browser
    }

    /// Waits until somebody in the database waits for a lock; on SQLite, where one writes at a time, nobody does.
    pub async fn until_somebody_waits(&self) {
        if self.app.db.backend() != DbBackend::Postgres {
            return;
        }
        let waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        until("somebody waits for a lock", async || {
            let asked = Statement::from_string(DbBackend::Postgres, waiting);
            self.app.db.read().query_one_raw(asked).await.unwrap()
        })
        .await;
    }

    /// Runs every job that is due; answers how many.
    pub async fn drain(&self) -> usize {
        jobs::drain(&self.app, &registry::registry()).await.unwrap()
    }

    /// Moves the clock.
    pub fn wait_seconds(&self, seconds: i64) {
        self.clock.advance(chrono::TimeDelta::seconds(seconds));
    }

    /// The statements that a page costs of which nothing is remembered.
    pub async fn statements_of_cold(&self, browser: &Browser, path: &str) -> u64 {
        browser.get(path).await.expect(200);
        self.forget().await;
        self.statements_of(browser.get(path)).await
    }

    /// The statements that one request costs.
    pub async fn statements_of(&self, request: impl Future<Output = Page>) -> u64 {
        let before = self.app.db.statements();
        request.await.expect(200);
        self.app.db.statements() - before
    }
}

/// The row of an account with nothing but its name, into which nobody can log in: for tests that take many of them.
pub fn account_row(username: &str, now: DateTime<Utc>) -> user::ActiveModel {
    user::ActiveModel {
        username: Set(username.to_owned()),
        name: Set(String::new()),
        email: Set(String::new()),
        password_hash: Set(String::new()),
        is_staff: Set(false),
        is_active: Set(true),
        time_zone: Set("UTC".into()),
        theme: Set("system".into()),
        credential_version: Set(1),
        created_at: Set(now),
        ..Default::default()
    }
}

/// A folder of its own in the store that the run has started (`LYCEUM_TEST_FILES=s3`); `None` on the disk.
pub fn object_store() -> Option<String> {
    if std::env::var("LYCEUM_TEST_FILES").ok()? != "s3" {
        return None;
    }
    let endpoint = std::env::var("LYCEUM_TEST_S3").expect("LYCEUM_TEST_S3 names the store");
    Some(object_store_at(&endpoint))
}

/// A folder of its own in a store.
pub fn object_store_at(endpoint: &str) -> String {
    let random = u128::from_be_bytes(Clock::system().random_bytes());
    format!("s3://lyceum/t-{random:032x}?endpoint={endpoint}")
}

/// A database of its own on the server that the run has started; `None` on SQLite.
pub async fn postgres_database() -> Option<String> {
    if std::env::var("LYCEUM_TEST_DATABASE").ok()? != "postgres" {
        return None;
    }
    let server = std::env::var("LYCEUM_TEST_POSTGRES")
        .expect("LYCEUM_TEST_POSTGRES names the server to test on");
    let random = u128::from_be_bytes(Clock::system().random_bytes());
    let name = format!("t_{random:032x}");
    let connection = Database::connect(&server).await.unwrap();
    connection
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .unwrap();
    connection.close().await.unwrap();
    let mut url = url::Url::parse(&server).unwrap();
    url.set_path(&name);
    Some(url.to_string())
}
