//! What a person sets for herself: profile, password, sessions, theme.

use super::confirmation::{self, Address};
use super::entering::enter;
use super::pages::{refusal, with_wait};
use super::rights::hold_user;
use super::{ChangedBy, Profile, devices, set_password, set_theme, store, update_profile};
use crate::app::App;
use crate::entities::session;
use crate::error::{Error, Problems, Result};
use crate::web::errors::prefers_json;
use crate::web::extract::Query;
use crate::web::form::{FaultLine, Field, Form, fault_lines_in};
use crate::web::identity::{Person, Student};
use crate::web::sessions::Device;
use crate::web::shell::{Shell, page, page_with};
use crate::web::{credentials, redirect, sessions, text};
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use chrono_tz::TZ_VARIANTS;
use serde::Deserialize;
use std::net::IpAddr;

/// Whether the page is shown after something was saved.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Saved {
    saved: String,
    /// Whether a letter was sent.
    sent: String,
}

/// The profile form.
#[derive(Template)]
#[template(path = "accounts/profile.html")]
struct ProfilePage {
    shell: Shell,
    name: Field,
    email: Field,
    time_zone: Field,
    theme: Field,
    /// Her password, where she has one: it is asked for when the mail address changes.
    password: Option<Field>,
    faults: Vec<FaultLine>,
    is_saved: bool,
    /// Whether a letter was sent.
    is_sent: bool,
    /// How the mail address stands, where the site sends mail.
    address: Option<Address>,
}

/// The form that changes the password.
#[derive(Template)]
#[template(path = "accounts/password.html")]
struct PasswordPage {
    shell: Shell,
    old_password: Field,
    new_password1: Field,
    new_password2: Field,
    faults: Vec<FaultLine>,
    is_saved: bool,
}

/// Where one is logged in.
#[derive(Template)]
#[template(path = "accounts/sessions.html")]
struct SessionsPage {
    shell: Shell,
    sessions: Vec<SessionView>,
    has_others: bool,
}

/// A line of the list of sessions.
struct SessionView {
    id: i64,
    is_this: bool,
    icon: &'static str,
    words: String,
    address: String,
    last_used: String,
    last_used_exact: String,
    last_used_machine: String,
}

/// GET `/accounts/profile/`.
pub async fn profile_form(
    Student(person): Student,
    shell: Shell,
    Query(Saved { saved, sent }): Query<Saved>,
    State(app): State<App>,
) -> Result<Response> {
    let db = app.db.read();
    let account = store::get_user(db, person.id).await?;
    let has_password = !account.password_hash.is_empty();
    let profile = Profile::of(&account);
    let mut shown = ProfilePage::new(shell, &profile, &Problems::new(), has_password);
    shown.is_saved = !saved.is_empty();
    shown.is_sent = !sent.is_empty();
    shown.address = confirmation::address_of(&app, db, &account).await?;
    page(&shown)
}

/// POST `/accounts/profile/`. Another mail address takes the password: whoever has the address gets the account.
pub async fn profile(
    State(app): State<App>,
    Student(person): Student,
    shell: Shell,
    device: Device,
    form: Form,
) -> Result<Response> {
    let profile = Profile {
        name: form.text("name").to_owned(),
        email: form.text("email").to_owned(),
        time_zone: form.text("timezone").to_owned(),
        theme: form.text("theme").to_owned(),
    };
    let account = store::get_user(app.db.read(), person.id).await?;
    let has_password = !account.password_hash.is_empty();
    let is_readdressed = profile.email != account.email;
    let (status, mut problems, wait) = if is_readdressed && has_password {
        let typed = form.get("password");
        let missing = (
            "password",
            "Your mail address changes with this: type your password.",
        );
        refusal(check_typed(&app, &person, typed, device.address, missing).await)?
    } else {
        (StatusCode::UNPROCESSABLE_ENTITY, Problems::new(), None)
    };
    problems.extend(profile.problems());
    let saved = match problems.into_result() {
        Ok(()) => save_profile(&app, &person, profile.clone(), &account.email).await,
        faulty => faulty,
    };
    match saved {
        Ok(()) => Ok(redirect::see_other("/accounts/profile/?saved=yes")),
        Err(Error::Invalid(problems)) => {
            let shown = ProfilePage::new(shell, &profile, &problems, has_password);
            Ok(with_wait(page_with(status, &shown)?, wait))
        }
        Err(other) => Err(other),
    }
}

