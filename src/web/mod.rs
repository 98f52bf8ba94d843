//! What every page and endpoint shares. It knows no feature.

pub mod assets;
pub mod audit;
pub mod cells;
pub mod changes;
pub mod cover;
pub mod credentials;
pub mod csrf;
pub mod errors;
pub mod extract;
pub mod form;
pub mod fragments;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod headers;
pub mod health;
pub mod identity;
pub mod metrics;
pub mod paging;
pub mod passwords;
pub mod permissions;
pub mod redirect;
pub mod remembered;
pub mod response_cache;
pub mod rest;
pub mod scopes;
pub mod sealed;
pub mod second_factor;
pub mod sessions;
pub mod shell;
pub mod streams;
pub mod tags;
pub mod text;
pub mod throttle;
pub mod turns;
