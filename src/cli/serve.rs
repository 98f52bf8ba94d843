//! The process that serves: listen, answer, and stop without cutting anybody off.

use super::{CliError, connections};
use crate::app::App;
use crate::config::Listen;
use crate::router::router;
use crate::web::metrics::{self, nodes::Role};
use crate::{admin, jobs, media, registry};
use axum::serve::ListenerExt as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

/// Requests that run get this long to end once the process is asked to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// What services get to close once nothing runs any more.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {listen}: {reason}\n  Another address is set by --listen or LYCEUM_LISTEN."
)]
pub struct ListenError {
    listen: Listen,
    reason: String,
}

/// An address at which no figures can be told.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address} for metrics: {reason}\n  Each process needs an address of its own there; LYCEUM_METRICS sets it."
)]
pub struct MetricsError {
    address: String,
    reason: String,
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program listens there".to_owned(),
        _ => error.to_string(),
    }
}

/// Serves until the process is asked to stop; with a worker inside unless told otherwise.
///
/// # Errors
/// When an address cannot be listened on.
pub async fn serve(app: App, with_worker: bool) -> Result<(), CliError> {
    let role = if with_worker { Role::Both } else { Role::Serve };
    raise_file_limit();
    let listen = app.config.listen.clone();
    let failed = |error: io::Error| ListenError {
        listen: listen.clone(),
        reason: reason(&error),
    };
    let routes = router(&app);
    if let Err(error) = app.bus.appear().await {
        // It is said again every second.
        tracing::warn!(%error, "other processes do not know yet that this one serves");
    }
    let stopping = app.stopping.clone();
    let stopped = async move { stopping.cancelled().await };
    // Listening comes first: a process that cannot serve takes no jobs.
    tell_figures(&app).await?;
    let (serving, background) = match &listen {
        Listen::Tcp(address) => {
            let listener = TcpListener::bind(address.as_str()).await.map_err(failed)?;
            let address = listener.local_addr().map_err(failed)?;
            let background = background(&app, role);
            tracing::info!("listening on http://{address}");
            // Small answers, such as lines of an event stream, leave at once.
            let listener = listener.tap_io(|connection| {
                if let Err(error) = connection.set_nodelay(true) {
                    tracing::debug!(%error, "a connection stays slow");
                }
            });
            let serving = connections::serve(listener, routes, stopped, Some);
            (tokio::spawn(serving), background)
        }
        Listen::Unix(path) => {
            let listener = listen_at(path).await.map_err(failed)?;
            let background = background(&app, role);
            tracing::info!("listening on unix:{}", path.display());
            let serving = connections::serve(listener, routes, stopped, |_| None);
            (tokio::spawn(serving), background)
        }
    };
    end(&app, serving).await;
    if let Listen::Unix(path) = &listen {
        // Its listener is closed; what is left is a name that leads nowhere.
        let _ = std::fs::remove_file(path);
    }
    close(app, background).await;
    Ok(())
}

/// Lets the process have as many connections open as it may: what it is given to begin with is often 1,024, for the sake
/// of programs that wait by `select`, which takes no higher numbers.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, limit = limit.current, "no more connections and files than this can be open at once");
    }
}

/// Listens on a socket file. One that a killed process left behind is replaced, one on which
/// somebody answers, and any other file, is not.
async fn listen_at(path: &Path) -> io::Result<UnixListener> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket && UnixStream::connect(path).await.is_err() {
        std::fs::remove_file(path)?;
    }
    UnixListener::bind(path)
}

/// Waits for the end of the requests; past the bound they are cut off.
async fn end(app: &App, serving: JoinHandle<()>) {
    let abort = serving.abort_handle();
    let bound = async {
        app.stopping.cancelled().await;
        tokio::time::sleep(STOP_TIMEOUT).await;
    };
    tokio::select! {
        ended = serving => {
            if let Err(error) = ended {
                tracing::error!(%error, "serving ended by itself");
            }
        }
        () = bound => {
            tracing::warn!("some requests did not end in time and are cut off");
            abort.abort();
        }
    }
}

/// Tells this process's figures where the configuration says so. Whoever reads them waits for no request and no
/// request waits for him.
///
/// # Errors
/// When the address cannot be listened on.
async fn tell_figures(app: &App) -> Result<(), MetricsError> {
    let Some(address) = &app.config.metrics else {
        return Ok(());
    };
    let listener = TcpListener::bind(address.as_str()).await;
    let listener = listener.map_err(|error| MetricsError {
        address: address.clone(),
        reason: reason(&error),
    })?;
    let bound = listener.local_addr();
    let bound = bound.map_or_else(|_| address.clone(), |bound| bound.to_string());
    tracing::info!("figures at http://{bound}/metrics");
    let routes = metrics::router(app, registry::metrics());
    let stopping = app.stopping.clone();
    let stopped = async move { stopping.cancelled().await };
    tokio::spawn(connections::serve(listener, routes, stopped, Some));
    Ok(())
}

/// Works without serving, until the process is asked to stop.
///
/// # Errors
/// When the address for figures cannot be listened on.
pub async fn work(app: App) -> Result<(), MetricsError> {
    tell_figures(&app).await?;
    let background = background(&app, Role::Work);
    app.stopping.cancelled().await;
    close(app, background).await;
    Ok(())
}

/// What runs beside the requests: the listener for what is to be forgotten, who tidies up, the notes of what is counted,
/// and the worker.
fn background(app: &App, role: Role) -> Vec<JoinHandle<()>> {
    stop_on_signal(app);
    tokio::spawn(admin::listen(app.clone()));
    tokio::spawn(media::keep_tidy(app.clone()));
    let mut tasks = vec![tokio::spawn(metrics::watch(app.clone(), role))];
    if role != Role::Serve {
        let work = jobs::work(app.clone(), registry::registry());
        tasks.push(tokio::spawn(work));
    }
    tasks
}

async fn close(app: App, background: Vec<JoinHandle<()>>) {
    app.stopping.cancel();
    for task in background {
        let _ = task.await;
    }
    let closing = async {
        app.bus.close().await;
        if let Err(error) = app.db.clone().close().await {
            tracing::warn!(%error, "the database did not close");
        }
    };
    // A request that was cut off may still hold a connection.
    if tokio::time::timeout(CLOSE_TIMEOUT, closing).await.is_err() {
        tracing::warn!("the database did not close in time");
    }
    tracing::info!("stopped");
}

/// Asks the process to stop when somebody sends it a signal; ends it at once with the second.
pub(super) fn stop_on_signal(app: &App) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return tracing::error!("signals cannot be heard; stop the process by closing it");
    };
    let stopping = app.stopping.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping");
        stopping.cancel();
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::warn!("asked again to stop: ending at once");
        std::process::exit(1);
    });
}
