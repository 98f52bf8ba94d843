//! How a content is written: its item, its place and its upload in one transaction.
//!
//! The file is safely stored before the transaction begins; when that is not committed, the file goes too.

use super::content_form::{self, Draft, Given, Source};
use super::logged::Contents;
use super::store::touch;
use super::{get_owned_content, get_owned_module, hold_course, next_content_order};
use crate::app::App;
use crate::db::Write;
use crate::entities::item::{ItemKind, TextFormat};
use crate::entities::{content, course, item, module};
use crate::error::{Error, Result};
use crate::media::{self, FileView, Place, Placement, Placing, ReceivedFile};
use crate::web::audit::By;
use crate::web::changes;
use crate::web::form::Form;
use crate::web::identity::Person;
use crate::web::permissions::{ADD_CONTENT, CHANGE_CONTENT, require};
use futures::FutureExt as _;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, ConnectionTrait, EntityTrait as _,
    IntoActiveModel as _, QueryFilter as _, QuerySelect as _,
};

/// What a form is about: a module of hers, a kind, and the item when one is changed.
pub(super) struct Target {
    pub module: module::Model,
    pub course: course::Model,
    pub kind: ItemKind,
    pub held: Option<(content::Model, item::Model)>,
}

impl Target {
    /// # Errors
    /// [`Error::NotFound`] unless the module is hers, and holds the item where one is named.
    pub async fn find(
        app: &App,
        person: &Person,
        module_id: i64,
        kind: ItemKind,
        item_id: Option<i64>,
    ) -> Result<Self> {
        let db = app.db.read();
        let (module, course) = get_owned_module(db, person, module_id).await?;
        let held = match item_id {
            Some(item_id) => Some(find_held(db, module.id, kind, item_id).await?),
            None => None,
        };
        Ok(Self {
            module,
            course,
            kind,
            held,
        })
    }

    /// The item that is changed.
    pub fn item(&self) -> Option<&item::Model> {
        self.held.as_ref().map(|(_, item)| item)
    }

    /// Where its form is sent.
    pub fn action(&self) -> String {
        let start = format!(
            "/course/module/{}/content/{}",
            self.module.id,
            content_form::segment(self.kind)
        );
        match self.item() {
            Some(item) => format!("{start}/{}/", item.id),
            None => format!("{start}/create/"),
        }
    }
}

/// Who writes a content.
#[derive(Clone, Copy)]
pub(super) struct Writer<'a> {
    pub person: &'a Person,
    /// The same for the log, which tells what she does in the courses of others.
    pub by: &'a By,
}

/// The item with this number in the module, and its place.
async fn find_held(
    db: &impl ConnectionTrait,
    module_id: i64,
    kind: ItemKind,
    item_id: i64,
) -> Result<(content::Model, item::Model)> {
    let found = content::Entity::find()
        .find_also_related(item::Entity)
        .filter(content::Column::ModuleId.eq(module_id))
        .filter(content::Column::ItemId.eq(item_id))
        .one(db)
        .await?;
    match found {
        Some((content, Some(item))) if item.kind == kind => Ok((content, item)),
        _ => Err(Error::NotFound),
    }
}

/// What an item is made to show.
struct Material {
    body: Option<String>,
    format: TextFormat,
    url: Option<String>,
    upload_id: Option<i64>,
}

/// What is said of an item, whatever it shows.
struct About {
    title: String,
    allow_download: bool,
}

/// What was stored.
pub(super) struct Saved {
    pub content_id: i64,
    pub item: item::Model,
}

/// Writes item, content and upload in one transaction.
pub(super) async fn store(
    app: &App,
    writer: Writer<'_>,
    target: &Target,
    draft: Draft,
    file: Option<ReceivedFile>,
) -> Result<Saved> {
    let mut write = app.write().await?;
    if file.is_some() {
        // Account before course, as everywhere: two that take them in turn would wait for each other.
        media::hold_account(&write, writer.person.id).await?;
    }
    let saved = store_in(app, &mut write, writer, target, draft, file).await?;
    write.commit().await?;
    Ok(saved)
}

/// The same within an open transaction, which holds the account where a file came.
///
/// # Errors
/// [`Error::NotFound`] when the item is gone, or the upload that was chosen.
pub(super) async fn store_in(
    app: &App,
    write: &mut Write,
    writer: Writer<'_>,
    target: &Target,
    draft: Draft,
    file: Option<ReceivedFile>,
) -> Result<Saved> {
    // Until the end: its writers come one after another. It may have been given away while the file came.
    let Writer { person, by } = writer;
    hold_course(write, person, target.course.id).await?;
    touch(app, write, target.course.id).await?;
    hold_all(write, target, &draft.source).await?;
    let before = match &target.held {
        Some((content, _)) => {
            let of = content::Column::Id.eq(content.id);
            Some(Contents::before(write, by, of).await?)
        }
        None => None,
    };
    let saved = store_held(app, write, person, target, draft, file).await?;
    let logged = before.unwrap_or_else(|| Contents::new(saved.content_id));
    logged.log(write, by, "change").await?;
    Ok(saved)
}

