//! The second step of logging in: codes of an authenticator (TOTP, RFC 6238, over HOTP, RFC 4226), and recovery codes for
//! when that is lost.
//!
//! The secret rests sealed under the site's own; a code counts within one step of thirty seconds before and after, and once:
//! of the newest step that was taken it is noted, and nothing up to it is taken again. Recovery codes rest as keyed hashes.

use super::rights::hold_user;
use crate::app::App;
use crate::db::Write;
use crate::entities::{recovery_code, second_factor, user};
use crate::error::{Error, Result};
use crate::messages::write_letter;
use crate::web::identity::Person;
use crate::web::throttle::{self, Limit};
use crate::web::{sealed, sessions};
use chrono::{DateTime, Utc};
use qrcode::{Color, EcLevel, QrCode};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter,
};
use std::fmt::Write as _;
use std::time::Duration;
use totp_rs::{Builder, Secret, Totp};

/// So many recovery codes there are at first.
pub(super) const RECOVERY_CODES: usize = 10;
/// Characters of a recovery code: 50 random bits.
const CODE_LENGTH: usize = 10;
/// Its letters and digits: none that is taken for another (Crockford's base 32, in small letters).
const CODE_ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

const SECRET_PURPOSE: &str = "secret of an authenticator";
const CODE_PURPOSE: &str = "recovery code";

/// How often wrong codes are typed for an account, from wherever. Five of them in a quarter of an hour: a code is guessed
/// once in two years on the average.
const WRONG_CODES: Limit = Limit {
    name: "second-factor",
    most: 6,
    window: Duration::from_secs(15 * 60),
    wait: Duration::from_secs(15 * 60),
    words: "Too many wrong codes. Please wait a quarter of an hour, then try again.",
};

/// What an authenticator is given: once, while it is set up.
pub(super) struct Setup {
    totp: Totp,
}

impl Setup {
    /// The secret as one types it, in groups of four.
    pub fn typed(&self) -> String {
        let secret = self.totp.secret().to_base32();
        let letters: Vec<char> = secret.chars().collect();
        let groups = letters
            .chunks(4)
            .map(|group| group.iter().collect::<String>());
        groups.collect::<Vec<_>>().join(" ")
    }

    /// The link that opens an authenticator on this device.
    ///
    /// # Errors
    /// Should the name not fit into one.
    pub fn link(&self) -> Result<String> {
        self.totp.to_url().map_err(Error::internal)
    }

    /// The same as a picture for the camera of a phone: dark on light in both themes, with the margin of four modules that
    /// readers need (ISO/IEC 18004, 5.3.8).
    ///
    /// # Errors
    /// Should it not fit into one.
    pub fn picture(&self) -> Result<String> {
        let code = QrCode::with_error_correction_level(self.link()?, EcLevel::M)
            .map_err(Error::internal)?;
        let side = code.width() + 8;
        let mut path = String::new();
        let colors = code.to_colors();
        let dark = colors.iter().enumerate();
        for (place, _) in dark.filter(|(_, color)| **color == Color::Dark) {
            let (row, column) = (place / code.width(), place % code.width());
            // Writing to a string cannot fail.
            let _ = write!(path, "M{} {}h1v1h-1z", column + 4, row + 4);
        }
        Ok(format!(
            "<svg class=\"qr\" viewBox=\"0 0 {side} {side}\" role=\"img\" aria-label=\"The secret as a picture for your authenticator\" shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path fill=\"#000\" d=\"{path}\"/></svg>"
        ))
    }
}

fn totp(app: &App, username: &str, secret: Vec<u8>) -> Result<Totp> {
    let plain = |text: &str| text.replace(':', " ");
    let issuer = plain(&app.config.site_name);
    Builder::new()
        .with_secret(Secret::from(secret))
        .with_account_name(plain(username))
        .with_issuer(Some(issuer))
        .build()
        .map_err(Error::internal)
}

/// The second factor of somebody, whether she has confirmed it or not.
pub(super) async fn find(
    db: &impl ConnectionTrait,
    user_id: i64,
) -> Result<Option<second_factor::Model>> {
    Ok(second_factor::Entity::find_by_id(user_id).one(db).await?)
}

/// How many of her recovery codes are left.
pub(super) async fn codes_left(db: &impl ConnectionTrait, user_id: i64) -> Result<u64> {
    let left = recovery_code::Entity::find()
        .filter(recovery_code::Column::UserId.eq(user_id))
        .filter(recovery_code::Column::UsedAt.is_null());
    Ok(left.count(db).await?)
}

