//! The processes of a site: which of them serve, and whether they hear each other.

use std::time::Duration;

use tokio::time::Instant;

use super::redis::Redis;
use super::{Backend, Bus, BusError, postgres};

/// How long [`Bus::check`] waits for its own voice.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// How often somebody who looks for others does so.
const LOOK: Duration = Duration::from_millis(50);

impl Bus {
    /// Makes this process known to the others as one that serves, until the bus is closed or the process ends: they
    /// wait for it when they [announce](Bus::announce_and_wait) something. To be called once it reacts, and before it
    /// answers anybody.
    pub async fn appear(&self) -> Result<(), BusError> {
        if let Some(redis) = &self.0.redis {
            redis.appear();
        }
        match &self.0.backend {
            Backend::Memory { .. } => Ok(()),
            Backend::Sqlite { sockets, .. } => {
                if let Some(Err(error)) = sockets.as_ref().map(|sockets| sockets.appear()) {
                    tracing::warn!(
                        %error,
                        "other processes cannot ask this one to look for changes at once; it looks 20 times a second"
                    );
                }
                Ok(())
            }
            Backend::Postgres {
                database, presence, ..
            } => presence.appear(&database.write).await,
        }
    }

    /// Which of its kind this bus is; another one each time that one is opened. Letters, digits, `-` and `_`.
    pub fn instance(&self) -> &str {
        &self.0.station.instance
    }

    /// The [instances](Bus::instance) of the other processes that serve, as far as is known. What a process keeps for
    /// others, such as who is in a room with it, ends when it is no longer among them: at once when it closes, and when
    /// it is killed or its connection is gone, on SQLite at once, on PostgreSQL within 3.5 seconds. One that lost its
    /// connection for so long comes back under the same name.
    pub fn peers(&self) -> Vec<String> {
        match &self.0.backend {
            Backend::Sqlite {
                sockets: Some(sockets),
                ..
            } => sockets.peers(),
            _ => self.0.station.peers.names(),
        }
    }

    /// As [`Bus::peers`], but also soon after this process began: where the others are known by their signs of life alone,
    /// it waits for as long as each may take for one, unless somebody is known before.
    pub async fn find_peers(&self) -> Vec<String> {
        let Some(lease) = self.0.station.peers.lease() else {
            return self.peers();
        };
        let end = Instant::now() + lease;
        loop {
            let found = self.peers();
            if !found.is_empty() || Instant::now() >= end {
                return found;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Whether events go the quickest way there is: where Redis is used, over Redis. It is `false` there while Redis or
    /// one of the processes that serve cannot be reached by it: then they go over the database.
    pub fn is_quick(&self) -> bool {
        self.0.redis.as_ref().is_none_or(Redis::is_open)
    }

    /// Whether the bus hears: a round trip through the database, and through Redis. Returns within about five seconds.
    ///
    /// # Errors
    /// [`BusError::Away`] when Redis does not answer and the database does: events go over that then.
    pub async fn check(&self) -> Result<(), BusError> {
        if self.0.station.hub.is_closed() {
            return Err(BusError::Closed);
        }
        let heard = async {
            match &self.0.backend {
                Backend::Memory { .. } => Ok(()),
                Backend::Sqlite { poller, .. } => poller.catch_up().await,
                Backend::Postgres {
                    database, pings, ..
                } => postgres::round_trip(pings, &database.write).await,
            }?;
            match &self.0.redis {
                Some(redis) => redis.check().await,
                None => Ok(()),
            }
        };
        tokio::time::timeout(CHECK_TIMEOUT, heard)
            .await
            .unwrap_or(Err(BusError::Deaf))
    }

    /// Ends every subscription and stops listening; returns when that is done. Events can still be recorded, for others.
    pub async fn close(&self) {
        if let Some(redis) = &self.0.redis {
            redis.leave().await;
        }
        match &self.0.backend {
            Backend::Memory { .. } => {}
            Backend::Sqlite { sockets, .. } => {
                if let Some(sockets) = sockets {
                    sockets.leave();
                }
            }
            Backend::Postgres {
                database, presence, ..
            } => presence.leave(&database.write).await,
        }
        for listener in self.0.stop() {
            // It was aborted, which is what this says.
            let _ = listener.await;
        }
    }
}
