//! Whole lists, read and written chunk by chunk, so that one of any length takes the memory of one chunk.

use super::call::{Answer, Call};
use super::cursor::{Orders, after, place_of};
use super::fields::{Field, write_heading, write_line, write_objects};
use super::list::{Dress, LARGEST_KEPT, Listing};
use super::negotiation::Format;
use crate::app::App;
use crate::error::Result;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, Value};

/// Rows that are read at once.
const CHUNK: u64 = 500;

/// The rows in this order.
pub(super) fn ordered<E: EntityTrait>(
    mut select: Select<E>,
    orders: &Orders<E::Column>,
) -> Select<E> {
    for (column, order) in orders {
        select = select.order_by(*column, order.clone());
    }
    select
}

/// A whole list, on its way chunk by chunk.
pub(super) struct Chunks<E: EntityTrait, T: 'static> {
    app: App,
    select: Select<E>,
    orders: Orders<E::Column>,
    fields: Vec<&'static Field<T>>,
    dress: Dress<E::Model, T>,
    pub(super) format: Format,
    place: Option<Vec<Value>>,
    has_begun: bool,
    is_over: bool,
}

impl<E: EntityTrait, T> Clone for Chunks<E, T> {
    fn clone(&self) -> Self {
        Self {
            app: self.app.clone(),
            select: self.select.clone(),
            orders: self.orders.clone(),
            fields: self.fields.clone(),
            dress: self.dress,
            format: self.format,
            place: self.place.clone(),
            has_begun: self.has_begun,
            is_over: self.is_over,
        }
    }
}

impl<E, T> Chunks<E, T>
where
    E: EntityTrait,
    E::Model: Send + Sync,
    Select<E>: Send + Sync,
    T: Send + Sync,
{
    pub(super) fn new(call: &Call, listing: Listing<E, T>) -> Result<Self> {
        Ok(Self {
            app: call.app.clone(),
            select: ordered(listing.select, &listing.orders).limit(CHUNK),
            orders: listing.orders,
            fields: call.selected(listing.fields)?,
            dress: listing.dress,
            format: call.wish.format,
            place: None,
            has_begun: false,
            is_over: false,
        })
    }

    /// The bytes of the next chunk.
    async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        if self.is_over {
            return Ok(None);
        }
        let mut select = self.select.clone();
        if let Some(place) = &self.place {
            select = select.filter(after(&self.orders, place));
        }
        let models = select.all(self.app.db.read()).await?;
        self.is_over = models.len() < usize::try_from(CHUNK).unwrap_or(usize::MAX);
        self.place = models.last().map(|row| place_of(row, &self.orders));
        let rows = (self.dress)(self.app.clone(), models).await?;
        let mut out = Vec::new();
        if self.format == Format::Csv {
            self.write_table(&rows, &mut out);
        } else {
            self.write_array(&rows, &mut out);
        }
        self.has_begun = true;
        Ok(Some(out))
    }

    fn write_table(&self, rows: &[T], out: &mut Vec<u8>) {
        if !self.has_begun {
            write_heading(self.fields.iter().copied(), out);
        }
        for row in rows {
            write_line(self.fields.iter().copied(), row, out);
        }
    }

    fn write_array(&self, rows: &[T], out: &mut Vec<u8>) {
        if !self.has_begun {
            out.push(b'[');
        }
        if self.has_begun && !rows.is_empty() {
            out.push(b',');
        }
        write_objects(&self.fields, rows, out);
        if self.is_over {
            out.push(b']');
        }
    }

    /// All of it; `None` when it is too large to be held.
    pub(super) async fn whole(mut self) -> Result<Option<Bytes>> {
        let mut all = Vec::new();
        while let Some(chunk) = self.next().await? {
            all.extend_from_slice(&chunk);
            if all.len() > LARGEST_KEPT {
                return Ok(None);
            }
        }
        Ok(Some(all.into()))
    }

    /// All of it at once, or in a stream when it is too large.
    pub(super) async fn answer(mut self) -> Result<Answer> {
        let mut all = Vec::new();
        while let Some(chunk) = self.next().await? {
            all.extend_from_slice(&chunk);
            if all.len() > LARGEST_KEPT {
                return Ok(self.streamed(all));
            }
        }
        Ok(Answer::json(all.into()))
    }

    /// The rest of it as it is read, after what was read already. A fault on the way breaks the answer off, so that
    /// nobody takes it for whole.
    pub(super) fn streamed(self, begun: Vec<u8>) -> Answer {
        let rest = stream::try_unfold(self, async |mut chunks| {
            let next = chunks.next().await;
            if let Err(error) = &next {
                tracing::error!(%error, "a list broke off while it was sent");
            }
            Ok(next?.map(|bytes| (Bytes::from(bytes), chunks)))
        });
        let begun = stream::once(std::future::ready(Ok(Bytes::from(begun))));
        Answer::stream(begun.chain(rest).boxed())
    }
}
