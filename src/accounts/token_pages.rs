//! The page on which a person makes and revokes the keys of her programs.

use super::tokens::{self, NewToken};
use crate::app::App;
use crate::entities::token;
use crate::error::{Error, Problems, Result};
use crate::web::extract::{Path, Query};
use crate::web::form::{FaultLine, Field, Form, fault_lines_in};
use crate::web::identity::{Person, Student};
use crate::web::scopes::{Scope, Scopes};
use crate::web::shell::{Shell, page, page_with};
use crate::web::{redirect, text};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Deserialize;

/// For how many days a key lasts, as the form offers it; empty is for ever.
const LIFETIMES: [(&str, &str); 6] = [
    ("7", "7 days"),
    ("30", "30 days"),
    ("90", "90 days"),
    ("180", "Half a year"),
    ("365", "A year"),
    ("", "Until I revoke it"),
];
/// What is chosen at first.
const USUAL_LIFETIME: &str = "90";

/// Whether the page is shown after a key was revoked.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Done {
    revoked: String,
}

/// The keys of a person, and the form that makes one.
#[derive(Template)]
#[template(path = "accounts/tokens.html")]
struct TokensPage {
    shell: Shell,
    tokens: Vec<TokenView>,
    name: Field,
    scopes: Field,
    expires: Field,
    faults: Vec<FaultLine>,
    choices: Vec<Choice>,
    is_revoked: bool,
    /// The key that was just made, with its name: shown this once.
    made: Option<Made>,
    /// The address of the site, for the example.
    site_url: String,
}

/// A key that was just made.
struct Made {
    name: String,
    key: String,
}

/// A scope in the form.
struct Choice {
    scope: Scope,
    is_chosen: bool,
}

/// A line of the list.
struct TokenView {
    id: i64,
    name: String,
    /// What it is for, in words.
    scopes: String,
    is_over: bool,
    /// When it was made, last used, and ends: in words, exactly, and for machines.
    made: Moment,
    used: Option<Moment>,
    ends: Option<Moment>,
}

/// A moment as the page shows it.
struct Moment {
    words: String,
    exact: String,
    machine: String,
}

/// Whether a key is to be revoked.
#[derive(Template)]
#[template(path = "accounts/token_revoke.html")]
struct RevokePage {
    shell: Shell,
    id: i64,
    name: String,
}

/// GET `/accounts/tokens/`.
pub async fn list(
    State(app): State<App>,
    Student(person): Student,
    shell: Shell,
    Query(Done { revoked }): Query<Done>,
) -> Result<Response> {
    let form = Form::from_pairs(vec![
        ("expires".to_owned(), USUAL_LIFETIME.to_owned()),
        ("scope".to_owned(), Scope::Read.name().to_owned()),
    ]);
    let mut shown = TokensPage::new(&app, shell, &person, &form, &Problems::new()).await?;
    shown.is_revoked = !revoked.is_empty();
    page(&shown)
}

/// POST `/accounts/tokens/`: makes a key and shows it, this once.
pub async fn create(
    State(app): State<App>,
    Student(person): Student,
    shell: Shell,
    form: Form,
) -> Result<Response> {
    by_session(&person)?;
    match make(&app, &person, &form).await {
        Ok(made) => {
            let form = Form::from_pairs(vec![("expires".to_owned(), USUAL_LIFETIME.to_owned())]);
            let mut shown = TokensPage::new(&app, shell, &person, &form, &Problems::new()).await?;
            shown.made = Some(made);
            page(&shown)
        }
        Err(Error::Invalid(problems)) => {
            let shown = TokensPage::new(&app, shell, &person, &form, &problems).await?;
            page_with(StatusCode::UNPROCESSABLE_ENTITY, &shown)
        }
        Err(other) => Err(other),
    }
}

