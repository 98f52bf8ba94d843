//! The URL that names the service: region, role, queue, address, keys, and the bucket.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use url::Url;

/// Parameters of the URL.
const KNOWN: [&str; 4] = ["role", "queue", "endpoint", "store"];

/// What the URL of the service says.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its region, for example `eu-central-1`.
    pub region: String,
    /// ARN of the role that it takes on to read and write the bucket.
    pub role: String,
    /// Name or ARN of the queue; the account's default one without.
    pub queue: Option<String>,
    /// Its address, without a path.
    pub endpoint: Url,
    /// Where it finds the site's files: `s3://bucket` or `s3://bucket/prefix`, without a closing slash.
    pub store: String,
    /// Access key and its secret; without, they come from the environment.
    pub keys: Option<(String, String)>,
}

/// Shows no key.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("region", &self.region)
            .field("endpoint", &self.endpoint.as_str())
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads `mediaconvert:<region>?role=<ARN>`, with `&queue=`, `&endpoint=`, `&store=`, or
    /// `mediaconvert://<key>:<secret>@<region>?...`. `files` is the URL of the file store, which tells the
    /// bucket unless `store` does.
    ///
    /// # Errors
    /// Says what is missing or wrong, never with a secret.
    pub fn parse(text: &str, files: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("this URL cannot be read: {error}"))?;
        if let Some((name, _)) = url
            .query_pairs()
            .find(|(name, _)| !KNOWN.contains(&&**name))
        {
            return Err(format!(
                "there is no parameter {name}; known are {}",
                KNOWN.join(", ")
            ));
        }
        let value = |name: &str| {
            let mut pairs = url.query_pairs();
            let found = pairs.find(|(found, _)| found == name);
            found
                .map(|(_, value)| value.into_owned())
                .filter(|value| !value.is_empty())
        };
        let region = region_of(&url)
            .ok_or("a region is expected, as in mediaconvert:eu-central-1?role=arn:aws:iam::...")?;
        let role = value("role")
            .filter(|role| role.starts_with("arn:") && role.contains(":role/"))
            .ok_or("role= must be the ARN of the role that MediaConvert takes on to read and write the bucket")?;
        let endpoint = match value("endpoint") {
            Some(text) => endpoint(&text)?,
            None => default_endpoint(&region)?,
        };
        let store = match value("store") {
            Some(text) => store(&text).ok_or("store= must be s3://bucket or s3://bucket/prefix")?,
            None => store(files).ok_or(
                "MediaConvert reads and writes a bucket of S3: set LYCEUM_FILES=s3://bucket, or store=s3://bucket/prefix where that bucket is mounted as the folder of LYCEUM_FILES",
            )?,
        };
        Ok(Self {
            keys: keys(&url)?,
            queue: value("queue"),
            region,
            role,
            endpoint,
            store,
        })
    }

    /// The address of an object of the file store in the bucket.
    pub fn object(&self, key: &str) -> String {
        format!("{}/{key}", self.store)
    }
}

fn region_of(url: &Url) -> Option<String> {
    let named = url.host_str().unwrap_or_else(|| url.path());
    let is_region = named.split('-').count() >= 3
        && named
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    (is_region && url.port().is_none()).then(|| named.to_owned())
}

fn keys(url: &Url) -> Result<Option<(String, String)>, String> {
    let plain = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded.map(Cow::into_owned).ok()
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        (key, Some(secret)) if !key.is_empty() => {
            let found = plain(key).zip(plain(secret));
            Ok(Some(found.ok_or("key and secret are not UTF-8")?))
        }
        _ => Err("in front of the @ stand key and secret, parted by a colon, signs such as / + as %2F %2B".into()),
    }
}

