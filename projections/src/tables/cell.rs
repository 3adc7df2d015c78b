//! How values stand in columns: integers and text only, so that a dump means the same on every
//! engine. Instants are milliseconds since 1970, decimals and ids text, documents JSON.

use crate::error::ProjectionError;
use chargebook_domain::ids::{
    AccountId, AlertId, CommandId, ConnectorNumber, DriverId, EventId, EvseNumber, ReservationId,
    SessionId, SiteId, StationId, StationIdentity, SubjectId, TariffId, TokenId, TransactionNumber,
};
use chargebook_domain::units::{Timestamp, WattHours};
use rust_decimal::Decimal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use uuid::Uuid;

/// What a column can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Integer(i64),
    Text(String),
}

impl Value {
    pub(crate) fn bind(self, arguments: &mut SqliteArguments) -> Result<(), ProjectionError> {
        use sqlx::Arguments as _;
        match self {
            Self::Null => arguments.add(None::<i64>),
            Self::Integer(integer) => arguments.add(integer),
            Self::Text(text) => arguments.add(text),
        }
        .map_err(|e| ProjectionError::Database(sqlx::Error::Encode(e)))
    }

    pub(crate) fn read(row: &SqliteRow, index: usize) -> Result<Self, ProjectionError> {
        use sqlx::{TypeInfo as _, ValueRef as _};
        let raw = row.try_get_raw(index)?;
        if raw.is_null() {
            return Ok(Self::Null);
        }
        match raw.type_info().name() {
            "INTEGER" => Ok(Self::Integer(row.try_get(index)?)),
            "TEXT" => Ok(Self::Text(row.try_get(index)?)),
            other => Err(ProjectionError::Damaged(format!("a column holds {other}"))),
        }
    }
}

/// A type that stands in one column.
pub(crate) trait Cell: Sized {
    /// The column's type in a STRICT table.
    const SQL_TYPE: &'static str;
    /// Whether the column may be null.
    const NULLABLE: bool = false;

    fn to_value(&self) -> Result<Value, ProjectionError>;
    fn from_value(value: Value) -> Result<Self, ProjectionError>;
}

fn damaged(expected: &str, found: &Value) -> ProjectionError {
    ProjectionError::Damaged(format!("{found:?} is no {expected}"))
}

fn text(value: Value, expected: &str) -> Result<String, ProjectionError> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(damaged(expected, &other)),
    }
}

fn integer(value: &Value, expected: &str) -> Result<i64, ProjectionError> {
    match value {
        Value::Integer(integer) => Ok(*integer),
        other => Err(damaged(expected, other)),
    }
}

impl<T: Cell> Cell for Option<T> {
    const SQL_TYPE: &'static str = T::SQL_TYPE;
    const NULLABLE: bool = true;

    fn to_value(&self) -> Result<Value, ProjectionError> {
        self.as_ref().map_or(Ok(Value::Null), T::to_value)
    }

    fn from_value(value: Value) -> Result<Self, ProjectionError> {
        match value {
            Value::Null => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }
}

impl Cell for String {
    const SQL_TYPE: &'static str = "TEXT";

    fn to_value(&self) -> Result<Value, ProjectionError> {
        Ok(Value::Text(self.clone()))
    }

    fn from_value(value: Value) -> Result<Self, ProjectionError> {
        text(value, "text")
    }
}

impl Cell for bool {
    const SQL_TYPE: &'static str = "INTEGER";

    fn to_value(&self) -> Result<Value, ProjectionError> {
        Ok(Value::Integer(i64::from(*self)))
    }

    fn from_value(value: Value) -> Result<Self, ProjectionError> {
        match integer(&value, "truth value")? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(damaged("truth value", &value)),
        }
    }
}

macro_rules! integer_cells {
    ($($ty:ty),*) => {$(
        impl Cell for $ty {
            const SQL_TYPE: &'static str = "INTEGER";

            fn to_value(&self) -> Result<Value, ProjectionError> {
                i64::try_from(*self)
                    .map(Value::Integer)
                    .map_err(|_| ProjectionError::Damaged(format!("{self} is too large for a column")))
            }

            fn from_value(value: Value) -> Result<Self, ProjectionError> {
                let found = integer(&value, stringify!($ty))?;
                <$ty>::try_from(found).map_err(|_| damaged(stringify!($ty), &value))
            }
        }
    )*};
}
integer_cells!(i64, i32, u64, u32, u8);

impl Cell for Timestamp {
    const SQL_TYPE: &'static str = "INTEGER";

    fn to_value(&self) -> Result<Value, ProjectionError> {
        Ok(Value::Integer(self.as_millis()))
    }

    fn from_value(value: Value) -> Result<Self, ProjectionError> {
        let millis = integer(&value, "instant")?;
        Self::from_millis(millis).ok_or_else(|| damaged("instant", &value))
    }
}

impl Cell for Decimal {
    const SQL_TYPE: &'static str = "TEXT";

    fn to_value(&self) -> Result<Value, ProjectionError> {
        Ok(Value::Text(self.to_string()))
    }

    fn from_value(value: Value) -> Result<Self, ProjectionError> {
        let text = text(value, "decimal")?;
        Self::from_str_exact(&text).map_err(|_| damaged("decimal", &Value::Text(text)))
    }
}

