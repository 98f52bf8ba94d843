//! From files and variables to typed values; every fault is collected, none stops the reading.

mod accounts;
mod files;
mod page_cache;
mod rest;

use super::{Config, Listen, SETTINGS, Secret, Values};
use backends::bus::Bus;
use backends::cache::Cache;
use backends::mediaconvert::Settings as MediaConvertSettings;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// Variables of the scripts and tests that stand around the program, which are no settings.
const NO_SETTINGS: [&str; 4] = ["bin", "chromium", "shots", "tools"];

/// What the keys of named caches begin with.
const CACHE_PREFIX: &str = "cache_";

/// File, then environment; faults are the keys and files that cannot be read.
pub(super) fn read_sources(file: Option<&Path>, faults: &mut Vec<String>) -> Values {
    let mut values = read_file(file, faults);
    values.extend(read_environment(std::env::vars_os(), faults));
    values
}

fn read_file(file: Option<&Path>, faults: &mut Vec<String>) -> Values {
    let path = file.unwrap_or_else(|| Path::new("lyceum.toml"));
    let source = config::File::from(path)
        .format(config::FileFormat::Toml)
        .required(file.is_some());
    let collected = config::Config::builder()
        .add_source(source)
        .build()
        .and_then(config::Config::try_deserialize::<BTreeMap<String, config::Value>>);
    let mut values = Values::new();
    match collected {
        Ok(found) => {
            for (key, value) in found {
                let has_tables = matches!(value.kind, config::ValueKind::Table(_));
                if key == "cache" && has_tables {
                    read_caches(value, &mut values, faults);
                } else {
                    take(key, value, &mut values, faults);
                }
            }
        }
        Err(error) => faults.push(format!("{}: {error}", path.display())),
    }
    values
}

fn take(key: String, value: config::Value, values: &mut Values, faults: &mut Vec<String>) {
    match value.into_string() {
        Ok(text) => drop(values.insert(key, text)),
        Err(_) => faults.push(format!(
            "{key}: one value is expected here, not a table or a list"
        )),
    }
}

/// `[cache]` with its `url`, and `[cache.<name>]`, each with options beside the URL that may as
/// well stand in it.
fn read_caches(caches: config::Value, values: &mut Values, faults: &mut Vec<String>) {
    let mut own = config::Map::new();
    for (name, value) in caches.into_table().unwrap_or_default() {
        match value.clone().into_table() {
            Ok(table) => {
                let url = cache_url(&format!("cache.{name}"), table, faults);
                values.insert(format!("{CACHE_PREFIX}{name}"), url);
            }
            Err(_) => drop(own.insert(name, value)),
        }
    }
    if !own.is_empty() {
        let url = cache_url("cache", own, faults);
        values.insert("cache".to_owned(), url);
    }
}

/// The URL of a table `url = "...", timeout = 60`: `...?timeout=60`.
fn cache_url(
    place: &str,
    mut table: config::Map<String, config::Value>,
    faults: &mut Vec<String>,
) -> String {
    let url = table.remove("url").and_then(|url| url.into_string().ok());
    let Some(mut url) = url else {
        faults.push(format!("{place}: its url is missing"));
        return String::new();
    };
    for (option, value) in table {
        let Ok(value) = value.into_string() else {
            faults.push(format!(
                "{place}: {option} is one value, not a table or a list"
            ));
            continue;
        };
        let mut pair = url::form_urlencoded::Serializer::new(String::new());
        pair.append_pair(&option, &value);
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&pair.finish());
    }
    url
}

/// The name of the cache that this key sets, if it is such a key.
pub(super) fn named_cache(key: &str) -> Option<&str> {
    key.strip_prefix(CACHE_PREFIX)
        .filter(|name| backends::cache::is_name(name))
}

