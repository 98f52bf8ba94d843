//! Removes what is over, and the oldest where there is too much: in the background, a few rows in
//! each statement.

use std::sync::Arc;

use super::{Inner, fault, table};
use crate::cache::culling::kept;
use crate::cache::fault::Fault;

/// How many rows one statement removes at most.
const ROWS: u64 = 200;

/// Culls in the background when it is time.
pub fn start_if_due(inner: &Arc<Inner>, written: u64) {
    if !inner.culling.is_due(written, inner.max_bytes, &inner.clock) {
        return;
    }
    let inner = Arc::clone(inner);
    tokio::spawn(async move {
        if let Err(fault) = cull(&inner).await {
            tracing::debug!(%fault, "the database's cache could not be culled");
        }
        inner.culling.is_done();
    });
}

pub(super) async fn cull(inner: &Inner) -> Result<(), Fault> {
    let now_us = inner.clock.now().timestamp_micros();
    while inner.run(&table::sweeping(now_us, ROWS)).await? >= ROWS {}
    let (_, mut bytes) = inner.measure().await?;
    if bytes <= inner.max_bytes {
        return Ok(());
    }
    let kept = kept(inner.max_bytes);
    while bytes > kept {
        let evicted = evict(inner, bytes - kept).await?;
        if evicted == 0 {
            break;
        }
        bytes = bytes.saturating_sub(evicted);
    }
    Ok(())
}

/// Evicts the oldest, but no more than is needed; says how many bytes they were.
async fn evict(inner: &Inner, needed: u64) -> Result<u64, Fault> {
    let mut names: Vec<String> = Vec::new();
    let (mut bytes, mut newest) = (0, i64::MIN);
    for row in inner.rows(&table::oldest(ROWS)).await? {
        if bytes >= needed {
            break;
        }
        let row_bytes: i64 = row.try_get("", "bytes").map_err(fault)?;
        names.push(row.try_get("", "name").map_err(fault)?);
        newest = newest.max(row.try_get("", "stored_us").map_err(fault)?);
        bytes += row_bytes.unsigned_abs();
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let evicting = table::evicting(inner.engine(), &names, newest);
    let evicted = inner.run(&evicting).await?;
    inner.culling.evicted(evicted);
    Ok(if evicted == 0 { 0 } else { bytes })
}
