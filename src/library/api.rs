//! What programs do with files besides looking at them: giving them other names, and deleting them.

use super::deletion::{delete_files, hold_losing};
use super::pages::name_problems;
use super::store;
use crate::error::{Error, Problems, Result};
use crate::holds;
use crate::media::{UPLOAD, UploadRow, find_upload, get_own_file, hold_files, rename_in};
use crate::web::rest::{
    Answer, Call, IS_OWNER, Operation, Parameter, Resource, Rule, Takes, declared,
};
use axum::http::{Method, StatusCode};
use std::collections::BTreeSet;

/// Its owner, while the places of a teacher are open to her.
const MAY_CHANGE: Rule = Rule::All(&[holds!(VIEW_COURSE), IS_OWNER]);

/// Contents that one call may name.
const MOST: usize = 1_000;

/// Adds to the uploads what their owners do with them.
pub fn with_library(uploads: Resource) -> Resource {
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
                "Deletes a file, and the contents that show it when these are named.",
                destroy,
            )
            .only(MAY_CHANGE)
            .about(find_upload)
            .looks_at(&[Parameter::new(
                "contents",
                "The numbers of the contents that show it and go with it, comma-separated.",
                Takes::Text,
            )])
            .may_answer(
                StatusCode::CONFLICT,
                "Contents show it that were not named.",
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
    let files = store::list_own(&*write, person.id, &[call.id]).await?;
    if files.is_empty() {
        return Err(Error::NotFound);
    }
    let losing = hold_losing(&call.app, &write, &files).await?;
    // Read again, since it is held only now.
    let view = get_own_file(&*write, person, call.id).await?;
    call.unchanged(&UPLOAD, &UploadRow::new(view, person))?;
    if !losing.shows.is_subset(&named) {
        return Err(not_named(&losing.shows));
    }
    delete_files(&call.app, &mut write, &files, losing).await?;
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
