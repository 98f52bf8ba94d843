//! Receiving a form with a file: streamed to the file store, never whole in memory.

use super::incoming::{Incoming, unreadable};
use super::progress::{Tracker, read_key};
use super::{Batch, names, quota, sweep};
use crate::app::App;
use crate::entities::item::ItemKind;
use crate::entities::upload::UploadKind;
use crate::error::{Error, Result};
use crate::web::csrf::{self, Checked, FORM_LIMIT_BYTES};
use crate::web::form::Form;
use crate::web::identity::Person;
use crate::web::text;
use axum::body::Body;
use axum::extract::{FromRequest as _, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use backends::files::{FileWriter, Files};
use backends::media::{HEAD_BYTES, Kind, Sniffed};
use bytes::{Bytes, BytesMut};
use multer::{Field, Multipart};
use std::time::Duration;

/// A sender that sends nothing for so long is gone.
const STALL_TIMEOUT: Duration = Duration::from_secs(120);
/// What may come in before the head of the next field is whole; pieces alone may have some hundred kB.
const FIELD_HEAD_BYTES: u64 = 2 << 20;
/// Fields of one form.
const MAX_FIELDS: usize = 1_000;

/// What a form takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    /// Pictures that can be shown.
    Image,
    /// Recordings.
    Audio,
    /// Films.
    Video,
    /// Anything, to be downloaded.
    File,
}

impl Accepts {
    /// What the form of this kind of item takes; a text takes no file.
    pub fn of(kind: ItemKind) -> Option<Self> {
        match kind {
            ItemKind::Text => None,
            ItemKind::File => Some(Self::File),
            ItemKind::Image => Some(Self::Image),
            ItemKind::Video => Some(Self::Video),
            ItemKind::Audio => Some(Self::Audio),
        }
    }

    /// The largest file, in bytes; for `data-max-bytes`.
    pub fn max_bytes(self, app: &App) -> u64 {
        match self {
            Self::Image => app.config.image_max_bytes.min(app.config.upload_max_bytes),
            _ => app.config.upload_max_bytes,
        }
    }

    /// The `accept` attribute of the file field (HTML, "accept"); empty for any file.
    pub fn attribute(self) -> &'static str {
        self.kind().accept()
    }

    /// What the form takes, to be shown beside its file field.
    pub fn sentence(self, app: &App) -> String {
        format!(
            "{} Up to {}.",
            self.kind().sentence(),
            text::size_limit(self.max_bytes(app))
        )
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Image => Kind::Image,
            Self::Audio => Kind::Audio,
            Self::Video => Kind::Video,
            Self::File => Kind::File,
        }
    }

    pub(super) fn too_large(self, app: &App) -> Error {
        let most = text::size_limit(self.max_bytes(app));
        Error::TooLarge(match self {
            Self::Image => format!(
                "This picture is too large: {most} is the most. Please save it smaller and send it again."
            ),
            _ => format!(
                "This file is too large: {most} is the most that this site takes. Please send a smaller one."
            ),
        })
    }
}

/// A form that has come in.
#[derive(Debug)]
pub struct Received {
    /// Its text fields.
    pub form: Form,
    /// Its file, when one was chosen.
    pub file: Option<ReceivedFile>,
}

/// A form that was refused, and what was typed into it before: so that it can be shown again.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub error: Error,
    /// The text fields that came before the fault.
    pub form: Form,
}

/// A file in the store that is nobody's yet. Dropped without [`super::adopt`], it is deleted.
#[derive(Debug)]
pub struct ReceivedFile {
    /// Its name on the sender's machine, cleaned: for people, never a path.
    pub name: String,
    /// What its first bytes say it is.
    pub kind: UploadKind,
    /// Its media type; one that cannot run as a page.
    pub mime: &'static str,
    /// Its size.
    pub size_bytes: u64,
    /// The files that were sent together with it.
    pub(super) batch: Option<Batch>,
    pub(super) prefix: String,
    pub(super) files: Option<Files>,
}

