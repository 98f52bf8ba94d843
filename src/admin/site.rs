//! What surrounds every page of the admin site: its places at the side, and who may come in.
//!
//! The list of places is [`PLACES`]; what stands in one of them is for its own module.

use crate::app::App;
use crate::db::Tag;
use crate::entities::{course, upload, user};
use crate::error::{Error, Result};
use crate::web::audit::{By, Via};
use crate::web::headers::address_in;
use crate::web::identity::{Person, Student};
use crate::web::permissions::{self, admin};
use crate::web::redirect::see_other;
use crate::web::sealed;
use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;
use axum::response::Response;
use backends::cache::Timeout;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use url::form_urlencoded;

/// A place of the admin site.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// What it is called.
    pub name: &'static str,
    /// Its icon.
    pub icon: &'static str,
    /// Where it is; everything under this path belongs to it.
    pub path: &'static str,
    /// Who sees it: [`permissions`]. Empty: everybody who comes in at all.
    pub permission: &'static str,
    /// How many there are of what stands there, where that is worth a number.
    pub count: Option<fn(&Counts) -> u64>,
}

const fn place(
    name: &'static str,
    icon: &'static str,
    path: &'static str,
    permission: &'static str,
) -> Place {
    Place {
        name,
        icon,
        path,
        permission,
        count: None,
    }
}

/// The places of the admin site, in the order in which they stand at its side.
pub const PLACES: &[Place] = &[
    place("Overview", "layout-dashboard", "/admin/", admin::STAFF),
    Place {
        count: Some(|counts| counts.users),
        ..place("Users", "users", "/admin/users/", admin::VIEW_USER)
    },
    place("Groups", "shield", "/admin/groups/", admin::STAFF),
    place(
        "Subjects",
        "shapes",
        "/admin/subjects/",
        admin::VIEW_SUBJECT,
    ),
    Place {
        count: Some(|counts| counts.courses),
        ..place(
            "Courses",
            "book-open",
            "/admin/courses/",
            admin::VIEW_COURSE,
        )
    },
    place(
        "Contents",
        "file-text",
        "/admin/contents/",
        admin::VIEW_COURSE,
    ),
    place(
        "Enrollments",
        "user-check",
        "/admin/enrollments/",
        admin::VIEW_ENROLLMENT,
    ),
    Place {
        count: Some(|counts| counts.files),
        ..place("Uploads", "folder", "/admin/uploads/", admin::VIEW_UPLOAD)
    },
    place("Rooms", "message-circle", "/admin/rooms/", admin::VIEW_ROOM),
    place("Tokens", "key-round", "/admin/tokens/", admin::VIEW_TOKEN),
    place("Jobs", "list-checks", "/admin/jobs/", admin::VIEW_JOB),
    place(
        "Announcements",
        "megaphone",
        "/admin/announcements/",
        admin::STAFF,
    ),
    place("Cache", "database-zap", "/admin/cache/", admin::STAFF),
    place("Health", "activity", "/admin/health/", admin::STAFF),
    place("Log", "scroll-text", "/admin/log/", admin::VIEW_LOG),
];

/// How many there are of what the site holds. It may be a minute old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Accounts.
    pub users: u64,
    /// Courses, drafts too.
    pub courses: u64,
    /// Uploaded files.
    pub files: u64,
}

/// How long counts are remembered: on a large table each costs a walk over an index.
const COUNTS_KEPT: Timeout = Timeout::After(Duration::from_secs(60));

/// A place as the side shows it.
#[derive(Clone, Debug)]
pub struct SideEntry {
    /// What it is called.
    pub name: &'static str,
    /// Its icon.
    pub icon: &'static str,
    /// Where it leads.
    pub path: &'static str,
    /// `1,204`, or nothing.
    pub count: String,
    /// Whether this page stands there.
    pub is_here: bool,
}

/// The side of the admin site, for somebody who may come in. As an extractor it refuses whoever may not: anonymous
/// visitors are asked to log in, others get 403; so does a key that is to change something.
#[derive(Clone, Debug)]
pub struct Side {
    /// The places that she may see.
    pub entries: Vec<SideEntry>,
    /// Who looks.
    pub person: Arc<Person>,
    /// The address from which she comes.
    pub address: IpAddr,
    /// Whether she has done just now what the address says that was done: see [`Side::lead`].
    pub is_told: bool,
}

