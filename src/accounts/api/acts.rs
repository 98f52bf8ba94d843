//! What is done with accounts besides changing their fields: by somebody with her own (password, sessions, her mail
//! address), and by those who run the site with those of others.

use super::changing::{require_no_key, require_no_key_for_rights};
use super::users::{UserRow, find_me, find_user};
use crate::accounts::confirmation::{keep_address, send_again};
use crate::accounts::settings::check_present;
use crate::accounts::{
    ChangedBy, by_staff, check_password, devices, set_password, store, user_facts,
};
use crate::db::Write;
use crate::entities::session;
use crate::error::{Error, Result};
use crate::runs;
use crate::web::audit::{Done, record};
use crate::web::rest::{
    Access, Answer, Call, Cell, Declared, FIELDS, Field, IS_AUTHENTICATED, Kind, Operation,
    Resource, declared,
};
use crate::web::scopes::Scope;
use crate::web::sessions;
use axum::http::{Method, StatusCode};
use futures::future::BoxFuture;

/// A session, and whether it is the one by which the caller asks.
struct SessionRow {
    row: session::Model,
    is_this: bool,
}

const SESSION: [Field<SessionRow>; 7] = [
    Field::new("id", Kind::Integer, "Its number.", |view| {
        Cell::Integer(view.row.id)
    }),
    Field::new(
        "device",
        Kind::Text,
        "What the browser says that it is.",
        |view| Cell::Text(devices::words(&view.row.user_agent).into()),
    ),
    Field::new("address", Kind::Text, "From where.", |view| {
        Cell::text(&view.row.address)
    }),
    Field::new(
        "is_this",
        Kind::Boolean,
        "Whether you ask by it now.",
        |view| Cell::Boolean(view.is_this),
    ),
    Field::new("created", Kind::Time, "When you logged in.", |view| {
        Cell::Time(view.row.created_at)
    }),
    Field::new("last_seen", Kind::Time, "When it was last used.", |view| {
        Cell::Time(view.row.last_seen_at)
    }),
    Field::new("expires", Kind::Time, "When it ends by itself.", |view| {
        Cell::Time(view.row.expires_at)
    }),
];

const OWN_PASSWORD: [Declared; 2] = [
    Declared::taken(
        "old_password",
        Kind::Secret,
        Access::Required,
        "The one that you log in with now.",
    ),
    Declared::taken(
        "new_password",
        Kind::Secret,
        Access::Required,
        "At least 8 characters.",
    ),
];

const PASSWORD: [Declared; 1] = [Declared::taken(
    "password",
    Kind::Secret,
    Access::Required,
    "At least 8 characters. Tell it to them by a way that you trust; they can change it.",
)];

const WHICH_SESSION: [Declared; 2] = [
    Declared::taken(
        "session",
        Kind::Integer,
        Access::Optional,
        "The number of a session.",
    ),
    Declared::taken(
        "all",
        Kind::Boolean,
        Access::Optional,
        "true: all but the one by which you ask.",
    ),
];

/// Adds to the accounts what somebody does with her own.
pub(super) fn with_own_acts(users: Resource) -> Resource {
    let act = |about, handle: fn(Call) -> BoxFuture<'static, Result<Answer>>| {
        Operation::new(Method::POST, about, handle)
            .only(IS_AUTHENTICATED)
            .within(Scope::Admin)
            .without_answer()
    };
    let users = users.action_on_all(
        "me/password",
        "Password",
        "Another password for yourself. All your sessions end: log in again. Wrong guesses count as failed log-ins.",
        act("Changes your password.", |call| Box::pin(change_password(call)))
            .takes(OWN_PASSWORD.to_vec()),
    );
    users
        .action_on_all(
            "me/sessions",
            "Sessions",
            "Where you are logged in by a browser.",
            Operation::new(Method::GET, "Lists your sessions, the one used last first.", list_sessions)
                .only(IS_AUTHENTICATED)
                .within(Scope::Admin)
                .list()
                .looks_at(&[FIELDS])
                .answers(declared(&SESSION)),
        )
        .action_on_all(
            "me/sessions/end",
            "End sessions",
            "Ends one of your sessions, or all others.",
            act("Ends sessions of yours.", |call| Box::pin(end_own_sessions(call)))
                .takes(WHICH_SESSION.to_vec()),
        )
        .action_on_all(
            "me/confirm",
            "Confirm",
            "The link that confirms your mail address, or the one that you want to have.",
            act("Sends the link once more; where there is nothing to confirm it sends nothing. The body is ignored.", |call| {
                Box::pin(confirm(call))
            })
            .may_answer(StatusCode::CONFLICT, "This site sends no mail."),
        )
        .at(
            "/api/users/me/confirm/",
            Operation::new(
                Method::DELETE,
                "Your address stays as it is: links that were sent do nothing any more.",
                keep,
            )
            .only(IS_AUTHENTICATED)
            .within(Scope::Admin)
            .about(find_me)
            .without_version()
            .without_answer(),
        )
}

