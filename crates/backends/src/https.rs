//! Small fetches over HTTPS that are bounded in every way: size, time, and no redirects.
//!
//! Which addresses may be asked is for the caller to know.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::redirect::Policy;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// How long one exchange may take, from connecting to the last byte.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The other side is away, too slow, or not who it should be.
    #[error("{0}")]
    NoAnswer(String),
    /// The answer is longer than allowed.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        // Without the address, whose query may hold a token.
        Self::NoAnswer(chain(&error.without_url()))
    }
}

/// An error with all its causes: reqwest says only the first.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}

/// Makes ring the cryptography of every TLS client in this process that does not say which it wants: those
/// inside of other crates. It is here already; a second library would be as large again. One that somebody has
/// chosen before stays.
pub fn use_ring() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client that follows no redirect, asks no proxy, and trusts the roots of the web (webpki-roots), or
/// only those that it is given.
///
/// # Errors
/// Says which certificate cannot be a root.
pub fn client(roots: Option<&[CertificateDer<'static>]>) -> Result<reqwest::Client, String> {
    let store = match roots {
        None => RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        },
        Some(roots) => {
            let mut store = RootCertStore::empty();
            for root in roots {
                store.add(root.clone()).map_err(|e| e.to_string())?;
            }
            store
        }
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(store)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .no_proxy()
        .timeout(TIMEOUT)
        .build()
        .map_err(|error| chain(&error))
}

/// Sends a request and reads its answer of up to `most_bytes`: status and body.
pub async fn answer(
    request: reqwest::RequestBuilder,
    most_bytes: usize,
) -> Result<(u16, Bytes), FetchError> {
    let mut response = request.send().await?;
    let mut body = BytesMut::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > most_bytes {
            return Err(FetchError::TooLong(most_bytes));
        }
        body.extend_from_slice(&piece);
    }
    Ok((response.status().as_u16(), body.freeze()))
}
