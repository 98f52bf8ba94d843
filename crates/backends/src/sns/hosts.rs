//! Which addresses a message of SNS may send us to: hosts of Amazon SNS, and those that the site's
//! configuration trusts in their place.

use std::fmt;
use std::path::Path;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, TrustAnchor};
use url::Url;

/// What follows `sns.<region>.` in the addresses of Amazon SNS.
const SUFFIXES: [&str; 2] = ["amazonaws.com", "amazonaws.com.cn"];

/// A service compatible with SNS that the site trusts: its host, and the roots that it answers for.
#[derive(Clone)]
pub struct Trusted {
    host: String,
    /// Roots that its address and its signing certificates lead up to.
    pub(super) roots: Vec<CertificateDer<'static>>,
}

impl fmt::Debug for Trusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} roots)", self.host, self.roots.len())
    }
}

impl Trusted {
    /// Reads the roots of `host` (with a port unless that is 443) from a PEM file.
    ///
    /// # Errors
    /// Says what is wrong with the host or the file.
    pub fn read(host: &str, pem: &Path) -> Result<Self, String> {
        let url = Url::parse(&format!("https://{host}/")).ok();
        if url.is_none_or(|url| authority(&url).as_deref() != Some(host)) {
            return Err(format!(
                "{host} is no host name in lower case, with a port where that is not 443"
            ));
        }
        let file = pem.display();
        let bytes = std::fs::read(pem).map_err(|error| format!("{file}: {error}"))?;
        let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        let roots = roots.map_err(|error| format!("{file}: {error}"))?;
        if roots.is_empty() {
            return Err(format!("{file} holds no certificate"));
        }
        for root in &roots {
            webpki::anchor_from_trusted_cert(root)
                .map_err(|error| format!("{file} holds one that cannot be a root: {error}"))?;
        }
        Ok(Self {
            host: host.to_owned(),
            roots,
        })
    }

    /// The roots as webpki takes them.
    pub(super) fn anchors(&self) -> Vec<TrustAnchor<'_>> {
        let anchors = self.roots.iter().map(webpki::anchor_from_trusted_cert);
        anchors.filter_map(Result::ok).collect()
    }
}

/// Who answers at an address that a message names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host<'a> {
    /// Amazon SNS in a region.
    Amazon {
        region: &'a str,
        suffix: &'static str,
    },
    /// The trusted one at this place in the configuration.
    Trusted(usize),
}

/// `host`, or `host:port` where the port is not 443.
fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

/// The host of an address, when it is one that may be asked: https, without user, password and fragment, and
/// `sns.<region>.amazonaws.com` (`.cn`) at the ordinary port, or a trusted one.
pub(super) fn host_of<'a>(url: &'a Url, trusted: &[Trusted]) -> Option<Host<'a>> {
    if url.scheme() != "https"
        || !url.username().is_empty()
        || url.password().is_some()
        || url.fragment().is_some()
    {
        return None;
    }
    let place = authority(url)?;
    if let Some(found) = trusted.iter().position(|one| one.host == place) {
        return Some(Host::Trusted(found));
    }
    if url.port().is_some() {
        return None;
    }
    let (region, suffix) = url.host_str()?.strip_prefix("sns.")?.split_once('.')?;
    let suffix = SUFFIXES.into_iter().find(|known| *known == suffix)?;
    let is_region = region.len() >= 3
        && region
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    is_region.then_some(Host::Amazon { region, suffix })
}

/// Who keeps the certificate at an address that messages of a topic may name: a trusted host any PEM file, Amazon
/// SNS only files called as it calls its certificates, and only in the topic's region. So nobody makes us ask for
/// anything else, nor everywhere.
pub(super) fn signing_host<'a>(
    url: &'a Url,
    topic_arn: &str,
    trusted: &[Trusted],
) -> Option<Host<'a>> {
    if url.query().is_some() {
        return None;
    }
    let host = host_of(url, trusted)?;
    let is_allowed = match host {
        Host::Amazon { region, .. } => {
            // arn:<partition>:sns:<region>:<account>:<name>
            topic_arn.split(':').nth(3) == Some(region) && is_certificate_of_amazon(url.path())
        }
        Host::Trusted(_) => url.path().to_ascii_lowercase().ends_with(".pem"),
    };
    is_allowed.then_some(host)
}

