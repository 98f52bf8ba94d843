//! Queries of transcodings and of messages that were heeded.

use crate::app::App;
use crate::db::Write;
use crate::entities::transcoding::{self, TranscodingState};
use crate::entities::{rendition, sns_message, upload};
use crate::error::Result;
use crate::media::ORIGINAL;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

/// What a job of the service has not come to its end in.
pub const OPEN: [TranscodingState; 3] = [
    TranscodingState::Starting,
    TranscodingState::Running,
    TranscodingState::Collecting,
];

/// Notes that a message is heeded now; `false` when it was before.
pub async fn heed(app: &App, write: &Write, topic: &str, message_id: &str) -> Result<bool> {
    let row = sns_message::ActiveModel {
        topic: Set(topic.to_owned()),
        message_id: Set(message_id.to_owned()),
        received_at: Set(app.clock.now()),
    };
    let unless_heeded =
        OnConflict::columns([sns_message::Column::Topic, sns_message::Column::MessageId])
            .do_nothing()
            .to_owned();
    let inserted = sns_message::Entity::insert(row)
        .on_conflict(unless_heeded)
        .exec_without_returning(&**write)
        .await?;
    Ok(inserted == 1)
}

/// Whether a message was heeded.
pub async fn is_heeded(db: &impl ConnectionTrait, topic: &str, message_id: &str) -> Result<bool> {
    let find = sns_message::Entity::find_by_id((topic.to_owned(), message_id.to_owned()));
    Ok(find.one(db).await?.is_some())
}

/// Begins a transcoding of an upload.
pub async fn insert(
    app: &App,
    write: &Write,
    upload_id: i64,
    token: String,
) -> Result<transcoding::Model> {
    let now = app.clock.now();
    let row = transcoding::ActiveModel {
        upload_id: Set(upload_id),
        token: Set(token),
        state: Set(TranscodingState::Starting),
        percent: Set(0.0),
        heard_at: Set(now),
        created_at: Set(now),
        ..Default::default()
    };
    let inserted = transcoding::Entity::insert(row);
    Ok(inserted.exec_with_returning(&**write).await?)
}

/// The transcodings of an upload that have not ended, oldest first.
pub async fn list_open_of(
    db: &impl ConnectionTrait,
    upload_id: i64,
) -> Result<Vec<transcoding::Model>> {
    let find = transcoding::Entity::find()
        .filter(transcoding::Column::UploadId.eq(upload_id))
        .filter(transcoding::Column::State.is_in(OPEN))
        .order_by_asc(transcoding::Column::Id);
    Ok(find.all(db).await?)
}

/// Those that have not ended and of which nothing was heard since, nor were they looked at; the longest unheard
/// first.
pub async fn list_unheard(
    db: &impl ConnectionTrait,
    since: DateTime<Utc>,
    most: u64,
) -> Result<Vec<transcoding::Model>> {
    let find = transcoding::Entity::find()
        .filter(transcoding::Column::State.is_in(OPEN))
        .filter(transcoding::Column::HeardAt.lte(since))
        .order_by_asc(transcoding::Column::HeardAt)
        .limit(most);
    Ok(find.all(db).await?)
}

/// Notes that the service is being asked for it.
pub async fn note_look(app: &App, id: i64) -> Result<()> {
    transcoding::Entity::update_many()
        .col_expr(transcoding::Column::HeardAt, Expr::value(app.clock.now()))
        .filter(transcoding::Column::Id.eq(id))
        .exec(app.db.writer())
        .await?;
    Ok(())
}

/// The transcoding that a notice is about: by what the service calls it, else by our token.
pub async fn find_spoken_of(
    db: &impl ConnectionTrait,
    job_id: &str,
    token: Option<&str>,
) -> Result<Option<transcoding::Model>> {
    let by_id = transcoding::Entity::find().filter(transcoding::Column::ExternalId.eq(job_id));
    if let Some(found) = by_id.one(db).await? {
        return Ok(Some(found));
    }
    let Some(token) = token else { return Ok(None) };
    let by_token = transcoding::Entity::find()
        .filter(transcoding::Column::Token.eq(token))
        .filter(transcoding::Column::ExternalId.is_null());
    Ok(by_token.one(db).await?)
}