/// https, or http to this machine itself.
fn endpoint(text: &str) -> Result<Url, String> {
    let words = "endpoint= must be an https:// address without a path";
    let url = Url::parse(text).map_err(|_| words.to_owned())?;
    let is_here = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_here);
    let is_bare = url.path() == "/" && url.query().is_none() && url.username().is_empty();
    if is_safe && is_bare && url.has_host() {
        Ok(url)
    } else {
        Err(words.to_owned())
    }
}

/// As the AWS SDKs know it (`endpoint-rule-set` of MediaConvert).
fn default_endpoint(region: &str) -> Result<Url, String> {
    let host = match region {
        "cn-northwest-1" => "subscribe.mediaconvert.cn-northwest-1.amazonaws.com.cn".to_owned(),
        _ if region.starts_with("cn-") => format!("mediaconvert.{region}.amazonaws.com.cn"),
        _ => format!("mediaconvert.{region}.amazonaws.com"),
    };
    Url::parse(&format!("https://{host}/")).map_err(|error| error.to_string())
}

fn store(text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(|url| url.scheme() == "s3")?;
    let bucket = url.host_str().filter(|host| !host.is_empty())?;
    let prefix = percent_decode_str(url.path().trim_matches('/'))
        .decode_utf8()
        .ok()?;
    Some(if prefix.is_empty() {
        format!("s3://{bucket}")
    } else {
        format!("s3://{bucket}/{prefix}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "role=arn:aws:iam::123456789012:role/MediaConvert";

    #[test]
    fn a_region_and_a_role_are_enough_where_the_files_are_in_s3() {
        let url = format!("mediaconvert:eu-central-1?{ROLE}");
        let found = Settings::parse(&url, "s3://school/lyceum/?region=eu-central-1").unwrap();
        assert_eq!(
            found.endpoint.as_str(),
            "https://mediaconvert.eu-central-1.amazonaws.com/"
        );
        assert_eq!(
            found.object("uploads/x/original"),
            "s3://school/lyceum/uploads/x/original"
        );
        assert_eq!((found.queue, found.keys), (None, None));
        let fault = Settings::parse(&url, "disk:").unwrap_err();
        assert!(fault.contains("LYCEUM_FILES=s3:"), "{fault}");
    }

    #[test]
    fn everything_can_be_named() {
        let url = format!(
            "mediaconvert://AKID:se%2Fcret@us-west-2?{ROLE}&queue=lectures&endpoint=http://127.0.0.1:9&store=s3://b"
        );
        let found = Settings::parse(&url, "disk:").unwrap();
        assert_eq!(found.keys, Some(("AKID".to_owned(), "se/cret".to_owned())));
        assert_eq!(found.queue.as_deref(), Some("lectures"));
        assert_eq!(found.object("k"), "s3://b/k");
        assert!(!format!("{found:?}").contains("se/cret"));
    }

    #[test]
    fn what_cannot_work_is_told_at_the_start() {
        for (url, word) in [
            ("mediaconvert:", "region"),
            ("mediaconvert:?role=x", "region"),
            ("mediaconvert:Frankfurt?role=x", "region"),
            ("mediaconvert:eu-central-1", "role"),
            ("mediaconvert:eu-central-1?role=admin", "role"),
            (
                "mediaconvert:eu-central-1?role=arn:aws:iam::1:role/x&line=y",
                "line",
            ),
            (
                "mediaconvert:eu-central-1?role=arn:aws:iam::1:role/x&endpoint=http://evil.com",
                "endpoint",
            ),
            (
                "mediaconvert:eu-central-1?role=arn:aws:iam::1:role/x&endpoint=https://a/b",
                "endpoint",
            ),
            (
                "mediaconvert:eu-central-1?role=arn:aws:iam::1:role/x&store=disk:",
                "store",
            ),
            (
                "mediaconvert://key@eu-central-1?role=arn:aws:iam::1:role/x",
                "secret",
            ),
        ] {
            let fault = Settings::parse(url, "s3://school").unwrap_err();
            assert!(fault.contains(word), "{url}: {fault}");
        }
    }
}
