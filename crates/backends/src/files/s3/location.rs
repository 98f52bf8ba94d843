//! `s3://bucket/prefix?endpoint=...&region=...&path_style=...`: which bucket, and how it is reached.

use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::client::{HttpClient, HttpConnector as _, ReqwestConnector};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use url::Url;

use crate::files::{FilesError, Place, key};

/// A connection that is not made by then is tried anew.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A store that is silent for so long in the middle of an answer is asked anew.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// Waits between attempts grow from the first to the last of these.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LAST_WAIT: Duration = Duration::from_secs(3);
/// Attempts after the first, and for how long: about ten seconds, since people wait for the answer.
/// Jobs are tried again later by themselves.
const MOST_RETRIES: usize = 6;
const RETRY_FOR: Duration = Duration::from_secs(15);

/// Keys of an object store. Those that are empty come from the environment, as AWS's own programs
/// take them: variables, a web identity, the machine's role.
#[derive(Clone, Default)]
pub struct S3Keys {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
}

impl std::fmt::Debug for S3Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("S3Keys(********)")
    }
}

/// A bucket, a folder in it, and the way there.
#[derive(Debug, PartialEq, Eq)]
pub struct Location {
    bucket: String,
    /// Without slashes at its ends; may be empty.
    pub prefix: String,
    endpoint: Option<Url>,
    region: Option<String>,
    is_path_style: bool,
}

/// A bucket, ready to be asked.
pub struct Connection {
    pub client: AmazonS3,
    /// For what the client has no call for.
    pub http: HttpClient,
    /// Scheme, host and port of the addresses of objects.
    pub origin: String,
    /// Where the objects are.
    pub place: Place,
}

impl Location {
    /// Reads the URL; what it says wrong is told in words that follow "the files URL".
    pub fn parse(text: &str) -> Result<Self, FilesError> {
        let wrong = |words: &str| FilesError::Url(words.to_owned());
        let url = Url::parse(text).map_err(|_| wrong("cannot be read"))?;
        if !url.username().is_empty() || url.password().is_some() || url.port().is_some() {
            return Err(wrong(
                "holds more than a bucket before its path; keys belong into LYCEUM_S3_ACCESS_KEY_ID and \
                 LYCEUM_S3_SECRET_ACCESS_KEY, an address of a store into ?endpoint=",
            ));
        }
        let bucket = url.host_str().unwrap_or_default().to_owned();
        if !is_bucket(&bucket) {
            return Err(wrong(
                "needs the name of a bucket after s3://, of 3 to 63 of a-z, 0-9, '.' and '-'",
            ));
        }
        let prefix = url.path().trim_matches('/').to_owned();
        if !prefix.is_empty() && key::check(&prefix).is_err() {
            return Err(wrong(
                "has a path that is no folder of a-z, 0-9, '.', '_' and '-'",
            ));
        }
        let mut location = Self {
            bucket,
            prefix,
            endpoint: None,
            region: None,
            is_path_style: false,
        };
        let mut is_path_style = None;
        for (name, value) in url.query_pairs() {
            match &*name {
                "endpoint" => location.endpoint = Some(endpoint(&value)?),
                "region" if !value.is_empty() => location.region = Some(value.into_owned()),
                "path_style" => is_path_style = Some(is_true(&value)?),
                _ => {
                    return Err(wrong(
                        "takes ?endpoint=, &region= and &path_style=true or false, and nothing else",
                    ));
                }
            }
        }
        // Few stores other than Amazon's have a name for each bucket.
        location.is_path_style = is_path_style.unwrap_or(location.endpoint.is_some());
        Ok(location)
    }

