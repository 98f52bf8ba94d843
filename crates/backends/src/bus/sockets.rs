//! How processes on one SQLite file find each other and say what they have heard: a Unix socket each, in a folder
//! beside the database. Nothing is written into the database for it, a process that ended refuses what it is sent,
//! and one that is asked looks at once instead of at its next turn.
//!
//! Messages are short texts: `look <name> <id>` asks a process to read the events up to an id and to tell that name;
//! `heard <name> <id>` is the answer; `told <group>` with a payload on the next line is what need not last.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::net::UnixDatagram;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::event::MOST_TOLD_BYTES;
use super::peers::{Expected, PATIENCE, Peers};
use super::sqlite::Poller;
use super::tell::{self, Telling, Told};
use super::{Event, Hub, Station};

/// How the names end of those that serve.
const SERVES: &str = ".serve";

/// How the names end of those that only ask.
const ASKS: &str = ".ask";

/// The longest path of a socket that every system takes (unix(7): 108 bytes with a zero at the end).
const LONGEST_PATH: usize = 100;

/// Longest message: what is told, and room for its group.
const MESSAGE_BYTES: usize = MOST_TOLD_BYTES + 256;

/// This process's place among those of one database.
#[derive(Debug)]
pub struct Sockets {
    folder: Folder,
    station: Station,
    poller: Poller,
    telling: Telling,
    serving: OnceLock<Socket>,
    asking: OnceLock<Socket>,
    /// Held while one of them is opened: two who write at once need the same.
    opening: Mutex<()>,
}

/// Where the sockets are.
#[derive(Clone, Debug)]
struct Folder {
    path: PathBuf,
    /// Held open where the path is too long for a socket: then it is reached by its number.
    handle: Arc<OnceLock<File>>,
}

/// A socket that is there as long as this is.
#[derive(Debug)]
struct Socket {
    datagrams: Arc<UnixDatagram>,
    name: String,
    path: PathBuf,
    task: JoinHandle<()>,
}

impl Sockets {
    /// The place of the bus with this name among those on the database in `file`.
    pub fn new(file: &Path, station: &Station, poller: &Poller) -> Self {
        let mut path = file.as_os_str().to_owned();
        path.push("-peers");
        let folder = Folder {
            path: path.into(),
            handle: Arc::default(),
        };
        let (telling, told) = tell::queue();
        let teller = Teller {
            folder: folder.clone(),
            own: format!("{}{SERVES}", station.instance),
            stuck: BTreeSet::new(),
        };
        // Ends with the queue.
        tokio::spawn(teller.run(told));
        Self {
            folder,
            station: station.clone(),
            poller: poller.clone(),
            telling,
            serving: OnceLock::new(),
            asking: OnceLock::new(),
            opening: Mutex::default(),
        }
    }

    /// Appears among those that serve.
    pub fn appear(&self) -> io::Result<()> {
        self.open(&self.serving, SERVES).map(drop)
    }

    /// The way to tell the others what need not last.
    pub fn telling(&self) -> &Telling {
        &self.telling
    }

    /// The sockets of the others that serve.
    fn others(&self) -> Vec<String> {
        self.folder.serving_beside(&self.own(SERVES))
    }

    /// The instances of the others that serve. One that was killed is not among them: each is tried.
    pub fn peers(&self) -> Vec<String> {
        let mut others = self.others();
        others.retain(|name| !self.folder.remove_if_ended(name));
        others
            .iter()
            .filter_map(|name| name.strip_suffix(SERVES).map(str::to_owned))
            .collect()
    }

    fn own(&self, ending: &str) -> String {
        format!("{}{ending}", self.station.instance)
    }

    /// Asks the others to hear these events, and waits until they have, for a moment.
    pub async fn wait(&self, expected: &[Expected]) {
        let Some(last) = expected.iter().map(Expected::id).max() else {
            return;
        };
        let others = self.others();
        self.station.peers.set(&others);
        if others.is_empty() {
            return;
        }
        let socket = match self.serving.get() {
            Some(socket) => Ok(socket),
            None => self.open(&self.asking, ASKS),
        };
        let socket = match socket {
            Ok(socket) => socket,
            // They hear it all the same, at their next turn.
            Err(error) => return tracing::debug!(%error, "other processes cannot be asked"),
        };
        let message = format!("look {} {last}", socket.name);
        // One for all: a process that is stopped, and whose line is full, holds up each change no longer.
        let until = Instant::now() + PATIENCE;
        for other in &others {
            self.ask(socket, other, &message, until).await;
        }
        self.station.peers.wait(expected).await;
    }