async fn store_held(
    app: &App,
    write: &mut Write,
    person: &Person,
    target: &Target,
    draft: Draft,
    file: Option<ReceivedFile>,
) -> Result<Saved> {
    let about = About {
        title: draft.title,
        allow_download: draft.allow_download,
    };
    let material = material(app, write, person, draft.source, file).await?;
    if let Some((content, item)) = &target.held {
        let item = update(app, write, item.id, about, material).await?;
        return Ok(Saved {
            content_id: content.id,
            item,
        });
    }
    let material = material.ok_or(Error::NotFound)?;
    insert(app, write, person, target, about, material).await
}

/// Holds the files that the item shows together with the one that it is to show: two contents that swap theirs would
/// otherwise wait for each other.
async fn hold_all(write: &Write, target: &Target, source: &Source) -> Result<()> {
    let mut files = Vec::new();
    if let Some(item) = target.item() {
        let found = item::Entity::find_by_id(item.id).one(&**write).await?;
        files.extend(media::files_of(&found.ok_or(Error::NotFound)?));
    }
    if let Source::Chosen(id) = source {
        files.push(*id);
    }
    media::hold_files(write, &files).await
}

/// What the item is to show; `None`: what it does already.
async fn material(
    app: &App,
    write: &mut Write,
    person: &Person,
    source: Source,
    file: Option<ReceivedFile>,
) -> Result<Option<Material>> {
    let mut material = Material {
        body: None,
        format: TextFormat::Plain,
        url: None,
        upload_id: None,
    };
    match (source, file) {
        (Source::Typed { body, format }, _) => {
            material.body = Some(body);
            material.format = format;
        }
        (Source::Page(url), _) => material.url = Some(url),
        (Source::Arrived, Some(file)) => {
            let upload = media::adopt(app, write, person.id, file).await?;
            material.upload_id = Some(upload.id);
        }
        (Source::Arrived, None) => {
            return Err(Error::internal("a file was judged and is not there"));
        }
        (Source::Chosen(id), _) => {
            // It may have been discarded since it was looked at; now it is held.
            material.upload_id = Some(media::get_own_file(&**write, person, id).await?.upload.id);
        }
        (Source::Held, _) => return Ok(None),
    }
    Ok(Some(material))
}

/// Makes a content of a file of hers that is there already, in the last place of a module; `form` brings its `title`.
/// Answers the number of the content.
///
/// # Errors
/// [`Error::NotFound`] unless the module is hers, or when the file is gone; [`Error::Invalid`] for a title that does
/// not fit.
pub async fn add_file(
    app: &App,
    (person, by): (&Person, &By),
    module_id: i64,
    file: &FileView,
    form: &Form,
) -> Result<i64> {
    require(person, ADD_CONTENT)?;
    let kind = media::item_kind(file.upload.kind);
    let target = Target::find(app, person, module_id, kind, None).await?;
    let fields = Form::from_pairs(vec![
        ("title".into(), form.get("title").to_owned()),
        ("upload".into(), file.upload.id.to_string()),
    ]);
    let given = Given {
        form: &fields,
        file_name: None,
        chosen: Some(file),
        held: None,
    };
    let draft = content_form::parse(kind, &given).map_err(Error::Invalid)?;
    let saved = store(app, Writer { person, by }, &target, draft, None).await?;
    Ok(saved.content_id)
}

/// Makes contents of the files that were sent by resumable uploads, or puts them in the place of what contents show.
pub fn placement() -> Placement {
    Placement {
        check: |app, person, to| check(app, person, to).boxed(),
        place: |app, write, person, placing| match placing.place {
            Place::Module(id) => add(app, write, person, id, placing).boxed(),
            Place::Content(id) => replace(app, write, person, id, placing.upload_id).boxed(),
        },
    }
}

async fn check(app: &App, person: &Person, to: Place) -> Result<Option<ItemKind>> {
    let id = match to {
        Place::Module(id) => {
            get_owned_module(app.db.read(), person, id).await?;
            return Ok(None);
        }
        Place::Content(id) => id,
    };
    let (_, item, _, _) = get_owned_content(app.db.read(), person, id).await?;
    if item.kind == ItemKind::Text {
        return Err(Error::BadRequest(
            "This content is a text: there is no file that another could take the place of.".into(),
        ));
    }
    Ok(Some(item.kind))
}

