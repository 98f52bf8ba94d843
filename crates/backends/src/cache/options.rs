//! What a cache's URL says.

use std::time::Duration;

use url::Url;

use super::key::MAX_PREFIX_BYTES;
use super::{CacheError, Lifetime};

const DEFAULT_MAX_BYTES: u64 = 64 * 1024 * 1024;
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(5);

/// A cache URL taken apart and checked.
#[derive(Debug)]
pub struct Options {
    pub scheme: String,
    pub max_bytes: u64,
    pub default_lifetime: Lifetime,
    pub prefix: String,
    pub version: u32,
}

impl Options {
    /// Refuses unknown schemes and options, so that a typing error does not pass for a setting.
    pub fn parse(url: &str) -> Result<Self, CacheError> {
        let url = Url::parse(url).map_err(|error| fault(&format!("cannot be read: {error}")))?;
        if !matches!(url.scheme(), "memory" | "off") {
            return Err(fault("starts with neither memory: nor off:"));
        }
        if !url.path().is_empty() || url.host().is_some() {
            return Err(fault("names a place, which memory: and off: do not have"));
        }
        let mut options = Self {
            scheme: url.scheme().to_owned(),
            max_bytes: DEFAULT_MAX_BYTES,
            default_lifetime: Lifetime::For(DEFAULT_TIMEOUT),
            prefix: String::new(),
            version: 1,
        };
        for (name, value) in url.query_pairs() {
            options.take(&name, &value)?;
        }
        Ok(options)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), CacheError> {
        match name {
            "max_bytes" => self.max_bytes = number(name, value)?,
            "timeout" if value == "none" => self.default_lifetime = Lifetime::Forever,
            "timeout" => {
                self.default_lifetime = Lifetime::For(Duration::from_secs(number(name, value)?));
            }
            "version" => self.version = number(name, value)?,
            "prefix" => {
                let is_good = value.len() <= MAX_PREFIX_BYTES
                    && (value.is_empty() || super::key::check(value).is_ok());
                if !is_good {
                    return Err(fault(
                        "has a prefix with spaces or control characters, or of more than 100 bytes",
                    ));
                }
                value.clone_into(&mut self.prefix);
            }
            _ => {
                return Err(fault(
                    "has an option other than timeout, prefix, version and max_bytes",
                ));
            }
        }
        Ok(())
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, CacheError> {
    value.parse().map_err(|_| {
        fault(&format!(
            "has a value for {name} that is not a whole number in range"
        ))
    })
}

fn fault(what: &str) -> CacheError {
    CacheError::Url(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_read() {
        let options = Options::parse("memory:?max_bytes=10&timeout=0&prefix=site&version=3")
            .expect("options");
        assert_eq!((options.max_bytes, options.version), (10, 3));
        assert_eq!(options.default_lifetime, Lifetime::For(Duration::ZERO));
        assert_eq!(options.prefix, "site");
        let options = Options::parse("off:?timeout=none").expect("options");
        assert_eq!(options.default_lifetime, Lifetime::Forever);
    }

    #[test]
    fn what_is_not_understood_is_refused_without_repeating_the_url() {
        for url in [
            "nonsense",
            "redis://user:s3cret@host",
            "memory:?max_bites=1",
            "memory:?timeout=-1",
            "memory:?version=one",
            "memory:?prefix=a%20b",
            "memory://s3cret/",
        ] {
            let error = Options::parse(url).expect_err(url).to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
