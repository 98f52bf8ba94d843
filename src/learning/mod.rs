//! Learning: who is in which course, what a student has done, and where she stopped; the pages on
//! which courses are studied.
//!
//! Verbs that others call stand here: enrolling, who may study a course, and the HTML of an item as
//! lessons and the API show it. Finding and writing courses is the feature `courses`, stored files are
//! the feature `media`.

mod files;
mod render;
mod store;

pub use files::{FileView, list_files};
pub use render::{Playback, render_item};
pub use store::{enroll, is_enrolled, may_study};
