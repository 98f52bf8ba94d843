//! The demo school: fills an empty site with people, courses and recordings to try things on.
//!
//! Files go through the same upload and processing as a teacher's. Everything but the files is
//! written in one transaction, so that a school is there whole or not at all.

pub mod school;

mod fill;
mod rooms;

pub use fill::{DemoError, Outcome, fill, settle};
