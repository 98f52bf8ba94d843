//! Places in a list: which rows come after one, and how such a place travels in `?cursor=`.
//!
//! A place is the values of all columns by which the list is ordered, the last of them the number of the row: so
//! no two rows share one, and rows with equal values are neither skipped nor shown twice.

use crate::error::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use sea_orm::sea_query::ColumnType;
use sea_orm::{ColumnTrait, Condition, ModelTrait, Order, Value};
use serde_json::Value as Json;

/// Longer cursors are none of ours: a title has 200 characters.
const LONGEST_BYTES: usize = 4_096;

/// By which columns a list is ordered; the last is the number of the row.
pub type Orders<C> = Vec<(C, Order)>;

/// Where a page begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor {
    /// Whether it ends there instead.
    pub is_backwards: bool,
    /// The values of the row before it (or after it).
    pub place: Vec<Value>,
}

/// The place of a row.
pub fn place_of<M: ModelTrait>(
    row: &M,
    orders: &Orders<<M::Entity as sea_orm::EntityTrait>::Column>,
) -> Vec<Value> {
    orders.iter().map(|(column, _)| row.get(*column)).collect()
}

/// The rows after a place.
pub fn after<C: ColumnTrait>(orders: &Orders<C>, place: &[Value]) -> Condition {
    let mut any = Condition::any();
    for (at, ((column, order), value)) in orders.iter().zip(place).enumerate() {
        let mut all = Condition::all();
        for ((before, _), equal) in orders.iter().zip(place).take(at) {
            all = all.add(before.eq(equal.clone()));
        }
        any = any.add(all.add(match order {
            Order::Desc => column.lt(value.clone()),
            _ => column.gt(value.clone()),
        }));
    }
    any
}

/// The same orders, from the end.
pub fn reversed<C: Copy>(orders: &[(C, Order)]) -> Orders<C> {
    let turned = orders.iter().map(|(column, order)| {
        let order = match order {
            Order::Desc => Order::Asc,
            _ => Order::Desc,
        };
        (*column, order)
    });
    turned.collect()
}

impl Cursor {
    /// As it stands in an address. It tells nothing that the rows do not show.
    pub fn encode<C: ColumnTrait>(&self, orders: &Orders<C>) -> String {
        let mut parts = vec![
            Json::from(if self.is_backwards { "p" } else { "n" }),
            Json::from(name_of(orders)),
        ];
        parts.extend(self.place.iter().map(|value| match value {
            Value::BigInt(Some(number)) => Json::from(*number),
            Value::String(Some(text)) => Json::from(text.as_str()),
            Value::ChronoDateTimeUtc(Some(at)) => Json::from(at.timestamp_micros()),
            _ => Json::Null,
        }));
        URL_SAFE_NO_PAD.encode(Json::from(parts).to_string())
    }

    /// Reads what stands in an address.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is none of ours, or of a list in another order.
    pub fn decode<C: ColumnTrait>(text: &str, orders: &Orders<C>) -> Result<Self> {
        Self::read(text, orders).ok_or_else(|| {
            let words = "This cursor does not belong to this list. Take it from next or previous, \
                         and keep the rest of the address as it is.";
            Error::invalid("cursor", words)
        })
    }

    fn read<C: ColumnTrait>(text: &str, orders: &Orders<C>) -> Option<Self> {
        if text.len() > LONGEST_BYTES {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let parts: Vec<Json> = serde_json::from_slice(&bytes).ok()?;
        let (head, values) = parts.split_at_checked(2)?;
        let [direction, name] = head else {
            return None;
        };
        let is_backwards = match direction.as_str()? {
            "n" => false,
            "p" => true,
            _ => return None,
        };
        if name.as_str()? != name_of(orders) || values.len() != orders.len() {
            return None;
        }
        let place = orders.iter().zip(values);
        let place = place.map(|((column, _), value)| value_of(*column, value));
        Some(Self {
            is_backwards,
            place: place.collect::<Option<_>>()?,
        })
    }
}

/// Of the type that the column has: a database would not take another.
fn value_of<C: ColumnTrait>(column: C, json: &Json) -> Option<Value> {
    match column.def().get_column_type() {
        ColumnType::BigInteger => Some(json.as_i64()?.into()),
        ColumnType::String(_) | ColumnType::Text => {
            let text = json.as_str().filter(|text| !text.contains('\0'))?;
            Some(text.into())
        }
        _ => {
            // PostgreSQL knows years up to 294276, programs that read our times those of four digits.
            let micros = json
                .as_i64()
                .filter(|at| (0..253_402_300_800_000_000).contains(at))?;
            Some(DateTime::from_timestamp_micros(micros)?.into())
        }
    }
}

/// The orders in words, so that a cursor of another order is told apart.
fn name_of<C: ColumnTrait>(orders: &Orders<C>) -> String {
    let names = orders.iter().map(|(column, order)| {
        let sign = if *order == Order::Desc { "-" } else { "" };
        format!("{sign}{}", column.to_string())
    });
    names.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::course::Column;
    use proptest::prelude::*;

    fn orders() -> Orders<Column> {
        vec![
            (Column::CreatedAt, Order::Desc),
            (Column::Title, Order::Asc),
            (Column::Id, Order::Desc),
        ]
    }

    fn refused(parts: &str) -> bool {
        Cursor::decode(&URL_SAFE_NO_PAD.encode(parts), &orders()).is_err()
    }

    #[test]
    fn only_cursors_of_this_list_are_taken() {
        let name = name_of(&orders());
        assert!(!refused(&format!(r#"["n","{name}",5,"a",7]"#)));
        for parts in [
            String::new(),
            "[]".into(),
            "{}".into(),
            format!(r#"["x","{name}",5,"a",7]"#),
            r#"["n","title",5,"a",7]"#.into(),
            format!(r#"["n","{name}",5,"a"]"#),
            format!(r#"["n","{name}",5,"a",7,8]"#),
            format!(r#"["n","{name}","5","a",7]"#),
            format!(r#"["n","{name}",-5,"a",7]"#),
            format!(r#"["n","{name}",5,"a\u0000",7]"#),
            format!(r#"["n","{name}",5,"a",7.5]"#),
            format!(r#"["n","{name}",9223372036854775807,"a",7]"#),
        ] {
            assert!(refused(&parts), "{parts}");
        }
        assert!(Cursor::decode("%%%", &orders()).is_err());
        assert!(Cursor::decode(&"A".repeat(5_000), &orders()).is_err());
    }

    proptest! {
        #[test]
        fn a_place_travels_unchanged(micros in 0..253_402_300_800_000_000_i64, title in "[^\\x00]{0,50}", id: i64, is_backwards: bool) {
            let at = DateTime::from_timestamp_micros(micros).unwrap();
            let place = vec![at.into(), title.into(), id.into()];
            let cursor = Cursor { is_backwards, place };
            let read = Cursor::decode(&cursor.encode(&orders()), &orders()).unwrap();
            prop_assert_eq!(read, cursor);
        }

        #[test]
        fn no_cursor_is_too_strange(text in "\\PC{0,80}") {
            let _ = Cursor::decode(&text, &orders());
        }
    }
}
