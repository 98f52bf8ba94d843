//! On real Memcached servers, which are stopped, held up and started again, and on servers that
//! say what no server should.

mod faults;
mod spread;
mod values;

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::super::testing::until;
use super::*;

/// Longer than any test takes, so that none depends on how busy the machine is.
const PATIENT: Duration = Duration::from_secs(120);

/// Of a cache that is to find out that a server says nothing.
const IMPATIENT: Duration = Duration::from_millis(500);

/// A Memcached on a port of its own, ended with the test.
struct Daemon {
    port: u16,
    arguments: Vec<&'static str>,
    child: Child,
}

impl Daemon {
    async fn start(arguments: &[&'static str]) -> Self {
        for _ in 0..10 {
            let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let port = probe.local_addr().unwrap().port();
            drop(probe);
            let child = Self::spawn(port, arguments);
            let mut daemon = Self {
                port,
                arguments: arguments.to_vec(),
                child,
            };
            // Another program may have taken the port first.
            if daemon.is_up().await {
                return daemon;
            }
        }
        panic!("memcached did not start; as root, run: apt-get install memcached");
    }

    fn spawn(port: u16, arguments: &[&str]) -> Child {
        let mut command = Command::new("setpriv");
        command.args([
            "--pdeathsig",
            "KILL",
            "memcached",
            "-l",
            "127.0.0.1",
            "-m",
            "64",
        ]);
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "nobody"]);
        }
        command.args(["-p", &port.to_string()]).args(arguments);
        command
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    async fn is_up(&mut self) -> bool {
        until("it listens or ends", async || {
            if self.child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            let stream = TcpStream::connect(("127.0.0.1", self.port)).await;
            stream.is_ok().then_some(true)
        })
        .await
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn start_again(&mut self) {
        self.child = Self::spawn(self.port, &self.arguments);
        assert!(self.is_up().await);
    }

    /// Stops it without ending it, as a machine that hangs; a signal alone is answered some time later.
    async fn freeze(&self) {
        self.signal(rustix::process::Signal::STOP);
        let tasks = format!("/proc/{}/task", self.child.id());
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

    fn thaw(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Sends this and reads `count` lines.
    async fn say(&self, text: &str, count: usize) -> Vec<String> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut lines = Vec::new();
        for _ in 0..count {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            lines.push(line.trim_end().to_owned());
        }
        lines
    }

    /// How long a name still lives in seconds; -1 for ever.
    async fn seconds(&self, name: &str) -> i64 {
        let said = self.say(&format!("mg {name} t\r\n"), 1).await;
        said[0].strip_prefix("HD t").unwrap().parse().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn three() -> [Daemon; 3] {
    [
        Daemon::start(&[]).await,
        Daemon::start(&[]).await,
        Daemon::start(&[]).await,
    ]
}

fn cache(servers: &[Daemon], patience: Duration) -> Memcached {
    let servers: Vec<_> = servers.iter().map(Daemon::address).collect();
    Memcached::new(&format!("//{}", servers.join(",")), "", patience).unwrap()
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!(":1:name:{n}")).collect()
}

/// A name that lives on this server while all are well.
fn name_on(cache: &Memcached, server: usize) -> String {
    let mut names = names(1_000).into_iter();
    names
        .find(|name| cache.pool.spot(name).server == Some(server))
        .unwrap()
}

/// Waits until a server is left out, or is back.
async fn until_out(cache: &Memcached, server: usize, is_out: bool) {
    until("it is left out or back", async || {
        (cache.pool.servers()[server].is_out() == is_out).then_some(())
    })
    .await;
}
