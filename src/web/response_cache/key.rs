//! Under which names an answer is kept: prefix, form, host, path, and what else it depends on.
//!
//! Names are bounded. Of the query only the parameters count that the handler named, so that nobody fills the
//! cache with `/?x=1`, `/?x=2` and so on; addresses that are long, or written in a way in which no link of ours is,
//! go past the cache. Where the site has no public URL of its own the `Host` header is a part of the name, since
//! a page might show it; where it has one, no page looks at that header.

use super::variants::Encoding;
use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::{HeaderMap, HeaderName, Uri};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::sync::Arc;
use url::form_urlencoded;

/// Longer addresses, path and query together, go past the cache.
const LONGEST_ADDRESS: usize = 1_024;
/// The longest host name (RFC 1035, section 2.3.4) with a port.
const LONGEST_HOST: usize = 261;

/// What, besides its address, an answer depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Selects {
    /// Parameters of the query, in the order of the name.
    pub parameters: Vec<String>,
    /// Headers of the request, in lower case (`Vary`, RFC 9110, section 12.5.5).
    pub headers: Vec<String>,
}

impl Selects {
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty() && self.headers.is_empty()
    }
}

/// Where the answers to a request are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    prefix: Arc<str>,
    /// Empty where it does not count.
    host: String,
    uri: Uri,
}

impl Place {
    /// The place of a request; `None` when its address is none that is kept. `site`: the site has a public URL.
    pub fn of(request: &Request, prefix: &Arc<str>, has_public_url: bool) -> Option<Self> {
        let uri = request.uri();
        let length = uri.path_and_query().map_or(0, |text| text.as_str().len());
        if length > LONGEST_ADDRESS || !is_normal(uri.path()) {
            return None;
        }
        let host = if has_public_url {
            String::new()
        } else {
            host(uri, request.headers())?
        };
        Some(Self {
            prefix: Arc::clone(prefix),
            host,
            uri: uri.clone(),
        })
    }

    /// The first name to look under.
    pub fn name(&self, encoding: Encoding) -> String {
        let Self { prefix, host, uri } = self;
        let parts = [
            "page:",
            prefix,
            ":",
            encoding.short(),
            ":",
            host,
            uri.path(),
        ];
        parts.concat()
    }

    /// The name of one of several answers at this address.
    pub fn selected(&self, encoding: Encoding, selects: &Selects, headers: &HeaderMap) -> String {
        let mut name = self.name(encoding);
        if !selects.parameters.is_empty() {
            name.push('?');
            name.push_str(&self.parameters(&selects.parameters));
        }
        if !selects.headers.is_empty() {
            name.push('#');
            name.push_str(&digest_of(&selects.headers, headers));
        }
        name
    }

    /// Those parameters that count, as they would stand in an address of ours.
    fn parameters(&self, names: &[String]) -> String {
        let query = self.uri.query().unwrap_or("");
        let given: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        let mut text = form_urlencoded::Serializer::new(String::new());
        for name in names {
            let of_name = given.iter().filter(|(given, _)| given == name);
            text.extend_pairs(of_name);
        }
        text.finish()
    }

    /// The address as it was asked for.
    pub fn asked(&self) -> (&str, &str, Option<&str>) {
        (&self.host, self.uri.path(), self.uri.query())
    }
}

/// The host as it was asked for, in lower case; `None` when there is not exactly one, or an odd one.
pub(super) fn host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let mut named = headers.get_all(HOST).iter();
    let named = match (named.next(), named.next()) {
        (_, Some(_)) => return None,
        (first, None) => first.and_then(|value| value.to_str().ok()),
    };
    // In this order (RFC 9112, section 3.2.2).
    let host = uri.authority().map_or(named, |host| Some(host.as_str()))?;
    let is_plain = host.len() <= LONGEST_HOST
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".:-[]_".contains(&byte));
    is_plain.then(|| host.to_ascii_lowercase())
}

/// Whether a path is written as our links are (RFC 3986, section 6.2.2): what need not be escaped is not, and
/// escapes are in capitals. Otherwise one page would have names without end.
fn is_normal(path: &str) -> bool {
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let Some(escape) = rest.get(at..at + 3) else {
            return false;
        };
        let mut decoded = percent_decode_str(escape);
        let (Some(byte), None) = (decoded.next(), decoded.next()) else {
            return false;
        };
        let is_needless = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if is_needless || escape.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return false;
        }
        rest = rest.get(at + 3..).unwrap_or("");
    }
    true
}

