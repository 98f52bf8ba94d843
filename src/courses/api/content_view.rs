//! A content as its authors see it.

use crate::entities::content;
use crate::entities::item::{self, ItemKind, TextFormat};
use crate::error::Result;
use crate::web::rest::{Access, Cell, Field, Kind};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use std::collections::HashMap;

/// A content with its item.
pub struct ContentRow {
    /// Its place.
    pub content: content::Model,
    /// What is shown there.
    pub item: item::Model,
}

/// The five kinds.
pub const KINDS: [&str; 5] = ["text", "file", "image", "video", "audio"];

/// The kind as it stands in answers.
pub fn word(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Text => "text",
        ItemKind::File => "file",
        ItemKind::Image => "image",
        ItemKind::Video => "video",
        ItemKind::Audio => "audio",
    }
}

fn format_of(row: &ContentRow) -> Cell<'_> {
    match (row.item.kind, row.item.format) {
        (ItemKind::Text, TextFormat::Plain) => Cell::text("plain"),
        (ItemKind::Text, TextFormat::Markdown) => Cell::text("markdown"),
        _ => Cell::Null,
    }
}

fn number(value: Option<i64>) -> Cell<'static> {
    value.map_or(Cell::Null, Cell::Integer)
}

/// What is answered of a content.
pub const CONTENT: [Field<ContentRow>; 13] = [
    Field::new("id", Kind::Integer, "Its number.", |row| {
        Cell::Integer(row.content.id)
    }),
    Field::new(
        "module",
        Kind::Reference("modules"),
        "The number of its module, where it stays.",
        |row| Cell::Integer(row.content.module_id),
    ),
    Field::new(
        "order",
        Kind::Integer,
        "Its place in the module, from 0.",
        |row| Cell::Integer(row.content.order),
    ),
    Field::new(
        "kind",
        Kind::Choice(&KINDS),
        "What it is, for good.",
        |row| Cell::text(word(row.item.kind)),
    ),
    Field::<ContentRow>::new(
        "title",
        Kind::ShortText(250),
        "What it is called; a file's own name when nothing is said.",
        |row| Cell::text(&row.item.title),
    )
    .set_by_caller(Access::Optional),
    Field::<ContentRow>::new("content", Kind::Text, "The words of a text.", |row| {
        row.item.body.as_deref().map_or(Cell::Null, Cell::text)
    })
    .or_null()
    .set_by_caller(Access::Optional),
    Field::<ContentRow>::new(
        "format",
        Kind::Choice(&["plain", "markdown"]),
        "How a text is written; plain when nothing is said.",
        format_of,
    )
    .or_null()
    .set_by_caller(Access::Optional),
    Field::<ContentRow>::new(
        "url",
        Kind::Url,
        "The page of a video at YouTube or Vimeo, in place of an upload.",
        |row| row.item.url.as_deref().map_or(Cell::Null, Cell::text),
    )
    .or_null()
    .set_by_caller(Access::Optional),
    Field::<ContentRow>::new(
        "upload",
        Kind::Reference("uploads"),
        "The number of the file that it shows, one of yours.",
        |row| number(row.item.upload_id),
    )
    .or_null()
    .set_by_caller(Access::Optional),
    Field::<ContentRow>::new(
        "next_upload",
        Kind::Reference("uploads"),
        "The file that takes its place when it is ready.",
        |row| number(row.item.next_upload_id),
    )
    .or_null(),
    Field::<ContentRow>::new(
        "allow_download",
        Kind::Boolean,
        "Whether students may download a film.",
        |row| Cell::Boolean(row.item.allow_download),
    )
    .set_by_caller(Access::Optional),
    Field::new("created", Kind::Time, "When it was made.", |row| {
        Cell::Time(row.item.created_at)
    }),
    Field::new("updated", Kind::Time, "When it was last changed.", |row| {
        Cell::Time(row.item.updated_at)
    }),
];

/// These contents with their items, in the same order; one query.
///
/// # Errors
/// When the database does not answer.
pub async fn dress(
    db: &impl ConnectionTrait,
    rows: Vec<content::Model>,
) -> Result<Vec<ContentRow>> {
    let ids = rows.iter().map(|row| row.item_id);
    let items = item::Entity::find().filter(item::Column::Id.is_in(ids));
    let items = items.all(db).await?.into_iter();
    let items: HashMap<i64, item::Model> = items.map(|item| (item.id, item)).collect();
    let dressed = rows.into_iter().filter_map(|content| {
        let item = items.get(&content.item_id)?.clone();
        Some(ContentRow { content, item })
    });
    Ok(dressed.collect())
}
