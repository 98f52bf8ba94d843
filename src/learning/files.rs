//! What a lesson shows of stored files: their state in words, and where their renditions are.

use crate::entities::upload::UploadState;
use crate::entities::{rendition, upload};
use crate::error::Result;
use crate::web::text;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use std::collections::HashMap;

/// A stored file with everything that was made from it.
#[derive(Debug, Clone)]
pub struct FileView {
    /// The file as sent, and how far its processing is.
    pub upload: upload::Model,
    /// What was made from it, oldest first; `original` is the file as sent.
    pub renditions: Vec<rendition::Model>,
    /// Its place among those that wait, from 1, where that is known.
    pub place_in_line: Option<i64>,
}

impl FileView {
    /// How far it is, for people.
    pub fn state_words(&self) -> String {
        match (self.upload.state, self.place_in_line) {
            (UploadState::Waiting, Some(place)) => format!("In line, {}", text::ordinal(place)),
            (UploadState::Waiting, None) => "In line".into(),
            (UploadState::Processing, _) => self.processing_words(),
            (UploadState::Ready, _) => "Ready".into(),
            (UploadState::Failed, _) => {
                let fault = self.upload.fault.as_deref();
                format!("Failed: {}", fault.unwrap_or("it cannot be processed"))
            }
        }
    }

    fn processing_words(&self) -> String {
        let percent = format!("Processing {:.0} %", self.upload.progress_percent.floor());
        match self.upload.eta_seconds {
            Some(left) => format!("{percent} - about {} left", text::span(left as f64)),
            None => percent,
        }
    }

    /// Where one of its renditions is.
    pub fn url(&self, name: &str) -> String {
        format!("/media/{}/{name}", self.upload.id)
    }

    /// The picture that stands before a film begins.
    pub fn poster_url(&self) -> Option<String> {
        let poster = self
            .renditions
            .iter()
            .find(|made| made.name == "poster.jpg");
        poster.map(|made| self.url(&made.name))
    }
}

/// The files of these uploads, by the number of the upload.
pub async fn list_files(
    db: &impl ConnectionTrait,
    upload_ids: &[i64],
) -> Result<HashMap<i64, FileView>> {
    if upload_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let uploads = upload::Entity::find()
        .filter(upload::Column::Id.is_in(upload_ids.iter().copied()))
        .all(db)
        .await?;
    let mut files: HashMap<i64, FileView> = uploads
        .into_iter()
        .map(|upload| {
            let view = FileView {
                upload,
                renditions: Vec::new(),
                place_in_line: None,
            };
            (view.upload.id, view)
        })
        .collect();
    let renditions = rendition::Entity::find()
        .filter(rendition::Column::UploadId.is_in(upload_ids.iter().copied()))
        .order_by_asc(rendition::Column::Id)
        .all(db)
        .await?;
    for made in renditions {
        if let Some(file) = files.get_mut(&made.upload_id) {
            file.renditions.push(made);
        }
    }
    Ok(files)
}
