//! The configuration: `lyceum.toml`, then environment, then flags.
//!
//! [`SETTINGS`] is the one list of what can be set; docs/OPERATIONS.md is tested against it.
//! Unknown keys and bad values are told all at once, each by its name.

mod rate;
mod reader;
mod secret;
mod shown;

pub use rate::Rate;

use shown::mask;

use axum::http::HeaderName;
use backends::files::S3Keys;
use ipnet::IpNet;
use reader::{Reader, read_sources};
use secret::find_secret;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// One thing that can be set: as `key` in `lyceum.toml`, as `LYCEUM_<KEY>` in the environment.
pub struct Setting {
    /// Its name in the file.
    pub key: &'static str,
    /// What holds when it is not set.
    pub default: &'static str,
    /// What it is, and what values it takes.
    pub about: &'static str,
    /// Whether its value is shown masked.
    pub is_secret: bool,
}

const fn setting(key: &'static str, default: &'static str, about: &'static str) -> Setting {
    Setting {
        key,
        default,
        about,
        is_secret: false,
    }
}

/// Everything that can be set.
pub const SETTINGS: &[Setting] = &[
    setting(
        "data",
        "./data",
        "The one folder: database, files, temporary files.",
    ),
    setting(
        "listen",
        "127.0.0.1:8000",
        "Address and port, or `unix:/run/lyceum.sock`.",
    ),
    setting(
        "public_url",
        "",
        "The site as visitors see it, for example `https://learn.example.org`; empty: `http://<listen>`, and the `Host` header decides what is ours.",
    ),
    setting(
        "site_name",
        "Lyceum",
        "The name of the school, shown at the foot of each page.",
    ),
    setting(
        "database",
        "sqlite:",
        "`sqlite:` (in the data folder), `sqlite:<path>` or `postgres://user:password@host/name`.",
    ),
    setting(
        "database_timeout_seconds",
        "60",
        "How long an answer of PostgreSQL is waited for before it counts as away; a lock that another transaction holds is waited for a third of that time.",
    ),
    setting(
        "cache",
        "memory:",
        "One of those under [Caches](#caches), options after a `?`.",
    ),
    setting(
        "cache_<name>",
        "",
        "A cache of its own for what asks for this name, for example `LYCEUM_CACHE_PAGES`; empty: the one above.",
    ),
    setting(
        "page_cache",
        "pages",
        "The name of the cache that keeps whole pages for visitors who are not logged in: that of `cache_<name>`, else `cache`.",
    ),
    setting(
        "page_cache_seconds",
        "600",
        "How long a page is kept in which nothing changes; 0: not at all. A change ends it at once.",
    ),
    setting(
        "page_cache_prefix",
        "",
        "What the names of kept pages begin with. Sites that share a cache are kept apart without it.",
    ),
    setting(
        "bus",
        "database:",
        "How processes of one site hear each other: `database:`; `redis://...` beside it (see [Bus](#bus)); `memory:` for a single process.",
    ),
    setting(
        "files",
        "disk:",
        "`disk:` (in the data folder), `disk:<path>`, or `s3://bucket/prefix` with `?endpoint=`, `&region=`, `&path_style=`.",
    ),
    Setting {
        key: "s3_access_key_id",
        default: "",
        about: "Key of the object store; empty: `AWS_ACCESS_KEY_ID`, a web identity, or the role of the machine.",
        is_secret: true,
    },
    Setting {
        key: "s3_secret_access_key",
        default: "",
        about: "Its secret; empty: `AWS_SECRET_ACCESS_KEY`.",
        is_secret: true,
    },
    setting(
        "media_delivery",
        "site",
        "How recordings get from an object store to visitors: through the `site`, or by addresses at the store itself that are `signed` for five minutes.",
    ),
    setting(
        "transcoder",
        "local:",
        "Who converts recordings: `local:` (ffmpeg, started by this site's workers) or `mediaconvert:<region>?role=<ARN>` (see [Converting in the cloud](#converting-in-the-cloud)).",
    ),
    setting(
        "sns_topics",
        "",
        "ARNs of the topics of Amazon SNS that are heeded at `/hooks/transcode/`, comma-separated; empty: there is no such address.",
    ),
    setting(
        "sns_trust",
        "",
        "Services compatible with SNS that are trusted besides Amazon's, each with the roots that sign for it: `<host>=<PEM file>`, comma-separated.",
    ),
    setting(
        "ffmpeg",
        "",
        "Path of ffmpeg or of the folder that holds ffmpeg and ffprobe; empty: found on PATH.",
    ),
    setting(
        "mail",
        "file:",
        "`file:` (in the data folder), `smtp://user:password@host:port`, `smtps://...` (TLS from the first byte), `log:`, or `off:` for none. Letters with links need `LYCEUM_PUBLIC_URL`. `?from=Name <address>` is the sender; without it letters come from `lyceum@localhost`, which ordinary mail servers refuse. With `smtp:`, `tls=required`, `tls=opportunistic` (STARTTLS where it is offered) or `tls=none`; unsaid, `required` with a password, else `opportunistic`, and `none` to this machine.",
    ),
    setting(
        "confirmed_email",
        "optional",
        "What takes a confirmed mail address: nothing (`optional`), to `enroll` in courses, or to `login` at all (staff excepted).",
    ),
    setting(
        "staff_two_factor",
        "optional",
        "`required`: whoever runs the site may do so only after setting up two-factor log-in; `optional`.",
    ),
    Setting {
        key: "secret",
        default: "",
        about: "32 characters or more, the same on every node; empty: made at the first start and kept in the data folder (SQLite only).",
        is_secret: true,
    },
    setting(
        "upload_max",
        "10GiB",
        "Largest upload, for example `500MiB`.",
    ),
    setting("image_max", "50MiB", "Largest picture."),
    setting(
        "quota",
        "100GiB",
        "What one person's files may take altogether, unfinished uploads included.",
    ),
    setting(
        "upload_expiry_hours",
        "24",
        "How long an unfinished upload that nobody continues is kept.",
    ),
    setting(
        "audio_formats",
        "m4a",
        "What recordings are offered as: `m4a`, and `flac`, `wav` when named too, comma-separated.",
    ),
    setting("workers", "1", "Jobs that run at once in one process."),
    setting(
        "lease_seconds",
        "30",
        "How long a job stays with a worker that no longer answers.",
    ),
    setting(
        "trusted_proxies",
        "",
        "Addresses and networks (`10.1.0.0/16`) of the proxies in front, comma-separated: what they say in `X-Forwarded-For` is believed, and no other header of this kind is read.",
    ),
    setting(
        "remote_user_header",
        "",
        "The header in which a trusted proxy says who asks the REST API, for example `Remote-User`; empty: none. The proxy must remove what visitors send under this name.",
    ),
    setting(
        "api_visitor_rate",
        "",
        "How often one address may ask the REST API without logging in, for example `100/second` or `5000/hour`; empty: no limit.",
    ),
    setting(
        "api_user_rate",
        "",
        "How often one person may ask the REST API; empty: no limit.",
    ),
    setting(
        "api_write_rate",
        "",
        "How often one person may change something by the REST API, for example `60/minute`; empty: as often as she may ask.",
    ),
    setting(
        "chat_rate",
        "20/second",
        "How much one connection may say in the room of a course; `off`: no limit.",
    ),
    setting(
        "chat_sockets_per_user",
        "20",
        "How many sockets one person may have open in rooms, on each node.",
    ),
    setting(
        "chat_sockets_per_address",
        "5000",
        "How many sockets may be open from one address, on each node; a school may come from a single one. For IPv6: from one network of 2^64.",
    ),
    setting(
        "chat_idle",
        "75",
        "After how many seconds without a sign of life a socket is closed; a quiet client is asked for one before.",
    ),
    setting(
        "chat_frame_max",
        "64KiB",
        "Largest frame that a client of a room may send.",
    ),
    setting(
        "log",
        "info",
        "What is logged, for example `info` or `lyceum=debug`.",
    ),
    setting("log_format", "text", "`text` or `json`."),
    setting(
        "metrics",
        "",
        "Address and port at which this process tells its figures to Prometheus, for example `127.0.0.1:9100`; empty: nowhere (see [Metrics](#metrics)).",
    ),
];