impl ReceivedFile {
    /// One that is about to be stored under this prefix.
    pub(super) fn begun(app: &App, name: &str, found: &Sniffed, prefix: String) -> Self {
        Self {
            name: names::clean(name),
            kind: kind_of(found),
            mime: found.mime,
            size_bytes: 0,
            batch: None,
            prefix,
            files: Some(app.files.clone()),
        }
    }

    /// Where it is in the store.
    pub(super) fn key(&self) -> String {
        original_key(&self.prefix)
    }

    /// It is somebody's now: its store and prefix, for whoever takes care of it.
    pub(super) fn keep(mut self) -> (Option<Files>, String) {
        (self.files.take(), std::mem::take(&mut self.prefix))
    }
}

impl Drop for ReceivedFile {
    fn drop(&mut self) {
        if self.files.is_some() {
            sweep::delete_later(self.files.take(), std::mem::take(&mut self.prefix));
        }
    }
}

/// Where the file as it was sent is, under the prefix of its upload.
pub(super) fn original_key(prefix: &str) -> String {
    format!("{prefix}/{}", super::ORIGINAL)
}

/// Reads a form of text fields (1 MB altogether) and at most one file, which goes to the file
/// store as it comes in. The CSRF field must come before the file unless the header was right
/// (see [`csrf::guard_streams`]). With `?key=<UUID>` others can ask how far it is.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::UnsupportedType`] when the form does not take such a file,
/// [`Error::BadRequest`] for what is no form or was cut off, [`Error::Conflict`] for a key that was used,
/// [`Error::Unavailable`] when the disk is full. Nothing stays behind.
pub async fn receive(
    app: &App,
    person: &Person,
    accepts: Accepts,
    parts: &Parts,
    body: Body,
) -> Result<Received> {
    let received = receive_or_refuse(app, person, accepts, parts, body).await;
    received.map_err(|refused| refused.error)
}

/// The same, for those who show the form again.
///
/// # Errors
/// As [`receive`], with what was typed.
pub async fn receive_or_refuse(
    app: &App,
    person: &Person,
    accepts: Accepts,
    parts: &Parts,
    body: Body,
) -> Result<Received, Refused> {
    let incoming = Incoming::new(body);
    let mut receiver = Receiver {
        app,
        person,
        accepts,
        parts,
        incoming: incoming.clone(),
        is_checked: parts.extensions.get::<Checked>() == Some(&Checked::Yes),
        tracker: None,
        too_large: None,
        fields: Vec::new(),
    };
    // Boxed: the state of a form on its way is large and there is one an upload.
    let outcome = Box::pin(receiver.run()).await;
    match (&outcome, receiver.tracker.take()) {
        (Ok(_), Some(tracker)) => tracker.complete().await,
        (Err(error), Some(tracker)) => tracker.fail(error.words()).await,
        (_, None) => {}
    }
    if outcome.is_err() {
        incoming.linger().await;
    }
    outcome.map_err(|error| Refused {
        error,
        form: Form::from_pairs(receiver.fields),
    })
}

struct Receiver<'a> {
    app: &'a App,
    person: &'a Person,
    accepts: Accepts,
    parts: &'a Parts,
    incoming: Incoming,
    is_checked: bool,
    tracker: Option<Tracker>,
    /// It was announced larger than is taken.
    too_large: Option<Error>,
    /// The text fields that have come in.
    fields: Vec<(String, String)>,
}