/// One transcoding.
pub async fn find(db: &impl ConnectionTrait, id: i64) -> Result<Option<transcoding::Model>> {
    Ok(transcoding::Entity::find_by_id(id).one(db).await?)
}

/// One transcoding, which nobody else changes until the end of the transaction. Its upload is locked before.
pub async fn lock(write: &Write, id: i64) -> Result<Option<transcoding::Model>> {
    let find = transcoding::Entity::find_by_id(id).lock_exclusive();
    Ok(find.one(&**write).await?)
}

/// Notes what the service calls it.
pub async fn set_external_id(write: &Write, id: i64, external_id: &str) -> Result<()> {
    transcoding::Entity::update_many()
        .col_expr(transcoding::Column::ExternalId, Expr::value(external_id))
        .filter(transcoding::Column::Id.eq(id))
        .exec(&**write)
        .await?;
    Ok(())
}

/// Goes on to a state in which it has not ended.
pub async fn go_on(
    app: &App,
    write: &Write,
    id: i64,
    state: TranscodingState,
    percent: f64,
) -> Result<()> {
    transcoding::Entity::update_many()
        .col_expr(transcoding::Column::State, Expr::value(state))
        .col_expr(transcoding::Column::Percent, Expr::value(percent))
        .col_expr(transcoding::Column::HeardAt, Expr::value(app.clock.now()))
        .filter(transcoding::Column::Id.eq(id))
        .exec(&**write)
        .await?;
    Ok(())
}

/// Ends it.
pub async fn end(
    app: &App,
    write: &Write,
    id: i64,
    state: TranscodingState,
    fault_detail: Option<&str>,
) -> Result<()> {
    let now = app.clock.now();
    transcoding::Entity::update_many()
        .col_expr(transcoding::Column::State, Expr::value(state))
        .col_expr(transcoding::Column::FaultDetail, Expr::value(fault_detail))
        .col_expr(transcoding::Column::HeardAt, Expr::value(now))
        .col_expr(transcoding::Column::EndedAt, Expr::value(Some(now)))
        .filter(transcoding::Column::Id.eq(id))
        .exec(&**write)
        .await?;
    Ok(())
}

/// Ends what is open of an upload, well.
pub async fn complete(app: &App, write: &Write, upload_id: i64) -> Result<()> {
    let state = TranscodingState::Complete;
    transcoding::Entity::update_many()
        .col_expr(transcoding::Column::State, Expr::value(state))
        .col_expr(
            transcoding::Column::EndedAt,
            Expr::value(Some(app.clock.now())),
        )
        .filter(transcoding::Column::UploadId.eq(upload_id))
        .filter(transcoding::Column::State.is_in(OPEN))
        .exec(&**write)
        .await?;
    Ok(())
}

/// The upload whose file as it was sent has this key.
pub async fn find_by_original(
    db: &impl ConnectionTrait,
    key: &str,
) -> Result<Option<upload::Model>> {
    let find = rendition::Entity::find()
        .find_also_related(upload::Entity)
        .filter(rendition::Column::Key.eq(key))
        .filter(rendition::Column::Name.eq(ORIGINAL));
    Ok(find.one(db).await?.and_then(|(_, upload)| upload))
}

/// Forgets messages that came, and transcodings that ended, before a time; answers how many.
pub async fn trim(app: &App, before: DateTime<Utc>) -> Result<u64> {
    let writer = app.db.writer().unbounded();
    let messages = sns_message::Entity::delete_many()
        .filter(sns_message::Column::ReceivedAt.lt(before))
        .exec(writer)
        .await?;
    let ended = transcoding::Entity::delete_many()
        .filter(transcoding::Column::EndedAt.lt(before))
        .exec(writer)
        .await?;
    Ok(messages.rows_affected + ended.rows_affected)
}
