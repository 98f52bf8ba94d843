//! Queries of uploads, renditions and progress rows.

use super::progress::RECEIVING;
use super::{CAPTIONS, ORIGINAL, ReceivedFile, pictures};
use crate::app::App;
use crate::db::Write;
use crate::entities::upload::{UploadKind, UploadState};
use crate::entities::{
    content, course, enrollment, item, module, rendition, upload, upload_progress,
};
use crate::error::Result;
use crate::web::changes;
use crate::web::identity::Person;
use crate::web::tags::Tag;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, OnConflict, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, JoinType,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, RelationTrait as _,
};
use std::collections::HashMap;

/// The row of a received file, and its rendition `original`.
pub async fn insert_upload(
    app: &App,
    write: &Write,
    owner_id: i64,
    file: &ReceivedFile,
) -> Result<upload::Model> {
    let now = app.clock.now();
    let size_bytes = i64::try_from(file.size_bytes).unwrap_or(i64::MAX);
    let state = match file.kind {
        UploadKind::File => UploadState::Ready,
        UploadKind::Image | UploadKind::Video | UploadKind::Audio => UploadState::Waiting,
    };
    let row = upload::ActiveModel {
        owner_id: Set(owner_id),
        name: Set(file.name.clone()),
        kind: Set(file.kind),
        mime: Set(file.mime.to_owned()),
        size_bytes: Set(size_bytes),
        prefix: Set(file.prefix.clone()),
        batch: Set(file.batch.as_ref().map(|batch| batch.id.clone())),
        state: Set(state),
        progress_percent: Set(0.0),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    let inserted = upload::Entity::insert(row)
        .exec_with_returning(&**write)
        .await?;
    let original = rendition::ActiveModel {
        upload_id: Set(inserted.id),
        name: Set(ORIGINAL.to_owned()),
        key: Set(file.key()),
        mime: Set(file.mime.to_owned()),
        size_bytes: Set(size_bytes),
        ..Default::default()
    };
    rendition::Entity::insert(original).exec(&**write).await?;
    Ok(inserted)
}

pub async fn find_upload(db: &impl ConnectionTrait, id: i64) -> Result<Option<upload::Model>> {
    Ok(upload::Entity::find_by_id(id).one(db).await?)
}

/// Holds these uploads, in the order of their numbers.
pub async fn lock_uploads(write: &Write, ids: &[i64]) -> Result<()> {
    let find = upload::Entity::find()
        .filter(upload::Column::Id.is_in(ids.iter().copied()))
        .order_by_asc(upload::Column::Id)
        .lock_exclusive();
    find.all(&**write).await?;
    Ok(())
}

pub async fn list_uploads(db: &impl ConnectionTrait, ids: &[i64]) -> Result<Vec<upload::Model>> {
    let find = upload::Entity::find().filter(upload::Column::Id.is_in(ids.iter().copied()));
    Ok(find.all(db).await?)
}

/// Renditions by upload, in the order in which they were made.
pub async fn list_renditions(
    db: &impl ConnectionTrait,
    upload_ids: &[i64],
) -> Result<HashMap<i64, Vec<rendition::Model>>> {
    let rows = rendition::Entity::find()
        .filter(rendition::Column::UploadId.is_in(upload_ids.iter().copied()))
        .order_by_asc(rendition::Column::Id)
        .all(db)
        .await?;
    let mut found: HashMap<i64, Vec<_>> = HashMap::new();
    for row in rows {
        found.entry(row.upload_id).or_default().push(row);
    }
    Ok(found)
}

/// So many that are processed at once are asked when they end.
const ENDS: u64 = 100;

/// In how many seconds each file ends that is processed now; `None` for those that cannot tell yet.
pub async fn list_ends(db: &impl ConnectionTrait) -> Result<Vec<Option<i64>>> {
    let ends = upload::Entity::find()
        .select_only()
        .column(upload::Column::EtaSeconds)
        .filter(upload::Column::State.eq(UploadState::Processing))
        .limit(ENDS);
    Ok(ends.into_tuple().all(db).await?)
}

/// Whether an item shows it, or will, or it is a picture of a room.
pub async fn is_used(db: &impl ConnectionTrait, upload_id: i64) -> Result<bool> {
    let find = item::Entity::find().filter(uses(upload_id));
    Ok(find.count(db).await? > 0 || pictures::is_of_room(db, upload_id).await?)
}

/// Items that show an upload, or will as soon as it is ready.
fn uses(upload_id: i64) -> Condition {
    Condition::any()
        .add(item::Column::UploadId.eq(upload_id))
        .add(item::Column::NextUploadId.eq(upload_id))
}

/// What this person's files take, as they were sent.
pub async fn stored_bytes(db: &impl ConnectionTrait, owner_id: i64) -> Result<i64> {
    // PostgreSQL sums big integers to a number without bounds.
    let sum = Expr::col(upload::Column::SizeBytes)
        .sum()
        .cast_as(Alias::new("bigint"));
    let found: Option<Option<i64>> = upload::Entity::find()
        .select_only()
        .expr(sum)
        .filter(upload::Column::OwnerId.eq(owner_id))
        .into_tuple()
        .one(db)
        .await?;
    Ok(found.flatten().unwrap_or(0))
}

/// Whether an upload has its files under this prefix.
pub async fn is_prefix_used(db: &impl ConnectionTrait, prefix: &str) -> Result<bool> {
    let find = upload::Entity::find().filter(upload::Column::Prefix.eq(prefix));
    Ok(find.count(db).await? > 0)
}

/// Of these prefixes, those that uploads have their files under.
pub async fn list_used_prefixes(
    db: &impl ConnectionTrait,
    prefixes: &[String],
) -> Result<Vec<String>> {
    let find = upload::Entity::find()
        .select_only()
        .column(upload::Column::Prefix)
        .filter(upload::Column::Prefix.is_in(prefixes.iter().map(String::as_str)));
    Ok(find.into_tuple().all(db).await?)
}

/// All rows of an upload.
pub async fn delete_upload(write: &Write, id: i64) -> Result<()> {
    rendition::Entity::delete_many()
        .filter(rendition::Column::UploadId.eq(id))
        .exec(&**write)
        .await?;
    upload::Entity::delete_by_id(id).exec(&**write).await?;
    write.changes(Tag::upload(id));
    Ok(())
}

/// What it is called from now on.
pub async fn set_name(write: &Write, id: i64, name: String) -> Result<()> {
    let row = upload::ActiveModel {
        name: Set(name),
        ..Default::default()
    };
    upload::Entity::update_many()
        .set(row)
        .filter(upload::Column::Id.eq(id))
        .exec(&**write)
        .await?;
    // Downloads carry the name, lessons its ending.
    changes::uploads(write, &[id]).await
}

/// What changes when a file's processing goes a step on.
#[derive(Debug, Clone, Default)]
pub struct Change {
    pub percent: f64,
    pub eta_seconds: Option<i64>,
    pub fault: Option<String>,
    pub fault_detail: Option<String>,
}

/// Sets the state of an upload and everything that belongs to it.
pub async fn set_state(
    app: &App,
    write: &Write,
    id: i64,
    state: UploadState,
    change: Change,
) -> Result<()> {
    let row = upload::ActiveModel {
        state: Set(state),
        progress_percent: Set(change.percent),
        eta_seconds: Set(change.eta_seconds),
        fault: Set(change.fault),
        fault_detail: Set(change.fault_detail),
        updated_at: Set(app.clock.now()),
        ..Default::default()
    };
    upload::Entity::update_many()
        .set(row)
        .col_expr(
            upload::Column::Revision,
            Expr::col(upload::Column::Revision).add(1),
        )
        .filter(upload::Column::Id.eq(id))
        .exec(&**write)
        .await?;
    // How far its processing is concerns nobody but those who look at the file itself.
    if state == UploadState::Processing {
        write.changes(Tag::upload(id));
        return Ok(());
    }
    changes::uploads(write, &[id]).await
}

/// As if it had just come in.
pub async fn put_in_line(app: &App, write: &Write, id: i64) -> Result<()> {
    set_state(app, write, id, UploadState::Waiting, Change::default()).await
}

/// What was measured of a recording or picture.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measures {
    pub duration_seconds: Option<f64>,
    pub width: Option<i32>,
    pub height: Option<i32>,
}

