//! Which pictures were sent to a room, and which line shows which.

use crate::chat::frames::Picture;
use crate::chat::pictures::NamedPicture;
use crate::db::Write;
use crate::entities::upload::{UploadKind, UploadState};
use crate::entities::{chat_picture, rendition, upload};
use crate::error::Result;
use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _,
    FromQueryResult, JoinType, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, RelationTrait as _,
};
use std::collections::{BTreeSet, HashMap};

/// How the names of the sizes of a picture begin.
const SIZES: &str = "image-";

/// A picture that was sent to a room.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Who sent it.
    pub owner_id: i64,
    /// What it is; who sent something else by other ways has no picture.
    pub kind: UploadKind,
    /// How its processing stands.
    pub state: UploadState,
    /// Whether a line shows it.
    pub is_said: bool,
    /// As lines show it, without words.
    pub picture: Picture,
}

/// Notes that a file was sent to a room.
pub async fn insert(write: &Write, course_id: i64, upload_id: i64) -> Result<()> {
    let row = chat_picture::ActiveModel {
        upload_id: Set(upload_id),
        course_id: Set(course_id),
        line_id: Set(None),
        position: Set(0),
        alt: Set(String::new()),
    };
    chat_picture::Entity::insert(row)
        .exec_without_returning(&**write)
        .await?;
    Ok(())
}

/// How many pictures somebody has sent to rooms since then.
pub async fn count_sent(
    db: &impl ConnectionTrait,
    owner_id: i64,
    since: DateTime<Utc>,
) -> Result<u64> {
    let sent = chat_picture::Entity::find()
        .join(JoinType::InnerJoin, chat_picture::Relation::Upload.def())
        .filter(upload::Column::OwnerId.eq(owner_id))
        .filter(upload::Column::CreatedAt.gt(since));
    Ok(sent.count(db).await?)
}

/// Of these, those that were sent to this room, held until the end of the transaction.
pub async fn hold(
    write: &Write,
    course_id: i64,
    upload_ids: &BTreeSet<i64>,
) -> Result<HashMap<i64, Sent>> {
    if upload_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let held = chat_picture::Entity::find()
        .filter(chat_picture::Column::CourseId.eq(course_id))
        .filter(chat_picture::Column::UploadId.is_in(upload_ids.iter().copied()))
        .order_by_asc(chat_picture::Column::UploadId)
        .lock_exclusive()
        .all(&**write)
        .await?;
    let ids = || held.iter().map(|row| row.upload_id);
    let uploads = upload::Entity::find().filter(upload::Column::Id.is_in(ids()));
    let uploads = uploads.all(&**write).await?;
    let mut uploads: HashMap<i64, upload::Model> =
        uploads.into_iter().map(|row| (row.id, row)).collect();
    let sizes = rendition::Entity::find()
        .filter(rendition::Column::UploadId.is_in(ids()))
        .filter(rendition::Column::Name.starts_with(SIZES))
        .order_by_asc(rendition::Column::Width)
        .all(&**write)
        .await?;
    let sent = held.iter().filter_map(|row| {
        let file = uploads.remove(&row.upload_id)?;
        let mut picture = Picture {
            upload: row.upload_id,
            ..Picture::default()
        };
        for size in sizes.iter().filter(|size| size.upload_id == file.id) {
            add_size(&mut picture, &size.name, (size.width, size.height));
        }
        let sent = Sent {
            owner_id: file.owner_id,
            kind: file.kind,
            state: file.state,
            is_said: row.line_id.is_some(),
            picture,
        };
        Some((file.id, sent))
    });
    Ok(sent.collect())
}

/// The first is the smallest; the last that is added stays the largest.
fn add_size(picture: &mut Picture, name: &str, (width, height): (Option<i32>, Option<i32>)) {
    picture.url = format!("/media/{}/{name}", picture.upload);
    if picture.small_url.is_empty() {
        picture.small_url.clone_from(&picture.url);
    }
    picture.width = width.unwrap_or(0);
    picture.height = height.unwrap_or(0);
}

