//! The table of entries, and the statements on it that both engines share.

use sea_orm::sea_query::{
    ColumnDef, DeleteStatement, Expr, ExprTrait, Func, Index, IndexCreateStatement,
    InsertStatement, LockBehavior, LockType, OnConflict, Order, Query, SelectStatement, Table,
    TableCreateStatement,
};
use sea_orm::{DbBackend, DbErr, DeriveIden};

/// Name of the table of entries: `name` (prefix, version and key), `bytes` (what it counts for, name
/// and overhead included), `stored_us` and `ends_us` (microseconds since 1970 UTC; `ends_us` is
/// null for ever), `value`. Made by a migration from [`entries_table`].
pub const ENTRIES_TABLE: &str = "cache_entries";

/// What one entry costs besides its name and value, in bytes: its row and its place in the indexes,
/// measured roughly.
const OVERHEAD_BYTES: usize = 150;

/// Entries that were stored this long from now are not believed: the clock was wrong then or is
/// now. Up to this, the clocks of two machines may differ.
const SKEW_US: i64 = 60_000_000;

#[derive(Clone, Copy, DeriveIden)]
pub enum CacheEntries {
    Table,
    Name,
    Bytes,
    StoredUs,
    EndsUs,
    Value,
}

/// The statement that makes the table of entries, for a migration.
pub fn entries_table() -> TableCreateStatement {
    let mut table = Table::create();
    table
        .table(CacheEntries::Table)
        .col(
            ColumnDef::new(CacheEntries::Name)
                .string_len(250)
                .not_null()
                .primary_key(),
        )
        .col(ColumnDef::new(CacheEntries::Bytes).big_integer().not_null())
        .col(
            ColumnDef::new(CacheEntries::StoredUs)
                .big_integer()
                .not_null(),
        )
        .col(ColumnDef::new(CacheEntries::EndsUs).big_integer().null())
        // Last, so that SQLite reads the others without it.
        .col(ColumnDef::new(CacheEntries::Value).blob().not_null());
    table
}

/// The statements that make the indexes of the table, for a migration: what is over, and what is
/// oldest, both found without reading a value.
pub fn entries_indexes() -> [IndexCreateStatement; 2] {
    let index = |name: &str| {
        let mut index = Index::create();
        index.name(name).table(CacheEntries::Table);
        index
    };
    [
        index("cache_entries_ends").col(CacheEntries::EndsUs).take(),
        index("cache_entries_stored")
            .col(CacheEntries::StoredUs)
            .col(CacheEntries::Bytes)
            .take(),
    ]
}

/// What is written for one entry.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub name: &'a str,
    pub value: &'a [u8],
    pub stored_us: i64,
    pub ends_us: Option<i64>,
}

impl Row<'_> {
    /// What it counts for.
    pub fn bytes(&self) -> i64 {
        cost(self.name, self.value.len())
    }
}

/// What an entry with a value of this size counts for, in bytes.
pub fn cost(name: &str, value_bytes: usize) -> i64 {
    i64::try_from(name.len() + value_bytes + OVERHEAD_BYTES).unwrap_or(i64::MAX)
}

fn column(column: CacheEntries) -> Expr {
    Expr::col((CacheEntries::Table, column))
}

/// Whether an entry is to be believed at this time.
pub fn is_live(now_us: i64) -> Expr {
    let ends = column(CacheEntries::EndsUs);
    let is_not_over = ends.clone().is_null().or(ends.gt(now_us));
    is_not_over.and(column(CacheEntries::StoredUs).lte(now_us.saturating_add(SKEW_US)))
}

/// As [`is_live`], of a row that was read.
pub fn was_live(stored_us: i64, ends_us: Option<i64>, now_us: i64) -> bool {
    let is_over = ends_us.is_some_and(|ends_us| ends_us <= now_us);
    !is_over && stored_us <= now_us.saturating_add(SKEW_US)
}

