//! Lists: all of it as a bare array, or a page when one is asked for; in any declared order; as JSON or as a table.
//!
//! What a list costs does not depend on its length: rows come in chunks, each by an index after the one before, and
//! each chunk takes the same number of queries. A bare list that grows over [`LARGEST_KEPT`] is sent as it is read.

use super::call::{Answer, Call, shortened};
use super::chunks::{Chunks, ordered};
use super::cursor::{Cursor, Orders, after, place_of, reversed};
use super::fields::{Field, write_heading, write_line, write_objects};
use super::negotiation::Format;
use crate::app::App;
use crate::error::{Error, Result};
use crate::web::tags::Tag;
use futures::future::BoxFuture;
use sea_orm::sea_query::{Expr, LikeExpr};
use sea_orm::{ColumnTrait, EntityTrait, Order, PaginatorTrait, QueryFilter, QuerySelect, Select};

/// Larger lists are neither held in memory nor kept.
pub const LARGEST_KEPT: usize = 4_000_000;
/// Entries of a page when nothing is said.
const PAGE_SIZE: u64 = 20;
/// Entries of a page at most.
const LARGEST_PAGE: u64 = 500;

/// What makes rows of models, with a constant number of queries.
pub type Dress<M, T> = fn(App, Vec<M>) -> BoxFuture<'static, Result<Vec<T>>>;

/// A list to answer.
pub struct Listing<E: EntityTrait, T: 'static> {
    /// Which rows, in no order yet.
    pub select: Select<E>,
    /// By what they are ordered; the last is the number of the row.
    pub orders: Orders<E::Column>,
    /// What is answered of each.
    pub fields: &'static [Field<T>],
    /// What makes it of the row.
    pub dress: Dress<E::Model, T>,
    /// Where the whole list is the same for everybody: the name under which it is kept, and what it rests on.
    pub kept: Option<(&'static str, Vec<Tag>)>,
}

/// The orders that `?ordering=` asks for, out of those that are known by a name; `usual` when it asks for none. Ties are
/// broken by `id`, newest first.
///
/// # Errors
/// [`Error::Invalid`] for a name that is not known.
pub fn orders_of<C: Copy>(
    call: &Call,
    known: &[(&str, C)],
    usual: &[(C, Order)],
    id: C,
) -> Result<Orders<C>> {
    let mut orders: Orders<C> = Vec::new();
    let Some(wanted) = call.parameter("ordering") else {
        orders.extend_from_slice(usual);
        orders.push((id, Order::Desc));
        return Ok(orders);
    };
    for name in wanted.split(',').map(str::trim).take(known.len()) {
        let (bare, order) = match name.strip_prefix('-') {
            Some(bare) => (bare, Order::Desc),
            None => (name, Order::Asc),
        };
        let Some((_, column)) = known.iter().find(|(known, _)| *known == bare) else {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            let message = format!(
                "This list is not ordered by “{}”, but by {}.",
                shortened(bare),
                names.join(", ")
            );
            return Err(Error::invalid("ordering", message));
        };
        orders.push((*column, order));
    }
    orders.push((id, Order::Desc));
    Ok(orders)
}

/// Whether a column holds this text, letter for letter: `%` and `_` stand for themselves.
pub fn containing<C: ColumnTrait>(column: C, text: &str) -> Expr {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    column.like(LikeExpr::new(pattern).escape('\\'))
}

/// Which part of the list is asked for.
enum Part {
    All,
    Page { number: Number, size: u64 },
    Slice { limit: u64, offset: u64 },
    From { cursor: Option<Cursor>, limit: u64 },
}

#[derive(Clone, Copy)]
enum Number {
    At(u64),
    Last,
}

impl Call {
    /// Answers a list.
    ///
    /// # Errors
    /// [`Error::Invalid`] for parameters that cannot be read, [`Error::NoSuchPage`].
    pub async fn list<E, T>(self, listing: Listing<E, T>) -> Result<Answer>
    where
        E: EntityTrait,
        E::Model: Send + Sync,
        Select<E>: Send + Sync,
        T: Send + Sync,
    {
        match part(&self, &listing.orders)? {
            Part::All => Box::pin(self.bare(listing)).await,
            Part::Page { number, size } => Box::pin(self.page(listing, number, size)).await,
            Part::Slice { limit, offset } => Box::pin(self.slice(listing, limit, offset)).await,
            Part::From { cursor, limit } => {
                Box::pin(self.along_cursor(listing, cursor, limit)).await
            }
        }
    }

