//! `/api/uploads/`: the files of a person and how they stand; stopping their processing and trying it again.
//!
//! For their owner and for staff; nobody else learns that they exist. Files are sent to `/uploads/` (`tus`) or by the
//! forms of contents; names and deletion are added by the feature `library`.

use super::{FileView, UploadKind, UploadState, cancel, get_file, list_files, retry};
use crate::app::App;
use crate::entities::upload;
use crate::error::{Error, Result};
use crate::holds;
use crate::web::identity::Person;
use crate::web::permissions::admin;
use crate::web::rest::{
    Access, Answer, Call, Cell, Declared, FIELDS, Field, IS_AUTHENTICATED, IS_OWNER, IS_STAFF,
    Kind, Listing, Object, Operation, PARAMETERS, Parameter, Resource, Rule, Takes, containing,
    declared, orders_of,
};
use axum::http::{Method, StatusCode};
use futures::future::BoxFuture;
use sea_orm::{ActiveEnum as _, ColumnTrait, EntityTrait, Order, QueryFilter};

/// The kinds of files.
const KINDS: [&str; 4] = ["file", "image", "video", "audio"];
/// How files stand.
const STATES: [&str; 5] = ["waiting", "processing", "ready", "failed", "canceled"];

/// By what files can be ordered.
const ORDERS: [(&str, upload::Column); 4] = [
    ("created", upload::Column::CreatedAt),
    ("name", upload::Column::Name),
    ("size_bytes", upload::Column::SizeBytes),
    ("id", upload::Column::Id),
];

/// Its owner, and staff.
const MAY_HANDLE: Rule = Rule::Any(&[IS_OWNER, IS_STAFF]);

/// They, and who sees everybody's uploads on the admin site.
const MAY_SEE: Rule = Rule::Any(&[IS_OWNER, IS_STAFF, holds!(admin::VIEW_UPLOAD)]);

/// A file as programs see it.
pub struct UploadRow {
    /// The file.
    pub view: FileView,
    /// What lies behind its fault, for staff.
    detail: Option<String>,
    files: Vec<StoredFile>,
}

/// One stored file of it.
struct StoredFile {
    name: String,
    url: String,
    mime: String,
    size_bytes: i64,
    width: Option<i32>,
    height: Option<i32>,
}

impl UploadRow {
    /// A file as this person sees it.
    pub fn new(view: FileView, person: &Person) -> Self {
        Self::seen(view, person.is_staff)
    }

    fn seen(view: FileView, by_staff: bool) -> Self {
        let detail = view.upload.fault_detail.clone();
        let files = view.renditions.iter().map(|row| StoredFile {
            name: row.name.clone(),
            url: view.url(&row.name),
            mime: row.mime.clone(),
            size_bytes: row.size_bytes,
            width: row.width,
            height: row.height,
        });
        Self {
            files: files.collect(),
            detail: detail.filter(|detail| by_staff && !detail.is_empty()),
            view,
        }
    }
}

impl Object for UploadRow {
    fn owner_id(&self) -> Option<i64> {
        Some(self.view.upload.owner_id)
    }
}

fn number(value: Option<i64>) -> Cell<'static> {
    value.map_or(Cell::Null, Cell::Integer)
}

fn decimal(value: Option<f64>) -> Cell<'static> {
    value.map_or(Cell::Null, Cell::Number)
}

fn text(value: Option<&str>) -> Cell<'_> {
    value.map_or(Cell::Null, Cell::text)
}

const STORED: [Field<StoredFile>; 6] = [
    Field::new(
        "name",
        Kind::Text,
        "What it is: original, video.mp4, ...",
        |file| Cell::text(&file.name),
    ),
    Field::new(
        "url",
        Kind::Text,
        "Where it is, a path of this site.",
        |file| Cell::text(&file.url),
    ),
    Field::new("mime", Kind::Text, "Its media type.", |file| {
        Cell::text(&file.mime)
    }),
    Field::new("size_bytes", Kind::Integer, "Its size.", |file| {
        Cell::Integer(file.size_bytes)
    }),
    Field::<StoredFile>::new("width", Kind::Integer, "Of pictures and films.", |file| {
        number(file.width.map(i64::from))
    })
    .or_null(),
    Field::<StoredFile>::new("height", Kind::Integer, "Of pictures and films.", |file| {
        number(file.height.map(i64::from))
    })
    .or_null(),
];

