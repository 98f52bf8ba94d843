//! The process that serves: listen, answer, and stop without cutting anybody off.

use crate::app::App;
use crate::config::Listen;
use crate::router::router;
use crate::web::sessions;
use crate::{jobs, registry};
use std::future::IntoFuture as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};

/// Requests that run get this long to end once the process is asked to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves until the process is asked to stop; with a worker inside unless told otherwise.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(app: App, with_worker: bool) -> io::Result<()> {
    let background = background(&app, with_worker);
    let routes = router(&app);
    let stopping = app.stopping.clone();
    let stopped = async move { stopping.cancelled().await };
    let serving = match &app.config.listen {
        Listen::Tcp(address) => {
            let listener = TcpListener::bind(address.as_str()).await?;
            let address = listener.local_addr()?;
            tracing::info!("listening on http://{address}");
            let service = routes.into_make_service_with_connect_info::<SocketAddr>();
            tokio::spawn(
                axum::serve(listener, service)
                    .with_graceful_shutdown(stopped)
                    .into_future(),
            )
        }
        Listen::Unix(path) => {
            let _ = std::fs::remove_file(path);
            let listener = UnixListener::bind(path)?;
            tracing::info!("listening on unix:{}", path.display());
            tokio::spawn(
                axum::serve(listener, routes)
                    .with_graceful_shutdown(stopped)
                    .into_future(),
            )
        }
    };
    let abort = serving.abort_handle();
    let ended = async {
        app.stopping.cancelled().await;
        tokio::time::sleep(STOP_TIMEOUT).await;
        tracing::warn!("some requests did not end in time and are cut off");
        abort.abort();
    };
    tokio::select! {
        _ = serving => {}
        () = ended => {}
    }
    close(app, background).await;
    Ok(())
}

/// Works without serving, until the process is asked to stop.
pub async fn work(app: App) {
    let background = background(&app, true);
    app.stopping.cancelled().await;
    close(app, background).await;
}

/// What runs beside the requests: the listener for changed accounts, and the worker.
fn background(app: &App, with_worker: bool) -> Vec<tokio::task::JoinHandle<()>> {
    tokio::spawn(stop_on_signal(app.clone()));
    tokio::spawn(sessions::listen(app.clone()));
    if with_worker {
        vec![tokio::spawn(jobs::work(app.clone(), registry::registry()))]
    } else {
        Vec::new()
    }
}

async fn close(app: App, background: Vec<tokio::task::JoinHandle<()>>) {
    app.stopping.cancel();
    for task in background {
        let _ = task.await;
    }
    app.bus.close().await;
    if let Err(error) = app.db.clone().close().await {
        tracing::warn!(%error, "the database did not close");
    }
    tracing::info!("stopped");
}

async fn stop_on_signal(app: App) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return tracing::error!("signals cannot be heard; stop the process by closing it");
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping");
    app.stopping.cancel();
}
