//! AWS Elemental MediaConvert: a service that converts recordings from a bucket into the same bucket.
//!
//! | URL | what it is |
//! |---|---|
//! | `mediaconvert:<region>?role=<ARN>` | the service of that region, with keys from the environment |
//! | `mediaconvert://<key>:<secret>@<region>?role=<ARN>` | with these keys |
//!
//! `&queue=` names a queue, `&endpoint=` an address, `&store=s3://bucket/prefix` the bucket where that is not
//! told by the file store. Requests are signed (Signature Version 4). What becomes of the results is for the
//! caller.

mod fault;
mod job;
mod order;
mod settings;

pub use self::fault::{MediaConvertError, of_code, stopped};
pub use self::job::{Found, Job, JobStatus};
pub use self::order::{Order, Picture, Wanted, needed};
pub use self::settings::Settings;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use object_store::aws::{AmazonS3Builder, AwsAuthorizer, AwsCredential, AwsCredentialProvider};
use object_store::{StaticCredentialProvider, client::HttpRequestBody};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use url::Url;

use crate::https;

/// The version of its API, in every path.
const API: &str = "2017-08-29";
/// Longest answer that is read: twenty jobs with all their settings.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Under this name our token travels with a job.
pub(crate) const METADATA: &str = "lyceum";

/// The service; clones share one.
#[derive(Clone, Debug)]
pub struct MediaConvert(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    client: reqwest::Client,
    credentials: AwsCredentialProvider,
}

/// What is asked: its name for the log, method, path below the version, query and body.
struct Asked<'a> {
    operation: &'static str,
    method: Method,
    path: &'a str,
    query: &'a [(&'a str, &'a str)],
    body: Option<serde_json::Value>,
}

impl MediaConvert {
    /// Opens the service that `url` names; see the [module](self). `files` is the URL of the file store.
    ///
    /// # Errors
    /// Says what is wrong with the URL or the environment.
    pub fn open(url: &str, files: &str) -> Result<Self, String> {
        let settings = Settings::parse(url, files)?;
        let credentials = credentials(&settings)?;
        Ok(Self(Arc::new(Inner {
            settings,
            client: https::client(None)?,
            credentials,
        })))
    }