/// Stores it. `email`: her address when the password was asked for, or was not; had it changed since, that would be no answer.
async fn save_profile(app: &App, person: &Person, profile: Profile, email: &str) -> Result<()> {
    if profile.email != email && !profile.email.is_empty() {
        confirmation::may_write_to(app, &profile.email).await?;
    }
    let mut write = app.write().await?;
    let account = hold_user(&write, person.id).await?;
    if account.email != email {
        let words = "Your mail address was changed meanwhile. Look at it, and save once more.";
        return Err(Error::invalid("email", words));
    }
    let profile = confirmation::hold_back(app, &mut write, &account, profile).await?;
    update_profile(app, &mut write, person.id, profile).await?;
    write.commit().await
}

impl ProfilePage {
    fn new(shell: Shell, profile: &Profile, problems: &Problems, has_password: bool) -> Self {
        Self {
            shell,
            password: has_password.then(|| Field::new("password", "", problems)),
            name: Field::new("name", profile.name.as_str(), problems),
            email: Field::new("email", profile.email.as_str(), problems),
            time_zone: Field::new("timezone", profile.time_zone.as_str(), problems),
            theme: Field::new("theme", profile.theme.as_str(), problems),
            faults: fault_lines_in(
                problems,
                &["name", "email", "password", "timezone", "theme"],
            ),
            is_saved: false,
            is_sent: false,
            address: None,
        }
    }

    #[expect(clippy::unused_self, reason = "its template asks the page")]
    fn zones(&self) -> impl Iterator<Item = &'static str> {
        TZ_VARIANTS.iter().map(|zone| zone.name())
    }

    #[expect(clippy::unused_self, reason = "its template asks the page")]
    fn themes(&self) -> [(&'static str, &'static str); 3] {
        [
            ("system", "As the system"),
            ("light", "Light"),
            ("dark", "Dark"),
        ]
    }
}

/// POST `/accounts/theme/`: the switch in the footer.
pub async fn theme(
    State(app): State<App>,
    Student(person): Student,
    headers: HeaderMap,
    form: Form,
) -> Result<Response> {
    let mut write = app.write().await?;
    set_theme(&mut write, person.id, form.text("theme")).await?;
    write.commit().await?;
    if prefers_json(&headers) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let next = redirect::local(form.get("next")).unwrap_or("/accounts/profile/");
    Ok(redirect::see_other(next))
}

/// GET `/accounts/password/`.
pub async fn password_form(
    _: Student,
    shell: Shell,
    Query(Saved { saved, .. }): Query<Saved>,
) -> Result<Response> {
    page(&PasswordPage::new(
        shell,
        &Problems::new(),
        !saved.is_empty(),
    ))
}

/// POST `/accounts/password/`. Ends every session, this one too, and begins another in its place; whoever came without one
/// (with a key, or named by a proxy) has shown no second factor, and gets none.
pub async fn password(
    State(app): State<App>,
    Student(person): Student,
    shell: Shell,
    device: Device,
    form: Form,
) -> Result<Response> {
    let (status, problems, wait) = password_problems(&app, &person, &device, &form).await?;
    if !problems.is_empty() {
        let shown = PasswordPage::new(shell, &problems, false);
        return Ok(with_wait(page_with(status, &shown)?, wait));
    }
    let hash = app.passwords.hash(form.get("new_password1")).await?;
    let mut write = app.write().await?;
    set_password(&app, &mut write, person.id, hash, ChangedBy::Herself).await?;
    let next = "/accounts/password/?saved=yes";
    if person.session_id.is_none() {
        write.commit().await?;
        return Ok(redirect::see_other(next));
    }
    let token = sessions::begin(&app, &write, person.id, &device).await?;
    write.commit().await?;
    Ok(enter(&app, &token, next))
}