/// Draws a new secret for somebody who begins to set it up. One that she has confirmed stays.
pub(super) async fn begin(app: &App, write: &Write, user_id: i64) -> Result<()> {
    hold_user(write, user_id).await?;
    if find(&**write, user_id)
        .await?
        .is_some_and(|held| held.confirmed_at.is_some())
    {
        return Ok(());
    }
    let secret: [u8; 20] = app.clock.random_bytes();
    let row = second_factor::ActiveModel {
        user_id: Set(user_id),
        secret: Set(sealed::seal(
            app,
            SECRET_PURPOSE,
            &user_id.to_string(),
            &secret,
        )?),
        last_step: Set(0),
        created_at: Set(app.clock.now()),
        confirmed_at: Set(None),
    };
    let anew = OnConflict::column(second_factor::Column::UserId)
        .update_columns([
            second_factor::Column::Secret,
            second_factor::Column::LastStep,
            second_factor::Column::CreatedAt,
        ])
        .to_owned();
    second_factor::Entity::insert(row)
        .on_conflict(anew)
        .exec_without_returning(&**write)
        .await?;
    Ok(())
}

/// What her authenticator is to be given.
///
/// # Errors
/// As [`unsealed`].
pub(super) fn setup(app: &App, username: &str, row: &second_factor::Model) -> Result<Setup> {
    let totp = totp(app, username, unsealed(app, row)?)?;
    Ok(Setup { totp })
}

/// The secret itself.
///
/// # Errors
/// [`Error::Conflict`] when the site's secret is not the one under which it was sealed.
fn unsealed(app: &App, row: &second_factor::Model) -> Result<Vec<u8>> {
    sealed::open(app, SECRET_PURPOSE, &row.user_id.to_string(), &row.secret).ok_or_else(|| {
        tracing::error!(user = row.user_id, "the secret of an authenticator does not open: LYCEUM_SECRET is not what it was");
        Error::Conflict(
            "The codes of this account cannot be checked any more, since the secret of the site was changed. Ask its staff to reset your two-factor log-in."
                .into(),
        )
    })
}

/// Turns two-factor log-in on with the first code, and answers the recovery codes; nothing when the code is wrong. All her other
/// sessions end: none of them has shown a code.
pub(super) async fn confirm(
    app: &App,
    person: &Person,
    account: &user::Model,
    code: &str,
) -> Result<Option<Vec<String>>> {
    let begun = find(app.db.read(), account.id).await?;
    if begun.is_none_or(|row| row.confirmed_at.is_some()) {
        return Ok(None);
    }
    pace(app, account).await?;
    let mut write = app.write().await?;
    hold_user(&write, account.id).await?;
    if !take_code(app, &write, account, code, false).await? {
        return Ok(None);
    }
    second_factor::Entity::update_many()
        .col_expr(
            second_factor::Column::ConfirmedAt,
            Expr::value(app.clock.now()),
        )
        .filter(second_factor::Column::UserId.eq(account.id))
        .exec(&*write)
        .await?;
    let codes = draw_codes(app, &write, account.id).await?;
    sessions::end_all(&mut write, account.id, person.session_id).await?;
    tell(
        app,
        &mut write,
        account,
        "Two-factor log-in is on",
        "two-factor log-in was turned on for",
    )
    .await?;
    write.commit().await?;
    relieve(app, account).await?;
    Ok(Some(codes))
}

/// Whether the code of an authenticator, or a recovery code, is hers and was not used; it is used with that.
///
/// # Errors
/// [`Error::TooMany`] after too many wrong ones.
pub(super) async fn try_code(app: &App, account: &user::Model, code: &str) -> Result<bool> {
    pace(app, account).await?;
    let mut write = app.write().await?;
    let by_recovery = digits(code).is_none();
    let is_right = if by_recovery {
        take_recovery_code(app, &write, account.id, code).await?
    } else {
        take_code(app, &write, account, code, true).await?
    };
    if !is_right {
        return Ok(false);
    }
    if by_recovery {
        let left = codes_left(&*write, account.id).await?;
        let what = format!("a recovery code was used to log in, {left} are left for");
        tell(app, &mut write, account, "A recovery code was used", &what).await?;
    }
    write.commit().await?;
    relieve(app, account).await?;
    Ok(true)
}

