//! What `deploy/` offers, as far as it can be run here.

use crate::kit::{Role, TestApp};
use lyceum::config::Config;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;
use tokio::process::Command;

const UNIT: &str = include_str!("../../deploy/systemd/lyceum-backup.service");

/// The units that process files, by name.
const PROCESSING: [(&str, &str); 2] = [
    (
        "lyceum.service",
        include_str!("../../deploy/systemd/lyceum.service"),
    ),
    (
        "lyceum-worker@.service",
        include_str!("../../deploy/systemd/lyceum-worker@.service"),
    ),
];

/// What stands for whatever is to be filled in.
const GIVEN: &str = "abcdefghijklmnopqrstuvwxyz0123456789";

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

/// The configuration of a site, as a file.
fn configured(site: &TestApp) -> PathBuf {
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
    config
}

async fn night(site: &TestApp, backups: &Path) -> Output {
    let config = configured(site);
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

/// The calls that systemd's group `@privileged` holds, with the kernel's numbers for them.
#[cfg(target_arch = "x86_64")]
const PRIVILEGED: [(&str, u32); 38] = [
    ("_sysctl", 156),
    ("acct", 163),
    ("adjtimex", 159),
    ("bpf", 321),
    ("capset", 126),
    ("chown", 92),
    ("chroot", 161),
    ("clock_adjtime", 305),
    ("clock_settime", 227),
    ("delete_module", 176),
    ("fanotify_init", 300),
    ("fanotify_mark", 301),
    ("fchown", 93),
    ("fchownat", 260),
    ("finit_module", 313),
    ("init_module", 175),
    ("ioperm", 173),
    ("iopl", 172),
    ("kexec_file_load", 320),
    ("kexec_load", 246),
    ("lchown", 94),
    ("nfsservctl", 180),
    ("open_by_handle_at", 304),
    ("pivot_root", 155),
    ("quotactl", 179),
    ("quotactl_fd", 443),
    ("reboot", 169),
    ("setdomainname", 171),
    ("setfsuid", 122),
    ("setgroups", 116),
    ("sethostname", 170),
    ("setresuid", 117),
    ("setreuid", 113),
    ("settimeofday", 164),
    ("setuid", 105),
    ("swapoff", 168),
    ("swapon", 167),
    ("vhangup", 153),
];

/// Runs a program whose calls of the numbers in the first argument fail with EPERM, as under systemd (seccomp(2)): load the
/// number of the call, compare it with each, allow, refuse.
#[cfg(target_arch = "x86_64")]
const REFUSING: &str = r#"
my @refused = split / /, shift;
my $rules = pack("SCCL", 0x20, 0, 0, 0);
$rules .= pack("SCCL", 0x15, @refused - $_, 0, $refused[$_]) for 0 .. $#refused;
$rules .= pack("SCCL", 6, 0, 0, 0x7fff0000) . pack("SCCL", 6, 0, 0, 0x50001);
my $filter = pack("Sx6P", @refused + 3, $rules);
syscall(157, 38, 1, 0, 0, 0) == 0 && syscall(157, 22, 2, $filter, 0, 0) == 0 or die "no filter: $!";
exec @ARGV or die "$ARGV[0]: $!";
"#;

/// The values of `SystemCallFilter=`, in their order.
fn filters(unit: &str) -> Vec<&str> {
    unit.lines()
        .filter_map(|line| line.strip_prefix("SystemCallFilter="))
        .collect()
}

/// What a unit refuses of the privileged calls: each of its lines adds to what is let in, or with `~` takes from it.
#[cfg(target_arch = "x86_64")]
fn refused_by(unit: &str) -> Vec<(&'static str, u32)> {
    let mut refused: Vec<(&str, u32)> = Vec::new();
    for filter in filters(unit) {
        match filter.strip_prefix('~') {
            Some("@privileged") => refused = PRIVILEGED.to_vec(),
            Some(other) => panic!("what is ~{other}?"),
            None => refused.retain(|(name, _)| !filter.split(' ').any(|let_in| let_in == *name)),
        }
    }
    refused
}

#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn ffmpeg_starts_although_the_units_refuse_privileged_calls() {
    let site = TestApp::start().await;
    let config = configured(&site);
    for (name, unit) in PROCESSING {
        let refused = refused_by(unit);
        assert!(!refused.is_empty(), "{name}");
        let numbers: Vec<String> = refused
            .iter()
            .map(|(_, number)| number.to_string())
            .collect();
        let checked = Command::new("perl")
            .args(["-e", REFUSING, &numbers.join(" ")])
            .args([env!("CARGO_BIN_EXE_lyceum"), "check", "--config"])
            .arg(&config)
            .current_dir(site.folder())
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success(), "{name}: {said}{checked:?}");
    }
}

/// setpriv of Debian 12 sets its capabilities whatever it is asked for; that of later ones may not.
#[test]
fn the_units_let_capset_in_again_after_they_took_privileged_calls_away() {
    for (name, unit) in PROCESSING {
        let filters = filters(unit);
        let place = |what: &str| filters.iter().position(|filter| *filter == what);
        let taken = place("~@privileged");
        assert!(taken.is_some(), "{name}: {filters:?}");
        assert!(place("capset") > taken, "{name}: {filters:?}");
    }
}

/// A text with each `${...}` of Compose filled in.
fn filled(text: &str) -> String {
    let mut parts = text.split("${");
    let mut filled = parts.next().unwrap().to_owned();
    for part in parts {
        let (_, rest) = part.split_once('}').unwrap();
        filled.push_str(GIVEN);
        filled.push_str(rest);
    }
    filled
}

/// The settings among `NAME=value` or `NAME: value`.
fn settings<'a>(lines: impl Iterator<Item = &'a str>, between: &str) -> BTreeMap<String, String> {
    lines
        .filter_map(|line| line.strip_prefix("LYCEUM_")?.split_once(between))
        .map(|(name, value)| (name.to_lowercase(), filled(value)))
        .collect()
}

#[test]
fn whatever_the_containers_are_given_is_a_setting_that_a_site_starts_with() {
    let image = include_str!("../../deploy/docker/Dockerfile");
    let environment = include_str!("../../deploy/docker/env.example");
    let compose = include_str!("../../deploy/docker/compose.yaml");
    // What follows is for each service alone, and the sites and workers have nothing of their own there.
    let (shared, services) = compose.split_once("\nservices:").unwrap();
    assert!(!services.contains(" LYCEUM_"), "{services}");
    let of_image = settings(image.split_whitespace(), "=");
    // Suggestions behind a `#` count: they are there to be taken.
    let lines = environment.lines();
    let of_file = settings(lines.map(|line| line.trim_start_matches("# ")), "=");
    let of_compose = settings(shared.lines().map(str::trim), ": ");
    for (place, found, known) in [
        ("Dockerfile", &of_image, "data"),
        ("env.example", &of_file, "mail"),
        ("compose.yaml", &of_compose, "database"),
    ] {
        assert!(found.contains_key(known), "{place}: {found:?}");
    }
    // In the order in which Docker has them, the last one wins.
    let mut values = of_image;
    values.extend(of_file);
    values.extend(of_compose);
    if let Err(error) = Config::from_values(&values, Vec::new()) {
        panic!("{error}");
    }
}
