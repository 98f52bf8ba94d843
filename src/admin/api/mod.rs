//! What programs of those who run the site do besides what has a resource of its own: the log of changes, and
//! announcements. Jobs and caches stand beside their pages.

mod announcements;
mod log;

pub use announcements::announcements;
pub use log::log;
