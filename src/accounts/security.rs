//! The pages of two-factor log-in: setting it up, recovery codes, ending it, and the second step of logging in.

use super::entering::{self, CODE, Pending, SECURITY};
use super::pages::{refusal, with_wait};
use super::store;
use super::two_factor::{self, Setup};
use crate::app::App;
use crate::entities::user;
use crate::error::{Error, Problems, Result};
use crate::web::form::{FaultLine, Field, Form, fault_lines_in};
use crate::web::identity::{Person, Student};
use crate::web::sessions::Device;
use crate::web::shell::{Shell, page, page_with};
use crate::web::{credentials, redirect, text};
use askama::Template;
use askama::filters::Safe;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

const WRONG_CODE: &str = "This is not the code that counts now. Type the newest one of your authenticator; each works once. If it never fits, let your phone set its clock by itself.";

/// How an account is kept.
#[derive(Template)]
#[template(path = "accounts/security.html")]
struct SecurityPage {
    shell: Shell,
    /// Since when a code is asked for.
    on_since: Option<String>,
    codes_left: u64,
    /// Whether she cannot do her work without.
    is_required: bool,
    /// Whether she has a password here at all.
    has_password: bool,
}

/// The form that sets two-factor log-in up.
#[derive(Template)]
#[template(path = "accounts/two_factor_setup.html")]
struct SetupPage {
    shell: Shell,
    picture: Safe<String>,
    typed: String,
    link: String,
    password: Field,
    code: Field,
    faults: Vec<FaultLine>,
}

/// Recovery codes, shown once.
#[derive(Template)]
#[template(path = "accounts/recovery_codes.html")]
struct CodesPage {
    shell: Shell,
    codes: Vec<String>,
    /// Whether two-factor log-in was turned on with them.
    is_new: bool,
}

/// Asks for password and code before something is done.
#[derive(Template)]
#[template(path = "accounts/two_factor_ask.html")]
struct AskPage {
    shell: Shell,
    /// Whether it is ended; else new recovery codes are drawn.
    is_end: bool,
    password: Field,
    code: Field,
    faults: Vec<FaultLine>,
}

/// The second step of logging in.
#[derive(Template)]
#[template(path = "accounts/login_code.html")]
struct CodePage {
    shell: Shell,
    username: String,
    code: Field,
    faults: Vec<FaultLine>,
}

/// GET `/accounts/security/`.
pub async fn overview(
    State(app): State<App>,
    Student(person): Student,
    shell: Shell,
) -> Result<Response> {
    let db = app.db.read();
    let account = store::get_user(db, person.id).await?;
    let factor = two_factor::find(db, person.id).await?;
    let on_since = factor.and_then(|row| row.confirmed_at);
    page(&SecurityPage {
        shell,
        on_since: on_since.map(|at| text::date(at, person.time_zone)),
        codes_left: two_factor::codes_left(db, person.id).await?,
        is_required: person.lacks_second_factor,
        has_password: !account.password_hash.is_empty(),
    })
}

/// POST `/accounts/security/`: draws the secret of an authenticator.
pub async fn begin(State(app): State<App>, Student(person): Student) -> Result<Response> {
    let write = app.write().await?;
    two_factor::begin(&app, &write, person.id).await?;
    write.commit().await?;
    Ok(redirect::see_other("/accounts/security/two-factor/"))
}

/// GET `/accounts/security/two-factor/`: what the authenticator is to be given.
pub async fn setup_form(
    State(app): State<App>,
    Student(person): Student,
    shell: Shell,
) -> Result<Response> {
    match begun(&app, &person).await? {
        Some(setup) => page(&SetupPage::new(shell, &setup, &Problems::new())?),
        None => Ok(redirect::see_other(SECURITY)),
    }
}

