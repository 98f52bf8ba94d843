//! The program itself: its exit codes, its words on stderr, and how it stops.

use crate::kit::client;
use std::net::TcpListener as StdListener;
use std::path::Path;
use std::process::Stdio;
use std::time::SystemTime;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};

/// The program with nothing of the test's own environment that it would take as settings.
pub fn lyceum(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lyceum"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LYCEUM_") {
            command.env_remove(name);
        }
    }
    command
        .current_dir(folder)
        .env("LYCEUM_DATA", folder.join("data"))
        .env("LYCEUM_LISTEN", "127.0.0.1:0")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

async fn run(command: &mut Command) -> Ran {
    let output = command.output().await.unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A site that serves; killed when dropped.
struct Serving {
    child: Child,
    log: BufReader<ChildStderr>,
    address: String,
    _folder: TempDir,
}

async fn serve() -> Serving {
    let folder = tempfile::tempdir().unwrap();
    let mut command = lyceum(folder.path());
    command.arg("serve");
    serve_with(command, folder).await
}

/// Runs what serves over the data of this folder.
async fn serve_with(mut command: Command, folder: TempDir) -> Serving {
    command.stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let line = line_with(&mut log, "listening on http://").await;
    let address = line.rsplit("http://").next().unwrap().trim().to_owned();
    Serving {
        child,
        log,
        address,
        _folder: folder,
    }
}

/// The next line of the log with these words.
pub async fn line_with(log: &mut BufReader<ChildStderr>, words: &str) -> String {
    let mut seen = String::new();
    loop {
        let mut line = String::new();
        let read = log.read_line(&mut line).await.unwrap();
        assert!(read > 0, "{words:?} never came: {seen}");
        if line.contains(words) {
            return line;
        }
        seen.push_str(&line);
    }
}

impl Serving {
    async fn terminate(&self) {
        let id = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(sent.unwrap().success());
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }
}

#[tokio::test]
async fn a_process_that_only_serves_removes_what_accidents_left_in_its_own_folder() {
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("data/tmp");
    let [old, new] = ["job-1-1-old", "job-2-1-new"].map(|name| work.join(name));
    for path in [&old, &new] {
        std::fs::create_dir_all(path).unwrap();
    }
    let handle = std::fs::File::open(&old).unwrap();
    handle.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let mut command = lyceum(folder.path());
    command.args(["serve", "--no-worker"]);
    let mut serving = serve_with(command, folder).await;
    line_with(&mut serving.log, "forgotten work folders were removed").await;
    assert!(!old.exists() && new.exists(), "only what was forgotten");
}

#[tokio::test]
async fn a_site_may_have_as_many_connections_open_as_the_system_lets_it() {
    let folder = tempfile::tempdir().unwrap();
    let plain = lyceum(folder.path());
    let mut command = Command::new("prlimit");
    let program = plain.as_std().get_program();
    command.arg("--nofile=256:2048").arg(program).arg("serve");
    for (name, value) in plain.as_std().get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(folder.path()).kill_on_drop(true);
    let site = serve_with(command, folder).await;
    let limits = format!("/proc/{}/limits", site.child.id().unwrap());
    let limits = std::fs::read_to_string(limits).unwrap();
    let files = limits.lines().find(|line| line.contains("open files"));
    let numbers: Vec<&str> = files.unwrap().split_whitespace().skip(3).collect();
    assert_eq!(numbers[..2], ["2048", "2048"]);
}

/// The most memory that a process has had, in KiB; pages of its program are counted.
fn peak(child: &Child) -> u64 {
    let status = format!("/proc/{}/status", child.id().unwrap());
    let status = std::fs::read_to_string(status).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = peak.unwrap().split_whitespace().next().unwrap();
    number.parse().unwrap()
}

#[tokio::test]
async fn an_upload_goes_through_a_little_memory_however_large_it_is() {
    const BYTES: u64 = 256 << 20;
    let folder = tempfile::tempdir().unwrap();
    let mut adding = lyceum(folder.path());
    adding.args(["user", "add", "clara", "--instructor", "--password-stdin"]);
    let adding = adding.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
    let mut adding = adding.unwrap();
    let mut input = adding.stdin.take().unwrap();
    input.write_all(b"a harp in the attic 7\n").await.unwrap();
    drop(input);
    assert!(adding.wait().await.unwrap().success());
    let key = run(lyceum(folder.path()).args(["user", "token", "clara"])).await;
    let key = format!("Token {}", key.out.trim());
    let mut command = lyceum(folder.path());
    command.args(["serve", "--no-worker"]);
    let site = serve_with(command, folder).await;
    let client = client().build().unwrap();
    let url = format!("http://{}/uploads/", site.address);
    let made = client.post(&url).header("authorization", &key);
    let made = made.header("tus-resumable", "1.0.0");
    let made = made.header("upload-metadata", "filename ZmlsbS5tcDQ=");
    let made = made.header("upload-length", BYTES.to_string()).send();
    let made = made.await.unwrap();
    assert_eq!(made.status(), 201, "{}", made.text().await.unwrap());
    let address = made.headers()["location"].to_str().unwrap().to_owned();
    let before = peak(&site.child);
    let piece = bytes::Bytes::from(vec![7; 1 << 20]);
    let pieces = (0..BYTES >> 20).map(move |_| Ok::<_, std::io::Error>(piece.clone()));
    let sent = client
        .patch(reqwest::Url::parse(&url).unwrap().join(&address).unwrap())
        .header("authorization", &key)
        .header("tus-resumable", "1.0.0")
        .header("upload-offset", "0")
        .header("content-type", "application/offset+octet-stream")
        .body(reqwest::Body::wrap_stream(futures::stream::iter(pieces)));
    assert_eq!(sent.send().await.unwrap().status(), 204);
    let grown = peak(&site.child) - before;
    assert!(grown < 64 << 10, "it took {grown} KiB more");
}

#[tokio::test]
async fn a_stopped_site_ends_requests_first_and_says_that_it_ended_well() {
    let mut site = serve().await;
    // One connection rests, one has begun a request whose body is still on its way.
    let mut resting = site.connect().await;
    resting
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut head = [0; 12];
    resting.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    let mut slow = site.connect().await;
    slow.write_all(
        b"POST /accounts/login/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\
          Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 4\r\n\r\n",
    )
    .await
    .unwrap();
    let mut asked = [0; 12];
    slow.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100", "the handler reads the body now");
    site.terminate().await;
    line_with(&mut site.log, "stopping").await;
    slow.write_all(b"a=bc").await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("HTTP/1.1 403"), "{answer}");
    line_with(&mut site.log, "stopped").await;
    assert_eq!(site.child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_keep_the_site_from_stopping() {
    let mut site = serve().await;
    let mut endless = site.connect().await;
    endless
        .write_all(
            b"POST /accounts/login/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\
              Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 4\r\n\r\n",
        )
        .await
        .unwrap();
    let mut asked = [0; 12];
    endless.read_exact(&mut asked).await.unwrap();
    site.terminate().await;
    line_with(&mut site.log, "are cut off").await;
    assert_eq!(site.child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_the_site_at_once() {
    let mut site = serve().await;
    let mut endless = site.connect().await;
    endless.write_all(b"POST /accounts/login/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n").await.unwrap();
    let mut asked = [0; 12];
    endless.read_exact(&mut asked).await.unwrap();
    site.terminate().await;
    line_with(&mut site.log, "stopping").await;
    site.terminate().await;
    line_with(&mut site.log, "ending at once").await;
    assert_eq!(site.child.wait().await.unwrap().code(), Some(1));
}

#[tokio::test]
async fn a_port_in_use_is_told_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let taken = StdListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = run(lyceum(folder.path()).args(["serve", "--listen", &address])).await;
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    let told = format!("cannot listen on {address}: another program listens there");
    assert!(ran.err.contains(&told), "{}", ran.err);
}

#[tokio::test]
async fn a_socket_file_is_replaced_only_if_nobody_listens_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.txt");
    std::fs::write(&file, "dear").unwrap();
    let listen = format!("unix:{}", file.display());
    let ran = run(lyceum(folder.path()).args(["serve", "--listen", &listen])).await;
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "dear");
    let socket = folder.path().join("site.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let mut command = lyceum(folder.path());
    command.arg("serve").stderr(Stdio::piped());
    command.env("LYCEUM_LISTEN", format!("unix:{}", socket.display()));
    let mut child = command.spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    line_with(&mut log, "listening on unix:").await;
    tokio::net::UnixStream::connect(&socket).await.unwrap();
}

#[tokio::test]
async fn wrong_use_and_wrong_settings_have_codes_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    for wrong in [&["fly"][..], &["serve", "--fast"], &[]] {
        assert_eq!(
            run(lyceum(folder.path()).args(wrong)).await.code,
            Some(2),
            "{wrong:?}"
        );
    }
    let mut command = lyceum(folder.path());
    command.arg("check").env("LYCEUM_SHADE", "red");
    command
        .env("LYCEUM_WORKERS", "none")
        .env("LYCEUM_LISTEN", "nowhere");
    let ran = run(&mut command).await;
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    for key in ["shade:", "workers:", "listen:"] {
        assert!(ran.err.contains(key), "{key} is missing: {}", ran.err);
    }
}

#[tokio::test]
async fn flags_win_over_the_environment_and_that_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("lyceum.toml"),
        "site_name = \"File\"\nworkers = 3\nlog = \"warn\"\ndata = \"from-file\"\n",
    )
    .unwrap();
    run(lyceum(folder.path()).args(["--data", "flagged", "migrate"])).await;
    let mut command = lyceum(folder.path());
    command
        .env("LYCEUM_SITE_NAME", "Variable")
        .env("LYCEUM_LOG", "");
    // These belong to scripts and tests, not to the program.
    command
        .env("LYCEUM_TOOLS", "x")
        .env("LYCEUM_TEST_DATABASE", "x");
    let ran = run(command.args(["--data", "flagged", "check"])).await;
    let value = |key: &str| {
        let line = ran
            .out
            .lines()
            .find(|line| line.split(' ').next() == Some(key));
        line.unwrap_or_else(|| panic!("{key}: {} {}", ran.out, ran.err))
            .split_once(' ')
            .unwrap()
            .1
            .trim()
            .to_owned()
    };
    assert_eq!(value("site_name"), "Variable");
    assert_eq!(value("workers"), "3");
    assert_eq!(value("log"), "warn", "an empty variable is not set");
    let data = value("data");
    assert!(
        Path::new(&data).is_absolute() && data.ends_with("/flagged"),
        "{data}"
    );
}

