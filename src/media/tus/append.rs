//! Adding to an upload what a request brings (tus 1.0, "PATCH").

use super::finish::{self, Placement, admit, wanted};
use super::headers::{Checksum, Metadata};
use super::store;
use super::visit::{Entered, Open, enter, is_part, length};
use crate::app::App;
use crate::entities::tus_upload::{ActiveModel, Model};
use crate::error::{Error, Result};
use crate::media::incoming::Incoming;
use crate::media::quota;
use crate::media::receiver::Accepts;
use crate::web::identity::Person;
use backends::files::Partial;
use backends::media::{HEAD_BYTES, Kind};
use bytes::Bytes;
use futures::StreamExt as _;
use sea_orm::ActiveValue::Set;
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// Between two looks whether another process goes on with the upload.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// So many looks without a byte, two minutes, and the sender is gone.
const MOST_QUIET_LOOKS: u32 = 240;
/// What is reserved at once of the quota while nobody knows how much will come.
const RESERVE_STEP_BYTES: u64 = 16 << 20;

/// What a request brings.
pub struct Patch {
    /// `Upload-Offset`.
    pub offset: u64,
    /// `Upload-Length`, told now.
    pub length: Option<u64>,
    /// `Upload-Checksum`.
    pub checksum: Option<Checksum>,
    /// `Content-Length`.
    pub announced: Option<u64>,
}

/// Why a request was not taken.
#[derive(Debug)]
pub enum Refused {
    /// In words of the site.
    Error(Error),
    /// The bytes are not what their checksum says (460).
    Mismatch,
    /// Another connection goes on with the upload: whoever sends here is not listened to any more.
    Superseded,
}

impl<E: Into<Error>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// Adds what the request brings, and finishes the upload when that was the last of it. Answers the row and how
/// much is durable.
pub async fn append(
    app: &App,
    person: &Person,
    id: &str,
    patch: Patch,
    body: Incoming,
    placement: Placement,
) -> Result<(Model, u64), Refused> {
    let open = match enter(app, person.id, id).await? {
        Entered::Finished(row) => return Ok(at_its_end(row, patch.offset)?),
        Entered::Stored(row, _turn) => {
            let row = finish::finish(app, person, row, None, placement).await?;
            return Ok(at_its_end(row, patch.offset)?);
        }
        Entered::Open(open) => open,
    };
    if patch.offset != open.partial.size() {
        return Err(other_offset(open.partial.size()).into());
    }
    let mut writer = Writer::begin(app, person, open, &patch, placement).await?;
    let received = writer.receive(body, patch.checksum).await;
    let open = writer.end(received, patch.offset).await?;
    let offset = open.partial.size();
    if open.is_whole() && !is_part(&open.row) {
        let Open { row, partial, turn } = open;
        let row = finish::finish(app, person, row, Some(partial), placement).await?;
        drop(turn);
        return Ok((row, offset));
    }
    Ok((open.row, offset))
}

/// Nothing can be added to what is whole; asking at its end is no fault (the answer before may have been lost).
fn at_its_end(row: Model, offset: u64) -> Result<(Model, u64)> {
    let size = length(&row).ok_or(Error::NotFound)?;
    if offset == size {
        Ok((row, size))
    } else {
        Err(other_offset(size))
    }
}

fn other_offset(offset: u64) -> Error {
    Error::Conflict(format!(
        "This upload has {offset} bytes so far: go on from there."
    ))
}

struct Writer<'a> {
    app: &'a App,
    owner_id: i64,
    row: Model,
    turn: crate::web::turns::Turn,
    /// Away only while it is being worked on.
    partial: Option<Partial>,
    metadata: Metadata,
    /// What kind of file goes where it goes.
    wanted: Option<Kind>,
    /// Most bytes of the whole upload.
    most: u64,
    is_head_known: bool,
    has_checksum: bool,
}

