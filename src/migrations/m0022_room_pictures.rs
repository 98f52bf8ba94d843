//! Pictures in the lines of rooms.

use super::m0001_accounts::belongs_to;
use super::m0002_media::Uploads;
use super::m0016_rooms::ChatLines;
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, integer, text};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum ChatPictures {
    Table,
    UploadId,
    CourseId,
    LineId,
    Position,
    Alt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        // The line, where there is one, is of this room.
        let mut line = ForeignKey::create()
            .from_tbl(ChatPictures::Table)
            .from_col(ChatPictures::CourseId)
            .from_col(ChatPictures::LineId)
            .to_tbl(ChatLines::Table)
            .to_col(ChatLines::CourseId)
            .to_col(ChatLines::Id)
            .on_delete(ForeignKeyAction::Cascade)
            .to_owned();
        let pictures = Table::create()
            .table(ChatPictures::Table)
            .col(big_integer(ChatPictures::UploadId).primary_key())
            .col(big_integer(ChatPictures::CourseId))
            .col(big_integer_null(ChatPictures::LineId))
            .col(integer(ChatPictures::Position).default(0))
            .col(text(ChatPictures::Alt).default(""))
            .foreign_key(&mut belongs_to(
                ChatPictures::Table,
                ChatPictures::UploadId,
                Uploads::Table,
                Uploads::Id,
            ))
            .foreign_key(&mut belongs_to(
                ChatPictures::Table,
                ChatPictures::CourseId,
                Alias::new("courses"),
                Alias::new("id"),
            ))
            .foreign_key(&mut line)
            .to_owned();
        m.create_table(pictures).await?;
        let by_line = Index::create()
            .name("chat_pictures_line")
            .table(ChatPictures::Table)
            .col(ChatPictures::CourseId)
            .col(ChatPictures::LineId)
            .to_owned();
        m.create_index(by_line).await
    }
}
