//! `/admin/jobs/`: the list, and what is done from it.

use super::acts::{self, Act, Done};
use super::kinds::kinds_of;
use super::rows::{JobRow, Time, rows};
use super::store::{self, Counted, Wanted};
use super::{PATH, steering};
use crate::admin::site::Side;
use crate::app::App;
use crate::entities::job::JobState;
use crate::error::{Error, Result};
use crate::jobs::Paused;
use crate::web::extract::Query;
use crate::web::form::Form;
use crate::web::paging::Paging;
use crate::web::permissions::admin::{CHANGE_JOB, VIEW_JOB};
use crate::web::redirect;
use crate::web::shell::{Place, Shell, page};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use sea_orm::ActiveEnum as _;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// With so many jobs something is done at once; the others stay for another time.
const MOST_AT_ONCE: u64 = 1_000;

/// How jobs stand, in the order of the chips.
const STATES: [(Option<JobState>, &str); 6] = [
    (None, "All"),
    (Some(JobState::Running), "Running"),
    (Some(JobState::Waiting), "Waiting"),
    (Some(JobState::Failed), "Failed"),
    (Some(JobState::Canceled), "Stopped"),
    (Some(JobState::Done), "Done"),
];

/// The list of jobs.
#[derive(Template)]
#[template(path = "admin/jobs.html")]
struct JobsPage {
    shell: Shell,
    side: Side,
    wanted: WantedView,
    chips: Vec<Chip>,
    kinds: Vec<KindRow>,
    everything: Option<PausedView>,
    rows: Vec<JobRow>,
    paging: Paging,
    paging_path: String,
    may_change: bool,
    told: Option<String>,
    back: String,
}

/// What is asked for, as the form has it.
struct WantedView {
    state: String,
    kind: String,
    words: String,
    is_filtered: bool,
}

/// A state to choose.
struct Chip {
    words: &'static str,
    path: String,
    count: i64,
    is_chosen: bool,
}

/// Who paused something, and when.
struct PausedView {
    by: String,
    when: Time,
}

/// A kind of jobs.
struct KindRow {
    kind: String,
    called: String,
    waiting: i64,
    running: i64,
    failed: i64,
    paused: Option<PausedView>,
    is_chosen: bool,
}

/// What stands in the address. What cannot be understood counts as not said.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    state: Option<String>,
    kind: Option<String>,
    q: Option<String>,
    page: Option<String>,
    done: Option<String>,
    n: Option<usize>,
    passed: Option<usize>,
}

impl Asked {
    fn wanted(&self) -> Wanted {
        wanted(
            self.state.as_deref().unwrap_or(""),
            self.kind.as_deref().unwrap_or(""),
            self.q.as_deref().unwrap_or(""),
        )
    }
}

fn wanted(state: &str, kind: &str, words: &str) -> Wanted {
    Wanted {
        state: JobState::try_from_value(&state.to_owned()).ok(),
        kind: Some(kind.trim())
            .filter(|kind| !kind.is_empty())
            .map(str::to_owned),
        words: words.trim().chars().take(200).collect(),
        act: None,
    }
}

fn path_of(wanted: &Wanted) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    if let Some(state) = wanted.state {
        pairs.append_pair("state", &state.to_value());
    }
    if let Some(kind) = &wanted.kind {
        pairs.append_pair("kind", kind);
    }
    if !wanted.words.is_empty() {
        pairs.append_pair("q", &wanted.words);
    }
    let query = pairs.finish();
    if query.is_empty() {
        PATH.to_owned()
    } else {
        format!("{PATH}?{query}")
    }
}

