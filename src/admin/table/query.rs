//! The queries of a list, whatever it lists: a page, how many there are, and which ones an action is about. The number of
//! statements does not grow with the rows.

use super::{Asked, Look, MOST_COUNTED, PAGE, Row};
use crate::error::{Error, Result};
use futures::future::BoxFuture;
use sea_orm::sea_query::{self, Alias, Asterisk, Expr, ExprTrait as _, Func, LikeExpr, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, ModelTrait as _, Order, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait as _, Select,
};

/// What a table asks of its list.
pub trait Listed: Send + Sync {
    /// The rows of a page.
    fn page<'a>(&'a self, look: &'a Look, asked: &'a Asked) -> BoxFuture<'a, Result<Vec<Row>>>;
    /// How many there are, [`MOST_COUNTED`] and one at most.
    fn count<'a>(&'a self, look: &'a Look, asked: &'a Asked) -> BoxFuture<'a, Result<u64>>;
    /// The rows of these numbers, those that are gone left out.
    fn rows<'a>(&'a self, look: &'a Look, ids: &'a [i64]) -> BoxFuture<'a, Result<Vec<Row>>>;
    /// The numbers of all that is asked for, at most so many, in their order.
    fn ids<'a>(
        &'a self,
        look: &'a Look,
        asked: &'a Asked,
        most: u64,
    ) -> BoxFuture<'a, Result<Vec<i64>>>;
    /// The next rows after this number, at most so many, for an export.
    fn chunk<'a>(
        &'a self,
        look: &'a Look,
        asked: &'a Asked,
        after: i64,
        most: u64,
    ) -> BoxFuture<'a, Result<Chunk>>;
}

/// A piece of a list.
pub struct Chunk {
    /// Its rows, those left out to which something belonged that went meanwhile.
    pub rows: Vec<Row>,
    /// The number after which the list goes on; nothing when this was its end.
    pub next: Option<i64>,
}

/// Makes rows of models, in the same order, by a constant number of statements.
pub type Dress<M> = for<'a> fn(&'a Look, Vec<M>) -> BoxFuture<'a, Result<Vec<Row>>>;

/// What is listed: the rows of an entity, joined with what they are searched and sorted by.
pub struct List<E: EntityTrait> {
    /// All of them.
    pub select: fn() -> Select<E>,
    /// Their numbers.
    pub id: E::Column,
    /// Those that hold this word.
    pub search: fn(&str) -> Condition,
    /// Those of a filter's value; `None`: the value means nothing, and there are none.
    pub filter: fn(&str, &str) -> Option<Condition>,
    /// By what a sort goes.
    pub sort: fn(&str) -> Option<Expr>,
    /// Makes rows.
    pub dress: Dress<E::Model>,
}

/// Whether a column holds this text, letter for letter. Case does not count: PostgreSQL folds all letters, SQLite those of
/// ASCII alone, wherefore a word with others is looked for as it was typed, in small letters, in capitals, and as a name
/// begins.
pub fn containing(column: impl ColumnTrait, word: &str) -> Expr {
    let holds = |word: &str| {
        let stored = Expr::expr(Func::lower(column.into_expr()));
        stored.like(LikeExpr::new(pattern(word)).escape('\\'))
    };
    spellings(word)
        .iter()
        .map(|word| holds(word))
        .reduce(Expr::or)
        .unwrap_or_else(|| Expr::val(1).eq(1))
}

/// How a word may stand in what a database has folded, each spelling once: letters of ASCII are small in all.
fn spellings(word: &str) -> Vec<String> {
    let small = word.to_lowercase();
    if small.is_ascii() {
        return vec![small];
    }
    let mut letters = small.chars();
    let first = letters.next().map(char::to_uppercase);
    let name: String = first.into_iter().flatten().chain(letters).collect();
    let mut spellings = vec![
        small,
        word.to_ascii_lowercase(),
        word.to_uppercase().to_ascii_lowercase(),
        name.to_ascii_lowercase(),
    ];
    spellings.sort_unstable();
    spellings.dedup();
    spellings
}

