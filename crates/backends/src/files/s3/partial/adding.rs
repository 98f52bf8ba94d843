//! Adding to a growing object: gathering, sending full parts, and making durable what arrived.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt as _;
use object_store::multipart::MultipartStore as _;

use super::super::manifest::{Before, Manifest, Tail};
use super::super::parts::{Part, Sending, part_bytes};
use super::super::{away, told};
use super::S3Partial;
use crate::clock::Clock;
use crate::files::FilesError;
use crate::media::HEAD_BYTES;

/// Numbers of parts that S3 takes.
const MOST_NUMBERS: u32 = 10_000;
/// Numbers that are reserved at once: how many parts may get lost when a process ends without a word.
const RESERVED: u32 = 4;

impl S3Partial {
    /// Gathers, and sends full parts.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), FilesError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.begin().await?;
        self.size += bytes.len() as u64;
        loop {
            let sent = self.sending.as_ref().map_or(0, Sending::count);
            let parts = self.manifest.cut().parts + sent;
            let room = part_bytes(parts).saturating_sub(self.spool.size());
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            if bytes.len() < room {
                return self.gather(bytes).await;
            }
            self.gather(bytes.split_to(room)).await?;
            self.send().await?;
        }
    }

    async fn gather(&mut self, bytes: Bytes) -> Result<(), FilesError> {
        if self.manifest.cut().parts == 0 && self.sending.is_none() {
            self.keep_head(&bytes);
        }
        self.spool.write(bytes).await
    }

    /// Fetches the end that is there, and makes it known that somebody adds.
    async fn begin(&mut self) -> Result<(), FilesError> {
        if self.is_adding {
            return Ok(());
        }
        if self.manifest.is_sealed {
            return Err(FilesError::Io(io::Error::other("it is whole already")));
        }
        // What a visit that was cut off left is taken for good by now.
        let before = Before {
            parts: self.manifest.parts.len(),
            tail: self.manifest.tail.clone(),
        };
        self.load_tail().await?;
        self.next_number = self.manifest.next_number;
        let change = Manifest {
            before: Some(before),
            holder: Some(Clock::system().random_token()),
            next_number: self.reserved(),
            ..self.manifest.clone()
        };
        self.commit(change).await?;
        self.is_adding = true;
        Ok(())
    }

    pub(super) async fn load_tail(&mut self) -> Result<(), FilesError> {
        if self.is_loaded {
            return Ok(());
        }
        let fetched = self.fetch_tail().await;
        self.unless_lost(fetched).await?;
        self.is_loaded = true;
        Ok(())
    }

    async fn fetch_tail(&mut self) -> Result<(), FilesError> {
        self.spool.clear();
        let Some(tail) = self.manifest.tail.clone() else {
            return Ok(());
        };
        let holds_head = self.manifest.parts.is_empty();
        if holds_head {
            self.head.clear();
        }
        let mut pieces = self.store.read_tail(&self.name, &tail).await?;
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            if holds_head {
                self.keep_head(&piece);
            }
            self.spool.write(piece).await?;
        }
        Ok(())
    }

    /// Keeps what is still missing of the first bytes.
    fn keep_head(&mut self, bytes: &[u8]) {
        let missing = HEAD_BYTES.saturating_sub(self.head.len());
        self.head
            .extend_from_slice(bytes.get(..missing).unwrap_or(bytes));
    }

    /// Numbers that nobody else will use, up to this one.
    fn reserved(&self) -> u32 {
        self.next_number.saturating_add(RESERVED)
    }

    /// Sends what was gathered as the next part.
    pub(super) async fn send(&mut self) -> Result<(), FilesError> {
        if self.next_number > MOST_NUMBERS {
            return Err(away(
                "this upload is too large, or was cut off too often, and has no numbers left for its parts",
            ));
        }
        if self.sending.is_none() {
            let path = self.store.path(&self.manifest.key);
            let id = if let Some(id) = self.manifest.upload.clone() {
                id
            } else {
                let begun = self.store.0.client.create_multipart(&path).await;
                begun.map_err(told)?
            };
            self.sending = Some(Sending::new(self.store.clone(), path, id));
        }
        let room = match &mut self.sending {
            Some(sending) => sending.make_room().await,
            None => Ok(()),
        };
        self.unless_lost(room).await?;
        let has_no_number = self.next_number >= self.manifest.next_number;
        let has_news = self.arrived().len() > self.manifest.parts.len();
        if self.manifest.upload.is_none() || has_no_number || has_news {
            self.confirm(self.reserved()).await?;
        }
        let gathered = self.spool.take().await?;
        let number = self.next_number;
        self.next_number += 1;
        let Some(sending) = &mut self.sending else {
            return Err(FilesError::NotFound);
        };
        let sent = sending.send(number, gathered).await;
        self.unless_lost(sent).await
    }

    /// Writes down the parts that have arrived.
    async fn confirm(&mut self, next_number: u32) -> Result<(), FilesError> {
        let before = self.manifest.cut();
        let parts = self.arrived();
        // The end that was there is in the first part of this visit.
        let tail = before.tail.clone().filter(|_| parts.len() == before.parts);
        let change = Manifest {
            upload: self.sending.as_ref().map(|sending| sending.id().to_owned()),
            head: self.head_of(&parts),
            parts,
            tail,
            before: Some(before),
            next_number,
            ..self.manifest.clone()
        };
        self.commit(change).await
    }

    /// What is kept of the first bytes beside these parts.
    pub(super) fn head_of(&self, parts: &[Part]) -> String {
        if parts.is_empty() {
            return String::new();
        }
        STANDARD.encode(&self.head)
    }

    /// The parts that there were, and those of this visit that have arrived.
    pub(super) fn arrived(&self) -> Vec<Part> {
        let before = self.manifest.cut().parts;
        let sent = self.sending.as_ref().map_or(&[][..], Sending::done);
        let kept = self.manifest.parts.iter().take(before);
        match &self.sending {
            Some(_) => kept.chain(sent).cloned().collect(),
            None => self.manifest.parts.clone(),
        }
    }

    /// Makes durable what it holds.
    pub async fn sync(&mut self) -> Result<(), FilesError> {
        let is_settled = self.manifest.before.is_none() && self.manifest.holder.is_none();
        if !self.is_adding && is_settled {
            return Ok(());
        }
        self.settle().await?;
        let parts = self.arrived();
        let tail = if self.is_adding {
            self.put_tail().await?
        } else {
            self.manifest.tail.clone()
        };
        let next_number = if self.is_adding {
            self.next_number
        } else {
            self.manifest.next_number
        };
        let upload = self.sending.as_ref().map(|sending| sending.id().to_owned());
        let change = Manifest {
            upload: upload.or_else(|| self.manifest.upload.clone()),
            head: self.head_of(&parts),
            parts,
            tail,
            before: None,
            holder: None,
            next_number,
            ..self.manifest.clone()
        };
        self.commit_and_tidy(change).await?;
        self.sending = None;
        self.is_loaded = self.is_adding;
        self.is_adding = false;
        Ok(())
    }

    pub(super) async fn settle(&mut self) -> Result<(), FilesError> {
        let settled = match &mut self.sending {
            Some(sending) => sending.settle().await,
            None => Ok(()),
        };
        self.unless_lost(settled).await
    }

    /// Puts what is in the spool as an object of its own, and keeps it gathered.
    async fn put_tail(&mut self) -> Result<Option<Tail>, FilesError> {
        if self.spool.size() == 0 {
            return Ok(None);
        }
        let tail = Tail {
            name: Clock::system().random_token(),
            size: self.spool.size(),
        };
        let gathered = self.spool.take().await?;
        let path = self.store.tail_path(&self.name, &tail.name);
        let gathered = self.store.put_whole(&path, gathered).await?;
        self.spool.put_back(gathered);
        Ok(Some(tail))
    }
}
