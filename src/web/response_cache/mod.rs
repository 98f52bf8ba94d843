//! Whole answers, kept: per view, as a layer on a route, and per site, as a layer around all of it.
//!
//! An answer is kept when its handler said on what it rests ([`Keep`]) and nothing in it is of one person or
//! browser; `rules` has the whole list, `marks` how it is known. It is found again only while nothing has
//! changed on which it rests (`web::tags`), and is kept in every form in which it is sent, so that a hit neither
//! copies nor compresses. Of many who ask for an answer that is not there one makes it, and the others wait.
//!
//! Parts of pages and other values: `web::fragments`, `web::tags`. docs/CACHING.md says when to use which.

mod answer;
mod entry;
mod flight;
mod heads;
mod key;
mod marks;
mod policy;
mod rules;
mod storing;
mod variants;

pub use marks::{Keep, Marks, ToBeKept};
pub use policy::Policy;

use crate::app::App;
use crate::error::Error;
use crate::web::errors;
use crate::web::fragments;
use crate::web::headers::{self, REQUEST_ID, Security};
use answer::Wish;
use axum::extract::Request;
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, COOKIE};
use axum::http::response::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use entry::{Entry, Head};
use flight::{Flights, Part};
use heads::{Found, Heads, Ready};
use key::{Place, Selects};
use marks::Declared;
use std::collections::HashSet;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use storing::Storing;
use tower_layer::Layer;
use tower_service::Service;
use variants::Encoding;

/// Addresses whose answers are not kept, as far as they are remembered: those who ask for one wait for nobody.
const UNKEPT: u64 = 10_000;
/// Names of one site that are told apart.
const HOSTS: usize = 16;
/// So often somebody waits for an answer that another makes, before she makes it herself.
const WAITS: usize = 3;

/// A layer that keeps answers; clones share what they know.
#[derive(Clone)]
pub struct ResponseCache(Arc<Inner>);

struct Inner {
    app: App,
    policy: Policy,
    heads: Heads,
    flights: Flights,
    /// By the hash of their address.
    unkept: moka::future::Cache<u64, ()>,
    /// The names that the site is called by, where it has no public URL.
    hosts: RwLock<HashSet<String>>,
}

/// A service whose answers are kept.
#[derive(Clone)]
pub struct Kept<S> {
    cache: ResponseCache,
    inner: S,
}

/// A request whose answer may be kept.
struct Asked {
    place: Place,
    encoding: Encoding,
    wish: Wish,
    is_anonymous: bool,
}

impl<S> Layer<S> for ResponseCache {
    type Service = Kept<S>;

    fn layer(&self, inner: S) -> Kept<S> {
        Kept {
            cache: self.clone(),
            inner,
        }
    }
}

impl<S> Service<Request> for Kept<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // What is inside is asked only on a miss, and is waited for then.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (cache, inner) = (self.cache.clone(), self.inner.clone());
        Box::pin(async move { Ok(cache.respond(inner, request).await) })
    }
}

impl ResponseCache {
    /// Keeps answers as the policy says.
    pub fn new(app: &App, mut policy: Policy) -> Self {
        // Pages of another release are none of this one's.
        policy.prefix = format!("{}:{}", policy.prefix, fragments::edition(&app.config)).into();
        Self(Arc::new(Inner {
            app: app.clone(),
            policy,
            heads: Heads::new(Security::new(app)),
            flights: Flights::default(),
            unkept: moka::future::Cache::new(UNKEPT),
            hosts: RwLock::default(),
        }))
    }

    async fn respond<S>(&self, inner: S, request: Request) -> Response
    where
        S: Service<Request, Response = Response, Error = Infallible> + Send,
        S::Future: Send,
    {
        let Some(asked) = self.asked(&request) else {
            return ask(inner, request).await;
        };
        // The answer to HEAD has no body that could be kept: it comes from what is kept, and keeps nothing.
        let is_head = asked.wish.is_head();
        if self.0.unkept.contains_key(&asked.hash()) && !is_head {
            return self.make_for_one(inner, request, asked).await;
        }
        for _ in 0..WAITS {
            let name = match self.find(&asked, request.headers()).await {
                Ok((ready, body)) => {
                    self.0.app.traffic.was_kept();
                    return dressed(asked.wish.answer(&ready, body), self.id_of(&request));
                }
                Err(name) => name,
            };
            if is_head {
                return ask(inner, request).await;
            }
            let landed = match self.0.flights.join(&name) {
                Part::Leads(lead) => {
                    let (response, storing) = self.make(inner, request, asked).await;
                    storing::land(storing, Some(lead)).await;
                    return response;
                }
                Part::Follows(follow) => follow.landed().await,
            };
            if landed == Some(false) {
                break;
            }
        }
        self.make_for_one(inner, request, asked).await
    }

