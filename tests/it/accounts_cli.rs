//! `lyceum user`, run as a program beside a site that serves.

use crate::kit::{PASSWORD, Role, TestApp};
use std::process::{Output, Stdio};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Runs `lyceum user ...` on the site, with something to read.
async fn user(site: &TestApp, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lyceum"))
        .arg("user")
        .args(arguments)
        .current_dir(site.folder())
        .env("LYCEUM_DATA", site.folder())
        .env("LYCEUM_DATABASE", &site.app.config.database)
        .env("LYCEUM_SECRET", &site.app.config.secret.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // The program may end without reading.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    child.wait_with_output().await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn expect(output: &Output, code: i32) {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
}

async fn log_in(site: &TestApp, username: &str, password: &str) -> u16 {
    let browser = site.visitor();
    browser.get("/accounts/login/").await.expect(200);
    let fields = [("username", username), ("password", password)];
    browser.post("/accounts/login/", &fields).await.status
}

#[tokio::test]
async fn an_account_made_by_command_can_log_in_and_has_its_rights() {
    let site = TestApp::start().await;
    let arguments = [
        "add",
        "ines",
        "--instructor",
        "--email",
        "ines@example.org",
        "--password-stdin",
    ];
    let done = user(&site, &arguments, "violet harbor 9\n").await;
    expect(&done, 0);
    assert_eq!(text(&done.stdout), "");
    let ines = site.login("ines").await;
    ines.get("/accounts/profile/")
        .await
        .expect(200)
        .has("href=\"/course/mine/\"")
        .has("ines@example.org");
    let list = user(&site, &["list"], "").await;
    expect(&list, 0);
    let line = text(&list.stdout);
    assert!(
        line.contains("ines") && line.contains("instructor"),
        "{line}"
    );
    let again = user(&site, &arguments, "violet harbor 9\n").await;
    expect(&again, 1);
    assert!(text(&again.stderr).contains("has this user name already"));
}

#[tokio::test]
async fn without_a_terminal_a_good_password_is_made_and_printed_alone() {
    let site = TestApp::start().await;
    let done = user(&site, &["add", "root", "--staff"], "").await;
    expect(&done, 0);
    let password = text(&done.stdout);
    let password = password.strip_suffix('\n').unwrap();
    assert_eq!(password.len(), 20);
    assert!(!text(&done.stderr).contains(password));
    assert_eq!(log_in(&site, "root", password).await, 303);
}

#[tokio::test]
async fn who_is_shut_out_by_command_is_out_at_once_and_gets_in_again_when_let_in() {
    const PROFILE: &str = "/accounts/profile/";
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    maya.get(PROFILE).await.expect(200);
    let done = user(&site, &["deactivate", "maya"], "").await;
    expect(&done, 0);
    // The wait of the command for the site is bounded, and the machine may be busy.
    site.app.bus.check().await.unwrap();
    maya.get(PROFILE).await.expect(302);
    assert_ne!(log_in(&site, "maya", PASSWORD).await, 303);
    expect(&user(&site, &["activate", "maya"], "").await, 0);
    site.app.bus.check().await.unwrap();
    maya.get(PROFILE).await.expect(302);
    assert_eq!(log_in(&site, "maya", PASSWORD).await, 303);
    let done = user(&site, &["deactivate", "nobody"], "").await;
    expect(&done, 1);
    assert!(text(&done.stderr).contains("nobody has the user name"));
}

#[tokio::test]
async fn the_rights_of_staff_are_given_and_taken_away_by_command() {
    const PANEL: &str = "/admin/cache/";
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    assert_ne!(maya.get(PANEL).await.status, 200);
    for (arguments, is_in) in [
        (vec!["staff", "maya"], true),
        (vec!["staff", "maya", "--remove"], false),
    ] {
        expect(&user(&site, &arguments, "").await, 0);
        site.app.bus.check().await.unwrap();
        assert_eq!(maya.get(PANEL).await.status == 200, is_in);
        maya.get("/accounts/profile/").await.expect(200);
    }
}

#[tokio::test]
async fn bad_values_change_nothing_and_are_told_all_at_once() {
    let site = TestApp::start().await;
    let done = user(
        &site,
        &["add", "ma ya", "--email", "x", "--password-stdin"],
        "1234\n",
    )
    .await;
    expect(&done, 1);
    let words = text(&done.stderr);
    for part in [
        "username: ",
        "email: ",
        "password: ",
        "at least 8 characters",
        "no spaces",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert!(!words.contains("1234"), "{words}");
    expect(
        &user(
            &site,
            &["passwd", "nobody", "--password-stdin"],
            "violet harbor 9\n",
        )
        .await,
        1,
    );
    expect(&user(&site, &["token", "nobody"], "").await, 1);
    for wrong_use in [&["add"][..], &["frobnicate"], &["add", "maya", "--what"]] {
        expect(&user(&site, wrong_use, "").await, 2);
    }
}

#[tokio::test]
async fn a_password_changed_by_command_counts_in_the_process_that_serves() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    maya.get("/accounts/profile/").await.expect(200);
    let by_basic = || async {
        let browser = site.visitor();
        let request = browser.request(reqwest::Method::GET, "/accounts/profile/");
        browser
            .send(request.basic_auth("maya", Some(PASSWORD)))
            .await
            .status
    };
    assert_eq!(by_basic().await, 200);
    let done = user(
        &site,
        &["passwd", "maya", "--password-stdin"],
        "quiet lantern 4\n",
    )
    .await;
    expect(&done, 0);
    while maya.get("/accounts/profile/").await.status != 302 {}
    while by_basic().await != 401 {}
    assert_eq!(log_in(&site, "maya", "quiet lantern 4").await, 303);
}

#[tokio::test]
async fn a_key_is_printed_alone_and_acts_for_its_person() {
    let site = TestApp::start().await;
    site.person("maya", Role::Student).await;
    let done = user(&site, &["token", "maya"], "").await;
    expect(&done, 0);
    assert_eq!(text(&done.stderr), "");
    let key = text(&done.stdout);
    let key = key.strip_suffix('\n').unwrap();
    assert_eq!(key.len(), 43);
    for scheme in ["Token", "Bearer", "token"] {
        let browser = site.visitor();
        let request = browser
            .request(reqwest::Method::GET, "/accounts/profile/")
            .header("Authorization", format!("{scheme} {key}"));
        browser.send(request).await.expect(200).has("maya");
    }
}

#[tokio::test]
async fn keys_are_made_for_something_and_for_some_days_listed_and_revoked() {
    let site = TestApp::start().await;
    site.person("maya", Role::Student).await;
    for _ in 0..2 {
        expect(&user(&site, &["token", "maya"], "").await, 0);
    }
    let arguments = [
        "token", "maya", "--name", "backup", "--scope", "read", "--scope", "learn",
    ];
    let done = user(&site, &[&arguments[..], &["--expires", "30"]].concat(), "").await;
    expect(&done, 0);
    let key = text(&done.stdout).trim().to_owned();
    let by_key = async || {
        let browser = site.visitor();
        let request = browser.request(reqwest::Method::GET, "/students/courses/");
        browser.send(request.bearer_auth(&key)).await.status
    };
    assert_eq!(by_key().await, 200);
    // The name is taken, nothing is called "fly", and a key lasts for a day at least.
    expect(&user(&site, &arguments, "").await, 1);
    expect(
        &user(&site, &["token", "maya", "--scope", "fly"], "").await,
        2,
    );
    expect(
        &user(&site, &["token", "maya", "--expires", "0"], "").await,
        1,
    );
    let list = text(&user(&site, &["token", "maya", "--list"], "").await.stdout);
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 3, "{list}");
    assert!(
        lines[0].contains("read,learn") && lines[0].ends_with("backup"),
        "{list}"
    );
    assert!(
        lines[1].contains("everything") && lines[1].ends_with("command line 2"),
        "{list}"
    );
    assert!(lines[2].ends_with("command line"), "{list}");
    let number = lines[0].split_whitespace().next().unwrap();
    expect(
        &user(&site, &["token", "maya", "--revoke", number], "").await,
        0,
    );
    while by_key().await != 401 {}
    expect(
        &user(&site, &["token", "maya", "--revoke", number], "").await,
        1,
    );
}
