//! Doing something to a thing of a table: one transaction, in which it is done and logged.

use super::seen::{SEEN, stamp};
use super::{Action, Editing, Look, Table};
use crate::admin::site::Side;
use crate::app::App;
use crate::db::Write;
use crate::error::{Error, Result};
use crate::web::audit::{By, Done, Facts, record};
use crate::web::form::Form;
use crate::web::identity::Person;

/// What is at hand where something is done: who does it, what she typed, and the transaction.
pub struct Doing<'a> {
    /// The site.
    pub app: &'a App,
    /// Who.
    pub person: &'a Person,
    /// The same for the log, for what goes with the thing itself.
    pub by: &'a By,
    /// The transaction, which is committed when all of it has been done.
    pub write: &'a mut Write,
    /// What was typed.
    pub form: &'a Form,
    /// What [`Editing::prepare`] or [`Action::prepare`] made of it.
    pub prepared: &'a str,
}

/// A thing to which something could not be done, and why.
pub struct Refusal {
    /// What it is called.
    pub name: String,
    /// Why.
    pub words: String,
}

/// What came of saving.
pub enum Saved {
    /// It is saved: `add`, `change`, or `same` when that changed nothing.
    Done(&'static str),
    /// Somebody else saved since the form was drawn, and nothing is done; with what stands there now.
    Stale(Form),
}

/// Makes a thing, or changes the one of this number, unless it is another by now than the form was drawn of.
///
/// # Errors
/// [`Error::Invalid`] with all that is wrong, [`Error::NotFound`] when it is gone; then nothing is changed.
pub async fn save(
    table: &Table,
    editing: &Editing,
    look: &Look,
    side: &Side,
    id: Option<i64>,
    form: &Form,
) -> Result<Saved> {
    let prepared = match editing.prepare {
        Some(prepare) => prepare(look, id, form).await?,
        None => String::new(),
    };
    let by = side.by(&look.app);
    let mut write = look.app.write().await?;
    if let (Some(id), Some(hold)) = (id, editing.hold) {
        hold(&write, &look.person, id).await?;
    }
    if let Some(id) = id
        && let Some(stands) = changed_since(editing, look, id, form).await?
    {
        write.rollback().await?;
        return Ok(Saved::Stale(stands));
    }
    let before = match id {
        Some(id) => Some((table.facts)(&write, id).await?.ok_or(Error::NotFound)?),
        None => None,
    };
    let doing = Doing {
        app: &look.app,
        person: &look.person,
        by: &by,
        write: &mut write,
        form,
        prepared: &prepared,
    };
    let saved = (editing.save)(doing, id).await?;
    let after = (table.facts)(&write, saved).await?;
    let done = Done {
        act: if id.is_some() { "change" } else { "add" },
        kind: table.kind,
        id: saved,
        before: before.as_ref(),
        after: after.as_ref(),
    };
    let said = match done.act {
        "change" if done.changes().is_empty() => "same",
        "change" => "change",
        _ => "add",
    };
    record(&write, &by, done).await?;
    write.commit().await?;
    Ok(Saved::Done(said))
}

/// What stands there, when it is not what the form was drawn of. A form that does not say what that was means what it says.
async fn changed_since(
    editing: &Editing,
    look: &Look,
    id: i64,
    form: &Form,
) -> Result<Option<Form>> {
    if !form.has(SEEN) {
        return Ok(None);
    }
    let stands = (editing.values)(look, id).await?;
    let entries = (editing.entries)(look, Some(id)).await?;
    let is_same = stamp(&stands, &entries) == form.get(SEEN);
    Ok((!is_same).then_some(stands))
}

/// Does something to all of these things, or to none of them; answers to how many. Things that are gone by then are
/// passed over.
///
/// # Errors
/// [`Error::Invalid`] when what was typed is wrong.
pub async fn act(
    table: &Table,
    action: &Action,
    look: &Look,
    side: &Side,
    ids: &[i64],
    form: &Form,
) -> Result<Result<usize, Vec<Refusal>>> {
    let only = match ids {
        [id] => Some(*id),
        _ => None,
    };
    let prepared = match action.prepare {
        Some(prepare) => prepare(look, only, form).await?,
        None => String::new(),
    };
    let mut write = look.app.write().await?;
    let by = side.by(&look.app);
    let (mut count, mut refusals) = (0, Vec::new());
    for &id in ids {
        let Some(before) = (table.facts)(&write, id).await? else {
            continue;
        };
        let doing = Doing {
            app: &look.app,
            person: &look.person,
            by: &by,
            write: &mut write,
            form,
            prepared: &prepared,
        };
        match (action.act)(doing, id).await {
            Ok(()) => {
                let after = (table.facts)(&write, id).await?;
                log(table, action, &write, &by, id, (&before, after.as_ref())).await?;
                count += 1;
            }
            Err(error) => refusals.push(refusal(before.name, error)?),
        }
    }
    if !refusals.is_empty() {
        write.rollback().await?;
        return Ok(Err(refusals));
    }
    write.commit().await?;
    Ok(Ok(count))
}

async fn log(
    table: &Table,
    action: &Action,
    write: &Write,
    by: &By,
    id: i64,
    (before, after): (&Facts, Option<&Facts>),
) -> Result<()> {
    let done = Done {
        act: action.name,
        kind: table.kind,
        id,
        before: Some(before),
        after,
    };
    record(write, by, done).await
}

/// What is told of a thing to which it could not be done. What is wrong with the form is of the form, and faults of ours
/// are faults.
fn refusal(name: String, error: Error) -> Result<Refusal> {
    let words = match error {
        Error::Conflict(words) | Error::Gone(words) => words,
        Error::Forbidden(words) => words.to_owned(),
        Error::NotFound => "It is gone.".into(),
        other => return Err(other),
    };
    Ok(Refusal { name, words })
}