fn inserting(rows: &[Row<'_>]) -> Result<InsertStatement, DbErr> {
    let mut insert = Query::insert();
    insert.into_table(CacheEntries::Table).columns([
        CacheEntries::Name,
        CacheEntries::Bytes,
        CacheEntries::StoredUs,
        CacheEntries::EndsUs,
        CacheEntries::Value,
    ]);
    for row in rows {
        insert
            .values([
                row.name.into(),
                row.bytes().into(),
                row.stored_us.into(),
                row.ends_us.into(),
                row.value.to_vec().into(),
            ])
            .map_err(|error| DbErr::Custom(error.to_string()))?;
    }
    Ok(insert)
}

fn replacing() -> OnConflict {
    OnConflict::column(CacheEntries::Name)
        .update_columns([
            CacheEntries::Bytes,
            CacheEntries::StoredUs,
            CacheEntries::EndsUs,
            CacheEntries::Value,
        ])
        .to_owned()
}

/// Stores these, of which no two may have one name.
pub fn storing(rows: &[Row<'_>]) -> Result<InsertStatement, DbErr> {
    Ok(inserting(rows)?.on_conflict(replacing()).take())
}

/// Stores this one where none is at this time; affects one row when it did.
pub fn adding(row: Row<'_>, now_us: i64) -> Result<InsertStatement, DbErr> {
    let instead_of_the_dead = replacing()
        .action_and_where(is_live(now_us).not())
        .to_owned();
    Ok(inserting(&[row])?.on_conflict(instead_of_the_dead).take())
}

/// The rows of these names, in an order that all who lock several share, so that they do not wait
/// for each other in a circle: that of their bytes, in which rows are stored too, whatever language
/// the database sorts by.
fn locking(engine: DbBackend, names: &[&str]) -> SelectStatement {
    let in_byte_order = match engine {
        DbBackend::Sqlite => r#""name" COLLATE BINARY"#,
        _ => r#""name" COLLATE "C""#,
    };
    Query::select()
        .column(CacheEntries::Name)
        .from(CacheEntries::Table)
        .and_where(Expr::col(CacheEntries::Name).is_in(names.iter().copied()))
        .order_by_expr(Expr::cust(in_byte_order), Order::Asc)
        .lock_exclusive()
        .take()
}

/// Deletes these and returns the times of each that there was (`stored_us`, `ends_us`).
pub fn deleting(engine: DbBackend, names: &[&str]) -> DeleteStatement {
    Query::delete()
        .from_table(CacheEntries::Table)
        .and_where(Expr::col(CacheEntries::Name).in_subquery(locking(engine, names)))
        .returning(Query::returning().columns([CacheEntries::StoredUs, CacheEntries::EndsUs]))
        .take()
}

/// Deletes up to `most` of those that are not to be believed at this time, and that nobody holds.
pub fn sweeping(now_us: i64, most: u64) -> DeleteStatement {
    let dead = Query::select()
        .column(CacheEntries::Name)
        .from(CacheEntries::Table)
        .and_where(is_live(now_us).not())
        .limit(most)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .take();
    Query::delete()
        .from_table(CacheEntries::Table)
        .and_where(Expr::col(CacheEntries::Name).in_subquery(dead))
        // Not one that was stored anew meanwhile.
        .and_where(is_live(now_us).not())
        .take()
}

/// How many there are, and what they count for (`entries`, `bytes`).
pub fn measuring() -> SelectStatement {
    let bytes = Func::coalesce([column(CacheEntries::Bytes).sum(), Expr::val(0_i64)]);
    Query::select()
        .expr_as(column(CacheEntries::Name).count(), "entries")
        .expr_as(Expr::expr(bytes).cast_as("bigint"), "bytes")
        .from(CacheEntries::Table)
        .take()
}

/// The oldest `most` of all (`name`, `bytes`, `stored_us`).
pub fn oldest(most: u64) -> SelectStatement {
    Query::select()
        .columns([
            CacheEntries::Name,
            CacheEntries::Bytes,
            CacheEntries::StoredUs,
        ])
        .from(CacheEntries::Table)
        .order_by(CacheEntries::StoredUs, Order::Asc)
        .limit(most)
        .take()
}

/// Deletes those of these that were not stored again after this time.
pub fn evicting(engine: DbBackend, names: &[&str], stored_us: i64) -> DeleteStatement {
    Query::delete()
        .from_table(CacheEntries::Table)
        .and_where(Expr::col(CacheEntries::Name).in_subquery(locking(engine, names)))
        .and_where(Expr::col(CacheEntries::StoredUs).lte(stored_us))
        .take()
}

/// Up to `most` names that begin so, in order, after this one.
pub fn beginning(start: &str, after: &str, most: u64) -> SelectStatement {
    // Not LIKE, which on SQLite takes an A for an a.
    let length = i32::try_from(start.chars().count()).unwrap_or(i32::MAX);
    let head = Func::cust("substr")
        .arg(Expr::col(CacheEntries::Name))
        .arg(1_i32)
        .arg(length);
    Query::select()
        .column(CacheEntries::Name)
        .from(CacheEntries::Table)
        .and_where(Expr::expr(head).eq(start))
        .and_where(Expr::col(CacheEntries::Name).gt(after))
        .order_by(CacheEntries::Name, Order::Asc)
        .limit(most)
        .take()
}
