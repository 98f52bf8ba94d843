//! Wrong passwords are counted, right ones are not.
//!
//! Ten failures for a name from an address within five minutes, or two hundred from an
//! address, and the next tries from there wait a minute. The counts live in the cache, so that
//! nodes that share one share them too; while it is off or does not answer, in this process.

use crate::app::App;
use crate::error::{Error, Result};
use crate::web::sessions::hash;
use backends::cache::{Cache, CacheError, Timeout};
use chrono::{DateTime, Utc};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

const WINDOW: Duration = Duration::from_secs(5 * 60);
const WAIT: Duration = Duration::from_secs(60);
const FAILURES_OF_A_NAME: i64 = 10;
const FAILURES_OF_AN_ADDRESS: i64 = 200;

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

fn address_key(address: IpAddr) -> String {
    hash(&place(address).to_string())
}

/// May this name be tried from this address?
///
/// # Errors
/// [`Error::TooMany`] while it has to wait.
pub async fn check(app: &App, username: &str, address: IpAddr) -> Result<()> {
    refuse_if_waiting(app, &name_key(username, address)).await?;
    check_address(app, address).await
}

/// May anything be tried from this address?
///
/// # Errors
/// [`Error::TooMany`] while it has to wait.
pub async fn check_address(app: &App, address: IpAddr) -> Result<()> {
    refuse_if_waiting(app, &address_key(address)).await
}

/// Notes a wrong password.
pub async fn failed(app: &App, username: &str, address: IpAddr) -> Result<()> {
    count(app, &name_key(username, address), FAILURES_OF_A_NAME).await?;
    failed_address(app, address).await
}

/// Notes a wrong key.
pub async fn failed_address(app: &App, address: IpAddr) -> Result<()> {
    count(app, &address_key(address), FAILURES_OF_AN_ADDRESS).await
}

async fn refuse_if_waiting(app: &App, key: &str) -> Result<()> {
    let key = format!("login-wait:{key}");
    let mut until: Option<DateTime<Utc>> = app.counts.here.get(&key).await?;
    if until.is_none() {
        until = app.counts.shared.get(&key).await?;
    }
    let Some(until) = until else {
        return Ok(());
    };
    let left = (until - app.clock.now()).num_seconds();
    Err(Error::TooMany {
        message: "Too many wrong tries. Please wait a minute, then try again.".into(),
        retry_after_seconds: u64::try_from(left).unwrap_or(0).clamp(1, WAIT.as_secs()),
    })
}

async fn count(app: &App, key: &str, most: i64) -> Result<()> {
    match count_in(app, &app.counts.shared, key, most).await {
        Err(CacheError::Unavailable) => Ok(count_in(app, &app.counts.here, key, most).await?),
        counted => Ok(counted?),
    }
}

async fn count_in(app: &App, counts: &Cache, key: &str, most: i64) -> Result<(), CacheError> {
    let counter = format!("login-failures:{key}");
    // One that was pushed out begins anew, so that a failure counts whatever becomes of the count.
    let failures = counts.count(&counter, 1, Timeout::After(WINDOW)).await?;
    if failures >= most {
        let until = app.clock.now() + WAIT;
        let (key, wait) = (format!("login-wait:{key}"), Timeout::After(WAIT));
        // Here as well, so that it is waited for should the cache go away.
        app.counts.here.set(&key, &until, wait).await?;
        counts.set(&key, &until, wait).await?;
        counts.delete(&counter).await?;
    }
    Ok(())
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
