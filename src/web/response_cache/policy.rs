//! How one layer keeps answers: in which cache, how long, under which prefix.

use crate::app::App;
use axum::http::HeaderValue;
use backends::cache::{Cache, Timeout};
use std::sync::Arc;
use std::time::Duration;

/// How a layer keeps answers.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(super) cache: Cache,
    pub(super) lifetime: Duration,
    pub(super) prefix: Arc<str>,
    pub(super) max_age: Option<Duration>,
    pub(super) is_for_everyone: bool,
}

impl Policy {
    /// For the whole site, as it is configured; `None` where pages are not kept.
    pub fn of_site(app: &App) -> Option<Self> {
        let config = &app.config;
        let cache = app.caches.named(&config.page_cache);
        let lifetime = Duration::from_secs(config.page_cache_seconds);
        let is_off = cache.kind() == "off" || lifetime.is_zero();
        let prefix = config.page_cache_prefix.as_str();
        (!is_off).then(|| Self::new(cache.clone(), lifetime).prefix(prefix))
    }

    /// Keeps answers to visitors who are not logged in, in this cache for so long. What they rest on ends them
    /// earlier.
    pub fn new(cache: Cache, lifetime: Duration) -> Self {
        Self {
            cache,
            lifetime,
            prefix: "".into(),
            max_age: None,
            is_for_everyone: false,
        }
    }

    /// Keeps them under names that begin with this, apart from those of other layers in the same cache.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Lets browsers and proxies use an answer for so long without asking again: a change is seen that much
    /// later. Without it they ask each time.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// Gives the same answers to those who are logged in, too. What asked who they are is still never kept.
    #[must_use]
    pub fn for_everyone(mut self) -> Self {
        self.is_for_everyone = true;
        self
    }

    /// What browsers are told, when it is not what the handler says.
    pub(super) fn control(&self) -> Option<HeaderValue> {
        let seconds = self.max_age?.as_secs();
        HeaderValue::from_str(&format!("public, max-age={seconds}")).ok()
    }

    pub(super) fn timeout(&self) -> Timeout {
        Timeout::After(self.lifetime)
    }
}