/// `/SimpleNotificationService-<hexadecimal digits>.pem`.
fn is_certificate_of_amazon(path: &str) -> bool {
    let digits = path
        .strip_prefix("/SimpleNotificationService-")
        .and_then(|rest| rest.strip_suffix(".pem"));
    digits.is_some_and(|digits| {
        (1..=64).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

/// The names that a signing certificate of Amazon SNS in a region may carry, as the AWS SDKs know them
/// (`SnsHostProvider` of the SDK for Java): most regions share one, newer ones have their own.
pub(super) fn signing_names(region: &str, suffix: &str) -> Vec<String> {
    let mut names = vec![
        format!("sns.{region}.{suffix}"),
        format!("sns-signing.{region}.{suffix}"),
        format!("sns-{region}.{suffix}"),
    ];
    if suffix == "amazonaws.com" {
        names.push("sns.amazonaws.com".to_owned());
    }
    if region.starts_with("us-gov-") {
        names.push("sns-us-gov-west-1.amazonaws.com".to_owned());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_amazon(url: &str) -> bool {
        let url = Url::parse(url).unwrap();
        matches!(host_of(&url, &[]), Some(Host::Amazon { .. }))
    }

    #[test]
    fn only_amazons_own_hosts_are_asked() {
        assert!(is_amazon("https://sns.us-east-1.amazonaws.com/x.pem"));
        assert!(is_amazon("https://SNS.eu-west-1.amazonaws.com:443/x.pem"));
        assert!(is_amazon("https://sns.cn-north-1.amazonaws.com.cn/x.pem"));
        for other in [
            "http://sns.us-east-1.amazonaws.com/x.pem",
            "https://sns.evil.com/x.pem",
            "https://sns.us-east-1.amazonaws.com.evil.com/x.pem",
            "https://sns.us-east-1.amazonaws.com.cn.evil.com/x.pem",
            "https://evil.com/sns.us-east-1.amazonaws.com/x.pem",
            "https://sns.us-east-1.amazonaws.com@evil.com/x.pem",
            "https://user@sns.us-east-1.amazonaws.com/x.pem",
            "https://user:word@sns.us-east-1.amazonaws.com/x.pem",
            "https://sns.us-east-1.amazonaws.com:8443/x.pem",
            "https://sns.us-east-1.amazonaws.com/x.pem#y",
            "https://sns.bucket.s3.amazonaws.com/x.pem",
            "https://bucket.s3.amazonaws.com/x.pem",
            "https://sns.amazonaws.com/x.pem",
            "https://sns..amazonaws.com/x.pem",
            "https://sns.us_east.amazonaws.com/x.pem",
            "https://sns.us-east-1.amazonaws.com./x.pem",
            "https://xsns.us-east-1.amazonaws.com/x.pem",
            "https://127.0.0.1/x.pem",
            "file:///etc/passwd.pem",
        ] {
            assert!(!is_amazon(other), "{other}");
        }
    }

    #[test]
    fn a_certificate_is_asked_for_by_amazons_own_names_in_the_region_of_the_topic_alone() {
        let at = |url: &str, topic: &str| {
            let url = Url::parse(url).unwrap();
            matches!(signing_host(&url, topic, &[]), Some(Host::Amazon { .. }))
        };
        let topic = "arn:aws:sns:eu-west-1:123456789012:lectures";
        let host = "https://sns.eu-west-1.amazonaws.com";
        let good = format!("{host}/SimpleNotificationService-9c6465fa7f48f5cacd23014631ec1136.pem");
        assert!(at(&good, topic));
        assert!(at(
            "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-ac56.pem",
            "arn:aws-cn:sns:cn-north-1:123456789012:lectures"
        ));
        assert!(!at(&good, "arn:aws:sns:eu-central-1:123456789012:lectures"));
        assert!(!at(&good, ""));
        let digits = "0".repeat(65);
        for path in [
            "/1.pem".to_owned(),
            "/SimpleNotificationService-.pem".to_owned(),
            "/SimpleNotificationService-12x4.pem".to_owned(),
            "/SimpleNotificationService-1234.pem?x=1".to_owned(),
            "/SimpleNotificationService-1234.txt".to_owned(),
            "/a/SimpleNotificationService-1234.pem".to_owned(),
            format!("/SimpleNotificationService-{digits}.pem"),
        ] {
            assert!(!at(&format!("{host}{path}"), topic), "{path}");
        }
    }

    #[test]
    fn each_region_has_the_names_that_amazon_signs_with() {
        let names = signing_names("af-south-1", "amazonaws.com");
        assert!(names.contains(&"sns-signing.af-south-1.amazonaws.com".to_owned()));
        assert!(names.contains(&"sns.amazonaws.com".to_owned()));
        let names = signing_names("cn-north-1", "amazonaws.com.cn");
        assert!(names.contains(&"sns-cn-north-1.amazonaws.com.cn".to_owned()));
        assert!(!names.contains(&"sns.amazonaws.com".to_owned()));
        let names = signing_names("us-gov-east-1", "amazonaws.com");
        assert!(names.contains(&"sns-us-gov-west-1.amazonaws.com".to_owned()));
    }

    #[test]
    fn a_trusted_host_is_named_exactly() {
        let missing = Path::new("/nowhere/root.pem");
        for wrong in [
            "",
            "a b",
            "HOST.example",
            "host.example:443",
            "user@host.example",
            "host.example/x",
            "https://host.example",
        ] {
            let fault = Trusted::read(wrong, missing).unwrap_err();
            assert!(fault.contains("host name"), "{wrong}: {fault}");
        }
        let fault = Trusted::read("host.example:8443", missing).unwrap_err();
        assert!(fault.contains("root.pem"), "{fault}");
    }
}