/// Everything that is wrong at once.
async fn password_problems(
    app: &App,
    person: &Person,
    device: &Device,
    form: &Form,
) -> Result<(StatusCode, Problems, Option<u64>)> {
    let present = check_present(app, person, form.get("old_password"), device.address).await;
    let (status, mut problems, wait) = refusal(present)?;
    let new = form.get("new_password1");
    super::check_password(new, &person.username, "new_password1", &mut problems);
    problems.check(
        new == form.get("new_password2"),
        "new_password2",
        "The two new passwords differ. Type the same one twice.",
    );
    Ok((status, problems, wait))
}

/// What is wrong with what somebody typed as her present password, at `old_password`; as [`check_typed`].
pub(super) async fn check_present(
    app: &App,
    person: &Person,
    typed: &str,
    address: IpAddr,
) -> Result<Problems> {
    let missing = ("old_password", "Type your present password.");
    check_typed(app, person, typed, address, missing).await
}

/// What is wrong with what somebody typed as her present password. `missing`: the field, and what is told there when nothing
/// was typed. A wrong one counts as a failed log-in, so that an open page does not let anybody guess it.
///
/// # Errors
/// [`Error::TooMany`] when there were too many wrong ones.
async fn check_typed(
    app: &App,
    person: &Person,
    typed: &str,
    address: IpAddr,
    missing: (&str, &str),
) -> Result<Problems> {
    let (field, words) = missing;
    if typed.is_empty() {
        return Ok(Problems::of(field, words));
    }
    let found = credentials::authenticate(app, &person.username, typed, address).await?;
    let mut problems = Problems::new();
    let words = "This is not your present password. Type the one that you log in with.";
    problems.check(found.is_some(), field, words);
    Ok(problems)
}

impl PasswordPage {
    fn new(shell: Shell, problems: &Problems, is_saved: bool) -> Self {
        Self {
            shell,
            old_password: Field::new("old_password", "", problems),
            new_password1: Field::new("new_password1", "", problems),
            new_password2: Field::new("new_password2", "", problems),
            faults: fault_lines_in(
                problems,
                &["old_password", "new_password1", "new_password2"],
            ),
            is_saved,
        }
    }
}

/// GET `/accounts/sessions/`.
pub async fn sessions_page(
    State(app): State<App>,
    Student(person): Student,
    shell: Shell,
) -> Result<Response> {
    let now = app.clock.now();
    let rows = store::list_sessions(app.db.read(), person.id, now).await?;
    let sessions: Vec<SessionView> = rows
        .iter()
        .map(|row| SessionView::new(row, &person, now))
        .collect();
    let has_others = sessions.iter().any(|session| !session.is_this);
    page(&SessionsPage {
        shell,
        sessions,
        has_others,
    })
}

/// POST `/accounts/sessions/`: ends one (`session`) or all others (`all`).
pub async fn end_sessions(
    State(app): State<App>,
    Student(person): Student,
    form: Form,
) -> Result<Response> {
    let mut write = app.write().await?;
    if form.is_set("all") {
        sessions::end_all(&mut write, person.id, person.session_id).await?;
    } else {
        let session_id = form.number("session").ok_or(Error::NotFound)?;
        sessions::end(&mut write, person.id, session_id).await?;
    }
    write.commit().await?;
    Ok(redirect::see_other("/accounts/sessions/"))
}

impl SessionView {
    fn new(row: &session::Model, person: &Person, now: DateTime<Utc>) -> Self {
        let zone = person.time_zone;
        Self {
            id: row.id,
            is_this: person.session_id == Some(row.id),
            icon: devices::icon(&row.user_agent),
            words: devices::words(&row.user_agent),
            address: row.address.clone(),
            last_used: text::ago(row.last_seen_at, now, zone),
            last_used_exact: text::exact(row.last_seen_at, zone),
            last_used_machine: text::machine(row.last_seen_at),
        }
    }
}