/// Who began an upload may have lost the permission when it ends: then it waits in her library.
///
/// # Errors
/// [`Error::NotFound`].
fn require_still(person: &Person, permission: &str) -> Result<()> {
    require(person, permission).map_err(|_| Error::NotFound)
}

async fn replace(
    app: &App,
    write: &mut Write,
    person: &Person,
    content_id: i64,
    upload_id: i64,
) -> Result<i64> {
    require_still(person, CHANGE_CONTENT)?;
    let (content, item, _, course) = get_owned_content(&**write, person, content_id).await?;
    hold_course(write, person, course.id).await?;
    touch(app, write, course.id).await?;
    let files = media::files_of(&item).chain([upload_id]);
    media::hold_files(write, &files.collect::<Vec<_>>()).await?;
    let by = By::sender(person, app.clock.now());
    let of = content::Column::Id.eq(content.id);
    let logged = Contents::before(write, &by, of).await?;
    media::replace(app, write, item.id, upload_id).await?;
    logged.log(write, &by, "change").await?;
    Ok(content.id)
}

async fn add(
    app: &App,
    write: &Write,
    person: &Person,
    module_id: i64,
    placing: Placing,
) -> Result<i64> {
    require_still(person, ADD_CONTENT)?;
    let (module, course) = get_owned_module(&**write, person, module_id).await?;
    hold_course(write, person, course.id).await?;
    touch(app, write, course.id).await?;
    let target = Target {
        module,
        course,
        kind: placing.kind,
        held: None,
    };
    let title = placing
        .title
        .unwrap_or_else(|| content_form::title_of(&placing.name));
    let about = About {
        title,
        allow_download: false,
    };
    let material = Material {
        body: None,
        format: TextFormat::Plain,
        url: None,
        upload_id: Some(placing.upload_id),
    };
    let saved = insert(app, write, person, &target, about, material).await?;
    let by = By::sender(person, app.clock.now());
    let logged = Contents::new(saved.content_id);
    logged.log(write, &by, "change").await?;
    Ok(saved.content_id)
}

/// A new item, in the last place of its module.
async fn insert(
    app: &App,
    write: &Write,
    person: &Person,
    target: &Target,
    about: About,
    material: Material,
) -> Result<Saved> {
    let order = next_content_order(write, target.module.id).await?;
    let now = app.clock.now();
    let row = item::ActiveModel {
        owner_id: Set(person.id),
        kind: Set(target.kind),
        title: Set(about.title),
        allow_download: Set(about.allow_download),
        body: Set(material.body),
        format: Set(material.format),
        url: Set(material.url),
        upload_id: Set(material.upload_id),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    let item = row.insert(&**write).await?;
    let row = content::ActiveModel {
        module_id: Set(target.module.id),
        item_id: Set(item.id),
        order: Set(order),
        ..Default::default()
    };
    let content = row.insert(&**write).await?;
    Ok(Saved {
        content_id: content.id,
        item,
    })
}

/// The item is called otherwise, or shows something else; an upload that it no longer shows is discarded. Without
/// `material` it shows what it did.
async fn update(
    app: &App,
    write: &mut Write,
    item_id: i64,
    about: About,
    material: Option<Material>,
) -> Result<item::Model> {
    let found = item::Entity::find_by_id(item_id).one(&**write).await?;
    let before = found.ok_or(Error::NotFound)?;
    let held: Vec<i64> = media::files_of(&before).collect();
    media::hold_files(write, &held).await?;
    let found = item::Entity::find_by_id(item_id).lock_exclusive();
    let before = found.one(&**write).await?.ok_or(Error::NotFound)?;
    let mut row = before.clone().into_active_model();
    row.title = Set(about.title);
    row.allow_download = Set(about.allow_download);
    row.updated_at = Set(app.clock.now());
    let new_file = material.as_ref().and_then(|material| material.upload_id);
    if let (Some(material), None) = (material, new_file) {
        row.body = Set(material.body);
        row.format = Set(material.format);
        row.url = Set(material.url);
        row.upload_id = Set(None);
        row.next_upload_id = Set(None);
    }
    let after = row.update(&**write).await?;
    changes::item(write, item_id).await?;
    if before.allow_download && !after.allow_download {
        changes::uploads(write, &held).await?;
    }
    media::discard_dropped(app, write, &before, &after).await?;
    let Some(upload_id) = new_file else {
        return Ok(after);
    };
    media::replace(app, write, item_id, upload_id).await?;
    let found = item::Entity::find_by_id(item_id).one(&**write).await?;
    found.ok_or(Error::NotFound)
}
