//! The link of a new invitation, from the form that makes it to the page that shows it.

use crate::app::App;
use crate::error::Result;
use crate::web::headers::set_cookie;
use crate::web::identity::Person;
use crate::web::sealed;
use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;
use axum::response::Response;
use axum_extra::extract::CookieJar;
use chrono::TimeDelta;

/// The link that was made just now, on its way from the form to the page that shows it once, in the browser that made it:
/// sealed in a cookie, so that showing the page once more makes no other one, and the link stands in no address.
pub(super) struct Handed<'a> {
    app: &'a App,
    about: String,
}

impl<'a> Handed<'a> {
    const COOKIE: &'static str = "lyceum_invited";
    const PURPOSE: &'static str = "link of an invitation, made just now";

    /// Of the teacher of a course.
    pub fn of(app: &'a App, person: &Person, course_id: i64) -> Self {
        let about = format!("{} {course_id}", person.id);
        Self { app, about }
    }

    /// The path of the link, where this browser has made one.
    pub fn find(&self, headers: &HeaderMap) -> Option<String> {
        let jar = CookieJar::from_headers(headers);
        let sealed = jar.get(Self::COOKIE)?;
        let plain = sealed::open(self.app, Self::PURPOSE, &self.about, sealed.value())?;
        String::from_utf8(plain).ok()
    }

    /// Gives it to the browser.
    ///
    /// # Errors
    /// Should it not be sealed.
    pub fn hand(&self, path: &str, response: &mut Response) -> Result<()> {
        let value = sealed::seal(self.app, Self::PURPOSE, &self.about, path.as_bytes())?;
        let lifetime = TimeDelta::minutes(5);
        let is_https = self.app.config.is_https();
        let cookie = set_cookie(Self::COOKIE, &value, lifetime, true, is_https);
        response.headers_mut().append(SET_COOKIE, cookie);
        Ok(())
    }

    /// Takes it out of the browser again: it was shown.
    pub fn let_go(app: &App, response: &mut Response) {
        let is_https = app.config.is_https();
        let cookie = set_cookie(Self::COOKIE, "", TimeDelta::zero(), true, is_https);
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}
