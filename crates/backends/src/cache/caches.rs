//! Several caches at once, by name: what uses a cache names it, and who runs the program decides
//! which of the names have a cache of their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Cache, CacheError, Surroundings};

/// Longest name of a cache, in bytes.
const MAX_NAME_BYTES: usize = 40;

/// The caches of a program; clones share them.
#[derive(Clone, Debug)]
pub struct Caches {
    default: Cache,
    named: Arc<BTreeMap<String, Cache>>,
}

/// A cache that cannot be opened, and its name; `None` is the default one.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct CachesError {
    /// Which one.
    pub name: Option<String>,
    /// Why.
    pub reason: CacheError,
}

impl Caches {
    /// Opens the default cache and the named ones, each by its URL; connects to nothing yet, so
    /// that a server that does not answer keeps nobody from starting.
    pub fn open(
        default_url: &str,
        named_urls: &BTreeMap<String, String>,
        surroundings: &Surroundings,
    ) -> Result<Self, CachesError> {
        let open = |name: Option<&String>, url: &str, surroundings: &Surroundings| {
            Cache::open_in(url, surroundings).map_err(|reason| CachesError {
                name: name.cloned(),
                reason,
            })
        };
        let mut named = BTreeMap::new();
        for (name, url) in named_urls {
            // A space of its own, too, so that clearing it leaves the others alone.
            let surroundings = Surroundings {
                space: surroundings
                    .space
                    .as_ref()
                    .map(|space| format!("{space}-{name}")),
                ..surroundings.clone()
            };
            named.insert(name.clone(), open(Some(name), url, &surroundings)?);
        }
        Ok(Self {
            default: open(None, default_url, surroundings)?,
            named: Arc::new(named),
        })
    }

    /// The cache that is used where no other is named.
    pub fn default_cache(&self) -> &Cache {
        &self.default
    }

    /// The cache of this name; the default one where there is none.
    pub fn named(&self, name: &str) -> &Cache {
        self.named.get(name).unwrap_or(&self.default)
    }

    /// Every cache with its name; the default one is called `default` and comes first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Cache)> {
        let named = self.named.iter();
        std::iter::once(("default", &self.default))
            .chain(named.map(|(name, cache)| (name.as_str(), cache)))
    }

    /// Lets go of the connections and memory of all.
    pub async fn close(&self) {
        for (_, cache) in self.iter() {
            cache.close().await;
        }
    }
}

/// Whether a cache may be called so: small letters, digits and `_`, beginning with a letter, at
/// most 40 bytes, and not `default`.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= MAX_NAME_BYTES
        && name != "default"
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
