//! The library of a teacher: all her files in one place, how they stand, where they are used, and what can be done
//! with them. Everybody sees her own only, staff too.
//!
//! What a file is and how it is processed is for `media`; the contents that show it are for `courses`.

pub mod api;
pub mod deletion;
mod listing;
pub mod pages;
pub mod reuse;
mod rows;
pub mod sending;
mod store;
pub mod unfinished;

pub use deletion::{delete_upload, upload_facts};
