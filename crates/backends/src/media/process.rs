//! Child processes within bounds: limits of the kernel (`prlimit`), death with the parent (`setpriv
//! --pdeathsig`), a process group of their own, a time limit, a watchdog, and the end of their stderr kept.
//! What the programs are asked to do is in `probe`, `video` and `audio`.

use std::ffi::OsString;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::fault::Fault;
use super::tools::Limits;

/// What is kept of stderr: its end, where the cause stands.
const STDERR_KEPT_BYTES: usize = 8 * 1024;
/// More than a day of progress lines; only a program run wild writes so much.
pub(super) const STDOUT_BYTES: u64 = 64 << 20;
const OPEN_FILES: u32 = 64;
const TOO_MUCH: &str = "This file says more about itself than any recording needs, for example in its chapters. Save it again without chapters and tags, and upload that.";

/// One run of a program.
pub(super) struct Task<'a> {
    /// A path, or a name to be found in `PATH`.
    pub program: &'a Path,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// The folder it runs in.
    pub folder: &'a Path,
    /// Wall-clock limit.
    pub time: Duration,
    /// Ended when the line reader has seen no headway for this long.
    pub stall: Option<Duration>,
    /// Ended when it writes more to stdout; [`STDOUT_BYTES`] where nothing else is known.
    pub stdout_bytes: u64,
}

/// Runs a program to its end. `on_line` gets each line of stdout and answers whether it shows headway.
/// Dropping the future kills the program and its group.
///
/// # Errors
/// A `Fault` when it cannot be started, ends badly, takes too long, or stalls. On success: the end of stderr.
pub(super) async fn run(
    limits: &Limits,
    task: Task<'_>,
    on_line: &mut (dyn FnMut(&str) -> bool + Send),
) -> Result<String, Fault> {
    let name = task.program.display().to_string();
    let mut running = start(command(limits, &task))
        .await
        .map_err(|error| Fault::missing_program(format!("{name} cannot be started: {error}")))?;
    let mut tail = Tail::default();
    let ended = follow(&mut running, &task, &mut tail, on_line).await;
    let status = match ended {
        Ok(Ended::Itself) => running.wait(&task, &name).await?,
        Ok(Ended::TimeUp) => {
            let seconds = task.time.as_secs();
            return Err(Fault::took_too_long(format!(
                "{name}: ended after {seconds} s\n{}",
                tail.text()
            )));
        }
        Ok(Ended::Stalled) => {
            return Err(Fault::stalled(format!(
                "{name}: no headway\n{}",
                tail.text()
            )));
        }
        Ok(Ended::TooMuch) => {
            return Err(Fault::permanent(
                TOO_MUCH,
                format!("{name}: more than {} bytes of output", task.stdout_bytes),
            ));
        }
        Err(error) => {
            return Err(Fault::from_io(&name, &error));
        }
    };
    if status.success() {
        Ok(tail.text())
    } else {
        Err(Fault::from_exit(&name, status, &tail.text()))
    }
}

enum Ended {
    Itself,
    TimeUp,
    Stalled,
    TooMuch,
}

/// Reads both pipes until they close.
async fn follow(
    running: &mut Running,
    task: &Task<'_>,
    tail: &mut Tail,
    on_line: &mut (dyn FnMut(&str) -> bool + Send),
) -> io::Result<Ended> {
    let (Some(stdout), Some(mut stderr)) =
        (running.child.stdout.take(), running.child.stderr.take())
    else {
        return Err(io::Error::other("no pipes"));
    };
    // One byte more tells that there is more.
    let most = task.stdout_bytes.saturating_add(1);
    let mut lines = BufReader::new(stdout.take(most)).lines();
    let time_up = running.started + task.time;
    let mut stalled_at = task.stall.map(|stall| running.started + stall);
    let (mut out_open, mut err_open) = (true, true);
    while out_open || err_open {
        tokio::select! {
            line = lines.next_line(), if out_open => match line? {
                Some(line) if on_line(&line) => {
                    stalled_at = task.stall.map(|stall| Instant::now() + stall);
                }
                Some(_) => {}
                None if lines.get_ref().get_ref().limit() == 0 => return Ok(Ended::TooMuch),
                None => out_open = false,
            },
            more = tail.read(&mut stderr), if err_open => err_open = more?,
            () = sleep_until(time_up) => return Ok(Ended::TimeUp),
            () = sleep_until(stalled_at.unwrap_or(time_up)), if stalled_at.is_some() => {
                return Ok(Ended::Stalled);
            }
        }
    }
    Ok(Ended::Itself)
}

