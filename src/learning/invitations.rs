//! Links by which a teacher lets people into a course: made on its page, shown once, kept as hashes. Each is for so many
//! people and so many days (docs/decisions/0038).
//!
//! Their page stands in `joining`.

use super::admission::{self, Standing};
use super::{logged, store};
use crate::app::App;
use crate::db::Write;
use crate::entities::{course, invitation, invitation_use};
use crate::error::{Error, Problems, Result};
use crate::web::audit::By;
use crate::web::form::Form;
use crate::web::identity::Person;
use crate::web::sessions::hash;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, ExprTrait as _, Order, Query};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, TryInsertResult,
};
use std::collections::HashMap;

/// Characters of a note.
pub(super) const LONGEST_NOTE: usize = 200;
/// People who may come by one invitation, at most: a class, or a year of it.
pub(super) const MOST_USES: i32 = 1_000;
/// Where nobody says for how many it is.
pub(super) const USUAL_USES: i32 = 1;
/// Days that one may last, at most.
pub(super) const LONGEST_DAYS: i64 = 365;
/// Where nobody says how long it works.
pub(super) const USUAL_DAYS: i64 = 30;
/// Of those who came by one so many are named, the last ones.
const NAMED: i64 = 20;
/// Invitations that are over and still on the page of a course.
const OVER_SHOWN: u64 = 50;
/// Invitations of one course that are open at once.
const MOST: u64 = 100;
/// Characters of the secret part.
pub(super) const TOKEN_LENGTH: usize = 43;
/// Told of one that lets nobody in.
pub(super) const OVER: &str =
    "This invitation does not work, or not any more. Ask whoever sent it to you for another one.";

/// What a form says of an invitation to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewInvitation {
    note: String,
    most_uses: i32,
    days: i64,
}

impl NewInvitation {
    /// Reads the form; what it does not have is as usual. All faults at once, in `note`, `uses` and `days`.
    pub fn read(form: &Form) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let note = form.text("note");
        let is_note = note.chars().count() <= LONGEST_NOTE && !note.chars().any(char::is_control);
        problems.check(
            is_note,
            "note",
            "A note is one line of up to 200 characters.",
        );
        let mut number = |name: &str, usual: i64, most: i64, words: &str| {
            if !form.has(name) {
                return usual;
            }
            let typed = form.text(name).parse().ok();
            let number = typed.filter(|n: &i64| (1..=most).contains(n));
            problems.check(number.is_some(), name, words);
            number.unwrap_or(usual)
        };
        let uses = number(
            "uses",
            USUAL_USES.into(),
            MOST_USES.into(),
            "From 1 to 1,000 people may come by it. Say how many.",
        );
        let days = number(
            "days",
            USUAL_DAYS,
            LONGEST_DAYS,
            "It works for 1 to 365 days. Say how many.",
        );
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            note: note.to_owned(),
            most_uses: i32::try_from(uses).unwrap_or(USUAL_USES),
            days,
        })
    }
}

/// An invitation that was made just now.
pub(super) struct Made {
    /// Its number.
    pub id: i64,
    /// Its secret part, which is stored nowhere.
    pub token: String,
}

impl Made {
    /// The path of its link.
    pub fn path(&self) -> String {
        format!("/join/?key={}", self.token)
    }
}

/// Makes an invitation to a course that is held.
///
/// # Errors
/// [`Error::Invalid`] when there are too many.
pub(super) async fn create(
    app: &App,
    write: &Write,
    by: &By,
    course: &course::Model,
    new: NewInvitation,
) -> Result<Made> {
    let now = app.clock.now();
    let open = invitation::Entity::find()
        .filter(invitation::Column::CourseId.eq(course.id))
        .filter(is_open(now));
    if open.count(&**write).await? >= MOST {
        let words = "There are 100 open invitations already. Revoke one that is no longer needed.";
        return Err(Error::invalid(Problems::WHOLE, words));
    }
    let token = app.clock.random_token();
    let row = invitation::ActiveModel {
        course_id: Set(course.id),
        owner_id: Set(by.id.unwrap_or(course.owner_id)),
        token_hash: Set(hash(&token)),
        note: Set(new.note),
        most_uses: Set(Some(new.most_uses)),
        uses: Set(0),
        created_at: Set(now),
        expires_at: Set(Some(now + TimeDelta::days(new.days))),
        revoked_at: Set(None),
        ..Default::default()
    };
    let made = row.insert(&**write).await?;
    logged::invitation(write, by, course, None, &made).await?;
    Ok(Made { id: made.id, token })
}

