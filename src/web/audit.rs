//! The log of what those who run the site change: who, by which way, what, and each field before and after.
//!
//! Whoever changes something for somebody else writes a line in the same transaction ([`record`]): either both last, or
//! neither does. What a thing consists of is told by its feature as [`Facts`], which hold no secrets. Lines are never
//! edited; the database itself refuses it. Decision 0032.

use crate::app::App;
use crate::db::Write;
use crate::entities::audit_entry::{self, Change};
use crate::error::{Error, Result};
use crate::web::headers::address_in;
use crate::web::identity::{Person, Student};
use crate::web::text;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, EntityTrait};
use std::net::IpAddr;

/// Characters of one value that are kept: a title whole, of a long text its beginning.
const LONGEST_VALUE: usize = 1_000;

/// Characters that are kept before a difference far down in a long value.
const LEAD: usize = 40;

/// Characters of a name that are kept.
const LONGEST_NAME: usize = 250;

/// Lines in one statement.
const AT_ONCE: usize = 500;

/// By which way something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The admin site.
    Admin,
    /// Another page, for example the editor of somebody else's course.
    Page,
    /// The API.
    Api,
    /// A file sent by a resumable upload (tus 1.0), as pages and programs do alike.
    Upload,
    /// A command on the machine.
    Terminal,
}

impl Via {
    /// As it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Page => "page",
            Self::Api => "api",
            Self::Upload => "upload",
            Self::Terminal => "terminal",
        }
    }
}

/// Who does something.
#[derive(Clone, Debug)]
pub struct By {
    /// The number of her account; none at the terminal.
    pub id: Option<i64>,
    /// Her user name.
    pub name: String,
    /// By which way.
    pub via: Via,
    /// From where.
    pub address: Option<IpAddr>,
    /// When.
    pub at: DateTime<Utc>,
}

impl By {
    /// Somebody who asks over the network.
    pub fn person(person: &Person, via: Via, address: IpAddr, at: DateTime<Utc>) -> Self {
        Self {
            id: Some(person.id),
            name: person.username.clone(),
            via,
            address: Some(address),
            at,
        }
    }

    /// Somebody whose file has come: in parts, perhaps over days and from several places.
    pub fn sender(person: &Person, at: DateTime<Utc>) -> Self {
        Self {
            id: Some(person.id),
            name: person.username.clone(),
            via: Via::Upload,
            address: None,
            at,
        }
    }

    /// Whoever sits at the terminal, by the name that the machine gives.
    pub fn terminal(at: DateTime<Utc>) -> Self {
        let variables = ["SUDO_USER", "USER", "LOGNAME"];
        let mut names = variables.iter().filter_map(|name| std::env::var(name).ok());
        Self {
            id: None,
            name: names.find(|name| !name.is_empty()).unwrap_or_default(),
            via: Via::Terminal,
            address: None,
            at,
        }
    }
}

/// Somebody who does something on a page that is not the admin site's.
pub struct ByPage(pub By);

impl FromRequestParts<App> for ByPage {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let Student(person) = Student::from_request_parts(parts, app).await?;
        let address = address_in(&parts.extensions);
        let by = By::person(&person, Via::Page, address, app.clock.now());
        Ok(Self(by))
    }
}

/// What a thing is called and consists of, as people read it, in the order in which it is shown. Never a secret: no
/// password, no hash, no key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// What it is called.
    pub name: String,
    /// Field and value.
    pub fields: Vec<(&'static str, String)>,
}

/// What was done to a thing.
#[derive(Clone, Copy, Debug)]
pub struct Done<'a> {
    /// `add`, `change`, `delete`, or the name of an action.
    pub act: &'a str,
    /// What sort of thing it is.
    pub kind: &'a str,
    /// Its number.
    pub id: i64,
    /// As it was; none when it was made.
    pub before: Option<&'a Facts>,
    /// As it is; none when it is gone.
    pub after: Option<&'a Facts>,
}

impl Done<'_> {
    fn name(&self) -> &str {
        let told = self.after.or(self.before);
        told.map_or("", |facts| facts.name.as_str())
    }

    /// Field by field what is different.
    pub fn changes(&self) -> Vec<Change> {
        let empty = Facts::default();
        let (before, after) = (self.before.unwrap_or(&empty), self.after.unwrap_or(&empty));
        let value = |facts: &Facts, name: &str| {
            let found = facts.fields.iter().find(|(field, _)| *field == name);
            found.map_or_else(String::new, |(_, value)| value.clone())
        };
        let gone = before.fields.iter().filter(|(name, _)| {
            let mut names = after.fields.iter().map(|(name, _)| name);
            !names.any(|other| other == name)
        });
        let names = after.fields.iter().chain(gone).map(|(name, _)| *name);
        names
            .map(|name| (name, value(before, name), value(after, name)))
            .filter(|(_, before, after)| before != after)
            .map(|(name, before, after)| {
                let (before, after) = shorten(&before, &after);
                Change {
                    field: name.to_owned(),
                    before,
                    after,
                }
            })
            .collect()
    }

    fn row(&self, by: &By) -> Result<audit_entry::ActiveModel> {
        let changes = serde_json::to_string(&self.changes()).map_err(Error::internal)?;
        let address = by.address.map_or_else(String::new, |ip| ip.to_string());
        Ok(audit_entry::ActiveModel {
            created_at: Set(by.at),
            actor_id: Set(by.id),
            actor_name: Set(by.name.chars().take(150).collect()),
            via: Set(by.via.name().into()),
            address: Set(address),
            act: Set(self.act.to_owned()),
            object_kind: Set(self.kind.to_owned()),
            object_id: Set(self.id),
            object_name: Set(text::shorten(self.name(), LONGEST_NAME)),
            changes: Set(changes),
            ..Default::default()
        })
    }
}

