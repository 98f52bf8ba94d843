//! `/admin/`: how the site does, in pictures: services, figures over time, caches, jobs that failed.

mod cold;
mod pages;
mod pictures;

pub use pages::show;
