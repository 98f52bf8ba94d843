//! The configuration in force, as it is shown.

use super::{Config, ConfirmedEmail, MediaDelivery, SETTINGS};
use ipnet::IpNet;
use url::Url;

impl Config {
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
                    "cache_<name>" => self.shown_caches(),
                    "page_cache" => self.page_cache.clone(),
                    "page_cache_seconds" => self.page_cache_seconds.to_string(),
                    "page_cache_prefix" => self.page_cache_prefix.clone(),
                    "bus" => mask(&self.bus),
                    "files" => mask(&self.files),
                    "s3_access_key_id" => masked(&self.s3_keys.access_key_id),
                    "s3_secret_access_key" => masked(&self.s3_keys.secret_access_key),
                    "media_delivery" => match self.media_delivery {
                        MediaDelivery::Site => "site".to_owned(),
                        MediaDelivery::Signed => "signed".to_owned(),
                    },
                    "transcoder" => mask(&self.transcoder),
                    "sns_topics" => list(&self.sns_topics),
                    "sns_trust" => list(
                        &self
                            .sns_trust
                            .iter()
                            .map(|(host, pem)| format!("{host}={}", pem.display()))
                            .collect::<Vec<_>>(),
                    ),
                    "ffmpeg" => self
                        .ffmpeg
                        .as_ref()
                        .map_or_else(|| "found on PATH".to_owned(), |p| p.display().to_string()),
                    "mail" => mask(&self.mail),
                    "secret" => format!("{:?}", self.secret),
                    "upload_max" => self.upload_max_bytes.to_string(),
                    "image_max" => self.image_max_bytes.to_string(),
                    "quota" => self.quota_bytes.to_string(),
                    "upload_expiry_hours" => self.upload_expiry_hours.to_string(),
                    "audio_formats" => list(&self.audio_formats),
                    "workers" => self.workers.to_string(),
                    "lease_seconds" => self.lease_seconds.to_string(),
                    other => self.shown_of_the_door(other),
                };
                (setting.key, value)
            })
            .collect()
    }
}

impl Config {
    /// Of those settings that say who comes in, what is written down of it, and how long is waited.
    fn shown_of_the_door(&self, key: &str) -> String {
        match key {
            "database_timeout_seconds" => self.database_timeout.as_secs().to_string(),
            "trusted_proxies" => {
                let proxies: Vec<String> = self.trusted_proxies.iter().map(shown_network).collect();
                proxies.join(",")
            }
            "remote_user_header" => text_of(self.remote_user_header.as_ref()),
            "api_visitor_rate" => text_of(self.api_visitor_rate.as_ref()),
            "api_user_rate" => text_of(self.api_user_rate.as_ref()),
            "api_write_rate" => text_of(self.api_write_rate.as_ref()),
            "confirmed_email" => match self.confirmed_email {
                ConfirmedEmail::Optional => "optional",
                ConfirmedEmail::Enroll => "enroll",
                ConfirmedEmail::Login => "login",
            }
            .to_owned(),
            "staff_two_factor" => if self.requires_staff_two_factor {
                "required"
            } else {
                "optional"
            }
            .to_owned(),
            "chat_rate" => text_of(self.chat_rate.as_ref()),
            "chat_sockets_per_user" => self.chat_sockets_per_user.to_string(),
            "chat_sockets_per_address" => self.chat_sockets_per_address.to_string(),
            "chat_idle" => self.chat_idle_seconds.to_string(),
            "chat_frame_max" => self.chat_frame_max_bytes.to_string(),
            "log" => self.log.clone(),
            "metrics" => self.metrics.clone().unwrap_or_default(),
            _ => if self.log_as_json { "json" } else { "text" }.to_owned(),
        }
    }
}

fn text_of(value: Option<&impl ToString>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

/// A network as it is written in the configuration: one address without the length of its prefix.
fn shown_network(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

const MASK: &str = "********";

fn masked(secret: &str) -> String {
    if secret.is_empty() { "" } else { MASK }.to_owned()
}

/// A URL with its passwords masked: in front of the host, and in the query.
pub(super) fn mask(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        // Whatever it is, what stands before an @ may be a password.
        return match (text.split_once(':'), text.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, rest))) => format!("{scheme}:{MASK}@{rest}"),
            _ => text.to_owned(),
        };
    };
    let is_secret = |key: &str| {
        let key = key.to_ascii_lowercase();
        ["password", "secret", "token", "key"]
            .iter()
            .any(|word| key.contains(word))
    };
    let has_secret = url.query_pairs().any(|(key, _)| is_secret(&key));
    if url.password().is_none() && !has_secret {
        return text.to_owned();
    }
    if url.password().is_some() {
        let _ = url.set_password(Some(MASK));
    }
    if has_secret {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let mut query = url.query_pairs_mut();
        query.clear();
        for (key, value) in pairs {
            let shown = if is_secret(&key) { MASK } else { &value };
            query.append_pair(&key, shown);
        }
    }
    url.to_string()
}
