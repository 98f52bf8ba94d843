//! The work that the site does outside of requests: seen, tried again, stopped, paused; for staff, on pages and for
//! programs.
//!
//! What a job holds is not shown: it may name what concerns one person alone. Decision 0034.

pub mod acts;
pub mod api;
mod kinds;
pub mod pages;
pub mod rows;
pub mod steering;
mod store;
pub mod words;

pub use store::list_failed;

/// The page of the jobs.
pub const PATH: &str = "/admin/jobs/";