/// Adds to the accounts what those who run the site do with those of others.
pub(super) fn with_acts(users: Resource) -> Resource {
    let act = |about, handle: fn(Call) -> BoxFuture<'static, Result<Answer>>| {
        Operation::new(Method::POST, about, handle)
            .only(runs!(CHANGE_USER))
            .within(Scope::Admin)
            .about(find_user)
            .without_answer()
    };
    users
        .action(
            "password",
            "Password",
            "Gives somebody another password. Their sessions end everywhere. Not by a token.",
            act("Sets the password.", |call| Box::pin(give_password(call)))
                .takes(PASSWORD.to_vec()),
        )
        .action(
            "end-sessions",
            "End sessions",
            "Logs somebody out in every browser; they can log in again at once.",
            act("Ends the sessions; the body is ignored.", |call| {
                Box::pin(end_sessions(call))
            }),
        )
        .action(
            "reset-two-factor",
            "Reset two-factor log-in",
            "For whoever has lost phone and recovery codes: the password alone logs them in then, and their sessions end. Not by a token.",
            act("Resets it; the body is ignored.", |call| {
                Box::pin(reset_two_factor(call))
            })
            .may_answer(StatusCode::CONFLICT, "It is your own: that takes a code, on its page."),
        )
}

/// Told of a session that is none, or another's.
const NO_SESSION: &str = "You have no session of this number: it may have ended already.";

async fn change_password(call: Call) -> Result<Answer> {
    let person = call.person()?;
    require_no_key(person)?;
    let given = call.given.checked()?;
    let typed = |name: &str| given.text(name).unwrap_or_default();
    let (old, new) = (typed("old_password"), typed("new_password"));
    let mut problems = check_present(&call.app, person, old, call.address()).await?;
    check_password(new, &person.username, "new_password", &mut problems);
    problems.into_result()?;
    let hash = call.app.passwords.hash(new).await?;
    let mut write = call.app.write().await?;
    let by = ChangedBy::Herself;
    set_password(&call.app, &mut write, person.id, hash, by).await?;
    write.commit().await?;
    Ok(Answer::nothing())
}

async fn list_sessions(call: Call) -> Result<Answer> {
    let person = call.person()?;
    require_no_key(person)?;
    let (db, now) = (call.app.db.read(), call.app.clock.now());
    let rows = store::list_sessions(db, person.id, now).await?.into_iter();
    let rows: Vec<SessionRow> = rows
        .map(|row| SessionRow {
            is_this: person.session_id == Some(row.id),
            row,
        })
        .collect();
    call.many(&SESSION, &rows)
}

async fn end_own_sessions(call: Call) -> Result<Answer> {
    let person = call.person()?;
    require_no_key(person)?;
    let given = call.given.checked()?;
    let (one, all) = (given.integer("session"), given.flag("all").unwrap_or(false));
    let mut write = call.app.write().await?;
    match (one, all) {
        (None, true) => sessions::end_all(&mut write, person.id, person.session_id).await?,
        (Some(id), false) => match sessions::end(&mut write, person.id, id).await {
            Err(Error::NotFound) => return Err(Error::invalid("session", NO_SESSION)),
            ended => ended?,
        },
        _ => {
            let words = "Name a session, or say all.";
            return Err(Error::invalid("session", words));
        }
    }
    write.commit().await?;
    Ok(Answer::nothing())
}

async fn confirm(call: Call) -> Result<Answer> {
    let person = call.person()?;
    require_no_key(person)?;
    send_again(&call.app, person.id).await?;
    Ok(Answer::nothing())
}

async fn keep(call: Call) -> Result<Answer> {
    let person = call.person()?;
    require_no_key(person)?;
    keep_address(&call.app, person.id).await?;
    Ok(Answer::nothing())
}

async fn give_password(call: Call) -> Result<Answer> {
    let person = call.person()?;
    require_no_key_for_rights(person)?;
    let id = call.object::<UserRow>()?.account.id;
    let password = call.given.checked()?.text("password").unwrap_or_default();
    let hash = by_staff::hash_for(&call.app, id, password).await?;
    let mut write = call.app.write().await?;
    by_staff::give_password(&call.app, &mut write, person, id, hash).await?;
    done(&call, write, "password", id).await
}

async fn end_sessions(call: Call) -> Result<Answer> {
    let id = call.object::<UserRow>()?.account.id;
    let mut write = call.app.write().await?;
    by_staff::end_sessions_of(&mut write, call.person()?, id).await?;
    done(&call, write, "end-sessions", id).await
}

async fn reset_two_factor(call: Call) -> Result<Answer> {
    let person = call.person()?;
    require_no_key_for_rights(person)?;
    let id = call.object::<UserRow>()?.account.id;
    let mut write = call.app.write().await?;
    by_staff::take_two_factor(&call.app, &mut write, person, id).await?;
    done(&call, write, "two-factor", id).await
}

/// Makes it last, with a line in the log by the name that the page's act has there.
async fn done(call: &Call, write: Write, act: &str, id: i64) -> Result<Answer> {
    let facts = user_facts(&*write, id).await?;
    let line = Done {
        act,
        kind: "user",
        id,
        before: facts.as_ref(),
        after: facts.as_ref(),
    };
    record(&write, &call.by()?, line).await?;
    write.commit().await?;
    Ok(Answer::nothing())
}