    async fn ask(&self, socket: &Socket, other: &str, message: &str, until: Instant) {
        let address = match self.folder.address(other) {
            Ok(address) => address,
            Err(error) => return tracing::debug!(%error, "another process cannot be reached"),
        };
        let sent = timeout_at(until, socket.datagrams.send_to(message.as_bytes(), address)).await;
        match sent {
            Ok(Err(error)) if is_ended(&error) => {
                self.station.peers.gone(other);
                // Killed, or it would have done so itself.
                let _ = std::fs::remove_file(self.folder.path.join(other));
            }
            Ok(Err(error)) => tracing::debug!(%error, "another process could not be asked"),
            Ok(Ok(_)) | Err(_) => {}
        }
    }

    fn open<'a>(&self, place: &'a OnceLock<Socket>, ending: &str) -> io::Result<&'a Socket> {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(socket) = place.get() {
            return Ok(socket);
        }
        let opened = self.bind(&self.own(ending))?;
        Ok(place.get_or_init(|| opened))
    }

    fn bind(&self, name: &str) -> io::Result<Socket> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder.path)?;
        self.sweep();
        let socket = Arc::new(UnixDatagram::bind(self.folder.address(name)?)?);
        let reader = Reader {
            socket: Arc::clone(&socket),
            name: name.to_owned(),
            folder: self.folder.clone(),
            peers: Arc::clone(&self.station.peers),
            hub: Arc::clone(&self.station.hub),
            poller: self.poller.clone(),
        };
        Ok(Socket {
            task: tokio::spawn(reader.run()),
            datagrams: socket,
            name: name.to_owned(),
            path: self.folder.path.join(name),
        })
    }

    /// Removes what processes have left that only asked and were killed; nobody asks those anything.
    fn sweep(&self) {
        for name in self.folder.names() {
            if name.ends_with(ASKS) {
                self.folder.remove_if_ended(&name);
            }
        }
    }

    /// Goes from among those that serve, and stops answering.
    pub fn leave(&self) {
        for socket in [&self.serving, &self.asking] {
            if let Some(socket) = socket.get() {
                socket.end();
            }
        }
    }
}

impl Folder {
    /// What is in it.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.path).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.collect()
    }

    /// The sockets of those that serve, but for this one.
    fn serving_beside(&self, own: &str) -> Vec<String> {
        let mut names = self.names();
        names.retain(|name| name.ends_with(SERVES) && name != own);
        names
    }

    /// Removes a socket at which nobody listens any more; says whether it did.
    fn remove_if_ended(&self, name: &str) -> bool {
        let found = self
            .address(name)
            .and_then(|address| std::os::unix::net::UnixDatagram::unbound()?.connect(address));
        let is_over = found.is_err_and(|error| is_ended(&error));
        if is_over {
            let _ = std::fs::remove_file(self.path.join(name));
        }
        is_over
    }

    /// A path of this socket that is short enough for one.
    fn address(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        if path.as_os_str().as_bytes().len() <= LONGEST_PATH {
            return Ok(path);
        }
        let folder = if let Some(folder) = self.handle.get() {
            folder
        } else {
            let folder = File::open(&self.path)?;
            self.handle.get_or_init(|| folder)
        };
        Ok(PathBuf::from(format!(
            "/proc/self/fd/{}/{name}",
            folder.as_raw_fd()
        )))
    }
}

impl Socket {
    fn end(&self) {
        self.task.abort();
        // Whoever asks finds nobody, and does not wait.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.end();
    }
}

/// Nobody listens there any more.
fn is_ended(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::NotFound
    )
}

/// Tells the others what need not last.
struct Teller {
    folder: Folder,
    /// The name of the socket at which this process serves, if it does.
    own: String,
    /// Who did not take what it was told last: nobody waits for these.
    stuck: BTreeSet<String>,
}

impl Teller {
    async fn run(mut self, mut told: Told) {
        let socket = match UnixDatagram::unbound() {
            Ok(socket) => socket,
            Err(error) => {
                return tracing::warn!(%error, "other processes hear nothing of what is only told");
            }
        };
        while let Some(event) = told.recv().await {
            let message = [b"told ", event.group.as_bytes(), b"\n", &event.payload].concat();
            for other in self.folder.serving_beside(&self.own) {
                self.tell(&socket, other, &message).await;
            }
        }
    }