async fn make(app: &App, person: &Person, form: &Form) -> Result<Made> {
    let mut problems = Problems::new();
    let mut chosen = Vec::new();
    for name in form.all("scope") {
        match Scope::named(name).filter(|scope| is_for(*scope, person)) {
            Some(scope) => chosen.push(scope),
            None => problems.add("scopes", "Choose of the uses that are offered here."),
        }
    }
    let expires_at = match form.text("expires") {
        "" => None,
        days => match tokens::end_after(app.clock.now(), days.parse().unwrap_or(0)) {
            Ok(end) => Some(end),
            Err(Error::Invalid(more)) => {
                problems.extend(more);
                None
            }
            Err(other) => return Err(other),
        },
    };
    let new = NewToken {
        user_id: person.id,
        name: form.text("name").to_owned(),
        scopes: Some(chosen.into_iter().collect()),
        expires_at,
    };
    let name = new.name.clone();
    let write = app.write().await?;
    let key = match tokens::create_token(app, &write, new).await {
        Ok(key) => key,
        Err(Error::Invalid(more)) => {
            problems.extend(more);
            return Err(Error::Invalid(problems));
        }
        Err(other) => return Err(other),
    };
    problems.into_result()?;
    write.commit().await?;
    Ok(Made { name, key })
}

/// GET `/accounts/tokens/<id>/revoke/`.
pub async fn ask(
    State(app): State<App>,
    Student(person): Student,
    shell: Shell,
    Path(id): Path<i64>,
) -> Result<Response> {
    let row = tokens::get_token(app.db.read(), person.id, id).await?;
    page(&RevokePage {
        shell,
        id,
        name: row.name,
    })
}

/// POST `/accounts/tokens/<id>/revoke/`.
pub async fn revoke(
    State(app): State<App>,
    Student(person): Student,
    Path(id): Path<i64>,
) -> Result<Response> {
    by_session(&person)?;
    let mut write = app.write().await?;
    tokens::revoke_token(&mut write, person.id, id).await?;
    write.commit().await?;
    Ok(redirect::see_other("/accounts/tokens/?revoked=yes"))
}

/// A key that could make another would outlive its own end.
fn by_session(person: &Person) -> Result<()> {
    if person.session_id.is_some() {
        Ok(())
    } else {
        Err(Error::Forbidden(
            "Tokens are made and revoked by people who are logged in, or with `lyceum user token`.",
        ))
    }
}

/// Whether a scope is of use to somebody.
fn is_for(scope: Scope, person: &Person) -> bool {
    match scope {
        Scope::Read | Scope::Learn => true,
        Scope::Teach => person.is_instructor(),
        Scope::Admin => person.is_staff,
    }
}

impl TokensPage {
    async fn new(
        app: &App,
        shell: Shell,
        person: &Person,
        form: &Form,
        problems: &Problems,
    ) -> Result<Self> {
        let now = app.clock.now();
        let rows = tokens::list_tokens(app.db.read(), person.id).await?;
        let chosen: Vec<&str> = form.all("scope").collect();
        let choices = Scope::ALL
            .into_iter()
            .filter(|scope| is_for(*scope, person))
            .map(|scope| Choice {
                scope,
                is_chosen: chosen.contains(&scope.name()),
            });
        Ok(Self {
            shell,
            tokens: rows
                .into_iter()
                .map(|row| TokenView::new(row, person, now))
                .collect(),
            name: Field::new("name", form.get("name"), problems),
            scopes: Field::new("scopes", "", problems),
            expires: Field::new("expires", form.text("expires"), problems),
            faults: fault_lines_in(problems, &["name", "scopes", "expires"]),
            choices: choices.collect(),
            is_revoked: false,
            made: None,
            site_url: app.config.site_url().trim_end_matches('/').to_owned(),
        })
    }

    #[expect(clippy::unused_self, reason = "its template asks the page")]
    fn lifetimes(&self) -> [(&'static str, &'static str); 6] {
        LIFETIMES
    }
}

impl TokenView {
    fn new(row: token::Model, person: &Person, now: DateTime<Utc>) -> Self {
        let moment = |at: DateTime<Utc>, words: String| Moment {
            words,
            exact: text::exact(at, person.time_zone),
            machine: text::machine(at),
        };
        let ago = |at| moment(at, text::ago(at, now, person.time_zone));
        let date = |at| moment(at, text::date(at, person.time_zone));
        Self {
            id: row.id,
            name: row.name,
            scopes: row.scopes.as_deref().map_or_else(
                || "Everything that you may".to_owned(),
                |stored| Scopes::stored(stored).to_string().replace(' ', ", "),
            ),
            is_over: row.expires_at.is_some_and(|end| end <= now),
            made: ago(row.created_at),
            used: row.last_used_at.map(ago),
            ends: row.expires_at.map(date),
        }
    }
}
