//! What SNS posts, and the text of it that is signed.
//!
//! After "Verifying the signatures of Amazon SNS messages" of the SNS developer guide.

use serde::Deserialize;

/// Longest name of a topic: an ARN of account, region and a name of up to 256 characters.
const TOPIC_LIMIT: usize = 300;
/// Names of messages are UUIDs.
const MESSAGE_ID_LIMIT: usize = 100;

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Kind {
    /// Somebody published something.
    Notification,
    /// We are asked whether we want what a topic says.
    SubscriptionConfirmation,
    /// We are told that we get no more of a topic.
    UnsubscribeConfirmation,
}

impl Kind {
    /// As SNS writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Notification => "Notification",
            Self::SubscriptionConfirmation => "SubscriptionConfirmation",
            Self::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        }
    }
}

/// A message as it was posted. Nothing of it is to be believed before [`super::Sns::verify`].
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Message {
    /// What kind of message it is.
    #[serde(rename = "Type")]
    pub kind: Kind,
    /// Its name; the same when it is delivered again.
    pub message_id: String,
    /// ARN of its topic.
    pub topic_arn: String,
    /// What it is about, where somebody said so.
    #[serde(default)]
    pub subject: Option<String>,
    /// What was published.
    #[serde(rename = "Message")]
    pub text: String,
    /// When it was published, as SNS writes it.
    pub timestamp: String,
    /// `1` (SHA-1) or `2` (SHA-256).
    pub signature_version: String,
    /// In base64.
    pub signature: String,
    /// Where the certificate is whose key has signed it.
    #[serde(rename = "SigningCertURL")]
    pub signing_cert_url: String,
    /// Of confirmations: the secret that confirms.
    #[serde(default)]
    pub token: Option<String>,
    /// Of confirmations: the address that confirms (or subscribes again) when it is fetched.
    #[serde(default, rename = "SubscribeURL")]
    pub subscribe_url: Option<String>,
}

/// Shows nothing that is secret.
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("kind", &self.kind)
            .field("message_id", &self.message_id)
            .field("topic_arn", &self.topic_arn)
            .finish_non_exhaustive()
    }
}

impl Message {
    /// Reads what was posted.
    ///
    /// # Errors
    /// Says what cannot be read, in words for the log of whoever sends it.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let message: Self = serde_json::from_slice(body)
            .map_err(|error| format!("This is no message of SNS: {error}."))?;
        let is_of = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
        };
        if !is_of(&message.topic_arn, TOPIC_LIMIT) {
            return Err("This is no message of SNS: its TopicArn cannot be one.".into());
        }
        if !is_of(&message.message_id, MESSAGE_ID_LIMIT) {
            return Err("This is no message of SNS: its MessageId cannot be one.".into());
        }
        let is_confirmation = message.kind != Kind::Notification;
        if is_confirmation && (message.token.is_none() || message.subscribe_url.is_none()) {
            return Err("This is no confirmation of SNS: Token or SubscribeURL is missing.".into());
        }
        Ok(message)
    }

    /// The text that is signed: the names and values of some members, each on a line of its own.
    pub fn signed_text(&self) -> String {
        let mut members = vec![
            ("Message", self.text.as_str()),
            ("MessageId", &self.message_id),
        ];
        match self.kind {
            Kind::Notification => {
                if let Some(subject) = &self.subject {
                    members.push(("Subject", subject));
                }
            }
            Kind::SubscriptionConfirmation | Kind::UnsubscribeConfirmation => {
                let url = self.subscribe_url.as_deref().unwrap_or_default();
                members.push(("SubscribeURL", url));
            }
        }
        members.push(("Timestamp", &self.timestamp));
        if self.kind != Kind::Notification {
            members.push(("Token", self.token.as_deref().unwrap_or_default()));
        }
        members.push(("TopicArn", &self.topic_arn));
        members.push(("Type", self.kind.name()));
        members
            .into_iter()
            .flat_map(|(name, value)| [name, "\n", value, "\n"])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(extra: &str) -> String {
        format!(
            r#"{{"Type":"Notification","MessageId":"m-1","TopicArn":"arn:aws:sns:eu-west-1:1:t",
                "Message":"{{\"a\":1}}","Timestamp":"2026-03-02T09:30:00.000Z","SignatureVersion":"1",
                "Signature":"AA==","SigningCertURL":"https://x/y.pem"{extra}}}"#
        )
    }

    #[test]
    fn the_signed_text_of_a_notification_is_that_of_the_guide() {
        let message =
            Message::read(body(r#","Subject":"Hello","Unknown":[1]"#).as_bytes()).unwrap();
        assert_eq!(
            message.signed_text(),
            "Message\n{\"a\":1}\nMessageId\nm-1\nSubject\nHello\nTimestamp\n2026-03-02T09:30:00.000Z\n\
             TopicArn\narn:aws:sns:eu-west-1:1:t\nType\nNotification\n"
        );
        let message = Message::read(body(r#","Subject":null"#).as_bytes()).unwrap();
        assert!(!message.signed_text().contains("Subject"));
    }

    #[test]
    fn the_signed_text_of_a_confirmation_covers_its_address_and_token() {
        let text = body(r#","Token":"t","SubscribeURL":"https://z/""#);
        let text = text.replace("\"Notification\"", "\"SubscriptionConfirmation\"");
        let message = Message::read(text.as_bytes()).unwrap();
        assert_eq!(
            message.signed_text(),
            "Message\n{\"a\":1}\nMessageId\nm-1\nSubscribeURL\nhttps://z/\nTimestamp\n\
             2026-03-02T09:30:00.000Z\nToken\nt\nTopicArn\narn:aws:sns:eu-west-1:1:t\nType\n\
             SubscriptionConfirmation\n"
        );
        assert!(!format!("{message:?}").contains("https://z/"), "a secret");
    }

    #[test]
    fn what_is_no_message_is_told_apart() {
        let confirmation = body("").replace("\"Notification\"", "\"SubscriptionConfirmation\"");
        for wrong in [
            String::new(),
            "{}".into(),
            "[]".into(),
            "x".repeat(100),
            body("").replace("m-1", ""),
            body("").replace("m-1", &"m".repeat(101)),
            body("").replace("arn:aws", "arn aws"),
            body("").replace("\"Notification\"", "\"Other\""),
            body("").replace("\"1\"", "1"),
            confirmation,
        ] {
            assert!(Message::read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