    /// Has the answer made by who waits for nobody, and for whom nobody waits.
    async fn make_for_one<S>(&self, inner: S, request: Request, asked: Asked) -> Response
    where
        S: Service<Request, Response = Response, Error = Infallible> + Send,
        S::Future: Send,
    {
        let (response, storing) = self.make(inner, request, asked).await;
        storing::land(storing, None).await;
        response
    }

    /// Every answer has an id of its own, in the log and on pages that tell a fault.
    fn id_of(&self, request: &Request) -> Option<HeaderValue> {
        let id = errors::request_id(&self.0.app, request);
        HeaderValue::from_str(&id).ok()
    }

    /// What is to be known of a request whose answer may be kept; `None` for all others.
    fn asked(&self, request: &Request) -> Option<Asked> {
        let policy = &self.0.policy;
        let is_anonymous = rules::is_anonymous(request.headers()) && !self.is_named(request);
        if !rules::may_be_kept(request) || !(is_anonymous || policy.is_for_everyone) {
            return None;
        }
        let has_public_url = self.0.app.config.public_url.is_some();
        let place = Place::of(request, &policy.prefix, has_public_url)?;
        if !has_public_url && !self.knows_host(request) {
            return None;
        }
        Some(Asked {
            place,
            encoding: Encoding::wanted(request.headers()),
            wish: Wish::of(request),
            is_anonymous,
        })
    }

    /// Whether pages are kept under this `Host`: the first few that are asked for, since anybody may make up others
    /// without end.
    fn knows_host(&self, request: &Request) -> bool {
        let Some(host) = key::host(request.uri(), request.headers()) else {
            return false;
        };
        let hosts = &self.0.hosts;
        if hosts
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&host)
        {
            return true;
        }
        let mut hosts = hosts.write().unwrap_or_else(PoisonError::into_inner);
        let has_room = hosts.len() < HOSTS;
        if has_room {
            hosts.insert(host);
        }
        has_room
    }

    /// Whether a proxy tells who asks, in the header that the site is set to believe.
    fn is_named(&self, request: &Request) -> bool {
        let header = self.0.app.config.remote_user_header.as_ref();
        header.is_some_and(|name| request.headers().contains_key(name))
    }

    /// The answer that is kept for such a request and still right; else the name under which it would be.
    async fn find(
        &self,
        asked: &Asked,
        headers: &HeaderMap,
    ) -> Result<(Arc<Ready>, Bytes), String> {
        let name = asked.place.name(asked.encoding);
        let Some((found, body)) = self.load(&name).await else {
            return Err(name);
        };
        let (name, found, body) = match found {
            Found::Answer(_) => (name, found, body),
            Found::Several(selects) => {
                let name = asked.place.selected(asked.encoding, &selects, headers);
                match self.load(&name).await {
                    Some((found, body)) => (name, found, body),
                    None => return Err(name),
                }
            }
        };
        match found {
            Found::Answer(ready) if self.is_right(&ready.head).await => Ok((ready, body)),
            _ => Err(name),
        }
    }

    async fn load(&self, name: &str) -> Option<(Found, Bytes)> {
        // A name that no cache takes, and a cache that does not answer, are a miss.
        let stored = self.0.policy.cache.get_bytes(name).await.ok()??;
        self.0.heads.read(&stored)
    }

    async fn is_right(&self, head: &Head) -> bool {
        let app = &self.0.app;
        if head
            .until
            .is_some_and(|until| app.clock.now().timestamp_millis() >= until)
        {
            return false;
        }
        match app.tags.is_current_if_known(&head.seen) {
            Some(is_current) => is_current,
            None => app.tags.is_current(&head.seen).await.unwrap_or(false),
        }
    }

    /// Has the answer made; with what is to be stored of it, where it may be kept.
    async fn make<S>(
        &self,
        inner: S,
        mut request: Request,
        asked: Asked,
    ) -> (Response, Option<Storing>)
    where
        S: Service<Request, Response = Response, Error = Infallible> + Send,
        S::Future: Send,
    {
        let known = request.extensions().get::<Marks>().cloned();
        let marks = known.unwrap_or_else(|| Marks::new(asked.is_anonymous));
        request.extensions_mut().insert(marks.clone());
        let headers = request.headers().clone();
        let response = ask(inner, request).await;
        let declared = marks.declared();
        let refusal = rules::refusal(&marks, &response);
        let (Some(declared), None) = (declared, refusal) else {
            tracing::debug!(?refusal, "an answer is not kept");
            self.0.unkept.insert(asked.hash(), ()).await;
            return (response, None);
        };
        let (parts, body) = response.into_parts();
        let limit = usize::try_from(rules::LARGEST_BYTES).unwrap_or(usize::MAX);
        let body = match axum::body::to_bytes(body, limit).await {
            Ok(body) => body,
            Err(error) => {
                tracing::error!(%error, "an answer broke off while it was read");
                return (Error::internal(error).into_response(), None);
            }
        };
        let id = parts.headers.get(REQUEST_ID).cloned();
        let (entry, storing) = self.forms(&asked, &declared, &headers, parts, body).await;
        self.0.unkept.invalidate(&asked.hash()).await;
        let Entry { head, body } = entry;
        let ready = Ready::new(head, self.0.heads.security());
        (dressed(asked.wish.answer(&ready, body), id), storing)
    }

    /// Makes all forms of an answer: the one that was asked for, and what is to be stored.
    async fn forms(
        &self,
        asked: &Asked,
        declared: &Declared,
        headers: &HeaderMap,
        mut parts: Parts,
        body: Bytes,
    ) -> (Entry, Option<Storing>) {
        let selects = Selects {
            parameters: declared.parameters.clone(),
            headers: headers_of(&parts.headers),
        };
        let head = self.head(declared, &selects, &mut parts);
        let forms = forms_of(head, body).await;
        let storing = self.storing(asked, &selects, headers, &forms);
        let wanted = forms
            .iter()
            .find(|(encoding, _)| *encoding == asked.encoding);
        // There is one for each.
        let [(_, plain), ..] = &forms;
        (wanted.map_or(plain, |(_, entry)| entry).clone(), storing)
    }

    fn head(&self, declared: &Declared, selects: &Selects, parts: &mut Parts) -> Head {
        self.0.heads.security().take(&mut parts.headers);
        parts.headers.remove(REQUEST_ID);
        if let Some(control) = self.0.policy.control() {
            parts.headers.insert(CACHE_CONTROL, control);
        }
        let until = declared.until.map(|until| until.timestamp_millis());
        let mut head = Head::new(&parts.headers, declared.seen.clone(), until);
        head.has_player = headers::has_player(&parts.extensions);
        let mut vary = vec![ACCEPT_ENCODING.as_str()];
        // For caches on the way: those who are logged in get another answer.
        vary.extend((!self.0.policy.is_for_everyone).then_some(COOKIE.as_str()));
        let others = selects.headers.iter().map(String::as_str);
        vary.extend(others.filter(|name| *name != COOKIE.as_str()));
        head.vary = capitalized(&vary.join(", "));
        head
    }

    /// What is to be stored of an answer in all its forms.
    fn storing(
        &self,
        asked: &Asked,
        selects: &Selects,
        headers: &HeaderMap,
        forms: &[(Encoding, Entry)],
    ) -> Option<Storing> {
        let mut entries = Vec::with_capacity(2 * forms.len());
        for (encoding, entry) in forms {
            let name = asked.place.name(*encoding);
            if selects.is_empty() {
                entries.push((name, entry.encode()?));
                continue;
            }
            let selected = asked.place.selected(*encoding, selects, headers);
            entries.push((selected, entry.encode()?));
            entries.push((name, entry::encode_several(selects)?));
        }
        let policy = &self.0.policy;
        Some(Storing {
            cache: policy.cache.clone(),
            timeout: policy.timeout(),
            entries,
        })
    }
}

