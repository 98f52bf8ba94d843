//! What programs do with files besides looking at them: giving them other names, and deleting them.

use super::deletion::{delete_files, hold_losing, require_hers, upload_facts};
use super::pages::name_problems;
use super::store;
use super::unfinished::{self, UnfinishedRow};
use crate::db::Write;
use crate::entities::upload;
use crate::error::{Error, Problems, Result};
use crate::holds;
use crate::media::{
    UPLOAD, UploadRow, Usage, find_upload, get_file, get_own_file, hold_files, rename_in,
    take_out_of_room, usage,
};
use crate::web::audit::{Done, record};
use crate::web::permissions::admin::DELETE_UPLOAD;
use crate::web::rest::{
    Answer, Call, Cell, FIELDS, Field, IS_OWNER, IS_STAFF, Kind, Operation, Parameter, Resource,
    Rule, Takes, declared,
};
use axum::http::{Method, StatusCode};
use sea_orm::EntityTrait as _;
use std::collections::BTreeSet;

/// Its owner, while the places of a teacher are open to her.
const MAY_CHANGE: Rule = Rule::All(&[holds!(VIEW_COURSE), IS_OWNER]);

/// She, and who deletes everybody's uploads on the admin site.
const MAY_DELETE: Rule = Rule::Any(&[MAY_CHANGE, IS_STAFF, holds!(admin::DELETE_UPLOAD)]);

/// Contents that one call may name.
const MOST: usize = 1_000;

/// Adds to the uploads what their owners do with them.
pub fn with_library(uploads: Resource) -> Resource {
    with_room(with_changes(uploads))
}

fn integer(bytes: Option<u64>) -> Cell<'static> {
    bytes.map_or(Cell::Null, |bytes| {
        Cell::Integer(i64::try_from(bytes).unwrap_or(i64::MAX))
    })
}

const USAGE: [Field<Usage>; 3] = [
    Field::new(
        "used_bytes",
        Kind::Integer,
        "Taken by your files and by uploads that are not finished.",
        |usage| integer(Some(usage.used_bytes)),
    ),
    Field::new(
        "quota_bytes",
        Kind::Integer,
        "What you may take altogether.",
        |usage| integer(Some(usage.quota_bytes)),
    ),
    Field::new(
        "left_bytes",
        Kind::Integer,
        "What you may still send.",
        |usage| integer(Some(usage.left_bytes())),
    ),
];

const UNFINISHED: [Field<UnfinishedRow>; 7] = [
    Field::new(
        "url",
        Kind::Text,
        "Where it goes on by tus, and is given up by DELETE: a path of this site.",
        |row| Cell::Text(format!("/uploads/{}", row.id).into()),
    ),
    Field::new("name", Kind::Text, "What its file is called.", |row| {
        Cell::text(&row.name)
    }),
    Field::<UnfinishedRow>::new(
        "size_bytes",
        Kind::Integer,
        "How large the file is, once that is known.",
        |row| integer(row.size_bytes),
    )
    .or_null(),
    Field::<UnfinishedRow>::new(
        "arrived_bytes",
        Kind::Integer,
        "How much of it has arrived; null when the file store does not tell.",
        |row| integer(row.arrived_bytes),
    )
    .or_null(),
    Field::<UnfinishedRow>::new(
        "module",
        Kind::Reference("modules"),
        "The module that it goes to.",
        |row| row.module_id.map_or(Cell::Null, Cell::Integer),
    )
    .or_null(),
    Field::<UnfinishedRow>::new(
        "content",
        Kind::Reference("contents"),
        "The content whose file it replaces.",
        |row| row.content_id.map_or(Cell::Null, Cell::Integer),
    )
    .or_null(),
    Field::new("expires", Kind::Time, "When it is forgotten.", |row| {
        Cell::Time(row.expires_at)
    }),
];

/// What somebody takes, and has not finished.
fn with_room(uploads: Resource) -> Resource {
    uploads
        .action_on_all(
            "quota",
            "Quota",
            "How much your files take, and how much they may.",
            Operation::new(Method::GET, "How much you take.", quota)
                .only(holds!(VIEW_COURSE))
                .answers(declared(&USAGE)),
        )
        .action_on_all(
            "unfinished",
            "Unfinished",
            "What you began to send and have not finished.",
            Operation::new(
                Method::GET,
                "Lists it, newest first; 50 at most.",
                list_unfinished,
            )
            .only(holds!(VIEW_COURSE))
            .list()
            .looks_at(&[FIELDS])
            .answers(declared(&UNFINISHED)),
        )
}

async fn quota(call: Call) -> Result<Answer> {
    let usage = usage(&call.app, call.app.db.read(), call.person()?.id).await?;
    call.one(&USAGE, &usage)
}

async fn list_unfinished(call: Call) -> Result<Answer> {
    let rows = unfinished::list(&call.app, call.person()?).await?;
    call.many(&UNFINISHED, &rows)
}