/// Writes a line, in the transaction of the change itself. A `change` that changes nothing is none.
///
/// # Errors
/// When the database does not answer; then the change is not committed either.
pub async fn record(write: &Write, by: &By, done: Done<'_>) -> Result<()> {
    if done.act == "change" && done.changes().is_empty() {
        return Ok(());
    }
    audit_entry::Entity::insert(done.row(by)?)
        .exec_without_returning(&**write)
        .await?;
    Ok(())
}

/// Writes many lines, as [`record`] does each.
///
/// # Errors
/// As [`record`].
pub async fn record_all(write: &Write, by: &By, all: &[Done<'_>]) -> Result<()> {
    for chunk in all.chunks(AT_ONCE) {
        let rows = chunk
            .iter()
            .map(|done| done.row(by))
            .collect::<Result<Vec<_>>>()?;
        audit_entry::Entity::insert_many(rows)
            .exec_without_returning(&**write)
            .await?;
    }
    Ok(())
}

/// The beginnings of two values; where they begin alike, from shortly before that in which they differ.
fn shorten(before: &str, after: &str) -> (String, String) {
    let short = |value: &str| text::shorten(value, LONGEST_VALUE);
    let (head, other) = (short(before), short(after));
    if head != other {
        return (head, other);
    }
    let pairs = before.chars().zip(after.chars());
    let alike = pairs.take_while(|(one, other)| one == other).count();
    let skipped = alike.saturating_sub(LEAD);
    let from = |value: &str| {
        let rest: String = value.chars().skip(skipped).collect();
        text::shorten(&format!("…{rest}"), LONGEST_VALUE)
    };
    (from(before), from(after))
}

/// `yes` or `no`, as facts say it.
pub fn yes_no(value: bool) -> String {
    if value { "yes" } else { "no" }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(fields: &[(&'static str, &str)]) -> Facts {
        Facts {
            name: "maya".into(),
            fields: fields
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
        }
    }

    fn changes(before: Option<&Facts>, after: Option<&Facts>) -> Vec<(String, String, String)> {
        let done = Done {
            act: "change",
            kind: "user",
            id: 1,
            before,
            after,
        };
        let changes = done.changes().into_iter();
        changes
            .map(|change| (change.field, change.before, change.after))
            .collect()
    }

    #[test]
    fn only_what_is_different_is_told_with_before_and_after() {
        let before = facts(&[("name", "Maya"), ("email", ""), ("groups", "A")]);
        let after = facts(&[("name", "Maya"), ("email", "m@example.org")]);
        assert_eq!(
            changes(Some(&before), Some(&after)),
            [
                ("email".into(), String::new(), "m@example.org".into()),
                ("groups".into(), "A".into(), String::new())
            ]
        );
        assert!(changes(Some(&before), Some(&before)).is_empty());
        assert_eq!(
            changes(None, Some(&after)).len(),
            2,
            "what is empty is not told"
        );
        assert_eq!(changes(Some(&before), None).len(), 2);
    }

    #[test]
    fn a_difference_far_down_in_a_long_value_is_told() {
        let text = "Søren word ".repeat(500);
        let before = facts(&[("text", &format!("{text}slowly, and more"))]);
        let after = facts(&[("text", &format!("{text}loosely, and more"))]);
        let told = &changes(Some(&before), Some(&after))[0];
        assert!(told.1.ends_with("word slowly, and more"), "{}", told.1);
        assert!(told.2.ends_with("word loosely, and more"), "{}", told.2);
        assert!(told.1.starts_with('…') && told.1.chars().count() < 100);
        // One that only goes on differs at its end.
        let longer = facts(&[("text", &format!("{text}slowly, and more, and more"))]);
        let told = &changes(Some(&before), Some(&longer))[0];
        assert!(told.2.ends_with("more, and more"), "{}", told.2);
        assert_ne!(told.1, told.2);
    }

    #[test]
    fn a_long_value_is_kept_by_its_beginning() {
        let after = facts(&[("overview", &"word ".repeat(1_000))]);
        let told = changes(None, Some(&after));
        assert!(told[0].2.chars().count() <= LONGEST_VALUE);
    }
}
