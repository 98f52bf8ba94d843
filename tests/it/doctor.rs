//! `lyceum doctor`: finds each planted fault and names the command that mends it.

use crate::kit::{Role, TestApp};
use lyceum::entities::{figure, rendition};
use lyceum::web::metrics::nodes;
use sea_orm::EntityTrait;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use tokio::process::Command;

/// Runs `lyceum doctor` on the site.
async fn doctor(site: &TestApp, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lyceum"))
        .arg("doctor")
        .args(arguments)
        .current_dir(site.folder())
        .env("LYCEUM_DATA", site.folder())
        .env("LYCEUM_DATABASE", &site.app.config.database)
        .env("LYCEUM_FILES", &site.app.config.files)
        .env("LYCEUM_SECRET", &site.app.config.secret.0)
        .envs(settings.iter().copied())
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .unwrap()
}

/// Its findings.
async fn findings(site: &TestApp, settings: &[(&str, &str)]) -> (Option<i32>, Vec<Value>) {
    let output = doctor(site, &["--json"], settings).await;
    let found = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let out = String::from_utf8_lossy(&output.stdout);
        let err = String::from_utf8_lossy(&output.stderr);
        panic!("{error}: {out}\n{err}")
    });
    (output.status.code(), found)
}

/// The finding of a check that is not well.
#[track_caller]
fn sick<'a>(found: &'a [Value], check: &str, words: &str) -> &'a Value {
    let sick = found.iter().find(|one| {
        one["check"] == check
            && one["level"] != "ok"
            && one["words"].as_str().unwrap().contains(words)
    });
    sick.unwrap_or_else(|| panic!("no finding of {check} with {words}: {found:#?}"))
}

