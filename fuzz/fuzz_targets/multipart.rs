//! Forms that bring a file, as a browser's body of any bytes: taken or refused in words, on a site of its own.
#![no_main]

use axum::body::Body;
use axum::http::Request;
use backends::clock::Clock;
use lyceum::app::App;
use lyceum::config::Config;
use lyceum::entities::user;
use lyceum::error::Error;
use lyceum::media::{self, Accepts};
use lyceum::web::csrf::Checked;
use lyceum::web::identity::Person;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use tempfile::TempDir;
use tokio::runtime::Runtime;

struct Site {
    runtime: Runtime,
    app: App,
    person: Person,
    _folder: TempDir,
}

static SITE: LazyLock<Site> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let values = BTreeMap::from(
        [
            ("data", folder.path().to_str().unwrap()),
            ("secret", "a secret that is only good for fuzzing"),
            ("bus", "memory:"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    let config = Config::from_values(&values, Vec::new()).unwrap();
    let runtime = Runtime::new().unwrap();
    let app = runtime.block_on(App::open(config, Clock::system(), true)).unwrap();
    let account = user::Model {
        id: 1,
        username: "clara".into(),
        name: String::new(),
        email: String::new(),
        password_hash: String::new(),
        is_staff: false,
        is_active: true,
        time_zone: "UTC".into(),
        theme: "system".into(),
        credential_version: 1,
        created_at: app.clock.now(),
        last_login_at: None,
    };
    Site {
        person: Person::new(account, BTreeSet::new()),
        runtime,
        app,
        _folder: folder,
    }
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((choice, body)) = bytes.split_first() else {
        return;
    };
    let accepts = match choice % 4 {
        0 => Accepts::Image,
        1 => Accepts::Audio,
        2 => Accepts::Video,
        _ => Accepts::File,
    };
    let request = Request::post("/")
        .header("Content-Type", "multipart/form-data; boundary=X")
        .extension(Checked::Yes)
        .body(())
        .unwrap();
    let (parts, ()) = request.into_parts();
    let site = &*SITE;
    let body = Body::from(body.to_vec());
    let received = media::receive(&site.app, &site.person, accepts, &parts, body);
    match site.runtime.block_on(received) {
        Ok(received) => {
            if let Some(file) = received.file {
                assert!(!file.name.is_empty() && file.mime.contains('/'));
            }
        }
        Err(error) => assert!(!matches!(error, Error::Internal(..)), "{error:?}"),
    }
});
