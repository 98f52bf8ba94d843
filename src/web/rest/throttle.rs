//! How often somebody may ask, as the site is set: visitors by their address, others by their account.
//!
//! Counted in the cache that the nodes share, in windows that begin at whole multiples of their length: one atomic
//! step a request, so that many at once are counted one by one. While that cache is away each process counts alone.

use crate::app::App;
use crate::config::Rate;
use crate::error::{Error, Result};
use crate::web::throttle::place;
use backends::cache::{Cache, CacheError, Timeout};
use std::net::IpAddr;
use std::time::Duration;

/// The scope of all that changes something.
pub const WRITE: &str = "write";

/// Counts a request, of somebody or from an address, and again in its scope.
///
/// # Errors
/// [`Error::TooMany`] when there were too many; it says when the next one is heard.
pub async fn count(
    app: &App,
    scope: Option<&str>,
    person_id: Option<i64>,
    address: IpAddr,
) -> Result<()> {
    let (rate, name) = match person_id {
        Some(id) => (app.config.api_user_rate, format!("user:{id}")),
        None => (
            app.config.api_visitor_rate,
            format!("address:{}", place(address)),
        ),
    };
    if let Some(rate) = rate {
        hold(app, rate, &name).await?;
    }
    match (scope, app.config.api_write_rate) {
        (Some(WRITE), Some(rate)) => hold(app, rate, &format!("{WRITE}:{name}")).await,
        _ => Ok(()),
    }
}

async fn hold(app: &App, rate: Rate, name: &str) -> Result<()> {
    let now = u64::try_from(app.clock.now().timestamp()).unwrap_or(0);
    let window = now / rate.seconds;
    let key = format!("api-rate:{name}:{window}");
    let asked = match count_in(&app.counts.shared, &key, rate).await {
        Err(CacheError::Unavailable) => count_in(&app.counts.here, &key, rate).await?,
        counted => counted?,
    };
    if asked <= i64::from(rate.requests) {
        return Ok(());
    }
    let left = rate.seconds - now % rate.seconds;
    Err(Error::TooMany {
        message: format!("Request was throttled. Expected available in {left} seconds."),
        retry_after_seconds: left,
    })
}

/// How many there were in this window, this one included.
async fn count_in(counts: &Cache, key: &str, rate: Rate) -> Result<i64, CacheError> {
    // Twice as long, for nodes whose clocks differ.
    let lifetime = Timeout::After(Duration::from_secs(rate.seconds * 2));
    counts.count(key, 1, lifetime).await
}
