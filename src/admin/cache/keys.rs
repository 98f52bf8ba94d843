//! Looking one key up, and forgetting its entry.

use super::value::{READABLE, Shown, is_readable, show, space_of};
use super::{get, orders};
use crate::admin::site::Side;
use crate::app::App;
use crate::error::{Error, Problems, Result};
use crate::web::extract::Query;
use crate::web::form::{FaultLine, Field, Form, fault_lines};
use crate::web::identity::{Person, Staff};
use crate::web::permissions::admin::STAFF;
use crate::web::shell::{Place, Shell, page_with};
use crate::web::text;
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use backends::cache::{Cache, CacheError, Lasting};
use serde::Deserialize;

/// Longer keys are no keys of anything, in bytes.
const MOST_KEY_BYTES: usize = 2_000;

/// What lies under a key.
#[derive(Template)]
#[template(path = "admin/cache_key.html")]
struct KeyPage {
    shell: Shell,
    side: Side,
    choices: Vec<(String, bool)>,
    cache: String,
    key: Field,
    faults: Vec<FaultLine>,
    /// The name under which other programs find it.
    stored_as: String,
    found: Option<Found>,
    is_forgotten: bool,
    is_shared: bool,
    /// The key spaces whose values are shown.
    readable: String,
}

/// An entry.
struct Found {
    ends: String,
    ends_exact: String,
    size: String,
    /// What it holds, where that is shown.
    shown: Option<Shown>,
}

/// What stands in the address.
#[derive(Debug, Deserialize)]
pub struct Asked {
    cache: Option<String>,
    key: Option<String>,
    forgotten: Option<String>,
}

/// GET `/admin/cache/key/?cache=<name>&key=<key>`. Looking counts neither as a hit nor as a miss.
pub async fn look(
    State(app): State<App>,
    Staff(person): Staff,
    side: Side,
    shell: Shell,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let name = asked.cache.unwrap_or_else(|| "default".into());
    let key = asked.key.unwrap_or_default().trim().to_owned();
    let cache = get(&app, &name)?;
    let mut problems = Problems::new();
    let found = match find(cache, &key).await {
        Ok(found) => found,
        Err(words) => {
            problems.add("key", words);
            None
        }
    };
    let status = if problems.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let found = found.map(|(value, lasting)| entry(&app, &person, &key, &value, lasting));
    page_with(
        status,
        &KeyPage {
            shell: shell.at(Place::Admin),
            is_forgotten: asked.forgotten.is_some() && side.is_told && found.is_none(),
            side,
            choices: super::choices(&app, &name),
            stored_as: cache.name(&key).unwrap_or_default(),
            is_shared: cache.is_shared(),
            readable: READABLE.join(", "),
            cache: name,
            faults: fault_lines(&problems),
            key: Field::new("key", key, &problems),
            found,
        },
    )
}

/// The entry under a key; what is wrong is told in words for who typed it.
pub async fn find(cache: &Cache, key: &str) -> Result<Option<(bytes::Bytes, Lasting)>, String> {
    if key.is_empty() {
        return Err("Type a key, for example course:7.".into());
    }
    if key.len() > MOST_KEY_BYTES {
        return Err(format!("A key has at most {MOST_KEY_BYTES} bytes."));
    }
    cache.peek(key).await.map_err(|error| match error {
        CacheError::BadKey(_) => "A key has no spaces and no control characters.".into(),
        CacheError::Unavailable => {
            "The cache does not answer. Please try again when it does.".into()
        }
        other => other.to_string(),
    })
}

fn entry(app: &App, person: &Person, key: &str, value: &[u8], lasting: Lasting) -> Found {
    let is_shown = is_readable(key);
    let (ends, ends_exact) = match lasting {
        Lasting::Forever => ("Never".to_owned(), String::new()),
        Lasting::Unknown => ("The backend does not say".to_owned(), String::new()),
        Lasting::Left(left) => {
            let now = app.clock.now();
            let left_delta = chrono::TimeDelta::from_std(left).unwrap_or_default();
            let exact = now.checked_add_signed(left_delta);
            (
                format!("In {}", text::span(left.as_secs_f64().ceil())),
                exact.map_or_else(String::new, |at| text::exact(at, person.time_zone)),
            )
        }
    };
    Found {
        ends,
        ends_exact,
        // The length of a count would tell of it, too.
        size: if is_shown {
            text::size(i64::try_from(value.len()).unwrap_or(i64::MAX))
        } else {
            String::new()
        },
        shown: is_shown.then(|| show(value)),
    }
}

impl KeyPage {
    fn space(&self) -> &str {
        match space_of(&self.key.value) {
            "" => "(none)",
            space => space,
        }
    }
}

/// POST `/admin/cache/key/`, fields `cache` and `key`: forgets the entry.
pub async fn delete(State(app): State<App>, side: Side, form: Form) -> Result<Response> {
    side.require(STAFF)?;
    let (name, key) = (form.text("cache"), form.text("key"));
    if key.is_empty() || key.len() > MOST_KEY_BYTES || get(&app, name)?.name(key).is_err() {
        return Err(Error::BadRequest(
            "There is no such key: a key has no spaces and no control characters.".into(),
        ));
    }
    let by = side.by(&app);
    let was_there = orders::delete(&app, name, key, &by).await?;
    tracing::info!(
        by = by.name,
        cache = name,
        key,
        was_there,
        "a cache entry was deleted"
    );
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    pairs.append_pair("cache", name).append_pair("key", key);
    pairs.append_pair("forgotten", "yes");
    let path = format!("{}key/?{}", super::PATH, pairs.finish());
    side.lead(&app, &path)
}