    async fn bare<E, T>(self, listing: Listing<E, T>) -> Result<Answer>
    where
        E: EntityTrait,
        E::Model: Send + Sync,
        Select<E>: Send + Sync,
        T: Send + Sync,
    {
        let kept = listing.kept.clone().filter(|_| self.is_plain());
        let chunks = Chunks::new(&self, listing)?;
        let Some((name, tags)) = kept else {
            return Box::pin(chunks.answer()).await;
        };
        self.rests_on(&tags).await?;
        let key = format!("{name}:{}", chunks.format.name());
        let first = chunks.clone();
        let answer = self
            .kept(&key, &tags, async |_| {
                Ok(Box::pin(first.whole()).await?.unwrap_or_default())
            })
            .await?;
        // Nothing is kept of one that is too large, but that it is.
        if answer.is_empty() {
            return Ok(chunks.streamed(Vec::new()));
        }
        Ok(answer)
    }

    async fn page<E, T>(self, listing: Listing<E, T>, number: Number, size: u64) -> Result<Answer>
    where
        E: EntityTrait,
        E::Model: Send + Sync,
        Select<E>: Send + Sync,
        T: Send + Sync,
    {
        let count = listing.select.clone().count(self.app.db.read()).await?;
        let pages = count.div_ceil(size).max(1);
        let number = match number {
            Number::Last => pages,
            Number::At(number) if (1..=pages).contains(&number) => number,
            Number::At(_) => return Err(Error::NoSuchPage),
        };
        let to = |number: u64| self.address_with(&[("page", Some(number.to_string()))]);
        let links = Links {
            next: (number < pages).then(|| to(number + 1)),
            previous: (number > 1).then(|| to(number - 1)),
            first: Some(to(1)),
            last: Some(to(pages)),
        };
        let rows = ordered(listing.select.clone(), &listing.orders)
            .offset((number - 1) * size)
            .limit(size)
            .all(self.app.db.read())
            .await?;
        self.enveloped(&listing, rows, Some(count), links).await
    }

    async fn slice<E, T>(self, listing: Listing<E, T>, limit: u64, offset: u64) -> Result<Answer>
    where
        E: EntityTrait,
        E::Model: Send + Sync,
        Select<E>: Send + Sync,
        T: Send + Sync,
    {
        let count = listing.select.clone().count(self.app.db.read()).await?;
        let to = |offset: u64| {
            let offset = (offset > 0).then(|| offset.to_string());
            self.address_with(&[("limit", Some(limit.to_string())), ("offset", offset)])
        };
        let next = offset.saturating_add(limit);
        let links = Links {
            next: (next < count).then(|| to(next)),
            previous: (offset > 0).then(|| to(offset.min(count).saturating_sub(limit))),
            first: None,
            last: None,
        };
        let rows = if offset < count {
            ordered(listing.select.clone(), &listing.orders)
                .offset(offset)
                .limit(limit)
                .all(self.app.db.read())
                .await?
        } else {
            Vec::new()
        };
        self.enveloped(&listing, rows, Some(count), links).await
    }

    async fn along_cursor<E, T>(
        self,
        listing: Listing<E, T>,
        cursor: Option<Cursor>,
        limit: u64,
    ) -> Result<Answer>
    where
        E: EntityTrait,
        E::Model: Send + Sync,
        Select<E>: Send + Sync,
        T: Send + Sync,
    {
        let is_backwards = cursor.as_ref().is_some_and(|cursor| cursor.is_backwards);
        let is_first = cursor.is_none();
        let orders = if is_backwards {
            reversed(&listing.orders)
        } else {
            listing.orders.clone()
        };
        let mut select = ordered(listing.select.clone(), &orders).limit(limit + 1);
        if let Some(cursor) = &cursor {
            select = select.filter(after(&orders, &cursor.place));
        }
        let mut rows = select.all(self.app.db.read()).await?;
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > wanted;
        rows.truncate(wanted);
        if is_backwards {
            rows.reverse();
        }
        let to = |row: Option<&E::Model>, is_backwards| {
            let place = place_of(row?, &listing.orders);
            let cursor = Cursor {
                is_backwards,
                place,
            };
            let text = cursor.encode(&listing.orders);
            Some(self.address_with(&[("cursor", Some(text))]))
        };
        let (has_next, has_previous) = if is_backwards {
            (true, has_more)
        } else {
            (has_more, !is_first)
        };
        let links = Links {
            next: to(rows.last(), false).filter(|_| has_next),
            previous: to(rows.first(), true).filter(|_| has_previous),
            first: None,
            last: None,
        };
        self.enveloped(&listing, rows, None, links).await
    }

