//! A course as lists show it: cover, subject, title, teacher, and what there is in it.

use super::figures;
use crate::entities::{course, subject};
use crate::error::Result;
use crate::web::cover::{cover_svg, subject_class};
use crate::web::text;
use askama::filters::Safe;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use std::collections::HashMap;

/// One course of a list.
pub struct Card {
    /// Its address is `/course/<slug>/`.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// Title of its subject.
    pub subject: String,
    /// The class that brings its subject's color.
    pub subject_class: String,
    /// Name of its teacher.
    pub teacher: String,
    /// The drawing.
    pub cover: Safe<String>,
    /// `6 modules`.
    pub modules: String,
    /// `3 h 10 min` of recordings; none: no such line.
    pub length: Option<String>,
    /// How far the visitor is in it, 0-100, when she is enrolled.
    pub percent: Option<i64>,
}

/// The place of a subject in the order of colors.
pub fn color_of(subject_id: i64) -> usize {
    usize::try_from(subject_id - 1).unwrap_or(0)
}

/// The courses with these ids, in that order; `visitor_id` is whoever is logged in. Five queries at most.
pub async fn list_cards(
    db: &impl ConnectionTrait,
    ids: &[i64],
    visitor_id: Option<i64>,
) -> Result<Vec<Card>> {
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
    let percents = match visitor_id {
        Some(id) => figures::progress_percent(db, id, ids).await?,
        None => HashMap::new(),
    };
    let mut cards: HashMap<i64, Card> = HashMap::new();
    for (course, subject) in rows {
        let color = color_of(course.subject_id);
        let card = Card {
            subject: subject.map(|subject| subject.title).unwrap_or_default(),
            subject_class: subject_class(color),
            teacher: names.get(&course.owner_id).cloned().unwrap_or_default(),
            cover: Safe(cover_svg(&course.slug, color, "")),
            modules: text::count(
                modules.get(&course.id).copied().unwrap_or(0),
                "module",
                "modules",
            ),
            length: seconds.get(&course.id).map(|seconds| text::span(*seconds)),
            percent: percents.get(&course.id).copied(),
            slug: course.slug,
            title: course.title,
        };
        cards.insert(course.id, card);
    }
    Ok(ids.iter().filter_map(|id| cards.remove(id)).collect())
}