/// Puts the renditions in the place of those of an earlier time. What people added stays.
pub async fn replace_renditions(
    write: &Write,
    upload_id: i64,
    made: Vec<rendition::ActiveModel>,
    measures: Measures,
) -> Result<()> {
    rendition::Entity::delete_many()
        .filter(rendition::Column::UploadId.eq(upload_id))
        .filter(rendition::Column::Name.ne(ORIGINAL))
        .filter(rendition::Column::Name.not_like(format!("{CAPTIONS}%")))
        .exec(&**write)
        .await?;
    rendition::Entity::insert_many(made).exec(&**write).await?;
    write.changes(Tag::upload(upload_id));
    let row = upload::ActiveModel {
        duration_seconds: Set(measures.duration_seconds),
        width: Set(measures.width),
        height: Set(measures.height),
        ..Default::default()
    };
    upload::Entity::update_many()
        .set(row)
        .filter(upload::Column::Id.eq(upload_id))
        .exec(&**write)
        .await?;
    Ok(())
}

/// Deletes one rendition of an upload; answers what it was.
pub async fn take_rendition(
    write: &Write,
    upload_id: i64,
    name: &str,
) -> Result<Option<rendition::Model>> {
    let find = rendition::Entity::find()
        .filter(rendition::Column::UploadId.eq(upload_id))
        .filter(rendition::Column::Name.eq(name));
    let Some(found) = find.one(&**write).await? else {
        return Ok(None);
    };
    rendition::Entity::delete_by_id(found.id)
        .exec(&**write)
        .await?;
    Ok(Some(found))
}