/// Takes an invitation of a course back that is held; twice is once.
///
/// # Errors
/// [`Error::NotFound`] when the course has no such one.
pub(super) async fn revoke(
    app: &App,
    write: &Write,
    by: &By,
    course: &course::Model,
    id: i64,
) -> Result<()> {
    let found = invitation::Entity::find_by_id(id)
        .filter(invitation::Column::CourseId.eq(course.id))
        .one(&**write)
        .await?;
    let before = found.ok_or(Error::NotFound)?;
    if before.revoked_at.is_some() {
        return Ok(());
    }
    let now = app.clock.now();
    invitation::Entity::update_many()
        .col_expr(invitation::Column::RevokedAt, Expr::value(now))
        .filter(invitation::Column::Id.eq(id))
        .exec(&**write)
        .await?;
    let after = invitation::Model {
        revoked_at: Some(now),
        ..before.clone()
    };
    logged::invitation(write, by, course, Some(&before), &after).await
}

/// Those of which this holds let people in.
fn is_open(now: DateTime<Utc>) -> Condition {
    use invitation::Column;
    Condition::all()
        .add(Column::RevokedAt.is_null())
        .add(
            Condition::any()
                .add(Column::ExpiresAt.is_null())
                .add(Column::ExpiresAt.gt(now)),
        )
        .add(
            Condition::any()
                .add(Column::MostUses.is_null())
                .add(Expr::col(Column::Uses).lt(Expr::col(Column::MostUses))),
        )
}

/// How an invitation stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InvitationState {
    Open,
    Revoked,
    Expired,
    UsedUp,
}

pub(super) fn state_of(row: &invitation::Model, now: DateTime<Utc>) -> InvitationState {
    if row.revoked_at.is_some() {
        InvitationState::Revoked
    } else if row.expires_at.is_some_and(|end| end <= now) {
        InvitationState::Expired
    } else if row.most_uses.is_some_and(|most| row.uses >= most) {
        InvitationState::UsedUp
    } else {
        InvitationState::Open
    }
}

/// The invitations of a course with the names of who came last: those that are open, then some of those that are over, the
/// newest first; and whether there are more of these.
pub(super) async fn list(
    db: &impl ConnectionTrait,
    course_id: i64,
    now: DateTime<Utc>,
) -> Result<(Vec<(invitation::Model, Vec<String>)>, bool)> {
    let of_course = || {
        invitation::Entity::find()
            .filter(invitation::Column::CourseId.eq(course_id))
            .order_by_desc(invitation::Column::Id)
    };
    let mut rows = of_course().filter(is_open(now)).all(db).await?;
    let over = of_course()
        .filter(is_open(now).not())
        .limit(OVER_SHOWN + 1)
        .all(db)
        .await?;
    let has_more = over.len() > usize::try_from(OVER_SHOWN).unwrap_or(usize::MAX);
    let shown = usize::try_from(OVER_SHOWN).unwrap_or(usize::MAX);
    rows.extend(over.into_iter().take(shown));
    Ok((with_names(db, rows).await?, has_more))
}

/// These invitations, each with the names of those who came by it last, in their order: twenty at most, since it may be a
/// thousand.
pub(super) async fn with_names(
    db: &impl ConnectionTrait,
    rows: Vec<invitation::Model>,
) -> Result<Vec<(invitation::Model, Vec<String>)>> {
    use invitation_use::Column;
    let place = Expr::cust(
        "ROW_NUMBER() OVER (PARTITION BY \"invitation_id\" ORDER BY \"created_at\" DESC, \"user_id\" DESC)",
    );
    let placed = Query::select()
        .columns([Column::InvitationId, Column::UserId, Column::CreatedAt])
        .expr_as(place, "place")
        .from(invitation_use::Entity)
        .and_where(Column::InvitationId.is_in(rows.iter().map(|row| row.id)))
        .to_owned();
    let last = Query::select()
        .columns([Column::InvitationId, Column::UserId, Column::CreatedAt])
        .from_subquery(placed, "placed")
        .and_where(Expr::col("place").lte(NAMED))
        .order_by(Column::CreatedAt, Order::Asc)
        .order_by(Column::UserId, Order::Asc)
        .to_owned();
    let mut uses: Vec<(i64, i64)> = Vec::new();
    for row in db.query_all(&last).await? {
        uses.push((row.try_get_by_index(0)?, row.try_get_by_index(1)?));
    }
    let names = super::entry::names_of(db, uses.iter().map(|(_, user_id)| *user_id)).await?;
    let mut came: HashMap<i64, Vec<String>> = HashMap::new();
    for (invitation_id, user_id) in uses {
        let name = names.get(&user_id).cloned().unwrap_or_default();
        came.entry(invitation_id).or_default().push(name);
    }
    let listed = rows.into_iter().map(|row| {
        let names = came.remove(&row.id).unwrap_or_default();
        (row, names)
    });
    Ok(listed.collect())
}