fn with_changes(uploads: Resource) -> Resource {
    let change = |method| {
        Operation::new(method, "Gives a file another name.", change)
            .only(MAY_CHANGE)
            .about(find_upload)
            .takes(declared(&UPLOAD))
            .answers(declared(&UPLOAD))
    };
    uploads
        .one(change(Method::PUT))
        .one(change(Method::PATCH))
        .one(
            Operation::new(
                Method::DELETE,
                "Deletes a file, and the contents that show it when these are named: that takes the permission to delete contents.",
                destroy,
            )
            .only(MAY_DELETE)
            .about(find_upload)
            .looks_at(&[Parameter::new(
                "contents",
                "The numbers of the contents that show it and go with it, comma-separated.",
                Takes::Text,
            )])
            .may_answer(
                StatusCode::CONFLICT,
                "Contents show it that were not named, or a course of somebody else does.",
            )
            .without_answer(),
        )
}

async fn change(call: Call) -> Result<Answer> {
    let person = call.person()?;
    let write = call.app.write().await?;
    hold_files(&write, &[call.id]).await?;
    let held = UploadRow::new(get_own_file(&*write, person, call.id).await?, person);
    let name = call.given.judge_change(&UPLOAD, &held, |given| {
        let name = given.text("name").unwrap_or(&held.view.upload.name).trim();
        let problems: Problems = name_problems(name);
        if problems.is_empty() {
            Ok(name.to_owned())
        } else {
            Err(problems)
        }
    })?;
    call.unchanged(&UPLOAD, &held)?;
    rename_in(&write, person, call.id, &name).await?;
    let view = get_own_file(&*write, person, call.id).await?;
    write.commit().await?;
    call.one(&UPLOAD, &UploadRow::new(view, person))
}

async fn destroy(call: Call) -> Result<Answer> {
    let person = call.person()?;
    let named = named(&call)?;
    let mut write = call.app.write().await?;
    let is_hers = call.object::<UploadRow>()?.view.upload.owner_id == person.id;
    if !is_hers && person.may(DELETE_UPLOAD) {
        return destroy_for_others(&call, write, &named).await;
    }
    let files = store::list_own(&*write, person.id, &[call.id]).await?;
    if files.is_empty() {
        return Err(Error::NotFound);
    }
    let losing = hold_losing(&call.app, &write, &files).await?;
    require_hers(&write, person, &losing).await?;
    // Read again, since it is held only now.
    let view = get_own_file(&*write, person, call.id).await?;
    call.unchanged(&UPLOAD, &UploadRow::new(view, person))?;
    if !losing.shows.is_subset(&named) {
        return Err(not_named(&losing.shows));
    }
    delete_files(&call.app, &mut write, &call.by()?, &files, losing).await?;
    write.commit().await?;
    Ok(Answer::nothing())
}

/// Deletes a file of somebody else, as the admin site does; a line of a room that shows it stays without it.
async fn destroy_for_others(
    call: &Call,
    mut write: Write,
    named: &BTreeSet<i64>,
) -> Result<Answer> {
    let found = upload::Entity::find_by_id(call.id).one(&*write).await?;
    let files = [found.ok_or(Error::NotFound)?];
    let losing = hold_losing(&call.app, &write, &files).await?;
    let view = get_file(&*write, call.id).await?;
    call.unchanged(&UPLOAD, &UploadRow::new(view, call.person()?))?;
    if !losing.shows.is_subset(named) {
        return Err(not_named(&losing.shows));
    }
    let told = upload_facts(&*write, call.id).await?;
    take_out_of_room(&write, call.id).await?;
    let by = call.by()?;
    delete_files(&call.app, &mut write, &by, &files, losing).await?;
    let line = Done {
        act: "delete",
        kind: "upload",
        id: call.id,
        before: told.as_ref(),
        after: None,
    };
    record(&write, &by, line).await?;
    write.commit().await?;
    Ok(Answer::nothing())
}

/// Told when contents would go that were not named: which, as the parameter takes them.
fn not_named(shows: &BTreeSet<i64>) -> Error {
    if shows.len() > MOST {
        return Error::Conflict(format!(
            "{} contents show this file and would go with it: more than one call deletes. Delete some of them first.",
            shows.len()
        ));
    }
    let names: Vec<String> = shows.iter().map(i64::to_string).collect();
    Error::Conflict(format!(
        "Contents show this file and would go with it. If you mean that, name them: ?contents={}",
        names.join(",")
    ))
}

fn named(call: &Call) -> Result<BTreeSet<i64>> {
    let text = call.parameter("contents").unwrap_or_default();
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let numbers: Result<BTreeSet<i64>, _> = parts.take(MOST + 1).map(str::parse).collect();
    numbers
        .ok()
        .filter(|numbers| numbers.len() <= MOST)
        .ok_or_else(|| {
            Error::invalid(
                "contents",
                "Numbers of contents are expected here, such as 3,7.",
            )
        })
}
