//! Certificates that sign messages: their chain, whom they name, and their key.
//!
//! Amazon serves the certificate alone. The one that has issued it is found as browsers find it: by the
//! address in the certificate itself (RFC 5280, section 4.2.2.1), of Amazon Trust Services only.

use std::time::Duration;

use chrono::{DateTime, Utc};
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters,
    UnparsedPublicKey,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use url::Url;
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// More certificates than any chain has.
const MOST_CERTIFICATES: usize = 8;

/// Where Amazon Trust Services keeps the certificates of its issuers: `crt.<name>.amazontrust.com`.
const ISSUERS: (&str, &str) = ("crt.", ".amazontrust.com");

/// A key whose certificate was found good.
#[derive(Debug, Clone)]
pub(super) struct SigningKey {
    /// An RSA key (RFC 8017, `RSAPublicKey`).
    key: Vec<u8>,
    valid_from: DateTime<Utc>,
    valid_until: DateTime<Utc>,
}

impl SigningKey {
    /// Whether its certificate is valid at a time.
    pub(super) fn is_valid_at(&self, now: DateTime<Utc>) -> bool {
        self.valid_from <= now && now <= self.valid_until
    }

    /// Whether the signature of this version (1: SHA-1, 2: SHA-256) is this key's over the text.
    pub(super) fn has_signed(&self, version: &str, text: &str, signature: &[u8]) -> bool {
        // SHA-1 is what version 1 has; nobody has found how to sign another text with a signature that is
        // there already, only how to make two texts that share one.
        let algorithm: &RsaParameters = match version {
            "1" => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            "2" => &RSA_PKCS1_2048_8192_SHA256,
            _ => return false,
        };
        let key = UnparsedPublicKey::new(algorithm, &self.key);
        key.verify(text.as_bytes(), signature).is_ok()
    }
}

/// A chain as it was fetched, the signing certificate first.
pub(super) struct Chain(Vec<CertificateDer<'static>>);

impl Chain {
    /// Reads the certificates of a PEM file.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn read(pem: &[u8]) -> Result<Self, String> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem)
            .take(MOST_CERTIFICATES)
            .collect();
        let found = found.map_err(|error| format!("it is no PEM file: {error}"))?;
        if found.is_empty() {
            return Err("it holds no certificate".to_owned());
        }
        Ok(Self(found))
    }

    /// Adds one that has issued the last, as it was fetched (DER).
    pub(super) fn push(&mut self, der: &[u8]) {
        self.0.push(CertificateDer::from(der.to_vec()));
    }

    /// Where the certificate is that has issued the last one, when Amazon Trust Services keeps it.
    pub(super) fn issuer_url(&self) -> Option<Url> {
        let last = self.0.last().filter(|_| self.0.len() < MOST_CERTIFICATES)?;
        let (_, parsed) = X509Certificate::from_der(last).ok()?;
        let found = parsed.extensions().iter().find_map(|extension| {
            let ParsedExtension::AuthorityInfoAccess(access) = extension.parsed_extension() else {
                return None;
            };
            access.accessdescs.iter().find_map(|one| {
                let is_issuer = one.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS;
                match &one.access_location {
                    GeneralName::URI(uri) if is_issuer => Url::parse(uri).ok(),
                    _ => None,
                }
            })
        });
        found.filter(is_of_amazon_trust)
    }

    /// The key of the signing certificate, when its chain leads up to one of the anchors, it is valid now,
    /// and it carries one of the names.
    ///
    /// # Errors
    /// `Err(None)` when the issuer is not among what was fetched; `Err(Some(why))` when it is not good.
    pub(super) fn check(
        &self,
        anchors: &[TrustAnchor<'_>],
        names: &[String],
        now: DateTime<Utc>,
    ) -> Result<SigningKey, Option<String>> {
        let (leaf, rest) = self.0.split_first().ok_or(None)?;
        let entity = EndEntityCert::try_from(leaf).map_err(|error| Some(error.to_string()))?;
        let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        let path = entity.verify_for_usage(
            algorithms.all,
            anchors,
            rest,
            UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
            KeyUsage::server_auth(),
            None,
            None,
        );
        match path {
            Ok(_) => {}
            Err(webpki::Error::UnknownIssuer) => return Err(None),
            Err(error) => return Err(Some(format!("its chain does not hold: {error}"))),
        }
        let is_named = names.iter().any(|name| {
            ServerName::try_from(name.as_str())
                .is_ok_and(|name| entity.verify_is_valid_for_subject_name(&name).is_ok())
        });
        if !is_named {
            return Err(Some(format!("it is for none of {}", names.join(", "))));
        }
        key_of(leaf).map_err(Some)
    }
}

/// Key and dates of a certificate that was found good.
fn key_of(leaf: &CertificateDer<'_>) -> Result<SigningKey, String> {
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|error| error.to_string())?;
    let validity = parsed.validity();
    let time = |at: i64| DateTime::from_timestamp(at, 0);
    let dates = time(validity.not_before.timestamp()).zip(time(validity.not_after.timestamp()));
    let (valid_from, valid_until) = dates.ok_or("its dates cannot be read")?;
    Ok(SigningKey {
        key: parsed.public_key().subject_public_key.data.to_vec(),
        valid_from,
        valid_until,
    })
}

