//! For what a key of a program may be used: a part of what its owner may, never more.
//!
//! The toolkit of the API holds a key to the scope that an operation declares (`rest::Operation::verdict`). Everything
//! else that takes keys (resumable uploads, files, pages) asks [`Scopes::check_page`], through the extractors of
//! `web::identity`. Keys without scopes, sessions and passwords are held to nothing here. Decision 0026.

use crate::error::{Error, Result};
use crate::web::identity::Person;
use axum::http::Method;
use std::fmt;

/// Something that a key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Look at what its owner may look at. Every key with a scope may.
    Read,
    /// Study: enroll and leave, mark as done, read messages.
    Learn,
    /// Teach: write courses, upload files.
    Teach,
    /// Run the site: the rights of staff, which the key does not have without it, not even to look.
    Admin,
}

impl Scope {
    /// All of them, the smallest first.
    pub const ALL: [Self; 4] = [Self::Read, Self::Learn, Self::Teach, Self::Admin];

    /// Its name, in forms, at the terminal and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Learn => "learn",
            Self::Teach => "teach",
            Self::Admin => "admin",
        }
    }

    /// What it is for, in words for its owner.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Read => "Look at everything that you may see.",
            Self::Learn => {
                "Enroll in courses and leave them, mark lessons as done, read messages; speak in rooms, and moderate those of your courses."
            }
            Self::Teach => "Write your courses and upload files.",
            Self::Admin => "Use your rights as staff.",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// What somebody is told whose key lacks it.
    const fn lacking(self) -> &'static str {
        match self {
            Self::Read => "This token may not be used to read: it has no scope.",
            Self::Learn => "This token may not be used for that: it lacks the scope learn.",
            Self::Teach => "This token may not be used for that: it lacks the scope teach.",
            Self::Admin => "This token may not be used for that: it lacks the scope admin.",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Learn => 2,
            Self::Teach => 4,
            Self::Admin => 8,
        }
    }
}

/// The scopes of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// From the database: names with spaces between (RFC 6749, section 3.3). One that this release does not know
    /// allows nothing.
    pub fn stored(names: &str) -> Self {
        names.split(' ').filter_map(Scope::named).collect()
    }

    /// Those that are in it, the smallest first.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL
            .into_iter()
            .filter(move |scope| self.0 & scope.bit() != 0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether a key with these may be used for that. Who may do something may look, too.
    pub fn allow(self, scope: Scope) -> bool {
        match scope {
            Scope::Read => !self.is_empty(),
            _ => self.0 & scope.bit() != 0,
        }
    }

    /// Whether such a key opens a page, or takes or sends a file: what is not declared in the toolkit of the API.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn check_page(self, method: &Method, path: &str) -> Result<()> {
        let is_safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        let of_room = path.strip_prefix("/chat/room/").unwrap_or_default();
        let scope = if path.starts_with("/accounts/") {
            return Err(Error::Forbidden(
                "A token with scopes does not open the settings of an account. Please log in.",
            ));
        } else if is_safe {
            Scope::Read
        } else if of_room.ends_with("/ticket/") {
            // What it lets in is held to the scopes of the key.
            Scope::Read
        } else if of_room.ends_with("/read/") || of_room.contains("/pictures/") {
            Scope::Learn
        } else if path.starts_with("/uploads/") || path.starts_with("/api/uploads/") {
            Scope::Teach
        } else {
            return Err(Error::Forbidden(
                "A token with scopes does not send the forms of pages. What programs do stands at /api/docs/.",
            ));
        };
        self.check(scope)
    }

    fn check(self, scope: Scope) -> Result<()> {
        if self.allow(scope) {
            Ok(())
        } else {
            Err(Error::Forbidden(scope.lacking()))
        }
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |all, scope| all | scope.bit()))
    }
}

/// As it is stored: `read learn`.
impl fmt::Display for Scopes {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.iter().enumerate() {
            let space = if at > 0 { " " } else { "" };
            write!(to, "{space}{}", scope.name())?;
        }
        Ok(())
    }
}

/// Whether whoever asks may use what showed who she is for that.
///
/// # Errors
/// [`Error::Forbidden`], with the name of the scope that her key lacks.
pub fn check(person: Option<&Person>, scope: Scope) -> Result<()> {
    match person.and_then(|person| person.scopes) {
        Some(scopes) => scopes.check(scope),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_stored_as_words_and_read_back() {
        let scopes: Scopes = [Scope::Teach, Scope::Read].into_iter().collect();
        assert_eq!(scopes.to_string(), "read teach");
        assert_eq!(Scopes::stored("read teach"), scopes);
        assert_eq!(Scopes::stored("teach fly  read"), scopes);
        assert!(Scopes::stored("").is_empty());
        assert!(Scopes::stored("everything").is_empty());
    }

    #[test]
    fn every_scope_reads_and_none_includes_another() {
        for scope in Scope::ALL {
            let scopes = Scopes::from_iter([scope]);
            for asked in Scope::ALL {
                let expected = asked == scope || asked == Scope::Read;
                assert_eq!(scopes.allow(asked), expected, "{scope:?} for {asked:?}");
            }
        }
        assert!(!Scopes::default().allow(Scope::Read));
    }

    #[test]
    fn outside_of_the_api_a_scope_opens_pages_and_sends_files_and_nothing_else() {
        let all: Scopes = Scope::ALL.into_iter().collect();
        let read = Scopes::from_iter([Scope::Read]);
        let may = |scopes: Scopes, method, path| scopes.check_page(&method, path).is_ok();
        assert!(may(read, Method::GET, "/students/courses/"));
        assert!(may(read, Method::HEAD, "/uploads/abc"));
        assert!(!may(read, Method::PATCH, "/uploads/abc"));
        assert!(may(all, Method::PATCH, "/uploads/abc"));
        let learn = Scopes::from_iter([Scope::Learn]);
        for (method, path) in [
            (Method::POST, "/chat/room/7/pictures/"),
            (Method::DELETE, "/chat/room/7/pictures/9/"),
        ] {
            assert!(may(learn, method.clone(), path));
            assert!(!may(read, method, path));
        }
        assert!(!may(all, Method::POST, "/course/create/"));
        assert!(!may(all, Method::GET, "/accounts/tokens/"));
        assert!(!may(all, Method::POST, "/accounts/tokens/"));
        assert!(!may(Scopes::default(), Method::GET, "/"));
    }
}
