//! Everybody's courses, with their modules within.

use super::course_form::{entries, save, values};
use super::who;
use crate::admin::table::{
    Action, Cell, Choices, Column, Doing, Editing, Filter, Filtered, List, Look, Row, Table,
    containing,
};
use crate::app::App;
use crate::courses::{self, CourseChange};
use crate::db::Write;
use crate::entities::{course, enrollment, module, subject, user};
use crate::error::Result;
use crate::web::audit::Facts;
use crate::web::permissions::admin;
use futures::future::BoxFuture;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QuerySelect,
    RelationTrait,
};
use std::collections::HashMap;
use std::sync::LazyLock;

/// `/admin/courses/`
pub static TABLE: LazyLock<Table> = LazyLock::new(|| Table {
    kind: "course",
    one: "course",
    many: "courses",
    title: "Courses",
    path: "/admin/courses/",
    lead: "Everybody's courses, drafts too.",
    searched: "Title, address or teacher",
    view: admin::VIEW_COURSE,
    columns: vec![
        Column::new("Title").sorts("title"),
        Column::new("Teacher").sorts("teacher"),
        Column::new("Subject").sorts("subject"),
        Column::new("State"),
        Column::new("Modules").number(),
        Column::new("Students").number(),
        Column::new("Changed").sorts("changed"),
    ],
    filters: vec![
        Filter {
            name: "subject",
            label: "Subject",
            by: Filtered::Of(|app| Box::pin(subject_choices(app))),
        },
        Filter {
            name: "draft",
            label: "State",
            by: Filtered::By(&[("no", "Published"), ("yes", "Draft")]),
        },
        Filter {
            name: "teacher",
            label: "Teacher",
            by: Filtered::Typed("User name"),
        },
    ],
    usual: "-changed",
    list: Box::new(list()),
    csv: &[
        "id", "title", "slug", "owner", "subject", "draft", "modules", "students",
    ],
    editing: Some(Editing {
        entries: |look, id| Box::pin(entries(look, id)),
        values: |look, id| Box::pin(values(look, id)),
        prepare: None,
        hold: Some(|write, _, id| Box::pin(hold(write, id))),
        save: |doing, id| Box::pin(save(doing, id)),
        add: Some(admin::ADD_COURSE),
        change: admin::CHANGE_COURSE,
        closed: None,
    }),
    actions: actions(),
    facts: |write, id| facts(write, id),
    ways: &[
        (
            "Open the editor",
            "pencil",
            "/course/{id}/outline/",
            admin::STAFF,
        ),
        (
            "Its students",
            "users",
            "/admin/enrollments/?course={id}",
            admin::VIEW_ENROLLMENT,
        ),
        (
            "Its contents",
            "file-text",
            "/admin/contents/?course={id}",
            admin::VIEW_COURSE,
        ),
    ],
    heads: &[],
    none: "Teachers make them; you can add one for somebody too.",
});

fn list() -> List<course::Entity> {
    List {
        select: || {
            course::Entity::find()
                .join(JoinType::InnerJoin, course::Relation::Owner.def())
                .join(JoinType::InnerJoin, course::Relation::Subject.def())
        },
        id: course::Column::Id,
        search: |word| {
            Condition::any()
                .add(containing(course::Column::Title, word))
                .add(containing(course::Column::Slug, word))
                .add(containing(user::Column::Username, word))
                .add(containing(user::Column::Name, word))
        },
        filter: |name, value| match name {
            "subject" => {
                let id: i64 = value.parse().ok()?;
                Some(Condition::all().add(course::Column::SubjectId.eq(id)))
            }
            "draft" => who::yes_or_no(course::Column::IsDraft, value),
            "teacher" => Some(who::of_user(course::Column::OwnerId, value)),
            _ => None,
        },
        sort: |name| match name {
            "title" => Some(course::Column::Title.into_expr()),
            "teacher" => Some(user::Column::Username.into_expr()),
            "subject" => Some(subject::Column::Title.into_expr()),
            "changed" => Some(course::Column::UpdatedAt.into_expr()),
            _ => None,
        },
        dress: |look, rows| Box::pin(dress(look, rows)),
    }
}

