//! A fresh Lyceum site for a measurement, with a teacher, her course, and a student in it.

use crate::http::{Answer, Connection};
use crate::server::{Server, free_port};
use crate::{Common, Outcome};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const PASSWORD: &str = "a password for a measurement 7";

/// Signs what the site hands out: several processes on a server's database have to agree on it.
const SECRET: &str = "a secret that guards nothing but a measurement";

/// A site that runs until this value ends.
pub struct Site {
    // First, so that it ends before its folder does.
    pub server: Server,
    pub folder: TempDir,
    /// The header that makes a request the teacher's.
    pub teacher: String,
    /// The header that makes a request the student's.
    pub student: String,
    /// The teacher's course, in which the student is.
    pub course_id: String,
    /// A module of the teacher's course.
    pub module_id: String,
    program: Program,
}

/// The program with its settings.
struct Program {
    path: PathBuf,
    folder: PathBuf,
    settings: Vec<(String, OsString)>,
}

impl Program {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command
            .args(arguments)
            .current_dir(&self.folder)
            // For bench/run alone: the site refuses what is no setting.
            .env_remove("LYCEUM_BENCH_DISK")
            .env("LYCEUM_DATA", self.folder.join("data"))
            .env("LYCEUM_LOG", "warn")
            .env("LYCEUM_SECRET", SECRET)
            .envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    fn serve(&self) -> Outcome<Server> {
        let port = free_port()?;
        let listen = format!("127.0.0.1:{port}");
        Server::start(&mut self.command(&["serve", "--listen", &listen]), port)
    }

    /// Makes an account and a key for it; answers the header that shows the key.
    fn add_user(&self, name: &str, options: &[&str]) -> Outcome<String> {
        let mut arguments = vec!["user", "add", name, "--password-stdin"];
        arguments.extend(options);
        let mut adding = self
            .command(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut input) = adding.stdin.take() {
            input.write_all(format!("{PASSWORD}\n").as_bytes())?;
        }
        let added = adding.wait_with_output()?;
        if !added.status.success() {
            let said = String::from_utf8_lossy(&added.stderr);
            return Err(format!("the account {name} could not be made: {said}").into());
        }
        let token = self.command(&["user", "token", name]).output()?;
        let token = String::from_utf8(token.stdout)?;
        Ok(format!("Authorization: Token {}\r\n", token.trim()))
    }
}

impl Site {
    /// Starts one. `settings`: further variables, such as `LYCEUM_FFMPEG`.
    pub fn start(common: &Common, settings: &[(&str, &OsStr)]) -> Outcome<Self> {
        let folder = tempfile::Builder::new()
            .prefix("lyceum-bench-")
            .tempdir_in(&common.disk)?;
        let settings = settings.iter();
        let program = Program {
            path: common.lyceum.clone(),
            folder: folder.path().to_owned(),
            settings: settings
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        };
        let mut site = Self {
            teacher: program.add_user("teacher", &["--instructor"])?,
            student: program.add_user("student", &[])?,
            server: program.serve()?,
            folder,
            course_id: String::new(),
            module_id: String::new(),
            program,
        };
        site.write_course()?;
        Ok(site)
    }

    /// One more process that serves it.
    pub fn start_node(&self) -> Outcome<Server> {
        self.program.serve()
    }

    /// So many more students of the course; answers the headers that make requests theirs.
    pub fn add_people(&self, count: usize) -> Outcome<Vec<String>> {
        let mut people = Vec::with_capacity(count);
        let mut connection = self.connect()?;
        for number in 0..count {
            let person = self.program.add_user(&format!("student-{number}"), &[])?;
            let enrolls = format!("course={}", self.course_id);
            let enrolled = connection.post("/students/enroll-course/", &person, &enrolls)?;
            enrolled.expect(303)?;
            people.push(person);
        }
        Ok(people)
    }

    /// A connection to it.
    pub fn connect(&self) -> Outcome<Connection> {
        Connection::open(&self.server.address)
    }

    fn write_course(&mut self) -> Outcome {
        let mut connection = self.connect()?;
        let course = "subject=1&title=Measures&slug=measures&overview=All+of+them.";
        let made = connection.post("/course/create/", &self.teacher, course)?;
        self.course_id = number_in(&made.expect(303)?)?;
        let course_id = &self.course_id;
        let path = format!("/course/{course_id}/module/add/");
        let made = connection.post(&path, &self.teacher, "title=One&description=")?;
        self.module_id = number_in(&made.expect(303)?)?;
        let enrolls = format!("course={course_id}");
        let enrolled = connection.post("/students/enroll-course/", &self.student, &enrolls)?;
        enrolled.expect(303)?;
        Ok(())
    }