/// The answer with what belongs to each by itself; the date comes from the connection.
fn dressed(mut response: Response, id: Option<HeaderValue>) -> Response {
    if let Some(id) = id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

impl Asked {
    /// Stands for the address as it was asked for.
    fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.place.asked(), self.is_anonymous).hash(&mut hasher);
        hasher.finish()
    }
}

/// Names of headers as programs of all ages write them: `Accept-Encoding`.
fn capitalized(names: &str) -> String {
    let mut is_first = true;
    let capital = names.chars().map(|c| {
        let made = if is_first { c.to_ascii_uppercase() } else { c };
        is_first = !c.is_ascii_alphanumeric();
        made
    });
    capital.collect()
}

/// The headers of the request on which an answer depends; in which form it is sent is looked after apart.
fn headers_of(headers: &HeaderMap) -> Vec<String> {
    let mut names: Vec<String> = rules::varies_by(headers)
        .filter(|name| name != ACCEPT_ENCODING.as_str())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The answer in every form, by the form that is asked for.
async fn forms_of(head: Head, body: Bytes) -> [(Encoding, Entry); 3] {
    let plain = body.clone();
    // Milliseconds of a processor, during which the others of this thread would wait.
    let made = tokio::task::spawn_blocking(move || (entry::tag_of(&plain), variants::make(&plain)));
    let (tag, forms) = made.await.unwrap_or_else(|_| {
        let forms = Encoding::ALL.map(|_| (Encoding::Identity, body.clone()));
        (entry::tag_of(&body), forms)
    });
    let [plain, gzip, brotli] = forms.map(|(encoding, body)| Entry {
        head: head.in_form(encoding, &tag),
        body,
    });
    [
        (Encoding::Identity, plain),
        (Encoding::Gzip, gzip),
        (Encoding::Brotli, brotli),
    ]
}

async fn ask<S>(mut inner: S, request: Request) -> Response
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    // What axum routes to is always ready.
    match inner.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
