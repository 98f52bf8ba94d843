//! The side of who runs the site, under `/admin/`: its places and who may come in (`site`), the overview in pictures,
//! jobs, health, announcements, caches.

pub mod announcements;
pub mod api;
pub mod cache;
mod charts;
mod csv;
pub mod health;
pub mod import;
pub mod jobs;
pub mod overview;
mod services;
pub mod site;
mod slug;
mod table;
pub mod tables;

pub use cache::orders::listen;
