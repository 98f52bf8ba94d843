//! What the URL of a `redis:` bus says.

use std::path::PathBuf;

use crate::bus::BusError;
use crate::cache::CacheError;
use crate::cache::redis::target::Target;

/// What the names of a site's streams begin with when the URL does not say.
const DEFAULT_PREFIX: &str = "lyceum";

/// Longest prefix, in bytes.
const MOST_PREFIX_BYTES: usize = 100;

/// A server, and what a site is called there.
pub struct Address {
    /// The server.
    pub target: Target,
    /// What the names of the site's streams begin with.
    pub prefix: String,
}

impl Address {
    /// Understands `redis://user:password@host:port/database?prefix=school&ca=/etc/ssl/one.pem`; `rediss://` with TLS.
    /// Whatever is wrong is told without repeating the URL.
    pub fn parse(url: &str) -> Result<Self, BusError> {
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        let (scheme, place) = place.split_once(':').unwrap_or((place, ""));
        let (mut prefix, mut ca) = (DEFAULT_PREFIX.to_owned(), None);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "prefix" if is_prefix(&value) => prefix = value.into_owned(),
                "prefix" => {
                    return Err(fault(
                        "has a prefix that is empty, longer than 100 bytes, or has spaces or control characters",
                    ));
                }
                "ca" => ca = Some(PathBuf::from(&*value)),
                _ => return Err(fault("has an option other than prefix and ca")),
            }
        }
        let target = Target::of(scheme, place, ca.as_ref()).map_err(|error| match error {
            CacheError::Url(what) => BusError::Url(what),
            other => BusError::Url(format!("cannot be used: {other}")),
        })?;
        Ok(Self { target, prefix })
    }
}

fn is_prefix(text: &str) -> bool {
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control();
    (1..=MOST_PREFIX_BYTES).contains(&text.len()) && text.chars().all(is_plain)
}

fn fault(what: &str) -> BusError {
    BusError::Url(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_and_the_prefix_are_read() {
        let address = Address::parse("redis://:s3cret@bus.example/2?prefix=school").expect("a URL");
        assert_eq!(address.prefix, "school");
        assert_eq!(address.target.place, "redis://bus.example:6379/2");
        let address = Address::parse("rediss://bus.example").expect("a URL");
        assert_eq!(address.prefix, "lyceum");
        assert!(address.target.tls.is_some());
    }

    #[test]
    fn what_is_not_understood_is_refused_without_repeating_the_url() {
        for url in [
            "redis:",
            "redis://:s3cret@host:port",
            "redis://:s3cret@host/x",
            "redis://:s3cret@host?wait=50",
            "redis://:s3cret@host?prefix=",
            "redis://:s3cret@host?prefix=a%20b",
            "redis://:s3cret@host?ca=/etc/ssl/one.pem",
        ] {
            let Err(error) = Address::parse(url) else {
                panic!("{url} was taken");
            };
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
}