/// The configuration in force.
#[derive(Clone, Debug)]
pub struct Config {
    /// The one folder.
    pub data: PathBuf,
    /// Where requests come in.
    pub listen: Listen,
    /// The site as visitors see it, when configured.
    pub public_url: Option<Url>,
    /// The name of the school.
    pub site_name: String,
    /// URL of the database.
    pub database: String,
    /// How long an answer of PostgreSQL is waited for.
    pub database_timeout: Duration,
    /// URL of the cache.
    pub cache: String,
    /// URLs of the caches that have a name.
    pub caches: BTreeMap<String, String>,
    /// Name of the cache of whole pages.
    pub page_cache: String,
    /// How long a page is kept in which nothing changes.
    pub page_cache_seconds: u64,
    /// What the names of kept pages begin with.
    pub page_cache_prefix: String,
    /// URL of the bus.
    pub bus: String,
    /// URL of the file store.
    pub files: String,
    /// Keys of the object store, when configured.
    pub s3_keys: S3Keys,
    /// How recordings get from an object store to visitors.
    pub media_delivery: MediaDelivery,
    /// URL of who converts recordings.
    pub transcoder: String,
    /// ARNs of the topics that are heeded.
    pub sns_topics: Vec<String>,
    /// Hosts that are trusted like those of Amazon SNS, and the file of the roots of each.
    pub sns_trust: Vec<(String, PathBuf)>,
    /// Where ffmpeg is, when configured.
    pub ffmpeg: Option<PathBuf>,
    /// URL of the mail service.
    pub mail: String,
    /// What takes a confirmed mail address.
    pub confirmed_email: ConfirmedEmail,
    /// Whether staff have their rights only with two-factor log-in.
    pub requires_staff_two_factor: bool,
    /// Key of signatures and keyed hashes; 32 bytes or more.
    pub secret: Secret,
    /// Largest upload.
    pub upload_max_bytes: u64,
    /// Largest picture.
    pub image_max_bytes: u64,
    /// What one person's files may take altogether, unfinished uploads included.
    pub quota_bytes: u64,
    /// How long an unfinished upload that nobody continues is kept.
    pub upload_expiry_hours: u64,
    /// What recordings are offered as, besides M4A.
    pub audio_formats: Vec<String>,
    /// Jobs that run at once in one process.
    pub workers: usize,
    /// How long a job stays with a worker that no longer answers.
    pub lease_seconds: u64,
    /// Whose `X-Forwarded-For` is believed, and who may name a user in `remote_user_header`.
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which a trusted proxy names who asks the API.
    pub remote_user_header: Option<HeaderName>,
    /// How often an address may ask the API.
    pub api_visitor_rate: Option<Rate>,
    /// How often a person may ask the API.
    pub api_user_rate: Option<Rate>,
    /// How often a person may change something by the API.
    pub api_write_rate: Option<Rate>,
    /// How much a connection may say in a room.
    pub chat_rate: Option<Rate>,
    /// How many sockets one person may have open in rooms.
    pub chat_sockets_per_user: u64,
    /// How many sockets may be open in rooms from one address.
    pub chat_sockets_per_address: u64,
    /// After how many seconds without a sign of life a socket is closed.
    pub chat_idle_seconds: u64,
    /// Largest frame that a client of a room may send.
    pub chat_frame_max_bytes: u64,
    /// A filter for the log.
    pub log: String,
    /// Whether the log is JSON.
    pub log_as_json: bool,
    /// Where this process tells its figures, when it does.
    pub metrics: Option<String>,
}

