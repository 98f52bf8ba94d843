//! The configuration: `lyceum.toml`, then environment, then flags.
//!
//! [`SETTINGS`] is the one list of what can be set; docs/OPERATIONS.md is tested against it.
//! Unknown keys and bad values are told all at once, each by its name.

use backends::clock::Clock;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
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
        "cache",
        "memory:",
        "`memory:` (with `?max_bytes=`) or `off:`.",
    ),
    setting(
        "bus",
        "database:",
        "How processes of one site hear each other: `database:`; `memory:` for a single process.",
    ),
    setting(
        "files",
        "disk:",
        "`disk:` (in the data folder) or `disk:<path>`.",
    ),
    setting(
        "transcoder",
        "local:",
        "`local:` (ffmpeg, started by this site's workers).",
    ),
    setting(
        "ffmpeg",
        "",
        "Path of ffmpeg or of the folder that holds ffmpeg and ffprobe; empty: found on PATH.",
    ),
    setting(
        "mail",
        "file:",
        "`file:` (in the data folder), `smtp://user:password@host:port` or `log:`.",
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
        "Addresses whose `X-Forwarded-*` headers are believed, comma-separated.",
    ),
    setting(
        "log",
        "info",
        "What is logged, for example `info` or `lyceum=debug`.",
    ),
    setting("log_format", "text", "`text` or `json`."),
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
    /// URL of the cache.
    pub cache: String,
    /// URL of the bus.
    pub bus: String,
    /// URL of the file store.
    pub files: String,
    /// Where ffmpeg is, when configured.
    pub ffmpeg: Option<PathBuf>,
    /// URL of the mail service.
    pub mail: String,
    /// Key of signatures and keyed hashes; 32 bytes or more.
    pub secret: Secret,
    /// Largest upload.
    pub upload_max_bytes: u64,
    /// Largest picture.
    pub image_max_bytes: u64,
    /// What recordings are offered as, besides M4A.
    pub audio_formats: Vec<String>,
    /// Jobs that run at once in one process.
    pub workers: usize,
    /// How long a job stays with a worker that no longer answers.
    pub lease_seconds: u64,
    /// Whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// A filter for the log.
    pub log: String,
    /// Whether the log is JSON.
    pub log_as_json: bool,
}

