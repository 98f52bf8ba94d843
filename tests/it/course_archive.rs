//! A course with its media from one site to another, by `lyceum export` and `lyceum import`.

use crate::kit::{Role, TestApp};
use lyceum::accounts;
use lyceum::backup::BackupError;
use lyceum::backup::course::{Imported, Wish, export, import};
use lyceum::entities::item::ItemKind;
use lyceum::entities::upload::UploadState;
use lyceum::entities::{course, subject, upload};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbBackend, EntityTrait as _, PaginatorTrait as _,
    QueryFilter as _,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::io::{Cursor, Read as _};
use std::path::{Path, PathBuf};

const SOUND: &str = "-f lavfi -i sine=frequency=440 -t 1 -c:a pcm_s16le -f wav";
const WORDS: &str = "Töne — \"strings\", a\\b\nand a second line";

/// A site with a course in which there is a text, a file, and a recording that is processed or not.
struct School {
    site: TestApp,
    notes: Vec<u8>,
}

impl School {
    async fn new(is_processed: bool) -> Self {
        let site = TestApp::start().await;
        let owner = site.person("clara", Role::Instructor).await;
        let course = site.course(owner, "how-strings-sing").await;
        let first = site.module(course.id, "Strings").await;
        site.text(first.id, "Words", WORDS).await;
        let second = site.module(course.id, "Sound").await;
        let clara = site.login("clara").await;
        let form = site.upload_form().await;
        let notes: Vec<u8> = (0..50_000_u32).flat_map(u32::to_le_bytes).collect();
        let file = form.upload(&clara, "file", "notes.bin", notes.clone());
        let file = file.await;
        site.show(second.id, ItemKind::File, "Notes", file).await;
        let sound = site.recording("clave.wav", SOUND).await;
        let sound = form.upload(&clara, "audio", "clave.wav", sound).await;
        site.show(second.id, ItemKind::Audio, "Clave", sound).await;
        if is_processed {
            site.drain().await;
        }
        Self { site, notes }
    }

    async fn export(&self) -> PathBuf {
        let file = self.site.scratch("strings.tar");
        let app = &self.site.app;
        export(app, "how-strings-sing", file.clone()).await.unwrap();
        file
    }
}

fn wish() -> Wish {
    Wish {
        owner: "zofia".into(),
        slug: None,
        is_published: true,
    }
}

/// Another site, with somebody who teaches there.
async fn elsewhere() -> TestApp {
    let site = TestApp::start().await;
    site.person("zofia", Role::Instructor).await;
    site
}

async fn bring(site: &TestApp, file: &Path, wish: Wish) -> Result<Imported, BackupError> {
    import(&site.app, file.to_owned(), wish).await
}

/// Nothing came in, and nothing is left of it.
async fn is_untouched(site: &TestApp, stored: &[String]) {
    let db = site.app.db.read();
    assert_eq!(course::Entity::find().count(db).await.unwrap(), 0);
    assert_eq!(upload::Entity::find().count(db).await.unwrap(), 0);
    assert_eq!(site.stored().await, stored);
}

#[tokio::test]
async fn a_course_comes_in_elsewhere_with_all_that_it_shows() {
    let school = School::new(true).await;
    let file = school.export().await;
    let there = elsewhere().await;
    // Somebody has looked at the catalogue before.
    there.visitor().get("/").await.expect(200);
    let came = bring(&there, &file, wish()).await.unwrap();
    assert_eq!((came.files, came.waiting), (2, 0));
    let catalogue = there.visitor().get("/").await.expect(200).text();
    assert!(catalogue.contains("/course/how-strings-sing/"));

    let maya = there.login_as("maya", Role::Student).await;
    let enrolled = maya
        .post(
            "/students/enroll-course/",
            &[("course", &came.id.to_string())],
        )
        .await;
    enrolled.expect(303);
    let lesson = format!("/students/course/{}/", came.id);
    let first = maya.get(&lesson).await.expect(200).text();
    assert!(first.contains("and a second line"), "{first}");
    let uploads = there.uploads().await;
    assert!(
        uploads
            .iter()
            .all(|upload| upload.state == UploadState::Ready)
    );
    for (upload, name) in uploads.iter().zip(["original", "audio.m4a"]) {
        let here = school
            .site
            .login("clara")
            .await
            .get(&format!("/media/{}/{name}", upload.id))
            .await;
        let media = maya.get(&format!("/media/{}/{name}", upload.id)).await;
        assert_eq!(media.expect(200).bytes, here.expect(200).bytes);
    }
    let notes = maya
        .get(&format!("/media/{}/original", uploads[0].id))
        .await;
    assert!(notes.expect(200).bytes == school.notes);
}

