//! `lyceum backup` and `lyceum restore`, run as programs: what comes back, and what is refused.

use crate::kit::{
    Browser, DATABASE_TIMEOUT, Role, TestApp, account_row, object_store, postgres_database, until,
};
use crate::process::lyceum;
use lyceum::backup::restore;
use lyceum::config::Secret;
use lyceum::db::{Db, Write};
use lyceum::entities::item::ItemKind;
use lyceum::entities::{audit_entry, node, rendition, upload, user};
use sea_orm::{ActiveValue::Set, EntityTrait as _, PaginatorTrait as _};
use std::io::{Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use tempfile::TempDir;
use tokio::process::Command;

/// The secret of the kit's sites.
const SECRET: &str = "a secret that is only good for tests";

/// Where a site could be: nothing is there yet.
struct Place {
    folder: TempDir,
    database: String,
    files: String,
}

impl Place {
    /// On the database and the file store of this run of the tests.
    async fn vacant() -> Self {
        Self {
            database: postgres_database().await.unwrap_or("sqlite:".into()),
            files: object_store().unwrap_or("disk:".into()),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn on_sqlite() -> Self {
        Self {
            database: "sqlite:".into(),
            files: "disk:".into(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Its database; none before there is one.
    async fn open(&self) -> Option<Db> {
        Db::open(&self.database, self.folder.path(), DATABASE_TIMEOUT)
            .await
            .ok()
    }

    async fn run(&self, command: &str, file: &Path) -> Output {
        run(
            self.folder.path(),
            &self.database,
            &self.files,
            command,
            file,
        )
        .await
    }

    /// A process that serves what is there now.
    async fn serve(&self, origin: &TestApp) -> TestApp {
        let made = std::fs::read_to_string(self.folder.path().join("secret"));
        let secret = made.unwrap_or_else(|_| SECRET.to_owned());
        origin
            .second_with(|config| {
                config.data = self.folder.path().to_owned();
                config.database.clone_from(&self.database);
                config.files.clone_from(&self.files);
                config.secret = Secret(secret);
            })
            .await
    }
}

async fn run(data: &Path, database: &str, files: &str, command: &str, file: &Path) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_lyceum"));
    if database.starts_with("postgres") {
        // With a database elsewhere it is configured, and not made in the folder.
        program.env("LYCEUM_SECRET", SECRET);
    }
    program
        .arg(command)
        .arg(file)
        .current_dir(data)
        .env("LYCEUM_DATA", data)
        .env("LYCEUM_DATABASE", database)
        .env("LYCEUM_FILES", files)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap()
}

/// What it says on stdout; on stderr when it is to fail.
#[track_caller]
fn said(output: &Output, code: i32) -> String {
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    if code == 0 { out } else { err }
}

/// Backs a site up while it runs.
async fn back_up(site: &TestApp, name: &str) -> PathBuf {
    let file = site.scratch(name);
    // The secret of a test's site is not in its folder, and would be made there.
    std::fs::write(site.folder().join("secret"), &site.app.config.secret.0).unwrap();
    let config = &site.app.config;
    let made = run(
        site.folder(),
        &config.database,
        &config.files,
        "backup",
        &file,
    )
    .await;
    said(&made, 0);
    file
}

const WORDS: &str = "Töne — \"strings\", a\\b\nand a second line";

/// A site in which somebody studies.
struct School {
    site: TestApp,
    maya: Browser,
    course_id: i64,
    upload_id: i64,
}

impl School {
    async fn new() -> Self {
        let site = TestApp::start().await;
        let owner = site.person("clara", Role::Instructor).await;
        let course = site.course(owner, "how-strings-sing").await;
        let module = site.module(course.id, "Strings").await;
        site.text(module.id, "Words", WORDS).await;
        let student = site.person("maya", Role::Student).await;
        site.enrollment(student, course.id).await;
        let clara = site.login("clara").await;
        let form = site.upload_form().await;
        let upload_id = form.upload(&clara, "file", "notes.bin", bytes()).await;
        let kind = ItemKind::File;
        site.show(module.id, kind, "Notes", upload_id).await;
        site.changed_course(course.id).await;
        let mut room = clara
            .socket(&format!("/ws/chat/room/{}/?v=2", course.id))
            .await;
        room.expect("ready").await;
        room.say("Welcome, all of you.").await;
        room.expect("chat_message").await;
        Self {
            maya: site.login("maya").await,
            course_id: course.id,
            upload_id,
            site,
        }
    }
}

/// Bytes of which none is where another was.
fn bytes() -> Vec<u8> {
    (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
}

/// What a student sees of her course, and the file in it.
async fn looks_whole(school: &School, restored: &TestApp) {
    // Her session goes on: it is the same site, with the same secret.
    let maya = school.maya.at(&restored.url);
    let lesson = format!("/students/course/{}/", school.course_id);
    let page = maya.get(&lesson).await;
    let page = page.expect(200).text();
    assert!(
        page.contains("BIN, 1.2 MB") && page.contains("second line"),
        "{page}"
    );
    let room = format!("/chat/room/{}/history/", school.course_id);
    let lines = maya.get(&room).await.expect(200).json();
    assert_eq!(lines["lines"][0]["message"], "Welcome, all of you.");
    let row = upload::Entity::find_by_id(school.upload_id)
        .one(restored.app.db.read())
        .await
        .unwrap()
        .unwrap();
    let (_, mut pieces) = restored
        .app
        .files
        .read(
            &format!("{}/original", row.prefix.trim_end_matches('/')),
            None,
        )
        .await
        .unwrap();
    let mut stored = Vec::new();
    while let Some(piece) = futures::StreamExt::next(&mut pieces).await {
        stored.extend(piece.unwrap());
    }
    assert!(stored == bytes());
    // A password counts as before, and what is new gets numbers that are free.
    restored.login("clara").await;
    let next = restored.person("kwame", Role::Student).await;
    restored.enrollment(next, school.course_id).await;
}

#[tokio::test]
async fn a_site_comes_back_whole_after_everything_was_lost() {
    let school = School::new().await;
    let file = back_up(&school.site, "site.tar").await;
    let place = Place::vacant().await;
    let told = said(&place.run("restore", &file).await, 0);
    assert!(told.contains("1 stored files"), "{told}");
    looks_whole(&school, &place.serve(&school.site).await).await;
}

#[tokio::test]
async fn a_site_moves_to_sqlite_and_the_disk_and_back_by_its_backup() {
    let school = School::new().await;
    let file = back_up(&school.site, "site.tar").await;
    let small = Place::on_sqlite();
    said(&small.run("restore", &file).await, 0);
    looks_whole(&school, &small.serve(&school.site).await).await;
    let again = small.folder.path().join("again.tar");
    said(&small.run("backup", &again).await, 0);
    let back = Place::vacant().await;
    // The first process of the small site is a peer of its next one, and no peer of this.
    said(&back.run("restore", &again).await, 0);
    let restored = back.serve(&school.site).await;
    let maya = school.maya.at(&restored.url);
    let lesson = format!("/students/course/{}/", school.course_id);
    maya.get(&lesson).await.expect(200);
}

#[tokio::test]
async fn a_backup_that_was_cut_short_or_damaged_is_refused_and_changes_nothing() {
    let school = School::new().await;
    let file = back_up(&school.site, "site.tar").await;
    let whole = std::fs::read(&file).unwrap();
    let place = Place::on_sqlite();
    let damaged = place.folder.path().join("damaged.tar");
    let pair = [150_000_u32.to_le_bytes(), 150_001_u32.to_le_bytes()].concat();
    let middle = whole.windows(8).position(|eight| eight == pair).unwrap();
    let mut flipped = whole.clone();
    flipped[middle] ^= 1;
    let mut cases = vec![
        (Vec::new(), "not a backup"),
        (b"something else altogether".repeat(100), "not a backup"),
        (flipped, "original holds other bytes"),
    ];
    for share in 1..8 {
        cases.push((whole[..whole.len() * share / 8].to_vec(), "cut short"));
    }
    for (bytes, words) in cases {
        std::fs::write(&damaged, &bytes).unwrap();
        let told = said(&place.run("restore", &damaged).await, 1);
        assert!(
            told.contains(words) || told.contains("ends within"),
            "{words}: {told}"
        );
        assert!(told.contains("Nothing was changed"), "{told}");
    }
    // Nothing stands in the way of the whole one.
    std::fs::write(&damaged, &whole).unwrap();
    said(&place.run("restore", &damaged).await, 0);
}

/// The archive with one more part, which the manifest names or not.
fn with_part(file: &Path, name: &str, kind: tar::EntryType) -> Vec<u8> {
    let mut archive = tar::Archive::new(std::fs::File::open(file).unwrap());
    let mut builder = tar::Builder::new(Vec::new());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_entry_type(tar::EntryType::Regular);
        let own = entry.path().unwrap().into_owned();
        builder
            .append_data(&mut header, own, Cursor::new(bytes))
            .unwrap();
    }
    let mut header = tar::Header::new_gnu();
    // The library would refuse such a name.
    let place = &mut header.as_gnu_mut().unwrap().name;
    place[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    if kind == tar::EntryType::Symlink {
        header.set_link_name("/etc/passwd").unwrap();
    }
    header.set_size(0);
    header.set_cksum();
    builder.append(&header, std::io::empty()).unwrap();
    builder.into_inner().unwrap()
}

#[tokio::test]
async fn an_archive_that_leads_out_of_its_place_or_holds_more_than_it_says_is_refused() {
    let school = School::new().await;
    let file = back_up(&school.site, "site.tar").await;
    let place = Place::on_sqlite();
    let hostile = place.folder.path().join("hostile.tar");
    for (name, kind) in [
        ("../outside", tar::EntryType::Regular),
        ("files/../../outside", tar::EntryType::Regular),
        ("/tmp/outside", tar::EntryType::Regular),
        ("files/link", tar::EntryType::Symlink),
        ("files/link", tar::EntryType::Link),
        ("files/more", tar::EntryType::Regular),
        ("tables/more.jsonl", tar::EntryType::Regular),
    ] {
        std::fs::write(&hostile, with_part(&file, name, kind)).unwrap();
        let told = said(&place.run("restore", &hostile).await, 1);
        assert!(told.contains(name), "{name}: {told}");
        assert!(told.contains("Nothing was changed"), "{told}");
    }
    assert!(!place.folder.path().join("outside").exists());
}

#[tokio::test]
async fn a_backup_is_never_restored_over_a_site_that_is_used() {
    let school = School::new().await;
    let file = back_up(&school.site, "site.tar").await;
    let config = &school.site.app.config;
    let told = run(
        school.site.folder(),
        &config.database,
        &config.files,
        "restore",
        &file,
    )
    .await;
    assert!(said(&told, 1).contains("is being served"));

    let place = Place::vacant().await;
    said(&place.run("restore", &file).await, 0);
    let told = said(&place.run("restore", &file).await, 1);
    assert!(told.contains("not empty: it has accounts: 2"), "{told}");

    // Whoever is told of there is gone; what is told is not, and cannot be deleted.
    let place = Place::vacant().await;
    let db = Db::open(&place.database, place.folder.path(), DATABASE_TIMEOUT)
        .await
        .unwrap();
    db.migrate().await.unwrap();
    let line = audit_entry::ActiveModel {
        created_at: Set(school.site.clock.now()),
        actor_name: Set("terminal".into()),
        via: Set("terminal".into()),
        address: Set(String::new()),
        act: Set("delete".into()),
        object_kind: Set("user".into()),
        object_id: Set(1),
        object_name: Set("rosa".into()),
        changes: Set("[]".into()),
        ..Default::default()
    };
    let line = audit_entry::Entity::insert(line);
    line.exec_without_returning(db.writer()).await.unwrap();
    db.close().await.unwrap();
    let told = said(&place.run("restore", &file).await, 1);
    assert!(told.contains("lines in its log of changes: 1"), "{told}");

    let place = Place::on_sqlite();
    std::fs::create_dir_all(place.folder.path().join("files/uploads")).unwrap();
    std::fs::write(place.folder.path().join("files/uploads/kept"), "mine").unwrap();
    let told = said(&place.run("restore", &file).await, 1);
    assert!(told.contains("its file store has uploads/kept"), "{told}");
}

#[tokio::test]
async fn a_backup_is_not_restored_while_files_are_processed_for_a_site_that_nobody_serves() {
    let school = School::new().await;
    let file = back_up(&school.site, "site.tar").await;
    let place = Place::vacant().await;
    let mut program = Command::new(env!("CARGO_BIN_EXE_lyceum"));
    let mut worker = program
        .arg("work")
        .current_dir(place.folder.path())
        .env("LYCEUM_DATA", place.folder.path())
        .env("LYCEUM_DATABASE", &place.database)
        .env("LYCEUM_FILES", &place.files)
        .env("LYCEUM_SECRET", SECRET)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let db = until("the worker has brought the tables", async || {
        let db = place.open().await?;
        node::Entity::find().one(db.read()).await.ok()??;
        Some(db)
    })
    .await;
    let told = said(&place.run("restore", &file).await, 1);
    assert!(told.contains("files are processed for it"), "{told}");
    let users = user::Entity::find().count(db.read()).await.unwrap();
    assert_eq!(users, 0);
    // One that ends as it should takes its sign of life along.
    let id = worker.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-TERM", &id]).status().await;
    assert!(sent.unwrap().success());
    worker.wait().await.unwrap();
    db.close().await.unwrap();
    said(&place.run("restore", &file).await, 0);
}

/// Restores while somebody else holds the writer, who does something once a file was put back; answers what was said.
async fn restored_beside(
    file: &Path,
    act: impl AsyncFnOnce(&Write, &TestApp),
) -> (TestApp, String) {
    let there = TestApp::start().await;
    let beside = there.app.write().await.unwrap();
    // On PostgreSQL whoever writes holds up who wants the tables for herself.
    let nobody = user::Entity::delete_by_id(0).exec(&*beside).await.unwrap();
    assert_eq!(nobody.rows_affected, 0);
    let (restored, ()) = tokio::join!(restore(&there.app, file.to_owned(), false), async {
        until("a file was put back", async || {
            there.stored().await.into_iter().next()
        })
        .await;
        act(&beside, &there).await;
        beside.commit().await.unwrap();
    });
    (there, restored.unwrap_err().to_string())
}

#[tokio::test]
async fn who_registers_while_a_backup_is_restored_is_not_lost_and_it_says_so() {
    let school = School::new().await;
    let file = back_up(&school.site, "site.tar").await;
    let (there, told) = restored_beside(&file, async |beside, there| {
        let row = account_row("kwame", there.clock.now());
        user::Entity::insert(row).exec(&**beside).await.unwrap();
    })
    .await;
    assert!(
        told.contains("begun to use this site: it has accounts: 1"),
        "{told}"
    );
    let users = user::Entity::find().all(there.app.db.read()).await.unwrap();
    let names: Vec<&str> = users.iter().map(|row| row.username.as_str()).collect();
    assert_eq!(names, ["kwame"]);
}

#[tokio::test]
async fn a_restoring_whose_files_are_swept_away_behind_it_says_so_and_brings_no_rows() {
    let school = School::new().await;
    let file = back_up(&school.site, "site.tar").await;
    let (there, told) = restored_beside(&file, async |_, there| {
        for key in there.stored().await {
            there.app.files.delete(&key).await.unwrap();
        }
    })
    .await;
    assert!(told.contains("are gone from there: 1"), "{told}");
    let users = user::Entity::find().count(there.app.db.read()).await;
    assert_eq!(users.unwrap(), 0);
}

#[tokio::test]
async fn a_backup_of_another_release_names_it() {
    let school = School::new().await;
    let file = back_up(&school.site, "site.tar").await;
    let mut archive = tar::Archive::new(std::fs::File::open(&file).unwrap());
    let mut builder = tar::Builder::new(Vec::new());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        if name == Path::new("manifest.json") {
            let text = String::from_utf8(bytes).unwrap();
            let version = format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION"));
            let text = text.replace(&version, "\"version\":\"99.1\"");
            bytes = text.replace("m0001_accounts", "m0001_other").into_bytes();
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        builder
            .append_data(&mut header, name, Cursor::new(bytes))
            .unwrap();
    }
    let place = Place::on_sqlite();
    let other = place.folder.path().join("other.tar");
    std::fs::write(&other, builder.into_inner().unwrap()).unwrap();
    let told = said(&place.run("restore", &other).await, 1);
    assert!(told.contains("made by Lyceum 99.1"), "{told}");
}

#[tokio::test]
async fn a_backup_takes_nobodys_place_and_only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let school = School::new().await;
    let file = back_up(&school.site, "site.tar").await;
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut kept = std::fs::File::create(school.site.scratch("kept.tar")).unwrap();
    kept.write_all(b"mine").unwrap();
    let config = &school.site.app.config;
    let path = school.site.scratch("kept.tar");
    let told = run(
        school.site.folder(),
        &config.database,
        &config.files,
        "backup",
        &path,
    )
    .await;
    assert!(said(&told, 1).contains("is there already"));
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    let left: Vec<_> = std::fs::read_dir(path.parent().unwrap())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "part"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_backup_that_is_stopped_leaves_nothing_where_it_was_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let made = lyceum(folder.path()).arg("migrate").output().await.unwrap();
    said(&made, 0);
    let stored = folder.path().join("data/files/uploads");
    std::fs::create_dir_all(&stored).unwrap();
    // It takes no room, and nobody would wait for the end of it.
    let large = std::fs::File::create(stored.join("original")).unwrap();
    large.set_len(1 << 36).unwrap();
    let place = tempfile::tempdir().unwrap();
    let listed = || std::fs::read_dir(place.path()).unwrap().count();
    for signal in ["-INT", "-TERM"] {
        let mut backup = lyceum(folder.path());
        backup.arg("backup").arg(place.path().join("site.tar"));
        let backup = backup.stderr(Stdio::piped()).spawn().unwrap();
        until("it is being made", async || (listed() > 0).then_some(())).await;
        let id = backup.id().unwrap().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().await;
        assert!(sent.unwrap().success());
        let ended = backup.wait_with_output().await.unwrap();
        let told = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{told}");
        assert!(told.contains("it was stopped"), "{told}");
        assert_eq!(listed(), 0, "{signal}");
    }
}

#[tokio::test]
async fn what_is_sent_and_deleted_while_a_backup_is_made_is_whole_in_it_or_not_there() {
    let site = TestApp::start().await;
    let clara = site.login_as("clara", Role::Instructor).await;
    let form = site.upload_form().await;
    for number in 0..10 {
        let name = format!("before-{number}.bin");
        form.upload(&clara, "file", &name, vec![number; 200_000])
            .await;
    }
    let changing = async {
        for number in 0..10 {
            let bytes = || vec![number; 50_000];
            let kept = format!("kept-{number}.bin");
            form.upload(&clara, "file", &kept, bytes()).await;
            let id = form
                .upload(&clara, "file", "gone.bin", bytes())
                .await
                .to_string();
            let deleted = [("file", id.as_str())];
            clara.post("/library/delete/", &deleted).await.expect(303);
        }
    };
    let (file, ()) = tokio::join!(back_up(&site, "site.tar"), changing);
    let place = Place::vacant().await;
    said(&place.run("restore", &file).await, 0);
    let restored = place.serve(&site).await;
    let rows = restored.uploads().await;
    assert!(rows.len() >= 10);
    for row in &rows {
        let stored = restored.app.files.list(&row.prefix).await.unwrap();
        assert!(!stored.is_empty(), "{row:?}");
    }
}

#[tokio::test]
async fn a_backup_without_a_file_that_it_should_have_is_kept_and_says_which_is_lost() {
    let school = School::new().await;
    let lost = rendition::Entity::find()
        .one(school.site.app.db.read())
        .await
        .unwrap()
        .unwrap();
    school.site.app.files.delete(&lost.key).await.unwrap();
    let file = school.site.scratch("site.tar");
    let config = &school.site.app.config;
    std::fs::write(school.site.folder().join("secret"), &config.secret.0).unwrap();
    let made = run(
        school.site.folder(),
        &config.database,
        &config.files,
        "backup",
        &file,
    )
    .await;
    let told = said(&made, 1);
    assert!(told.contains("no longer has 1 files"), "{told}");
    assert!(told.contains(&lost.key), "{told}");
    // What there is is worth having.
    said(&Place::vacant().await.run("restore", &file).await, 0);
}

#[tokio::test]
async fn a_backup_is_restored_under_another_secret_only_by_who_says_so() {
    let school = School::new().await;
    let file = back_up(&school.site, "site.tar").await;
    let place = Place::vacant().await;
    let restore = async |more: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_lyceum"));
        program
            .arg("restore")
            .arg(&file)
            .args(more)
            .current_dir(place.folder.path())
            .env("LYCEUM_DATA", place.folder.path())
            .env("LYCEUM_DATABASE", &place.database)
            .env("LYCEUM_FILES", &place.files)
            .env("LYCEUM_SECRET", "another secret that somebody has set here")
            .stdin(Stdio::null());
        program.output().await.unwrap()
    };
    let told = said(&restore(&[]).await, 1);
    assert!(told.contains("second factor"), "{told}");
    assert!(told.contains("tar -xOf"), "{told}");
    // Nothing was brought in, so that it can be asked again.
    let told = said(&restore(&["--other-secret"]).await, 0);
    assert!(told.contains("two-factor NAME --reset"), "{told}");
}
