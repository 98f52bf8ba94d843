//! Which server a Redis URL names, and how it is reached.

use std::path::PathBuf;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use redis::RedisConnectionInfo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use url::Url;

use super::super::CacheError;
use super::super::options::{Options, fault};

const DEFAULT_PORT: u16 = 6379;

/// A server, and what is said to it first.
pub struct Target {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to in secret, and by which name it must prove itself.
    pub tls: Option<(TlsConnector, ServerName<'static>)>,
    /// User, password and number of the database.
    pub login: RedisConnectionInfo,
    /// Where it is, for the log.
    pub place: String,
}

impl Target {
    /// Understands `//user:password@host:port/database`.
    pub fn parse(options: &Options) -> Result<Self, CacheError> {
        Self::of(&options.scheme, &options.place, options.ca.as_ref())
    }

    /// As [`Target::parse`], of what stands before and after the first colon, and of the certificates to be trusted.
    pub fn of(scheme: &str, place: &str, ca: Option<&PathBuf>) -> Result<Self, CacheError> {
        let form = "has to look like redis://user:password@host:port/database";
        let url = Url::parse(&format!("{scheme}:{place}"));
        let url = url.map_err(|_| fault(form))?;
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| fault(form))?.trim_matches(['[', ']']);
        let port = url.port().unwrap_or(DEFAULT_PORT);
        let database = match url.path().trim_matches('/') {
            "" => 0,
            number => number.parse::<u32>().map_err(|_| {
                fault("has something else than the number of a database behind the host")
            })?,
        };
        let is_secret = scheme == "rediss";
        if ca.is_some() && !is_secret {
            return Err(fault("has an option ca, which only rediss: needs"));
        }
        let tls = is_secret.then(|| tls(host, ca)).transpose()?;
        Ok(Self {
            host: host.to_owned(),
            port,
            tls,
            login: login(&url, database)?,
            place: format!(
                "{scheme}://{}:{port}/{database}",
                url.host_str().unwrap_or(host)
            ),
        })
    }
}

fn login(url: &Url, database: u32) -> Result<RedisConnectionInfo, CacheError> {
    let decode = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded
            .map(String::from)
            .map_err(|_| fault("has a user or password that is not UTF-8"))
    };
    let mut login = RedisConnectionInfo::default()
        .set_db(i64::from(database))
        .set_skip_set_lib_name();
    if !url.username().is_empty() {
        login = login.set_username(decode(url.username())?);
    }
    if let Some(password) = url.password() {
        login = login.set_password(decode(password)?);
    }
    Ok(login)
}

/// Trusts the roots that browsers trust, or those in the file `ca` alone.
fn tls(
    host: &str,
    ca: Option<&PathBuf>,
) -> Result<(TlsConnector, ServerName<'static>), CacheError> {
    let mut roots = RootCertStore::empty();
    match ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let unreadable =
                |_| fault("has an option ca that is no readable PEM file of certificates");
            for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
                let unusable = |_| fault("has a certificate under ca that cannot be used");
                roots
                    .add(certificate.map_err(unreadable)?)
                    .map_err(unusable)?;
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| fault("asks for TLS, which cannot be set up"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|_| fault("names a host that no certificate can be for"))?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Target, CacheError> {
        Target::parse(&Options::parse(url)?)
    }

    #[test]
    fn user_password_and_database_are_read_and_stay_out_of_the_log() {
        let target = parse("redis://ann:s%40cret@cache.example:6380/3?prefix=a").expect("a server");
        assert_eq!((target.host.as_str(), target.port), ("cache.example", 6380));
        assert_eq!(target.login.username(), Some("ann"));
        assert_eq!(target.login.password(), Some("s@cret"));
        assert_eq!(target.login.db(), 3);
        assert_eq!(target.place, "redis://cache.example:6380/3");
        let target = parse("rediss://:pw@[::1]").expect("a server");
        assert_eq!((target.host.as_str(), target.port), ("::1", DEFAULT_PORT));
        assert!(target.tls.is_some());
        assert_eq!(target.login.username(), None);
    }

    #[test]
    fn what_names_no_server_is_refused_without_repeating_the_url() {
        for url in [
            "redis:",
            "redis:///3",
            "redis://s3cret@host:port",
            "redis://:s3cret@host/first",
            "redis://:s3cret@host/1/2",
            "redis://:s3cret@host?ca=/etc/ssl/one.pem",
            "rediss://:s3cret@host?ca=/no/such/file",
            "redis://:%FF@host",
        ] {
            let Err(error) = parse(url) else {
                panic!("{url} was taken");
            };
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
}
