//! What only this site can read and make: secrets that rest in the database, and what a browser carries for it.
//!
//! Keys are derived from the site's secret, one a purpose (HKDF-SHA-256, RFC 5869), so that what was sealed for one
//! purpose opens for no other. What is sealed is bound to what it is about: the secret of one account put into the row of
//! another does not open. ChaCha20-Poly1305 (RFC 8439) with random nonces; a key seals far fewer than 2^32 things.

use crate::app::App;
use crate::error::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::hmac;
use std::fmt::Write as _;

/// Seals bytes for a purpose, bound to what they are about; the answer is base64 without padding, safe in cookies.
///
/// # Errors
/// [`Error::Internal`], should the cipher refuse.
pub fn seal(app: &App, purpose: &'static str, about: &str, plain: &[u8]) -> Result<String> {
    let nonce: [u8; NONCE_LEN] = app.clock.random_bytes();
    let mut sealed = plain.to_vec();
    cipher(app, purpose)?
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(about.as_bytes()),
            &mut sealed,
        )
        .map_err(|_| Error::internal("a secret could not be sealed"))?;
    let mut whole = nonce.to_vec();
    whole.append(&mut sealed);
    Ok(URL_SAFE_NO_PAD.encode(whole))
}

/// What was sealed for this purpose about this; nothing when it was not, was changed, or the site's secret is another.
pub fn open(app: &App, purpose: &'static str, about: &str, sealed: &str) -> Option<Vec<u8>> {
    let whole = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    let (nonce, rest) = whole.split_first_chunk::<NONCE_LEN>()?;
    let mut rest = rest.to_vec();
    let plain = cipher(app, purpose).ok()?.open_in_place(
        Nonce::assume_unique_for_key(*nonce),
        Aad::from(about.as_bytes()),
        &mut rest,
    );
    plain.ok().map(|plain| plain.to_vec())
}

/// A hash that nobody can make who does not have the site's secret, in hex: for what is too short to be kept under an
/// ordinary one.
///
/// # Errors
/// [`Error::Internal`], should no key be derived.
pub fn keyed_hash(app: &App, purpose: &'static str, text: &str) -> Result<String> {
    let key: hmac::Key = derived(app, purpose, hmac::HMAC_SHA256)?;
    let tag = hmac::sign(&key, text.as_bytes());
    let mut hex = String::with_capacity(64);
    for byte in tag.as_ref() {
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(hex)
}

fn cipher(app: &App, purpose: &'static str) -> Result<LessSafeKey> {
    let key: UnboundKey = derived(app, purpose, &CHACHA20_POLY1305)?;
    Ok(LessSafeKey::new(key))
}

/// Key material for one purpose, in the shape that is asked for.
fn derived<K, L>(app: &App, purpose: &'static str, shape: L) -> Result<K>
where
    L: KeyType,
    K: for<'a> From<ring::hkdf::Okm<'a, L>>,
{
    let root = Salt::new(HKDF_SHA256, b"lyceum").extract(app.config.secret.0.as_bytes());
    let info = [purpose.as_bytes()];
    let material = root
        .expand(&info, shape)
        .map_err(|_| Error::internal("no key could be derived"))?;
    Ok(K::from(material))
}
