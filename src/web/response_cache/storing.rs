//! Storing an answer, which who asked for it does not wait for.

use super::flight::Lead;
use backends::cache::{Cache, Timeout};
use bytes::Bytes;

/// What is to be stored of an answer: every form of it under its name.
pub(super) struct Storing {
    /// Where.
    pub cache: Cache,
    /// For how long.
    pub timeout: Timeout,
    /// The names and what they hold.
    pub entries: Vec<(String, Bytes)>,
}

impl Storing {
    /// Whether the cache has it now. One that does not take it is no reason not to answer; it says so itself.
    async fn carry_out(self) -> bool {
        let stored = self.cache.put_many_bytes(&self.entries, self.timeout).await;
        // One that is away takes everything and has nothing.
        stored.is_ok() && self.cache.is_available()
    }
}

/// Stores an answer, if that is wanted, and tells those who wait for it: behind the answer, where others share the
/// cache, and at once in memory. Who asks for it meanwhile waits with them.
pub(super) async fn land(storing: Option<Storing>, lead: Option<Lead>) {
    let Some(storing) = storing else {
        if let Some(lead) = lead {
            lead.land(false);
        }
        return;
    };
    let is_far = storing.cache.is_shared();
    let work = async move {
        let is_kept = storing.carry_out().await;
        if let Some(lead) = lead {
            lead.land(is_kept);
        }
    };
    if is_far {
        tokio::spawn(work);
    } else {
        work.await;
    }
}
