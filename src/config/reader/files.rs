//! Settings of stored files.

use super::Reader;
use crate::config::MediaDelivery;
use backends::files::S3Keys;

impl Reader<'_> {
    pub(super) fn s3_keys(&mut self) -> S3Keys {
        let keys = S3Keys {
            access_key_id: self.text("s3_access_key_id"),
            secret_access_key: self.text("s3_secret_access_key"),
        };
        if keys.access_key_id.is_empty() != keys.secret_access_key.is_empty() {
            self.fault(
                "s3_secret_access_key",
                "it is set together with s3_access_key_id, or not at all",
            );
        }
        keys
    }

    pub(super) fn media_delivery(&mut self) -> MediaDelivery {
        let choice = self.choice("media_delivery", &["site", "signed"]);
        if choice != "signed" {
            return MediaDelivery::Site;
        }
        if !self.text("files").starts_with("s3:") {
            self.fault(
                "media_delivery",
                "signed addresses need files in an object store (files = s3://...)",
            );
        }
        MediaDelivery::Signed
    }
}
