//! Subjects, courses, modules, contents, items, enrollments; and the four starting subjects.

use super::m0001_accounts::{Users, belongs_to};
use super::m0002_media::Uploads;
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, big_pk_auto, boolean, double, string_len, string_len_uniq, text,
    text_null, timestamp_with_time_zone, timestamp_with_time_zone_null,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Subjects {
    Table,
    Id,
    Title,
    Slug,
}

#[derive(DeriveIden)]
enum Courses {
    Table,
    Id,
    OwnerId,
    SubjectId,
    Title,
    Slug,
    Overview,
    IsDraft,
    CreatedAt,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum Enrollments {
    Table,
    Id,
    CourseId,
    UserId,
    CreatedAt,
    LastModuleId,
    LastContentId,
    LastSeenAt,
}

#[derive(DeriveIden)]
enum Modules {
    Table,
    Id,
    CourseId,
    Title,
    Description,
    Order,
}

#[derive(DeriveIden)]
pub enum Contents {
    Table,
    Id,
    ModuleId,
    ItemId,
    Order,
}

#[derive(DeriveIden)]
enum Items {
    Table,
    Id,
    OwnerId,
    Kind,
    Title,
    Body,
    Format,
    Url,
    UploadId,
    CreatedAt,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum DoneMarks {
    Table,
    UserId,
    ContentId,
    CreatedAt,
}

#[derive(DeriveIden)]
enum PlaybackPositions {
    Table,
    UserId,
    ContentId,
    PositionSeconds,
    UpdatedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        subjects(m).await?;
        courses(m).await?;
        enrollments(m).await?;
        modules(m).await?;
        items(m).await?;
        contents(m).await?;
        progress(m).await
    }
}

async fn subjects(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    m.create_table(
        Table::create()
            .table(Subjects::Table)
            .col(big_pk_auto(Subjects::Id))
            .col(string_len(Subjects::Title, 200))
            .col(string_len_uniq(Subjects::Slug, 200))
            .to_owned(),
    )
    .await?;
    let mut insert = Query::insert();
    insert
        .into_table(Subjects::Table)
        .columns([Subjects::Title, Subjects::Slug]);
    for title in ["Mathematics", "Music", "Physics", "Programming"] {
        insert.values_panic([title.into(), title.to_lowercase().into()]);
    }
    m.exec_stmt(insert).await
}

async fn courses(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    m.create_table(
        Table::create()
            .table(Courses::Table)
            .col(big_pk_auto(Courses::Id))
            .col(big_integer(Courses::OwnerId))
            .col(big_integer(Courses::SubjectId))
            .col(string_len(Courses::Title, 200))
            .col(string_len_uniq(Courses::Slug, 200))
            .col(text(Courses::Overview))
            .col(boolean(Courses::IsDraft).default(false))
            .col(timestamp_with_time_zone(Courses::CreatedAt))
            .col(timestamp_with_time_zone(Courses::UpdatedAt))
            .foreign_key(&mut belongs_to(
                Courses::Table,
                Courses::OwnerId,
                Users::Table,
                Users::Id,
            ))
            .foreign_key(&mut belongs_to(
                Courses::Table,
                Courses::SubjectId,
                Subjects::Table,
                Subjects::Id,
            ))
            .to_owned(),
    )
    .await?;
    course_indexes(m).await
}

async fn course_indexes(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    let newest = |name: &str| {
        Index::create()
            .name(name)
            .table(Courses::Table)
            .col(Courses::IsDraft)
            .to_owned()
    };
    m.create_index(
        newest("courses_newest")
            .col((Courses::CreatedAt, IndexOrder::Desc))
            .col((Courses::Id, IndexOrder::Desc))
            .to_owned(),
    )
    .await?;
    m.create_index(
        newest("courses_title")
            .col(Courses::Title)
            .col(Courses::Id)
            .to_owned(),
    )
    .await?;
    m.create_index(
        newest("courses_subject")
            .col(Courses::SubjectId)
            .col((Courses::CreatedAt, IndexOrder::Desc))
            .col((Courses::Id, IndexOrder::Desc))
            .to_owned(),
    )
    .await?;
    m.create_index(
        Index::create()
            .name("courses_owner")
            .table(Courses::Table)
            .col(Courses::OwnerId)
            .to_owned(),
    )
    .await
}

async fn enrollments(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    m.create_table(
        Table::create()
            .table(Enrollments::Table)
            .col(big_pk_auto(Enrollments::Id))
            .col(big_integer(Enrollments::CourseId))
            .col(big_integer(Enrollments::UserId))
            .col(timestamp_with_time_zone(Enrollments::CreatedAt))
            .col(big_integer_null(Enrollments::LastModuleId))
            .col(big_integer_null(Enrollments::LastContentId))
            .col(timestamp_with_time_zone_null(Enrollments::LastSeenAt))
            .foreign_key(&mut belongs_to(
                Enrollments::Table,
                Enrollments::CourseId,
                Courses::Table,
                Courses::Id,
            ))
            .foreign_key(&mut belongs_to(
                Enrollments::Table,
                Enrollments::UserId,
                Users::Table,
                Users::Id,
            ))
            .to_owned(),
    )
    .await?;
    m.create_index(
        Index::create()
            .name("enrollments_once")
            .table(Enrollments::Table)
            .col(Enrollments::CourseId)
            .col(Enrollments::UserId)
            .unique()
            .to_owned(),
    )
    .await?;
    m.create_index(
        Index::create()
            .name("enrollments_user")
            .table(Enrollments::Table)
            .col(Enrollments::UserId)
            .to_owned(),
    )
    .await
}

async fn modules(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    m.create_table(
        Table::create()
            .table(Modules::Table)
            .col(big_pk_auto(Modules::Id))
            .col(big_integer(Modules::CourseId))
            .col(string_len(Modules::Title, 200))
            .col(text(Modules::Description).default(""))
            .col(big_integer(Modules::Order))
            .foreign_key(&mut belongs_to(
                Modules::Table,
                Modules::CourseId,
                Courses::Table,
                Courses::Id,
            ))
            .to_owned(),
    )
    .await?;
    m.create_index(
        Index::create()
            .name("modules_course")
            .table(Modules::Table)
            .col(Modules::CourseId)
            .col(Modules::Order)
            .to_owned(),
    )
    .await
}

async fn items(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    m.create_table(
        Table::create()
            .table(Items::Table)
            .col(big_pk_auto(Items::Id))
            .col(big_integer(Items::OwnerId))
            .col(string_len(Items::Kind, 16))
            .col(string_len(Items::Title, 250))
            .col(text_null(Items::Body))
            .col(string_len(Items::Format, 16).default("plain"))
            .col(text_null(Items::Url))
            .col(big_integer_null(Items::UploadId))
            .col(timestamp_with_time_zone(Items::CreatedAt))
            .col(timestamp_with_time_zone(Items::UpdatedAt))
            .foreign_key(&mut belongs_to(
                Items::Table,
                Items::OwnerId,
                Users::Table,
                Users::Id,
            ))
            .foreign_key(
                ForeignKey::create()
                    .from(Items::Table, Items::UploadId)
                    .to(Uploads::Table, Uploads::Id)
                    .on_delete(ForeignKeyAction::Restrict),
            )
            .to_owned(),
    )
    .await?;
    m.create_index(
        Index::create()
            .name("items_upload")
            .table(Items::Table)
            .col(Items::UploadId)
            .to_owned(),
    )
    .await
}

async fn contents(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    m.create_table(
        Table::create()
            .table(Contents::Table)
            .col(big_pk_auto(Contents::Id))
            .col(big_integer(Contents::ModuleId))
            .col(big_integer(Contents::ItemId))
            .col(big_integer(Contents::Order))
            .foreign_key(&mut belongs_to(
                Contents::Table,
                Contents::ModuleId,
                Modules::Table,
                Modules::Id,
            ))
            .foreign_key(&mut belongs_to(
                Contents::Table,
                Contents::ItemId,
                Items::Table,
                Items::Id,
            ))
            .to_owned(),
    )
    .await?;
    m.create_index(
        Index::create()
            .name("contents_module")
            .table(Contents::Table)
            .col(Contents::ModuleId)
            .col(Contents::Order)
            .to_owned(),
    )
    .await?;
    m.create_index(
        Index::create()
            .name("contents_item")
            .table(Contents::Table)
            .col(Contents::ItemId)
            .to_owned(),
    )
    .await
}

async fn progress(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    m.create_table(
        Table::create()
            .table(DoneMarks::Table)
            .col(big_integer(DoneMarks::UserId))
            .col(big_integer(DoneMarks::ContentId))
            .col(timestamp_with_time_zone(DoneMarks::CreatedAt))
            .primary_key(
                Index::create()
                    .col(DoneMarks::UserId)
                    .col(DoneMarks::ContentId),
            )
            .foreign_key(&mut belongs_to(
                DoneMarks::Table,
                DoneMarks::UserId,
                Users::Table,
                Users::Id,
            ))
            .foreign_key(&mut belongs_to(
                DoneMarks::Table,
                DoneMarks::ContentId,
                Contents::Table,
                Contents::Id,
            ))
            .to_owned(),
    )
    .await?;
    m.create_table(
        Table::create()
            .table(PlaybackPositions::Table)
            .col(big_integer(PlaybackPositions::UserId))
            .col(big_integer(PlaybackPositions::ContentId))
            .col(double(PlaybackPositions::PositionSeconds))
            .col(timestamp_with_time_zone(PlaybackPositions::UpdatedAt))
            .primary_key(
                Index::create()
                    .col(PlaybackPositions::UserId)
                    .col(PlaybackPositions::ContentId),
            )
            .foreign_key(&mut belongs_to(
                PlaybackPositions::Table,
                PlaybackPositions::UserId,
                Users::Table,
                Users::Id,
            ))
            .foreign_key(&mut belongs_to(
                PlaybackPositions::Table,
                PlaybackPositions::ContentId,
                Contents::Table,
                Contents::Id,
            ))
            .to_owned(),
    )
    .await
}
