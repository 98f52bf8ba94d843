//! Settings of the REST API, of rooms, and of the proxies in front.

use super::Reader;
use crate::config::Rate;
use axum::http::HeaderName;
use ipnet::IpNet;
use std::net::IpAddr;

impl Reader<'_> {
    /// Addresses and networks, separated by commas.
    pub(super) fn networks(&mut self, key: &'static str) -> Vec<IpNet> {
        let text = self.text(key);
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let (good, bad): (Vec<_>, Vec<_>) = parts.map(network).partition(Result::is_ok);
        if !bad.is_empty() {
            self.fault(
                key,
                "IP addresses or networks such as 10.1.0.0/16 are expected, separated by commas",
            );
        }
        good.into_iter().flatten().collect()
    }

    /// A rate, or none.
    pub(super) fn rate(&mut self, key: &'static str) -> Option<Rate> {
        let text = self.text(key);
        if text.is_empty() || text == "off" {
            return None;
        }
        match text.parse() {
            Ok(rate) => Some(rate),
            Err(error) => {
                self.fault(key, &format!("{error}"));
                None
            }
        }
    }

    /// The largest frame of a room: what holds the longest line fits, and it is kept in memory.
    pub(super) fn chat_frame_max(&mut self) -> u64 {
        let size = self.size("chat_frame_max");
        if size != 0 && !(16 << 10..=16 << 20).contains(&size) {
            self.fault("chat_frame_max", "a size from 16KiB to 16MiB is expected");
        }
        size
    }

    /// The header in which a trusted proxy names who asks.
    pub(super) fn remote_user_header(&mut self) -> Option<HeaderName> {
        let text = self.text("remote_user_header");
        if text.is_empty() {
            return None;
        }
        if self.text("trusted_proxies").is_empty() {
            self.fault(
                "remote_user_header",
                "trusted_proxies must name the proxy that sets this header",
            );
        }
        let name = HeaderName::try_from(text).ok();
        if name.is_none() {
            self.fault(
                "remote_user_header",
                "the name of a header is expected, for example Remote-User",
            );
        }
        name
    }
}

/// One address, or a network with the length of its prefix (RFC 4632, section 3.1).
fn network(text: &str) -> Result<IpNet, ipnet::AddrParseError> {
    text.parse::<IpAddr>()
        .map(IpNet::from)
        .or_else(|_| text.parse())
}