/// The last bytes of a stream.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    /// Reads once; false at the end of the stream. Nothing is lost when the future is dropped.
    async fn read(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<bool> {
        let read = stream.read_buf(&mut self.0).await?;
        if self.0.len() > 2 * STDERR_KEPT_BYTES {
            self.0.drain(..self.0.len() - STDERR_KEPT_BYTES);
        }
        Ok(read > 0)
    }

    fn text(&self) -> String {
        let start = self.0.len().saturating_sub(STDERR_KEPT_BYTES);
        String::from_utf8_lossy(self.0.get(start..).unwrap_or_default()).into_owned()
    }
}

/// A started program. It dies with this value.
pub(super) struct Running {
    child: Child,
    started: Instant,
}

impl Running {
    async fn wait(
        &mut self,
        task: &Task<'_>,
        name: &str,
    ) -> Result<std::process::ExitStatus, Fault> {
        match tokio::time::timeout_at(self.started + task.time, self.child.wait()).await {
            Ok(status) => status.map_err(|error| Fault::from_io(name, &error)),
            Err(_) => Err(Fault::took_too_long(format!("{name}: would not end"))),
        }
    }
}

impl Drop for Running {
    /// `kill_on_drop` reaches the program alone; a configured ffmpeg may be a script that started others.
    /// The id is only there while the program has not been waited for, so that it is surely still ours.
    fn drop(&mut self) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// The whole command line: each program replaces itself by the next, so it is one process with one id.
fn command(limits: &Limits, task: &Task<'_>) -> Command {
    let cpu = task
        .time
        .as_secs()
        .saturating_mul(limits.threads.max(1) as u64)
        .max(1);
    let mut command = Command::new("nice");
    command
        // The site's own answers come first.
        .args(["-n", "10", "prlimit"])
        .arg(format!("--as={}", limits.memory_bytes))
        // At the soft limit ffmpeg says why it ends; at the hard one it is killed.
        .arg(format!("--cpu={cpu}:{}", cpu.saturating_add(10)))
        .arg(format!("--fsize={}", limits.output_bytes))
        .arg(format!("--nofile={OPEN_FILES}"))
        .args([
            "--core=0",
            "--",
            "setpriv",
            "--no-new-privs",
            "--pdeathsig",
            "KILL",
            "--",
        ])
        .arg(task.program)
        .args(&task.args)
        .current_dir(task.folder)
        // The site's secrets may be in its environment.
        .env_clear()
        .env("LC_ALL", "C")
        // Or each of the many threads of five encoders would set aside addresses of its own, against `--as`.
        .env("MALLOC_ARENA_MAX", "4")
        .env("AV_LOG_FORCE_NOCOLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    for name in ["PATH", "LD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

async fn start(command: Command) -> io::Result<Running> {
    let (answer, started) = oneshot::channel();
    order(Order {
        command,
        runtime: Handle::current(),
        answer,
    })?;
    let child = started
        .await
        .map_err(|_| io::Error::other("the launching thread has ended"))??;
    Ok(Running {
        child,
        started: Instant::now(),
    })
}

struct Order {
    command: Command,
    runtime: Handle,
    answer: oneshot::Sender<io::Result<Child>>,
}

/// The way to the launching thread. To the kernel the parent of a child is the *thread* that forked it
/// (prctl(2), PR_SET_PDEATHSIG): started from a runtime's worker, a program would be killed whenever that
/// worker ends, as blocking threads do after some idle seconds. So one thread, which lives as long as the process,
/// starts them all.
static LAUNCHER: Mutex<Option<mpsc::Sender<Order>>> = Mutex::new(None);

fn order(order: Order) -> io::Result<()> {
    let mut launcher = LAUNCHER.lock().unwrap_or_else(PoisonError::into_inner);
    let sender = match launcher.take() {
        Some(sender) => sender,
        None => launch_thread()?,
    };
    let sent = sender.send(order);
    *launcher = Some(sender);
    sent.map_err(|_| io::Error::other("the launching thread has ended"))
}

fn launch_thread() -> io::Result<mpsc::Sender<Order>> {
    let (sender, orders) = mpsc::channel::<Order>();
    std::thread::Builder::new()
        .name("media-launcher".to_owned())
        .spawn(move || {
            for mut order in orders {
                let _runtime = order.runtime.enter();
                // A runtime that is shutting down panics here; this thread must outlive it.
                let child = std::panic::catch_unwind(AssertUnwindSafe(|| order.command.spawn()))
                    .unwrap_or_else(|_| Err(io::Error::other("the runtime is shutting down")));
                // Nobody waits for it any more: dropping it kills it.
                drop(order.answer.send(child));
            }
        })?;
    Ok(sender)
}
