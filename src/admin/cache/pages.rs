//! The page of all caches.

use super::figures::{self, CacheView, Wanted};

use crate::admin::site::Side;
use crate::app::App;
use crate::error::{Problems, Result};
use crate::web::extract::Query;
use crate::web::form::Field;
use crate::web::fragments;
use crate::web::identity::Staff;
use crate::web::metrics::Span;
use crate::web::shell::{Place, Shell, page};
use crate::web::text;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use futures::future::join_all;
use serde::Deserialize;

/// The page of all caches.
#[derive(Template)]
#[template(path = "admin/cache.html")]
struct OverviewPage {
    shell: Shell,
    side: Side,
    since: String,
    since_exact: String,
    since_machine: String,
    is_day: bool,
    done: Option<&'static str>,
    caches: Vec<CacheView>,
    choices: Vec<(String, bool)>,
    key: Field,
    example: String,
}

/// What stands in the address. What cannot be understood counts as not said.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    of: Option<String>,
    space: Option<String>,
    range: Option<String>,
    done: Option<String>,
}

/// GET `/admin/cache/?range=hour|day&of=<cache>&space=<key space>`.
pub async fn overview(
    State(app): State<App>,
    Staff(person): Staff,
    side: Side,
    shell: Shell,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let is_day = asked.range.as_deref() == Some("day");
    let wanted = Wanted {
        person: &person,
        span: if is_day { Span::Day } else { Span::Hour },
        chosen: asked.of.as_deref().zip(asked.space.as_deref()),
    };
    let views = app
        .caches
        .iter()
        .map(|(name, cache)| figures::view(&app, &wanted, name, cache));
    let caches = join_all(views).await;
    let began = app.history.began();
    page(&OverviewPage {
        shell: shell.at(Place::Admin),
        done: asked
            .done
            .as_deref()
            .filter(|_| side.is_told)
            .and_then(done_words),
        side,
        since: text::when(began, app.clock.now(), person.time_zone),
        since_exact: text::exact(began, person.time_zone),
        since_machine: text::machine(began),
        is_day,
        choices: super::choices(&app, "default"),
        key: Field::new("key", "", &Problems::new()),
        caches,
        example: format!(
            "fragment:{}:subjects:0::en",
            fragments::edition(&app.config)
        ),
    })
}

/// What is told after something was done; the address names it, and says nothing of its own.
fn done_words(done: &str) -> Option<&'static str> {
    match done {
        "cache" => Some("The cache is emptied."),
        "all" => Some("All caches are emptied."),
        "tag" => Some("All that rests on the tag is forgotten, in every cache."),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::done_words;

    #[test]
    fn only_words_of_ours_are_told() {
        assert!(done_words("tag").is_some());
        assert!(done_words("<b>pay here</b>").is_none());
    }
}
