//! The caches of the site: how full and how useful they are, what lies under a key, and forgetting it.
//!
//! Counts are those of this process, entries those of the backend. The same figures for programs: `web::metrics`.

pub mod api;
mod chart;
pub mod clearing;
mod figures;
pub mod keys;
pub mod orders;
pub mod pages;
pub mod value;

use crate::app::App;
use crate::error::{Error, Result};
use backends::cache::Cache;

/// The page of the caches.
pub const PATH: &str = "/admin/cache/";

/// The cache of this name.
///
/// # Errors
/// [`Error::NotFound`] when none is called so.
pub fn get<'a>(app: &'a App, name: &str) -> Result<&'a Cache> {
    let found = app.caches.iter().find(|(known, _)| *known == name);
    found.map(|(_, cache)| cache).ok_or(Error::NotFound)
}

/// The names of all caches, and which of them is chosen.
fn choices(app: &App, chosen: &str) -> Vec<(String, bool)> {
    let names = app.caches.iter();
    names
        .map(|(name, _)| (name.to_owned(), name == chosen))
        .collect()
}