#[tokio::test]
async fn what_was_not_ready_is_processed_where_it_comes_in() {
    let school = School::new(false).await;
    let file = school.export().await;
    let there = elsewhere().await;
    let came = bring(&there, &file, wish()).await.unwrap();
    assert_eq!((came.files, came.waiting), (2, 1));
    there.drain().await;
    let uploads = there.uploads().await;
    assert!(
        uploads
            .iter()
            .all(|upload| upload.state == UploadState::Ready)
    );
}

#[tokio::test]
async fn a_course_comes_as_a_draft_that_its_teacher_alone_sees_unless_it_is_to_be_published() {
    let file = School::new(false).await;
    let file = file.export().await;
    let there = elsewhere().await;
    let hidden = Wish {
        is_published: false,
        ..wish()
    };
    bring(&there, &file, hidden).await.unwrap();
    let path = "/course/how-strings-sing/";
    there.visitor().get(path).await.expect(404);
    let zofia = there.login("zofia").await;
    zofia.get(path).await.expect(200);
}

#[tokio::test]
async fn a_course_becomes_nobodys_who_could_not_change_it() {
    let school = School::new(false).await;
    let file = school.export().await;
    let there = elsewhere().await;
    there.person("maya", Role::Student).await;
    let student = Wish {
        owner: "maya".into(),
        ..wish()
    };
    let shut_id = there.person("ingrid", Role::Instructor).await;
    let mut write = there.app.write().await.unwrap();
    accounts::set_active(&mut write, shut_id, false)
        .await
        .unwrap();
    write.commit().await.unwrap();
    let shut = Wish {
        owner: "ingrid".into(),
        ..wish()
    };
    for (wish, words) in [
        (shut, "lyceum user activate ingrid"),
        (student, "may not write courses"),
    ] {
        let error = bring(&there, &file, wish).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        is_untouched(&there, &[]).await;
    }
}

#[tokio::test]
async fn a_course_that_has_no_place_there_is_refused_and_leaves_nothing() {
    let school = School::new(true).await;
    let file = school.export().await;
    let there = TestApp::start_with(&[("quota", "100kB")]).await;
    there.person("zofia", Role::Instructor).await;
    let nobody = Wish {
        owner: "nobody".into(),
        ..wish()
    };
    let odd = Wish {
        slug: Some("how strings sing".into()),
        ..wish()
    };
    // Whatever is refused is so before a file is stored: there is no place through which one could go.
    std::fs::remove_dir_all(there.folder().join("tmp")).unwrap();
    for (wish, words) in [
        (nobody, "lyceum user add nobody --instructor"),
        (odd, "the address"),
        (wish(), "of the 100 kB that your files may take"),
    ] {
        let error = bring(&there, &file, wish).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(error.contains("Nothing was changed"), "{error}");
        is_untouched(&there, &[]).await;
    }
    // Twice under one address.
    let error = bring(
        &school.site,
        &file,
        Wish {
            owner: "clara".into(),
            ..wish()
        },
    )
    .await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("--slug"), "{error}");
    let second = Wish {
        owner: "clara".into(),
        slug: Some("strings-again".into()),
        ..wish()
    };
    bring(&school.site, &file, second).await.unwrap();
    let subjects = subject::Entity::find().count(school.site.app.db.read());
    let courses = course::Entity::find().count(school.site.app.db.read());
    assert_eq!(courses.await.unwrap(), 2);
    // Its subject was there.
    let before = TestApp::start().await;
    before.subject("music").await;
    let fresh = subject::Entity::find().count(before.app.db.read());
    assert_eq!(subjects.await.unwrap(), fresh.await.unwrap());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// What somebody does to a document.
type Change = fn(&mut Value);

