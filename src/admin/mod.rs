//! The side of who runs the site: pages for staff alone.
//!
//! So far its caches: what they hold and how they do, and forgetting.

pub mod cache;
pub mod jobs;

pub use cache::orders::listen;