/// Lets somebody in by the secret of an invitation, or puts her in line where the course is full; none when it does not work,
/// and then nothing may last.
///
/// # Errors
/// As [`admission::ask_to_enroll`].
pub(super) async fn join_by(
    app: &App,
    write: &mut Write,
    token: &str,
    person: &Person,
) -> Result<Option<(course::Model, Standing)>> {
    let Some((row, course)) = find_by(&**write, token).await? else {
        return Ok(None);
    };
    if !use_once(app, write, &row, person.id).await? {
        return Ok(None);
    }
    let invitation = Some(row.id);
    let standing = admission::ask_to_enroll(app, write, person, course.id, invitation).await?;
    Ok(Some((course, standing)))
}

/// Notes that she comes by an invitation, unless she is in the course or has come by it before; whether it lets her in. The
/// course is held first, as everywhere where somebody comes in or an invitation is taken back.
async fn use_once(app: &App, write: &Write, row: &invitation::Model, user_id: i64) -> Result<bool> {
    admission::hold_to_enter(write, row.course_id).await?;
    if store::is_enrolled(&**write, user_id, row.course_id).await? {
        return Ok(true);
    }
    let now = app.clock.now();
    let used = invitation_use::ActiveModel {
        invitation_id: Set(row.id),
        user_id: Set(user_id),
        created_at: Set(now),
    };
    let noted = invitation_use::Entity::insert(used)
        .on_conflict_do_nothing_on([
            invitation_use::Column::InvitationId,
            invitation_use::Column::UserId,
        ])
        .exec_without_returning(&**write)
        .await?;
    if !matches!(noted, TryInsertResult::Inserted(1..)) {
        let found = invitation::Entity::find_by_id(row.id).one(&**write).await?;
        return Ok(found.is_some_and(|row| lets_in(&row, now, true)));
    }
    let counted = invitation::Entity::update_many()
        .col_expr(
            invitation::Column::Uses,
            Expr::col(invitation::Column::Uses).add(1),
        )
        .filter(invitation::Column::Id.eq(row.id))
        .filter(is_open(now))
        .exec(&**write)
        .await?;
    Ok(counted.rows_affected > 0)
}

/// Whether an invitation lets somebody in. Whoever has come by it before is counted already.
pub(super) fn lets_in(row: &invitation::Model, now: DateTime<Utc>, has_come: bool) -> bool {
    match state_of(row, now) {
        InvitationState::Open => true,
        InvitationState::UsedUp => has_come,
        InvitationState::Revoked | InvitationState::Expired => false,
    }
}

pub(super) async fn has_come_by(
    db: &impl ConnectionTrait,
    invitation_id: i64,
    user_id: i64,
) -> Result<bool> {
    let found = invitation_use::Entity::find_by_id((invitation_id, user_id));
    Ok(found.one(db).await?.is_some())
}

/// The invitation with this secret and its course, unless that is a draft. Whether it lets anybody in is not looked at.
pub(super) async fn find_by(
    db: &impl ConnectionTrait,
    token: &str,
) -> Result<Option<(invitation::Model, course::Model)>> {
    if token.len() != TOKEN_LENGTH {
        return Ok(None);
    }
    let found = invitation::Entity::find()
        .filter(invitation::Column::TokenHash.eq(hash(token)))
        .find_also_related(course::Entity)
        .one(db)
        .await?;
    Ok(match found {
        Some((row, Some(course))) if !course.is_draft => Some((row, course)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Result<NewInvitation, Problems> {
        let pairs = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        NewInvitation::read(&Form::from_pairs(pairs.collect()))
    }

    #[test]
    fn an_invitation_is_bounded_in_people_and_days() {
        let new = read(&[("uses", "30"), ("days", " 7 "), ("note", "spring class")]).unwrap();
        assert_eq!((new.most_uses, new.days), (30, 7));
        let usual = read(&[]).unwrap();
        assert_eq!((usual.most_uses, usual.days), (1, 30));
        for (name, bad) in [
            ("uses", "0"),
            ("uses", "-1"),
            ("uses", "1001"),
            ("uses", ""),
            ("uses", "many"),
            ("uses", "99999999999999999999"),
            ("days", "0"),
            ("days", "366"),
            ("days", ""),
            ("note", "a\u{7}b"),
        ] {
            let problems = read(&[(name, bad)]).unwrap_err();
            assert_eq!(problems.at(name).len(), 1, "{name} {bad:?}");
        }
        let long = "x".repeat(201);
        assert!(read(&[("note", long.as_str())]).is_err());
    }
}