#[tokio::test]
async fn a_database_that_is_behind_is_told_by_check() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(lyceum(folder.path()).arg("check")).await;
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains("run `lyceum migrate`"), "{}", ran.err);
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_named_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    // It takes connections and never says a word.
    let mute = StdListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "postgres://lyceum:topsecret@{}/school",
        mute.local_addr().unwrap()
    );
    let mut command = lyceum(folder.path());
    command.arg("serve").env("LYCEUM_DATABASE", url);
    let ran = run(command.env("LYCEUM_SECRET", "s".repeat(32))).await;
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains("database cannot be used"), "{}", ran.err);
    assert!(
        !ran.err.contains("topsecret") && !ran.out.contains("topsecret"),
        "{}",
        ran.err
    );
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let mut command = lyceum(folder.path());
    let ran = run(command.arg("serve").env("LYCEUM_DATA", file.join("data"))).await;
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(
        ran.err.contains("data:") && ran.err.contains("file/data"),
        "{}",
        ran.err
    );
}

#[tokio::test]
async fn passwords_keys_and_cookies_never_reach_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = lyceum(folder.path());
    command.arg("serve").env("LYCEUM_LOG", "info,lyceum=trace");
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let line = line_with(&mut log, "listening on http://").await;
    let url = format!("http://{}", line.rsplit("http://").next().unwrap().trim());
    let client = client().build().unwrap();
    let wrong = client.get(&url).basic_auth("maya", Some("basicsecret"));
    assert_eq!(wrong.send().await.unwrap().status(), 401);
    let wrong = client.get(&url).bearer_auth("tokensecret");
    assert_eq!(wrong.send().await.unwrap().status(), 401);
    let login = client.post(format!("{url}/accounts/login/?next=/querysecret/"));
    let login = login.header("Cookie", "sessionid=cookiesecret; csrftoken=cookiesecret");
    let fields = [("username", "maya"), ("password", "formsecret")];
    assert_eq!(login.form(&fields).send().await.unwrap().status(), 403);
    let id = child.id().unwrap().to_string();
    Command::new("kill")
        .args(["-TERM", &id])
        .status()
        .await
        .unwrap();
    let mut text = String::new();
    log.read_to_string(&mut text).await.unwrap();
    assert!(text.contains("wrong credentials"), "{text}");
    // `maya:basicsecret` as it stands in the header.
    for secret in ["secret", "bWF5YTpiYXNpY3NlY3JldA"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}