impl<'a> Writer<'a> {
    async fn begin(
        app: &'a App,
        person: &Person,
        open: Open,
        patch: &Patch,
        placement: Placement,
    ) -> Result<Self, Refused> {
        let Open { row, partial, turn } = open;
        let generation = store::next_generation(app, &row.id).await?;
        let metadata = Metadata::parse(&row.metadata)?;
        let mut writer = Self {
            app,
            owner_id: person.id,
            most: Accepts::File.max_bytes(app),
            is_head_known: partial.size() >= HEAD_BYTES as u64 || is_part(&row),
            has_checksum: patch.checksum.is_some(),
            partial: Some(partial),
            row: Model { generation, ..row },
            turn,
            wanted: wanted(app, person, &metadata, placement).await?,
            metadata,
        };
        writer.tell_length(patch).await?;
        writer.most = length(&writer.row).unwrap_or(writer.most);
        let end = patch.offset.saturating_add(patch.announced.unwrap_or(0));
        if end > writer.most {
            return Err(writer.too_large().into());
        }
        writer.reserve(end).await?;
        let change = ActiveModel {
            unverified_from_bytes: Set(writer.has_checksum.then_some(count(patch.offset))),
            expires_at: Set(store::expiry(app)),
            ..Default::default()
        };
        store::update(app.db.writer(), &writer.row.id, change).await?;
        Ok(writer)
    }

    /// A length that was deferred is told once.
    async fn tell_length(&mut self, patch: &Patch) -> Result<()> {
        let Some(told) = patch.length else {
            return Ok(());
        };
        match length(&self.row) {
            Some(known) if known == told => return Ok(()),
            Some(known) => {
                return Err(Error::BadRequest(format!(
                    "This upload was announced with {known} bytes, which cannot be changed."
                )));
            }
            None if told < patch.offset => {
                return Err(Error::BadRequest(
                    "Upload-Length is less than what has arrived already.".into(),
                ));
            }
            None if told > self.most => return Err(Accepts::File.too_large(self.app)),
            None => {}
        }
        self.reserve(told).await?;
        self.row.length_bytes = Some(count(told));
        let change = ActiveModel {
            length_bytes: Set(self.row.length_bytes),
            ..Default::default()
        };
        store::update(self.app.db.writer(), &self.row.id, change).await?;
        Ok(())
    }

    /// Sees to it that so many bytes are this upload's own of its owner's quota.
    async fn reserve(&mut self, bytes: u64) -> Result<()> {
        let held = u64::try_from(self.row.reserved_bytes).unwrap_or(0);
        if bytes <= held {
            return Ok(());
        }
        let write = self.app.write().await?;
        quota::require(self.app, &write, self.owner_id, bytes - held).await?;
        let change = ActiveModel {
            reserved_bytes: Set(count(bytes)),
            ..Default::default()
        };
        if !store::update(&*write, &self.row.id, change).await? {
            return Err(Error::NotFound);
        }
        write.commit().await?;
        self.row.reserved_bytes = count(bytes);
        Ok(())
    }

    fn too_large(&self) -> Error {
        match length(&self.row) {
            Some(known) => Error::TooLarge(format!(
                "This upload was announced with {known} bytes, and the request brings more than that."
            )),
            None => Accepts::File.too_large(self.app),
        }
    }

    /// Takes the body to its end, or to where it is cut off.
    async fn receive(
        &mut self,
        mut body: Incoming,
        mut checksum: Option<Checksum>,
    ) -> Result<(), Refused> {
        let mut looks = tokio::time::interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while let Some(piece) = self.next(&mut body, &mut looks).await? {
            if let Some(checksum) = &mut checksum {
                checksum.update(&piece);
            }
            self.take(piece).await?;
        }
        if checksum.is_some_and(|checksum| !checksum.holds()) {
            return Err(Refused::Mismatch);
        }
        Ok(())
    }

    /// The next piece; nobody is waited for who has been replaced or has gone.
    async fn next(
        &self,
        body: &mut Incoming,
        looks: &mut Interval,
    ) -> Result<Option<Bytes>, Refused> {
        let mut quiet_looks = 0;
        loop {
            tokio::select! {
                biased;
                () = self.turn.asked_to_leave.cancelled() => return Err(Refused::Superseded),
                () = self.app.stopping.cancelled() => return Err(stopping().into()),
                _ = looks.tick() => {
                    quiet_looks += 1;
                    self.look(quiet_looks).await?;
                }
                piece = body.next() => {
                    return piece.transpose().map_err(|_| cut_off().into());
                }
            }
        }
    }

