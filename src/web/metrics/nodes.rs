//! The processes of the site, as they tell of themselves in the table `nodes`: who serves, who works, since when, and
//! when each was last heard of.

use super::{machine, store};
use crate::app::App;
use crate::entities::node;
use crate::error::Result;
use backends::clock::Clock;
use chrono::{DateTime, TimeDelta, Utc};

/// A process that was not heard of for so long does not answer. It gives a sign of life every ten seconds.
const SILENT: TimeDelta = TimeDelta::seconds(45);

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Serves pages.
    Serve,
    /// Runs jobs.
    Work,
    /// Both.
    Both,
}

impl Role {
    /// As it stands in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Work => "work",
            Self::Both => "both",
        }
    }

    fn works(self) -> bool {
        self != Self::Serve
    }
}

/// A name for this process that no other has: machine, number, and some random letters.
pub fn name(clock: &Clock) -> String {
    let letters = clock.random_token();
    let letters = letters.chars().filter(char::is_ascii_alphanumeric).take(6);
    let letters: String = letters.collect();
    format!("{}-{}-{letters}", machine::host(), std::process::id())
}

/// Says that this process lives.
///
/// # Errors
/// When the database does not answer.
pub async fn hear(app: &App, role: Role) -> Result<()> {
    let slots = if role.works() { app.config.workers } else { 0 };
    let row = node::Model {
        name: app.node.clone(),
        host: machine::host(),
        role: role.name().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        slots: i32::try_from(slots).unwrap_or(i32::MAX),
        started_at: app.history.began(),
        heard_at: app.clock.now(),
    };
    store::hear(app.db.writer(), row).await
}

/// Every process that was heard of within a day, the oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(app: &App) -> Result<Vec<node::Model>> {
    store::nodes(app.db.read()).await
}

/// Whether a process answers, as far as others can tell.
pub fn is_alive(node: &node::Model, now: DateTime<Utc>) -> bool {
    now - node.heard_at < SILENT
}