    /// More courses, `/course/bench-0/` and so on, each of so many modules; answers their numbers.
    pub fn write_courses(&self, courses: usize, modules: usize) -> Outcome<Vec<String>> {
        let mut connection = self.connect()?;
        let headers = format!("{}Content-Type: application/json\r\n", self.teacher);
        let modules: Vec<_> = (0..modules)
            .map(|module| {
                json!({
                    "title": format!("Module {module}"),
                    "description": "What stands in it, in the words of its teacher: what comes first, what follows from \
                                    it, and what to read and to try before the next one begins.",
                })
            })
            .collect();
        let mut ids = Vec::with_capacity(courses);
        for course in 0..courses {
            let body = json!({
                "subject": 1,
                "title": format!("Course number {course}"),
                "slug": format!("bench-{course}"),
                "overview": "What this course is about.\n\n## What you will learn\n\n- One thing\n- Another thing\n\n\
                             And more words of it.",
                "modules": modules,
            });
            let made = connection.post_body("/api/courses/", &headers, &body.to_string())?;
            let made: Value = serde_json::from_slice(&made.expect(201)?.body)?;
            ids.push(
                made.get("id")
                    .ok_or("a course without a number")?
                    .to_string(),
            );
        }
        Ok(ids)
    }

    /// Sends so many bytes by tus, as a content of the course; answers the number of the upload.
    pub fn send_by_tus(&self, name: &str, mut bytes: impl Source) -> Outcome<String> {
        let mut connection = self.connect()?;
        let metadata = format!(
            "filename {},module {}",
            STANDARD.encode(name),
            STANDARD.encode(&self.module_id)
        );
        let headers = format!(
            "{}Tus-Resumable: 1.0.0\r\nUpload-Length: {}\r\nUpload-Metadata: {metadata}\r\nContent-Length: 0\r\n",
            self.teacher,
            bytes.size()
        );
        let made = connection.ask("POST", "/uploads/", &headers)?.expect(201)?;
        let address = made.header("location").ok_or("no Location")?.to_owned();
        let headers = format!(
            "{}Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\n\
             Content-Length: {}\r\n",
            self.teacher,
            bytes.size()
        );
        connection.begin("PATCH", &address, &headers)?;
        bytes.send(&mut connection)?;
        let done = connection.answer(false)?.expect(204)?;
        let upload = done.header("lyceum-upload").ok_or("no Lyceum-Upload")?;
        Ok(upload.to_owned())
    }

    /// Sends so many bytes by the form of a content.
    pub fn send_by_form(&self, name: &str, mut bytes: impl Source) -> Outcome {
        let mut connection = self.connect()?;
        let head = format!(
            "--bench\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nBench\r\n\
             --bench\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n"
        );
        let tail = "\r\n--bench--\r\n";
        let length = (head.len() + tail.len()) as u64 + bytes.size();
        let headers = format!(
            "{}Accept: application/json\r\nContent-Type: multipart/form-data; boundary=bench\r\nContent-Length: {length}\r\n",
            self.teacher
        );
        let path = format!("/course/module/{}/content/file/create/", self.module_id);
        connection.begin("POST", &path, &headers)?;
        connection.send(head.as_bytes())?;
        bytes.send(&mut connection)?;
        connection.send(tail.as_bytes())?;
        connection.answer(false)?.expect(200)?;
        Ok(())
    }

    /// The stored originals.
    pub fn originals(&self) -> Outcome<Vec<PathBuf>> {
        let mut found = Vec::new();
        let folder = self.folder.path().join("data/files/uploads");
        if !folder.exists() {
            return Ok(found);
        }
        for upload in fs::read_dir(folder)? {
            let path = upload?.path().join("original");
            if path.is_file() {
                found.push(path);
            }
        }
        Ok(found)
    }

    /// Empties the disk of what was sent; only the bytes go.
    pub fn forget_originals(&self) -> Outcome {
        for path in self.originals()? {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

/// Bytes to be sent.
pub trait Source {
    /// How many.
    fn size(&self) -> u64;
    /// Sends all of them.
    fn send(&mut self, connection: &mut Connection) -> Outcome;
}

/// Noise of some size: nothing that looks like a film or a picture.
#[derive(Clone, Copy)]
pub struct Noise(pub u64);

impl Source for Noise {
    fn size(&self) -> u64 {
        self.0
    }

    fn send(&mut self, connection: &mut Connection) -> Outcome {
        let mut state: u32 = 1;
        let piece: Vec<u8> = std::iter::repeat_with(|| {
            // xorshift (Marsaglia, 2003)
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()
        })
        .take((1 << 20) / 4)
        .flatten()
        .collect();
        let mut left = self.0;
        while left > 0 {
            let count = usize::try_from(left.min(piece.len() as u64))?;
            connection.send(piece.get(..count).unwrap_or_default())?;
            left -= count as u64;
        }
        Ok(())
    }
}

/// A file.
pub struct Content(pub Vec<u8>);

impl Source for Content {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn send(&mut self, connection: &mut Connection) -> Outcome {
        connection.send(&self.0)
    }
}

/// The header that shows an account's password (RFC 7617).
pub fn basic(name: &str) -> String {
    let pair = STANDARD.encode(format!("{name}:{PASSWORD}"));
    format!("Authorization: Basic {pair}\r\n")
}

/// The first number in the address to which an answer leads.
fn number_in(answer: &Answer) -> Outcome<String> {
    let location = answer.header("location").ok_or("no Location")?;
    let number = location
        .split(|c: char| !c.is_ascii_digit())
        .find(|word| !word.is_empty());
    Ok(number
        .ok_or_else(|| format!("no number in {location}"))?
        .to_owned())
}
