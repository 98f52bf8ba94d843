//! What surrounds every page: who is there, her messages, where in the site she is.

use crate::app::App;
use crate::entities::message::{self, MessageLevel};
use crate::error::{Error, Result};
use crate::web::assets;
use crate::web::csrf::CsrfToken;
use crate::web::identity::{Person, visitor_in};
use crate::web::redirect::with_next;
use crate::web::tags::Tag;
use askama::Template;
use askama::filters::Safe;
use axum::extract::FromRequestParts;
use axum::http::header::CACHE_CONTROL;
use axum::http::request::Parts;
use axum::http::{Extensions, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use backends::cache::Timeout;
use futures::future::BoxFuture;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use std::sync::Arc;
use std::time::Duration;

/// More unread messages than this are shown as "20+".
const UNREAD_SHOWN: u64 = 20;
/// So many of them stand as banners on a page.
const BANNERS: usize = 3;
/// How long unread messages are remembered at most.
const KEPT: Timeout = Timeout::After(Duration::from_secs(600));

/// Counts the rooms of somebody that hold something new. The router hands it in, as an extension of every request:
/// what surrounds a page knows of no feature.
#[derive(Clone, Copy)]
pub struct RoomCount(pub fn(App, i64) -> BoxFuture<'static, Result<u64>>);

/// What surrounds a page.
#[derive(Clone)]
pub struct Shell {
    /// Who is logged in.
    pub person: Option<Arc<Person>>,
    /// Which place of the bar is the present one.
    pub place: Place,
    /// Unread messages, newest first, at most 21.
    pub unread: Vec<message::Model>,
    /// How many of her rooms hold something new.
    pub rooms_unread: u64,
    /// Path and query of this page.
    pub path: String,
    /// Name of the school.
    pub site_name: String,
    /// What was searched for.
    pub query: String,
    lists_messages: bool,
    csrf: Option<CsrfToken>,
}

/// The places of the bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Place {
    /// None of them.
    #[default]
    Elsewhere,
    /// The catalogue and overviews.
    Courses,
    /// The student's own courses and lessons.
    MyCourses,
    /// The teacher's side.
    Teach,
    /// The side of who runs the site.
    Admin,
}

/// An unread message above a page.
pub struct Banner<'a> {
    /// The message.
    pub message: &'a message::Model,
    /// Its class.
    pub tone: &'static str,
    /// Its icon.
    pub icon: &'static str,
}

impl<'a> Banner<'a> {
    /// A message with what its level looks like.
    pub fn new(message: &'a message::Model) -> Self {
        let (tone, icon) = match message.level {
            MessageLevel::Info => ("info", "info"),
            MessageLevel::Success => ("ok", "circle-check"),
            MessageLevel::Warning => ("warn", "triangle-alert"),
            MessageLevel::Error => ("fault", "circle-alert"),
        };
        Self {
            message,
            tone,
            icon,
        }
    }
}

/// An entry of the bar.
pub struct Entry {
    /// Where it leads.
    pub path: &'static str,
    /// What it is called.
    pub words: &'static str,
    /// Its icon in the menu of a phone.
    pub icon: &'static str,
    /// Whether this page is there.
    pub is_here: bool,
}

impl Shell {
    /// Says in which place of the bar this page is.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// The token for a form's hidden field; asking for it sets the cookie.
    pub fn csrf(&self) -> &str {
        self.csrf.as_ref().map_or("", CsrfToken::value)
    }

    /// Whether who is logged in may this ([`crate::web::permissions`]), so that a page shows what works, and nothing else.
    pub fn may(&self, permission: &str) -> bool {
        let person = self.person.as_ref();
        person.is_some_and(|person| person.may(permission))
    }

    /// The address of an asset.
    pub fn asset(&self, path: &str) -> String {
        assets::url(path)
    }

    /// An icon of the sprite, hidden from readers; words stand beside it or name its button.
    pub fn icon(&self, name: &str) -> Safe<String> {
        self.icon_of(name, "")
    }

    /// An icon with a class of its own.
    pub fn icon_of(&self, name: &str, class: &str) -> Safe<String> {
        icon_of(name, class)
    }

    /// Where a visitor logs in, to be led back to this page. Without its query, by which one kept page serves for many.
    pub fn login_path(&self) -> String {
        with_next("/accounts/login/", self.way_back())
    }

    /// Where a visitor makes an account, to be led back likewise.
    pub fn register_path(&self) -> String {
        with_next("/students/register/", self.way_back())
    }

    /// Empty where she is better led to her own courses.
    fn way_back(&self) -> &str {
        let path = self.path.split('?').next().unwrap_or_default();
        let is_about_accounts = ["/accounts/", "/students/register/"]
            .iter()
            .any(|place| path.starts_with(place));
        if path == "/" || is_about_accounts {
            return "";
        }
        path
    }