    async fn look(&self, quiet_looks: u32) -> Result<(), Refused> {
        if quiet_looks > MOST_QUIET_LOOKS {
            return Err(cut_off().into());
        }
        if store::is_newest(self.app, &self.row.id, self.row.generation).await? {
            Ok(())
        } else {
            Err(Refused::Superseded)
        }
    }

    async fn take(&mut self, piece: Bytes) -> Result<(), Refused> {
        let size = self.partial.as_ref().map_or(0, Partial::size);
        let end = size + piece.len() as u64;
        if end > self.most {
            return Err(self.too_large().into());
        }
        if end > u64::try_from(self.row.reserved_bytes).unwrap_or(0) {
            let step = end.saturating_add(RESERVE_STEP_BYTES).min(self.most);
            // The last bit of a quota is given out as it comes.
            if self.reserve(step).await.is_err() {
                self.reserve(end).await?;
            }
        }
        let mut partial = self.partial.take().ok_or(Error::NotFound)?;
        partial.write(piece).await?;
        if self.is_head_known || partial.size() < HEAD_BYTES as u64 {
            self.partial = Some(partial);
            return Ok(());
        }
        let (partial, head) = partial.head(HEAD_BYTES).await?;
        let size = length(&self.row).unwrap_or(partial.size());
        self.partial = Some(partial);
        self.is_head_known = true;
        admit(self.app, &self.metadata, self.wanted, &head, size)?;
        Ok(())
    }

    /// Makes durable what may stay, and lets go of the rest.
    async fn end(self, received: Result<(), Refused>, offset: u64) -> Result<Open, Refused> {
        let Self {
            app,
            row,
            partial,
            turn,
            has_checksum,
            ..
        } = self;
        // It is away when the store failed; the next visit looks what is there.
        let Some(partial) = partial else {
            return Err(received.err().unwrap_or(Error::NotFound.into()));
        };
        if received.as_ref().is_err_and(is_hopeless) {
            store::delete(app.db.writer(), &row.id).await?;
            partial.delete().await?;
            return Err(received.err().unwrap_or(Error::NotFound.into()));
        }
        let partial = if stays(&received, has_checksum) {
            partial.sync().await?
        } else {
            partial.truncate(offset).await?
        };
        let reserved = row.length_bytes.unwrap_or(count(partial.size()));
        let row = Model {
            unverified_from_bytes: None,
            reserved_bytes: reserved,
            expires_at: store::expiry(app),
            ..row
        };
        let change = ActiveModel {
            unverified_from_bytes: Set(None),
            reserved_bytes: Set(reserved),
            expires_at: Set(row.expires_at),
            ..Default::default()
        };
        if !store::update(app.db.writer(), &row.id, change).await? {
            return Err(Error::NotFound.into());
        }
        received.map(|()| Open { row, partial, turn })
    }
}

/// A file that will never be taken: nobody shall send the rest of it.
fn is_hopeless(refused: &Refused) -> bool {
    matches!(refused, Refused::Error(Error::UnsupportedType(_)))
}

/// What arrived of a request that was cut off is kept, unless its checksum is still out. Of a request that was
/// wrong nothing is.
fn stays(received: &Result<(), Refused>, has_checksum: bool) -> bool {
    match received {
        Ok(()) => true,
        Err(Refused::Superseded | Refused::Error(Error::BadRequest(_) | Error::Unavailable(_))) => {
            !has_checksum
        }
        Err(_) => false,
    }
}

fn cut_off() -> Error {
    Error::BadRequest(
        "The request was cut off before its end. What has arrived is kept: go on from there."
            .into(),
    )
}

fn stopping() -> Error {
    Error::Unavailable(
        "The site is being restarted. What has arrived is kept: go on in a moment.".into(),
    )
}

fn count(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
