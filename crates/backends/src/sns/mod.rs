//! Messages of Amazon SNS, believed only when their signature holds.
//!
//! ```text
//! Message::read -> (the caller: is this topic ours?) -> Sns::verify -> (the caller heeds it) -> Sns::confirm
//! ```
//!
//! The certificate that a message names is fetched from Amazon SNS alone (or a host that the configuration
//! trusts in its place), its chain is checked up to the roots of the web, and it must be Amazon SNS's own.
//! What a message means, which topics are ours, and what was heeded already is for the caller.

mod certificate;
mod hosts;
mod message;

pub use self::hosts::Trusted;
pub use self::message::{Kind, Message};

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use moka::future::Cache;
use tokio::sync::Semaphore;
use url::Url;

use self::certificate::{Chain, SigningKey};
use self::hosts::{Host, host_of, signing_host, signing_names};
use crate::https::{self, FetchError};

/// Larger than any chain of certificates.
const MOST_BYTES: usize = 64 * 1024;
/// Certificates that are remembered; Amazon has one a region, and changes it every few months.
const REMEMBERED: u64 = 64;
/// How long a certificate that was found good, or not good, is not fetched again.
const GOOD_KEPT: Duration = Duration::from_hours(12);
const BAD_KEPT: Duration = Duration::from_mins(1);
/// Fetches at once, whoever may post: a stranger who knows the name of a topic cannot make us ask more.
const FETCHES: usize = 4;
/// Messages whose certificates are fetched or waited for at once; each is in memory meanwhile. SNS delivers the
/// others again.
const WAITING: usize = 20;
/// How long an address that could not be asked is not asked again.
const AWAY_KEPT: TimeDelta = TimeDelta::seconds(5);
/// Issuers between a signing certificate and a root.
const MOST_ISSUERS: usize = 3;

/// Why a message is not believed.
#[derive(Debug, thiserror::Error)]
pub enum SnsError {
    /// It is not from who it says; says why, for the log.
    #[error("a message of SNS is not to be believed: {0}")]
    Untrusted(String),
    /// That cannot be told, or not be done, just now.
    #[error("a message of SNS cannot be looked at: {0}")]
    Later(String),
}

impl From<FetchError> for SnsError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::NoAnswer(_) => Self::Later(error.to_string()),
            FetchError::TooLong(_) => Self::Untrusted(error.to_string()),
        }
    }
}

/// A host with its own client, which trusts its own roots.
struct Place {
    trusted: Trusted,
    client: reqwest::Client,
}

/// Believes messages, or not.
pub struct Sns {
    client: reqwest::Client,
    hosts: Vec<Trusted>,
    places: Vec<Place>,
    good: Cache<String, SigningKey>,
    bad: Cache<String, String>,
    away: Cache<String, (DateTime<Utc>, String)>,
    fetches: Semaphore,
    waiting: Semaphore,
}

impl Sns {
    /// One that believes Amazon SNS and, each on its own roots, these hosts.
    ///
    /// # Errors
    /// Says which roots cannot be used.
    pub fn new(trusted: Vec<Trusted>) -> Result<Self, String> {
        let places = trusted.iter().map(|one| {
            Ok(Place {
                trusted: one.clone(),
                client: https::client(Some(&one.roots))?,
            })
        });
        Ok(Self {
            client: https::client(None)?,
            places: places.collect::<Result<_, String>>()?,
            hosts: trusted,
            good: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(GOOD_KEPT)
                .build(),
            bad: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(BAD_KEPT)
                .build(),
            away: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(BAD_KEPT)
                .build(),
            fetches: Semaphore::new(FETCHES),
            waiting: Semaphore::new(WAITING),
        })
    }

    /// Makes sure that SNS has sent this message and nobody has changed it.
    ///
    /// # Errors
    /// [`SnsError::Untrusted`], or [`SnsError::Later`] when its certificate cannot be had just now.
    pub async fn verify(&self, message: &Message, now: DateTime<Utc>) -> Result<(), SnsError> {
        let untrusted = |why: &str| SnsError::Untrusted(why.to_owned());
        if !matches!(message.signature_version.as_str(), "1" | "2") {
            return Err(untrusted("its SignatureVersion is neither 1 nor 2"));
        }
        let signature = STANDARD
            .decode(&message.signature)
            .map_err(|_| untrusted("its Signature is not in base64"))?;
        let url = Url::parse(&message.signing_cert_url)
            .ok()
            .ok_or_else(|| untrusted("its SigningCertURL is no address"))?;
        let host = signing_host(&url, &message.topic_arn, &self.hosts).ok_or_else(|| {
            untrusted("its SigningCertURL is not where SNS keeps certificates for its topic")
        })?;
        let key = self.signing_key(&url, host, now).await?;
        if key.has_signed(
            &message.signature_version,
            &message.signed_text(),
            &signature,
        ) {
            Ok(())
        } else {
            Err(untrusted("its Signature does not fit"))
        }
    }