    /// The entries of the bar.
    pub fn places(&self) -> Vec<Entry> {
        let entry = |place, path, words, icon| Entry {
            path,
            words,
            icon,
            is_here: self.place == place,
        };
        let mut places = vec![entry(Place::Courses, "/", "Courses", "layers")];
        if let Some(person) = &self.person {
            places.push(entry(
                Place::MyCourses,
                "/students/courses/",
                "My courses",
                "book-open",
            ));
            if person.is_instructor() {
                places.push(entry(Place::Teach, "/course/mine/", "Teach", "pencil"));
            }
            if person.enters_admin() {
                places.push(entry(Place::Admin, "/admin/", "Admin", "gauge"));
            }
        }
        places
    }

    /// Whether any message is unread.
    pub fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Whose site it is.
    pub fn footer_words(&self) -> String {
        if self.site_name == "Lyceum" {
            "Lyceum".into()
        } else {
            format!("Lyceum at {}", self.site_name)
        }
    }

    /// Unread messages to show as banners.
    pub fn banners(&self) -> Vec<Banner<'_>> {
        let most = if self.lists_messages { 0 } else { BANNERS };
        self.unread.iter().take(most).map(Banner::new).collect()
    }

    /// For the page that shows all messages anyway: none as banners above it.
    #[must_use]
    pub fn without_banners(mut self) -> Self {
        self.lists_messages = true;
        self
    }

    /// Number of the newest unread message when the page was drawn, or 0: what comes after it
    /// comes by the stream of events.
    pub fn last_message(&self) -> i64 {
        self.unread.first().map_or(0, |message| message.id)
    }

    /// The number at the bell.
    pub fn unread_words(&self) -> String {
        let most = usize::try_from(UNREAD_SHOWN).unwrap_or(usize::MAX);
        if self.unread.len() > most {
            format!("{most}+")
        } else {
            self.unread.len().to_string()
        }
    }

    /// `light` or `dark` where she chose one.
    pub fn theme(&self) -> Option<&str> {
        self.person
            .as_ref()
            .map(|person| person.theme.as_str())
            .filter(|theme| *theme != "system")
    }

    /// What can be known without asking the database: for fault pages, which must always work.
    pub fn bare(app: &App, path: &str, known: &Extensions) -> Self {
        Self {
            person: visitor_in(known).0,
            place: Place::Elsewhere,
            unread: Vec::new(),
            rooms_unread: 0,
            path: path.to_owned(),
            site_name: app.config.site_name.clone(),
            query: String::new(),
            lists_messages: false,
            csrf: known.get::<CsrfToken>().cloned(),
        }
    }
}

impl FromRequestParts<App> for Shell {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut shell = Self::bare(app, path, &parts.extensions);
        if let Some(person) = &shell.person {
            shell.unread = list_unread(app, person.id).await?;
            if let Some(RoomCount(count)) = parts.extensions.get::<RoomCount>() {
                shell.rooms_unread = count(app.clone(), person.id).await?;
            }
        }
        Ok(shell)
    }
}

/// An icon of the sprite, for parts of pages that are drawn without a shell.
pub fn icon(name: &str) -> Safe<String> {
    icon_of(name, "")
}

fn icon_of(name: &str, class: &str) -> Safe<String> {
    let sprite = assets::url("icons.svg");
    let space = if class.is_empty() { "" } else { " " };
    Safe(format!(
        "<svg class=\"icon{space}{class}\" aria-hidden=\"true\"><use href=\"{sprite}#{name}\"/></svg>"
    ))
}

/// The newest of her unread messages; remembered until one comes or is read.
async fn list_unread(app: &App, user_id: i64) -> Result<Vec<message::Model>> {
    let key = format!("unread:{user_id}");
    let load = || async {
        let unread = message::Entity::find()
            .filter(message::Column::RecipientId.eq(user_id))
            .filter(message::Column::IsRead.eq(false))
            .order_by_desc(message::Column::Id)
            .limit(UNREAD_SHOWN + 1);
        Ok(unread.all(app.db.read()).await?)
    };
    app.tagged
        .get_or_set(&key, &[Tag::messages(user_id)], KEPT, load)
        .await
}

/// The page, as an answer. What is hers is never kept by a cache.
pub fn page(template: &impl Template) -> Result<Response> {
    page_with(StatusCode::OK, template)
}

/// The page with another status, for example 422 for a form shown again.
pub fn page_with(status: StatusCode, template: &impl Template) -> Result<Response> {
    let html = template.render()?;
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    headers.insert(
        CACHE_CONTROL,
        axum::http::HeaderValue::from_static("private, no-store"),
    );
    Ok(response)
}