/// POST `/accounts/security/two-factor/`: turns it on with the password and the first code.
pub async fn set_up(
    State(app): State<App>,
    Student(person): Student,
    shell: Shell,
    device: Device,
    form: Form,
) -> Result<Response> {
    let Some(setup) = begun(&app, &person).await? else {
        return Ok(redirect::see_other(SECURITY));
    };
    let (mut status, mut problems, mut wait) = known(&app, &person, &device, &form).await?;
    if problems.is_empty() {
        let account = store::get_user(app.db.read(), person.id).await?;
        let confirmed = two_factor::confirm(&app, &person, &account, form.get("code")).await;
        match confirmed {
            Ok(Some(codes)) => {
                return page(&CodesPage {
                    shell,
                    codes,
                    is_new: true,
                });
            }
            refused => {
                let refused = refused.map(|_| Problems::of("code", WRONG_CODE));
                (status, problems, wait) = refusal(refused)?;
            }
        }
    }
    let shown = page_with(status, &SetupPage::new(shell, &setup, &problems)?)?;
    Ok(with_wait(shown, wait))
}

/// What she has begun to set up.
async fn begun(app: &App, person: &Person) -> Result<Option<Setup>> {
    let row = two_factor::find(app.db.read(), person.id).await?;
    let open = row.filter(|row| row.confirmed_at.is_none());
    open.map(|row| two_factor::setup(app, &person.username, &row))
        .transpose()
}

/// What is wrong with the password of a form; a wrong one counts as a failed log-in.
async fn known(
    app: &App,
    person: &Person,
    device: &Device,
    form: &Form,
) -> Result<(StatusCode, Problems, Option<u64>)> {
    let mut problems = Problems::new();
    problems.check(
        !form.get("password").is_empty(),
        "password",
        "Type your password.",
    );
    problems.check(!form.text("code").is_empty(), "code", "Type the code.");
    if !problems.is_empty() {
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, problems, None));
    }
    let password = form.get("password");
    match credentials::authenticate(app, &person.username, password, device.address).await {
        Ok(Some(_)) => Ok((StatusCode::UNPROCESSABLE_ENTITY, problems, None)),
        refused => {
            let words = "This is not your password. Type the one that you log in with.";
            refusal(refused.map(|_| Problems::of("password", words)))
        }
    }
}

impl SetupPage {
    fn new(shell: Shell, setup: &Setup, problems: &Problems) -> Result<Self> {
        Ok(Self {
            shell,
            picture: Safe(setup.picture()?),
            typed: setup.typed(),
            link: setup.link()?,
            password: Field::new("password", "", problems),
            code: Field::new("code", "", problems),
            faults: fault_lines_in(problems, &["code", "password"]),
        })
    }
}

/// GET `/accounts/security/two-factor/end/`.
pub async fn end_form(
    State(app): State<App>,
    Student(person): Student,
    shell: Shell,
) -> Result<Response> {
    ask(&app, &person, shell, true).await
}

/// GET `/accounts/security/codes/`.
pub async fn codes_form(
    State(app): State<App>,
    Student(person): Student,
    shell: Shell,
) -> Result<Response> {
    ask(&app, &person, shell, false).await
}

async fn ask(app: &App, person: &Person, shell: Shell, is_end: bool) -> Result<Response> {
    if on(app, person).await?.is_none() {
        return Ok(redirect::see_other(SECURITY));
    }
    page(&AskPage::new(shell, is_end, &Problems::new()))
}

/// Her account, when two-factor log-in is on.
async fn on(app: &App, person: &Person) -> Result<Option<user::Model>> {
    let db = app.db.read();
    let row = two_factor::find(db, person.id).await?;
    if row.is_none_or(|row| row.confirmed_at.is_none()) {
        return Ok(None);
    }
    store::get_user(db, person.id).await.map(Some)
}

/// POST `/accounts/security/two-factor/end/`: turns it off with password and code.
pub async fn end(
    State(app): State<App>,
    Student(person): Student,
    shell: Shell,
    device: Device,
    form: Form,
) -> Result<Response> {
    let account = match admitted(&app, &person, shell, &device, &form, true).await? {
        Ok((account, _)) => account,
        Err(answer) => return Ok(answer),
    };
    let mut write = app.write().await?;
    two_factor::end(&app, &mut write, &account).await?;
    write.commit().await?;
    Ok(redirect::see_other(SECURITY))
}

