//! The last part of an archive: what it is, and every other part with its size and checksum.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Names of the parts.
pub(super) mod part {
    pub const MANIFEST: &str = "manifest.json";
    pub const SECRET: &str = "secret";
    /// Before a key of the file store.
    pub const FILES: &str = "files/";

    /// The rows of a table.
    pub fn table(name: &str) -> String {
        format!("tables/{name}.jsonl")
    }
}

/// The form of archives; grows when an older program could not read them.
pub(super) const FORMAT: u32 = 1;

/// What an archive is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub format: u32,
    /// The release that made it.
    pub version: String,
    pub made_at: DateTime<Utc>,
    /// The steps of the schema that its tables had taken.
    pub migrations: Vec<String>,
    /// By name.
    pub parts: BTreeMap<String, Part>,
}

/// One part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    pub size: u64,
    /// In hexadecimal digits.
    pub sha256: String,
    /// Whether it is to be brought back; a file that was deleted while the archive was made is not.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub is_wanted: bool,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "for serde")]
fn is_yes(is_wanted: &bool) -> bool {
    *is_wanted
}