/// Where requests come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A TCP address, `host:port`.
    Tcp(String),
    /// The path of a socket.
    Unix(PathBuf),
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
            if !SETTINGS.iter().any(|s| s.key == key) {
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

    /// The site as visitors see it: the configured URL, else `http://<listen>`.
    pub fn site_url(&self) -> String {
        match (&self.public_url, &self.listen) {
            (Some(url), _) => url.as_str().trim_end_matches('/').to_owned(),
            (None, Listen::Tcp(address)) => format!("http://{address}"),
            (None, Listen::Unix(_)) => "http://localhost".to_owned(),
        }
    }

    /// Whether visitors come over https.
    pub fn is_https(&self) -> bool {
        self.public_url
            .as_ref()
            .is_some_and(|url| url.scheme() == "https")
    }

    /// Key and value of every setting in force, secrets masked.
    pub fn shown(&self) -> Vec<(&'static str, String)> {
        let list = |values: &[String]| values.join(",");
        SETTINGS
            .iter()
            .map(|setting| {
                let value = match setting.key {
                    "data" => self.data.display().to_string(),
                    "listen" => self.listen.to_string(),
                    "public_url" => self.site_url(),
                    "site_name" => self.site_name.clone(),
                    "database" => mask(&self.database),
                    "cache" => mask(&self.cache),
                    "bus" => mask(&self.bus),
                    "files" => mask(&self.files),
                    "transcoder" => "local:".to_owned(),
                    "ffmpeg" => self
                        .ffmpeg
                        .as_ref()
                        .map_or_else(|| "found on PATH".to_owned(), |p| p.display().to_string()),
                    "mail" => mask(&self.mail),
                    "secret" => format!("{:?}", self.secret),
                    "upload_max" => self.upload_max_bytes.to_string(),
                    "image_max" => self.image_max_bytes.to_string(),
                    "audio_formats" => list(&self.audio_formats),
                    "workers" => self.workers.to_string(),
                    "lease_seconds" => self.lease_seconds.to_string(),
                    "trusted_proxies" => list(
                        &self
                            .trusted_proxies
                            .iter()
                            .map(ToString::to_string)
                            .collect::<Vec<_>>(),
                    ),
                    "log" => self.log.clone(),
                    _ => if self.log_as_json { "json" } else { "text" }.to_owned(),
                };
                (setting.key, value)
            })
            .collect()
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

fn read_sources(file: Option<&Path>, faults: &mut Vec<String>) -> Values {
    let path = file.unwrap_or_else(|| Path::new("lyceum.toml"));
    let source = config::File::from(path)
        .format(config::FileFormat::Toml)
        .required(file.is_some());
    let environment = config::Environment::with_prefix("LYCEUM")
        .prefix_separator("_")
        .separator("__");
    let built = config::Config::builder()
        .add_source(source)
        .add_source(environment)
        .build();
    let collected =
        built.and_then(|built| built.try_deserialize::<BTreeMap<String, config::Value>>());
    let mut values = Values::new();
    match collected {
        Ok(found) => {
            for (key, value) in found {
                if key.starts_with("test_") {
                    continue;
                }
                match value.into_string() {
                    Ok(text) => drop(values.insert(key, text)),
                    Err(_) => faults.push(format!(
                        "{key}: one value is expected here, not a table or a list"
                    )),
                }
            }
        }
        Err(error) => faults.push(format!("{}: {error}", path.display())),
    }
    values
}

struct Reader<'a> {
    values: &'a Values,
    faults: Vec<String>,
}

impl Reader<'_> {
    fn config(&mut self) -> Option<Config> {
        Some(Config {
            data: PathBuf::from(self.text("data")),
            listen: self.listen(),
            public_url: self.public_url(),
            site_name: self.text("site_name"),
            database: self.url("database", &["sqlite", "postgres", "postgresql"]),
            cache: self.url("cache", &["memory", "off"]),
            bus: self.url("bus", &["database", "memory"]),
            files: self.url("files", &["disk"]),
            ffmpeg: Some(self.text("ffmpeg"))
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
            mail: self.url("mail", &["file", "smtp", "smtps", "log"]),
            secret: Secret(self.text("secret")),
            upload_max_bytes: self.size("upload_max"),
            image_max_bytes: self.size("image_max"),
            audio_formats: self.audio_formats(),
            workers: usize::try_from(self.number("workers", 1, 256)).unwrap_or(1),
            lease_seconds: self.number("lease_seconds", 1, 86_400),
            trusted_proxies: self.addresses("trusted_proxies"),
            log: self.text("log"),
            log_as_json: self.choice("log_format", &["text", "json"]) == "json",
        })
        .filter(|_| {
            self.url("transcoder", &["local"]);
            self.faults.is_empty()
        })
    }

    fn text(&self, key: &str) -> String {
        let default = SETTINGS
            .iter()
            .find(|s| s.key == key)
            .map_or("", |s| s.default);
        self.values
            .get(key)
            .map_or(default, |value| value.trim())
            .to_owned()
    }

    fn fault(&mut self, key: &str, words: &str) {
        self.faults.push(format!("{key}: {words}"));
    }

    fn listen(&mut self) -> Listen {
        let text = self.text("listen");
        if let Some(path) = text.strip_prefix("unix:") {
            return Listen::Unix(PathBuf::from(path));
        }
        let port = text.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            self.fault(
                "listen",
                "an address with a port is expected, for example 127.0.0.1:8000, or unix:<path>",
            );
        }
        Listen::Tcp(text)
    }

    fn public_url(&mut self) -> Option<Url> {
        let text = self.text("public_url");
        if text.is_empty() {
            return None;
        }
        match Url::parse(&text) {
            Ok(url)
                if matches!(url.scheme(), "http" | "https")
                    && url.path() == "/"
                    && url.has_host() =>
            {
                Some(url)
            }
            _ => {
                self.fault(
                    "public_url",
                    "http:// or https:// and a host are expected, without a path",
                );
                None
            }
        }
    }

    fn url(&mut self, key: &'static str, schemes: &[&str]) -> String {
        let text = self.text(key);
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        if !schemes.contains(&scheme) {
            let known: Vec<String> = schemes.iter().map(|s| format!("{s}:")).collect();
            self.fault(
                key,
                &format!("a URL is expected that begins with {}", known.join(" or ")),
            );
        }
        text
    }

    fn choice(&mut self, key: &'static str, choices: &[&str]) -> String {
        let text = self.text(key);
        if !choices.contains(&text.as_str()) {
            self.fault(key, &format!("one of {} is expected", choices.join(", ")));
        }
        text
    }

    fn number(&mut self, key: &'static str, least: u64, most: u64) -> u64 {
        match self.text(key).parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => number,
            _ => {
                self.fault(
                    key,
                    &format!("a whole number from {least} to {most} is expected"),
                );
                least
            }
        }
    }

    fn size(&mut self, key: &'static str) -> u64 {
        parse_size(&self.text(key)).unwrap_or_else(|| {
            self.fault(key, "a size is expected, for example 500MiB or 10GiB");
            0
        })
    }

    fn addresses(&mut self, key: &'static str) -> Vec<IpAddr> {
        let text = self.text(key);
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let (good, bad): (Vec<_>, Vec<_>) =
            parts.map(str::parse::<IpAddr>).partition(Result::is_ok);
        if !bad.is_empty() {
            self.fault(key, "IP addresses are expected, separated by commas");
        }
        good.into_iter().flatten().collect()
    }

    fn audio_formats(&mut self) -> Vec<String> {
        let formats: Vec<String> = self
            .text("audio_formats")
            .split(',')
            .map(|part| part.trim().to_owned())
            .collect();
        if formats
            .iter()
            .any(|format| !matches!(format.as_str(), "m4a" | "flac" | "wav"))
        {
            self.fault(
                "audio_formats",
                "m4a, flac, wav are known, separated by commas",
            );
        }
        formats
    }
}