    /// Confirms a subscription, after [`Sns::verify`]: fetches the address that the message names. An address
    /// that does not work any more is no fault; somebody else was quicker, or it was too long ago.
    ///
    /// # Errors
    /// [`SnsError::Untrusted`] when the address is none of SNS for this topic; [`SnsError::Later`] when it
    /// does not answer.
    pub async fn confirm(&self, message: &Message) -> Result<Confirmed, SnsError> {
        let url = message
            .subscribe_url
            .as_deref()
            .and_then(|url| Url::parse(url).ok())
            .filter(|url| {
                let has = |name: &str, value: &str| {
                    url.query_pairs()
                        .any(|pair| pair == (name.into(), value.into()))
                };
                has("Action", "ConfirmSubscription") && has("TopicArn", &message.topic_arn)
            });
        let host = url.as_ref().and_then(|url| host_of(url, &self.hosts));
        let (Some(url), Some(host)) = (&url, host) else {
            let why = "its SubscribeURL does not confirm this topic at an address of SNS";
            return Err(SnsError::Untrusted(why.to_owned()));
        };
        let (status, _) = https::answer(self.client_of(host).get(url.clone()), MOST_BYTES).await?;
        match status {
            200..=299 => Ok(Confirmed::Yes),
            400..=499 => Ok(Confirmed::NoMore),
            _ => Err(SnsError::Later(format!(
                "confirming was answered with {status}"
            ))),
        }
    }

    fn client_of(&self, host: Host<'_>) -> &reqwest::Client {
        match host {
            Host::Amazon { .. } => &self.client,
            Host::Trusted(place) => self
                .places
                .get(place)
                .map_or(&self.client, |place| &place.client),
        }
    }

    /// The key of the certificate at an address, fetched once in a while.
    async fn signing_key(
        &self,
        url: &Url,
        host: Host<'_>,
        now: DateTime<Utc>,
    ) -> Result<SigningKey, SnsError> {
        if let Some(key) = self.known(url, now).await? {
            return Ok(key);
        }
        let later = |error: &dyn std::fmt::Display| SnsError::Later(error.to_string());
        let _place = self
            .waiting
            .try_acquire()
            .map_err(|_| later(&"too many certificates are being waited for"))?;
        let _turn = self
            .fetches
            .acquire()
            .await
            .map_err(|error| later(&error))?;
        if let Some(key) = self.known(url, now).await? {
            return Ok(key);
        }
        let found = self.fetch_key(url, host, now).await;
        match &found {
            Ok(key) => self.good.insert(url.to_string(), key.clone()).await,
            Err(SnsError::Untrusted(why)) => self.bad.insert(url.to_string(), why.clone()).await,
            Err(SnsError::Later(why)) => {
                let away = (now + AWAY_KEPT, why.clone());
                self.away.insert(url.to_string(), away).await;
            }
        }
        found
    }

    async fn known(&self, url: &Url, now: DateTime<Utc>) -> Result<Option<SigningKey>, SnsError> {
        if let Some(why) = self.bad.get(url.as_str()).await {
            return Err(SnsError::Untrusted(why));
        }
        let key = self.good.get(url.as_str()).await;
        if let Some(key) = key.filter(|key| key.is_valid_at(now)) {
            return Ok(Some(key));
        }
        let away = self.away.get(url.as_str()).await;
        match away.filter(|(until, _)| now < *until) {
            Some((_, why)) => Err(SnsError::Later(why)),
            None => Ok(None),
        }
    }

    async fn fetch_key(
        &self,
        url: &Url,
        host: Host<'_>,
        now: DateTime<Utc>,
    ) -> Result<SigningKey, SnsError> {
        let untrusted = |why: String| SnsError::Untrusted(format!("its certificate: {why}"));
        let pem = self.fetch(self.client_of(host), url).await?;
        let mut chain = Chain::read(&pem).map_err(untrusted)?;
        let place = match host {
            Host::Amazon { .. } => None,
            Host::Trusted(place) => self.places.get(place),
        };
        let (anchors, names) = match (host, place) {
            (Host::Amazon { region, suffix }, _) => (
                webpki_roots::TLS_SERVER_ROOTS.to_vec(),
                signing_names(region, suffix),
            ),
            (Host::Trusted(_), place) => (
                place.map_or_else(Vec::new, |place| place.trusted.anchors()),
                vec![url.host_str().unwrap_or_default().to_owned()],
            ),
        };
        for _ in 0..=MOST_ISSUERS {
            match chain.check(&anchors, &names, now) {
                Ok(key) => return Ok(key),
                Err(Some(why)) => return Err(untrusted(why)),
                Err(None) => {}
            }
            let issuer = chain.issuer_url().filter(|_| place.is_none());
            let Some(issuer) = issuer else { break };
            chain.push(&self.fetch(&self.client, &issuer).await?);
        }
        Err(untrusted("it leads up to no root that is trusted".into()))
    }

    async fn fetch(&self, client: &reqwest::Client, url: &Url) -> Result<bytes::Bytes, SnsError> {
        let (status, body) = https::answer(client.get(url.clone()), MOST_BYTES).await?;
        match status {
            200 => Ok(body),
            500.. => Err(SnsError::Later(format!("{url} was answered with {status}"))),
            _ => Err(SnsError::Untrusted(format!(
                "{url} was answered with {status}"
            ))),
        }
    }
}

/// What became of a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// The topic speaks to us now.
    Yes,
    /// The address does not work any more.
    NoMore,
}