/// `LYCEUM_<KEY>` by key. An empty variable is one that is not set, as in Compose files.
fn read_environment(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    faults: &mut Vec<String>,
) -> Values {
    let mut values = Values::new();
    for (name, value) in variables {
        let Some(key) = name.to_str().and_then(|name| name.strip_prefix("LYCEUM_")) else {
            continue;
        };
        let key = key.to_lowercase();
        if value.is_empty() || key.starts_with("test_") || NO_SETTINGS.contains(&key.as_str()) {
            continue;
        }
        match value.into_string() {
            Ok(value) => drop(values.insert(key, value)),
            Err(_) => faults.push(format!("{key}: the value is not UTF-8")),
        }
    }
    values
}

pub(super) struct Reader<'a> {
    pub values: &'a Values,
    pub faults: Vec<String>,
}

impl Reader<'_> {
    pub fn config(&mut self) -> Option<Config> {
        Some(Config {
            data: whole_path(&self.text("data")),
            listen: self.listen(),
            public_url: self.public_url(),
            site_name: self.text("site_name"),
            database: self.database(),
            database_timeout: Duration::from_secs(self.number(
                "database_timeout_seconds",
                1,
                3_600,
            )),
            cache: self.cache("cache"),
            caches: self.caches(),
            page_cache: self.page_cache(),
            page_cache_seconds: self.number("page_cache_seconds", 0, 31_536_000),
            page_cache_prefix: self.page_cache_prefix(),
            bus: self.bus(),
            files: self.url("files", &["disk", "s3"]),
            s3_keys: self.s3_keys(),
            media_delivery: self.media_delivery(),
            transcoder: self.transcoder(),
            sns_topics: self.sns_topics(),
            sns_trust: self.sns_trust(),
            ffmpeg: Some(self.text("ffmpeg"))
                .filter(|path| !path.is_empty())
                .map(|path| whole_path(&path)),
            mail: self.url("mail", &["file", "smtp", "smtps", "log", "off"]),
            confirmed_email: self.confirmed_email(),
            requires_staff_two_factor: self.choice("staff_two_factor", &["optional", "required"])
                == "required",
            remote_user_header: self.remote_user_header(),
            api_visitor_rate: self.rate("api_visitor_rate"),
            api_user_rate: self.rate("api_user_rate"),
            api_write_rate: self.rate("api_write_rate"),
            chat_rate: self.rate("chat_rate"),
            chat_sockets_per_user: self.number("chat_sockets_per_user", 1, 1_000_000),
            chat_sockets_per_address: self.number("chat_sockets_per_address", 1, 1_000_000),
            chat_idle_seconds: self.number("chat_idle", 1, 3_600),
            chat_frame_max_bytes: self.chat_frame_max(),
            secret: self.secret(),
            upload_max_bytes: self.size("upload_max"),
            image_max_bytes: self.size("image_max"),
            quota_bytes: self.size("quota"),
            upload_expiry_hours: self.number("upload_expiry_hours", 1, 8_760),
            audio_formats: self.audio_formats(),
            workers: usize::try_from(self.number("workers", 1, 256)).unwrap_or(1),
            lease_seconds: self.number("lease_seconds", 1, 86_400),
            trusted_proxies: self.networks("trusted_proxies"),
            log: self.log(),
            log_as_json: self.choice("log_format", &["text", "json"]) == "json",
            metrics: self.metrics(),
        })
        .filter(|_| self.faults.is_empty())
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

    fn metrics(&mut self) -> Option<String> {
        let text = self.text("metrics");
        if text.is_empty() {
            return None;
        }
        let port = text.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            self.fault(
                "metrics",
                "an address with a port is expected, for example 127.0.0.1:9100",
            );
        }
        Some(text)
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
                    && url.query().is_none()
                    && url.fragment().is_none()
                    && url.username().is_empty()
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

    fn cache(&mut self, key: &str) -> String {
        let text = self.text(key);
        if let Err(error) = Cache::check_url(&text) {
            self.fault(key, &error.to_string());
        }
        text
    }

    fn bus(&mut self) -> String {
        let text = self.text("bus");
        if let Err(error) = Bus::check_url(&text) {
            self.fault("bus", &error.to_string());
        }
        text
    }

    fn caches(&mut self) -> BTreeMap<String, String> {
        let keys: Vec<String> = self.values.keys().cloned().collect();
        let named = keys.iter().filter_map(|key| Some((key, named_cache(key)?)));
        named
            .map(|(key, name)| (name.to_owned(), self.cache(key)))
            .collect()
    }

    fn database(&mut self) -> String {
        let text = self.url("database", &["sqlite", "postgres", "postgresql"]);
        if text.contains(":memory:") {
            self.fault(
                "database",
                "a file is needed, so that all connections see the same",
            );
        }
        if !text.starts_with("sqlite:") && text.contains(':') && Url::parse(&text).is_err() {
            self.fault(
                "database",
                "this URL cannot be read; signs such as @ / ? # in a password are written as %40 %2F %3F %23",
            );
        }
        text
    }

    fn transcoder(&mut self) -> String {
        let text = self.url("transcoder", &["local", "mediaconvert"]);
        if text.starts_with("mediaconvert:")
            && let Err(words) = MediaConvertSettings::parse(&text, &self.text("files"))
        {
            self.fault("transcoder", &words);
        }
        text
    }

    fn list(&self, key: &str) -> Vec<String> {
        let text = self.text(key);
        let parts = text.split(',').map(str::trim);
        parts
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    }

    fn sns_topics(&mut self) -> Vec<String> {
        let topics = self.list("sns_topics");
        if !topics.iter().all(|topic| is_topic(topic)) {
            self.fault(
                "sns_topics",
                "ARNs of topics are expected, separated by commas, for example arn:aws:sns:eu-central-1:123456789012:lectures",
            );
        }
        topics
    }

    fn sns_trust(&mut self) -> Vec<(String, PathBuf)> {
        let pairs = self.list("sns_trust");
        let (good, bad): (Vec<_>, Vec<_>) = pairs
            .iter()
            .map(|pair| pair.split_once('=').map(|(host, pem)| (host, pem.trim())))
            .partition(|pair| pair.is_some_and(|(host, pem)| !host.is_empty() && !pem.is_empty()));
        if !bad.is_empty() {
            self.fault(
                "sns_trust",
                "<host>=<PEM file> is expected, separated by commas",
            );
        }
        good.into_iter()
            .flatten()
            .map(|(host, pem)| (host.trim().to_owned(), whole_path(pem)))
            .collect()
    }

    fn secret(&mut self) -> Secret {
        let secret = self.text("secret");
        if !secret.is_empty() && secret.len() < 32 {
            self.fault("secret", "32 characters or more are needed");
        }
        if secret.is_empty() && self.text("database").starts_with("postgres") {
            self.fault(
                "secret",
                "with PostgreSQL it must be set, the same on every node (32 characters or more)",
            );
        }
        Secret(secret)
    }

    fn log(&mut self) -> String {
        let text = self.text("log");
        if tracing_subscriber::EnvFilter::try_new(&text).is_err() {
            self.fault(
                "log",
                "a filter is expected, for example info or lyceum=debug",
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

/// `arn:<partition>:sns:<region>:<account>:<name>`.
fn is_topic(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let is_plain = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    matches!(parts.as_slice(), ["arn", partition, "sns", region, account, name]
        if [partition, region, account, name].into_iter().all(|part| is_plain(part)))
}

/// The path from the root on: ffmpeg runs in folders of its own, where a path from here leads nowhere.
fn whole_path(text: &str) -> PathBuf {
    std::path::absolute(text).unwrap_or_else(|_| PathBuf::from(text))
}

/// A number of bytes: digits and an optional unit (`kB`, `MB`, `GB`, `KiB`, `MiB`, `GiB`, `TiB`).
pub(super) fn parse_size(text: &str) -> Option<u64> {
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
