//! Wrong passwords are counted, right ones are not.
//!
//! Ten failures for a name from an address within five minutes, or two hundred from an
//! address, and the next tries from there wait a minute. Other things have [limits](Limit) of their own. The counts live in the cache, so that
//! nodes that share one share them too; while it is off or does not answer, in this process.

use crate::app::App;
use crate::error::{Error, Result};
use crate::web::sessions::hash;
use backends::cache::{Cache, CacheError, Timeout};
use chrono::{DateTime, Utc};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// How often something may go wrong, or be asked for, before there is a pause.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// What its counts are called in the cache.
    pub name: &'static str,
    /// With so many the pause begins.
    pub most: i64,
    /// Within this time they are counted together.
    pub window: Duration,
    /// How long the pause lasts.
    pub wait: Duration,
    /// What is told during the pause.
    pub words: &'static str,
}

const LOGIN_OF_A_NAME: Limit = Limit {
    name: "login",
    most: 10,
    window: Duration::from_secs(5 * 60),
    wait: Duration::from_secs(60),
    words: "Too many wrong tries. Please wait a minute, then try again.",
};
const LOGIN_FROM_AN_ADDRESS: Limit = Limit {
    most: 200,
    ..LOGIN_OF_A_NAME
};

/// Who is counted as one: an IPv4 address, or the network of 2^64 IPv6 addresses that a
/// single customer is given.
pub fn place(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        address @ IpAddr::V4(_) => address,
    }
}

fn name_key(username: &str, address: IpAddr) -> String {
    hash(&format!("{} {username}", place(address)))
}

/// May this name be tried from this address?
///
/// # Errors
/// [`Error::TooMany`] while it has to wait.
pub async fn check(app: &App, username: &str, address: IpAddr) -> Result<()> {
    check_limit(app, &LOGIN_OF_A_NAME, &name_key(username, address)).await?;
    check_address(app, address).await
}

/// May anything be tried from this address?
///
/// # Errors
/// [`Error::TooMany`] while it has to wait.
pub async fn check_address(app: &App, address: IpAddr) -> Result<()> {
    check_limit(app, &LOGIN_FROM_AN_ADDRESS, &address_key(address)).await
}

/// Notes a wrong password.
pub async fn failed(app: &App, username: &str, address: IpAddr) -> Result<()> {
    count(app, &LOGIN_OF_A_NAME, &name_key(username, address)).await?;
    failed_address(app, address).await
}

/// Notes a wrong key.
pub async fn failed_address(app: &App, address: IpAddr) -> Result<()> {
    count(app, &LOGIN_FROM_AN_ADDRESS, &address_key(address)).await?;
    Ok(())
}

/// What counts of an address go by.
pub fn address_key(address: IpAddr) -> String {
    hash(&place(address).to_string())
}

/// Is there no pause for this key?
///
/// # Errors
/// [`Error::TooMany`] while it lasts.
pub async fn check_limit(app: &App, limit: &Limit, key: &str) -> Result<()> {
    let key = format!("{}-wait:{key}", limit.name);
    let mut until: Option<DateTime<Utc>> = app.counts.here.get(&key).await?;
    if until.is_none() {
        until = app.counts.shared.get(&key).await?;
    }
    let Some(until) = until else {
        return Ok(());
    };
    let left = (until - app.clock.now()).num_seconds();
    Err(Error::TooMany {
        message: limit.words.into(),
        retry_after_seconds: u64::try_from(left)
            .unwrap_or(0)
            .clamp(1, limit.wait.as_secs()),
    })
}

/// Counts once more for this key; answers whether a pause begins with it.
pub async fn count(app: &App, limit: &Limit, key: &str) -> Result<bool> {
    match count_in(app, &app.counts.shared, limit, key).await {
        Err(CacheError::Unavailable) => Ok(count_in(app, &app.counts.here, limit, key).await?),
        counted => Ok(counted?),
    }
}

/// Counts once more for this key, and only then looks whether there is a pause: of many at once no more get through than of
/// one after the other. With the limit itself the pause begins, so that one less gets through.
///
/// # Errors
/// [`Error::TooMany`] when there is one.
pub async fn pace(app: &App, limit: &Limit, key: &str) -> Result<()> {
    check_limit(app, limit, key).await?;
    count(app, limit, key).await?;
    check_limit(app, limit, key).await
}

/// Forgets what was counted for this key: it went well.
pub async fn forget(app: &App, limit: &Limit, key: &str) -> Result<()> {
    let counter = format!("{}-failures:{key}", limit.name);
    app.counts.here.delete(&counter).await?;
    match app.counts.shared.delete(&counter).await {
        Ok(_) | Err(CacheError::Unavailable) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn count_in(app: &App, counts: &Cache, limit: &Limit, key: &str) -> Result<bool, CacheError> {
    let counter = format!("{}-failures:{key}", limit.name);
    // One that was pushed out begins anew, so that a failure counts whatever becomes of the count.
    let failures = counts
        .count(&counter, 1, Timeout::After(limit.window))
        .await?;
    if failures < limit.most {
        return Ok(false);
    }
    let until = app.clock.now() + limit.wait;
    let (key, wait) = (
        format!("{}-wait:{key}", limit.name),
        Timeout::After(limit.wait),
    );
    // Here as well, so that it is waited for should the cache go away.
    app.counts.here.set(&key, &until, wait).await?;
    counts.set(&key, &until, wait).await?;
    counts.delete(&counter).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_customer_is_counted_as_one() {
        let key = |text: &str| address_key(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
    }
}
