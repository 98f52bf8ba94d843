//! What a process does when its database is gone without closing a connection: the server lost its power or its network, and
//! what was asked of it is never answered. Only PostgreSQL is somewhere else.

mod on_postgres {
    use crate::faults::{ring, rung, work};
    use crate::kit::{self, Line, Role, Socket, TestApp, until};
    use lyceum::entities::user;
    use sea_orm::{
        ActiveModelTrait as _, ActiveValue::Set, ConnectionTrait as _, DatabaseTransaction,
        DbBackend, EntityTrait as _, Statement, TransactionTrait as _,
    };
    use serde_json::{Value, json};
    use std::time::Duration;

    const NOT_REACHED: &str = "The site cannot reach its database right now.";
    const BUSY: &str = "The site is busy with other changes right now.";

    /// Long enough for what is asked here to be on its way, short enough for a test.
    const TIMEOUT: Duration = Duration::from_secs(6);

    /// A process whose database can vanish, and one to which it is always there.
    struct Two {
        site: TestApp,
        line: Line,
        second: TestApp,
    }

    impl Two {
        async fn start() -> Self {
            let server = kit::postgres_database().await;
            let server = server.expect("run `make test-postgres`");
            let site = TestApp::start_with(&[("database", &server)]).await;
            let mut by_line = url::Url::parse(&server).unwrap();
            let (host, port) = (by_line.host_str().unwrap(), by_line.port().unwrap());
            let line = Line::to(format!("{host}:{port}")).await;
            by_line.set_port(Some(line.address.port())).unwrap();
            let second = site.second_with(|config| {
                by_line.as_str().clone_into(&mut config.database);
                config.database_timeout = TIMEOUT;
            });
            let second = second.await;
            Self { site, line, second }
        }

        /// Lets nobody else read or write a table until the end of the transaction.
        async fn hold(&self, table: &str) -> DatabaseTransaction {
            let db = self.site.app.db.writer().unbounded();
            let held = db.begin().await.unwrap();
            let lock = format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
            held.execute_unprepared(&lock).await.unwrap();
            held
        }

        /// The database vanishes while the second process waits for an answer.
        async fn vanish(&self, held: DatabaseTransaction) {
            self.site.until_somebody_waits().await;
            self.line.vanish();
            held.rollback().await.unwrap();
        }
    }

    #[tokio::test]
    async fn whoever_asked_is_told_and_others_find_connections_again() {
        let two = Two::start().await;
        two.site.person("maya", Role::Student).await;
        let maya = two.second.login("maya").await;
        let limit = two.second.app.db.pools()[0].1.limit;
        let all = async |path: &str| {
            let asked = (0..limit).map(|_| maya.get(path));
            futures::future::join_all(asked).await
        };
        let held = two.hold("messages").await;
        let asking = async { all("/messages/").await };
        let (answers, ()) = tokio::join!(asking, two.vanish(held));
        // Some may have had to wait for a connection, and were given a new one, or were told sooner of the lock.
        for page in answers.iter().filter(|page| page.status != 200) {
            let words = page.expect(503).text();
            let is_told = [NOT_REACHED, BUSY].iter().any(|told| words.contains(told));
            assert!(is_told, "{words}");
        }
        // The pool's own try of one that is given back at that very moment cannot be bounded (decision 0042).
        until("many use the database at once", async || {
            let begun = (0..limit).map(|_| two.second.app.write());
            let begun = futures::future::join_all(begun).await;
            let begun = begun.iter().filter(|begun| begun.is_ok()).count() as u64;
            (begun > limit / 2).then_some(())
        })
        .await;
        maya.get("/messages/").await.expect(200);
    }

    /// Asks for a transaction, and goes away when the statement is on its way.
    async fn leave_at_once(site: &TestApp) {
        let mut beginning = Box::pin(site.app.write());
        for _ in 0..3 {
            if futures::poll!(&mut beginning).is_ready() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn nothing_is_written_into_a_transaction_that_somebody_left_while_it_began() {
        let site = TestApp::start().await;
        let id = site.person("maya", Role::Student).await;
        for _ in 0..50 {
            leave_at_once(&site).await;
        }
        let row = user::ActiveModel {
            id: Set(id),
            name: Set("Maya".to_owned()),
            ..Default::default()
        };
        row.update(site.app.db.writer()).await.unwrap();
        let elsewhere = site.second().await;
        let found = user::Entity::find_by_id(id).one(elsewhere.app.db.read());
        assert_eq!(found.await.unwrap().unwrap().name, "Maya");
    }

    #[tokio::test]
    async fn the_server_ends_what_nobody_waits_for_and_gives_back_what_is_held() {
        let site = TestApp::start().await;
        for (name, value) in [
            ("lock_timeout", "20s"),
            ("idle_in_transaction_session_timeout", "5min"),
            ("client_connection_check_interval", "10s"),
            ("tcp_keepalives_idle", "60"),
            ("tcp_user_timeout", "120000"),
        ] {
            let asked = Statement::from_string(DbBackend::Postgres, format!("SHOW {name}"));
            let row = site.app.db.writer().query_one_raw(asked).await.unwrap();
            let told: String = row.unwrap().try_get_by_index(0).unwrap();
            assert_eq!(told, value, "{name}");
        }
    }

    /// Says a line again as often as it is not kept; `false` when the socket ended before it was.
    async fn is_kept(socket: &mut Socket, line: &Value) -> bool {
        while let Some(frame) = socket.next_kept().await {
            if frame["type"] == "ack" {
                return true;
            }
            if frame["type"] == "error" {
                assert_eq!(frame["code"], "not_kept", "{frame}");
                socket.send(line).await;
            }
        }
        false
    }

    #[tokio::test]
    async fn a_room_goes_on_and_a_line_that_was_on_its_way_is_kept_once() {
        let two = Two::start().await;
        let owner = two.site.person("clara", Role::Instructor).await;
        let course = two.site.course(owner, "how-strings-sing").await;
        let clara = two.second.login("clara").await;
        let path = format!("/ws/chat/room/{}/?v=2", course.id);
        let mut socket = clara.socket(&path).await;
        socket.expect("ready").await;
        let line = json!({ "message": "are you there?", "client_id": "a-1" });
        let held = two.hold("chat_lines").await;
        socket.send(&line).await;
        two.vanish(held).await;
        while !is_kept(&mut socket, &line).await {
            let opened = async || clara.socket_with(&path, &[]).await.ok();
            socket = until("the room is open again", opened).await;
            socket.send(&line).await;
        }
        let history = format!("/chat/room/{}/history/", course.id);
        let clara = two.site.login("clara").await;
        let told = clara.get(&history).await.expect(200).json();
        assert_eq!(told["lines"].as_array().unwrap().len(), 1, "{told}");
    }

    #[tokio::test]
    async fn a_worker_takes_jobs_again() {
        let two = Two::start().await;
        let held = two.hold("jobs").await;
        let working = work(&two.second);
        two.vanish(held).await;
        ring(&two.site).await;
        rung().await;
        assert!(!working.is_finished(), "the worker lives");
    }

    #[tokio::test]
    async fn what_a_frozen_process_holds_is_waited_for_a_while_and_not_for_ever() {
        let two = Two::start().await;
        two.site.person("maya", Role::Student).await;
        let maya = two.second.login("maya").await;
        let held = two.hold("users").await;
        let page = maya.post("/accounts/theme/", &[("theme", "dark")]).await;
        page.expect(503).has(BUSY);
        held.rollback().await.unwrap();
        let page = maya.post("/accounts/theme/", &[("theme", "dark")]).await;
        page.expect(303);
    }
}
