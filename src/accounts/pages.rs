//! Registering, logging in and logging out.

use super::entering::{self, ADDRESS, Entry, HOME, Shown};
use super::{NewUser, confirmation, create_user, links, store};
use crate::app::App;
use crate::config::ConfirmedEmail;
use crate::entities::account_link::LinkPurpose;
use crate::error::{Error, Problems, Result};
use crate::web::extract::Query;
use crate::web::form::{FaultLine, Field, Form, fault_lines_in};
use crate::web::identity::Visitor;
use crate::web::sessions::Device;
use crate::web::shell::{Shell, page, page_with};
use crate::web::{credentials, redirect, sessions};
use askama::Template;
use axum::extract::State;
use axum::http::header::{RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Deserialize;

/// What stands after the question mark of the two forms.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Next {
    next: String,
    /// Whether a new password was just chosen.
    reset: String,
}

/// The log-in form.
#[derive(Template)]
#[template(path = "accounts/login.html")]
struct LoginPage {
    shell: Shell,
    username: Field,
    password: Field,
    next: String,
    course_title: Option<String>,
    is_reset: bool,
    faults: Vec<FaultLine>,
}

/// The form that makes an account.
#[derive(Template)]
#[template(path = "accounts/register.html")]
struct RegisterPage {
    shell: Shell,
    username: Field,
    email: Field,
    /// Whether nobody gets in without a confirmed address.
    needs_email: bool,
    password1: Field,
    password2: Field,
    next: String,
    faults: Vec<FaultLine>,
}

/// GET `/accounts/login/`.
pub async fn login_form(
    State(app): State<App>,
    shell: Shell,
    Query(Next { next, reset }): Query<Next>,
) -> Result<Response> {
    if shell.person.is_some() {
        return Ok(redirect::see_other(redirect::local(&next).unwrap_or(HOME)));
    }
    let mut shown = LoginPage::new(&app, shell, &next, "", &Problems::new()).await?;
    shown.is_reset = !reset.is_empty();
    page(&shown)
}

/// POST `/accounts/login/`.
pub async fn login(
    State(app): State<App>,
    shell: Shell,
    device: Device,
    form: Form,
) -> Result<Response> {
    let (username, next) = (form.text("username"), form.get("next"));
    let problems = login_problems(username, form.get("password"));
    if !problems.is_empty() {
        let shown = LoginPage::new(&app, shell, next, username, &problems).await?;
        return page_with(StatusCode::UNPROCESSABLE_ENTITY, &shown);
    }
    let person = match credentials::authenticate(
        &app,
        username,
        form.get("password"),
        device.address,
    )
    .await
    {
        Ok(Some(person)) => person,
        refused => {
            let words = "This password does not belong to that user name. Check both; capital letters count.";
            let (status, problems, wait) =
                refusal(refused.map(|_| Problems::of("password", words)))?;
            let shown = LoginPage::new(&app, shell, next, username, &problems).await?;
            return Ok(with_wait(page_with(status, &shown)?, wait));
        }
    };
    entering::after_password(&app, &person, &device, next).await
}

fn login_problems(username: &str, password: &str) -> Problems {
    let mut problems = Problems::new();
    problems.check(!username.is_empty(), "username", "Type your user name.");
    problems.check(
        !username.chars().any(char::is_whitespace),
        "username",
        "A user name has no spaces: only letters, digits and @ . + - _",
    );
    problems.check(!password.is_empty(), "password", "Type your password.");
    problems
}

/// How a log-in that was refused is shown: status, words, and how many seconds to wait.
///
/// # Errors
/// Whatever is neither a wrong password nor too many of them.
pub(super) fn refusal(refused: Result<Problems>) -> Result<(StatusCode, Problems, Option<u64>)> {
    match refused {
        Ok(problems) => Ok((StatusCode::UNPROCESSABLE_ENTITY, problems, None)),
        Err(Error::TooMany {
            message,
            retry_after_seconds,
        }) => {
            let problems = Problems::of(Problems::WHOLE, message);
            Ok((
                StatusCode::TOO_MANY_REQUESTS,
                problems,
                Some(retry_after_seconds),
            ))
        }
        Err(other) => Err(other),
    }
}

