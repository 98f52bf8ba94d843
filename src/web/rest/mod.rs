//! The toolkit of the REST API: what every resource shares. It knows no course and no user's affairs.
//!
//! A feature declares a [`Resource`] in its `api.rs`: its paths, and for each method an [`Operation`] with who may,
//! what it is about, what it looks at, and what answers. Routes, `Allow`, `OPTIONS`, the table of permissions and the
//! schema come from the declaration; `serve` has the order of the checks. What is represented is declared too, field by
//! field ([`Field`]), and written straight into the bytes of the answer.
//!
//! Who asks is found out by `web::identity`, the rule against forged requests is kept by `web::csrf`, and faults
//! get their bodies in `web::errors`, as everywhere.

mod body;
mod browse;
mod call;
mod chunks;
mod cursor;
mod fields;
mod finish;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod given;
mod list;
mod metadata;
mod negotiation;
mod once;
mod parameters;
mod permissions;
mod resource;
pub mod schema;
mod sent_back;
mod serve;
mod throttle;

pub use body::{LIMIT_BYTES, PARSES};
pub use call::{Answer, Call, shortened};
pub use cursor::Orders;
pub use fields::{Access, Cell, Declared, Field, Kind, Objects, declared, serialize_time};
pub use given::{Fields, Given, Got};
pub use list::{Dress, LARGEST_KEPT, Listing, containing, orders_of};
pub use negotiation::{Format, Wish};
pub use parameters::{FIELDS, PARAMETERS, Parameter, Takes};
pub use permissions::{
    ALLOW_ANY, Asked, Check, IS_AUTHENTICATED, IS_OWNER, IS_STAFF, Object, READ_ONLY, Rule,
    Verdict, said,
};
pub use resource::{Endpoint, Find, Handle, Operation, Resource};
pub use serve::{Allowed, Api, declare};
