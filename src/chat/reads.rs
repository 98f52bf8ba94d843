//! How far people have read: noted in memory, and written for many at once, so that a frame costs no transaction.
//!
//! What is noted is in the database a moment later; what a process that is killed had noted in its last second is lost,
//! and her client says it again when it comes back. Once it is written, all nodes hear of it: her other sockets, and the
//! counts of her pages.

use super::store::reads::{self as rows, Position};
use crate::app::App;
use crate::error::{Error, Result};
use crate::web::tags::Tag;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How long positions are collected after some were written.
const PAUSE: Duration = Duration::from_secs(1);

/// People in one publication, which must stay small.
const AT_ONCE: usize = 200;

/// What the names of the bus groups begin with on which is told how far people have read: a group a room.
pub const GROUPS: &str = "reads:";

/// The bus group of one room.
pub fn group_of(course_id: i64) -> String {
    format!("{GROUPS}{course_id}")
}

/// What is told: user and line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The process whose sockets said so; none when it was not said over a socket.
    pub node: Option<String>,
    /// Who has read up to which line.
    pub reads: Vec<(i64, i64)>,
}

/// Positions that are to be written; clones share them.
#[derive(Clone)]
pub struct Reads(Arc<Inner>);

struct Inner {
    app: App,
    /// By person and course.
    waiting: Mutex<HashMap<(i64, i64), i64>>,
    bell: Arc<Notify>,
    has_begun: OnceLock<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Who writes sees that nobody notes anything any more.
        self.bell.notify_one();
    }
}

impl Reads {
    /// Of one site.
    pub fn new(app: &App) -> Self {
        Self(Arc::new(Inner {
            app: app.clone(),
            waiting: Mutex::default(),
            bell: Arc::default(),
            has_begun: OnceLock::new(),
        }))
    }

    /// Notes that somebody has read up to a line; of several in one room the furthest counts.
    pub fn note(&self, position: Position) {
        self.0.add(position);
        self.0.bell.notify_one();
        self.0.has_begun.get_or_init(|| {
            let stopping = self.0.app.stopping.clone();
            tokio::spawn(run(
                Arc::downgrade(&self.0),
                Arc::clone(&self.0.bell),
                stopping,
            ));
        });
    }

    /// Writes at once how far somebody has read.
    pub async fn set(&self, position: Position) -> Result<()> {
        self.0.write(&[position], None).await
    }
}

/// Writes what was noted, and lets more come together before the next time. It ends with the last [`Reads`].
async fn run(reads: Weak<Inner>, bell: Arc<Notify>, stopping: CancellationToken) {
    loop {
        bell.notified().await;
        let Some(reads) = reads.upgrade() else {
            return;
        };
        reads.write_waiting().await;
        drop(reads);
        tokio::select! {
            () = sleep(PAUSE) => {}
            () = stopping.cancelled() => {}
        }
    }
}

impl Inner {
    fn add(&self, position: Position) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (position.user_id, position.course_id);
        let line = waiting.entry(key).or_default();
        *line = position.line_id.max(*line);
    }

    fn take(&self) -> Vec<Position> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken: Vec<Position> = std::mem::take(&mut *waiting)
            .into_iter()
            .map(|((user_id, course_id), line_id)| Position {
                user_id,
                course_id,
                line_id,
            })
            .collect();
        // In the same order on all nodes, so that no two wait for each other.
        taken.sort_by_key(|position| (position.user_id, position.course_id));
        taken
    }

    async fn write_waiting(&self) {
        let positions = self.take();
        if positions.is_empty() {
            return;
        }
        let node = Some(self.app.bus.instance());
        match self.write(&positions, node).await {
            Ok(()) => {}
            Err(error @ (Error::Unavailable(_) | Error::Down { .. })) => {
                tracing::warn!(%error, "how far people have read could not be noted; it is tried again");
                for position in positions {
                    self.add(position);
                }
                self.bell.notify_one();
            }
            Err(_) => self.write_one_by_one(&positions).await,
        }
    }

    /// An account or a course may be gone by now, which shall not keep the others waiting.
    async fn write_one_by_one(&self, positions: &[Position]) {
        for position in positions {
            if let Err(error) = self.write(&[*position], None).await {
                tracing::info!(%error, "how far somebody has read was not noted");
            }
        }
    }

    async fn write(&self, positions: &[Position], node: Option<&str>) -> Result<()> {
        let write = self.app.write().await?;
        rows::set(&write, positions).await?;
        for position in positions {
            write.changes(Tag::rooms_read(position.user_id));
        }
        write.commit().await?;
        tell(&self.app, positions, node);
        Ok(())
    }
}

/// Tells all nodes how far people have read. `node`: the process whose sockets said so.
pub fn tell(app: &App, positions: &[Position], node: Option<&str>) {
    let mut rooms: BTreeMap<i64, Vec<(i64, i64)>> = BTreeMap::new();
    for position in positions {
        let room = rooms.entry(position.course_id).or_default();
        room.push((position.user_id, position.line_id));
    }
    for (course_id, reads) in rooms {
        for some in reads.chunks(AT_ONCE) {
            let told = Told {
                node: node.map(str::to_owned),
                reads: some.to_vec(),
            };
            super::tell(app, &group_of(course_id), &told);
        }
    }
}
