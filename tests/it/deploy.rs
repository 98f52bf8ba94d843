//! What `deploy/` offers, as far as it can be run here.

use crate::kit::{Role, TestApp};
use std::path::Path;
use std::process::Output;
use tokio::process::Command;

const UNIT: &str = include_str!("../../deploy/systemd/lyceum-backup.service");

/// The command of the nightly backup, as systemd.service(5) has it run, with its places elsewhere.
fn nightly(config: &Path, backups: &Path) -> String {
    let line = UNIT
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let script = line.unwrap().strip_prefix("/bin/sh -euc '").unwrap();
    let script = script.strip_suffix('\'').unwrap();
    script
        .replace("$$", "$")
        .replace("%%", "%")
        .replace("/etc/lyceum/lyceum.toml", config.to_str().unwrap())
        .replace("/var/lib/lyceum-backups", backups.to_str().unwrap())
}

async fn night(site: &TestApp, backups: &Path) -> Output {
    let config = site.scratch("lyceum.toml");
    let used = &site.app.config;
    let text = format!(
        "data = {:?}\ndatabase = {:?}\nfiles = {:?}\nsecret = {:?}\n",
        site.folder(),
        used.database,
        used.files,
        used.secret.0
    );
    std::fs::write(&config, text).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_lyceum")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    Command::new("/bin/sh")
        .args(["-euc", &nightly(&config, backups)])
        .current_dir(site.folder())
        .env("PATH", path)
        .output()
        .await
        .unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let found = std::fs::read_dir(folder).unwrap();
    found
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn a_nightly_backup_that_was_cut_off_leaves_nothing_behind_for_ever_and_one_that_fails_takes_no_other_away()
 {
    let site = TestApp::start().await;
    let clara = site.login_as("clara", Role::Instructor).await;
    let form = site.upload_form().await;
    let id = form
        .upload(&clara, "file", "notes.bin", b"notes".to_vec())
        .await;
    let backups = tempfile::tempdir().unwrap();
    for left in [
        ".new-Mon.tar.4242.part",
        ".new-Thu.tar.17.part",
        ".new-Sun.tar",
    ] {
        std::fs::write(backups.path().join(left), "half a backup").unwrap();
    }
    let done = night(&site, backups.path()).await;
    assert!(done.status.success(), "{done:?}");
    let kept = names(backups.path());
    assert_eq!(kept.len(), 1, "{kept:?}");
    let today = backups.path().join(&kept[0]);
    assert!(kept[0].starts_with("lyceum-"), "{kept:?}");
    let whole = std::fs::read(&today).unwrap();

    // The store loses a file: what there is of it now takes no whole backup's place.
    let view = site.view(id).await;
    let key = format!("{}/original", view.upload.prefix);
    site.app.files.delete(&key).await.unwrap();
    let done = night(&site, backups.path()).await;
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(String::from_utf8_lossy(&done.stderr).contains(&key));
    assert!(std::fs::read(&today).unwrap() == whole);
}
