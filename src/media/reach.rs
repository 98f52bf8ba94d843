//! Whether this process reaches the files of the site: a worker on another machine may be told of other ones.

use super::ORIGINAL;
use crate::app::App;
use crate::entities::rendition;
use crate::error::Result;
use backends::files::FilesError;
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

/// So many of the newest files are looked for.
const LOOKED_FOR: u64 = 3;

/// `false` when none of the newest files that the database names is in the store: then it is the store of another
/// site, or a folder of this machine alone. A site without files is reached.
///
/// # Errors
/// When the database or the store does not answer.
pub async fn reaches_files(app: &App) -> Result<bool> {
    let newest: Vec<String> = rendition::Entity::find()
        .select_only()
        .column(rendition::Column::Key)
        .filter(rendition::Column::Name.eq(ORIGINAL))
        .order_by_desc(rendition::Column::Id)
        .limit(LOOKED_FOR)
        .into_tuple()
        .all(app.db.read())
        .await?;
    for key in &newest {
        match app.files.size(key).await {
            Err(FilesError::NotFound) => {}
            found => return Ok(found.map(|_| true)?),
        }
    }
    Ok(newest.is_empty())
}