fn actions() -> Vec<Action> {
    let action = Action {
        name: "publish",
        label: "Publish",
        icon: "globe",
        permission: admin::CHANGE_COURSE,
        is_danger: false,
        is_for_many: true,
        words: "Everybody sees it in the catalogue and can enroll.",
        entries: Vec::new,
        prepare: None,
        act: |doing, id| Box::pin(set_draft(doing, id, false)),
    };
    vec![
        action,
        Action {
            name: "withdraw",
            label: "Withdraw",
            icon: "eye-off",
            words: "It becomes a draft: only its teacher and the staff see it. Students stay in it and see it again once it is published.",
            act: |doing, id| Box::pin(set_draft(doing, id, true)),
            ..action
        },
        Action {
            name: "delete",
            label: "Delete",
            icon: "trash-2",
            permission: admin::DELETE_COURSE,
            is_danger: true,
            words: "Its modules, contents and their files go with it, and its students lose it. This cannot be undone.",
            act: |doing, id| Box::pin(delete(doing, id)),
            ..action
        },
    ]
}

/// The subjects, to choose from.
pub async fn subject_choices(app: &App) -> Result<Choices> {
    let subjects = courses::list_subjects(app.db.read()).await?.into_iter();
    Ok(subjects
        .map(|row| (row.id.to_string(), row.title))
        .collect())
}

/// How many there are of something in each of these courses.
async fn count<E: EntityTrait>(
    db: &impl ConnectionTrait,
    course: E::Column,
    ids: &[i64],
) -> Result<HashMap<i64, i64>> {
    let rows: Vec<(i64, i64)> = E::find()
        .select_only()
        .column(course)
        .column_as(course.count(), "number")
        .filter(course.is_in(ids.iter().copied()))
        .group_by(course)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}

async fn dress(look: &Look, rows: Vec<course::Model>) -> Result<Vec<Row>> {
    let db = look.app.db.read();
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let owners = who::usernames(db, rows.iter().map(|row| row.owner_id)).await?;
    let subjects = courses::list_subjects(db).await?.into_iter();
    let subjects: HashMap<i64, String> = subjects.map(|row| (row.id, row.title)).collect();
    let modules = count::<module::Entity>(db, module::Column::CourseId, &ids).await?;
    let students = count::<enrollment::Entity>(db, enrollment::Column::CourseId, &ids).await?;
    let rows = rows.into_iter().map(|row| {
        let of = |map: &HashMap<i64, i64>| map.get(&row.id).copied().unwrap_or(0);
        let owner = owners.get(&row.owner_id).cloned().unwrap_or_default();
        let subject = subjects.get(&row.subject_id).cloned().unwrap_or_default();
        let state = if row.is_draft {
            Cell::State("", "pencil", "Draft".into())
        } else {
            Cell::State("ok", "check", "Published".into())
        };
        let (modules, students) = (of(&modules), of(&students));
        Row {
            id: row.id,
            path: String::new(),
            csv: vec![
                row.id.to_string(),
                row.title.clone(),
                row.slug.clone(),
                owner.clone(),
                subject.clone(),
                row.is_draft.to_string(),
                modules.to_string(),
                students.to_string(),
            ],
            cells: vec![
                Cell::Two(row.title.clone(), row.slug),
                Cell::text(owner),
                Cell::text(subject),
                state,
                Cell::number(modules),
                Cell::number(students),
                Cell::time(Some(row.updated_at), look),
            ],
            name: row.title,
        }
    });
    Ok(rows.collect())
}

async fn hold(write: &Write, id: i64) -> Result<()> {
    courses::hold_any_course(write, id).await?;
    Ok(())
}

async fn set_draft(doing: Doing<'_>, id: i64, is_draft: bool) -> Result<()> {
    let before = courses::hold_any_course(doing.write, id).await?;
    if before.is_draft == is_draft {
        return Ok(());
    }
    let change = CourseChange {
        is_draft,
        ..CourseChange::of(&before)
    };
    courses::update_course(doing.app, doing.write, &before, change).await?;
    Ok(())
}

async fn delete(doing: Doing<'_>, id: i64) -> Result<()> {
    courses::hold_any_course(doing.write, id).await?;
    courses::delete_course(doing.app, doing.write, doing.by, id).await
}

fn facts(write: &Write, id: i64) -> BoxFuture<'_, Result<Option<Facts>>> {
    Box::pin(async move { courses::course_facts(&**write, id).await })
}
