//! Who may do what: rules made of permissions, each of which is one function.
//!
//! A rule is asked twice: before anything is looked up, to tell those who have to log in, and again with the thing
//! that was found. What depends on the thing says [`Verdict::Unknown`] the first time. A feature adds a permission by
//! writing a function; `IsEnrolled` of `learning` is one.

use crate::app::App;
use crate::error::Result;
use crate::web::identity::Person;
use axum::http::Method;
use futures::future::BoxFuture;
use std::any::Any;
use std::fmt;

/// What a request is about: a course, for example.
pub trait Object: Any + Send + Sync {
    /// Whose it is.
    fn owner_id(&self) -> Option<i64>;
}

/// What a permission looks at.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The site.
    pub app: &'a App,
    /// Who asks.
    pub person: Option<&'a Person>,
    /// To do what.
    pub method: &'a Method,
    /// With which thing, once it was found.
    pub object: Option<&'a dyn Object>,
}

impl<'a> Asked<'a> {
    /// The thing, when it is of this type.
    pub fn object<T: Object>(&self) -> Option<&'a T> {
        let object: &dyn Any = self.object?;
        object.downcast_ref()
    }
}

/// What a permission says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// She may.
    Yes,
    /// She may not.
    No,
    /// That depends on the thing.
    Unknown,
}

impl From<bool> for Verdict {
    fn from(is_so: bool) -> Self {
        if is_so { Self::Yes } else { Self::No }
    }
}

/// A function that says whether somebody may.
pub type Check = for<'a> fn(Asked<'a>) -> BoxFuture<'a, Result<Verdict>>;

/// Permissions, put together.
#[derive(Clone, Copy)]
pub enum Rule {
    /// A permission, with the name by which tables of permissions and the schema call it.
    Is(&'static str, Check),
    /// All of them.
    All(&'static [Rule]),
    /// One of them.
    Any(&'static [Rule]),
    /// Not this one.
    Not(&'static Rule),
}

impl Rule {
    /// What the rule says. A part that settles it spares the parts after it.
    pub fn verdict<'a>(&'a self, asked: Asked<'a>) -> BoxFuture<'a, Result<Verdict>> {
        Box::pin(async move {
            match self {
                Self::Is(_, check) => check(asked).await,
                Self::All(rules) => settle(rules, asked, Verdict::No, Verdict::Yes).await,
                Self::Any(rules) => settle(rules, asked, Verdict::Yes, Verdict::No).await,
                Self::Not(rule) => Ok(match rule.verdict(asked).await? {
                    Verdict::Yes => Verdict::No,
                    Verdict::No => Verdict::Yes,
                    Verdict::Unknown => Verdict::Unknown,
                }),
            }
        })
    }
}

/// The verdict that one part alone brings about, else the other, else neither.
async fn settle(rules: &[Rule], asked: Asked<'_>, one: Verdict, all: Verdict) -> Result<Verdict> {
    let mut verdict = all;
    for rule in rules {
        let said = rule.verdict(asked).await?;
        if said == one {
            return Ok(one);
        }
        if said == Verdict::Unknown {
            verdict = Verdict::Unknown;
        }
    }
    Ok(verdict)
}

/// As tables of permissions show it: `IsOwner or IsStaff`.
impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(name, _) => formatter.write_str(name),
            Self::All(rules) => write_several(formatter, rules, "and"),
            Self::Any(rules) => write_several(formatter, rules, "or"),
            Self::Not(rule) => write!(formatter, "not ({rule})"),
        }
    }
}

fn write_several(to: &mut fmt::Formatter<'_>, rules: &[Rule], word: &str) -> fmt::Result {
    for (at, rule) in rules.iter().enumerate() {
        if at > 0 {
            write!(to, " {word} ")?;
        }
        match rule {
            Rule::Is(..) => write!(to, "{rule}")?,
            _ => write!(to, "({rule})")?,
        }
    }
    Ok(())
}

/// Everybody.
pub const ALLOW_ANY: Rule = Rule::Is("AllowAny", |_| said(true));

/// Whoever is logged in.
pub const IS_AUTHENTICATED: Rule =
    Rule::Is("IsAuthenticated", |asked| said(asked.person.is_some()));

/// Who runs the site.
pub const IS_STAFF: Rule = Rule::Is("IsStaff", |asked| {
    said(asked.person.is_some_and(|person| person.is_staff))
});

/// Who only looks (RFC 9110, section 9.2.1).
pub const READ_ONLY: Rule = Rule::Is("ReadOnly", |asked| {
    said(matches!(
        *asked.method,
        Method::GET | Method::HEAD | Method::OPTIONS
    ))
});

/// Whose it is.
pub const IS_OWNER: Rule = Rule::Is("IsOwner", |asked| {
    let verdict = match (asked.person, asked.object) {
        (None, _) => Verdict::No,
        (Some(_), None) => Verdict::Unknown,
        (Some(person), Some(object)) => (object.owner_id() == Some(person.id)).into(),
    };
    Box::pin(std::future::ready(Ok(verdict)))
});

/// Who is in a group that has a permission: its name in `web::permissions`.
#[macro_export]
macro_rules! holds {
    ($($permission:ident)::+) => {
        $crate::web::rest::Rule::Is($crate::web::permissions::$($permission)::+, |asked| {
            let may = |person: &$crate::web::identity::Person| {
                person.may($crate::web::permissions::$($permission)::+)
            };
            $crate::web::rest::said(asked.person.is_some_and(may))
        })
    };
}

/// Staff, and who is in a group that has this part of running the site: its name in `web::permissions::admin`.
#[macro_export]
macro_rules! runs {
    ($permission:ident) => {
        $crate::web::rest::Rule::Any(&[
            $crate::web::rest::IS_STAFF,
            $crate::holds!(admin::$permission),
        ])
    };
}

/// A verdict for which nothing has to be waited for.
pub fn said<'a>(is_so: bool) -> BoxFuture<'a, Result<Verdict>> {
    Box::pin(std::future::ready(Ok(is_so.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_reads_as_it_is_meant() {
        const RULE: Rule = Rule::All(&[
            IS_AUTHENTICATED,
            Rule::Any(&[IS_OWNER, IS_STAFF]),
            Rule::Not(&READ_ONLY),
        ]);
        assert_eq!(
            RULE.to_string(),
            "IsAuthenticated and (IsOwner or IsStaff) and (not (ReadOnly))"
        );
    }
}
