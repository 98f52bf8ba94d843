//! A server that runs for a measurement: started, waited for, and ended by its process id.

use crate::Outcome;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A process that ends with this value.
pub struct Server {
    child: Child,
    /// `127.0.0.1:<port>`
    pub address: String,
}

/// A port that was free a moment ago.
pub fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Server {
    /// Starts a program that listens on this port of 127.0.0.1, and waits until it answers.
    pub fn start(command: &mut Command, port: u16) -> Outcome<Self> {
        let mut server = Self {
            child: command.spawn()?,
            address: format!("127.0.0.1:{port}"),
        };
        let began = Instant::now();
        while TcpStream::connect(&server.address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("a server ended at once: {status}").into());
            }
            if began.elapsed() > Duration::from_secs(20) {
                return Err("a server did not listen within 20 seconds".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// The most memory that it had at once, in MB (`VmHWM`: pages of files it mapped included).
    pub fn peak_megabytes(&self) -> Outcome<f64> {
        Ok(self.memory("VmHWM:")? / 1e6)
    }

    /// The memory that it has now, in bytes (`VmRSS`).
    pub fn resident_bytes(&self) -> Outcome<f64> {
        self.memory("VmRSS:")
    }

    fn memory(&self, name: &str) -> Outcome<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kibibytes: f64 = line
            .and_then(|line| line.trim().strip_suffix(" kB"))
            .ok_or("the system does not tell the memory of a process")?
            .parse()?;
        Ok(kibibytes * 1024.0)
    }

    /// Processor seconds that it has used, its children that ended included.
    pub fn cpu_seconds(&self) -> Outcome<f64> {
        let mut ids = vec![self.child.id().to_string()];
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let children = fs::read_to_string(children).unwrap_or_default();
        ids.extend(children.split_whitespace().map(str::to_owned));
        let mut ticks = 0.0;
        for id in ids {
            let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
            let (_, rest) = stat.rsplit_once(')').ok_or("an odd line in /proc")?;
            // utime, stime, cutime, cstime (proc(5)), counted from the state.
            for field in rest.split_whitespace().skip(11).take(4) {
                ticks += field.parse::<f64>()?;
            }
        }
        // USER_HZ is 100 on every Linux.
        Ok(ticks / 100.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let id = self.child.id().to_string();
        // Politely, so that it ends what it started; a server that is gone already is fine.
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let began = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if began.elapsed() > Duration::from_secs(15) {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
