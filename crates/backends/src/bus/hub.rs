//! The subscribers in this process, and the delivery to them.

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use futures::Stream;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio::task::JoinHandle;

use super::{Delivery, Event};

/// Events that wait for a slow reader of one group: small, since a busy site has a group for each
/// of its visitors.
pub const DEPTH: usize = 64;

/// Events that wait for a slow reader of many groups.
const PREFIX_DEPTH: usize = 1024;

/// Who listens to what.
#[derive(Debug, Default)]
pub struct Hub {
    channels: RwLock<Channels>,
    is_deaf: AtomicBool,
    /// Who listens has ended: nothing is heard any more.
    is_over: AtomicBool,
}

/// Held by who listens, so that a hub whose listener ended, by a panic too, does not pass for one that hears.
#[derive(Debug)]
struct Listening(Arc<Hub>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
    }
}

/// Has a task listen for the hub, which is deaf when that ends.
pub fn listen(
    hub: &Arc<Hub>,
    listener: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let listening = Listening(Arc::clone(hub));
    tokio::spawn(async move {
        let _listening = listening;
        listener.await;
    })
}

#[derive(Debug, Default)]
struct Channels {
    groups: HashMap<String, Sender<Delivery>>,
    prefixes: HashMap<String, Sender<Delivery>>,
    reactions: Vec<(String, Reaction)>,
    is_closed: bool,
}

/// What is done in the very moment of a delivery.
struct Reaction(Box<dyn Fn(&Delivery) + Send + Sync>);

impl fmt::Debug for Reaction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Reaction")
    }
}

/// One reader's end of the bus. Ends when the bus is closed.
#[derive(Debug)]
pub struct Subscription {
    // Taken only by drop, which must count the remaining receivers.
    receiver: Option<Receiver<Delivery>>,
    hub: Arc<Hub>,
    name: String,
    is_prefix: bool,
}

impl Hub {
    fn read(&self) -> RwLockReadGuard<'_, Channels> {
        // No panic can leave the maps half changed.
        self.channels.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Channels> {
        self.channels
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A reader of one group.
    pub fn subscribe(self: &Arc<Self>, group: &str, depth: usize) -> Subscription {
        self.join(group, depth, false)
    }

    /// A reader of all groups whose names begin with `prefix`.
    pub fn subscribe_prefix(self: &Arc<Self>, prefix: &str) -> Subscription {
        self.join(prefix, PREFIX_DEPTH, true)
    }

    fn join(self: &Arc<Self>, name: &str, depth: usize, is_prefix: bool) -> Subscription {
        let mut channels = self.write();
        let receiver = if channels.is_closed {
            // Its sender is gone at once: the subscription ends without a word.
            broadcast::channel(1).1
        } else {
            let senders = if is_prefix {
                &mut channels.prefixes
            } else {
                &mut channels.groups
            };
            // tokio panics outside of 1..=usize::MAX/2.
            let new = || broadcast::channel(depth.clamp(1, 1 << 20)).0;
            senders
                .entry(name.to_owned())
                .or_insert_with(new)
                .subscribe()
        };
        Subscription {
            receiver: Some(receiver),
            hub: Arc::clone(self),
            name: name.to_owned(),
            is_prefix,
        }
    }

    /// Does `reaction` at every delivery to one group, for as long as the bus is open.
    pub fn react(&self, group: &str, reaction: impl Fn(&Delivery) + Send + Sync + 'static) {
        let reaction = Reaction(Box::new(reaction));
        self.write().reactions.push((group.to_owned(), reaction));
    }

    /// Whether anything is done in the very moment of an event of this group: then who announces it waits for others.
    pub fn reacts_to(&self, group: &str) -> bool {
        let channels = self.read();
        channels.reactions.iter().any(|(name, _)| name == group)
    }

    /// Does what is to be done at once at this event, in whatever order events come.
    pub fn do_reactions(&self, event: &Arc<Event>) {
        let delivery = Delivery::Event(Arc::clone(event));
        for (group, reaction) in &self.read().reactions {
            if *group == event.group {
                (reaction.0)(&delivery);
            }
        }
    }

    /// Gives an event of another process, or one that was nearly forgotten, to all whom it concerns.
    pub fn deliver(&self, event: &Arc<Event>) {
        self.do_reactions(event);
        self.send(event);
    }

    /// Gives an event, to which was reacted already, to those who wait for it; never waits itself.
    pub fn send(&self, event: &Arc<Event>) {
        let channels = self.read();
        if let Some(sender) = channels.groups.get(&event.group) {
            send(sender, Delivery::Event(Arc::clone(event)));
        }
        for (prefix, sender) in &channels.prefixes {
            if event.group.starts_with(prefix.as_str()) {
                send(sender, Delivery::Event(Arc::clone(event)));
            }
        }
    }

    /// Tells every reader that something may have been missed.
    pub fn lost(&self) {
        let channels = self.read();
        for (_, reaction) in &channels.reactions {
            (reaction.0)(&Delivery::Lost);
        }
        for sender in channels.groups.values().chain(channels.prefixes.values()) {
            send(sender, Delivery::Lost);
        }
    }

    /// Notes whether other processes can be heard.
    pub fn set_hearing(&self, is_hearing: bool) {
        self.is_deaf.store(!is_hearing, Ordering::SeqCst);
    }

    /// Whether other processes can be heard, as far as is known.
    pub fn is_hearing(&self) -> bool {
        !self.is_deaf.load(Ordering::SeqCst) && !self.is_over.load(Ordering::SeqCst)
    }

    /// Whether [`Hub::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.read().is_closed
    }

    /// Ends every subscription, and those still to come.
    pub fn close(&self) {
        let mut channels = self.write();
        channels.is_closed = true;
        channels.groups.clear();
        channels.prefixes.clear();
        channels.reactions.clear();
        self.set_hearing(false);
    }
}

fn send(sender: &Sender<Delivery>, delivery: Delivery) {
    // An error means only that the last reader left a moment ago.
    let _ = sender.send(delivery);
}

impl Subscription {
    /// The next delivery; waits for it. `None` when the bus is closed. Nothing is lost when the
    /// future is dropped.
    pub async fn recv(&mut self) -> Option<Delivery> {
        match self.receiver.as_mut()?.recv().await {
            Ok(delivery) => Some(delivery),
            Err(RecvError::Lagged(_)) => Some(Delivery::Lost),
            Err(RecvError::Closed) => None,
        }
    }

    /// A delivery that is already there, to take many and answer once; `None` when there is none.
    pub fn try_recv(&mut self) -> Option<Delivery> {
        match self.receiver.as_mut()?.try_recv() {
            Ok(delivery) => Some(delivery),
            Err(TryRecvError::Lagged(_)) => Some(Delivery::Lost),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }

    /// The deliveries as a stream, until the bus is closed.
    pub fn into_stream(self) -> impl Stream<Item = Delivery> + Send {
        futures::stream::unfold(self, |mut subscription| async move {
            let delivery = pin!(subscription.recv()).await?;
            Some((delivery, subscription))
        })
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        drop(self.receiver.take());
        let mut channels = self.hub.write();
        let senders = if self.is_prefix {
            &mut channels.prefixes
        } else {
            &mut channels.groups
        };
        if senders
            .get(&self.name)
            .is_some_and(|sender| sender.receiver_count() == 0)
        {
            senders.remove(&self.name);
        }
    }
}
