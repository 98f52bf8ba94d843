//! Removes what is over or no entry, and the oldest where there is too much: in the background, shard after shard.

use std::io;

use super::entry::Times;
use super::shard::{Listed, SHARDS, Shard, Spot};
use super::{Files, Inner};
use crate::cache::culling::kept;
use crate::cache::fault::Fault;

/// Culls in the background when it is time.
pub fn start_if_due(files: &Files, written: u64) {
    let Inner {
        clock,
        max_bytes,
        culling,
        ..
    } = &*files.0;
    if !culling.is_due(written, *max_bytes, clock) {
        return;
    }
    let files = files.clone();
    tokio::spawn(async move {
        if let Err(fault) = cull(&files).await {
            tracing::debug!(%fault, "the cache's files could not be culled");
        }
        files.0.culling.is_done();
    });
}

async fn cull(files: &Files) -> Result<(), Fault> {
    let mut all = Vec::new();
    for shard in 0..SHARDS {
        let swept = files.locked(shard, |inner, shard| sweep(shard, inner.now_us()));
        let stays = swept.await?.into_iter();
        all.extend(
            stays.map(|(times, file, bytes)| (times.stored_us, Spot { shard, file }, bytes)),
        );
    }
    let mut bytes: u64 = all.iter().map(|(_, _, bytes)| bytes).sum();
    if bytes <= files.0.max_bytes {
        return Ok(());
    }
    all.sort_unstable_by_key(|(stored_us, _, _)| *stored_us);
    for (stored_us, Spot { shard, file }, freed) in all {
        if bytes <= kept(files.0.max_bytes) {
            break;
        }
        let evict = move |_: &Inner, shard: &Shard| {
            // Not one that was stored anew meanwhile.
            let is_same = shard
                .times(&file)?
                .is_some_and(|now| now.stored_us == stored_us);
            Ok(is_same && shard.delete(&file)?)
        };
        let is_evicted = files.locked(shard, evict).await?;
        files.0.culling.evicted(u64::from(is_evicted));
        bytes = bytes.saturating_sub(freed);
    }
    Ok(())
}

/// Removes what is over or no entry; returns what stays.
fn sweep(shard: &Shard, now_us: i64) -> io::Result<Vec<(Times, String, u64)>> {
    let mut stays = Vec::new();
    for Listed { file, bytes, head } in shard.list()? {
        match head {
            Some((_, times)) if times.is_live(now_us) => stays.push((times, file, bytes)),
            _ => drop(shard.delete(&file)?),
        }
    }
    Ok(stays)
}
