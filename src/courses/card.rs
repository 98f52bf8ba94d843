//! A course as lists show it: cover, subject, title, teacher, and what there is in it.

use super::figures;
use crate::entities::{course, subject};
use crate::error::Result;
use crate::web::cover::{cover_svg, subject_class};
use crate::web::shell;
use crate::web::text;
use askama::Template;
use askama::filters::Safe;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// One course of a list, as everybody sees it; its parts are HTML.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Card {
    /// Number of the course.
    pub id: i64,
    /// Its title.
    pub title: String,
    /// Cover, subject, title and teacher.
    pub head: String,
    /// What there is in it.
    pub facts: String,
}

/// What stands above the line that says how far somebody is.
#[derive(Template)]
#[template(path = "courses/card_head.html")]
struct Head<'a> {
    cover: Safe<String>,
    subject_class: String,
    subject: &'a str,
    slug: &'a str,
    title: &'a str,
    teacher: &'a str,
}

/// What stands below it.
#[derive(Template)]
#[template(path = "courses/card_facts.html")]
struct Facts {
    /// `6 modules`.
    modules: String,
    /// `3 h 10 min` of recordings; none: no such line.
    length: Option<String>,
}

/// The place of a subject in the order of colors.
pub fn color_of(subject_id: i64) -> usize {
    usize::try_from(subject_id - 1).unwrap_or(0)
}

/// The courses with these ids, in that order. Four queries at most.
pub async fn list_cards(db: &impl ConnectionTrait, ids: &[i64]) -> Result<Vec<Card>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = course::Entity::find()
        .find_also_related(subject::Entity)
        .filter(course::Column::Id.is_in(ids.iter().copied()))
        .all(db)
        .await?;
    let owners: Vec<i64> = rows.iter().map(|(course, _)| course.owner_id).collect();
    let names = figures::list_names(db, &owners).await?;
    let modules = figures::count_modules(db, ids).await?;
    let seconds = figures::media_seconds(db, ids).await?;
    let mut cards: HashMap<i64, Card> = HashMap::new();
    for (course, subject) in rows {
        let color = color_of(course.subject_id);
        let head = Head {
            cover: Safe(cover_svg(&course.slug, color, "")),
            subject_class: subject_class(color),
            subject: subject.as_ref().map_or("", |subject| &subject.title),
            slug: &course.slug,
            title: &course.title,
            teacher: names.get(&course.owner_id).map_or("", String::as_str),
        };
        let number = modules.get(&course.id).copied().unwrap_or(0);
        let facts = Facts {
            modules: text::count(number, "module", "modules"),
            length: seconds.get(&course.id).map(|seconds| text::span(*seconds)),
        };
        let card = Card {
            id: course.id,
            head: head.render()?,
            facts: facts.render()?,
            title: course.title,
        };
        cards.insert(course.id, card);
    }
    Ok(ids.iter().filter_map(|id| cards.remove(id)).collect())
}
