//! Requests of S3's protocol that the client has no call for, by addresses that are signed for a minute:
//! putting parts together whose numbers have gaps, and listing uploads that were never put together.

use std::time::Duration;

use chrono::{DateTime, Utc};
use object_store::client::HttpRequestBody;
use object_store::multipart::MultipartStore as _;
use object_store::path::Path;
use object_store::signer::{Method, SignedUrlOptions, Signer as _};
use serde::{Deserialize, Serialize};

use super::parts::Part;
use super::{S3, away, told};
use crate::files::FilesError;

/// How long an address is good that only this process sees.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// Attempts, with waits between them that begin with this one and double.
const ATTEMPTS: u32 = 7;
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// An answer, as far as it matters.
struct Answer {
    status: u16,
    body: String,
}

#[derive(Serialize)]
#[serde(rename = "CompleteMultipartUpload")]
struct Complete<'a> {
    #[serde(rename = "Part")]
    parts: Vec<CompletePart<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CompletePart<'a> {
    part_number: u32,
    #[serde(rename = "ETag")]
    tag: &'a str,
}

/// A page of unfinished uploads.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Uploads {
    #[serde(default)]
    is_truncated: bool,
    #[serde(default)]
    next_key_marker: String,
    #[serde(default)]
    next_upload_id_marker: String,
    #[serde(default)]
    upload: Vec<Unfinished>,
}

/// An upload of several parts that was not put together.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Unfinished {
    /// Where its object would be in the bucket.
    pub key: String,
    /// What the store calls it.
    #[serde(rename = "UploadId")]
    pub id: String,
    /// When it was begun.
    pub initiated: DateTime<Utc>,
}

impl S3 {
    /// Puts parts together (`CompleteMultipartUpload`). Done twice, or when the answer was lost, it is no
    /// fault.
    ///
    /// # Errors
    /// [`FilesError::NotFound`] when the upload is gone and the object is not there.
    pub async fn complete(&self, path: &Path, id: &str, parts: &[Part]) -> Result<(), FilesError> {
        let complete = Complete {
            parts: parts
                .iter()
                .map(|part| CompletePart {
                    part_number: part.number,
                    tag: &part.tag,
                })
                .collect(),
        };
        let body = quick_xml::se::to_string(&complete).map_err(|error| away(&error.to_string()))?;
        let query = [("uploadId", id)];
        let answer = self
            .request(Method::POST, path, &query, body, |answer| {
                // It can fail after the head of the answer was sent.
                answer.status == 200 && answer.body.contains("CompleteMultipartUploadResult")
            })
            .await?;
        if answer.status == 200 {
            return Ok(());
        }
        if answer.status != 404 {
            return Err(away(&answer.body));
        }
        let size: u64 = parts.iter().map(|part| part.size).sum();
        match self.size_at(path).await {
            Ok(found) if found == size => Ok(()),
            Ok(_) => Err(FilesError::NotFound),
            Err(error) => Err(error),
        }
    }

    async fn size_at(&self, path: &Path) -> Result<u64, FilesError> {
        use object_store::ObjectStoreExt as _;
        Ok(self.0.client.head(path).await.map_err(told)?.size)
    }

    /// Ends an upload of several parts; what cannot be ended now is swept.
    pub async fn abort(&self, path: &Path, id: &str) {
        let ended = self.0.client.abort_multipart(path, &id.to_owned()).await;
        match ended.map_err(told) {
            Ok(()) | Err(FilesError::NotFound) => {}
            Err(error) => tracing::warn!(%error, key = %path, "parts of an upload stay behind"),
        }
    }