/// The archive with another document, and a manifest that names it.
fn rewritten(file: &Path, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut archive = tar::Archive::new(std::fs::File::open(file).unwrap());
    let mut parts: Vec<(String, Vec<u8>)> = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        parts.push((name, bytes));
    }
    let mut document: Value = serde_json::from_slice(&parts[0].1).unwrap();
    change(&mut document);
    parts[0].1 = serde_json::to_vec(&document).unwrap();
    let last = parts.len() - 1;
    let mut manifest: Value = serde_json::from_slice(&parts[last].1).unwrap();
    let sum = hex(&Sha256::digest(&parts[0].1));
    manifest["parts"]["course.json"] = json!({"size": parts[0].1.len(), "sha256": sum});
    parts[last].1 = serde_json::to_vec(&manifest).unwrap();
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in parts {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_entry_type(tar::EntryType::Regular);
        builder
            .append_data(&mut header, name, Cursor::new(bytes))
            .unwrap();
    }
    builder.into_inner().unwrap()
}

/// What no page takes, and the database of another site might not.
fn beyond_bounds() -> [(&'static str, Change); 9] {
    [
        ("its overview has up to", |course| {
            course["overview"] = json!("x".repeat(1_000_001));
        }),
        ("its overview has up to", |course| {
            course["overview"] = json!("a\0b");
        }),
        ("the description of a module has up to", |course| {
            course["modules"][0]["description"] = json!("a\0b");
        }),
        ("its text has up to", |course| {
            course["modules"][0]["contents"][0]["body"] = json!("a\0b");
        }),
        ("is no media type", |course| {
            course["files"][0]["mime"] = json!("text/plain\r\nSet-Cookie: a=b");
        }),
        ("is no media type", |course| {
            course["files"][0]["stored"][0]["mime"] = json!(format!("text/{}", "x".repeat(100)));
        }),
        ("no name of a stored file", |course| {
            course["files"][0]["stored"][0]["name"] = json!("x".repeat(101));
        }),
        ("smaller than nothing", |course| {
            course["files"][1]["duration_seconds"] = json!(-1.5);
        }),
        ("no page at YouTube", |course| {
            let content = &mut course["modules"][1]["contents"][1];
            content["kind"] = json!("video");
            content["file"] = Value::Null;
            content["url"] = json!("https://youtu.be/dQw4w9WgXcQ\0");
        }),
    ]
}

#[tokio::test]
async fn an_archive_that_somebody_has_tampered_with_is_refused_by_what_is_wrong_in_it() {
    let school = School::new(true).await;
    let file = school.export().await;
    let there = elsewhere().await;
    let whole = std::fs::read(&file).unwrap();
    let changes: [(&str, Change); 9] = [
        ("form 2", |course| course["format"] = json!(2)),
        ("unknown field", |course| course["script"] = json!("x")),
        ("the title of the course", |course| {
            course["title"] = json!(" ");
        }),
        ("its address", |course| course["slug"] = json!("../up")),
        ("not in the archive", |course| {
            course["modules"][1]["contents"][0]["file"] = json!(7);
        }),
        ("no page at YouTube", |course| {
            let content = &mut course["modules"][1]["contents"][1];
            content["kind"] = json!("video");
            content["file"] = Value::Null;
            content["url"] = json!("javascript:alert(1)");
        }),
        ("no name of a stored file", |course| {
            course["files"][0]["stored"][0]["name"] = json!("../../outside");
        }),
        ("missing or has another size", |course| {
            course["files"][0]["stored"][0]["size_bytes"] = json!(-1);
        }),
        ("of another kind", |course| {
            course["modules"][1]["contents"][1]["file"] = json!(0);
        }),
    ];
    let hostile = there.scratch("hostile.tar");
    for (words, change) in changes.into_iter().chain(beyond_bounds()) {
        std::fs::write(&hostile, rewritten(&file, change)).unwrap();
        let error = bring(&there, &hostile, wish()).await.unwrap_err();
        let error = error.to_string();
        assert!(error.contains(words), "{words}: {error}");
        is_untouched(&there, &[]).await;
    }
    std::fs::write(&hostile, &whole[..whole.len() / 2]).unwrap();
    let error = bring(&there, &hostile, wish()).await.unwrap_err();
    assert!(error.to_string().contains("cannot be used"), "{error}");
    is_untouched(&there, &[]).await;
    bring(&there, &file, wish()).await.unwrap();
}

#[tokio::test]
async fn a_course_that_is_not_there_is_named_and_no_file_is_made() {
    let site = elsewhere().await;
    let file = site.scratch("none.tar");
    let error = export(&site.app, "no-such-course", file.clone()).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("no-such-course"), "{error}");
    assert!(!file.exists());
}