/// GET `/admin/jobs/?state=&kind=&q=&page=`.
pub async fn list(
    State(app): State<App>,
    side: Side,
    shell: Shell,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    side.require(VIEW_JOB)?;
    let wanted = asked.wanted();
    let db = app.db.read();
    let number = asked.page.as_deref().and_then(|page| page.parse().ok());
    let (paging, found) = store::list(db, &wanted, number).await?;
    let rows = rows(&app, &side.person, found).await?;
    let counts = store::count_kinds(db).await?;
    let (kinds, everything) = kinds(&app, &side, &wanted, &counts).await?;
    let back = path_of(&wanted);
    let joint = if back.contains('?') { '&' } else { '?' };
    page(&JobsPage {
        shell: shell.at(Place::Admin),
        chips: chips(&wanted, &counts),
        kinds,
        everything,
        rows,
        paging,
        paging_path: format!("{back}{joint}page="),
        may_change: side.person.may(CHANGE_JOB),
        told: side.is_told.then(|| told(&asked)).flatten(),
        wanted: WantedView {
            state: wanted
                .state
                .map_or_else(String::new, |state| state.to_value()),
            kind: wanted.kind.clone().unwrap_or_default(),
            is_filtered: wanted != Wanted::default(),
            words: wanted.words,
        },
        back,
        side,
    })
}

fn chips(wanted: &Wanted, counts: &[Counted]) -> Vec<Chip> {
    let count = |state: Option<JobState>| {
        let of = counts
            .iter()
            .filter(|(_, found, _)| state.is_none_or(|state| state == *found));
        of.map(|(.., count)| count).sum()
    };
    let chips = STATES.into_iter().map(|(state, words)| Chip {
        words,
        path: path_of(&Wanted {
            state,
            ..wanted.clone()
        }),
        count: count(state),
        is_chosen: wanted.state == state,
    });
    chips.collect()
}

/// Every kind that is known or has jobs, and who paused all of them.
async fn kinds(
    app: &App,
    side: &Side,
    wanted: &Wanted,
    counts: &[Counted],
) -> Result<(Vec<KindRow>, Option<PausedView>)> {
    let now = app.clock.now();
    let view = |one: Paused| PausedView {
        by: one.by,
        when: Time::of(one.at, now, &side.person),
    };
    let (kinds, everything) = kinds_of(app.db.read(), counts).await?;
    let rows = kinds.into_iter().map(|kind| KindRow {
        called: kind.called,
        waiting: kind.waiting,
        running: kind.running,
        failed: kind.failed,
        paused: kind.paused.map(view),
        is_chosen: wanted.kind.as_ref() == Some(&kind.kind),
        kind: kind.kind,
    });
    Ok((rows.collect(), everything.map(view)))
}

/// What is told after something was done.
fn told(asked: &Asked) -> Option<String> {
    let n = asked.n.unwrap_or(0);
    let jobs = if n == 1 {
        "1 job".to_owned()
    } else {
        format!("{n} jobs")
    };
    let (is, was) = if n == 1 {
        ("is", "was")
    } else {
        ("are", "were")
    };
    let mut words = match asked.done.as_deref()? {
        "retry" if n > 0 => format!("{jobs} {is} in line again."),
        "cancel" if n > 0 => format!("{jobs} {was} stopped."),
        "retry" | "cancel" => String::new(),
        "none" => return Some("Choose a job first.".into()),
        "paused" => {
            return Some("Paused. What runs goes on to its end; nothing else is begun.".into());
        }
        "resumed" => return Some("It goes on.".into()),
        _ => return None,
    };
    match asked.passed.unwrap_or(0) {
        0 => {}
        1 => words.push_str(" One had changed meanwhile, and was left as it is."),
        passed => {
            // Writing into a text does not fail.
            let _ = write!(
                words,
                " {passed} had changed meanwhile, and were left as they are."
            );
        }
    }
    Some(words.trim().to_owned()).filter(|words| !words.is_empty())
}

/// Asks before something is done with several jobs.
#[derive(Template)]
#[template(path = "admin/jobs_ask.html")]
struct AskPage {
    shell: Shell,
    side: Side,
    act: &'static str,
    count: usize,
    is_cut: bool,
    ids: Vec<i64>,
    back: String,
}

