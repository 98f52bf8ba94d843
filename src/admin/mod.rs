//! The side of who runs the site, under `/admin/`: its places and who may come in (`site`), its caches, and for programs
//! the queue.

pub mod cache;
mod csv;
pub mod import;
pub mod jobs;
pub mod site;
mod slug;
mod table;
pub mod tables;

pub use cache::orders::listen;
