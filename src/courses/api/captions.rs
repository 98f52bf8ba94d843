//! `/api/contents/<id>/captions/`: the captions of a recording, as the panel of its page shows and takes them.

use super::authoring::HERS;
use super::contents::find_content;
use crate::courses::captions::{Recording, has_captions, judge};
use crate::courses::store;
use crate::error::{Error, Problems, Result};
use crate::holds;
use crate::media::{self, Language};
use crate::web::rest::{
    Access, Answer, Call, Cell, Declared, FIELDS, Field, Kind, Operation, Parameter, Resource,
    Rule, Takes, declared,
};
use axum::http::{Method, StatusCode};

/// Where it is, as its operations are declared.
const PATH: &str = "/api/contents/{id}/captions/";

const MAY_CHANGE: Rule = Rule::All(&[holds!(CHANGE_CONTENT), HERS]);

/// Captions that are there.
struct CaptionsRow {
    language: String,
    name: String,
    url: String,
}

const CAPTIONS: [Field<CaptionsRow>; 3] = [
    Field::new(
        "language",
        Kind::ShortText(35),
        "Their language, as a tag: en, pt-BR.",
        |row| Cell::text(&row.language),
    ),
    Field::new("name", Kind::Text, "The language in words.", |row| {
        Cell::text(&row.name)
    }),
    Field::new(
        "url",
        Kind::Text,
        "Where they are, in WebVTT: a path of this site.",
        |row| Cell::text(&row.url),
    ),
];

const NEW: [Declared; 2] = [
    Declared::taken(
        "language",
        Kind::ShortText(100),
        Access::Required,
        "Their language: a tag such as en or pt-BR, or its name.",
    ),
    Declared::taken(
        "captions",
        Kind::Text,
        Access::Required,
        "The text of a file in WebVTT or SubRip (srt).",
    ),
];

/// Adds to the contents the captions of recordings.
pub fn with_captions(contents: Resource) -> Resource {
    let gone = "It has no recording, or no captions in this language.";
    contents
        .action(
            "captions",
            "Captions",
            "The captions of a video or recording that was uploaded, one for each language.",
            Operation::new(Method::GET, "Lists the captions of a recording.", list)
                .only(Rule::All(&[holds!(VIEW_CONTENT), HERS]))
                .about(find_content)
                .list()
                .looks_at(&[FIELDS])
                .answers(declared(&CAPTIONS)),
        )
        .at(
            PATH,
            Operation::new(
                Method::POST,
                "Adds captions, in place of those there are in this language; answers all of them.",
                add,
            )
            .only(MAY_CHANGE)
            .about(find_content)
            .takes(NEW.to_vec())
            .list()
            .may_answer(
                StatusCode::CONFLICT,
                "The recording has captions in as many languages as there may be.",
            )
            .answers(declared(&CAPTIONS)),
        )
        .at(
            PATH,
            Operation::new(
                Method::DELETE,
                "Deletes the captions in a language.",
                remove,
            )
            .only(MAY_CHANGE)
            .about(find_content)
            .without_version()
            .looks_at(&[Parameter::new(
                "language",
                "The tag of the language; it has to be named.",
                Takes::Text,
            )])
            .may_answer(StatusCode::NOT_FOUND, gone)
            .without_answer(),
        )
}

/// The recording that a content shows.
async fn recording(call: &Call) -> Result<Recording> {
    let db = call.app.db.read();
    let (content, item, _, course) = store::get_owned_content(db, call.person()?, call.id).await?;
    let upload_id = item.upload_id.filter(|_| has_captions(item.kind));
    Ok(Recording {
        course: course.id,
        content: content.id,
        upload: upload_id.ok_or(Error::NotFound)?,
    })
}

async fn list(call: Call) -> Result<Answer> {
    let recording = recording(&call).await?;
    all(&call, recording.upload).await
}

async fn all(call: &Call, upload_id: i64) -> Result<Answer> {
    let mut files = media::list_files(call.app.db.read(), &[upload_id]).await?;
    let file = files.remove(&upload_id).ok_or(Error::NotFound)?;
    let rows = file.captions().into_iter().map(|found| CaptionsRow {
        language: found.language.to_string(),
        name: found.language.name(),
        url: found.url,
    });
    call.many(&CAPTIONS, &rows.collect::<Vec<_>>())
}

async fn add(call: Call) -> Result<Answer> {
    let recording = recording(&call).await?;
    let (language, captions) = call.given.judge(|given| {
        let text = given.text("captions").unwrap_or_default();
        judge(
            given.text("language").unwrap_or_default(),
            Some(text.as_bytes()),
        )
    })?;
    let (person, by) = (call.person()?, call.by()?);
    recording
        .put_captions(&call.app, person, &by, language, &captions)
        .await?;
    all(&call, recording.upload).await
}

async fn remove(call: Call) -> Result<Answer> {
    let language = call.parameter("language").and_then(Language::read);
    let language = language.ok_or_else(|| {
        Error::Invalid(Problems::of(
            "language",
            "Name the language by its tag, such as en.",
        ))
    })?;
    let recording = recording(&call).await?;
    recording
        .remove_captions(&call.app, call.person()?, &call.by()?, &language)
        .await?;
    Ok(Answer::nothing())
}