impl Cell for WattHours {
    const SQL_TYPE: &'static str = "TEXT";

    fn to_value(&self) -> Result<Value, ProjectionError> {
        self.0.normalize().to_value()
    }

    fn from_value(value: Value) -> Result<Self, ProjectionError> {
        Decimal::from_value(value).map(Self)
    }
}

impl Cell for StationIdentity {
    const SQL_TYPE: &'static str = "TEXT";

    fn to_value(&self) -> Result<Value, ProjectionError> {
        Ok(Value::Text(self.as_str().to_owned()))
    }

    fn from_value(value: Value) -> Result<Self, ProjectionError> {
        // The log's word is taken as it is: what is a valid identity was decided when it was
        // written.
        let text = text(value, "station identity")?;
        serde_json::from_value(serde_json::Value::String(text))
            .map_err(|e| ProjectionError::Damaged(e.to_string()))
    }
}

impl Cell for Uuid {
    const SQL_TYPE: &'static str = "TEXT";

    fn to_value(&self) -> Result<Value, ProjectionError> {
        Ok(Value::Text(self.to_string()))
    }

    fn from_value(value: Value) -> Result<Self, ProjectionError> {
        let text = text(value, "uuid")?;
        Self::parse_str(&text).map_err(|_| damaged("uuid", &Value::Text(text)))
    }
}

macro_rules! newtype_cells {
    ($($ty:ident),*) => {$(
        impl Cell for $ty {
            const SQL_TYPE: &'static str = newtype_cells!(@type $ty);

            fn to_value(&self) -> Result<Value, ProjectionError> {
                self.0.to_value()
            }

            fn from_value(value: Value) -> Result<Self, ProjectionError> {
                Cell::from_value(value).map(Self)
            }
        }
    )*};
    (@type ConnectorNumber) => { "INTEGER" };
    (@type EvseNumber) => { "INTEGER" };
    (@type ReservationId) => { "INTEGER" };
    (@type TransactionNumber) => { "INTEGER" };
    (@type $other:ident) => { "TEXT" };
}
newtype_cells!(
    AccountId,
    AlertId,
    CommandId,
    ConnectorNumber,
    DriverId,
    EventId,
    EvseNumber,
    ReservationId,
    SessionId,
    SiteId,
    StationId,
    SubjectId,
    TariffId,
    TokenId,
    TransactionNumber
);

/// A site as part of a key: no site is the empty text, since a key holds no null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SiteKey(pub(crate) Option<SiteId>);

impl Cell for SiteKey {
    const SQL_TYPE: &'static str = "TEXT";

    fn to_value(&self) -> Result<Value, ProjectionError> {
        self.0.map_or(Ok(Value::Text(String::new())), |site| site.to_value())
    }

    fn from_value(value: Value) -> Result<Self, ProjectionError> {
        match value {
            Value::Text(text) if text.is_empty() => Ok(Self(None)),
            value => SiteId::from_value(value).map(|site| Self(Some(site))),
        }
    }
}

/// An EVSE as part of a key: none (a 1.6 connector) is -1, since a key holds no null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EvseKey(pub(crate) Option<EvseNumber>);

impl Cell for EvseKey {
    const SQL_TYPE: &'static str = "INTEGER";

    fn to_value(&self) -> Result<Value, ProjectionError> {
        self.0.map_or(Ok(Value::Integer(-1)), |evse| evse.to_value())
    }

    fn from_value(value: Value) -> Result<Self, ProjectionError> {
        match value {
            Value::Integer(-1) => Ok(Self(None)),
            value => EvseNumber::from_value(value).map(|evse| Self(Some(evse))),
        }
    }
}

/// A document: JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize + DeserializeOwned> Cell for Json<T> {
    const SQL_TYPE: &'static str = "TEXT";

    fn to_value(&self) -> Result<Value, ProjectionError> {
        serde_json::to_string(&self.0)
            .map(Value::Text)
            .map_err(|e| ProjectionError::Damaged(e.to_string()))
    }

    fn from_value(value: Value) -> Result<Self, ProjectionError> {
        let text = text(value, "document")?;
        serde_json::from_str(&text).map(Self).map_err(|e| ProjectionError::Damaged(e.to_string()))
    }
}

/// One of a closed set of words, as the events spell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word<T>(pub(crate) T);

impl<T: Serialize + DeserializeOwned> Cell for Word<T> {
    const SQL_TYPE: &'static str = "TEXT";

    fn to_value(&self) -> Result<Value, ProjectionError> {
        match serde_json::to_value(&self.0) {
            Ok(serde_json::Value::String(word)) => Ok(Value::Text(word)),
            Ok(other) => Err(ProjectionError::Damaged(format!("{other} is no word"))),
            Err(e) => Err(ProjectionError::Damaged(e.to_string())),
        }
    }

    fn from_value(value: Value) -> Result<Self, ProjectionError> {
        let word = text(value, "word")?;
        serde_json::from_value(serde_json::Value::String(word))
            .map(Self)
            .map_err(|e| ProjectionError::Damaged(e.to_string()))
    }
}
