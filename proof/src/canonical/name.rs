//! Members' names: what may be one, as text.

use super::CanonicalError;
use serde::Serialize;
use serde::ser::{self, Impossible};
use std::fmt::{Display, Write};

/// Takes a member's name: a text, or a number as text.
pub(super) struct Name<'n>(pub(super) &'n mut String);

impl Name<'_> {
    fn push(self, name: impl Display) -> Result<(), CanonicalError> {
        // Writing to a String fails only where the name itself cannot be shown.
        write!(self.0, "{name}").or_else(|_| not_a_name())
    }
}

fn not_a_name<T>() -> Result<T, CanonicalError> {
    Err(CanonicalError::NotJson("a member's name is a text or an integer".to_owned()))
}

macro_rules! names {
    (taken { $($take:ident($taken:ty);)* } refused { $($refuse:ident($refused:ty);)* }) => {
        $(fn $take(self, name: $taken) -> Result<(), CanonicalError> {
            self.push(name)
        })*

        $(fn $refuse(self, _: $refused) -> Result<(), CanonicalError> {
            not_a_name()
        })*
    };
}

impl ser::Serializer for Name<'_> {
    type Ok = ();
    type Error = CanonicalError;
    type SerializeSeq = Impossible<(), CanonicalError>;
    type SerializeTuple = Impossible<(), CanonicalError>;
    type SerializeTupleStruct = Impossible<(), CanonicalError>;
    type SerializeTupleVariant = Impossible<(), CanonicalError>;
    type SerializeMap = Impossible<(), CanonicalError>;
    type SerializeStruct = Impossible<(), CanonicalError>;
    type SerializeStructVariant = Impossible<(), CanonicalError>;

    names! {
        taken {
        serialize_str(&str);
        serialize_char(char);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        }
        refused {
        serialize_bool(bool);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_bytes(&[u8]);
        serialize_unit_struct(&'static str);
        }
    }

    fn collect_str<T: Display + ?Sized>(self, name: &T) -> Result<(), CanonicalError> {
        self.push(name)
    }

    fn serialize_none(self) -> Result<(), CanonicalError> {
        not_a_name()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), CanonicalError> {
        not_a_name()
    }

    fn serialize_unit(self) -> Result<(), CanonicalError> {
        not_a_name()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), CanonicalError> {
        self.push(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        name: &T,
    ) -> Result<(), CanonicalError> {
        name.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), CanonicalError> {
        not_a_name()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, CanonicalError> {
        not_a_name()
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, CanonicalError> {
        not_a_name()
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, CanonicalError> {
        not_a_name()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, CanonicalError> {
        not_a_name()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, CanonicalError> {
        not_a_name()
    }

    fn serialize_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStruct, CanonicalError> {
        not_a_name()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, CanonicalError> {
        not_a_name()
    }
}
