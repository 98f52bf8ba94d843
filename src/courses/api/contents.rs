//! `/api/contents/`: what modules hold, in five kinds, for those who write them. What a student reads of it is found at
//! `/api/courses/<id>/contents/`.
//!
//! Files are sent to `/uploads/` (tus 1.0) or by the form of a content; here a content names an upload of hers.

use super::authoring::HERS;
use super::captions::with_captions;
use super::content_view::{CONTENT, ContentRow, KINDS, dress, word};
use super::processing::with_processing;
use crate::courses::content_form::{self, Draft, Given as Judged, Source};
use crate::courses::content_store::{Saved, Target, Writer, store_in};
use crate::courses::contents::as_typed;
use crate::courses::logged::Contents;
use crate::courses::store::{self, is_owned};
use crate::db::Write;
use crate::entities::item::{self, ItemKind};
use crate::entities::{content, course, module};
use crate::error::{Error, Problems, Result};
use crate::holds;
use crate::media::{self, FileView};
use crate::web::form::Form;
use crate::web::rest::{
    Access, Answer, Call, Declared, FIELDS, Given, Got, Listing, Object, Operation, PARAMETERS,
    Parameter, Resource, Rule, Takes, declared, orders_of,
};
use axum::http::Method;
use futures::future::BoxFuture;
use sea_orm::{
    ActiveEnum as _, ColumnTrait, EntityTrait, JoinType, Order, QueryFilter, QuerySelect,
    RelationTrait,
};

const MAY_CHANGE: Rule = Rule::All(&[holds!(CHANGE_CONTENT), HERS]);
const MAY_DELETE: Rule = Rule::All(&[holds!(DELETE_CONTENT), HERS]);

/// Told of a module that is none, or another's.
const NOT_YOURS: &str = "This is not the number of a module of a course of yours.";

/// By what contents can be ordered.
const ORDERS: [(&str, content::Column); 3] = [
    ("module", content::Column::ModuleId),
    ("order", content::Column::Order),
    ("id", content::Column::Id),
];

/// A content with whose its course is.
struct ContentHead {
    course_id: i64,
    owner_id: i64,
}

impl Object for ContentHead {
    fn owner_id(&self) -> Option<i64> {
        Some(self.owner_id)
    }
}

/// `/api/contents/`
pub fn contents() -> Resource {
    let fields: fn() -> Vec<Declared> = || declared(&CONTENT);
    let contents = Resource::new(
        "contents",
        "Content",
        "What the modules of your courses hold: texts, files, pictures, videos and recordings. Files are sent to /uploads/ (tus 1.0) first.",
    )
    .all(
        Operation::new(Method::GET, "Lists the contents of your courses, module by module.", list)
            .only(holds!(VIEW_CONTENT))
            .list()
            .looks_at(&PARAMETERS)
            .looks_at(&[
                Parameter::ordering(&ORDERS),
                Parameter::id("module", "The number of a module."),
                Parameter::id("course", "The number of a course."),
                Parameter::new("kind", "One of the five kinds.", Takes::OneOf(&KINDS)),
            ])
            .answers(fields()),
    )
    .one(
        Operation::new(Method::GET, "One content.", show)
            .only(holds!(VIEW_CONTENT))
            .about(find_content)
            .looks_at(&[FIELDS])
            .answers(fields()),
    );
    with_processing(with_captions(with_changes(contents)))
}

/// What authors do with them.
fn with_changes(contents: Resource) -> Resource {
    let fields: fn() -> Vec<Declared> = || declared(&CONTENT);
    let change = |method, about| {
        Operation::new(method, about, change)
            .only(MAY_CHANGE)
            .about(find_content)
            .takes(fields())
            .answers(fields())
    };
    contents
        .all(
            Operation::new(
                Method::POST,
                "Makes a content in the last place of a module.",
                create,
            )
            .only(holds!(ADD_CONTENT))
            .takes(new_content())
            .answers(fields())
            .creates(),
        )
        .one(change(Method::PUT, "Changes a content as a whole."))
        .one(change(Method::PATCH, "Changes some fields of a content."))
        .one(
            Operation::new(
                Method::DELETE,
                "Deletes a content, with its file unless something else shows that.",
                destroy,
            )
            .only(MAY_DELETE)
            .about(find_content)
            .without_answer(),
        )
        .action(
            "keep",
            "Keep the file",
            "Keeps the file that a content shows, when another is about to take its place.",
            Operation::new(Method::POST, "Keeps the file; the other one goes.", keep)
                .only(MAY_CHANGE)
                .about(find_content)
                .heeds_version()
                .answers(fields()),
        )
}

