//! `/api/caches/`: the caches of the site, as this process sees them, and forgetting what they hold. For staff.

use super::{get, orders};
use crate::app::App;
use crate::error::{Error, Result};
use crate::web::audit::By;
use crate::web::rest::{
    Access, Answer, Call, Cell, Declared, FIELDS, Field, IS_STAFF, Kind, Operation, Resource,
    declared,
};
use crate::web::scopes::Scope;
use crate::web::tags::Tag;
use axum::http::Method;
use backends::cache::Cache;

/// A cache as programs see it.
struct CacheRow {
    name: String,
    kind: &'static str,
    is_available: bool,
    is_shared: bool,
    hits: i64,
    misses: i64,
    writes: i64,
    faults: i64,
}

const CACHE: [Field<CacheRow>; 8] = [
    Field::new(
        "name",
        Kind::Text,
        "Its name in the configuration.",
        |row| Cell::text(&row.name),
    ),
    Field::new(
        "kind",
        Kind::Text,
        "What it is: memory, redis, ...",
        |row| Cell::text(row.kind),
    ),
    Field::new("available", Kind::Boolean, "Whether it answers.", |row| {
        Cell::Boolean(row.is_available)
    }),
    Field::new(
        "shared",
        Kind::Boolean,
        "Whether all processes share it.",
        |row| Cell::Boolean(row.is_shared),
    ),
    Field::new(
        "hits",
        Kind::Integer,
        "Reads of this process that found something.",
        |row| Cell::Integer(row.hits),
    ),
    Field::new("misses", Kind::Integer, "Reads that did not.", |row| {
        Cell::Integer(row.misses)
    }),
    Field::new("writes", Kind::Integer, "Values stored.", |row| {
        Cell::Integer(row.writes)
    }),
    Field::new(
        "faults",
        Kind::Integer,
        "Calls that were not answered.",
        |row| Cell::Integer(row.faults),
    ),
];

const FORGET: [Declared; 3] = [
    Declared::taken(
        "cache",
        Kind::ShortText(100),
        Access::Optional,
        "The name of a cache, or * for all of them.",
    ),
    Declared::taken(
        "key",
        Kind::ShortText(2_000),
        Access::Optional,
        "One entry of it; everything when nothing is said.",
    ),
    Declared::taken(
        "tag",
        Kind::ShortText(100),
        Access::Optional,
        "What rests on a tag, such as course:7, upload:7, person:7 or catalogue, in place of a cache.",
    ),
];

/// `/api/caches/`
pub fn caches() -> Resource {
    Resource::new(
        "caches",
        "Cache",
        "What the site remembers, as the process sees it that answers. For staff.",
    )
    .all(
        Operation::new(Method::GET, "The caches and how useful they are.", show)
            .only(IS_STAFF)
            .list()
            .looks_at(&[FIELDS])
            .answers(declared(&CACHE)),
    )
    .action_on_all(
        "forget",
        "Forget",
        "Forgets an entry, a cache, or what rests on a tag. Nothing is lost for good.",
        Operation::new(Method::POST, "Forgets it.", forget)
            .only(IS_STAFF)
            .within(Scope::Admin)
            .takes(FORGET.to_vec())
            .without_answer(),
    )
}

async fn show(call: Call) -> Result<Answer> {
    let mut rows = Vec::new();
    for (name, cache) in call.app.caches.iter() {
        rows.push(row(name, cache).await);
    }
    call.many(&CACHE, &rows)
}

async fn row(name: &str, cache: &Cache) -> CacheRow {
    let report = cache.report().await;
    let sum = |figure: fn(&backends::cache::SpaceReport) -> u64| {
        let sum: u64 = report.spaces.iter().map(figure).sum();
        i64::try_from(sum).unwrap_or(i64::MAX)
    };
    CacheRow {
        name: name.to_owned(),
        kind: report.kind,
        is_available: report.is_available,
        is_shared: cache.is_shared(),
        hits: sum(|space| space.hits),
        misses: sum(|space| space.misses),
        writes: sum(|space| space.writes),
        faults: sum(|space| space.faults),
    }
}

async fn forget(call: Call) -> Result<Answer> {
    let given = call.given.checked()?;
    let (cache, key, tag) = (given.text("cache"), given.text("key"), given.text("tag"));
    let by = call.by()?;
    match (cache, key, tag) {
        (None, None, Some(tag)) => {
            let tag: Tag = tag.parse().map_err(|_| {
                let words = "Tags are written as course:7, upload:7, person:7 or catalogue.";
                Error::invalid("tag", words)
            })?;
            orders::clear_tag(&call.app, tag, &by).await?;
            tracing::info!(by = by.name, %tag, "what rests on a tag was forgotten");
        }
        (Some("*"), None, None) => {
            for (name, _) in call.app.caches.iter() {
                orders::clear(&call.app, name, &by).await?;
            }
            tracing::info!(by = by.name, "all caches were emptied");
        }
        (Some(name), key, None) => {
            forget_in(&call.app, (name, key), &by).await?;
            tracing::info!(by = by.name, cache = name, "a cache was asked to forget");
        }
        _ => {
            let words = "Name a cache, a cache and a key, or a tag.";
            return Err(Error::invalid("cache", words));
        }
    }
    Ok(Answer::nothing())
}

async fn forget_in(app: &App, (name, key): (&str, Option<&str>), by: &By) -> Result<()> {
    let Ok(cache) = get(app, name) else {
        return Err(Error::invalid("cache", "There is no cache of this name."));
    };
    let Some(key) = key else {
        return orders::clear(app, name, by).await;
    };
    // Whether it is a key at all.
    if let Err(words) = super::keys::find(cache, key).await {
        return Err(Error::invalid("key", words));
    }
    orders::delete(app, name, key, by).await.map(|_| ())
}