impl Side {
    /// What this place is called: the one of the page, or the site as a whole.
    pub fn here(&self) -> &'static str {
        let here = self.entries.iter().find(|entry| entry.is_here);
        here.map_or("Admin", |entry| entry.name)
    }

    /// Leads to a page that tells once what she has done: `location` names it (`done` and numbers), and a mark that only this
    /// site can make says that it was she, so that no link of somebody else makes a page say so.
    ///
    /// # Errors
    /// [`Error::Internal`], should no key be derived.
    pub fn lead(&self, app: &App, location: &str) -> Result<Response> {
        let (path, query) = location.split_once('?').unwrap_or((location, ""));
        let mark = mark_of(app, &self.person, path, query)?;
        let joint = if query.is_empty() { '?' } else { '&' };
        Ok(see_other(&format!("{location}{joint}{MARK}={mark}")))
    }

    /// Who does something here, for the log of changes.
    pub fn by(&self, app: &App) -> By {
        By::person(&self.person, Via::Admin, self.address, app.clock.now())
    }

    /// Lets her go on who holds this permission.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn require(&self, permission: &str) -> Result<()> {
        permissions::require(&self.person, permission)
    }
}

/// Told when a key is used to change something here.
const NOT_BY_KEY: &str =
    "A token changes nothing in the admin site. Log in, or use the API for what a token may.";

/// What an address says of what was done.
const TOLD: [&str; 5] = ["done", "count", "n", "passed", "forgotten"];

/// The name of its mark.
const MARK: &str = "mark";

/// The mark of what an address says that somebody has done.
fn mark_of(app: &App, person: &Person, path: &str, query: &str) -> Result<String> {
    let mut about = form_urlencoded::Serializer::new(String::new());
    about.append_pair(path, &person.id.to_string());
    let pairs = form_urlencoded::parse(query.as_bytes());
    about.extend_pairs(pairs.filter(|(name, _)| TOLD.contains(&name.as_ref())));
    let whole = sealed::keyed_hash(app, "admin told", &about.finish())?;
    Ok(whole.chars().take(32).collect())
}

/// Whether she has done just now what the address says.
fn is_told(app: &App, person: &Person, uri: &Uri) -> Result<bool> {
    let query = uri.query().unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    match pairs.find(|(name, _)| name == MARK) {
        Some((_, mark)) => Ok(mark == mark_of(app, person, uri.path(), query)?),
        None => Ok(false),
    }
}

impl FromRequestParts<App> for Side {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let Student(person) = Student::from_request_parts(parts, app).await?;
        if !person.enters_admin() {
            return Err(person.refusal());
        }
        if person.is_by_key && !parts.method.is_safe() {
            return Err(Error::Forbidden(NOT_BY_KEY));
        }
        let counts = count(app).await?;
        let path = parts.uri.path();
        let seen = PLACES.iter().filter(|place| sees(&person, place));
        let entries = seen.map(|place| SideEntry {
            name: place.name,
            icon: place.icon,
            path: place.path,
            count: place
                .count
                .map_or_else(String::new, |count| grouped(count(&counts))),
            is_here: is_at(path, place.path),
        });
        Ok(Self {
            entries: entries.collect(),
            address: address_in(&parts.extensions),
            is_told: is_told(app, &person, &parts.uri)?,
            person,
        })
    }
}

fn sees(person: &Person, place: &Place) -> bool {
    place.permission.is_empty() || person.may(place.permission)
}

/// Whether a path stands in a place; the first page of the site holds nothing but itself.
fn is_at(path: &str, place: &str) -> bool {
    if place == "/admin/" {
        path == place
    } else {
        path.starts_with(place)
    }
}

async fn count(app: &App) -> Result<Counts> {
    let load = || async {
        let db = app.db.read();
        Ok(Counts {
            users: user::Entity::find().count(db).await?,
            courses: course::Entity::find().count(db).await?,
            files: upload::Entity::find().count(db).await?,
        })
    };
    app.tagged
        .get_or_set("admin-counts", &[Tag::subjects()], COUNTS_KEPT, load)
        .await
}

/// `1,204`
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Leads to the first place that she may see.
pub fn enter(side: &Side) -> Result<Response> {
    let first = side.entries.first().ok_or_else(Error::forbidden)?;
    Ok(see_other(first.path))
}

#[cfg(test)]
mod tests {
    use super::{grouped, is_at};

    #[test]
    fn numbers_are_written_in_groups_of_three() {
        for (number, words) in [
            (0, "0"),
            (999, "999"),
            (1_204, "1,204"),
            (12_345_678, "12,345,678"),
        ] {
            assert_eq!(grouped(number), words);
        }
    }

    #[test]
    fn a_page_stands_in_one_place_only() {
        assert!(is_at("/admin/", "/admin/"));
        assert!(!is_at("/admin/users/", "/admin/"));
        assert!(is_at("/admin/users/7/", "/admin/users/"));
    }
}
