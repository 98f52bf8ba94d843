//! The site's secret: configured, or made at the first start and kept in the data folder.

use super::{Config, Secret};
use backends::clock::Clock;
use std::path::Path;

/// The configured secret, else the one in the data folder, made at the first start.
pub(super) fn find_secret(config: &Config) -> Result<Secret, String> {
    if !config.secret.0.is_empty() {
        return Ok(config.secret.clone());
    }
    let path = config.data.join("secret");
    let io = |error: std::io::Error| format!("data: {} cannot be used: {error}", path.display());
    std::fs::create_dir_all(&config.data).map_err(io)?;
    match create_secret(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io(error)),
    }
    let secret = std::fs::read_to_string(&path).map_err(io)?;
    if secret.trim().len() < 32 {
        return Err(format!(
            "data: {} is damaged; remove it to get a new one (everybody must log in again)",
            path.display()
        ));
    }
    Ok(Secret(secret.trim().to_owned()))
}

/// Written beside and linked into place, so that two processes that start at once agree on one.
fn create_secret(path: &Path) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    if path.exists() {
        return Ok(());
    }
    let token = Clock::system().random_token();
    let beside = path.with_extension(format!("{}.new", &token.get(..8).unwrap_or("secret")));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(token.as_bytes())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&beside, path);
    std::fs::remove_file(&beside)?;
    linked
}