/// The answer with `Retry-After`, where there is something to wait for.
pub(super) fn with_wait(mut response: Response, seconds: Option<u64>) -> Response {
    if let Some(seconds) = seconds {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

impl LoginPage {
    async fn new(
        app: &App,
        shell: Shell,
        next: &str,
        username: &str,
        problems: &Problems,
    ) -> Result<Self> {
        let next = redirect::local(next).unwrap_or_default();
        let slug = next
            .strip_prefix("/course/")
            .and_then(|rest| rest.strip_suffix('/'))
            .filter(|slug| !slug.contains('/'));
        let course_title = match slug {
            Some(slug) => store::find_course_title(app.db.read(), slug).await?,
            None => None,
        };
        Ok(Self {
            shell,
            username: Field::new("username", username, problems),
            password: Field::new("password", "", problems),
            next: next.to_owned(),
            course_title,
            is_reset: false,
            faults: fault_lines_in(problems, &["username", "password"]),
        })
    }

    fn register_path(&self) -> String {
        redirect::with_next("/students/register/", &self.next)
    }
}

/// GET `/students/register/`.
pub async fn register_form(
    State(app): State<App>,
    shell: Shell,
    Query(Next { next, .. }): Query<Next>,
) -> Result<Response> {
    if shell.person.is_some() {
        return Ok(redirect::see_other(redirect::local(&next).unwrap_or(HOME)));
    }
    page(&RegisterPage::new(
        &app,
        shell,
        &next,
        &NewUser::default(),
        &Problems::new(),
    ))
}

/// POST `/students/register/`.
pub async fn register(
    State(app): State<App>,
    shell: Shell,
    device: Device,
    form: Form,
) -> Result<Response> {
    let new = NewUser {
        username: form.text("username").to_owned(),
        email: form.text("email").to_owned(),
        ..NewUser::default()
    };
    match create_and_enter(&app, new.clone(), &form, &device).await {
        Ok(entered) => Ok(entered),
        Err(Error::Invalid(problems)) => {
            let shown = RegisterPage::new(&app, shell, form.get("next"), &new, &problems);
            page_with(StatusCode::UNPROCESSABLE_ENTITY, &shown)
        }
        Err(other) => Err(other),
    }
}

async fn create_and_enter(
    app: &App,
    new: NewUser,
    form: &Form,
    device: &Device,
) -> Result<Response> {
    let needs_email = app.config.confirmed_email == ConfirmedEmail::Login;
    let password = form.get("password1");
    let mut problems = new.problems(app, password, "password1").await?;
    problems.check(
        password == form.get("password2"),
        "password2",
        "The two passwords differ. Type the same one twice.",
    );
    problems.check(
        !needs_email || !new.email.is_empty(),
        "email",
        "Type your mail address: a link is sent there that lets you in.",
    );
    problems.into_result()?;
    let hash = app.passwords.hash(password).await?;
    let is_mailed = app.config.sends_mail()
        && !new.email.is_empty()
        && confirmation::may_write_first(app, device, &new.email).await?;
    let mut write = app.write().await?;
    let account = create_user(app, &mut write, new, hash).await?;
    if is_mailed {
        links::ask(
            app,
            &mut write,
            account.id,
            LinkPurpose::Email,
            &account.email,
        )
        .await?;
    }
    let next = form.get("next");
    let shown = Shown {
        user_id: account.id,
        version: account.credential_version,
        code: false,
    };
    if needs_email {
        write.commit().await?;
        return entering::step(app, shown, next, ADDRESS);
    }
    let entry = Entry::begin(app, &mut write, shown, device).await?;
    let entry = entry.ok_or(Error::NotFound)?;
    write.commit().await?;
    Ok(entry.lead_to(app, next))
}

impl RegisterPage {
    fn new(app: &App, shell: Shell, next: &str, new: &NewUser, problems: &Problems) -> Self {
        Self {
            shell,
            needs_email: app.config.confirmed_email == ConfirmedEmail::Login,
            username: Field::new("username", new.username.as_str(), problems),
            email: Field::new("email", new.email.as_str(), problems),
            password1: Field::new("password1", "", problems),
            password2: Field::new("password2", "", problems),
            next: redirect::local(next).unwrap_or_default().to_owned(),
            faults: fault_lines_in(problems, &["username", "email", "password1", "password2"]),
        }
    }

    fn login_path(&self) -> String {
        redirect::with_next("/accounts/login/", &self.next)
    }
}

/// POST `/accounts/logout/`.
pub async fn logout(State(app): State<App>, Visitor(person): Visitor) -> Result<Response> {
    if let Some(person) = person
        && let Some(session_id) = person.session_id
    {
        let mut write = app.write().await?;
        match sessions::end(&mut write, person.id, session_id).await {
            // Ended elsewhere in the same moment: that is what was asked for.
            Ok(()) | Err(Error::NotFound) => write.commit().await?,
            Err(other) => return Err(other),
        }
    }
    let mut response = redirect::see_other("/");
    response
        .headers_mut()
        .append(SET_COOKIE, sessions::ended_cookie(&app));
    Ok(response)
}
