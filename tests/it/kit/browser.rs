//! A browser without a window: cookies, forms with their CSRF field, no redirects followed.

use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::{Method, RequestBuilder, Response, redirect};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// One browser.
pub struct Browser {
    client: reqwest::Client,
    url: String,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// A client of HTTP alone: it looks for no certificates, which takes a while.
pub fn client() -> reqwest::ClientBuilder {
    backends::https::use_ring();
    reqwest::Client::builder().tls_certs_only(std::iter::empty())
}

/// What it was answered.
pub struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
    about: String,
}

impl Browser {
    /// A browser without cookies.
    pub fn new(url: &str) -> Self {
        let client = client().redirect(redirect::Policy::none()).build().unwrap();
        Self {
            client,
            url: url.to_owned(),
            cookies: Mutex::default(),
        }
    }

    /// The same cookies on another process of the site.
    pub fn at(&self, url: &str) -> Self {
        let browser = Self::new(url);
        *browser.cookies.lock().unwrap() = self.cookies.lock().unwrap().clone();
        browser
    }

    /// Where the site is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The cookies as they are sent; empty without any.
    pub fn cookie_header(&self) -> String {
        let cookies = self.cookies.lock().unwrap();
        let pairs = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<String>>().join("; ")
    }

    /// A request with the cookies, to be completed by the test.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let cookies = self.cookie_header();
        let request = self.client.request(method, format!("{}{path}", self.url));
        if cookies.is_empty() {
            request
        } else {
            request.header(COOKIE, cookies)
        }
    }

    /// Sends a request made with [`Browser::request`].
    pub async fn send(&self, request: RequestBuilder) -> Page {
        let response = self.open(request).await;
        let about = format!("{} {}", response.status(), response.url());
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Page {
            status,
            headers,
            bytes: response.bytes().await.unwrap().to_vec(),
            about,
        }
    }

    /// Sends it and leaves the body to be read by the test, for event streams.
    pub async fn open(&self, request: RequestBuilder) -> Response {
        let response = request.send().await.unwrap();
        for cookie in response.headers().get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let mut cookies = self.cookies.lock().unwrap();
            if value.is_empty() {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Page {
        self.send(self.request(Method::GET, path)).await
    }

    /// Sends an ordinary form with its CSRF field.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let token = self.cookie("csrftoken").unwrap_or_default();
        let mut all = vec![("csrfmiddlewaretoken", token.as_str())];
        all.extend_from_slice(fields);
        self.send(self.request(Method::POST, path).form(&all)).await
    }

    /// Sends JSON as the site's scripts do, with the CSRF header.
    pub async fn post_json(&self, path: &str, body: &str) -> Page {
        let token = self.cookie("csrftoken").unwrap_or_default();
        let request = self
            .request(Method::POST, path)
            .header(CONTENT_TYPE, "application/json");
        self.send(request.header("X-CSRFToken", token).body(body.to_owned()))
            .await
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().unwrap().get(name).cloned()
    }

    /// Plants or removes a cookie.
    pub fn set_cookie(&self, name: &str, value: Option<&str>) {
        let mut cookies = self.cookies.lock().unwrap();
        match value {
            Some(value) => drop(cookies.insert(name.to_owned(), value.to_owned())),
            None => drop(cookies.remove(name)),
        }
    }
}

impl Page {
    /// Holds the page to a status; shows its text when it differs.
    #[track_caller]
    pub fn expect(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}\n{}", self.about, self.text());
        self
    }

    /// Its body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Its body as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|e| panic!("{e}: {}\n{}", self.about, self.text()))
    }

    /// Where it leads.
    #[track_caller]
    pub fn location(&self) -> String {
        self.header(LOCATION.as_str())
            .unwrap_or_else(|| panic!("no redirect: {}", self.about))
    }

    /// The same without the mark by which the admin site knows its own words.
    #[track_caller]
    pub fn leads_to(&self) -> String {
        let whole = self.location();
        let told = whole.split("&mark=").next();
        told.unwrap_or(&whole).to_owned()
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    }

    /// Holds the page to some text.
    #[track_caller]
    pub fn has(&self, text: &str) -> &Self {
        assert!(
            self.text().contains(text),
            "{text:?} is missing: {}\n{}",
            self.about,
            self.text()
        );
        self
    }

    /// Holds the page to the absence of some text.
    #[track_caller]
    pub fn lacks(&self, text: &str) -> &Self {
        assert!(
            !self.text().contains(text),
            "{text:?} is there: {}\n{}",
            self.about,
            self.text()
        );
        self
    }
}
