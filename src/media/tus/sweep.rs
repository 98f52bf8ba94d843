//! Forgetting uploads that nobody went on with.

use super::store;
use crate::app::App;
use crate::error::Result;
use crate::media::receiver::original_key;
use backends::files::Visit;

/// Ends the uploads that have expired, and deletes growing files without an upload; answers how many.
///
/// What somebody goes on with right now is left alone.
pub async fn sweep(app: &App) -> Result<usize> {
    let mut count = 0;
    for (id, prefix) in store::list_expired(app).await? {
        let key = original_key(&prefix);
        let Visit::Held(partial) = app.files.visit(&id, &key).await? else {
            continue;
        };
        // Whoever went on with it meanwhile has renewed its time.
        if store::delete_expired(app, &id).await? {
            partial.delete().await?;
            count += 1;
        }
    }
    // A row is there before its file: a file without one is nobody's.
    for name in app.files.list_partial().await? {
        if store::exists(app.db.read(), &name).await? {
            continue;
        }
        // What it was to be does not matter any more.
        if let Ok(Visit::Held(partial)) = app.files.visit(&name, &name).await {
            partial.delete().await?;
            count += 1;
        }
    }
    Ok(count)
}
