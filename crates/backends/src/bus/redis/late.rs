//! What was to go over Redis and could not: it goes over the database after its commit, with its number, so that who has
//! heard it both ways hears it once.

use std::sync::Arc;

use sea_orm::{ConnectionTrait as _, DbBackend};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::Shared;
use super::queue::Parcel;
use crate::bus::{BusDatabase, BusError, Delivery, Event, postgres, table};

/// The group of such events in the database.
const GROUP: &str = "bus:late";

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
struct Late {
    /// Who wrote it.
    name: String,
    /// Its number there.
    number: u64,
    /// To whom it is told.
    group: String,
    /// JSON text.
    payload: String,
}

/// Who such rows are from: nobody's own, since all who hear the database have to look at them.
const INSTANCE: &str = "late";

/// Writes these, for all who hear the database.
pub async fn write(
    database: &BusDatabase,
    instance: &str,
    parcels: &[Parcel],
) -> Result<(), BusError> {
    let transaction = database.write.begin(table::writing()).await?;
    for parcel in parcels {
        let late = Late {
            name: instance.to_owned(),
            number: parcel.number,
            group: parcel.event.group.clone(),
            payload: String::from_utf8_lossy(&parcel.event.payload).into_owned(),
        };
        let payload = serde_json::to_string(&late)?;
        let row = table::Row {
            instance: INSTANCE,
            group: GROUP,
            payload: &payload,
        };
        let now = database.clock.now();
        match transaction.get_database_backend() {
            DbBackend::Postgres => postgres::insert(&transaction, &row, now).await?,
            _ => row.insert(&transaction, now).await?,
        };
    }
    transaction.commit().await?;
    Ok(())
}

/// Hears of those of others, until the bus is closed.
pub fn hear(shared: &Arc<Shared>) {
    let (came, mut coming) = mpsc::unbounded_channel();
    shared.station.hub.react(GROUP, move |delivery| {
        if let Delivery::Event(event) = delivery {
            // Nobody listens when the bus is closed.
            let _ = came.send(Arc::clone(event));
        }
    });
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        while let Some(event) = coming.recv().await {
            match event.decode::<Late>() {
                Ok(late) if late.name != shared.station.instance => {
                    let event = Event {
                        id: event.id,
                        group: late.group,
                        payload: late.payload.into(),
                    };
                    shared.take_event(&late.name, late.number, &Arc::new(event));
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "an event that came late cannot be read"),
            }
        }
    });
}