/// A number of bytes: digits and an optional unit (`kB`, `MB`, `GB`, `KiB`, `MiB`, `GiB`, `TiB`).
fn parse_size(text: &str) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(factor)
        .filter(|bytes| *bytes > 0)
}

/// A URL with its password masked.
fn mask(text: &str) -> String {
    match Url::parse(text) {
        Ok(mut url) if url.password().is_some() => {
            let _ = url.set_password(Some("********"));
            url.to_string()
        }
        _ => text.to_owned(),
    }
}

/// The configured secret, else the one in the data folder, made at the first start.
fn find_secret(config: &Config) -> Result<Secret, String> {
    if !config.secret.0.is_empty() {
        let long_enough = config.secret.0.len() >= 32;
        return if long_enough {
            Ok(config.secret.clone())
        } else {
            Err("secret: 32 characters or more are needed".into())
        };
    }
    if !config.database.starts_with("sqlite") {
        return Err("secret: with PostgreSQL it must be set, the same on every node (32 characters or more)".into());
    }
    let path = config.data.join("secret");
    let io = |error: std::io::Error| format!("data: {} cannot be used: {error}", path.display());
    std::fs::create_dir_all(&config.data).map_err(io)?;
    match create_secret(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io(error)),
    }
    let secret = std::fs::read_to_string(&path).map_err(io)?;
    if secret.trim().len() < 32 {
        return Err(format!(
            "data: {} is damaged; remove it to get a new one (everybody must log in again)",
            path.display()
        ));
    }
    Ok(Secret(secret.trim().to_owned()))
}

/// Written beside and linked into place, so that two processes that start at once agree on one.
fn create_secret(path: &Path) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    if path.exists() {
        return Ok(());
    }
    let token = Clock::system().random_token();
    let beside = path.with_extension(format!("{}.new", &token.get(..8).unwrap_or("secret")));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(token.as_bytes())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&beside, path);
    std::fs::remove_file(&beside)?;
    linked
}

#[cfg(test)]
mod tests {
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
            ("colour", "red"),
            ("cache", "ftp://x"),
        ]);
        let error = Config::from_values(&wrong, Vec::new())
            .unwrap_err()
            .to_string();
        for key in ["listen", "upload_max", "colour", "cache"] {
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
            ("database", "postgres://u:topsecret@h/db"),
            ("secret", &secret),
        ]);
        let shown = format!(
            "{:?}",
            Config::from_values(&given, Vec::new()).unwrap().shown()
        );
        assert!(
            !shown.contains("topsecret") && !shown.contains(&secret),
            "{shown}"
        );
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        assert_eq!(parse_size("10GiB"), Some(10 << 30));
        assert_eq!(parse_size("500 MB"), Some(500_000_000));
        assert_eq!(parse_size("0"), None);
        assert_eq!(parse_size("99999999999GiB"), None);
    }
}
