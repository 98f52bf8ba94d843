//! What can be looked at without the site's services: the folder, the disk, the secret, the address, ffmpeg.

use super::Finding;
use crate::config::{Config, Listen};
use crate::web::metrics::machine;
use crate::web::text;
use backends::media::{Limits, Tools};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// Less room than this on a disk is a fault: a recording and its renditions do not fit any more.
const LEAST_FREE_BYTES: u64 = 1 << 30;

/// From so full on a disk needs a look, in percent.
const FULL_PERCENT: u64 = 90;

/// A secret with fewer different characters was made up by hand.
const LEAST_DIFFERENT: usize = 12;

/// Looks at all of it.
pub async fn look(config: &Config) -> Vec<Finding> {
    let mut findings = vec![folder(&config.data), disk("disk", &config.data)];
    if let Some(path) = config.files.strip_prefix("disk:")
        && !path.is_empty()
    {
        findings.push(disk("disk", Path::new(path)));
    }
    findings.extend(private_files(&config.data));
    findings.push(secret(&config.secret.0));
    findings.push(address(config));
    findings.extend(tools(config).await);
    findings
}

/// The data folder is there, ours, and can be written.
fn folder(path: &Path) -> Finding {
    let shown = path.display();
    let found = match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => found,
        Ok(_) => {
            let words = format!("The data folder {shown} is no folder.");
            return Finding::fault(
                "permissions",
                words,
                format!("mv {shown} {shown}.old && mkdir {shown}"),
            );
        }
        Err(error) => {
            let words = format!("The data folder {shown} cannot be seen: {error}.");
            return Finding::fault("permissions", words, format!("mkdir -p {shown}"));
        }
    };
    if let Err(error) = tempfile::tempfile_in(path) {
        let words = format!("Nothing can be written to the data folder {shown}: {error}.");
        let mend = format!("chown -R \"$(id -un)\" {shown} && chmod u+rwX {shown}");
        return Finding::fault("permissions", words, mend);
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        let words = format!(
            "Everybody on this machine may look into {shown} (mode {mode:o}), where the database and the files are."
        );
        return Finding::warning("permissions", words, format!("chmod o-rwx {shown}"));
    }
    Finding::ok(
        "permissions",
        format!("{shown} is writable and closed to others."),
    )
}

/// Files that hold secrets or everything are for their owner alone, and hers who runs the site.
fn private_files(data: &Path) -> Vec<Finding> {
    let mine = std::fs::metadata("/proc/self")
        .map(|found| found.uid())
        .ok();
    let mut findings = Vec::new();
    for name in ["secret", "lyceum.sqlite3"] {
        let path = data.join(name);
        let Ok(found) = std::fs::metadata(&path) else {
            continue;
        };
        let shown = path.display();
        if mine.is_some_and(|mine| mine != 0 && mine != found.uid()) {
            findings.push(Finding::fault(
                "permissions",
                format!("{shown} belongs to somebody else than this command runs as."),
                format!("sudo chown \"$(id -un)\" {shown}"),
            ));
        }
        let mode = found.permissions().mode() & 0o777;
        if name == "secret" && mode & 0o077 != 0 {
            findings.push(Finding::fault(
                "permissions",
                format!("Others on this machine may read the secret of the site (mode {mode:o})."),
                format!("chmod 600 {shown}"),
            ));
        }
    }
    findings
}

/// The room on the disk that holds a path.
fn disk(check: &'static str, path: &Path) -> Finding {
    let shown = path.display();
    let size = |bytes: u64| text::size(i64::try_from(bytes).unwrap_or(i64::MAX));
    match machine::disk(path) {
        Ok(disk) => {
            let words = format!(
                "{} free of {} for {shown}.",
                size(disk.free_bytes),
                size(disk.all_bytes)
            );
            let mend =
                "du -xh --max-depth=2 ".to_owned() + &shown.to_string() + " | sort -h | tail";
            if disk.free_bytes < LEAST_FREE_BYTES {
                Finding::fault(check, words, mend)
            } else if disk.fill() >= FULL_PERCENT {
                Finding::warning(check, words, mend)
            } else {
                Finding::ok(check, words)
            }
        }
        Err(error) => Finding::fault(
            check,
            format!("The disk of {shown} cannot be asked: {error}."),
            format!("mkdir -p {shown}"),
        ),
    }
}

/// The secret has what cannot be guessed.
fn secret(secret: &str) -> Finding {
    let different: std::collections::BTreeSet<char> = secret.chars().collect();
    if different.len() < LEAST_DIFFERENT {
        return Finding::fault(
            "secret",
            "The secret can be guessed: it has hardly any different characters. Sessions and links rest on it.",
            "LYCEUM_SECRET=\"$(openssl rand -base64 48)\"    (in the configuration of every node; everybody logs in again)",
        );
    }
    Finding::ok("secret", "The secret is long and mixed.")
}

/// The address as visitors see it.
fn address(config: &Config) -> Finding {
    let is_local = match &config.listen {
        Listen::Tcp(address) => {
            address.starts_with("127.")
                || address.starts_with("localhost")
                || address.starts_with("[::1]")
        }
        Listen::Unix(_) => false,
    };
    match &config.public_url {
        None if is_local => Finding::ok(
            "address",
            format!("{}, for this machine alone.", config.site_url()),
        ),
        None => Finding::warning(
            "address",
            "The site can be reached by others, and LYCEUM_PUBLIC_URL is not set: links in mail and cookies do not know its address.",
            "LYCEUM_PUBLIC_URL=https://learn.example.org    (the address as visitors type it)",
        ),
        Some(url) if url.scheme() != "https" => Finding::warning(
            "address",
            format!(
                "Visitors come over {}, so that passwords can be read on the way.",
                url.scheme()
            ),
            "Let a proxy keep a certificate (deploy/ has examples for Caddy and nginx), and set LYCEUM_PUBLIC_URL=https://...",
        ),
        Some(url) => Finding::ok("address", format!("{url}")),
    }
}

/// ffmpeg and what it has to be able to do, where recordings are converted here.
async fn tools(config: &Config) -> Vec<Finding> {
    if !config.transcoder.starts_with("local") {
        return Vec::new();
    }
    let tools = Tools::new(config.ffmpeg.as_deref(), Limits::default());
    match Box::pin(tools.check()).await {
        Ok(version) => vec![Finding::ok("ffmpeg", version.0)],
        Err(problems) => problems
            .into_iter()
            .map(|words| Finding::fault("ffmpeg", words, "sudo apt-get install ffmpeg util-linux"))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn a_secret_of_few_characters_is_a_fault() {
        assert_eq!(secret(&"a".repeat(40)).level, Level::Fault);
        assert_eq!(secret("0123456789abcdef0123456789abcdef").level, Level::Ok);
        assert!(!secret(&"ab".repeat(20)).words.contains("abab"));
    }

    #[test]
    fn a_folder_that_is_not_there_or_open_to_all_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        assert_eq!(super::folder(&path).level, Level::Fault);
        std::fs::create_dir(&path).unwrap();
        let open = |mode| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            super::folder(&path)
        };
        assert_eq!(open(0o700).level, Level::Ok);
        let found = open(0o755);
        assert_eq!(found.level, Level::Warning);
        assert!(found.mend.starts_with("chmod o-rwx "));
    }
}
