//! Why a cache answers little: it has just begun, was emptied, what it holds was changed, or it is too small.

use crate::app::App;
use crate::entities::tag_version;
use crate::error::Result;
use crate::web::identity::Person;
use crate::web::metrics::series::{Range, Slot};
use crate::web::text;
use chrono::TimeDelta;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

/// From this ratio on a cache is warm.
const WARM: f64 = 0.9;

/// So long after its beginning a process still gathers what it remembers.
const YOUNG: TimeDelta = TimeDelta::minutes(15);

/// Whether the caches answer little just now: told by the newest slot in which anything was read.
pub fn is_cold(slots: &[Slot]) -> bool {
    let ratios = slots
        .iter()
        .rev()
        .filter_map(|slot| slot.seen.as_ref()?.hit_ratio);
    ratios.take(1).any(|ratio| ratio < WARM)
}

/// Each reason in a sentence; what is known of emptying and of too little room also while the cache is warm.
///
/// # Errors
/// When the database does not answer.
pub async fn reasons(
    app: &App,
    person: &Person,
    (range, slots): (Range, &[Slot]),
) -> Result<Vec<String>> {
    let is_cold = is_cold(slots);
    let now = app.clock.now();
    let mut reasons = Vec::new();
    for (name, cache) in app.caches.iter() {
        if cache.kind() == "off" {
            reasons.push(format!("The cache “{name}” is off: it keeps nothing."));
        } else if !cache.is_available() {
            reasons.push(format!(
                "The cache “{name}” does not answer: the site goes round it until it does."
            ));
        }
        let emptied = app.history.last_emptied(name);
        if let Some(emptied) = emptied.filter(|emptied| now - emptied.at < TimeDelta::days(1)) {
            let by = match emptied.by.as_str() {
                "" => String::new(),
                by => format!(" by {by}"),
            };
            let when = text::when(emptied.at, now, person.time_zone);
            reasons.push(format!("The cache “{name}” was emptied{by}: {when}."));
        }
    }
    let age = now - app.history.began();
    if is_cold && age < YOUNG && app.caches.iter().any(|(_, cache)| !cache.is_shared()) {
        reasons.push(format!(
            "This process began {}: what is kept in memory begins anew with it.",
            text::ago(app.history.began(), now, person.time_zone)
        ));
    }
    let seen = slots.iter().filter_map(|slot| slot.seen.as_ref());
    let evicted = seen.map(|seen| seen.evictions).sum::<u64>();
    if evicted > 0 {
        reasons.push(format!(
            "It is too small: {} were pushed out in {} for want of room. A larger max_bytes in LYCEUM_CACHE gives it more.",
            text::count(i64::try_from(evicted).unwrap_or(i64::MAX), "entry", "entries"),
            range.words()
        ));
    }
    if is_cold {
        let changed = changed_in_hour(app).await?;
        if changed > 0 {
            reasons.push(format!(
                "{} changed in the last hour (courses, files, messages): what rests on them is made anew when it is asked for.",
                text::count(i64::try_from(changed).unwrap_or(i64::MAX), "thing was", "things were")
            ));
        }
    }
    Ok(reasons)
}

/// How many things were changed in the last hour: their versions are the times of their last change, in microseconds
/// (`db::tag`).
async fn changed_in_hour(app: &App) -> Result<u64> {
    let since = backends::clock::Clock::system().now() - TimeDelta::hours(1);
    let changed = tag_version::Entity::find()
        .filter(tag_version::Column::Version.gte(since.timestamp_micros()))
        .filter(tag_version::Column::Version.lte(since.timestamp_micros() + 2 * 3_600_000_000))
        .count(app.db.read())
        .await?;
    Ok(changed)
}
