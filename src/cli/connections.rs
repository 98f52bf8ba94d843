//! The connections of the site: taken in, answered, and ended without cutting anybody off.
//!
//! As `axum::serve` does it, but with buffers of our own size: with hyper's own, of up to 400 kB, fifty
//! uploads at once would take 20 MB for what is on its way alone.

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use std::net::SocketAddr;
use tower_service::Service as _;

/// Most of a request or an answer that lies in the buffer of a connection; also the longest head.
const BUFFER_BYTES: usize = 32 << 10;

/// Serves until `stopped`, and returns when the requests that run then have ended.
///
/// `address_of`: the client's address, where the listener knows one.
pub async fn serve<L: Listener>(
    mut listener: L,
    routes: Router,
    stopped: impl Future<Output = ()>,
    address_of: fn(L::Addr) -> Option<SocketAddr>,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    // With a timer, who takes more than 30 seconds for the head of a request is let go.
    builder
        .http1()
        .max_buf_size(BUFFER_BYTES)
        .timer(TokioTimer::new());
    let open = GracefulShutdown::new();
    let mut stopped = std::pin::pin!(stopped);
    loop {
        let (stream, address) = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopped => break,
        };
        let (routes, address) = (routes.clone(), address_of(address));
        let service = service_fn(move |mut request: Request<Incoming>| {
            if let Some(address) = address {
                request.extensions_mut().insert(ConnectInfo(address));
            }
            // A router is always ready.
            routes.clone().call(request)
        });
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let connection = open.watch(connection.into_owned());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
        });
    }
    drop(listener);
    open.shutdown().await;
}
