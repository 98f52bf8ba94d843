//! Every table that a backup holds, in the order in which rows may be written: what a row points at comes first.

use super::BackupError;
use crate::entities;
use futures::TryStreamExt as _;
use futures::future::BoxFuture;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityName,
    EntityTrait, IntoActiveModel, Iterable as _, PrimaryKeyToColumn as _, PrimaryKeyTrait,
    QueryOrder as _, Statement,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{BufRead, Write};

/// Values in one statement: SQLite takes 32,766 (sqlite.org/limits.html), PostgreSQL twice as many.
const MOST_VALUES: usize = 30_000;

/// A table of the site.
pub(super) struct Table {
    pub name: &'static str,
    dump: for<'a> fn(&'a DatabaseTransaction, Sink<'a>) -> BoxFuture<'a, Result<u64, BackupError>>,
    load: for<'a> fn(&'a DatabaseTransaction, Source<'a>) -> BoxFuture<'a, Result<(), BackupError>>,
    clear: for<'a> fn(&'a DatabaseTransaction) -> BoxFuture<'a, Result<(), DbErr>>,
    /// The column that the database numbers by itself, if there is one.
    numbered: fn() -> Option<String>,
}

type Sink<'a> = &'a mut (dyn Write + Send);
type Source<'a> = &'a mut (dyn BufRead + Send);

impl Table {
    /// Writes all rows, a line each; answers how many.
    pub async fn dump(&self, db: &DatabaseTransaction, sink: Sink<'_>) -> Result<u64, BackupError> {
        (self.dump)(db, sink).await
    }

    /// Inserts all rows.
    pub async fn load(
        &self,
        db: &DatabaseTransaction,
        source: Source<'_>,
    ) -> Result<(), BackupError> {
        (self.load)(db, source).await
    }

    /// Deletes what a fresh site has.
    pub async fn clear(&self, db: &DatabaseTransaction) -> Result<(), DbErr> {
        (self.clear)(db).await
    }

    /// Lets the next row of its own get a number that is free. SQLite sees to that by itself.
    pub async fn number_on(&self, db: &DatabaseTransaction) -> Result<(), DbErr> {
        let Some(column) = (self.numbered)() else {
            return Ok(());
        };
        if db.get_database_backend() == DbBackend::Postgres {
            // Names of ours, never of somebody else's.
            let name = self.name;
            let sql = format!(
                "SELECT setval(pg_get_serial_sequence('{name}', '{column}'), \
                 (SELECT coalesce(max({column}), 0) + 1 FROM {name}), false)"
            );
            let statement = Statement::from_string(DbBackend::Postgres, sql);
            db.query_one_raw(statement).await?;
        }
        Ok(())
    }
}

macro_rules! tables {
    ($($module:ident),+ $(,)?) => {
        /// All of them.
        pub(super) fn all() -> Vec<Table> {
            vec![$(table::<entities::$module::Entity>()),+]
        }
    };
}

tables! {
    user, group, group_permission, user_group, session, token,
    account_link, second_factor, recovery_code,
    upload_batch, upload, rendition, transcoding, sns_message,
    subject, course, enrollment, invitation, invitation_use, enrollment_request, module, item, content, done_mark, playback_position,
    job_line, job, paused_kind, message, kept_answer, announcement, figure, audit_entry,
    chat_room, chat_line, chat_picture, chat_mention, chat_read, chat_limit, chat_act,
}

fn table<E>() -> Table
where
    E: EntityTrait + Default,
    E::Model: Serialize + DeserializeOwned + IntoActiveModel<E::ActiveModel> + Send + Sync,
    E::ActiveModel: Send,
{
    Table {
        name: E::default().table_name_of(),
        dump: |db, sink| Box::pin(dump::<E>(db, sink)),
        load: |db, source| Box::pin(load::<E>(db, source)),
        clear: |db| {
            Box::pin(async move {
                E::delete_many().exec(db).await?;
                Ok(())
            })
        },
        numbered: numbered::<E>,
    }
}