/// The fields of a new content, which names its module and its kind.
fn new_content() -> Vec<Declared> {
    let mut fields = declared(&CONTENT);
    for field in &mut fields {
        if matches!(field.name, "module" | "kind") {
            field.access = Access::Required;
        }
    }
    fields
}

async fn list(call: Call) -> Result<Answer> {
    use content::Column;
    let person = call.person()?;
    let usual = [(Column::ModuleId, Order::Asc), (Column::Order, Order::Asc)];
    let orders = orders_of(&call, &ORDERS, &usual, Column::Id)?;
    let mut select = content::Entity::find()
        .join(JoinType::InnerJoin, content::Relation::Module.def())
        .join(JoinType::InnerJoin, content::Relation::Item.def())
        .join(JoinType::InnerJoin, module::Relation::Course.def());
    if !person.is_staff {
        select = select.filter(course::Column::OwnerId.eq(person.id));
    }
    if let Some(id) = call.number("module")? {
        select = select.filter(Column::ModuleId.eq(id));
    }
    if let Some(id) = call.number("course")? {
        select = select.filter(course::Column::Id.eq(id));
    }
    if let Some(name) = call.parameter("kind") {
        let kind = kind_of(name).ok_or_else(|| {
            Error::invalid("kind", "There are text, file, image, video and audio.")
        })?;
        select = select.filter(item::Column::Kind.eq(kind));
    }
    let listing = Listing {
        select,
        orders,
        fields: &CONTENT,
        dress: |app, rows| Box::pin(async move { dress(app.db.read(), rows).await }),
        kept: None,
    };
    Box::pin(call.list(listing)).await
}

fn kind_of(name: &str) -> Option<ItemKind> {
    ItemKind::try_from_value(&name.to_owned()).ok()
}

/// The content with the number in the path, for those who manage its course.
pub(super) fn find_content(call: &Call) -> BoxFuture<'_, Result<Box<dyn Object>>> {
    Box::pin(async move {
        let person = call.person()?;
        let (_, _, _, course) =
            store::get_owned_content(call.app.db.read(), person, call.id).await?;
        let object: Box<dyn Object> = Box::new(ContentHead {
            course_id: course.id,
            owner_id: course.owner_id,
        });
        Ok(object)
    })
}

async fn show(call: Call) -> Result<Answer> {
    let person = call.person()?;
    let (content, item, _, _) =
        store::get_owned_content(call.app.db.read(), person, call.id).await?;
    call.one(&CONTENT, &ContentRow { content, item })
}

async fn create(call: Call) -> Result<Answer> {
    let person = call.person()?;
    let db = call.app.db.read();
    let module_id = call.given.integer("module").unwrap_or(0);
    let target = match store::get_owned_module(db, person, module_id).await {
        Ok((module, course)) => Some((module, course)),
        Err(Error::NotFound) => None,
        Err(error) => return Err(error),
    };
    let chosen = find_chosen(&call, db, None).await?;
    let kind = call.given.text("kind").and_then(kind_of);
    let draft = call.given.judge(|given| {
        let mut problems = Problems::new();
        problems.check(target.is_some(), "module", NOT_YOURS);
        let Some(kind) = kind else {
            return Err(problems);
        };
        let form = given.typed_over(&Form::default());
        problems.extend(strange_fields(given, kind));
        both(problems, judged(kind, &form, chosen.as_ref(), None))
    })?;
    let (Some((module, course)), Some(kind)) = (target, kind) else {
        return Err(Error::internal(
            "a content was judged without its module or kind",
        ));
    };
    let target = Target {
        module,
        course,
        kind,
        held: None,
    };
    let mut write = call.app.write().await?;
    store::hold_course(&write, person, target.course.id).await?;
    let row = save(&call, &mut write, &target, draft).await?;
    let path = format!("/api/contents/{}/", row.content.id);
    call.made(write, &CONTENT, &row, &path).await
}

