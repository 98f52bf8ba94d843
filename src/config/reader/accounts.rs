//! Settings of accounts.

use super::Reader;
use crate::config::ConfirmedEmail;

impl Reader<'_> {
    /// What takes a confirmed mail address; nothing can where no link can be sent.
    pub(super) fn confirmed_email(&mut self) -> ConfirmedEmail {
        let chosen = self.choice("confirmed_email", &["optional", "enroll", "login"]);
        let wanted = match chosen.as_str() {
            "enroll" => ConfirmedEmail::Enroll,
            "login" => ConfirmedEmail::Login,
            _ => ConfirmedEmail::Optional,
        };
        let sends = !self.text("public_url").is_empty() && !self.text("mail").starts_with("off:");
        if wanted != ConfirmedEmail::Optional && !sends {
            self.fault(
                "confirmed_email",
                "links to confirm an address can only be sent with a public_url, and with a mail other than off:",
            );
        }
        wanted
    }
}