/// What is answered of a file.
pub const UPLOAD: [Field<UploadRow>; 20] = [
    Field::new("id", Kind::Integer, "Its number.", |row| {
        Cell::Integer(row.view.upload.id)
    }),
    Field::<UploadRow>::new(
        "name",
        Kind::ShortText(250),
        "What it is called, for people; it keeps its ending.",
        |row| Cell::text(&row.view.upload.name),
    )
    .set_by_caller(Access::Required),
    Field::new("owner", Kind::Reference("users"), "Who sent it.", |row| {
        Cell::Integer(row.view.upload.owner_id)
    }),
    Field::new(
        "kind",
        Kind::Choice(&KINDS),
        "What it is, told from its bytes.",
        |row| Cell::Text(row.view.upload.kind.to_value().into()),
    ),
    Field::new("mime", Kind::Text, "Its media type.", |row| {
        Cell::text(&row.view.upload.mime)
    }),
    Field::new(
        "size_bytes",
        Kind::Integer,
        "Its size as it was sent.",
        |row| Cell::Integer(row.view.upload.size_bytes),
    ),
    Field::new("state", Kind::Choice(&STATES), "How it stands.", |row| {
        Cell::Text(row.view.upload.state.to_value().into())
    }),
    Field::<UploadRow>::new(
        "words",
        Kind::Text,
        "The same in words, as pages show it.",
        |row| Cell::Text(row.view.state_words().into()),
    )
    .passing(),
    Field::<UploadRow>::new("percent", Kind::Number, "While it is processed.", |row| {
        decimal(row.view.percent())
    })
    .or_null()
    .passing(),
    Field::<UploadRow>::new(
        "seconds_left",
        Kind::Integer,
        "While it is processed.",
        |row| number(row.view.seconds_left()),
    )
    .or_null()
    .passing(),
    Field::<UploadRow>::new(
        "place_in_line",
        Kind::Integer,
        "From 1, while it waits.",
        |row| number(row.view.place_in_line),
    )
    .or_null()
    .passing(),
    Field::<UploadRow>::new(
        "begins_in_seconds",
        Kind::Integer,
        "About when its processing begins, while it waits and that can be told.",
        |row| number(row.view.begins_in_seconds),
    )
    .or_null()
    .passing(),
    Field::<UploadRow>::new("fault", Kind::Text, "Why it cannot be processed.", |row| {
        text(row.view.upload.fault.as_deref())
    })
    .or_null(),
    Field::<UploadRow>::new(
        "detail",
        Kind::Text,
        "What lies behind that, for staff.",
        |row| text(row.detail.as_deref()),
    )
    .or_null(),
    Field::new(
        "ready",
        Kind::Boolean,
        "Whether everything made of it exists.",
        |row| Cell::Boolean(row.view.is_ready()),
    ),
    Field::new("created", Kind::Time, "When it was sent.", |row| {
        Cell::Time(row.view.upload.created_at)
    }),
    Field::<UploadRow>::new(
        "duration_seconds",
        Kind::Number,
        "How long it plays.",
        |row| decimal(row.view.upload.duration_seconds),
    )
    .or_null(),
    Field::<UploadRow>::new("width", Kind::Integer, "Of pictures and films.", |row| {
        number(row.view.upload.width.map(i64::from))
    })
    .or_null(),
    Field::<UploadRow>::new("height", Kind::Integer, "Of pictures and films.", |row| {
        number(row.view.upload.height.map(i64::from))
    })
    .or_null(),
    Field::new(
        "files",
        Kind::List(|| declared(&STORED)),
        "What is stored of it.",
        |row| Cell::list(&STORED, &row.files),
    ),
];

