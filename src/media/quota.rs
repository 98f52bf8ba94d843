//! What one person's files may take altogether: those that she has, and those on their way.

use super::{store, tus};
use crate::app::App;
use crate::db::Write;
use crate::entities::user;
use crate::error::{Error, Result};
use crate::web::text;
use sea_orm::sea_query::LockType;
use sea_orm::{ConnectionTrait, EntityTrait as _, QuerySelect as _};

/// How much of her share somebody uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Taken by files and by uploads that are not finished.
    pub used_bytes: u64,
    /// What she may take altogether.
    pub quota_bytes: u64,
}

impl Usage {
    /// What she may still send.
    pub fn left_bytes(self) -> u64 {
        self.quota_bytes.saturating_sub(self.used_bytes)
    }

    /// `1.9 GB of 107 GB used`, to be shown before she sends anything.
    pub fn words(self) -> String {
        format!(
            "{} of {} used",
            size(self.used_bytes),
            size(self.quota_bytes)
        )
    }
}

/// How much of her share somebody uses now.
pub async fn usage(app: &App, db: &impl ConnectionTrait, owner_id: i64) -> Result<Usage> {
    let files = store::stored_bytes(db, owner_id).await?;
    let reserved = tus::reserved_bytes(db, owner_id).await?;
    Ok(Usage {
        used_bytes: u64::try_from(files.saturating_add(reserved)).unwrap_or(0),
        quota_bytes: app.config.quota_bytes,
    })
}

/// Holds her account until the end of the transaction; rows that point at it may still be written.
pub async fn hold(write: &Write, owner_id: i64) -> Result<()> {
    let account = user::Entity::find_by_id(owner_id).lock(LockType::NoKeyUpdate);
    account.one(&**write).await?;
    Ok(())
}

/// Sees to it that she may take so many bytes more. Holds her account until the end of the transaction,
/// so that two who ask at once do not both get the last of it.
///
/// # Errors
/// [`Error::TooLarge`], with what is left.
pub async fn require(app: &App, write: &Write, owner_id: i64, more_bytes: u64) -> Result<()> {
    hold(write, owner_id).await?;
    check(app, &**write, owner_id, more_bytes).await
}

/// Whether she may take so many bytes more, as it stands now.
///
/// # Errors
/// [`Error::TooLarge`], with what is left.
pub async fn check(
    app: &App,
    db: &impl ConnectionTrait,
    owner_id: i64,
    more_bytes: u64,
) -> Result<()> {
    let usage = usage(app, db, owner_id).await?;
    if more_bytes <= usage.left_bytes() {
        return Ok(());
    }
    Err(Error::TooLarge(format!(
        "This needs {}, and of the {} that your files may take {} are left. \
         Delete files that you no longer need, or ask the staff for more room.",
        size(more_bytes),
        text::size_limit(usage.quota_bytes),
        text::size_limit(usage.left_bytes()),
    )))
}

fn size(bytes: u64) -> String {
    text::size(i64::try_from(bytes).unwrap_or(i64::MAX))
}
