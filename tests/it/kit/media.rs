//! Files for tests: recordings made by ffmpeg, a form that takes uploads, and a client that can stop
//! in the middle of a body.

use super::{Browser, Page, TestApp};
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::post;
use lyceum::app::App;
use lyceum::entities::item::ItemKind;
use lyceum::entities::{content, item, job, upload};
use lyceum::error::{Error, Result};
use lyceum::media::{self, Accepts, FileView};
use lyceum::web::identity::Student;
use lyceum::web::{csrf, errors, headers, identity};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Waits until `look` finds something, for as long as the test may run at most.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let mut pause = tokio::time::interval(Duration::from_millis(10));
    for _ in 0..20_000 {
        pause.tick().await;
        if let Some(found) = look().await {
            return found;
        }
    }
    panic!("it never came about that {what}");
}

/// A form that takes a file, as the forms of contents do; its own router, with the layers of the site.
pub struct UploadForm {
    url: String,
}

/// Takes a file and makes it the sender's own. The text field `fail` breaks off after that.
async fn take(
    State(app): State<App>,
    Student(person): Student,
    Path(kind): Path<String>,
    request: Request,
) -> Result<Response> {
    let accepts = match kind.as_str() {
        "image" => Accepts::Image,
        "audio" => Accepts::Audio,
        "video" => Accepts::Video,
        _ => Accepts::File,
    };
    let (parts, body) = request.into_parts();
    let received = media::receive(&app, &person, accepts, &parts, body).await?;
    let file = received
        .file
        .ok_or_else(|| Error::invalid("file", "Choose a file."))?;
    let mut write = app.write().await?;
    let upload = media::adopt(&app, &mut write, person.id, file).await?;
    if received.form.has("fail") {
        return Err(Error::Conflict("the form failed half-way".into()));
    }
    write.commit().await?;
    let mut view = media::list_files(app.db.read(), &[upload.id]).await?;
    let mut details = serde_json::Map::new();
    details.insert("title".into(), received.form.text("title").into());
    details.insert("after".into(), received.form.text("after").into());
    let view = view.remove(&upload.id);
    Ok(media::complete(
        &parts.headers,
        "/done/",
        view.as_ref(),
        details,
    ))
}

impl UploadForm {
    /// Where it is served.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The path of the form for a kind of item.
    pub fn path(kind: &str) -> String {
        format!("/upload/{kind}/")
    }

    /// Sends a file with its CSRF field first, a text before and one after it, as a plain form does.
    pub async fn send(&self, browser: &Browser, path: &str, name: &str, bytes: Vec<u8>) -> Page {
        let token = browser.cookie("csrftoken").unwrap_or_default();
        let form = Form::new()
            .text("csrfmiddlewaretoken", token)
            .text("title", "before")
            .part("file", Part::bytes(bytes).file_name(name.to_owned()))
            .text("after", "after");
        self.send_form(browser, path, form).await
    }

    /// Sends a form as it is.
    pub async fn send_form(&self, browser: &Browser, path: &str, form: Form) -> Page {
        let browser = browser.at(&self.url);
        let request = browser.request(Method::POST, path).multipart(form);
        browser
            .send(request.header("Accept", "application/json"))
            .await
    }

    /// Sends a file and answers the number of its upload.
    pub async fn upload(&self, browser: &Browser, kind: &str, name: &str, bytes: Vec<u8>) -> i64 {
        let page = self.send(browser, &Self::path(kind), name, bytes).await;
        page.expect(200).json()["upload"].as_i64().unwrap()
    }

    /// Begins to send a file of `total` bytes and sends only `first`.
    pub async fn begin(
        &self,
        browser: &Browser,
        path: &str,
        first: &[u8],
        total: usize,
    ) -> Unfinished {
        let token = browser.cookie("csrftoken").unwrap();
        let session = browser.cookie("sessionid").unwrap();
        let head = format!(
            "--XX\r\nContent-Disposition: form-data; name=\"csrfmiddlewaretoken\"\r\n\r\n{token}\r\n\
             --XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n"
        );
        let tail = "\r\n--XX--\r\n";
        let length = head.len() + total + tail.len();
        let host = self.url.strip_prefix("http://").unwrap();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nConnection: close\r\n\
             Cookie: sessionid={session}; csrftoken={token}\r\n\
             Content-Type: multipart/form-data; boundary=XX\r\nContent-Length: {length}\r\n\r\n{head}"
        );
        let mut stream = TcpStream::connect(host).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.write_all(first).await.unwrap();
        stream.flush().await.unwrap();
        Unfinished {
            stream,
            length,
            sent: head.len() + first.len(),
        }
    }
}