    /// What a recording holds; `None` when the service cannot tell (it reads more forms than it looks into).
    pub async fn probe(&self, input: &str) -> Result<Option<Found>, MediaConvertError> {
        let file = self.0.settings.object(input);
        let asked = Asked {
            operation: "Probe",
            method: Method::POST,
            path: "probe",
            query: &[],
            body: Some(json!({ "inputFiles": [{ "fileUrl": file }] })),
        };
        match self.ask::<job::Probed>(asked).await {
            Ok(probed) => Ok(probed.picture()),
            Err(MediaConvertError::Refused { status: 400, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Starts a job; answers its name.
    pub async fn create(&self, order: &Order) -> Result<String, MediaConvertError> {
        let asked = Asked {
            operation: "CreateJob",
            method: Method::POST,
            path: "jobs",
            query: &[],
            body: Some(order::body(&self.0.settings, order)),
        };
        Ok(self.ask::<job::OneJob>(asked).await?.job.id)
    }

    /// The job that was started with a token, if there is one. The service itself knows tokens for a minute only.
    pub async fn find(&self, input: &str, token: &str) -> Result<Option<Job>, MediaConvertError> {
        let file = self.0.settings.object(input);
        let asked = Asked {
            operation: "SearchJobs",
            method: Method::GET,
            path: "search",
            query: &[
                ("inputFile", &file),
                ("maxResults", "20"),
                ("order", "DESCENDING"),
            ],
            body: None,
        };
        let found = self.ask::<job::Jobs>(asked).await?;
        Ok(found
            .jobs
            .into_iter()
            .find(|job| job.token() == Some(token)))
    }

    /// A job as it stands.
    ///
    /// # Errors
    /// [`MediaConvertError::is_unknown`] when there is none of this name.
    pub async fn job(&self, id: &str) -> Result<Job, MediaConvertError> {
        let path = job_path(id)?;
        let asked = Asked {
            operation: "GetJob",
            method: Method::GET,
            path: &path,
            query: &[],
            body: None,
        };
        Ok(self.ask::<job::OneJob>(asked).await?.job)
    }

    /// Ends a job. One that has ended already, or never was, is no fault.
    pub async fn cancel(&self, id: &str) -> Result<(), MediaConvertError> {
        let path = job_path(id)?;
        let asked = Asked {
            operation: "CancelJob",
            method: Method::DELETE,
            path: &path,
            query: &[],
            body: None,
        };
        match self.ask::<serde_json::Value>(asked).await {
            Ok(_)
            | Err(MediaConvertError::Refused {
                status: 404 | 409, ..
            }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether it answers, to these keys.
    ///
    /// # Errors
    /// Says what it says.
    pub async fn check(&self) -> Result<(), String> {
        let asked = Asked {
            operation: "ListJobs",
            method: Method::GET,
            path: "jobs",
            query: &[("maxResults", "1")],
            body: None,
        };
        let answer = self.ask::<serde_json::Value>(asked).await;
        answer.map(drop).map_err(|error| error.to_string())
    }

    async fn ask<T: DeserializeOwned>(&self, asked: Asked<'_>) -> Result<T, MediaConvertError> {
        let operation = asked.operation;
        let away = |words: String| MediaConvertError::Away(format!("{operation}: {words}"));
        let (method, url, body) = self.address(asked);
        let headers = self.sign(&method, &url, &body).await.map_err(away)?;
        let request = self
            .0
            .client
            .request(method, url)
            .headers(headers)
            .body(body);
        let (status, body) = https::answer(request, MOST_BYTES)
            .await
            .map_err(|error| away(error.to_string()))?;
        match status {
            200..=299 => serde_json::from_slice(&body)
                .map_err(|error| away(format!("its answer cannot be read: {error}"))),
            429 | 500.. => Err(away(format!("{status} {}", words_of(&body)))),
            _ => Err(MediaConvertError::Refused {
                operation,
                status,
                words: words_of(&body),
            }),
        }
    }

    fn address(&self, asked: Asked<'_>) -> (Method, Url, Bytes) {
        let mut url = self.0.settings.endpoint.clone();
        url.set_path(&format!("{API}/{}", asked.path));
        if !asked.query.is_empty() {
            // Signature Version 4 takes blanks as %20, which none of these has.
            url.query_pairs_mut().extend_pairs(asked.query);
        }
        let body = asked.body.map(|body| Bytes::from(body.to_string()));
        (asked.method, url, body.unwrap_or_default())
    }

    /// The headers that prove who asks.
    async fn sign(
        &self,
        method: &Method,
        url: &Url,
        body: &Bytes,
    ) -> Result<http::HeaderMap, String> {
        let inner = &self.0;
        let credential = inner.credentials.get_credential().await;
        let credential = credential.map_err(|error| format!("its keys cannot be had: {error}"))?;
        let mut request = Request::builder()
            .method(method.clone())
            .uri(url.as_str())
            .body(HttpRequestBody::from(body.clone()))
            .map_err(|error| error.to_string())?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        AwsAuthorizer::new(&credential, "mediaconvert", &inner.settings.region)
            .try_authorize(&mut request, None)
            .map_err(|error| error.to_string())?;
        Ok(request.into_parts().0.headers)
    }
}

/// Keys of the URL, else those that AWS gives this machine: `AWS_ACCESS_KEY_ID` and its like, web identity,
/// container and instance roles.
fn credentials(settings: &Settings) -> Result<AwsCredentialProvider, String> {
    if let Some((key, secret)) = &settings.keys {
        return Ok(Arc::new(StaticCredentialProvider::new(AwsCredential {
            key_id: key.clone(),
            secret_key: secret.clone(),
            token: None,
        })));
    }
    https::use_ring();
    let bucket = settings.store.trim_start_matches("s3://");
    let bucket = bucket.split('/').next().unwrap_or_default();
    let store = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_region(&settings.region)
        .build()
        .map_err(|error| error.to_string())?;
    Ok(Arc::clone(store.credentials()))
}

/// Names of jobs come back to us in messages; nothing else may get into a path.
fn job_path(id: &str) -> Result<String, MediaConvertError> {
    let is_name =
        (1..=100).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if is_name {
        Ok(format!("jobs/{id}"))
    } else {
        Err(MediaConvertError::Refused {
            operation: "GetJob",
            status: 404,
            words: "no job has such a name".into(),
        })
    }
}

/// What the service says of a fault.
fn words_of(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Told {
        #[serde(alias = "Message")]
        message: String,
    }
    let told = serde_json::from_slice::<Told>(body).map(|told| told.message);
    let told = told.unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned());
    told.chars().take(500).collect()
}
