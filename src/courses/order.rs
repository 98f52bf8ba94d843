//! The two endpoints that put modules and contents into an order: `{"<id>": <order>, ...}`.
//!
//! All of it happens or nothing. Some of the ids are enough; the others keep their places.

use super::facts::{facts_for_others, log_for_others};
use super::logged::Contents;
use super::store;
use crate::app::App;
use crate::db::Write;
use crate::entities::{content, course, module};
use crate::error::{Error, Result};
use crate::web::audit::{By, Via};
use crate::web::csrf::FORM_LIMIT_BYTES;
use crate::web::identity::{Person, Visitor};
use crate::web::permissions::{CHANGE_CONTENT, CHANGE_MODULE, require};
use crate::web::sessions::Device;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use sea_orm::sea_query::{CaseStatement, Expr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect,
    RelationTrait,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// No course has so many parts; SQLite takes 32,766 values in a statement.
const MOST_PLACES: usize = 10_000;

/// Places in one statement; each is three values of it.
const AT_ONCE: usize = 500;

/// Id -> place from 0.
pub(super) type Places = BTreeMap<i64, i64>;

/// `POST /course/module/order/`
pub async fn modules(
    State(app): State<App>,
    visitor: Visitor,
    device: Device,
    body: Body,
) -> Result<Json<Value>> {
    let person = visitor.0.ok_or(Error::forbidden())?;
    let places = read(body).await?;
    let write = app.write().await?;
    let ids: Vec<i64> = places.keys().copied().collect();
    let courses: Vec<(i64, i64)> = module::Entity::find()
        .select_only()
        .column(module::Column::Id)
        .column(module::Column::CourseId)
        .filter(module::Column::Id.is_in(ids.iter().copied()))
        .into_tuple()
        .all(&*write)
        .await?;
    let courses = own_courses(&*write, &person, CHANGE_MODULE, places.len(), &courses).await?;
    let by = By::person(&person, Via::Page, device.address, app.clock.now());
    let mut written = Vec::new();
    for course in courses {
        store::touch(&app, &write, course.id).await?;
        let told = facts_for_others(&write, &by, &course).await?;
        written.push((course.id, told));
    }
    set_module_places(&write, places).await?;
    for (id, told) in written {
        log_for_others(&write, &by, "change", id, told.as_ref()).await?;
    }
    write.commit().await?;
    Ok(saved())
}

/// `POST /course/content/order/`
pub async fn contents(
    State(app): State<App>,
    visitor: Visitor,
    device: Device,
    body: Body,
) -> Result<Json<Value>> {
    let person = visitor.0.ok_or(Error::forbidden())?;
    let places = read(body).await?;
    let write = app.write().await?;
    let ids: Vec<i64> = places.keys().copied().collect();
    let rows: Vec<(i64, i64, i64)> = content::Entity::find()
        .select_only()
        .column(content::Column::Id)
        .column(module::Column::CourseId)
        .column(module::Column::Id)
        .join(JoinType::InnerJoin, content::Relation::Module.def())
        .filter(content::Column::Id.is_in(ids.iter().copied()))
        .into_tuple()
        .all(&*write)
        .await?;
    let courses: Vec<(i64, i64)> = rows.iter().map(|row| (row.0, row.1)).collect();
    let courses = own_courses(&*write, &person, CHANGE_CONTENT, places.len(), &courses).await?;
    let by = By::person(&person, Via::Page, device.address, app.clock.now());
    for course in courses {
        store::touch(&app, &write, course.id).await?;
    }
    let modules: BTreeSet<i64> = rows.iter().map(|row| row.2).collect();
    let logged = Contents::places(&write, &by, &Vec::from_iter(modules)).await?;
    set_content_places(&write, places).await?;
    logged.log(&write, &by, "change").await?;
    write.commit().await?;
    Ok(saved())
}

/// Puts modules into these places; their course is held.
pub(super) async fn set_module_places(write: &Write, places: Places) -> Result<()> {
    use module::{Column, Entity};
    set_places::<Entity>(write, Column::Id, Column::Order, places).await
}

/// Puts contents into these places; their course is held.
pub(super) async fn set_content_places(write: &Write, places: Places) -> Result<()> {
    use content::{Column, Entity};
    set_places::<Entity>(write, Column::Id, Column::Order, places).await
}

/// One statement to look and one to write for [`AT_ONCE`] rows: whoever writes a row at a time keeps everybody else
/// waiting for as many round trips.
async fn set_places<E: EntityTrait>(
    write: &Write,
    id: E::Column,
    order: E::Column,
    places: Places,
) -> Result<()> {
    let places: Vec<(i64, i64)> = places.into_iter().collect();
    for part in places.chunks(AT_ONCE) {
        let held: BTreeSet<(i64, i64)> = E::find()
            .select_only()
            .column(id)
            .column(order)
            .filter(id.is_in(part.iter().map(|(id, _)| *id)))
            .into_tuple::<(i64, i64)>()
            .all(&**write)
            .await?
            .into_iter()
            .collect();
        let moved: Vec<(i64, i64)> = part
            .iter()
            .copied()
            .filter(|place| !held.contains(place))
            .collect();
        if moved.is_empty() {
            continue;
        }
        let mut place = CaseStatement::new();
        for (row, at) in &moved {
            place = place.case(id.eq(*row), *at);
        }
        E::update_many()
            .col_expr(order, place.finally(Expr::col(order)).into())
            .filter(id.is_in(moved.iter().map(|(row, _)| *row)))
            .exec(&**write)
            .await?;
    }
    Ok(())
}

/// What older scripts wait for.
fn saved() -> Json<Value> {
    Json(json!({"saved": "OK"}))
}

/// The courses concerned, held, lowest number first, so that two requests wait for each other rather than lock up.
///
/// # Errors
/// [`Error::NotFound`] unless every asked id was found, in a course that is hers.
async fn own_courses(
    db: &impl ConnectionTrait,
    person: &Person,
    permission: &str,
    asked: usize,
    found: &[(i64, i64)],
) -> Result<Vec<course::Model>> {
    if found.len() != asked {
        return Err(Error::NotFound);
    }
    let course_ids: BTreeSet<i64> = found.iter().map(|(_, course_id)| *course_id).collect();
    let courses = course::Entity::find()
        .filter(course::Column::Id.is_in(course_ids.iter().copied()))
        .order_by_asc(course::Column::Id)
        .lock_exclusive()
        .all(db)
        .await?;
    let are_hers = courses.len() == course_ids.len()
        && courses.iter().all(|course| store::is_owned(course, person));
    if !are_hers {
        return Err(Error::NotFound);
    }
    require(person, permission)?;
    Ok(courses)
}

/// Reads the body whatever its type says: older scripts name none.
async fn read(body: Body) -> Result<Places> {
    let bytes = axum::body::to_bytes(body, FORM_LIMIT_BYTES)
        .await
        .map_err(|_| Error::TooLarge("This request takes up to 1 MB.".into()))?;
    parse(&bytes)
}

/// # Errors
/// [`Error::BadRequest`] for what is no such object.
pub(super) fn parse(bytes: &[u8]) -> Result<Places> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|e| Error::BadRequest(format!("JSON parse error - {e}")))?;
    places(&value)
}