/// How many renditions of an upload have names that begin so.
pub async fn count_named(write: &Write, upload_id: i64, beginning: &str) -> Result<u64> {
    let find = rendition::Entity::find()
        .filter(rendition::Column::UploadId.eq(upload_id))
        .filter(rendition::Column::Name.starts_with(beginning));
    Ok(find.count(&**write).await?)
}

/// Where an upload is shown first: title of its item, its module and course.
#[derive(Debug, Clone, PartialEq, Eq, sea_orm::FromQueryResult)]
pub struct Shown {
    pub title: String,
    pub module_id: i64,
    pub course_id: i64,
}

pub async fn find_shown(db: &impl ConnectionTrait, upload_id: i64) -> Result<Option<Shown>> {
    let find = item::Entity::find()
        .select_only()
        .column(item::Column::Title)
        .column(content::Column::ModuleId)
        .column(module::Column::CourseId)
        .join_rev(JoinType::InnerJoin, content::Relation::Item.def())
        .join(JoinType::InnerJoin, content::Relation::Module.def())
        .filter(uses(upload_id))
        .order_by_asc(content::Column::Id);
    Ok(find.into_model::<Shown>().one(db).await?)
}

/// A rendition and what is known of its upload, if this person may have it: the owner of the file and
/// staff; and who owns, or is enrolled in, a course that shows it, in a lesson or in a line of its room. A draft is for
/// its owner only.
///
/// The original of pictures and recordings stays with its owner and staff: it may hold the place where
/// it was taken. With `download`, a film only where its item allows that to students.
pub async fn find_visible(
    db: &impl ConnectionTrait,
    person: &Person,
    (upload_id, name): (i64, &str),
    download: bool,
) -> Result<Option<(rendition::Model, upload::Model)>> {
    let mut find = rendition::Entity::find()
        .find_also_related(upload::Entity)
        .filter(rendition::Column::UploadId.eq(upload_id))
        .filter(rendition::Column::Name.eq(name));
    if !person.is_staff {
        let is_open = Condition::any()
            .add(rendition::Column::Name.ne(ORIGINAL))
            .add(upload::Column::Kind.eq(UploadKind::File));
        let lessons = courses_that_show(person.id, upload_id, download);
        let rooms = pictures::rooms_that_show(person.id, upload_id);
        let shown = Condition::all().add(is_open).add(
            Condition::any()
                .add(Expr::exists(lessons))
                .add(Expr::exists(rooms)),
        );
        find = find.filter(
            Condition::any()
                .add(upload::Column::OwnerId.eq(person.id))
                .add(shown),
        );
    }
    let found = find.one(db).await?;
    Ok(found.and_then(|(rendition, upload)| Some((rendition, upload?))))
}