/// A request whose body has not been sent to its end. Dropped, its connection is closed.
pub struct Unfinished {
    stream: TcpStream,
    /// Bytes of the whole body.
    pub length: usize,
    /// Bytes of the body sent so far.
    pub sent: usize,
}

impl Unfinished {
    /// Sends the rest and reads the answer.
    pub async fn finish(mut self, rest: &[u8]) -> String {
        self.stream.write_all(rest).await.unwrap();
        self.stream.write_all(b"\r\n--XX--\r\n").await.unwrap();
        let mut answer = Vec::new();
        self.stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl TestApp {
    /// Serves the form that takes files.
    pub async fn upload_form(&self) -> UploadForm {
        let app = &self.app;
        let routes = Router::new()
            .route("/upload/{kind}/", post(take))
            .layer(from_fn_with_state(app.clone(), csrf::guard_streams))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .layer(from_fn_with_state(app.clone(), csrf::issue))
            .layer(from_fn_with_state(app.clone(), identity::identify))
            .layer(from_fn_with_state(app.clone(), errors::present))
            .layer(from_fn_with_state(
                Arc::new(headers::Security::new(app)),
                headers::secure,
            ))
            .layer(from_fn_with_state(app.clone(), headers::locate))
            .with_state(app.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = routes.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        UploadForm { url }
    }

    /// A recording of a second or two, made by ffmpeg with these arguments (parted by blanks).
    pub async fn recording(&self, name: &str, args: &str) -> Vec<u8> {
        let path = self.scratch(name);
        let made = tokio::process::Command::new("ffmpeg")
            .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"])
            .args(args.split_whitespace())
            .arg(&path)
            .status()
            .await
            .unwrap();
        assert!(made.success(), "{name} could not be made");
        std::fs::read(path).unwrap()
    }

    /// A place for a file of the test's own.
    pub fn scratch(&self, name: &str) -> PathBuf {
        let folder = self.folder().join("scratch");
        std::fs::create_dir_all(&folder).unwrap();
        folder.join(name)
    }

    /// Keys of everything in the store.
    pub async fn stored(&self) -> Vec<String> {
        let entries = self.app.files.list("").await.unwrap();
        entries.into_iter().map(|entry| entry.key).collect()
    }

    /// Half-written files and work folders.
    pub fn half_written(&self) -> usize {
        let count = |folder: &str| {
            let listing = std::fs::read_dir(self.folder().join(folder));
            listing.map_or(0, Iterator::count)
        };
        count("files/.unfinished") + count("tmp")
    }

    /// How a file stands.
    pub async fn view(&self, upload_id: i64) -> FileView {
        let mut found = media::list_files(self.app.db.read(), &[upload_id])
            .await
            .unwrap();
        found.remove(&upload_id).expect("the upload is there")
    }

    /// All uploads.
    pub async fn uploads(&self) -> Vec<upload::Model> {
        upload::Entity::find()
            .all(self.app.db.read())
            .await
            .unwrap()
    }

    /// Shows an upload as a content of a module; answers the number of the item.
    pub async fn show(&self, module_id: i64, kind: ItemKind, title: &str, upload_id: i64) -> i64 {
        let content = self
            .content(module_id, title, |row| {
                row.kind = Set(kind);
                row.upload_id = Set(Some(upload_id));
            })
            .await;
        content.item_id
    }

    /// Deletes an item and what nobody uses of its file, as `courses` does.
    pub async fn delete_item(&self, item_id: i64) {
        let mut write = self.app.write().await.unwrap();
        let found = item::Entity::find_by_id(item_id).one(&*write).await;
        let upload_id = found.unwrap().unwrap().upload_id.unwrap();
        content::Entity::delete_many()
            .filter(content::Column::ItemId.eq(item_id))
            .exec(&*write)
            .await
            .unwrap();
        item::Entity::delete_by_id(item_id)
            .exec(&*write)
            .await
            .unwrap();
        media::discard(&self.app, &mut write, upload_id)
            .await
            .unwrap();
        write.commit().await.unwrap();
    }

    /// The jobs of an upload.
    pub async fn jobs_of(&self, upload_id: i64) -> Vec<job::Model> {
        job::Entity::find()
            .filter(job::Column::Subject.eq(format!("upload:{upload_id}")))
            .all(self.app.db.read())
            .await
            .unwrap()
    }
}

/// A body that cannot be known the length of.
pub fn endless(piece: Vec<u8>, times: usize) -> reqwest::Body {
    let pieces = std::iter::repeat_n(piece, times).map(Ok::<_, std::io::Error>);
    reqwest::Body::wrap_stream(futures::stream::iter(pieces))
}
