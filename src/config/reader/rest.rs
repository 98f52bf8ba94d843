//! Settings of the REST API and of rooms.

use super::Reader;
use crate::config::Rate;
use axum::http::HeaderName;

impl Reader<'_> {
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