impl Receiver<'_> {
    async fn run(&mut self) -> Result<Received> {
        let content_type = header(self.parts, CONTENT_TYPE).unwrap_or("");
        let Ok(boundary) = multer::parse_boundary(content_type) else {
            return self.without_file().await;
        };
        if self.is_checked {
            self.begin_or_wait().await?;
        }
        let mut parts = Multipart::new(self.incoming.clone(), boundary);
        let mut text_bytes = 0;
        let mut file = None;
        let mut count = 0;
        while let Some(field) = self.next_field(&mut parts).await? {
            count += 1;
            if count > MAX_FIELDS {
                return Err(Error::BadRequest(
                    "This form has more fields than any of ours. Please reload the page and send it again."
                        .into(),
                ));
            }
            let Some(sent_name) = field.file_name().map(str::to_owned) else {
                let (name, value) = self.read_text(field, &mut text_bytes).await?;
                self.check_field(&name, &value).await?;
                self.fields.push((name, value));
                continue;
            };
            self.require_room()?;
            if let Some(received) = self.take_file(field, &sent_name, file.is_some()).await? {
                file = Some(received);
            }
        }
        self.require_check()?;
        self.require_room()?;
        let form = Form::from_pairs(std::mem::take(&mut self.fields));
        if let Some(file) = &mut file {
            file.batch = Batch::of_form(&form)?;
        }
        Ok(Received { form, file })
    }

    /// An ordinary form, as programs and forms without a file field send it.
    async fn without_file(&mut self) -> Result<Received> {
        let request =
            Request::from_parts(self.parts.clone(), Body::from_stream(self.incoming.clone()));
        let form = Form::from_request(request, &()).await?;
        if form.has(csrf::FIELD) {
            self.check_field(csrf::FIELD, form.get(csrf::FIELD)).await?;
        }
        self.require_check()?;
        Ok(Received { form, file: None })
    }

    /// The size that was announced is known before anything is taken.
    async fn begin(&mut self) -> Result<()> {
        let announced: Option<u64> =
            header(self.parts, CONTENT_LENGTH).and_then(|value| value.parse().ok());
        if let Some(key) = key_of(self.parts)? {
            let total = announced.unwrap_or(0);
            let begun = Tracker::begin(self.app, self.person.id, key, total).await?;
            self.tracker = Some(begun);
        }
        let most = self.accepts.max_bytes(self.app) + FORM_LIMIT_BYTES as u64;
        if announced.is_some_and(|bytes| bytes > most) {
            return Err(self.accepts.too_large(self.app));
        }
        // Told before the file is on its way; what holds is asked once more when it has come.
        let file_bytes = announced
            .unwrap_or(0)
            .saturating_sub(FORM_LIMIT_BYTES as u64);
        quota::check(self.app, self.app.db.read(), self.person.id, file_bytes).await
    }

    /// What is too large is told when the file comes: the fields before it are read, so that the form can be shown
    /// again as it was typed.
    async fn begin_or_wait(&mut self) -> Result<()> {
        match self.begin().await {
            Err(error @ Error::TooLarge(_)) => {
                self.too_large = Some(error);
                Ok(())
            }
            begun => begun,
        }
    }

    fn require_room(&mut self) -> Result<()> {
        self.too_large.take().map_or(Ok(()), Err)
    }

    async fn check_field(&mut self, name: &str, value: &str) -> Result<()> {
        if name == csrf::FIELD && !self.is_checked {
            csrf::accept_field(self.app, self.parts, value)?;
            self.is_checked = true;
            self.begin_or_wait().await?;
        }
        Ok(())
    }

    fn require_check(&self) -> Result<()> {
        if self.is_checked {
            Ok(())
        } else {
            csrf::accept_field(self.app, self.parts, "")
        }
    }

    async fn next_field<'f>(&self, parts: &mut Multipart<'f>) -> Result<Option<Field<'f>>> {
        self.incoming.allow(FIELD_HEAD_BYTES);
        patient(parts.next_field()).await
    }

    /// The next bytes of a field; the tracker hears of them.
    async fn next_piece(&self, field: &mut Field<'_>) -> Result<Option<Bytes>> {
        self.incoming.allow(u64::MAX);
        let piece = patient(field.chunk()).await?;
        if let Some(tracker) = &self.tracker {
            tracker.at(self.incoming.bytes());
        }
        Ok(piece)
    }

    async fn read_text(
        &self,
        mut field: Field<'_>,
        text_bytes: &mut usize,
    ) -> Result<(String, String)> {
        let name = field.name().unwrap_or("").to_owned();
        let mut value = BytesMut::new();
        while let Some(piece) = self.next_piece(&mut field).await? {
            *text_bytes += piece.len();
            if *text_bytes > FORM_LIMIT_BYTES {
                return Err(Error::TooLarge(
                    "The texts of this form may have 1 MB altogether. Please shorten what you typed."
                        .into(),
                ));
            }
            value.extend_from_slice(&piece);
        }
        if value.contains(&0) {
            return Err(Error::BadRequest(
                "The form holds a NUL character, which no text may have.".into(),
            ));
        }
        Ok((name, String::from_utf8_lossy(&value).into_owned()))
    }

    /// `None` when no file was chosen: browsers then send a field without name and bytes.
    async fn take_file(
        &self,
        mut field: Field<'_>,
        sent_name: &str,
        has_one: bool,
    ) -> Result<Option<ReceivedFile>> {
        self.require_check()?;
        let (pieces, head) = self.read_head(&mut field).await?;
        if sent_name.is_empty() && head.is_empty() {
            return Ok(None);
        }
        if has_one {
            let name = field.name().unwrap_or("file").to_owned();
            let words = "Send one file at a time; this form takes one.";
            return Err(Error::invalid(name, words));
        }
        let found = self
            .accepts
            .kind()
            .admit(&head)
            .map_err(|refused| Error::UnsupportedType(refused.0.to_owned()))?;
        let prefix = new_prefix(self.app);
        let mut writer = self.app.files.create(&original_key(&prefix)).await?;
        for piece in pieces {
            self.keep(&mut writer, piece).await?;
        }
        while let Some(piece) = self.next_piece(&mut field).await? {
            self.keep(&mut writer, piece).await?;
        }
        // From here on the file is seen, so that somebody must see to it that it goes again.
        let mut received = ReceivedFile::begun(self.app, sent_name, &found, prefix);
        received.size_bytes = writer.finish().await?;
        Ok(Some(received))
    }

    /// The first bytes, as they came and put together.
    async fn read_head(&self, field: &mut Field<'_>) -> Result<(Vec<Bytes>, Bytes)> {
        let mut pieces = Vec::new();
        let mut head = BytesMut::new();
        while head.len() < HEAD_BYTES {
            let Some(piece) = self.next_piece(field).await? else {
                break;
            };
            let wanted = HEAD_BYTES - head.len();
            head.extend_from_slice(piece.get(..wanted).unwrap_or(&piece));
            pieces.push(piece);
        }
        Ok((pieces, head.freeze()))
    }

    async fn keep(&self, writer: &mut FileWriter, piece: Bytes) -> Result<()> {
        if writer.size() + piece.len() as u64 > self.accepts.max_bytes(self.app) {
            return Err(self.accepts.too_large(self.app));
        }
        Ok(writer.write(piece).await?)
    }
}

