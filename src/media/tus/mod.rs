//! Resumable uploads: tus 1.0 (<https://tus.io/protocols/resumable-upload>) at `/uploads/`, with the
//! extensions creation, creation-with-upload, creation-defer-length, expiration, checksum, termination
//! and concatenation.
//!
//! ```text
//! POST -> row -> PATCH, PATCH, ... -> whole -> promote -> adopt (+ content) -> ProcessUpload
//! ```
//!
//! - How much has arrived is the size of the file, made durable before it is told. The row never says it,
//!   so that the two cannot disagree after a crash.
//! - One connection at a time goes on with an upload: the newest. In this process the one before is told
//!   (`web::turns`); in another it sees that the generation of the row has grown. Nobody writes without
//!   holding the file itself (flock), so that whoever lets go late does no harm.
//! - A request is carried out in a task of its own: what has arrived is kept when its connection breaks,
//!   and a file whose last byte has arrived is finished even when nobody waits for the answer.
//!
//! Which content a file becomes is for `courses`, by way of [`Placement`].

mod append;
mod create;
mod finish;
pub(super) mod headers;
pub mod pages;
mod store;
mod sweep;
mod unfinished;
mod visit;

pub use finish::{Place, Placement, Placing, item_kind};
pub(super) use store::{forget, list_awaited_prefixes, reserved_bytes};
pub(super) use sweep::sweep;
pub use unfinished::{Unfinished, end_unfinished, list_unfinished};

/// The version spoken here.
pub const VERSION: &str = "1.0.0";
/// What is spoken besides the core protocol.
pub const EXTENSIONS: &str = "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,concatenation";