    async fn tell(&mut self, socket: &UnixDatagram, other: String, message: &[u8]) {
        let Ok(address) = self.folder.address(&other) else {
            return;
        };
        let told = if self.stuck.contains(&other) {
            socket.try_send_to(message, &address).map(drop)
        } else {
            let told = timeout(PATIENCE, socket.send_to(message, &address)).await;
            told.unwrap_or_else(|_| Err(ErrorKind::WouldBlock.into()))
                .map(drop)
        };
        match told {
            Ok(()) => drop(self.stuck.remove(&other)),
            Err(error) if is_ended(&error) => {
                self.folder.remove_if_ended(&other);
                self.stuck.remove(&other);
            }
            Err(error) => {
                tracing::debug!(%error, "another process is not told what need not last");
                self.stuck.insert(other);
            }
        }
    }
}

/// Answers those who ask, and takes note of answers.
struct Reader {
    socket: Arc<UnixDatagram>,
    name: String,
    folder: Folder,
    peers: Arc<Peers>,
    hub: Arc<Hub>,
    poller: Poller,
}

impl Reader {
    async fn run(self) {
        let mut buffer = vec![0; MESSAGE_BYTES];
        loop {
            let length = match self.socket.recv(&mut buffer).await {
                Ok(length) => length,
                Err(error) => {
                    return tracing::warn!(%error, "other processes cannot be answered any more");
                }
            };
            let text = buffer
                .get(..length)
                .and_then(|bytes| str::from_utf8(bytes).ok());
            match text.and_then(Message::parse) {
                Some(Message::Look { from, id }) => self.look(from, id).await,
                Some(Message::Heard { from, id }) => self.peers.heard_up_to(from, id),
                Some(Message::Told { group, payload }) => {
                    let event = Event::told(group, payload.to_owned());
                    self.hub.deliver(&event);
                }
                None => tracing::debug!("a message to this process is not one of the bus"),
            }
        }
    }

    async fn look(&self, from: &str, id: i64) {
        // Whoever asks has committed before: when this has read all, it has read that too.
        if self.poller.catch_up().await.is_err() {
            return;
        }
        let Ok(address) = self.folder.address(from) else {
            return;
        };
        let answer = format!("heard {} {id}", self.name);
        // Whoever asked may have ended, and waits a moment only.
        let _ = timeout(PATIENCE, self.socket.send_to(answer.as_bytes(), address)).await;
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Message<'a> {
    Look { from: &'a str, id: i64 },
    Heard { from: &'a str, id: i64 },
    Told { group: &'a str, payload: &'a str },
}

impl<'a> Message<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        if let Some((head, payload)) = text.split_once('\n') {
            let group = head.strip_prefix("told ")?;
            let is_group = !group.is_empty() && !group.contains(' ');
            return is_group.then_some(Self::Told { group, payload });
        }
        let mut words = text.split(' ');
        let (kind, from, id) = (words.next()?, words.next()?, words.next()?.parse().ok()?);
        // It becomes part of a path.
        let is_name = |own: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            !own.is_empty() && own.bytes().all(is_plain)
        };
        let own = from
            .strip_suffix(SERVES)
            .or_else(|| from.strip_suffix(ASKS));
        if !own.is_some_and(is_name) || words.next().is_some() {
            return None;
        }
        match kind {
            "look" => Some(Self::Look { from, id }),
            "heard" => Some(Self::Heard { from, id }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Message;

    #[test]
    fn only_plain_names_in_the_folder_are_answered() {
        let from = "a-B_9.ask";
        assert_eq!(
            Message::parse("look a-B_9.ask 7"),
            Some(Message::Look { from, id: 7 })
        );
        assert_eq!(
            Message::parse("heard a-B_9.ask 7"),
            Some(Message::Heard { from, id: 7 })
        );
        assert_eq!(
            Message::parse("told here:1\n{}"),
            Some(Message::Told {
                group: "here:1",
                payload: "{}"
            })
        );
        for strange in [
            "",
            "told here:1",
            "told \n{}",
            "told a b\n{}",
            "hear here:1\n{}",
            "look",
            "look a.ask",
            "look a.ask x",
            "look ../a.ask 7",
            "look /a.ask 7",
            "look .ask 7",
            "look a 7",
            "look a.ask 7 8",
            "tell a.ask 7",
            "look a.b.ask 7",
        ] {
            assert_eq!(Message::parse(strange), None, "{strange:?}");
        }
    }
}
