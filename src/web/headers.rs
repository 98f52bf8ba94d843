//! Headers: the ones every answer carries, cookies, and where a request comes from.

use crate::app::App;
use crate::config::{Config, MediaDelivery};
use crate::web::response_cache::ToBeKept;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName,
    REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, Version};
use axum::middleware::Next;
use axum::response::Response;
use chrono::TimeDelta;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// The header that names a request, in logs and on fault pages.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// No inline script or style, no nonce; players of video sites only in frames.
/// The same on cached and fresh pages.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
     media-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'; frame-src https://www.youtube-nocookie.com https://player.vimeo.com";

/// Marks an answer whose page plays films that come in pieces.
#[derive(Clone, Copy)]
struct HasPlayer;

/// Lets a page play films that come in pieces.
pub fn with_player(mut page: Response) -> Response {
    page.extensions_mut().insert(HasPlayer);
    page
}

/// The policy of a page. To a player the pieces of a film come as objects of the page's own (Media Source
/// Extensions, "attaching to a media element"); no worker is needed, our player runs without one. `store`: the
/// origin of the object store from which recordings come by signed addresses.
fn page_policy(has_player: bool, store: Option<&str>) -> HeaderValue {
    let blob = if has_player { " blob:" } else { "" };
    let store = store.map(|origin| format!(" {origin}")).unwrap_or_default();
    let policy = PAGE_POLICY
        .replace(
            "media-src 'self'",
            &format!("media-src 'self'{blob}{store}"),
        )
        .replace("connect-src 'self'", &format!("connect-src 'self'{store}"));
    HeaderValue::from_str(&policy).unwrap_or_else(|_| HeaderValue::from_static(PAGE_POLICY))
}

/// The security headers of every answer, made once.
#[derive(Clone, Debug)]
pub struct Security {
    page: HeaderValue,
    player: HeaderValue,
    others: Vec<(HeaderName, HeaderValue)>,
}

impl Security {
    /// As the configuration asks for them.
    pub fn new(app: &App) -> Self {
        let store = match app.config.media_delivery {
            MediaDelivery::Signed => app.files.origin(),
            MediaDelivery::Site => None,
        };
        Self::of(store, app.config.is_https())
    }

    /// `store`: the origin from which browsers may read media, besides the site.
    pub fn of(store: Option<&str>, is_https: bool) -> Self {
        let mut others = vec![
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
            (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
            (
                HeaderName::from_static("permissions-policy"),
                HeaderValue::from_static("camera=(), microphone=(), geolocation=()"),
            ),
        ];
        if is_https {
            let year = HeaderValue::from_static("max-age=31536000");
            others.push((STRICT_TRANSPORT_SECURITY, year));
        }
        Self {
            page: page_policy(false, store),
            player: page_policy(true, store),
            others,
        }
    }

    /// Puts them on an answer that does not bring its own.
    pub fn put(&self, headers: &mut HeaderMap, has_player: bool) {
        headers
            .entry(CONTENT_SECURITY_POLICY)
            .or_insert_with(|| self.policy(has_player).clone());
        for (name, value) in &self.others {
            headers.entry(name).or_insert_with(|| value.clone());
        }
    }

    /// Takes them off again where they are not an answer's own.
    pub fn take(&self, headers: &mut HeaderMap) {
        let policies = [&self.page, &self.player].map(|value| (CONTENT_SECURITY_POLICY, value));
        let others = self
            .others
            .iter()
            .map(|(name, value)| (name.clone(), value));
        for (name, value) in policies.into_iter().chain(others) {
            if headers.get(&name) == Some(value) {
                headers.remove(name);
            }
        }
    }

    fn policy(&self, has_player: bool) -> &HeaderValue {
        if has_player { &self.player } else { &self.page }
    }
}

/// Puts the security headers on every answer that does not bring its own.
pub async fn secure(
    State(security): State<Arc<Security>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    let has_player = has_player(response.extensions());
    security.put(response.headers_mut(), has_player);
    response
}

/// Whether an answer is a page that plays films in pieces.
pub fn has_player(answer: &Extensions) -> bool {
    answer.get::<HasPlayer>().is_some()
}

/// Pages and JSON are worth compressing on the way; media is compressed already, assets come
/// compressed from the build, event streams must not wait for a full block, and what a cache keeps is
/// compressed there, once.
pub fn is_text(_: StatusCode, _: Version, headers: &HeaderMap, answer: &Extensions) -> bool {
    let header = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let is_long = header(CONTENT_LENGTH)
        .and_then(|length| length.parse().ok())
        .is_none_or(|length: u64| length > 1_000);
    let mime = header(CONTENT_TYPE)
        .and_then(|mime| mime.split(';').next())
        .unwrap_or("");
    is_long
        && matches!(mime, "text/html" | "application/json")
        && !headers.contains_key(CONTENT_ENCODING)
        && answer.get::<ToBeKept>().is_none()
}

/// A `Set-Cookie` value (RFC 6265, section 4.1): SameSite=Lax, for the whole site.
pub fn set_cookie(
    name: &str,
    value: &str,
    lifetime: TimeDelta,
    http_only: bool,
    secure: bool,
) -> HeaderValue {
    let mut text = format!(
        "{name}={value}; Path=/; Max-Age={}; SameSite=Lax",
        lifetime.num_seconds()
    );
    if http_only {
        text.push_str("; HttpOnly");
    }
    if secure {
        text.push_str("; Secure");
    }
    // Names and values are ours and ASCII.
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Where a request comes from, proxies that are trusted left out.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub IpAddr);

/// Finds the client's address; proxies count only when the configuration names them.
pub async fn locate(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let peer = peer(&request);
    let address = real_address(&app.config, peer, request.headers());
    request.extensions_mut().insert(ClientAddress(address));
    next.run(request).await
}

/// Whoever is at the other end of the connection. A socket file has no peer address; it counts as this machine.
fn peer(request: &Request) -> IpAddr {
    request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |info| {
            info.0.ip().to_canonical()
        })
}

