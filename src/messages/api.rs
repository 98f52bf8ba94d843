//! `/api/messages/`: what somebody was told; reading and dismissing it. Nobody sees another's.

use super::{dismiss, dismiss_all, store};
use crate::entities::message;
use crate::error::{Error, Result};
use crate::web::rest::{
    Access, Answer, Call, Cell, Declared, FIELDS, Field, IS_AUTHENTICATED, IS_OWNER, Kind, Listing,
    Object, Operation, PARAMETERS, Parameter, Resource, declared, orders_of,
};
use crate::web::scopes::Scope;
use axum::http::Method;
use futures::future::BoxFuture;
use sea_orm::{ActiveEnum as _, ColumnTrait, EntityTrait, QueryFilter};

/// What is answered of a message.
const MESSAGE: [Field<message::Model>; 6] = [
    Field::new("id", Kind::Integer, "Its number.", |row| {
        Cell::Integer(row.id)
    }),
    Field::new("text", Kind::ShortText(250), "What it says.", |row| {
        Cell::text(&row.text)
    }),
    Field::new(
        "level",
        Kind::Choice(&["info", "success", "warning", "error"]),
        "How it is meant.",
        |row| Cell::Text(row.level.to_value().into()),
    ),
    Field::new(
        "link",
        Kind::Text,
        "Where it leads: a path of this site, or empty.",
        |row| Cell::text(&row.link),
    ),
    Field::new(
        "read",
        Kind::Boolean,
        "Whether you have dismissed it.",
        |row| Cell::Boolean(row.is_read),
    ),
    Field::new("created", Kind::Time, "When it was sent.", |row| {
        Cell::Time(row.created_at)
    }),
];

const ORDERS: [(&str, message::Column); 1] = [("id", message::Column::Id)];

const UP_TO: [Declared; 1] = [Declared::taken(
    "up_to",
    Kind::Integer,
    Access::Required,
    "The number of the newest message that you have seen; what came later stays unread.",
)];

/// How many messages are left.
struct Unread(i64);

const UNREAD: [Field<Unread>; 1] = [Field::new(
    "unread",
    Kind::Integer,
    "How many messages are unread now.",
    |left| Cell::Integer(left.0),
)];

impl Object for message::Model {
    fn owner_id(&self) -> Option<i64> {
        Some(self.recipient_id)
    }
}

/// `/api/messages/`
pub fn messages() -> Resource {
    let fields: fn() -> Vec<Declared> = || declared(&MESSAGE);
    Resource::new("messages", "Message", "What you were told, newest first.")
        .all(
            Operation::new(Method::GET, "Lists your messages, newest first.", list)
                .only(IS_AUTHENTICATED)
                .list()
                .looks_at(&PARAMETERS)
                .looks_at(&[
                    Parameter::ordering(&ORDERS),
                    Parameter::flag("unread", "true: those that you have not dismissed."),
                ])
                .answers(fields()),
        )
        .one(
            Operation::new(Method::GET, "One of your messages.", show)
                .only(IS_OWNER)
                .about(find)
                .looks_at(&[FIELDS])
                .answers(fields()),
        )
        .action(
            "dismiss",
            "Dismiss",
            "Marks a message as read, so that pages no longer show it.",
            Operation::new(Method::POST, "Dismisses it; twice is once.", dismiss_one)
                .only(IS_OWNER)
                .within(Scope::Learn)
                .about(find)
                .answers(fields()),
        )
        .action_on_all(
            "dismiss",
            "Dismiss all",
            "Marks everything as read up to a message.",
            Operation::new(
                Method::POST,
                "Dismisses all up to a message.",
                dismiss_up_to,
            )
            .only(IS_AUTHENTICATED)
            .within(Scope::Learn)
            .takes(UP_TO.to_vec())
            .answers(declared(&UNREAD)),
        )
}

async fn list(call: Call) -> Result<Answer> {
    use message::Column;
    let orders = orders_of(&call, &ORDERS, &[], Column::Id)?;
    let mut select = message::Entity::find().filter(Column::RecipientId.eq(call.person()?.id));
    if let Some(is_unread) = call.flag("unread")? {
        select = select.filter(Column::IsRead.eq(!is_unread));
    }
    let listing = Listing {
        select,
        orders,
        fields: &MESSAGE,
        dress: |_, rows| Box::pin(std::future::ready(Ok(rows))),
        kept: None,
    };
    Box::pin(call.list(listing)).await
}

fn find(call: &Call) -> BoxFuture<'_, Result<Box<dyn Object>>> {
    Box::pin(async move {
        let found = message::Entity::find_by_id(call.id)
            .filter(message::Column::RecipientId.eq(call.person()?.id));
        let found = found.one(call.app.db.read()).await?;
        let object: Box<dyn Object> = Box::new(found.ok_or(Error::NotFound)?);
        Ok(object)
    })
}

async fn show(call: Call) -> Result<Answer> {
    call.one(&MESSAGE, call.object::<message::Model>()?)
}

async fn dismiss_one(call: Call) -> Result<Answer> {
    let mut write = call.app.write().await?;
    dismiss(&mut write, call.person()?.id, call.id).await?;
    write.commit().await?;
    let mut row = call.object::<message::Model>()?.clone();
    row.is_read = true;
    call.one(&MESSAGE, &row)
}

async fn dismiss_up_to(call: Call) -> Result<Answer> {
    let up_to = call.given.checked()?.integer("up_to").unwrap_or(0);
    let person_id = call.person()?.id;
    let mut write = call.app.write().await?;
    dismiss_all(&mut write, person_id, up_to).await?;
    let left = store::count_unread(&*write, person_id).await?;
    write.commit().await?;
    call.one(&UNREAD, &Unread(i64::try_from(left).unwrap_or(i64::MAX)))
}
