//! A line between the site and a server, which a test can cut.

use std::net::SocketAddr;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Carries connections to a server.
pub struct Line {
    /// Where the site finds the server by way of this line.
    pub address: SocketAddr,
    is_whole: watch::Sender<bool>,
    /// How often the server has vanished.
    vanished: watch::Sender<u32>,
}

impl Line {
    /// A line to a server, `<host>:<port>`.
    pub async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_whole, seen) = watch::channel(true);
        let (vanished, mut gone) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                gone.mark_unchanged();
                let (server, seen, gone) = (server.clone(), seen.clone(), gone.clone());
                tokio::spawn(carry(near, server, seen, gone));
            }
        });
        Self {
            address,
            is_whole,
            vanished,
        }
    }

    /// Breaks every connection, and new ones at once.
    pub fn cut(&self) {
        self.is_whole.send_replace(false);
    }

    /// As when the server loses its power and another takes its place: it no longer knows of the connections that are open,
    /// and on the side of the site nothing tells of it. New ones go through.
    pub fn vanish(&self) {
        self.vanished.send_modify(|times| *times += 1);
    }

    /// Lets new connections through again.
    pub fn mend(&self) {
        self.is_whole.send_replace(true);
    }
}

async fn carry(
    mut near: TcpStream,
    server: String,
    mut is_whole: watch::Receiver<bool>,
    mut vanished: watch::Receiver<u32>,
) {
    let carried = async {
        let mut far = TcpStream::connect(server).await?;
        copy_bidirectional(&mut near, &mut far).await
    };
    let is_cut = async { is_whole.wait_for(|is_whole| !is_whole).await.is_ok() };
    let has_vanished = async { vanished.changed().await.is_ok() };
    tokio::select! {
        biased;
        _ = is_cut => {}
        // The end at the server was closed with `carried`.
        true = has_vanished => std::future::pending().await,
        _ = carried => {}
    }
    // Reset, as by a machine that lost its power and came back.
    let _ = near.set_zero_linger();
}