/// That this person studies the course of the query around it.
pub fn studies(user_id: i64) -> Condition {
    let enrolled = Query::select()
        .expr(Expr::val(1))
        .from(enrollment::Entity)
        .and_where(
            Expr::col((enrollment::Entity, enrollment::Column::CourseId))
                .equals((course::Entity, course::Column::Id)),
        )
        .and_where(Expr::col((enrollment::Entity, enrollment::Column::UserId)).eq(user_id))
        .to_owned();
    Condition::all()
        .add(Expr::col((course::Entity, course::Column::IsDraft)).eq(false))
        .add(Expr::exists(enrolled))
}

/// The courses that show an upload and that this person owns or studies; with `download`, only those where
/// students may download it. The upload itself is in the query around it.
fn courses_that_show(
    user_id: i64,
    upload_id: i64,
    download: bool,
) -> sea_orm::sea_query::SelectStatement {
    let mut studies = studies(user_id);
    if download {
        studies = studies.add(
            Condition::any()
                .add(Expr::col((upload::Entity, upload::Column::Kind)).ne(UploadKind::Video))
                .add(Expr::col((item::Entity, item::Column::AllowDownload)).eq(true)),
        );
    }
    Query::select()
        .expr(Expr::val(1))
        .from(item::Entity)
        .inner_join(
            content::Entity,
            Expr::col((content::Entity, content::Column::ItemId))
                .equals((item::Entity, item::Column::Id)),
        )
        .inner_join(
            module::Entity,
            Expr::col((module::Entity, module::Column::Id))
                .equals((content::Entity, content::Column::ModuleId)),
        )
        .inner_join(
            course::Entity,
            Expr::col((course::Entity, course::Column::Id))
                .equals((module::Entity, module::Column::CourseId)),
        )
        .and_where(Expr::col((item::Entity, item::Column::UploadId)).eq(upload_id))
        .cond_where(
            Condition::any()
                .add(Expr::col((course::Entity, course::Column::OwnerId)).eq(user_id))
                .add(studies),
        )
        .to_owned()
}

/// Makes the row of an upload that begins; `false` when this person has used the key before.
pub async fn insert_progress(app: &App, user_id: i64, key: &str, total_bytes: i64) -> Result<bool> {
    let row = upload_progress::ActiveModel {
        user_id: Set(user_id),
        key: Set(key.to_owned()),
        uploaded_bytes: Set(0),
        total_bytes: Set(total_bytes),
        state: Set(RECEIVING.to_owned()),
        fault: Set(None),
        updated_at: Set(app.clock.now()),
    };
    let unless_used = OnConflict::columns([
        upload_progress::Column::UserId,
        upload_progress::Column::Key,
    ])
    .do_nothing()
    .to_owned();
    let inserted = upload_progress::Entity::insert(row)
        .on_conflict(unless_used)
        .exec_without_returning(app.db.writer())
        .await?;
    Ok(inserted == 1)
}

/// `row`: user and key. `bytes`: received and announced.
pub async fn update_progress(
    app: &App,
    (user_id, key): (i64, &str),
    (uploaded_bytes, total_bytes): (i64, i64),
    state: &str,
    fault: Option<&str>,
) -> Result<()> {
    let row = upload_progress::ActiveModel {
        uploaded_bytes: Set(uploaded_bytes),
        total_bytes: Set(total_bytes),
        state: Set(state.to_owned()),
        fault: Set(fault.map(str::to_owned)),
        updated_at: Set(app.clock.now()),
        ..Default::default()
    };
    upload_progress::Entity::update_many()
        .set(row)
        .filter(upload_progress::Column::UserId.eq(user_id))
        .filter(upload_progress::Column::Key.eq(key))
        .exec(app.db.writer())
        .await?;
    Ok(())
}

pub async fn find_progress(
    db: &impl ConnectionTrait,
    user_id: i64,
    key: &str,
) -> Result<Option<upload_progress::Model>> {
    let find = upload_progress::Entity::find_by_id((user_id, key.to_owned()));
    Ok(find.one(db).await?)
}

/// Forgets uploads by form that have not moved since.
pub async fn delete_progress(app: &App, older_than: DateTime<Utc>) -> Result<u64> {
    let deleted = upload_progress::Entity::delete_many()
        .filter(upload_progress::Column::UpdatedAt.lt(older_than))
        .exec(app.db.writer())
        .await?;
    Ok(deleted.rows_affected)
}
