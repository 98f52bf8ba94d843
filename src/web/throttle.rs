//! Wrong passwords are counted, right ones are not.
//!
//! Ten failures for a name from an address within five minutes, or two hundred from an
//! address, and the next tries from there wait. The counts live in the cache (in memory where it is off), so that nodes
//! that share one share them too.

use crate::app::App;
use crate::error::{Error, Result};
use crate::web::sessions::hash;
use backends::cache::Timeout;
use std::net::IpAddr;
use std::time::Duration;

const WINDOW: Duration = Duration::from_secs(5 * 60);
const WAIT: Duration = Duration::from_secs(60);
const FAILURES_OF_A_NAME: i64 = 10;
const FAILURES_OF_AN_ADDRESS: i64 = 200;

fn name_key(username: &str, address: IpAddr) -> String {
    hash(&format!("{address} {username}"))
}

/// May this name be tried from this address?
pub async fn check(app: &App, username: &str, address: IpAddr) -> Result<()> {
    refuse_if_waiting(app, &name_key(username, address)).await?;
    check_address(app, address).await
}

/// May anything be tried from this address?
pub async fn check_address(app: &App, address: IpAddr) -> Result<()> {
    refuse_if_waiting(app, &hash(&address.to_string())).await
}

/// Notes a wrong password.
pub async fn failed(app: &App, username: &str, address: IpAddr) -> Result<()> {
    count(app, &name_key(username, address), FAILURES_OF_A_NAME).await?;
    failed_address(app, address).await
}

/// Notes a wrong key.
pub async fn failed_address(app: &App, address: IpAddr) -> Result<()> {
    count(app, &hash(&address.to_string()), FAILURES_OF_AN_ADDRESS).await
}

async fn refuse_if_waiting(app: &App, key: &str) -> Result<()> {
    if !app.counts.has(&format!("login-wait:{key}")).await? {
        return Ok(());
    }
    Err(Error::TooMany {
        message: "Too many wrong tries. Please wait a minute, then try again.".into(),
        retry_after_seconds: WAIT.as_secs(),
    })
}

async fn count(app: &App, key: &str, most: i64) -> Result<()> {
    let counter = format!("login-failures:{key}");
    app.counts
        .add(&counter, &0_i64, Timeout::After(WINDOW))
        .await?;
    if app.counts.incr(&counter, 1).await? >= most {
        app.counts
            .set(&format!("login-wait:{key}"), &true, Timeout::After(WAIT))
            .await?;
        app.counts.delete(&counter).await?;
    }
    Ok(())
}
