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
}

impl Line {
    /// A line to a server, `<host>:<port>`.
    pub async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_whole, seen) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, server.clone(), seen.clone()));
            }
        });
        Self { address, is_whole }
    }

    /// Breaks every connection, and new ones at once.
    pub fn cut(&self) {
        self.is_whole.send_replace(false);
    }

    /// Lets new connections through again.
    pub fn mend(&self) {
        self.is_whole.send_replace(true);
    }
}

async fn carry(mut near: TcpStream, server: String, mut is_whole: watch::Receiver<bool>) {
    let carried = async {
        let mut far = TcpStream::connect(server).await?;
        copy_bidirectional(&mut near, &mut far).await
    };
    tokio::select! {
        biased;
        _ = is_whole.wait_for(|is_whole| !is_whole) => {}
        _ = carried => {}
    }
    // Reset, as by a machine that lost its power and came back.
    let _ = near.set_zero_linger();
}