/// Counts a try before it is looked at, so that of many at once no more are looked at than of one after the other. When the
/// pause begins she is written to: whoever types here knows her password.
async fn pace(app: &App, account: &user::Model) -> Result<()> {
    let key = account.id.to_string();
    throttle::check_limit(app, &WRONG_CODES, &key).await?;
    if throttle::count(app, &WRONG_CODES, &key).await? {
        let mut write = app.write().await?;
        let what = "somebody who knows your password typed several wrong codes to get into";
        tell(
            app,
            &mut write,
            account,
            "Wrong codes for your account",
            what,
        )
        .await?;
        write.commit().await?;
    }
    throttle::check_limit(app, &WRONG_CODES, &key).await
}

async fn relieve(app: &App, account: &user::Model) -> Result<()> {
    throttle::forget(app, &WRONG_CODES, &account.id.to_string()).await
}

/// The six digits of a code, as people type them.
fn digits(code: &str) -> Option<String> {
    let plain: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    (plain.len() == 6 && plain.bytes().all(|b| b.is_ascii_digit())).then_some(plain)
}

/// Takes the code of an authenticator; `is_on`: of one that was confirmed, else of one that is being set up.
async fn take_code(
    app: &App,
    write: &Write,
    account: &user::Model,
    code: &str,
    is_on: bool,
) -> Result<bool> {
    let (Some(code), Some(row)) = (digits(code), find(&**write, account.id).await?) else {
        return Ok(false);
    };
    if row.confirmed_at.is_some() != is_on {
        return Ok(false);
    }
    let totp = totp(app, &account.username, unsealed(app, &row)?)?;
    let Some(step) = step_of(&totp, &code, app.clock.now()) else {
        return Ok(false);
    };
    let taken = second_factor::Entity::update_many()
        .col_expr(second_factor::Column::LastStep, Expr::value(step))
        .filter(second_factor::Column::UserId.eq(account.id))
        .filter(second_factor::Column::Secret.eq(row.secret))
        .filter(second_factor::Column::LastStep.lt(step))
        .exec(&**write)
        .await?;
    Ok(taken.rows_affected > 0)
}

/// The step of time to which a code belongs, at most one away from the present one.
fn step_of(totp: &Totp, code: &str, now: DateTime<Utc>) -> Option<i64> {
    let seconds = u64::try_from(now.timestamp()).ok()?;
    let step = totp.check(code, seconds)?;
    i64::try_from(step).ok()
}

async fn take_recovery_code(app: &App, write: &Write, user_id: i64, code: &str) -> Result<bool> {
    let Some(code) = plain_code(code) else {
        return Ok(false);
    };
    let taken = recovery_code::Entity::update_many()
        .col_expr(recovery_code::Column::UsedAt, Expr::value(app.clock.now()))
        .filter(recovery_code::Column::UserId.eq(user_id))
        .filter(recovery_code::Column::CodeHash.eq(hash_of(app, user_id, &code)?))
        .filter(recovery_code::Column::UsedAt.is_null())
        .exec(&**write)
        .await?;
    Ok(taken.rows_affected > 0)
}

/// A recovery code as it was drawn, from what people type: capital letters, a dash or spaces, o for 0, l and i for 1.
fn plain_code(typed: &str) -> Option<String> {
    let plain: String = typed
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .map(|c| match c.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            c => c,
        })
        .collect();
    let is_code = plain.len() == CODE_LENGTH && plain.bytes().all(|b| CODE_ALPHABET.contains(&b));
    is_code.then_some(plain)
}

fn hash_of(app: &App, user_id: i64, code: &str) -> Result<String> {
    sealed::keyed_hash(app, CODE_PURPOSE, &format!("{user_id} {code}"))
}

/// Gives her new recovery codes in place of all others, and answers them: they are shown this once.
pub(super) async fn draw_codes(app: &App, write: &Write, user_id: i64) -> Result<Vec<String>> {
    recovery_code::Entity::delete_many()
        .filter(recovery_code::Column::UserId.eq(user_id))
        .exec(&**write)
        .await?;
    let (mut shown, mut rows) = (Vec::new(), Vec::new());
    for _ in 0..RECOVERY_CODES {
        let code = random_code(app);
        rows.push(recovery_code::ActiveModel {
            user_id: Set(user_id),
            code_hash: Set(hash_of(app, user_id, &code)?),
            used_at: Set(None),
            ..Default::default()
        });
        let (head, tail) = code.split_at(CODE_LENGTH / 2);
        shown.push(format!("{head}-{tail}"));
    }
    recovery_code::Entity::insert_many(rows)
        .exec_without_returning(&**write)
        .await?;
    Ok(shown)
}