/// POST `/admin/jobs/act/`: `only=<retry|cancel>:<id>` for one; or `act` and `job` (several) or `all` with the filters of
/// the list, which ask first: `sure=yes`.
pub async fn act(State(app): State<App>, side: Side, shell: Shell, form: Form) -> Result<Response> {
    side.require(CHANGE_JOB)?;
    let back = back_of(&form);
    if let Some((act, id)) = form.text("only").split_once(':') {
        let act = Act::named(act)?;
        let id = id.parse().map_err(|_| Error::NotFound)?;
        return done(&app, &side, act, &[id], &back).await;
    }
    let act = Act::named(form.text("act"))?;
    let ids = chosen(&app, &form, act).await?;
    match ids.as_slice() {
        [] => side.lead(&app, &with(&back, "done=none")),
        [_] => done(&app, &side, act, &ids, &back).await,
        _ if form.text("sure") == "yes" => done(&app, &side, act, &ids, &back).await,
        _ => page(&AskPage {
            shell: shell.at(Place::Admin),
            side,
            act: act.name(),
            count: ids.len(),
            is_cut: ids.len() as u64 == MOST_AT_ONCE,
            ids,
            back,
        }),
    }
}

/// The jobs that were ticked, or all that match and with which it can be done.
async fn chosen(app: &App, form: &Form, act: Act) -> Result<Vec<i64>> {
    if form.is_set("all") {
        let wanted = Wanted {
            act: Some(act),
            ..wanted(form.text("state"), form.text("kind"), form.text("q"))
        };
        return store::list_ids(app.db.read(), &wanted, MOST_AT_ONCE).await;
    }
    let ids: BTreeSet<i64> = form
        .all("job")
        .filter_map(|id| id.parse().ok())
        .take(usize::try_from(MOST_AT_ONCE).unwrap_or(usize::MAX))
        .collect();
    Ok(ids.into_iter().collect())
}

async fn done(app: &App, side: &Side, act: Act, ids: &[i64], back: &str) -> Result<Response> {
    let by = side.by(app);
    let Done { done, passed } = acts::act_on_all(app, &by, act, ids).await?;
    tracing::info!(
        by = by.name,
        act = act.name(),
        done,
        passed,
        "jobs were steered"
    );
    let told = format!("done={}&n={done}&passed={passed}", act.name());
    side.lead(app, &with(back, &told))
}

/// A page of the admin site to go back to, without what it told.
fn back_of(form: &Form) -> String {
    let path = redirect::local(form.get("back")).unwrap_or(PATH);
    let is_ours = path == "/admin/" || path.starts_with("/admin/?") || path.starts_with(PATH);
    if is_ours { path } else { PATH }.to_owned()
}

fn with(path: &str, pairs: &str) -> String {
    let joint = if path.contains('?') { '&' } else { '?' };
    format!("{path}{joint}{pairs}")
}

/// POST `/admin/jobs/pause/`, field `kind` (`*` for all).
pub async fn pause(State(app): State<App>, side: Side, form: Form) -> Result<Response> {
    side.require(CHANGE_JOB)?;
    let kind = form.text("kind");
    let by = side.by(&app);
    steering::pause(&app, kind, &by).await?;
    tracing::info!(by = by.name, kind, "jobs were paused");
    side.lead(&app, &with(&back_of(&form), "done=paused"))
}

/// POST `/admin/jobs/resume/`, field `kind` (`*` for all).
pub async fn resume(State(app): State<App>, side: Side, form: Form) -> Result<Response> {
    side.require(CHANGE_JOB)?;
    let kind = form.text("kind");
    let by = side.by(&app);
    steering::resume(&app, kind, &by).await?;
    tracing::info!(by = by.name, kind, "jobs were resumed");
    side.lead(&app, &with(&back_of(&form), "done=resumed"))
}
