//! What those who run the site decide about the ways into the courses of others, as the log of changes tells it. What a
//! teacher decides about her own course is no matter of the log.

use crate::db::Write;
use crate::entities::enrollment_request::{self, RequestState};
use crate::entities::{course, invitation, user};
use crate::error::Result;
use crate::web::audit::{By, Done, Facts, record, record_all, yes_no};
use sea_orm::{ActiveEnum as _, ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use std::collections::HashMap;

/// Whether it is somebody else than the teacher who does something to a course.
fn is_of_another(by: &By, course: &course::Model) -> bool {
    by.id != Some(course.owner_id)
}

/// What became of requests for a course.
pub(super) struct Outcome<'a> {
    /// `accept` or `decline`.
    pub act: &'static str,
    /// Those who are in the course now.
    pub let_in: &'a [i64],
    /// What is told to those who are declined; may be empty.
    pub reason: &'a str,
}

impl Outcome<'_> {
    fn state(&self, user_id: i64) -> String {
        match self.act {
            "decline" => RequestState::Declined.to_value(),
            _ if self.let_in.contains(&user_id) => "enrolled".to_owned(),
            _ => RequestState::Waiting.to_value(),
        }
    }
}

/// Logs what was decided about these requests, as they were before; a line each.
///
/// # Errors
/// As [`record`].
pub(super) async fn requests(
    write: &Write,
    by: &By,
    course: &course::Model,
    before: &[enrollment_request::Model],
    outcome: &Outcome<'_>,
) -> Result<()> {
    if before.is_empty() || !is_of_another(by, course) {
        return Ok(());
    }
    let people: Vec<(i64, String)> = user::Entity::find()
        .select_only()
        .columns([user::Column::Id, user::Column::Username])
        .filter(user::Column::Id.is_in(before.iter().map(|request| request.user_id)))
        .into_tuple()
        .all(&**write)
        .await?;
    let people: HashMap<i64, String> = people.into_iter().collect();
    let told = before.iter().map(|request| {
        let student = people.get(&request.user_id).map_or("", String::as_str);
        let named = super::facts_of(student, &course.title);
        let with = |state: String, reason: &str| {
            let mut facts = named.clone();
            facts.fields.push(("state", state));
            facts.fields.push(("reason", reason.to_owned()));
            facts
        };
        let was = with(request.state.to_value(), &request.reason);
        let is = with(outcome.state(request.user_id), outcome.reason);
        (request.id, was, is)
    });
    let told: Vec<(i64, Facts, Facts)> = told.collect();
    let lines: Vec<Done<'_>> = told
        .iter()
        .map(|(id, was, is)| Done {
            act: outcome.act,
            kind: "request",
            id: *id,
            before: Some(was),
            after: Some(is),
        })
        .collect();
    record_all(write, by, &lines).await
}

/// Logs that an invitation was made, or with `before` that it was taken back. Its secret is in neither.
///
/// # Errors
/// As [`record`].
pub(super) async fn invitation(
    write: &Write,
    by: &By,
    course: &course::Model,
    before: Option<&invitation::Model>,
    after: &invitation::Model,
) -> Result<()> {
    if !is_of_another(by, course) {
        return Ok(());
    }
    let was = before.map(|row| invitation_facts(row, course));
    let is = invitation_facts(after, course);
    let done = Done {
        act: if before.is_some() { "revoke" } else { "add" },
        kind: "invitation",
        id: after.id,
        before: was.as_ref(),
        after: Some(&is),
    };
    record(write, by, done).await
}

fn invitation_facts(row: &invitation::Model, course: &course::Model) -> Facts {
    Facts {
        name: format!("Invitation to {}", course.title),
        fields: vec![
            ("course", course.title.clone()),
            ("note", row.note.clone()),
            (
                "people",
                row.most_uses.map_or_else(String::new, |n| n.to_string()),
            ),
            (
                "ends",
                row.expires_at
                    .map_or_else(String::new, |end| end.to_rfc3339()),
            ),
            ("revoked", yes_no(row.revoked_at.is_some())),
        ],
    }
}