    /// Uploads of several parts of ours that were not put together (`ListMultipartUploads`). Stores that
    /// cannot tell answer none: their own rules must end such uploads.
    pub async fn list_unfinished(&self) -> Result<Vec<Unfinished>, FilesError> {
        let mut found = Vec::new();
        let (mut key_marker, mut id_marker) = (String::new(), String::new());
        let prefix = match self.0.prefix.as_str() {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        loop {
            let mut query = vec![("uploads", ""), ("prefix", &prefix)];
            if !key_marker.is_empty() {
                query.push(("key-marker", &key_marker));
                query.push(("upload-id-marker", &id_marker));
            }
            let root = Path::default();
            let answer = self
                .request(Method::GET, &root, &query, String::new(), |answer| {
                    answer.status == 200
                })
                .await?;
            if answer.status != 200 {
                return Err(away(&answer.body));
            }
            let page: Uploads =
                quick_xml::de::from_str(&answer.body).map_err(|error| away(&error.to_string()))?;
            found.extend(page.upload);
            if !page.is_truncated || page.next_key_marker.is_empty() {
                return Ok(found);
            }
            key_marker = page.next_key_marker;
            id_marker = page.next_upload_id_marker;
        }
    }

    /// Sends a request until it went well or was refused.
    async fn request(
        &self,
        method: Method,
        path: &Path,
        query: &[(&str, &str)],
        body: String,
        is_well: impl Fn(&Answer) -> bool,
    ) -> Result<Answer, FilesError> {
        let mut wait = FIRST_WAIT;
        for attempt in 1.. {
            let answer = self.request_once(&method, path, query, &body).await;
            let is_last = attempt == ATTEMPTS;
            match answer {
                Ok(answer) if is_well(&answer) => return Ok(answer),
                Ok(answer) if (400..500).contains(&answer.status) && answer.status != 429 => {
                    return Ok(answer);
                }
                Ok(answer) if is_last => return Err(away(&answer.body)),
                Err(error) if is_last => return Err(error),
                _ => {}
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        Err(away("no answer"))
    }

    async fn request_once(
        &self,
        method: &Method,
        path: &Path,
        query: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, FilesError> {
        let options = SignedUrlOptions::default().with_query(query.iter().copied());
        let signed = self
            .0
            .client
            .signed_url_opts(method.clone(), path, GOOD_FOR, &options);
        let url = signed.await.map_err(told)?;
        let request = http::Request::builder()
            .method(method.clone())
            .uri(url.as_str())
            .body(HttpRequestBody::from(body.to_owned()))
            .map_err(|_| away("its address cannot be asked"))?;
        // The errors of a client may hold the address, which is signed.
        let lost = |_| away("the connection broke");
        let response = self.0.http.execute(request).await.map_err(lost)?;
        let status = response.status().as_u16();
        let body = response.into_body().bytes().await.map_err(lost)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Answer { status, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_listed_with_their_numbers_and_names_escaped() {
        let parts = vec![CompletePart {
            part_number: 7,
            tag: "\"a<b&\"",
        }];
        let body = quick_xml::se::to_string(&Complete { parts }).unwrap();
        let expected = "<CompleteMultipartUpload><Part><PartNumber>7</PartNumber>\
                        <ETag>\"a&lt;b&amp;\"</ETag></Part></CompleteMultipartUpload>";
        assert_eq!(body, expected);
    }

    #[test]
    fn a_listing_is_read_whatever_else_it_says() {
        let body = r#"<?xml version="1.0"?>
            <ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
              <Bucket>school</Bucket><KeyMarker/><IsTruncated>true</IsTruncated>
              <NextKeyMarker>b</NextKeyMarker><NextUploadIdMarker>2</NextUploadIdMarker>
              <Upload><Key>a</Key><UploadId>1</UploadId><Owner><ID>x</ID></Owner>
                <Initiated>2026-03-02T09:30:00.000Z</Initiated></Upload>
              <Upload><Key>b</Key><UploadId>2</UploadId><Initiated>2026-03-02T09:30:01Z</Initiated></Upload>
            </ListMultipartUploadsResult>"#;
        let page: Uploads = quick_xml::de::from_str(body).unwrap();
        assert!(page.is_truncated);
        let names: Vec<(&str, &str)> = page
            .upload
            .iter()
            .map(|upload| (upload.key.as_str(), upload.id.as_str()))
            .collect();
        assert_eq!(names, [("a", "1"), ("b", "2")]);
        let none = "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>";
        let page: Uploads = quick_xml::de::from_str(none).unwrap();
        assert!(page.upload.is_empty() && !page.is_truncated);
    }
}