fn random_code(app: &App) -> String {
    let bytes: [u8; CODE_LENGTH] = app.clock.random_bytes();
    let letters = bytes
        .iter()
        .filter_map(|byte| CODE_ALPHABET.get(usize::from(byte % 32)));
    letters.map(|letter| char::from(*letter)).collect()
}

/// Turns two-factor log-in off.
pub(super) async fn end(app: &App, write: &mut Write, account: &user::Model) -> Result<()> {
    remove(write, account.id).await?;
    tell(
        app,
        write,
        account,
        "Two-factor log-in is off",
        "two-factor log-in was turned off for",
    )
    .await
}

/// Takes the second factor of somebody away who has lost it, and ends her sessions; answers whether she had one. Whoever
/// calls this has made sure who asks.
///
/// # Errors
/// [`Error::NotFound`] when there is no such account.
pub async fn reset_two_factor(app: &App, write: &mut Write, user_id: i64) -> Result<bool> {
    let account = hold_user(write, user_id).await?;
    let had_one = find(&**write, user_id)
        .await?
        .is_some_and(|row| row.confirmed_at.is_some());
    remove(write, user_id).await?;
    sessions::end_all(write, user_id, None).await?;
    if had_one {
        let what = "the staff of the site has reset two-factor log-in for";
        tell(app, write, &account, "Two-factor log-in was reset", what).await?;
    }
    Ok(had_one)
}

async fn remove(write: &mut Write, user_id: i64) -> Result<()> {
    second_factor::Entity::delete_by_id(user_id)
        .exec(&**write)
        .await?;
    recovery_code::Entity::delete_many()
        .filter(recovery_code::Column::UserId.eq(user_id))
        .exec(&**write)
        .await?;
    sessions::changed(write, user_id).await
}

/// Writes to her what happened to her account.
async fn tell(
    app: &App,
    write: &mut Write,
    account: &user::Model,
    subject: &str,
    what: &str,
) -> Result<()> {
    let site = &app.config.site_name;
    let text = format!(
        "Hello {},\n\n{what} your account at {site}.\n\n\
         If it was not you, change your password at once and tell the staff of the site:\n\n{}{}\n",
        account.username,
        app.config.site_url(),
        super::entering::SECURITY
    );
    let subject = format!("{subject} ({site})");
    write_letter(app, write, account.id, &subject, &text).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(secret: &[u8]) -> Totp {
        Builder::new()
            .with_secret(Secret::from(secret.to_vec()))
            .with_account_name("maya")
            .build()
            .unwrap()
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B, SHA-1, the last six of eight digits.
        let totp = of(b"12345678901234567890");
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_234_567_890, "005924"),
            (20_000_000_000, "353130"),
        ] {
            let at = DateTime::from_timestamp(seconds, 0).unwrap();
            assert_eq!(step_of(&totp, code, at), Some(seconds / 30), "{code}");
        }
    }

    #[test]
    fn a_clock_may_be_one_step_wrong_and_no_more() {
        let totp = of(b"12345678901234567890");
        let at = |seconds| {
            step_of(
                &totp,
                "287082",
                DateTime::from_timestamp(seconds, 0).unwrap(),
            )
        };
        assert_eq!(at(30), Some(1));
        assert_eq!(at(0), Some(1));
        assert_eq!(at(89), Some(1));
        assert_eq!(at(90), None);
        assert_eq!(at(-1), None);
    }

    #[test]
    fn what_people_type_is_read_as_they_mean_it() {
        assert_eq!(digits("123 456").as_deref(), Some("123456"));
        for bad in ["", "12345", "1234567", "12345a", "١٢٣٤٥٦"] {
            assert_eq!(digits(bad), None, "{bad}");
        }
        assert_eq!(plain_code("ABCDE-FGHJK").as_deref(), Some("abcdefghjk"));
        assert_eq!(plain_code(" o0lI1-abcde ").as_deref(), Some("00111abcde"));
        for bad in ["", "abcde", "abcde-fghju", "abcde-fghjkm", "ä"] {
            assert_eq!(plain_code(bad), None, "{bad}");
        }
    }
}
