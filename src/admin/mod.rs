//! The side of who runs the site, under `/admin/`: its places and who may come in (`site`), its caches, and for programs
//! the queue.

pub mod cache;
pub mod jobs;
pub mod site;

pub use cache::orders::listen;