/// `/api/uploads/`
pub fn uploads() -> Resource {
    let fields: fn() -> Vec<Declared> = || declared(&UPLOAD);
    let settled = "It has ended already, or is not to be tried again.";
    Resource::new(
        "uploads",
        "Upload",
        "The files that you have sent, and how their processing stands. Files are sent to /uploads/ (tus 1.0).",
    )
    .all(
        Operation::new(Method::GET, "Lists your files, newest first; for staff, all.", list)
            .only(IS_AUTHENTICATED)
            .list()
            .looks_at(&PARAMETERS)
            .looks_at(&[
                Parameter::ordering(&ORDERS),
                Parameter::new("kind", "One of the four kinds.", Takes::OneOf(&KINDS)),
                Parameter::new("state", "How they stand.", Takes::OneOf(&STATES)),
                Parameter::new(
                    "owner",
                    "The number of an account, or me.",
                    Takes::IntegerOr(i64::MIN, "me"),
                ),
            ])
            .looks_at(&[("search", "A part of the name.")])
            .answers(fields()),
    )
    .one(
        Operation::new(Method::GET, "How a file stands.", show)
            .only(MAY_SEE)
            .about(find_upload)
            .looks_at(&[FIELDS])
            .answers(fields()),
    )
    .action(
        "cancel",
        "Stop",
        "Stops the processing of a file; the file as it was sent is kept.",
        Operation::new(Method::POST, "Stops it; twice is once.", |call| act(call, Action::Cancel))
            .only(MAY_HANDLE)
            .about(find_upload)
            .may_answer(StatusCode::CONFLICT, settled)
            .answers(fields()),
    )
    .action(
        "retry",
        "Try again",
        "Processes a file again that could not be processed, or was stopped.",
        Operation::new(Method::POST, "Puts it in line again.", |call| act(call, Action::Retry))
            .only(MAY_HANDLE)
            .about(find_upload)
            .may_answer(StatusCode::CONFLICT, settled)
            .answers(fields()),
    )
}

async fn list(call: Call) -> Result<Answer> {
    use upload::Column;
    let person = call.person()?;
    let usual = [(Column::CreatedAt, Order::Desc)];
    let orders = orders_of(&call, &ORDERS, &usual, Column::Id)?;
    let mut select = upload::Entity::find();
    let owner = match call.parameter("owner") {
        Some("me") => Some(person.id),
        _ => call.number("owner")?,
    };
    if let Some(id) = owner {
        select = select.filter(Column::OwnerId.eq(id));
    }
    if !person.may(admin::VIEW_UPLOAD) {
        select = select.filter(Column::OwnerId.eq(person.id));
    }
    if let Some(name) = call.parameter("kind") {
        let kind = UploadKind::try_from_value(&name.to_owned());
        let told = || Error::invalid("kind", format!("There are {}.", KINDS.join(", ")));
        select = select.filter(Column::Kind.eq(kind.map_err(|_| told())?));
    }
    if let Some(name) = call.parameter("state") {
        let state = UploadState::try_from_value(&name.to_owned());
        let told = || Error::invalid("state", format!("There are {}.", STATES.join(", ")));
        select = select.filter(Column::State.eq(state.map_err(|_| told())?));
    }
    if let Some(part) = call.parameter("search") {
        select = select.filter(containing(Column::Name, part));
    }
    let listing = Listing {
        select,
        orders,
        fields: &UPLOAD,
        dress: if person.is_staff {
            |app, rows| Box::pin(dress(app, rows, true))
        } else {
            |app, rows| Box::pin(dress(app, rows, false))
        },
        kept: None,
    };
    Box::pin(call.list(listing)).await
}

/// These files with what was made of them, in the same order; a constant number of queries.
async fn dress(app: App, rows: Vec<upload::Model>, by_staff: bool) -> Result<Vec<UploadRow>> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let mut views = list_files(app.db.read(), &ids).await?;
    let views = ids.iter().filter_map(|id| views.remove(id));
    Ok(views.map(|view| UploadRow::seen(view, by_staff)).collect())
}

/// The file with the number in the path.
///
/// # Errors
/// [`Error::NotFound`] when there is none, or it is another's.
pub fn find_upload(call: &Call) -> BoxFuture<'_, Result<Box<dyn Object>>> {
    Box::pin(async move {
        let person = call.person()?;
        let view = get_file(call.app.db.read(), call.id).await?;
        let sees_all = person.may(admin::VIEW_UPLOAD) || person.may(admin::DELETE_UPLOAD);
        if !sees_all && view.upload.owner_id != person.id {
            return Err(Error::NotFound);
        }
        let object: Box<dyn Object> = Box::new(UploadRow::new(view, person));
        Ok(object)
    })
}

async fn show(call: Call) -> Result<Answer> {
    call.one(&UPLOAD, call.object::<UploadRow>()?)
}

/// What is done to a file by POST.
#[derive(Clone, Copy)]
enum Action {
    Cancel,
    Retry,
}

async fn act(call: Call, action: Action) -> Result<Answer> {
    let by = call.by()?;
    let view = match action {
        Action::Cancel => cancel(&call.app, &by, call.id).await?,
        Action::Retry => retry(&call.app, &by, call.id).await?,
    };
    call.one(&UPLOAD, &UploadRow::new(view, call.person()?))
}
