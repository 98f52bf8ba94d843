//! Forgetting: one entry, a whole cache, or what rests on a tag.
//!
//! What lies on a server or in a folder is forgotten there, once for all. What lies in memory is in each process by
//! itself: the order goes to all of them over the bus, so that it counts wherever it was given, at a terminal too.

use super::get;
use crate::app::App;
use crate::db::Write;
use crate::error::Result;
use crate::web::audit::{By, Done, Facts, Via, record};
use crate::web::tags::Tag;
use backends::bus::Delivery;
use backends::cache::Cache;
use serde::{Deserialize, Serialize};

/// Who is told.
const GROUP: &str = "caches";

/// What is told on [`GROUP`].
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    /// Name of the cache.
    cache: String,
    /// The entry to be forgotten; all of them when there is none.
    key: Option<String>,
    /// User name of who gave it.
    #[serde(default)]
    by: String,
}

/// Forgets one entry; says whether there was one, as far as this process can see.
///
/// # Errors
/// [`Error::NotFound`](crate::error::Error::NotFound) for a cache that there is not.
pub async fn delete(app: &App, name: &str, key: &str, by: &By) -> Result<bool> {
    let cache = get(app, name)?;
    // Whether it is a key at all.
    cache.name(key)?;
    give(app, by, cache, (name, Some(key))).await?;
    Ok(cache.delete(key).await?)
}

/// Forgets all of a cache; of a server, what is under the cache's prefix. Every process takes note of who ordered it
/// (`by`), for those who wonder later.
///
/// # Errors
/// [`Error::NotFound`](crate::error::Error::NotFound) for a cache that there is not.
pub async fn clear(app: &App, name: &str, by: &By) -> Result<()> {
    let cache = get(app, name)?;
    give(app, by, cache, (name, None)).await?;
    cache.clear().await?;
    app.history.emptied(app.clock.now(), name, called(by));
    Ok(())
}

/// Forgets all that rests on a tag, in every cache of every process.
///
/// # Errors
/// When the database does not answer; then nothing is forgotten.
pub async fn clear_tag(app: &App, tag: Tag, by: &By) -> Result<()> {
    let write = app.write().await?;
    write.changes(tag);
    note(&write, by, "forget", (tag.to_string(), Vec::new())).await?;
    write.commit().await
}

/// Writes an order into the log and tells it to those whom it concerns: first, since what is in a cache is in no
/// transaction, and nothing may be forgotten without a line that says by whom.
async fn give(app: &App, by: &By, cache: &Cache, (name, key): (&str, Option<&str>)) -> Result<()> {
    let order = Order {
        cache: name.to_owned(),
        key: key.map(str::to_owned),
        by: called(by).to_owned(),
    };
    let mut write = app.write().await?;
    let (act, fields) = match key {
        Some(key) => ("forget", vec![("key", key.to_owned())]),
        None => ("empty", Vec::new()),
    };
    note(&write, by, act, (name.to_owned(), fields)).await?;
    // One entry of a server is gone for all; that a whole cache was emptied all take note of.
    if key.is_none() || !cache.is_shared() {
        write.publish(GROUP, &order).await?;
    }
    write.commit().await
}

/// A line of the log.
async fn note(
    write: &Write,
    by: &By,
    act: &str,
    (name, fields): (String, Vec<(&'static str, String)>),
) -> Result<()> {
    let facts = Facts { name, fields };
    let done = Done {
        act,
        kind: "cache",
        id: 0,
        before: None,
        after: Some(&facts),
    };
    record(write, by, done).await
}

/// Who ordered it, for those who wonder why a cache is cold.
fn called(by: &By) -> &str {
    match by.via {
        Via::Terminal => "a command",
        _ => &by.name,
    }
}

/// Carries out what other processes order, for as long as the bus is open.
pub async fn listen(app: App) {
    let mut orders = app.bus.subscribe(GROUP);
    while let Some(delivery) = orders.recv().await {
        let carried_out = match delivery {
            Delivery::Event(event) => match event.decode::<Order>() {
                Ok(order) => carry_out(&app, &order).await,
                Err(error) => {
                    tracing::warn!(%error, "an order to forget could not be read");
                    Ok(())
                }
            },
            // One may be among what was lost.
            Delivery::Lost => clear_own(&app).await,
        };
        if let Err(error) = carried_out {
            tracing::warn!(%error, "an order to forget could not be carried out");
        }
    }
}

async fn carry_out(app: &App, order: &Order) -> Result<()> {
    // A cache that only another process has, or has elsewhere, is none of this one's.
    let Ok(cache) = get(app, &order.cache) else {
        return Ok(());
    };
    if order.key.is_none() {
        app.history
            .emptied(app.clock.now(), &order.cache, &order.by);
    }
    match &order.key {
        _ if cache.is_shared() => {}
        Some(key) => drop(cache.delete(key).await?),
        None => cache.clear().await?,
    }
    Ok(())
}

async fn clear_own(app: &App) -> Result<()> {
    for (_, cache) in app.caches.iter() {
        if !cache.is_shared() {
            cache.clear().await?;
        }
    }
    Ok(())
}