async fn change(call: Call) -> Result<Answer> {
    let (mut write, target, row) = hold(&call).await?;
    let item = &row.item;
    let chosen = find_chosen(&call, &*write, item.upload_id).await?;
    let draft = call.given.judge_change(&CONTENT, &row, |given| {
        let mut form = given.typed_over(&Form::from_pairs(as_typed(item)));
        // What it shows already is not chosen anew.
        if given.integer("upload") == item.upload_id {
            form = without(&form, "upload");
        }
        let mut problems = strange_fields(given, item.kind);
        problems.extend(empty_fields(given, item));
        both(
            problems,
            judged(item.kind, &form, chosen.as_ref(), Some(item)),
        )
    })?;
    call.unchanged(&CONTENT, &row)?;
    if is_same(&draft, item) {
        return call.one(&CONTENT, &row);
    }
    let row = save(&call, &mut write, &target, draft).await?;
    write.commit().await?;
    call.one(&CONTENT, &row)
}

/// Writes it within the open transaction, as it is stored then.
async fn save(call: &Call, write: &mut Write, target: &Target, draft: Draft) -> Result<ContentRow> {
    let writer = Writer {
        person: call.person()?,
        by: &call.by()?,
    };
    let saved = store_in(&call.app, write, writer, target, draft, None).await?;
    reload(write, saved).await
}

/// Whether nothing would be changed: then nobody has to look anew.
fn is_same(draft: &Draft, item: &item::Model) -> bool {
    let shows_the_same = match &draft.source {
        Source::Held => true,
        Source::Typed { body, format } => {
            item.body.as_deref() == Some(body) && item.format == *format
        }
        Source::Page(url) => item.url.as_deref() == Some(url),
        Source::Arrived | Source::Chosen(_) => false,
    };
    shows_the_same && draft.title == item.title && draft.allow_download == item.allow_download
}

/// Null says nothing where there has to be something: a form would take it for what it does not say.
fn empty_fields(given: &Given, item: &item::Model) -> Problems {
    let mut problems = Problems::new();
    let is_null = |name: &str| given.get(name) == Some(&Got::Null);
    problems.check(
        item.kind != ItemKind::Text || !is_null("format"),
        "format",
        "A text is markdown or plain. Leave the field out to keep what it is.",
    );
    problems.check(
        item.upload_id.is_none() || !is_null("upload") || given.has("url"),
        "upload",
        "A content keeps its file until another takes its place. Delete the content instead.",
    );
    problems
}

/// Fields that contents of this kind do not have: who sends something there believes that it does something.
fn strange_fields(given: &Given, kind: ItemKind) -> Problems {
    let known: &[&str] = match kind {
        ItemKind::Text => &["content", "format"],
        ItemKind::Video => &["upload", "url", "allow_download"],
        ItemKind::File | ItemKind::Image | ItemKind::Audio => &["upload"],
    };
    let is_something = |name: &str| match given.get(name) {
        None | Some(Got::Null | Got::Boolean(false)) => false,
        Some(Got::Text(text)) => !text.is_empty(),
        Some(_) => true,
    };
    let mut problems = Problems::new();
    for name in ["content", "format", "upload", "url", "allow_download"] {
        let is_fine = known.contains(&name) || !is_something(name);
        let message = format!(
            "This is of no use to a content of the kind {}: leave it out.",
            word(kind)
        );
        problems.check(is_fine, name, message);
    }
    problems
}

/// What was judged, or all that is wrong; of a field of which something is known already, that alone.
fn both<T>(mut problems: Problems, judged: Result<T, Problems>) -> Result<T, Problems> {
    match judged {
        Ok(judged) if problems.is_empty() => Ok(judged),
        Ok(_) => Err(problems),
        Err(more) => {
            for (name, sentences) in more.iter() {
                let is_known = !problems.at(name).is_empty();
                for sentence in sentences.iter().filter(|_| !is_known) {
                    problems.add(name, sentence);
                }
            }
            Err(problems)
        }
    }
}

