//! `lyceum user`: accounts from the command line. Every running process of the site hears of it.

mod token;

use super::{CliResult, say};
use crate::accounts::{self, ChangedBy, INSTRUCTORS, NewUser};
use crate::app::App;
use crate::db::Write;
use crate::entities::user;
use crate::error::{Error, Problems};
use crate::web::audit::{By, Done, Facts, record};
use crate::web::second_factor;
use clap::Subcommand;
use console::Term;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;

/// Characters of a password that the program makes: 120 random bits.
const MADE_LENGTH: usize = 20;

#[derive(Subcommand)]
pub enum UserCommand {
    /// Make an account
    Add {
        /// The user name
        name: String,
        /// May write courses
        #[arg(long)]
        instructor: bool,
        /// Runs the site
        #[arg(long)]
        staff: bool,
        /// Mail address
        #[arg(long, value_name = "E")]
        email: Option<String>,
        /// Read the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Give somebody another password; all her sessions end
    Passwd {
        /// The user name
        name: String,
        /// Read the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Make a key by which a program acts for somebody, and print it alone; list or revoke her keys
    Token(token::TokenArgs),
    /// Shut an account: nobody gets in by it, and all its sessions end
    Deactivate {
        /// The user name
        name: String,
    },
    /// Open an account that was shut
    Activate {
        /// The user name
        name: String,
    },
    /// Let somebody run the site
    Staff {
        /// The user name
        name: String,
        /// Take that right away
        #[arg(long)]
        remove: bool,
    },
    /// Say whether somebody's log-in takes a code, or take that away when phone and recovery codes are lost
    TwoFactor {
        /// The user name
        name: String,
        /// Take it away; all her sessions end
        #[arg(long)]
        reset: bool,
    },
    /// List all accounts
    List,
}

/// A password, and whether the program made it and so must show it.
struct Chosen {
    password: String,
    is_made: bool,
}

/// Runs one of them.
pub async fn run(app: &App, command: UserCommand) -> CliResult {
    match command {
        UserCommand::Add {
            name,
            instructor,
            staff,
            email,
            password_stdin,
        } => {
            let new = NewUser {
                username: name,
                email: email.unwrap_or_default(),
                is_staff: staff,
                ..NewUser::default()
            };
            add(app, new, instructor, password_stdin).await
        }
        UserCommand::Passwd {
            name,
            password_stdin,
        } => passwd(app, &name, password_stdin).await,
        UserCommand::Token(args) => token::run(app, args).await,
        UserCommand::Deactivate { name } => set_active(app, &name, false).await,
        UserCommand::Activate { name } => set_active(app, &name, true).await,
        UserCommand::Staff { name, remove } => set_staff(app, &name, !remove).await,
        UserCommand::TwoFactor { name, reset } => two_factor(app, &name, reset).await,
        UserCommand::List => list(app).await,
    }
}

async fn add(app: &App, new: NewUser, is_instructor: bool, from_stdin: bool) -> CliResult {
    let chosen = choose(app, &new.username, from_stdin)?;
    let problems = new.problems(app, &chosen.password, "password").await?;
    told(problems.into_result())?;
    let hash = app.passwords.hash(&chosen.password).await?;
    let username = new.username.clone();
    let mut write = app.write().await?;
    let account = told(accounts::create_user(app, &mut write, new, hash).await)?;
    if is_instructor {
        accounts::add_to_group(&mut write, account.id, INSTRUCTORS).await?;
    }
    log(app, &write, "add", account.id, None).await?;
    write.commit().await?;
    show(&chosen, &format!("{username} can log in now."));
    Ok(ExitCode::SUCCESS)
}

async fn passwd(app: &App, username: &str, from_stdin: bool) -> CliResult {
    let account = get(app, username).await?;
    let chosen = choose(app, username, from_stdin)?;
    let mut problems = Problems::new();
    accounts::check_password(&chosen.password, username, "password", &mut problems);
    told(problems.into_result())?;
    let hash = app.passwords.hash(&chosen.password).await?;
    let mut write = app.write().await?;
    let before = accounts::user_facts(&*write, account.id).await?;
    accounts::set_password(app, &mut write, account.id, hash, ChangedBy::Staff).await?;
    log(app, &write, "password", account.id, before).await?;
    write.commit().await?;
    show(
        &chosen,
        &format!("{username} has a new password; all sessions have ended."),
    );
    Ok(ExitCode::SUCCESS)
}

async fn set_active(app: &App, username: &str, is_active: bool) -> CliResult {
    let account = get(app, username).await?;
    let mut write = app.write().await?;
    let before = accounts::user_facts(&*write, account.id).await?;
    accounts::set_active(&mut write, account.id, is_active).await?;
    log(app, &write, "change", account.id, before).await?;
    write.commit().await?;
    say(&if is_active {
        format!("{username} can log in again.")
    } else {
        format!("{username} cannot log in any more; all sessions have ended.")
    });
    Ok(ExitCode::SUCCESS)
}

async fn set_staff(app: &App, username: &str, is_staff: bool) -> CliResult {
    let account = get(app, username).await?;
    let mut write = app.write().await?;
    let before = accounts::user_facts(&*write, account.id).await?;
    accounts::set_staff(&mut write, account.id, is_staff).await?;
    log(app, &write, "change", account.id, before).await?;
    write.commit().await?;
    say(&if is_staff {
        format!("{username} runs the site from now on.")
    } else {
        format!("{username} does not run the site any more.")
    });
    Ok(ExitCode::SUCCESS)
}

/// Logs what was done to an account at this terminal.
async fn log(
    app: &App,
    write: &Write,
    act: &str,
    id: i64,
    before: Option<Facts>,
) -> Result<(), Error> {
    let after = accounts::user_facts(&**write, id).await?;
    let done = Done {
        act,
        kind: "user",
        id,
        before: before.as_ref(),
        after: after.as_ref(),
    };
    record(write, &By::terminal(app.clock.now()), done).await
}

async fn two_factor(app: &App, username: &str, is_reset: bool) -> CliResult {
    let account = get(app, username).await?;
    if !is_reset {
        let is_on = second_factor::is_on(app.db.read(), account.id).await?;
        say(&if is_on {
            format!("{username} logs in with two factors; --reset takes the second one away.")
        } else {
            format!("{username} logs in with a password alone.")
        });
        return Ok(ExitCode::SUCCESS);
    }
    let mut write = app.write().await?;
    let before = accounts::user_facts(&*write, account.id).await?;
    let had_one = accounts::reset_two_factor(app, &mut write, account.id).await?;
    log(app, &write, "two-factor", account.id, before).await?;
    write.commit().await?;
    say(&if had_one {
        format!("{username} logs in with a password alone from now on; all sessions have ended.")
    } else {
        format!("{username} had no second factor; all sessions have ended.")
    });
    Ok(ExitCode::SUCCESS)
}

async fn list(app: &App) -> CliResult {
    let instructors = accounts::list_members(app.db.read(), INSTRUCTORS).await?;
    for account in accounts::list_users(app.db.read()).await? {
        let mut roles = Vec::new();
        for (holds, role) in [
            (account.is_staff, "staff"),
            (instructors.contains(&account.id), "instructor"),
            (!account.is_active, "inactive"),
        ] {
            if holds {
                roles.push(role);
            }
        }
        let roles = if roles.is_empty() {
            "student".to_owned()
        } else {
            roles.join(",")
        };
        let line = format!("{:24} {roles:18} {}", account.username, account.email);
        say(line.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

async fn get(app: &App, username: &str) -> CliResult<user::Model> {
    let found = accounts::find_user(app.db.read(), username).await?;
    found.ok_or_else(|| {
        format!("nobody has the user name {username:?}; `lyceum user list` shows all").into()
    })
}

/// The password from standard input, from the terminal (asked twice), or one that is made.
fn choose(app: &App, username: &str, from_stdin: bool) -> CliResult<Chosen> {
    let password = if from_stdin {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    } else if std::io::stdin().is_terminal() && Term::stderr().is_term() {
        ask_twice(username)?
    } else {
        let password = app.clock.random_token().chars().take(MADE_LENGTH).collect();
        return Ok(Chosen {
            password,
            is_made: true,
        });
    };
    Ok(Chosen {
        password,
        is_made: false,
    })
}

fn ask_twice(username: &str) -> CliResult<String> {
    let term = Term::stderr();
    term.write_str(&format!("Password for {username}: "))?;
    let password = term.read_secure_line()?;
    term.write_str("The same again: ")?;
    if term.read_secure_line()? == password {
        Ok(password)
    } else {
        Err("the two passwords differ; nothing was changed, please try again".into())
    }
}

/// What was done goes to stderr; stdout holds nothing but a password that was made.
fn show(chosen: &Chosen, words: &str) {
    let words = if chosen.is_made {
        format!("{words} The password, shown only now:")
    } else {
        words.to_owned()
    };
    // A closed pipe is no fault of the command's.
    let _ = writeln!(std::io::stderr(), "{words}");
    if chosen.is_made {
        say(&chosen.password);
    }
}

/// Wrong values as people read them, a line each.
fn told<T>(done: Result<T, Error>) -> CliResult<T> {
    done.map_err(|error| match error {
        Error::Invalid(problems) => {
            let lines = problems
                .iter()
                .flat_map(|(field, words)| words.iter().map(move |w| format!("  {field}: {w}")));
            let lines: Vec<String> = lines.collect();
            format!("nothing was changed:\n{}", lines.join("\n")).into()
        }
        other => other.into(),
    })
}