/// Where requests come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A TCP address, `host:port`.
    Tcp(String),
    /// The path of a socket.
    Unix(PathBuf),
}

/// What takes a confirmed mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfirmedEmail {
    /// Nothing.
    Optional,
    /// Enrolling in courses.
    Enroll,
    /// Logging in.
    Login,
}

/// How recordings get from an object store to visitors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaDelivery {
    /// Through the site.
    Site,
    /// By addresses at the store itself, signed for a short while.
    Signed,
}

/// A value that is never shown.
#[derive(Clone)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

/// Everything that is wrong with a configuration, a line each.
#[derive(Debug, thiserror::Error)]
#[error("the configuration cannot be used:\n  {}", .0.join("\n  "))]
pub struct ConfigError(pub Vec<String>);

/// Values by key, as given, before they are understood.
type Values = BTreeMap<String, String>;

impl Config {
    /// Reads file, environment and flags, in this order; later ones win.
    ///
    /// `file`: the file to read; `None` reads `lyceum.toml` where there is one. `flags`: key and value.
    pub fn load(file: Option<&Path>, flags: &[(&str, String)]) -> Result<Self, ConfigError> {
        let mut faults = Vec::new();
        let mut values = read_sources(file, &mut faults);
        values.extend(
            flags
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone())),
        );
        Self::from_values(&values, faults)
    }

    /// Understands the values; nothing but `values` is looked at (and the secret in the data folder).
    pub fn from_values(values: &Values, mut faults: Vec<String>) -> Result<Self, ConfigError> {
        for key in values.keys() {
            if !SETTINGS.iter().any(|s| s.key == key) && reader::named_cache(key).is_none() {
                faults.push(format!(
                    "{key}: there is no such setting; see docs/OPERATIONS.md"
                ));
            }
        }
        let mut reader = Reader { values, faults };
        let config = reader.config();
        let mut faults = reader.faults;
        let config = match config {
            Some(mut config) if faults.is_empty() => match find_secret(&config) {
                Ok(secret) => {
                    config.secret = secret;
                    return Ok(config);
                }
                Err(fault) => fault,
            },
            _ => return Err(ConfigError(faults)),
        };
        faults.push(config);
        Err(ConfigError(faults))
    }

    /// The folder of the stored files, where they are on a disk.
    pub fn files_folder(&self) -> Option<PathBuf> {
        match self.files.strip_prefix("disk:")? {
            "" => Some(self.data.join("files")),
            path => Some(PathBuf::from(path)),
        }
    }

    /// The site as visitors see it: the configured URL, else `http://<listen>`.
    pub fn site_url(&self) -> String {
        match (&self.public_url, &self.listen) {
            (Some(url), _) => url.as_str().trim_end_matches('/').to_owned(),
            (None, Listen::Tcp(address)) => format!("http://{address}"),
            (None, Listen::Unix(_)) => "http://localhost".to_owned(),
        }
    }

    /// Whether letters with links can be sent: there is a way for them, and an address of the site that visitors know.
    pub fn sends_mail(&self) -> bool {
        self.public_url.is_some() && !self.mail.starts_with("off:")
    }

    /// Whether visitors come over https.
    pub fn is_https(&self) -> bool {
        self.public_url
            .as_ref()
            .is_some_and(|url| url.scheme() == "https")
    }

    /// The caches that have a name, with their URLs.
    fn shown_caches(&self) -> String {
        let named = self.caches.iter();
        let shown: Vec<_> = named
            .map(|(name, url)| format!("{name}={}", mask(url)))
            .collect();
        shown.join(" ")
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::reader::parse_size;
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn all_faults_are_told_at_once_by_name() {
        let wrong = values(&[
            ("listen", "nowhere"),
            ("upload_max", "huge"),
            ("shade", "red"),
            ("secret", "short"),
            ("log", "lyceum=loudly"),
            ("public_url", "https://school.example/?a"),
            ("cache", "ftp://x"),
        ]);
        let error = Config::from_values(&wrong, Vec::new())
            .unwrap_err()
            .to_string();
        for key in [
            "listen",
            "upload_max",
            "shade",
            "cache",
            "secret",
            "log",
            "public_url",
        ] {
            assert!(
                error.contains(&format!("{key}:")),
                "{key} is missing in {error}"
            );
        }
    }

    #[test]
    fn a_secret_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let data = values(&[("data", folder.path().to_str().unwrap())]);
        let first = Config::from_values(&data, Vec::new()).unwrap().secret.0;
        let second = Config::from_values(&data, Vec::new()).unwrap().secret.0;
        assert!(first.len() >= 32);
        assert_eq!(first, second);
    }

    #[test]
    fn postgresql_needs_a_secret_of_its_own() {
        let error = Config::from_values(&values(&[("database", "postgres://h/db")]), Vec::new())
            .unwrap_err();
        assert!(error.to_string().contains("secret:"));
    }

    #[test]
    fn passwords_in_urls_are_masked() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_str().unwrap();
        let secret = "x".repeat(32);
        let given = values(&[
            ("data", data),
            (
                "database",
                "postgres://u:topsecret@h/db?sslmode=require&password=topsecret",
            ),
            ("mail", "smtp://u:top/secret@mail.example:587"),
            ("secret", &secret),
        ]);
        let shown = format!(
            "{:?}",
            Config::from_values(&given, Vec::new()).unwrap().shown()
        );
        assert!(
            !shown.contains("topsecret")
                && !shown.contains("top/secret")
                && !shown.contains(&secret),
            "{shown}"
        );
        assert!(
            shown.contains("sslmode=require") && shown.contains("mail.example"),
            "{shown}"
        );
    }

    #[test]
    fn a_url_that_cannot_be_read_does_not_show_its_password() {
        let given = values(&[("database", "postgres://u:top/secret@h/db")]);
        let error = Config::from_values(&given, Vec::new())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("database:") && error.contains("secret:"),
            "{error}"
        );
        assert!(!error.contains("top/"), "{error}");
        assert_eq!(
            mask("postgres://u:top/secret@h/db"),
            "postgres:********@h/db"
        );
    }

    #[test]
    fn paths_hold_wherever_a_child_process_runs() {
        let secret = "x".repeat(32);
        let given = values(&[("data", "./data"), ("ffmpeg", "bin"), ("secret", &secret)]);
        let config = Config::from_values(&given, Vec::new()).unwrap();
        assert!(config.data.is_absolute() && config.data.ends_with("data"));
        assert!(config.ffmpeg.unwrap().is_absolute());
    }

    #[test]
    fn caches_are_named_in_tables_and_in_variables_alike() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lyceum.toml");
        let data = folder.path().join("data");
        let text = format!(
            "data = {data:?}\n[cache]\nurl = \"memory:\"\nprefix = \"a&b\"\n\
             [cache.pages]\nurl = \"memory:?version=2\"\nmax_bytes = 1000\n"
        );
        std::fs::write(&file, text).unwrap();
        let config = Config::load(Some(&file), &[]).unwrap();
        assert_eq!(config.cache, "memory:?prefix=a%26b");
        let pages = config.caches.get("pages").unwrap();
        assert_eq!(pages, "memory:?version=2&max_bytes=1000");

        let given = values(&[
            ("cache_pages", "off:"),
            ("cache_Bad name", "off:"),
            ("cache_default", "off:"),
            ("cache_rights", "memory:?timeout=soon"),
        ]);
        let error = Config::from_values(&given, Vec::new()).unwrap_err();
        assert_eq!(error.0.len(), 3, "{error}");
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        assert_eq!(parse_size("10GiB"), Some(10 << 30));
        assert_eq!(parse_size("500 MB"), Some(500_000_000));
        assert_eq!(parse_size("0"), None);
        assert_eq!(parse_size("99999999999GiB"), None);
    }
}