/// A pattern for any text with this word in it, none of whose characters stands for others.
fn pattern(word: &str) -> String {
    let mut pattern = String::with_capacity(word.len() + 2);
    pattern.push('%');
    for c in word.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

impl<E: EntityTrait> List<E>
where
    Select<E>: Send + Sync,
{
    fn asked(&self, asked: &Asked) -> Select<E> {
        let mut select = (self.select)();
        for word in asked.words() {
            select = select.filter((self.search)(word));
        }
        for (name, value) in &asked.filters {
            let condition = (self.filter)(name, value);
            select = match condition {
                Some(condition) => select.filter(condition),
                None => select.filter(Expr::val(1).eq(0)),
            };
        }
        select
    }

    fn ordered(&self, asked: &Asked) -> Select<E> {
        let order = if asked.is_descending {
            Order::Desc
        } else {
            Order::Asc
        };
        let mut select = self.asked(asked);
        if let Some(by) = (self.sort)(asked.sort) {
            select = select.order_by(by, order.clone());
        }
        select.order_by(self.id, order)
    }
}

impl<E> Listed for List<E>
where
    E: EntityTrait,
    E::Column: Send + Sync,
    E::Model: Send + Sync,
    Select<E>: Send + Sync,
{
    fn page<'a>(&'a self, look: &'a Look, asked: &'a Asked) -> BoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            let select = self.ordered(asked);
            let rows = select.offset((asked.page - 1) * PAGE).limit(PAGE);
            (self.dress)(look, rows.all(look.app.db.read()).await?).await
        })
    }

    fn count<'a>(&'a self, look: &'a Look, asked: &'a Asked) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            let some = self.asked(asked).select_only().column(self.id);
            let some = some.limit(MOST_COUNTED + 1).into_query();
            let count = Query::select()
                .expr(Func::count(Expr::col(Asterisk)))
                .from_subquery(some, Alias::new("some"))
                .to_owned();
            let db = look.app.db.read();
            let row = db.query_one(&count).await?;
            let number = row.map(|row| row.try_get_by_index::<i64>(0)).transpose()?;
            Ok(u64::try_from(number.unwrap_or(0)).unwrap_or(0))
        })
    }

    fn rows<'a>(&'a self, look: &'a Look, ids: &'a [i64]) -> BoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            let select = (self.select)().filter(self.id.is_in(ids.iter().copied()));
            let rows = select.order_by_asc(self.id).all(look.app.db.read()).await?;
            (self.dress)(look, rows).await
        })
    }

    fn ids<'a>(
        &'a self,
        look: &'a Look,
        asked: &'a Asked,
        most: u64,
    ) -> BoxFuture<'a, Result<Vec<i64>>> {
        Box::pin(async move {
            let select = self.asked(asked).select_only().column(self.id);
            let ids = select.order_by_asc(self.id).limit(most).into_tuple();
            Ok(ids.all(look.app.db.read()).await?)
        })
    }

    fn chunk<'a>(
        &'a self,
        look: &'a Look,
        asked: &'a Asked,
        after: i64,
        most: u64,
    ) -> BoxFuture<'a, Result<Chunk>> {
        Box::pin(async move {
            let select = self.asked(asked).filter(self.id.gt(after));
            let select = select.order_by_asc(self.id).limit(most);
            let found = select.all(look.app.db.read()).await?;
            // Before they are dressed: who is left out there is no sign of the end.
            let is_full = u64::try_from(found.len()).is_ok_and(|count| count >= most);
            let last = found.last().filter(|_| is_full);
            let next = last
                .map(|last| <i64 as sea_query::ValueType>::try_from(last.get(self.id)))
                .transpose()
                .map_err(Error::internal)?;
            let rows = (self.dress)(look, found).await?;
            Ok(Chunk { rows, next })
        })
    }
}