/// Waits for the sender, but not for ever.
async fn patient<T>(next: impl Future<Output = multer::Result<T>>) -> Result<T> {
    match tokio::time::timeout(STALL_TIMEOUT, next).await {
        Ok(read) => read.map_err(|error| unreadable(&error)),
        Err(_) => Err(Error::BadRequest(
            "Nothing more of the file came for two minutes. Please check your connection and send it again."
                .into(),
        )),
    }
}

/// What it is called in the tables.
pub(super) fn kind_of(found: &Sniffed) -> UploadKind {
    match found.kind {
        Kind::Image => UploadKind::Image,
        Kind::Audio => UploadKind::Audio,
        Kind::Video => UploadKind::Video,
        Kind::File => UploadKind::File,
    }
}

/// Random, and beginning with the day, so that what nobody owns can be told from what has just come in.
pub fn new_prefix(app: &App) -> String {
    let random = u128::from_le_bytes(app.clock.random_bytes::<16>());
    sweep::prefix(app.clock.now(), random)
}

fn key_of(parts: &Parts) -> Result<Option<String>> {
    let query = parts.uri.query().unwrap_or("");
    let key = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "key");
    let Some((_, key)) = key else {
        return Ok(None);
    };
    let bad = || {
        Error::BadRequest(
            "The key of an upload is a UUID. Please reload the page and send the file again."
                .into(),
        )
    };
    read_key(&key).map(Some).ok_or_else(bad)
}

fn header(parts: &Parts, name: axum::http::HeaderName) -> Option<&str> {
    parts
        .headers
        .get(name)
        .and_then(|value| value.to_str().ok())
}