/// Whether a proxy that the configuration trusts handed the request on.
pub fn is_by_proxy(config: &Config, request: &Request) -> bool {
    is_trusted(config, peer(request))
}

fn is_trusted(config: &Config, address: IpAddr) -> bool {
    config
        .trusted_proxies
        .iter()
        .any(|network| network.contains(&address))
}

/// The address that [`locate`] found.
pub fn client_address(request: &Request) -> IpAddr {
    address_in(request.extensions())
}

/// The same, from what is known of a request.
pub fn address_in(known: &Extensions) -> IpAddr {
    known
        .get::<ClientAddress>()
        .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.0)
}

/// The last address in `X-Forwarded-For` that is no trusted proxy; the peer itself when it is not trusted.
/// What stands before something unreadable is not believed. A socket file has no peer address; it
/// counts as this machine.
fn real_address(config: &Config, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    if !is_trusted(config, peer) {
        return peer;
    }
    let mut nearest = peer;
    for value in headers.get_all("x-forwarded-for").iter().rev() {
        for part in value.to_str().unwrap_or("?").rsplit(',') {
            // What the visitor wrote herself stands before the first entry that no proxy of
            // ours would write; nothing from there on is believed.
            let Some(address) = forwarded_address(part.trim()) else {
                return nearest;
            };
            if !is_trusted(config, address) {
                return address;
            }
            nearest = address;
        }
    }
    nearest
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn forwarded_address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = bare
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::BTreeMap;

    #[test]
    fn pages_with_a_player_let_in_its_pieces_and_the_store_and_nothing_else() {
        let policy = |has_player, store| {
            let header = page_policy(has_player, store);
            header.to_str().unwrap().to_owned()
        };
        assert_eq!(policy(false, None), PAGE_POLICY);
        let store = "https://files.example";
        for (has_player, at, media, connect) in [
            (true, None, "'self' blob:", "'self'"),
            (
                false,
                Some(store),
                "'self' https://files.example",
                "'self' https://files.example",
            ),
            (
                true,
                Some(store),
                "'self' blob: https://files.example",
                "'self' https://files.example",
            ),
        ] {
            let expected = PAGE_POLICY
                .replace("media-src 'self'", &format!("media-src {media}"))
                .replace("connect-src 'self'", &format!("connect-src {connect}"));
            assert_eq!(policy(has_player, at), expected);
        }
    }

    fn found(proxies: &str, peer: &str, forwarded: &[&str]) -> String {
        let values: BTreeMap<String, String> = [
            ("secret", "a secret that is only good for tests"),
            ("trusted_proxies", proxies),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        let config = Config::from_values(&values, Vec::new()).unwrap();
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let peer: IpAddr = peer.parse().unwrap();
        real_address(&config, peer.to_canonical(), &headers).to_string()
    }

    #[test]
    fn a_forwarded_address_is_believed_only_from_a_trusted_proxy() {
        assert_eq!(found("", "192.0.2.7", &["203.0.113.9"]), "192.0.2.7");
        let proxy = "10.0.0.1";
        assert_eq!(found(proxy, "192.0.2.7", &["203.0.113.9"]), "192.0.2.7");
        assert_eq!(found(proxy, proxy, &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(
            found(proxy, proxy, &["6.6.6.6, 203.0.113.9"]),
            "203.0.113.9"
        );
        assert_eq!(
            found(proxy, proxy, &["6.6.6.6", "203.0.113.9"]),
            "203.0.113.9"
        );
        assert_eq!(found(proxy, proxy, &[]), proxy);
    }

    #[test]
    fn a_chain_of_trusted_proxies_leads_to_the_client() {
        let proxies = "10.0.0.1,10.0.0.2";
        let chain = &["6.6.6.6, 203.0.113.9, 10.0.0.2"];
        assert_eq!(found(proxies, "10.0.0.1", chain), "203.0.113.9");
        assert_eq!(found(proxies, "::ffff:10.0.0.1", chain), "203.0.113.9");
        assert_eq!(found(proxies, "10.0.0.1", &["10.0.0.2"]), "10.0.0.2");
        let network = "10.0.0.0/24, fd00::/8";
        assert_eq!(found(network, "10.0.0.200", chain), "203.0.113.9");
        assert_eq!(found(network, "fd00::7", chain), "203.0.113.9");
        assert_eq!(found(network, "10.0.1.1", chain), "10.0.1.1");
    }

    #[test]
    fn addresses_are_read_as_proxies_write_them_and_nothing_behind_an_unreadable_one() {
        let proxy = "10.0.0.1";
        assert_eq!(
            found(proxy, proxy, &["6.6.6.6, 203.0.113.9:5555"]),
            "203.0.113.9"
        );
        assert_eq!(found(proxy, proxy, &["[2001:db8::1]:80"]), "2001:db8::1");
        assert_eq!(found(proxy, proxy, &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(found(proxy, proxy, &["6.6.6.6, unknown"]), proxy);
    }
}