#[tokio::test]
async fn a_course_that_comes_in_stands_in_the_log_and_so_does_its_subject_where_it_is_new() {
    let school = School::new(true).await;
    let file = school.export().await;
    let there = elsewhere().await;
    subject::Entity::delete_many()
        .filter(subject::Column::Slug.eq("music"))
        .exec(there.app.db.writer())
        .await
        .unwrap();
    // What is refused stands nowhere.
    let nobody = Wish {
        owner: "nobody".into(),
        ..wish()
    };
    bring(&there, &file, nobody).await.unwrap_err();
    bring(&there, &file, wish()).await.unwrap();
    let again = Wish {
        slug: Some("once-more".into()),
        ..wish()
    };
    bring(&there, &file, again).await.unwrap();
    let lines = there.log().await;
    let told: Vec<(&str, &str, &str, Option<i64>)> = lines
        .iter()
        .map(|line| {
            (
                line.via.as_str(),
                line.act.as_str(),
                line.object_kind.as_str(),
                line.actor_id,
            )
        })
        .collect();
    let expected = [
        ("terminal", "import", "subject", None),
        ("terminal", "import", "course", None),
        ("terminal", "import", "course", None),
    ];
    assert_eq!(told, expected);
    assert!(lines[1].changes.contains("zofia"), "{}", lines[1].changes);
}

/// Lets somebody take the address in the middle of an import.
const TAKEN_SQLITE: &str = "CREATE TRIGGER meanwhile AFTER INSERT ON uploads \
    WHEN NOT EXISTS (SELECT 1 FROM courses) BEGIN \
    INSERT INTO courses (owner_id, subject_id, title, slug, overview, is_draft, created_at, updated_at) \
    VALUES (new.owner_id, 1, 'Hers', 'how-strings-sing', '', false, new.created_at, new.created_at); END";
const TAKEN_POSTGRES: &str = "CREATE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
    IF NOT EXISTS (SELECT 1 FROM courses) THEN \
    INSERT INTO courses (owner_id, subject_id, title, slug, overview, is_draft, created_at, updated_at) \
    VALUES (new.owner_id, 1, 'Hers', 'how-strings-sing', '', false, new.created_at, new.created_at); \
    END IF; RETURN new; END $$; \
    CREATE TRIGGER meanwhile AFTER INSERT ON uploads FOR EACH ROW EXECUTE FUNCTION meanwhile()";

#[tokio::test]
async fn of_two_who_want_one_address_at_once_one_is_told_that_it_is_taken() {
    let school = School::new(true).await;
    let file = school.export().await;
    let there = elsewhere().await;
    let db = there.app.db.writer();
    let taken = match db.get_database_backend() {
        DbBackend::Postgres => TAKEN_POSTGRES,
        _ => TAKEN_SQLITE,
    };
    db.execute_unprepared(taken).await.unwrap();
    let error = bring(&there, &file, wish()).await.unwrap_err().to_string();
    assert!(error.contains("--slug"), "{error}");
    is_untouched(&there, &[]).await;
}

/// Lets everything be written, and refuses when it is to be committed.
const UNCOMMITTED: &str = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the connection is gone'; END $$;
    CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON courses
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()";

#[tokio::test]
async fn when_the_answer_to_the_commit_is_a_fault_the_files_of_a_course_stay_since_it_may_have_come_in()
 {
    let there = elsewhere().await;
    let db = there.app.db.writer();
    // SQLite commits in this process: there is no answer that could be lost.
    if db.get_database_backend() != DbBackend::Postgres {
        return;
    }
    let school = School::new(true).await;
    let file = school.export().await;
    db.execute_unprepared(UNCOMMITTED).await.unwrap();
    bring(&there, &file, wish()).await.unwrap_err();
    assert_eq!(course::Entity::find().count(db).await.unwrap(), 0);
    let stored = there.stored().await;
    assert!(
        stored.iter().any(|key| key.ends_with("/original")),
        "{stored:?}"
    );
}