/// POST `/accounts/security/codes/`: draws new recovery codes with password and code.
pub async fn codes(
    State(app): State<App>,
    Student(person): Student,
    shell: Shell,
    device: Device,
    form: Form,
) -> Result<Response> {
    let (account, shell) = match admitted(&app, &person, shell, &device, &form, false).await? {
        Ok(admitted) => admitted,
        Err(answer) => return Ok(answer),
    };
    let write = app.write().await?;
    let codes = two_factor::draw_codes(&app, &write, account.id).await?;
    write.commit().await?;
    page(&CodesPage {
        shell,
        codes,
        is_new: false,
    })
}

/// Her account, when password and code of the form are right; else the answer.
async fn admitted(
    app: &App,
    person: &Person,
    shell: Shell,
    device: &Device,
    form: &Form,
    is_end: bool,
) -> Result<Result<(user::Model, Shell), Response>> {
    let Some(account) = on(app, person).await? else {
        return Ok(Err(redirect::see_other(SECURITY)));
    };
    let (mut status, mut problems, mut wait) = known(app, person, device, form).await?;
    if problems.is_empty() {
        match two_factor::try_code(app, &account, form.get("code")).await {
            Ok(true) => return Ok(Ok((account, shell))),
            refused => {
                let refused = refused.map(|_| Problems::of("code", WRONG_CODE));
                (status, problems, wait) = refusal(refused)?;
            }
        }
    }
    let shown = page_with(status, &AskPage::new(shell, is_end, &problems))?;
    Ok(Err(with_wait(shown, wait)))
}

impl AskPage {
    fn new(shell: Shell, is_end: bool, problems: &Problems) -> Self {
        Self {
            shell,
            is_end,
            password: Field::new("password", "", problems),
            code: Field::new("code", "", problems),
            faults: fault_lines_in(problems, &["password", "code"]),
        }
    }

    fn path(&self) -> &'static str {
        if self.is_end {
            "/accounts/security/two-factor/end/"
        } else {
            "/accounts/security/codes/"
        }
    }
}

/// GET `/accounts/login/code/`.
pub async fn code_form(
    State(app): State<App>,
    shell: Shell,
    headers: HeaderMap,
) -> Result<Response> {
    match Pending::of(&app, &headers, CODE).await? {
        Some((_, account)) => page(&CodePage::new(shell, &account, &Problems::new())),
        None => Ok(redirect::see_other("/accounts/login/")),
    }
}

/// POST `/accounts/login/code/`: the second step of logging in.
pub async fn code(
    State(app): State<App>,
    shell: Shell,
    headers: HeaderMap,
    device: Device,
    form: Form,
) -> Result<Response> {
    let Some((pending, account)) = Pending::of(&app, &headers, CODE).await? else {
        return Ok(redirect::see_other("/accounts/login/"));
    };
    if on_of(&app, account.id).await?.is_none() {
        // It was reset meanwhile.
        return Ok(redirect::see_other("/accounts/login/"));
    }
    let typed = form.text("code");
    let tried = if typed.is_empty() {
        Err(Error::invalid("code", "Type the code."))
    } else {
        two_factor::try_code(&app, &account, typed).await
    };
    let refused = match tried {
        Ok(true) => return entering::after_code(&app, &pending, &device).await,
        Ok(false) => Ok(Problems::of("code", WRONG_CODE)),
        Err(Error::Invalid(problems)) => Ok(problems),
        Err(other) => Err(other),
    };
    let (status, problems, wait) = refusal(refused)?;
    let shown = page_with(status, &CodePage::new(shell, &account, &problems))?;
    Ok(with_wait(shown, wait))
}

async fn on_of(app: &App, user_id: i64) -> Result<Option<()>> {
    let row = two_factor::find(app.db.read(), user_id).await?;
    Ok(row.and_then(|row| row.confirmed_at).map(|_| ()))
}

impl CodePage {
    fn new(shell: Shell, account: &user::Model, problems: &Problems) -> Self {
        Self {
            shell,
            username: account.username.clone(),
            code: Field::new("code", "", problems),
            faults: fault_lines_in(problems, &["code"]),
        }
    }

    #[expect(clippy::unused_self, reason = "its template asks the page")]
    fn path(&self) -> &'static str {
        CODE
    }
}
