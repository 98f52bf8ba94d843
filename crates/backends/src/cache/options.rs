//! What a cache's URL says.

use std::path::PathBuf;
use std::time::Duration;

use super::key::MAX_PREFIX_BYTES;
use super::{CacheError, Lifetime};

const DEFAULT_MAX_BYTES: u64 = 64 * 1024 * 1024;
const DEFAULT_PATIENCE: Duration = Duration::from_millis(50);
/// Of `database:` and `file:`, which stand in line with the site's own writing and do not die of it.
const LOCAL_PATIENCE: Duration = Duration::from_secs(1);
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(5);
/// Of stores that programs share, where a [`super::Surroundings::space`] is to be joined to a prefix.
const DEFAULT_PREFIX: &str = "lyceum";

/// A cache URL taken apart and checked, as far as all backends have it in common.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which backend.
    pub scheme: String,
    /// What stands between `scheme:` and `?`: servers, a folder, or nothing. May hold a password.
    pub place: String,
    /// How many bytes the backend may keep, where that is ours to say.
    pub max_bytes: Option<u64>,
    /// What [`super::Timeout::Default`] means.
    pub default_lifetime: Lifetime,
    /// What all names begin with.
    pub prefix: String,
    /// The version that stands in all names.
    pub version: u32,
    /// How long a call may wait for a backend that others share.
    pub patience: Duration,
    /// How many bytes of memory stand in front of the backend; none, when it is not set.
    pub near_bytes: Option<u64>,
    /// The certificates that `rediss:` trusts, when they are not those that browsers trust.
    pub ca: Option<PathBuf>,
}

/// Every scheme, and whether it names a place.
const SCHEMES: [(&str, bool); 7] = [
    ("memory", false),
    ("redis", true),
    ("rediss", true),
    ("memcached", true),
    ("database", false),
    ("file", true),
    ("off", false),
];

impl Options {
    /// Refuses unknown schemes and options, so that a typing error does not pass for a setting.
    pub fn parse(url: &str) -> Result<Self, CacheError> {
        let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
        let Some((_, has_place)) = SCHEMES.iter().find(|(known, _)| *known == scheme) else {
            let known: Vec<_> = SCHEMES
                .iter()
                .map(|(known, _)| format!("{known}:"))
                .collect();
            return Err(fault(&format!("starts with none of {}", known.join(", "))));
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        if !has_place && !place.is_empty() {
            return Err(fault(&format!(
                "names a place, which {scheme}: does not have"
            )));
        }
        let mut options = Self {
            scheme: scheme.to_owned(),
            place: place.to_owned(),
            max_bytes: None,
            default_lifetime: Lifetime::For(DEFAULT_TIMEOUT),
            prefix: String::new(),
            version: 1,
            patience: match scheme {
                "database" | "file" => LOCAL_PATIENCE,
                _ => DEFAULT_PATIENCE,
            },
            near_bytes: None,
            ca: None,
        };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            options.take(&name, &value)?;
        }
        Ok(options)
    }

    /// Keeps this program's entries apart from those of others in a store that they may share.
    pub fn enter(&mut self, space: &str) {
        if matches!(
            self.scheme.as_str(),
            "redis" | "rediss" | "memcached" | "file"
        ) {
            let prefix = if self.prefix.is_empty() {
                DEFAULT_PREFIX
            } else {
                &self.prefix
            };
            self.prefix = format!("{prefix}-{space}");
        }
    }

    /// How many bytes the backend may keep: 64 MiB when the URL does not say.
    pub fn max_bytes_or_default(&self) -> u64 {
        self.max_bytes.unwrap_or(DEFAULT_MAX_BYTES)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), CacheError> {
        match name {
            "max_bytes" => self.max_bytes = Some(number(name, value)?),
            "timeout" if value == "none" => self.default_lifetime = Lifetime::Forever,
            "timeout" => {
                self.default_lifetime = Lifetime::For(Duration::from_secs(number(name, value)?));
            }
            "version" => self.version = number(name, value)?,
            "wait" => self.patience = Duration::from_millis(number(name, value)?),
            "near_bytes" => self.near_bytes = Some(number(name, value)?),
            "ca" => self.ca = Some(PathBuf::from(value)),
            "prefix" => {
                let is_good = value.len() <= MAX_PREFIX_BYTES
                    && (value.is_empty() || super::key::check(value).is_ok());
                if !is_good {
                    return Err(fault(
                        "has a prefix with spaces or control characters, or of more than 100 bytes",
                    ));
                }
                if looks_versioned(value) {
                    return Err(fault(
                        "has a prefix with a number behind a colon, which would be taken for a version",
                    ));
                }
                value.clone_into(&mut self.prefix);
            }
            _ => {
                return Err(fault(
                    "has an option other than timeout, prefix, version, max_bytes, wait, near_bytes and ca",
                ));
            }
        }
        Ok(())
    }
}

/// Whether names under this prefix could be taken for those of a shorter prefix.
fn looks_versioned(prefix: &str) -> bool {
    let mut parts = prefix.split(':').skip(1);
    parts.any(|part| part.starts_with(|c: char| c.is_ascii_digit()))
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, CacheError> {
    value.parse().map_err(|_| {
        fault(&format!(
            "has a value for {name} that is not a whole number in range"
        ))
    })
}

/// What is wrong with the URL, told without repeating it.
pub fn fault(what: &str) -> CacheError {
    CacheError::Url(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_read() {
        let options = Options::parse("memory:?max_bytes=10&timeout=0&prefix=site&version=3")
            .expect("options");
        assert_eq!((options.max_bytes, options.version), (Some(10), 3));
        assert_eq!(options.default_lifetime, Lifetime::For(Duration::ZERO));
        assert_eq!(options.prefix, "site");
        let options = Options::parse("off:?timeout=none").expect("options");
        assert_eq!(options.default_lifetime, Lifetime::Forever);
    }

    #[test]
    fn what_is_not_understood_is_refused_without_repeating_the_url() {
        for url in [
            "nonsense",
            "redys://user:s3cret@host",
            "memory:?max_bites=1",
            "memory:?timeout=-1",
            "memory:?version=one",
            "memory:?prefix=a%20b",
            "memory:?prefix=a:1",
            "memory:?prefix=a:b:1x",
            "memory://s3cret/",
        ] {
            let error = Options::parse(url).expect_err(url).to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