fn is_of_amazon_trust(url: &Url) -> bool {
    let (start, end) = ISSUERS;
    let host = url.host_str().unwrap_or_default();
    let name = host
        .strip_prefix(start)
        .and_then(|rest| rest.strip_suffix(end));
    let is_name = name.is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    });
    // What is fetched there is signed itself, so that http is enough, and http is all there is.
    matches!(url.scheme(), "http" | "https")
        && is_name
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_are_fetched_from_amazon_trust_services_alone() {
        let is_taken = |url: &str| is_of_amazon_trust(&Url::parse(url).unwrap());
        assert!(is_taken("http://crt.r2m01.amazontrust.com/r2m01.cer"));
        for other in [
            "http://crt.evil.com/r2m01.cer",
            "http://crt.r2m01.amazontrust.com.evil.com/r2m01.cer",
            "http://crt.a.b.amazontrust.com/x.cer",
            "http://evil.com/crt.r2m01.amazontrust.com",
            "http://user@crt.r2m01.amazontrust.com/r2m01.cer",
            "http://crt.r2m01.amazontrust.com:8080/r2m01.cer",
            "http://crt.r2m01.amazontrust.com/?to=http://evil.com",
            "http://crt..amazontrust.com/r2m01.cer",
            "file:///r2m01.cer",
            "http://127.0.0.1/r2m01.cer",
        ] {
            assert!(!is_taken(other), "{other}");
        }
    }

    /// What Amazon signs with (from 2026-07-25 to 2027-02-07) in a region with names of its own, served alone;
    /// and who has issued it.
    #[test]
    fn a_certificate_of_amazon_is_good_with_its_issuer_in_its_own_region_and_time() {
        let leaf = include_bytes!("../../tests/data/amazon-sns-af-south-1.pem");
        let issuer = include_bytes!("../../tests/data/amazon-rsa-2048-m01.pem");
        let roots = webpki_roots::TLS_SERVER_ROOTS;
        let names = super::super::hosts::signing_names("af-south-1", "amazonaws.com");
        let now = "2026-10-02T18:00:00Z".parse().unwrap();
        let mut chain = Chain::read(leaf).unwrap_or_else(|why| panic!("{why}"));
        assert!(matches!(chain.check(roots, &names, now), Err(None)));
        let url = chain.issuer_url().unwrap();
        assert_eq!(url.as_str(), "http://crt.r2m01.amazontrust.com/r2m01.cer");
        chain.push(&CertificateDer::from_pem_slice(issuer).unwrap());
        let key = chain.check(roots, &names, now).unwrap();
        assert!(key.is_valid_at(now));
        assert!(!key.has_signed("2", "text", &[0; 256]));
        let elsewhere = super::super::hosts::signing_names("eu-west-1", "amazonaws.com");
        let later = "2027-03-01T00:00:00Z".parse().unwrap();
        for (names, now) in [(&elsewhere, now), (&names, later)] {
            assert!(matches!(chain.check(roots, names, now), Err(Some(_))));
        }
        assert!(
            matches!(chain.check(&[], &names, now), Err(None)),
            "without roots"
        );
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        for wrong in [
            "",
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n",
        ] {
            assert!(Chain::read(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let chain = Chain::read(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let chain = chain.ok().unwrap();
        assert!(chain.issuer_url().is_none());
        let checked = chain.check(&[], &[], DateTime::UNIX_EPOCH);
        assert!(matches!(checked, Err(Some(_))));
    }
}