    /// Makes clients; no request is made.
    pub fn connect(&self, keys: &S3Keys) -> Result<Connection, FilesError> {
        crate::https::use_ring();
        let options = ClientOptions::new()
            .with_allow_http(true)
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_read_timeout(READ_TIMEOUT)
            // A recording is read for as long as somebody watches it.
            .with_timeout_disabled();
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: FIRST_WAIT,
                max_backoff: LAST_WAIT,
                base: 2.,
            },
            max_retries: MOST_RETRIES,
            retry_timeout: RETRY_FOR,
        };
        let has_keys = !keys.access_key_id.is_empty();
        // A session token of the environment belongs to keys of the environment.
        let builder = if has_keys {
            AmazonS3Builder::new()
                .with_access_key_id(&keys.access_key_id)
                .with_secret_access_key(&keys.secret_access_key)
        } else {
            AmazonS3Builder::from_env()
        };
        let mut builder = builder
            .with_bucket_name(&self.bucket)
            .with_client_options(options.clone())
            .with_retry(retry)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_virtual_hosted_style_request(!self.is_path_style);
        if let Some(region) = &self.region {
            builder = builder.with_region(region);
        }
        if let Some(endpoint) = self.endpoint() {
            builder = builder.with_endpoint(endpoint);
        }
        let origin = self.origin(&builder);
        let place = self.place(&origin);
        let client = builder.build().map_err(super::told)?;
        let http = ReqwestConnector::default()
            .connect(&options)
            .map_err(super::told)?;
        Ok(Connection {
            client,
            http,
            origin,
            place,
        })
    }

    /// A bucket of Amazon's has one name in the world, whatever the region and the style of its addresses; that
    /// of another store belongs to the store's own address, of which the bucket can be a part.
    fn place(&self, origin: &str) -> Place {
        let host = Url::parse(origin).ok().and_then(|url| {
            let host = url.host_str()?;
            Some(host.trim_end_matches('.').to_owned())
        });
        let is_amazon = host.is_some_and(|host| host.contains(".amazonaws.com"));
        let store = if is_amazon {
            "amazon".to_owned()
        } else {
            origin.replacen(&format!("//{}.", self.bucket), "//", 1)
        };
        Place {
            store: format!("{store}/{}", self.bucket),
            folder: self.prefix.as_str().into(),
        }
    }

    /// What the URL leaves open may stand in the environment.
    fn origin(&self, builder: &AmazonS3Builder) -> String {
        let set = |key| builder.get_config_value(&key);
        let region = set(AmazonS3ConfigKey::Region).unwrap_or_else(|| "us-east-1".to_owned());
        let text = match set(AmazonS3ConfigKey::Endpoint) {
            Some(endpoint) => endpoint,
            None if self.is_path_style => format!("https://s3.{region}.amazonaws.com"),
            None => format!("https://{}.s3.{region}.amazonaws.com", self.bucket),
        };
        Url::parse(&text).map_or(text, |url| url.origin().ascii_serialization())
    }

    /// Where requests go; with a name for each bucket that name is part of it.
    fn endpoint(&self) -> Option<String> {
        let mut endpoint = self.endpoint.clone()?;
        if !self.is_path_style {
            let host = format!("{}.{}", self.bucket, endpoint.host_str()?);
            endpoint.set_host(Some(&host)).ok()?;
        }
        Some(endpoint.as_str().trim_end_matches('/').to_owned())
    }
}

fn is_bucket(name: &str) -> bool {
    let is_known = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
    (3..=63).contains(&name.len()) && name.bytes().all(is_known) && !name.contains("..")
}

fn endpoint(text: &str) -> Result<Url, FilesError> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.path() == "/"
            && url.query().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    url.ok_or_else(|| {
        FilesError::Url("needs http:// or https:// and a host as its endpoint".to_owned())
    })
}

fn is_true(text: &str) -> Result<bool, FilesError> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(FilesError::Url(
            "takes true or false as path_style".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_which_bucket_and_how_it_is_reached() {
        let amazon = Location::parse("s3://school/files/2026?region=eu-central-1").unwrap();
        assert_eq!(
            (amazon.bucket.as_str(), amazon.prefix.as_str()),
            ("school", "files/2026")
        );
        assert_eq!(amazon.region.as_deref(), Some("eu-central-1"));
        assert!(!amazon.is_path_style && amazon.endpoint().is_none());
        let own = Location::parse("s3://school?endpoint=http://127.0.0.1:9000").unwrap();
        assert!(own.is_path_style && own.prefix.is_empty());
        assert_eq!(own.endpoint().as_deref(), Some("http://127.0.0.1:9000"));
        let named = Location::parse("s3://school/?endpoint=https://store.example&path_style=false")
            .unwrap();
        assert_eq!(
            named.endpoint().as_deref(),
            Some("https://school.store.example")
        );
    }

    #[test]
    fn one_place_is_known_by_every_url_that_names_it() {
        let place = |text: &str| {
            let keys = S3Keys {
                access_key_id: "key".to_owned(),
                secret_access_key: "secret".to_owned(),
            };
            let location = Location::parse(text).unwrap();
            location.connect(&keys).unwrap().place
        };
        for same in [
            [
                "s3://school/files?region=eu-central-1",
                "s3://school/files/",
            ],
            [
                "s3://school?region=eu-central-1",
                "s3://school?region=eu-central-1&path_style=true",
            ],
            [
                "s3://school?region=eu-central-1",
                "s3://school?endpoint=https://s3.eu-central-1.amazonaws.com",
            ],
            [
                "s3://school?endpoint=https://store.example",
                "s3://school/?endpoint=https://STORE.example:443/&path_style=false",
            ],
        ] {
            assert_eq!(place(same[0]), place(same[1]), "{same:?}");
        }
        for other in [
            "s3://school/files",
            "s3://school2",
            "s3://school?endpoint=https://store.example",
        ] {
            assert_ne!(place("s3://school"), place(other), "{other}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_meant_is_refused_and_its_keys_are_not_told() {
        for wrong in [
            "s3:",
            "s3://",
            "s3://ab",
            "s3://school_files",
            "s3://school/Other",
            "s3://key:s3cret@school/",
            "s3://school:9000/",
            "s3://school/.hidden",
            "s3://school?endpoint=127.0.0.1:9000",
            "s3://school?endpoint=https://key:s3cret@store.example",
            "s3://school?endpoint=https://store.example/path",
            "s3://school?path_style=yes",
            "s3://school?secret=s3cret",
        ] {
            let error = Location::parse(wrong).expect_err(wrong).to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
