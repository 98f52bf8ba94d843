//! Real servers on free ports of 127.0.0.1, which end with the test.

use std::net::TcpListener as StdListener;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::until;

/// A running server; killed when it is dropped, and by the kernel when the test dies.
pub struct Server {
    program: &'static str,
    port: u16,
    more: Vec<String>,
    folder: TempDir,
    child: Option<Child>,
}

impl Server {
    pub async fn redis() -> Self {
        Self::start("redis-server", &[]).await
    }

    pub async fn redis_with(more: &[&str]) -> Self {
        Self::start("redis-server", more).await
    }

    pub async fn memcached() -> Self {
        Self::start("memcached", &[]).await
    }

    async fn start(program: &'static str, more: &[&str]) -> Self {
        let mut server = Self {
            program,
            port: free_port(),
            more: more.iter().map(|&word| word.to_owned()).collect(),
            folder: tempfile::tempdir().unwrap(),
            child: None,
        };
        // Another program may take the port first.
        while !server.begin().await {
            server.port = free_port();
        }
        server
    }

    /// Starts it on its port, empty; says whether it could have the port.
    pub async fn begin(&mut self) -> bool {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", self.program]);
        let port = self.port.to_string();
        if self.program == "redis-server" {
            let tls = self.more.iter().any(|word| word == "--tls-port");
            let plain = if tls { "0" } else { &port };
            command.args(["--bind", "127.0.0.1", "--port", plain, "--save", ""]);
            command
                .args(["--appendonly", "no", "--dir"])
                .arg(self.folder.path());
            let words = self.more.iter().map(|word| word.replace("PORT", &port));
            command.args(words);
        } else {
            command.args(["-l", "127.0.0.1", "-p", &port, "-U", "0", "-u", "root"]);
            command.args(&self.more);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn();
        self.child = Some(child.unwrap_or_else(|error| {
            panic!(
                "{} cannot be started ({error}); Debian has it, see `make test`",
                self.program
            )
        }));
        let address = self.address();
        let child = self.child.as_mut().unwrap();
        until("the server listens or ends", async || {
            if child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            TcpStream::connect(&address).await.ok().map(|_| true)
        })
        .await
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Has a Redis carry out one command, past all caches.
    pub async fn tell(&self, command: &str) {
        let mut stream = TcpStream::connect(self.address()).await.unwrap();
        let line = format!("{command}\r\n");
        stream.write_all(line.as_bytes()).await.unwrap();
        let mut said = [0; 5];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"+OK\r\n", "{command}");
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops it without ending it, as a machine that hangs.
    pub async fn freeze(&self) {
        self.signal("STOP");
        // The signal is answered some time later.
        let tasks = format!("/proc/{}/task", self.child.as_ref().unwrap().id());
        until("all its threads have stopped", async || {
            let mut tasks = std::fs::read_dir(&tasks).unwrap();
            let is_stopped = |task: std::io::Result<std::fs::DirEntry>| {
                let stat = std::fs::read_to_string(task.unwrap().path().join("stat"));
                stat.is_ok_and(|stat| stat.contains(") T "))
            };
            tasks.all(is_stopped).then_some(())
        })
        .await;
    }

    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill")
            .args(["-s", signal, &id])
            .status()
            .unwrap();
        assert!(sent.success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
