//! How many of her rooms hold something new: the number in the bar of every page.

use super::store::reads;
use crate::app::App;
use crate::entities::{course, enrollment};
use crate::error::Result;
use crate::web::tags::{Noting, Tag};
use backends::cache::Timeout;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};
use std::time::Duration;

/// How long the number is remembered at most.
const KEPT: Timeout = Timeout::After(Duration::from_secs(600));

/// Rooms of hers with something unread; remembered until something is said in one of them, or she reads on.
pub fn count_unread_rooms(app: App, user_id: i64) -> BoxFuture<'static, Result<u64>> {
    async move {
        let key = format!("rooms-unread:{user_id}");
        let tags = [
            Tag::studies(user_id),
            Tag::taught(user_id),
            Tag::rooms_read(user_id),
        ];
        let load = |noting: Noting| count(&app, user_id, noting);
        app.tagged.get_or_set_noting(&key, &tags, KEPT, load).await
    }
    .boxed()
}

async fn count(app: &App, user_id: i64, noting: Noting) -> Result<u64> {
    let db = app.db.read();
    let mut ids: Vec<i64> = enrollment::Entity::find()
        .select_only()
        .column(enrollment::Column::CourseId)
        .filter(enrollment::Column::UserId.eq(user_id))
        .into_tuple()
        .all(db)
        .await?;
    let taught: Vec<i64> = course::Entity::find()
        .select_only()
        .column(course::Column::Id)
        .filter(course::Column::OwnerId.eq(user_id))
        .into_tuple()
        .all(db)
        .await?;
    ids.extend(taught);
    let tags: Vec<Tag> = ids
        .into_iter()
        .flat_map(|id| [Tag::course(id), Tag::room(id)])
        .collect();
    noting.note(&tags).await?;
    let tally = reads::tallies(db, &[user_id]).await?.remove(&user_id);
    let unread = tally.map_or(0, |tally| tally.unread());
    Ok(u64::try_from(unread).unwrap_or(u64::MAX))
}