/// Its name, which is known when the program is built.
trait TableName {
    fn table_name_of(&self) -> &'static str;
}

impl<E: EntityName> TableName for E {
    fn table_name_of(&self) -> &'static str {
        self.table_name()
    }
}

fn numbered<E: EntityTrait>() -> Option<String> {
    use sea_orm::IdenStatic as _;
    if !<E::PrimaryKey as PrimaryKeyTrait>::auto_increment() {
        return None;
    }
    let key = E::PrimaryKey::iter().next()?;
    Some(key.into_column().as_str().to_owned())
}

async fn dump<E>(db: &DatabaseTransaction, sink: Sink<'_>) -> Result<u64, BackupError>
where
    E: EntityTrait,
    E::Model: Serialize,
{
    let mut find = E::find();
    for key in E::PrimaryKey::iter() {
        find = find.order_by_asc(key.into_column());
    }
    let table = E::default().table_name_of();
    let row_fault = |error| BackupError::Row { table, error };
    let mut rows = find.stream(db).await?;
    let mut count = 0;
    while let Some(row) = rows.try_next().await? {
        serde_json::to_writer(&mut *sink, &row).map_err(row_fault)?;
        let ended = sink.write_all(b"\n").map_err(serde_json::Error::io);
        ended.map_err(row_fault)?;
        count += 1;
    }
    Ok(count)
}

async fn load<E>(db: &DatabaseTransaction, source: Source<'_>) -> Result<(), BackupError>
where
    E: EntityTrait,
    E::Model: DeserializeOwned + IntoActiveModel<E::ActiveModel>,
    E::ActiveModel: Send,
{
    let table = E::default().table_name_of();
    let row_fault = |error| BackupError::Row { table, error };
    let at_once = (MOST_VALUES / E::Column::iter().count().max(1)).max(1);
    let mut rows = Vec::with_capacity(at_once);
    let mut line = String::new();
    loop {
        line.clear();
        let count = source.read_line(&mut line);
        let is_over = count.map_err(|error| row_fault(serde_json::Error::io(error)))? == 0;
        if !is_over {
            let row: E::Model = serde_json::from_str(&line).map_err(row_fault)?;
            rows.push(row.into_active_model().reset_all());
        }
        if !rows.is_empty() && (is_over || rows.len() == at_once) {
            let insert = E::insert_many(std::mem::take(&mut rows));
            insert.exec_without_returning(db).await?;
        }
        if is_over {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Db;
    use std::collections::BTreeSet;

    /// Tables that a site makes anew by itself, or that mean nothing elsewhere.
    const LEFT_OUT: &[&str] = &[
        // The cache, what changed in it and the events of the bus: of this life of the site.
        backends::cache::ENTRIES_TABLE,
        "tag_versions",
        backends::bus::EVENTS_TABLE,
        // Tickets live a minute.
        "chat_tickets",
        // Files that wait for a yes wait a day, for who sent them.
        "csv_imports",
        // Unfinished uploads: their bytes are no stored files yet, and clients begin anew.
        "tus_uploads",
        "upload_progress",
        // The processes that run now.
        "nodes",
        // Which steps the schema has taken stands in the manifest.
        "seaql_migrations",
    ];

    #[tokio::test]
    async fn every_table_is_in_a_backup_or_left_out_on_purpose() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open("sqlite:", folder.path(), std::time::Duration::MAX)
            .await
            .unwrap();
        db.migrate().await.unwrap();
        let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
                   AND name NOT LIKE '%\\_search%' ESCAPE '\\'";
        let rows = db
            .read()
            .query_all_raw(Statement::from_string(DbBackend::Sqlite, sql));
        let there: BTreeSet<String> = rows
            .await
            .unwrap()
            .iter()
            .map(|row| row.try_get("", "name").unwrap())
            .collect();
        let all = all();
        let named: BTreeSet<String> = all
            .iter()
            .map(|table| table.name)
            .chain(LEFT_OUT.iter().copied())
            .map(str::to_owned)
            .collect();
        assert_eq!(there, named);
    }
}