    /// A page: in JSON with what stands around it, in a table with that in the headers alone.
    async fn enveloped<E, T>(
        &self,
        listing: &Listing<E, T>,
        rows: Vec<E::Model>,
        count: Option<u64>,
        links: Links,
    ) -> Result<Answer>
    where
        E: EntityTrait,
    {
        let fields = self.selected(listing.fields)?;
        let rows = (listing.dress)(self.app.clone(), rows).await?;
        let mut out = Vec::new();
        if self.wish.format == Format::Csv {
            write_heading(fields.iter().copied(), &mut out);
            for row in &rows {
                write_line(fields.iter().copied(), row, &mut out);
            }
        } else {
            links.write_head(count, &mut out)?;
            write_objects(&fields, &rows, &mut out);
            out.extend_from_slice(b"]}");
        }
        let mut answer = Answer::json(out.into());
        answer.links = links.header();
        Ok(answer)
    }
}

/// The addresses of other pages.
struct Links {
    next: Option<String>,
    previous: Option<String>,
    first: Option<String>,
    last: Option<String>,
}

impl Links {
    /// Everything before the first entry.
    fn write_head(&self, count: Option<u64>, out: &mut Vec<u8>) -> Result<()> {
        out.push(b'{');
        if let Some(count) = count {
            out.extend_from_slice(format!("\"count\":{count},").as_bytes());
        }
        for (name, address) in [("next", &self.next), ("previous", &self.previous)] {
            out.extend_from_slice(format!("\"{name}\":").as_bytes());
            serde_json::to_writer(&mut *out, address).map_err(Error::internal)?;
            out.push(b',');
        }
        out.extend_from_slice(b"\"results\":[");
        Ok(())
    }

    /// The value of `Link` (RFC 8288).
    fn header(&self) -> String {
        let all = [
            ("first", &self.first),
            ("prev", &self.previous),
            ("next", &self.next),
            ("last", &self.last),
        ];
        let links = all.into_iter().filter_map(|(relation, address)| {
            let address = address.as_ref()?;
            Some(format!("<{address}>; rel=\"{relation}\""))
        });
        links.collect::<Vec<_>>().join(", ")
    }
}

/// Which part the query asks for.
fn part<C: ColumnTrait>(call: &Call, orders: &Orders<C>) -> Result<Part> {
    let has = |name| call.parameter(name).is_some();
    let ways = [
        call.sent("cursor").is_some(),
        has("page") || has("page_size"),
        (has("limit") && call.sent("cursor").is_none()) || has("offset"),
    ];
    if ways.iter().filter(|is_asked| **is_asked).count() > 1 {
        return Err(Error::BadRequest(
            "page, limit with offset, and cursor are three ways through a list; please take one of them.".into(),
        ));
    }
    match ways {
        [true, ..] => Ok(Part::From {
            cursor: call
                .parameter("cursor")
                .map(|text| Cursor::decode(text, orders))
                .transpose()?,
            limit: size_of(call, "limit")?,
        }),
        [_, true, _] => Ok(Part::Page {
            number: number_of(call)?,
            size: size_of(call, "page_size")?,
        }),
        [.., true] => {
            let offset = call.number("offset")?.unwrap_or(0);
            let offset = u64::try_from(offset)
                .map_err(|_| Error::invalid("offset", "An offset is 0 or more."))?;
            Ok(Part::Slice {
                limit: size_of(call, "limit")?,
                offset,
            })
        }
        _ => Ok(Part::All),
    }
}

/// Entries a page: as asked, but no more than there may be.
fn size_of(call: &Call, name: &str) -> Result<u64> {
    let Some(size) = call.number(name)? else {
        return Ok(PAGE_SIZE);
    };
    match u64::try_from(size) {
        Ok(size) if size > 0 => Ok(size.min(LARGEST_PAGE)),
        _ => Err(Error::invalid(name, "A page has 1 entry or more.")),
    }
}

fn number_of(call: &Call) -> Result<Number> {
    match call.parameter("page") {
        None => Ok(Number::At(1)),
        Some("last") => Ok(Number::Last),
        // A number that is too large for any list.
        Some(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
            Ok(Number::At(text.parse().unwrap_or(u64::MAX)))
        }
        Some(_) => match call.number("page")? {
            // Below zero.
            Some(_) => Err(Error::NoSuchPage),
            None => Ok(Number::At(1)),
        },
    }
}