/// Puts pictures that are [held](hold) into a line, in their order.
pub async fn set_line(
    write: &Write,
    (course_id, line_id): (i64, i64),
    pictures: &[NamedPicture],
) -> Result<()> {
    for (position, picture) in (0..).zip(pictures) {
        let row = chat_picture::ActiveModel {
            line_id: Set(Some(line_id)),
            position: Set(position),
            alt: Set(picture.alt.clone()),
            ..Default::default()
        };
        chat_picture::Entity::update_many()
            .set(row)
            .filter(chat_picture::Column::UploadId.eq(picture.upload_id))
            .filter(chat_picture::Column::CourseId.eq(course_id))
            .exec(&**write)
            .await?;
    }
    Ok(())
}

/// Takes the pictures out of a line; answers the numbers of their uploads, which nothing shows any more.
pub async fn forget(write: &Write, course_id: i64, line_id: i64) -> Result<Vec<i64>> {
    let of_line = || {
        Condition::all()
            .add(chat_picture::Column::CourseId.eq(course_id))
            .add(chat_picture::Column::LineId.eq(line_id))
    };
    let ids: Vec<i64> = chat_picture::Entity::find()
        .select_only()
        .column(chat_picture::Column::UploadId)
        .filter(of_line())
        .order_by_asc(chat_picture::Column::UploadId)
        .into_tuple()
        .all(&**write)
        .await?;
    if !ids.is_empty() {
        chat_picture::Entity::delete_many()
            .filter(of_line())
            .exec(&**write)
            .await?;
    }
    Ok(ids)
}

/// Whether a line shows pictures.
pub async fn are_there(write: &Write, course_id: i64, line_id: i64) -> Result<bool> {
    let find = chat_picture::Entity::find()
        .filter(chat_picture::Column::CourseId.eq(course_id))
        .filter(chat_picture::Column::LineId.eq(line_id));
    Ok(find.count(&**write).await? > 0)
}

/// One size of a picture in a line.
#[derive(FromQueryResult)]
struct Size {
    line_id: i64,
    upload_id: i64,
    alt: String,
    name: String,
    width: Option<i32>,
    height: Option<i32>,
}

/// The pictures of lines, by line, in one query.
pub async fn of_lines(
    db: &impl ConnectionTrait,
    course_id: i64,
    line_ids: impl IntoIterator<Item = i64>,
) -> Result<HashMap<i64, Vec<Picture>>> {
    let line_ids: BTreeSet<i64> = line_ids.into_iter().collect();
    if line_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let sizes = chat_picture::Entity::find()
        .select_only()
        .columns([
            chat_picture::Column::LineId,
            chat_picture::Column::UploadId,
            chat_picture::Column::Alt,
        ])
        .columns([
            rendition::Column::Name,
            rendition::Column::Width,
            rendition::Column::Height,
        ])
        .join(JoinType::InnerJoin, chat_picture::Relation::Rendition.def())
        .filter(chat_picture::Column::CourseId.eq(course_id))
        .filter(chat_picture::Column::LineId.is_in(line_ids))
        .filter(rendition::Column::Name.starts_with(SIZES))
        .order_by_asc(chat_picture::Column::Position)
        .order_by_asc(rendition::Column::Width)
        .into_model::<Size>()
        .all(db)
        .await?;
    let mut lines: HashMap<i64, Vec<Picture>> = HashMap::new();
    for size in sizes {
        let pictures = lines.entry(size.line_id).or_default();
        if pictures
            .last()
            .is_none_or(|last| last.upload != size.upload_id)
        {
            pictures.push(Picture {
                upload: size.upload_id,
                alt: size.alt,
                ..Picture::default()
            });
        }
        if let Some(picture) = pictures.last_mut() {
            add_size(picture, &size.name, (size.width, size.height));
        }
    }
    Ok(lines)
}
