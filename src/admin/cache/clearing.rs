//! Emptying a cache, all of them, or what rests on a tag. Asks first.

use super::{PATH, get, orders};
use crate::admin::site::Side;
use crate::app::App;
use crate::error::{Error, Result};
use crate::web::extract::Query;
use crate::web::form::Form;
use crate::web::identity::Staff;
use crate::web::permissions::admin::STAFF;
use crate::web::shell::{Place, Shell, page};
use crate::web::tags::Tag;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use backends::cache::Cache;
use serde::Deserialize;

/// The page that asks.
#[derive(Template)]
#[template(path = "admin/cache_clear.html")]
struct ClearPage {
    shell: Shell,
    side: Side,
    heading: String,
    words: &'static str,
    further: Vec<&'static str>,
    field: &'static str,
    value: String,
    submit: &'static str,
}

/// What stands in the address: one of the two.
#[derive(Debug, Deserialize)]
pub struct Asked {
    cache: Option<String>,
    tag: Option<String>,
}

/// What is to be forgotten.
enum Doomed {
    /// One cache.
    Cache(String),
    /// All of them.
    All,
    /// What rests on a tag.
    Tag(Tag),
}

impl Doomed {
    /// Of what was sent; `cache` is a name or `*`.
    fn read(app: &App, cache: &str, tag: &str) -> Result<Self> {
        match (cache, tag) {
            ("*", "") => Ok(Self::All),
            ("", tag) => tag
                .parse()
                .map(Self::Tag)
                .map_err(|_| Error::BadRequest(
                    "There is no such tag. Tags are written as course:7, upload:7, person:7 or catalogue.".into(),
                )),
            (name, _) => get(app, name).map(|_| Self::Cache(name.to_owned())),
        }
    }
}

/// GET `/admin/cache/clear/?cache=<name or *>` or `?tag=<tag>`: asks whether to forget it.
pub async fn ask(
    State(app): State<App>,
    Staff(_): Staff,
    side: Side,
    shell: Shell,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let text = |value: &Option<String>| value.as_deref().unwrap_or("").trim().to_owned();
    let shell = shell.at(Place::Admin);
    let doomed = Doomed::read(&app, &text(&asked.cache), &text(&asked.tag))?;
    page(&match doomed {
        Doomed::Cache(name) => ClearPage {
            shell,
            side,
            heading: format!("Empty the cache {name}?"),
            words: "What it holds is made anew when it is asked for; until then the site is slower. Nothing is lost for good.",
            further: further(&app, &[&name]),
            field: "cache",
            value: name,
            submit: "Empty it",
        },
        Doomed::All => ClearPage {
            shell,
            side,
            heading: "Empty all caches?".into(),
            words: "What they hold is made anew when it is asked for; until then the site is slower. Nothing is lost for good.",
            further: further(
                &app,
                &app.caches.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            ),
            field: "cache",
            value: "*".into(),
            submit: "Empty them",
        },
        Doomed::Tag(tag) => ClearPage {
            shell,
            side,
            heading: format!("Forget what rests on {tag}?"),
            words: "Every kept page and value that was made from it is made anew when it is asked for, on every node and in every cache. Nothing is lost for good.",
            further: Vec::new(),
            field: "tag",
            value: tag.to_string(),
            submit: "Forget it",
        },
    })
}

/// What one should know before.
fn further(app: &App, names: &[&str]) -> Vec<&'static str> {
    let mut further = Vec::new();
    let caches = || names.iter().filter_map(|name| get(app, name).ok());
    let has_own = app.caches.iter().any(|(name, _)| name == "counts");
    let counts = if has_own { "counts" } else { "default" };
    if app.counts.shared.is_shared() && names.contains(&counts) {
        further.push("Counts of wrong passwords begin anew.");
    }
    if caches().any(Cache::is_shared) {
        further.push(
            "On servers only what is under the site's prefix goes, and nothing of other programs.",
        );
    }
    if caches().any(|cache| !cache.is_shared()) {
        further.push("What is in memory goes in every process of the site.");
    }
    if caches().any(|cache| !cache.is_available()) {
        further.push(
            "It does not answer now: it is emptied as soon as it does, before anybody reads it.",
        );
    }
    further
}

/// POST `/admin/cache/clear/`, field `cache` (a name or `*`) or `tag`: forgets it.
pub async fn clear(State(app): State<App>, side: Side, form: Form) -> Result<Response> {
    side.require(STAFF)?;
    let doomed = Doomed::read(&app, form.text("cache"), form.text("tag"))?;
    let by = side.by(&app);
    let done = match doomed {
        Doomed::Cache(name) => {
            orders::clear(&app, &name, &by).await?;
            tracing::info!(by = by.name, cache = name, "a cache was emptied");
            "cache"
        }
        Doomed::All => {
            for (name, _) in app.caches.iter() {
                orders::clear(&app, name, &by).await?;
            }
            tracing::info!(by = by.name, "all caches were emptied");
            "all"
        }
        Doomed::Tag(tag) => {
            orders::clear_tag(&app, tag, &by).await?;
            tracing::info!(by = by.name, %tag, "what rests on a tag was forgotten");
            "tag"
        }
    };
    side.lead(&app, &format!("{PATH}?done={done}"))
}