async fn destroy(call: Call) -> Result<Answer> {
    let (mut write, target, row) = hold(&call).await?;
    call.unchanged(&CONTENT, &row)?;
    store::touch(&call.app, &write, target.course.id).await?;
    for upload_id in store::delete_contents(&mut write, &call.by()?, &[call.id]).await? {
        media::discard(&call.app, &mut write, upload_id).await?;
    }
    write.commit().await?;
    Ok(Answer::nothing())
}

async fn keep(call: Call) -> Result<Answer> {
    let (mut write, target, row) = hold(&call).await?;
    call.unchanged(&CONTENT, &row)?;
    let ContentRow { content, item } = row;
    store::touch(&call.app, &write, target.course.id).await?;
    let by = call.by()?;
    let logged = Contents::before(&write, &by, content::Column::Id.eq(call.id)).await?;
    media::keep_present(&call.app, &mut write, item.id).await?;
    logged.log(&write, &by, "change").await?;
    let content_id = content.id;
    let row = reload(&write, Saved { content_id, item }).await?;
    write.commit().await?;
    call.one(&CONTENT, &row)
}

/// The content, held for a change: its course, then its files and the one that it is to show, then its item. The worker
/// that lets a file that has become ready take its place holds file and item.
async fn hold(call: &Call) -> Result<(Write, Target, ContentRow)> {
    let person = call.person()?;
    let course_id = call.object::<ContentHead>()?.course_id;
    let write = call.app.write().await?;
    let held = store::hold_course(&write, person, course_id).await?;
    let (content, item, module, course) =
        store::get_owned_content(&*write, person, call.id).await?;
    if !is_owned(&course, person) || course.id != held.id {
        return Err(Error::NotFound);
    }
    let files = media::files_of(&item).chain(call.given.integer("upload"));
    media::hold_files(&write, &files.collect::<Vec<_>>()).await?;
    let item = item::Entity::find_by_id(item.id).lock_exclusive();
    let item = item.one(&*write).await?.ok_or(Error::NotFound)?;
    let row = ContentRow {
        content: content.clone(),
        item: item.clone(),
    };
    let target = Target {
        module,
        course,
        kind: item.kind,
        held: Some((content, item)),
    };
    Ok((write, target, row))
}

/// As it is stored now.
async fn reload(write: &Write, saved: Saved) -> Result<ContentRow> {
    let found = content::Entity::find_by_id(saved.content_id)
        .find_also_related(item::Entity)
        .one(&**write)
        .await?;
    match found {
        Some((content, Some(item))) => Ok(ContentRow { content, item }),
        _ => Err(Error::NotFound),
    }
}

/// The upload that the caller names, when it is one of hers and not the one that is shown already.
async fn find_chosen(
    call: &Call,
    db: &impl sea_orm::ConnectionTrait,
    held: Option<i64>,
) -> Result<Option<FileView>> {
    let Some(id) = call.given.integer("upload").filter(|id| Some(*id) != held) else {
        return Ok(None);
    };
    match media::get_own_file(db, call.person()?, id).await {
        Ok(view) => Ok(Some(view)),
        Err(Error::NotFound) => Ok(None),
        Err(other) => Err(other),
    }
}

/// By the rules of the page's form, whose field for a file is `upload` here.
fn judged(
    kind: ItemKind,
    form: &Form,
    chosen: Option<&FileView>,
    held: Option<&item::Model>,
) -> Result<Draft, Problems> {
    let given = Judged {
        form,
        file_name: None,
        chosen,
        held,
    };
    content_form::parse(kind, &given).map_err(|problems| {
        let mut renamed = Problems::new();
        for (name, sentences) in problems.iter() {
            let name = if name == "file" { "upload" } else { name };
            for sentence in sentences {
                renamed.add(name, sentence);
            }
        }
        renamed
    })
}

fn without(form: &Form, name: &str) -> Form {
    let pairs = form.pairs().filter(|(known, _)| *known != name);
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Form::from_pairs(pairs.collect())
}