fn private(folder: &Path) {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[tokio::test]
async fn a_site_that_is_well_has_no_fault_and_says_what_was_looked_at() {
    let site = TestApp::start().await;
    private(site.folder());
    let (code, found) = findings(&site, &[]).await;
    assert_eq!(code, Some(0), "{found:#?}");
    for check in [
        "permissions",
        "disk",
        "secret",
        "address",
        "ffmpeg",
        "database",
        "tables",
        "clock",
        "service",
        "files",
    ] {
        assert!(
            found.iter().any(|one| one["check"] == check),
            "{check}: {found:#?}"
        );
    }
    let output = doctor(&site, &[], &[]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("database") && !text.contains("FAULT"),
        "{text}"
    );
    assert!(!text.contains(&site.app.config.secret.0));
}

#[tokio::test]
async fn each_fault_of_the_machine_is_found_with_the_command_that_mends_it() {
    let site = TestApp::start().await;
    std::fs::set_permissions(site.folder(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(site.folder().join("secret"), "x").unwrap();
    let readable = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(site.folder().join("secret"), readable).unwrap();
    let weak = "a".repeat(40);
    let (code, found) = findings(
        &site,
        &[
            ("LYCEUM_SECRET", weak.as_str()),
            ("LYCEUM_FFMPEG", "/no/such/folder"),
            ("LYCEUM_LISTEN", "0.0.0.0:8000"),
        ],
    )
    .await;
    assert_eq!(code, Some(1));
    let mend = |check: &str, words: &str| sick(&found, check, words)["mend"].as_str().unwrap();
    assert!(mend("permissions", "Everybody on this machine").starts_with("chmod o-rwx"));
    assert!(mend("permissions", "may read the secret").starts_with("chmod 600"));
    assert!(mend("secret", "can be guessed").contains("LYCEUM_SECRET="));
    assert!(mend("ffmpeg", "cannot be run").contains("apt-get install ffmpeg"));
    assert!(mend("address", "LYCEUM_PUBLIC_URL").contains("LYCEUM_PUBLIC_URL="));
    assert!(
        !found
            .iter()
            .any(|one| one["words"].as_str().unwrap().contains(&weak))
    );
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_one_finding() {
    let site = TestApp::start().await;
    let (code, found) = findings(
        &site,
        &[(
            "LYCEUM_DATABASE",
            "postgres://nobody:pw-of-nobody@127.0.0.1:9/none",
        )],
    )
    .await;
    assert_eq!(code, Some(1));
    sick(&found, "database", "does not answer");
    assert!(!found.iter().any(|one| one["check"] == "tables"));
    assert!(!format!("{found:?}").contains("pw-of-nobody"));
}

#[tokio::test]
async fn a_row_without_its_file_and_a_file_without_its_row_are_found() {
    let site = TestApp::start().await;
    private(site.folder());
    let clara = site.person("clara", Role::Instructor).await;
    let film = site.film(clara, 1.0).await;
    let key = format!("{}/original", film.prefix);
    let row = rendition::ActiveModel {
        upload_id: sea_orm::ActiveValue::Set(film.id),
        name: sea_orm::ActiveValue::Set("original".into()),
        key: sea_orm::ActiveValue::Set(key.clone()),
        mime: sea_orm::ActiveValue::Set("video/mp4".into()),
        size_bytes: sea_orm::ActiveValue::Set(5),
        ..Default::default()
    };
    rendition::Entity::insert(row)
        .exec_without_returning(site.app.db.writer())
        .await
        .unwrap();
    let store = async |key: &str, bytes: &'static [u8]| {
        let mut writer = site.app.files.create(key).await.unwrap();
        writer
            .write(bytes::Bytes::from_static(bytes))
            .await
            .unwrap();
        writer.finish().await.unwrap();
    };
    store("uploads/20260101-00/original", b"of nobody").await;
    let (code, found) = findings(&site, &[]).await;
    assert_eq!(code, Some(1));
    assert!(
        sick(&found, "files", "missing or not whole")["words"]
            .as_str()
            .unwrap()
            .contains(&key)
    );
    if site.is_on_disk() {
        // A backup calls it as it is called here.
        let mend = sick(&found, "files", "missing or not whole")["mend"].clone();
        let whole = format!("tar -xf BACKUP -C {} files/{key}", site.folder().display());
        assert!(mend.as_str().unwrap().starts_with(&whole), "{mend}");
    }
    let orphan = sick(&found, "files", "belong to no upload");
    assert!(
        orphan["words"]
            .as_str()
            .unwrap()
            .contains("uploads/20260101-00")
    );
    assert_eq!(orphan["mend"], "lyceum work");
    // There, and too short.
    store(&key, b"four").await;
    assert_eq!(findings(&site, &[]).await.0, Some(1));
    store(&key, b"fives").await;
    let output = doctor(&site, &["--deep"], &[]).await;
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // No more than was looked at: their bytes are compared with nothing.
    assert!(
        text.contains("1 stored files are there, can be read and have their length"),
        "{text}"
    );
}

#[tokio::test]
async fn a_lost_process_and_a_paused_queue_are_found() {
    let site = TestApp::start().await;
    private(site.folder());
    // The clock of the test is months behind that of the command.
    nodes::hear(&site.app, nodes::Role::Serve).await.unwrap();
    let write = site.app.write().await.unwrap();
    lyceum::jobs::pause(&site.app, &write, "sweep", "rosa")
        .await
        .unwrap();
    write.commit().await.unwrap();
    let (code, found) = findings(&site, &[]).await;
    assert_eq!(code, Some(0), "{found:#?}");
    sick(&found, "processes", "was not heard of");
    assert!(
        sick(&found, "queue", "paused by rosa")["mend"]
            .as_str()
            .unwrap()
            .contains("/admin/jobs/")
    );
}

/// A folder of programs that comes before all others, in which `timedatectl` says this.
fn path_with_timedatectl(folder: &Path, says: &str) -> String {
    let program = folder.join("timedatectl");
    std::fs::write(&program, format!("#!/bin/sh\n{says}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

#[tokio::test]
async fn a_clock_that_no_time_server_keeps_is_told_and_one_that_cannot_be_asked_is_not_praised() {
    let site = TestApp::start().await;
    private(site.folder());
    let programs = tempfile::tempdir().unwrap();
    for (says, level, words) in [
        ("echo yes", "ok", "a time server keeps it."),
        ("echo no", "warning", "no time server keeps it"),
        (
            "echo 'no bus here' >&2; exit 1",
            "ok",
            "cannot be asked here",
        ),
    ] {
        let path = path_with_timedatectl(programs.path(), says);
        let (code, found) = findings(&site, &[("PATH", &path)]).await;
        assert_eq!(code, Some(0), "{found:#?}");
        let clock = found.iter().find(|one| one["check"] == "clock").unwrap();
        assert_eq!(clock["level"], level, "{clock}");
        let told = clock["words"].as_str().unwrap();
        assert!(told.contains(words), "{told}");
        let has_another_clock = site.app.config.database.starts_with("postgres");
        assert_eq!(told.contains("database"), has_another_clock, "{told}");
    }
}

#[tokio::test]
async fn a_clock_that_is_behind_what_the_site_has_noted_is_a_fault() {
    let site = TestApp::start().await;
    private(site.folder());
    // Farther from now than any machine on which this is run is late.
    let row = figure::ActiveModel {
        step_seconds: sea_orm::ActiveValue::Set(10),
        slot: sea_orm::ActiveValue::Set(32_000_000_000),
        node: sea_orm::ActiveValue::Set("elsewhere".into()),
        timings: sea_orm::ActiveValue::Set("[]".into()),
        ..Default::default()
    };
    figure::Entity::insert(row)
        .exec_without_returning(site.app.db.writer())
        .await
        .unwrap();
    let (code, found) = findings(&site, &[]).await;
    assert_eq!(code, Some(1));
    let clock = sick(&found, "clock", "seconds from now");
    assert!(clock["mend"].as_str().unwrap().contains("timedatectl"));
}
