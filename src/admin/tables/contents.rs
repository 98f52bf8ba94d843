//! Everybody's contents: a list, and the way to their editor.

use super::who;
use crate::admin::table::{Cell, Column, Filter, Filtered, List, Look, Row, Table, containing};
use crate::entities::item::ItemKind;
use crate::entities::{content, course, item, module, upload};
use crate::error::Result;
use crate::web::permissions::admin;
use sea_orm::{
    ActiveEnum as _, ColumnTrait, Condition, EntityTrait, JoinType, QueryFilter, QuerySelect,
    RelationTrait,
};
use std::collections::HashMap;
use std::sync::LazyLock;

/// `/admin/contents/`
pub static TABLE: LazyLock<Table> = LazyLock::new(|| Table {
    kind: "content",
    one: "content",
    many: "contents",
    title: "Contents",
    path: "/admin/contents/",
    lead: "What stands in the modules of all courses. Staff open each in its editor.",
    searched: "Title",
    view: admin::VIEW_COURSE,
    columns: vec![
        Column::new("Title").sorts("title"),
        Column::new("Kind").sorts("kind"),
        Column::new("Course").sorts("course"),
        Column::new("Module"),
        Column::new("File"),
        Column::new("Changed").sorts("changed"),
    ],
    filters: vec![
        Filter {
            name: "kind",
            label: "Kind",
            by: Filtered::By(&[
                ("text", "Text"),
                ("file", "File"),
                ("image", "Image"),
                ("video", "Video"),
                ("audio", "Audio"),
            ]),
        },
        Filter {
            name: "course",
            label: "Course",
            by: Filtered::Typed("Address or number"),
        },
    ],
    usual: "-changed",
    list: Box::new(list()),
    csv: &["id", "title", "kind", "course", "module", "file"],
    editing: None,
    actions: Vec::new(),
    facts: |_, _| Box::pin(std::future::ready(Ok(None))),
    ways: &[],
    heads: &[],
    none: "Teachers put them into the modules of their courses.",
});

fn list() -> List<content::Entity> {
    List {
        select: || {
            content::Entity::find()
                .join(JoinType::InnerJoin, content::Relation::Item.def())
                .join(JoinType::InnerJoin, content::Relation::Module.def())
                .join(JoinType::InnerJoin, module::Relation::Course.def())
        },
        id: content::Column::Id,
        search: |word| Condition::all().add(containing(item::Column::Title, word)),
        filter: |name, value| match name {
            "kind" => {
                let kind = ItemKind::try_from_value(&value.to_owned()).ok()?;
                Some(Condition::all().add(item::Column::Kind.eq(kind)))
            }
            "course" => Some(who::of_course(module::Column::CourseId, value)),
            _ => None,
        },
        sort: |name| match name {
            "title" => Some(item::Column::Title.into_expr()),
            "kind" => Some(item::Column::Kind.into_expr()),
            "course" => Some(course::Column::Title.into_expr()),
            "changed" => Some(item::Column::UpdatedAt.into_expr()),
            _ => None,
        },
        dress: |look, rows| Box::pin(dress(look, rows)),
    }
}

async fn dress(look: &Look, rows: Vec<content::Model>) -> Result<Vec<Row>> {
    let db = look.app.db.read();
    let items = item::Entity::find()
        .filter(item::Column::Id.is_in(rows.iter().map(|row| row.item_id)))
        .find_also_related(upload::Entity)
        .all(db)
        .await?;
    let items: HashMap<i64, (item::Model, Option<upload::Model>)> =
        items.into_iter().map(|found| (found.0.id, found)).collect();
    let modules = module::Entity::find()
        .filter(module::Column::Id.is_in(rows.iter().map(|row| row.module_id)))
        .find_also_related(course::Entity)
        .all(db)
        .await?;
    let modules: HashMap<i64, (module::Model, Option<course::Model>)> = modules
        .into_iter()
        .map(|found| (found.0.id, found))
        .collect();
    let rows = rows.into_iter().filter_map(|row| {
        let (item, upload) = items.get(&row.item_id)?;
        let (module, course) = modules.get(&row.module_id)?;
        let course = course.as_ref()?;
        let kind = item.kind.to_value();
        let file = upload.as_ref().map(|upload| upload.name.clone());
        Some(Row {
            id: row.id,
            name: item.title.clone(),
            path: look.path_for(
                admin::STAFF,
                format!("/course/module/{}/content/{kind}/{}/", module.id, item.id),
            ),
            cells: vec![
                Cell::text(&item.title),
                Cell::text(&kind),
                Cell::link(
                    look,
                    admin::VIEW_COURSE,
                    &course.title,
                    format!("/admin/courses/{}/", course.id),
                ),
                Cell::text(&module.title),
                upload.as_ref().map_or(Cell::Empty, super::uploads::state),
                Cell::time(Some(item.updated_at), look),
            ],
            csv: vec![
                row.id.to_string(),
                item.title.clone(),
                kind,
                course.slug.clone(),
                module.title.clone(),
                file.unwrap_or_default(),
            ],
        })
    });
    Ok(rows.collect())
}
