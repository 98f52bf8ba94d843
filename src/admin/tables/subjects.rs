//! Subjects.

use crate::admin::table::{
    Action, Cell, Column, Control, Doing, Editing, Entry, List, Look, Row, Table, containing,
};
use crate::courses::{self, SubjectChange};
use crate::db::Write;
use crate::entities::{course, subject};
use crate::error::{Error, Result};
use crate::web::audit::Facts;
use crate::web::form::Form;
use crate::web::permissions::admin;
use futures::future::BoxFuture;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect};
use std::collections::HashMap;
use std::sync::LazyLock;

/// `/admin/subjects/`
pub static TABLE: LazyLock<Table> = LazyLock::new(|| Table {
    kind: "subject",
    one: "subject",
    many: "subjects",
    title: "Subjects",
    path: "/admin/subjects/",
    lead: "The fields of study under which courses stand in the catalogue.",
    searched: "Title or address",
    view: admin::VIEW_SUBJECT,
    columns: vec![
        Column::new("Title").sorts("title"),
        Column::new("Address").sorts("slug"),
        Column::new("Courses").number(),
    ],
    filters: vec![],
    usual: "title",
    list: Box::new(List::<subject::Entity> {
        select: subject::Entity::find,
        id: subject::Column::Id,
        search: |word| {
            Condition::any()
                .add(containing(subject::Column::Title, word))
                .add(containing(subject::Column::Slug, word))
        },
        filter: |_, _| None,
        sort: |name| match name {
            "title" => Some(subject::Column::Title.into_expr()),
            "slug" => Some(subject::Column::Slug.into_expr()),
            _ => None,
        },
        dress: |look, rows| Box::pin(dress(look, rows)),
    }),
    csv: &["id", "title", "slug", "courses"],
    editing: Some(Editing {
        entries: |_, _| Box::pin(std::future::ready(Ok(entries()))),
        values: |look, id| Box::pin(values(look, id)),
        prepare: None,
        hold: Some(|write, _, id| Box::pin(hold(write, id))),
        save: |doing, id| Box::pin(save(doing, id)),
        add: Some(admin::ADD_SUBJECT),
        change: admin::CHANGE_SUBJECT,
        closed: None,
    }),
    actions: vec![Action {
        name: "delete",
        label: "Delete",
        icon: "trash-2",
        permission: admin::DELETE_SUBJECT,
        is_danger: true,
        is_for_many: true,
        words: "A subject under which courses stand is not deleted: move them first. This cannot be undone.",
        entries: Vec::new,
        prepare: None,
        act: |doing, id| Box::pin(delete(doing, id)),
    }],
    facts: |write, id| facts(write, id),
    ways: &[(
        "Its courses",
        "book-open",
        "/admin/courses/?subject={id}",
        admin::VIEW_COURSE,
    )],
    heads: &[],
    none: "Add one, so that courses can be made under it.",
});

fn entries() -> Vec<Entry> {
    vec![
        Entry::new("title", "Title", Control::Line(200)),
        Entry::new("slug", "Address", Control::Slug("title"))
            .hint("The end of its address in the catalogue: letters, digits, - and _. Left empty, it is made from the title."),
    ]
}

async fn dress(look: &Look, rows: Vec<subject::Model>) -> Result<Vec<Row>> {
    let ids = rows.iter().map(|row| row.id);
    let counts: Vec<(i64, i64)> = course::Entity::find()
        .select_only()
        .column(course::Column::SubjectId)
        .column_as(course::Column::Id.count(), "number")
        .filter(course::Column::SubjectId.is_in(ids))
        .group_by(course::Column::SubjectId)
        .into_tuple()
        .all(look.app.db.read())
        .await?;
    let counts: HashMap<i64, i64> = counts.into_iter().collect();
    let rows = rows.into_iter().map(|row| {
        let courses = counts.get(&row.id).copied().unwrap_or(0);
        Row {
            id: row.id,
            name: row.title.clone(),
            path: String::new(),
            cells: vec![
                Cell::text(&row.title),
                Cell::text(&row.slug),
                Cell::number(courses),
            ],
            csv: vec![row.id.to_string(), row.title, row.slug, courses.to_string()],
        }
    });
    Ok(rows.collect())
}

async fn values(look: &Look, id: i64) -> Result<Form> {
    let found = subject::Entity::find_by_id(id).one(look.app.db.read());
    let row = found.await?.ok_or(Error::NotFound)?;
    Ok(Form::from_pairs(vec![
        ("title".into(), row.title),
        ("slug".into(), row.slug),
    ]))
}

async fn hold(write: &Write, id: i64) -> Result<()> {
    courses::hold_subject(write, id).await?;
    Ok(())
}

async fn save(doing: Doing<'_>, id: Option<i64>) -> Result<i64> {
    let change = SubjectChange::read(doing.form.get("title"), doing.form.get("slug"));
    let change = change.map_err(Error::Invalid)?;
    let row = courses::save_subject(doing.write, id, change).await?;
    Ok(row.id)
}

async fn delete(doing: Doing<'_>, id: i64) -> Result<()> {
    courses::hold_subject(doing.write, id).await?;
    courses::delete_subject(doing.write, id).await
}

fn facts(write: &Write, id: i64) -> BoxFuture<'_, Result<Option<Facts>>> {
    Box::pin(async move { courses::subject_facts(&**write, id).await })
}