/// Stands for the values of these headers, which may be long, and secret.
fn digest_of(names: &[String], headers: &HeaderMap) -> String {
    let mut digest = Sha256::new();
    for name in names {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            continue;
        };
        for value in headers.get_all(&name) {
            // Lengths, so that no two lists of values read the same.
            digest.update((value.len() as u64).to_be_bytes());
            digest.update(value.as_bytes());
        }
        digest.update(u64::MAX.to_be_bytes());
    }
    let bytes = digest.finalize();
    bytes.iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::{Place, Selects};
    use crate::web::response_cache::variants::Encoding;
    use axum::body::Body;
    use axum::extract::Request;
    use axum::http::HeaderMap;
    use proptest::prelude::*;

    fn request(uri: &str, hosts: &[&str]) -> Request {
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header("host", *host);
        }
        request.body(Body::empty()).unwrap()
    }

    fn place(uri: &str) -> Option<Place> {
        Place::of(&request(uri, &["a.example"]), &"".into(), false)
    }

    fn selected(uri: &str, parameters: &[&str]) -> String {
        let selects = Selects {
            parameters: parameters.iter().map(|&name| name.into()).collect(),
            headers: Vec::new(),
        };
        let place = place(uri).unwrap();
        place.selected(Encoding::Gzip, &selects, &HeaderMap::new())
    }

    #[test]
    fn only_named_parameters_count_whatever_their_order() {
        let name = selected("/?page=2&sort=title&utm_source=x", &["sort", "page"]);
        assert_eq!(name, "page::gz:a.example/?sort=title&page=2");
        assert_eq!(selected("/?sort=title&page=2", &["sort", "page"]), name);
        assert_eq!(selected("/?p%61ge=2&sort=titl%65", &["sort", "page"]), name);
        assert_ne!(
            selected("/?page=2&page=3", &["page"]),
            selected("/?page=3&page=2", &["page"])
        );
        assert_ne!(selected("/?page=2%26sort=title", &["page", "sort"]), name);
    }

    #[test]
    fn a_header_that_counts_is_told_apart_with_all_its_values() {
        let selects = Selects {
            parameters: Vec::new(),
            headers: vec!["accept-language".into(), "cookie".into()],
        };
        let name = |lines: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, value.parse().unwrap());
            }
            let place = place("/").unwrap();
            place.selected(Encoding::Brotli, &selects, &headers)
        };
        let names = [
            name(&[]),
            name(&[("accept-language", "")]),
            name(&[("accept-language", "de")]),
            name(&[("cookie", "de")]),
            name(&[("accept-language", "d"), ("accept-language", "e")]),
        ];
        for (at, one) in names.iter().enumerate() {
            assert!(!names[at + 1..].contains(one), "{at}");
        }
        assert_eq!(name(&[("accept", "x"), ("cookie", "de")]), names[3]);
    }

    #[test]
    fn hosts_are_told_apart_where_the_site_has_no_address_of_its_own() {
        let of = |hosts: &[&str], public| {
            let place = Place::of(&request("/", hosts), &"".into(), public)?;
            Some(place.name(Encoding::Gzip))
        };
        assert_eq!(of(&["A.Example:80"], false), of(&["a.example:80"], false));
        assert_ne!(of(&["a.example"], false), of(&["b.example"], false));
        assert_eq!(of(&["a.example"], true), of(&["b.example"], true));
        for hosts in [&[][..], &["a", "b"], &["a/b"], &["a b"], &["\u{e9}"]] {
            assert_eq!(of(hosts, false), None, "{hosts:?}");
        }
        let long = "a".repeat(300);
        assert_eq!(of(&[&long], false), None);
    }

    #[test]
    fn addresses_that_no_link_of_ours_has_are_not_kept() {
        for uri in ["/course/%63ello/", "/course/c%2fello/", "/%", "/%2", "/%zz"] {
            assert_eq!(place(uri), None, "{uri}");
        }
        assert!(place("/course/cello/").is_some());
        assert!(place("/course/%C3%A9/").is_some());
        assert_eq!(place(&format!("/?q={}", "a".repeat(2_000))), None);
    }

    proptest! {
        #[test]
        fn names_of_any_address_can_be_made(path in "/[!-~]{0,80}") {
            if let Ok(request) = Request::builder().uri(&path).header("host", "a").body(Body::empty())
                && let Some(place) = Place::of(&request, &"p".into(), false)
            {
                let name = place.name(Encoding::Identity);
                prop_assert!(name.is_ascii() && !name.contains(|c: char| c.is_ascii_control() || c == ' '));
            }
        }
    }
}
