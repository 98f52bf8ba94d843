//! Whether somebody's log-in takes a second step, and what staff may before they have set one up. How it is set up and
//! asked for is the business of `accounts`.

use crate::app::App;
use crate::entities::{second_factor, user};
use crate::error::Result;
use crate::web::identity::Person;
use crate::web::sessions::load_person;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};

/// Whether the log-in of this account asks for a code.
pub async fn is_on(db: &impl ConnectionTrait, user_id: i64) -> Result<bool> {
    let found = second_factor::Entity::find_by_id(user_id)
        .filter(second_factor::Column::ConfirmedAt.is_not_null());
    Ok(found.count(db).await? > 0)
}

/// The person behind an account. Where the site asks it of its staff, they have their rights only with a second factor.
pub async fn load_person_within(app: &App, account: user::Model) -> Result<Person> {
    let db = app.db.read();
    let person = load_person(db, account).await?;
    if app.config.requires_staff_two_factor
        && person.enters_admin()
        && !is_on(db, person.id).await?
    {
        return Ok(person.without_second_factor());
    }
    Ok(person)
}