fn places(value: &Value) -> Result<Places> {
    let refused = || {
        Error::BadRequest(
            "An object is expected that gives each id its place from 0, such as {\"7\": 0, \"4\": 1}."
                .into(),
        )
    };
    let object = value.as_object().ok_or_else(refused)?;
    if object.len() > MOST_PLACES {
        return Err(Error::BadRequest(format!(
            "Up to {MOST_PLACES} places can be given at once."
        )));
    }
    let mut places = Places::new();
    for (key, order) in object {
        let is_id = !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit());
        let order = order.as_i64().filter(|order| *order >= 0);
        let (true, Some(order)) = (is_id, order) else {
            return Err(refused());
        };
        // More digits than an id has: there is no such thing.
        let id = key.parse().map_err(|_| Error::NotFound)?;
        if places.insert(id, order).is_some() {
            return Err(refused());
        }
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::places;
    use crate::error::Error;
    use serde_json::json;

    #[test]
    fn places_are_ids_with_whole_numbers_from_zero() {
        let read = places(&json!({"7": 0, "4": 1})).unwrap();
        assert_eq!(read.into_iter().collect::<Vec<_>>(), [(4, 1), (7, 0)]);
        assert!(places(&json!({})).unwrap().is_empty());
    }

    #[test]
    fn anything_else_is_refused_with_a_sentence() {
        for bad in [
            json!([]),
            json!(null),
            json!("7"),
            json!({"7": -1}),
            json!({"7": 1.5}),
            json!({"7": "1"}),
            json!({"7": null}),
            json!({"7": true}),
            json!({"7": {"order": 1}}),
            json!({"7": u64::MAX}),
            json!({"x": 1}),
            json!({"": 1}),
            json!({"-7": 1}),
            json!({"+7": 1}),
            json!({"7": 1, "07": 2}),
        ] {
            let answer = places(&bad);
            assert!(
                matches!(answer, Err(Error::BadRequest(_))),
                "{bad}: {answer:?}"
            );
        }
        let huge = places(&json!({"99999999999999999999": 1}));
        assert!(matches!(huge, Err(Error::NotFound)));
    }
}
