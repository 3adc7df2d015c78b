//! Writes whatever serialises straight into the canonical form: members are written as they
//! come and put in order when their object closes, so no tree of values is ever built.

use super::name::Name;
use super::{CanonicalError, INTEGER_MAGNITUDE_MAX, write_string};
use serde::Serialize;
use serde::ser;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt::{self, Display, Write};
use std::ops::Range;
use std::sync::Arc;

/// A writer's memory beyond this many bytes is given back after use.
const KEPT_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    /// Writes one text after the other, so that its memory is asked for once.
    static WRITER: RefCell<Writer> = RefCell::default();
}

/// The canonical text of `value`, nested at most `depth_max` levels.
pub(super) fn write<T: Serialize + ?Sized>(
    value: &T,
    depth_max: usize,
) -> Result<Arc<str>, CanonicalError> {
    // Taken out, since a value may write others while it is serialised.
    let mut writer = WRITER.take();
    writer.levels_left = depth_max;
    let written = value.serialize(&mut writer);
    let text = written.map(|()| Arc::from(writer.out.as_str()));
    writer.clear();
    WRITER.set(writer);
    text
}

#[derive(Default)]
struct Writer {
    out: String,
    /// How many levels of arrays and objects may still be opened.
    levels_left: usize,
    /// The members of all objects that are open, the innermost last.
    members: Vec<Member>,
    /// Their names, as they are meant.
    names: String,
    /// Where an object's members are put in order; kept for its memory.
    reordered: String,
}

/// Where a member stands.
#[derive(Clone, Debug)]
struct Member {
    /// Its name, in [`Writer::names`].
    name: Range<usize>,
    /// Name, colon and value, in [`Writer::out`].
    text: Range<usize>,
}

impl Writer {
    fn clear(&mut self) {
        self.members.clear();
        for text in [&mut self.out, &mut self.names, &mut self.reordered] {
            text.clear();
            text.shrink_to(KEPT_BYTES_MAX);
        }
    }

    fn open(&mut self, bracket: char) -> Result<(), CanonicalError> {
        self.levels_left = self.levels_left.checked_sub(1).ok_or(CanonicalError::TooDeep)?;
        self.out.push(bracket);
        Ok(())
    }

    fn close(&mut self, bracket: char) {
        self.levels_left += 1;
        self.out.push(bracket);
    }

    fn open_object(&mut self) -> Result<Object<'_>, CanonicalError> {
        self.open('{')?;
        let (first_member, first_name) = (self.members.len(), self.names.len());
        Ok(Object { writer: self, first_member, first_name })
    }

    fn open_array(&mut self) -> Result<Array<'_>, CanonicalError> {
        self.open('[')?;
        Ok(Array { writer: self, is_first: true, is_variant: false })
    }

    /// Opens `{"variant":`, the one member of an object.
    fn open_variant(&mut self, variant: &str) -> Result<(), CanonicalError> {
        self.open('{')?;
        write_string(&mut self.out, variant);
        self.out.push(':');
        Ok(())
    }

    fn integer(&mut self, magnitude: u64, integer: impl Display) -> Result<(), CanonicalError> {
        if magnitude > INTEGER_MAGNITUDE_MAX {
            return Err(CanonicalError::Number(integer.to_string()));
        }
        // Writing to a String cannot fail.
        let _ = write!(self.out, "{integer}");
        Ok(())
    }
}

/// An array that is being written.
struct Array<'w> {
    writer: &'w mut Writer,
    is_first: bool,
    /// Whether it stands in `{"variant":…}`.
    is_variant: bool,
}

impl Array<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), CanonicalError> {
        if !self.is_first {
            self.writer.out.push(',');
        }
        self.is_first = false;
        item.serialize(&mut *self.writer)
    }

    fn finish(self) {
        self.writer.close(']');
        if self.is_variant {
            self.writer.close('}');
        }
    }
}

/// An object that is being written.
struct Object<'w> {
    writer: &'w mut Writer,
    /// Where its members begin among the open ones, and their names.
    first_member: usize,
    first_name: usize,
}

impl Object<'_> {
    fn begin_member(&mut self) {
        if self.writer.members.len() > self.first_member {
            self.writer.out.push(',');
        }
    }

    /// Writes a member whose name ends the names.
    fn member<T: Serialize + ?Sized>(
        &mut self,
        name_from: usize,
        value: &T,
    ) -> Result<(), CanonicalError> {
        let writer = &mut *self.writer;
        let name = name_from..writer.names.len();
        let from = writer.out.len();
        write_string(&mut writer.out, &writer.names[name.clone()]);
        writer.out.push(':');
        // Its place is taken before the value's own members come and go.
        value.serialize(&mut *writer)?;
        let text = from..writer.out.len();
        writer.members.push(Member { name, text });
        Ok(())
    }

    fn named<T: Serialize + ?Sized>(
        &mut self,
        name: &str,
        value: &T,
    ) -> Result<(), CanonicalError> {
        self.begin_member();
        let from = self.writer.names.len();
        self.writer.names.push_str(name);
        self.member(from, value)
    }

    fn finish(self) -> Result<(), CanonicalError> {
        let Self { writer, first_member, first_name } = self;
        let Writer { out, members, names, reordered, .. } = writer;
        let mine = &mut members[first_member..];
        let name = |member: &Member| &names[member.name.clone()];
        if !mine.is_sorted_by(|a, b| order(name(a), name(b)).is_lt()) {
            let from = mine.iter().map(|member| member.text.start).min().unwrap_or(out.len());
            mine.sort_by(|a, b| order(name(a), name(b)));
            if let Some(twice) = mine.windows(2).find(|pair| name(&pair[0]) == name(&pair[1])) {
                let reason = format!("member `{}` occurs twice", name(&twice[0]));
                return Err(CanonicalError::NotJson(reason));
            }
            reordered.clear();
            for (index, member) in mine.iter().enumerate() {
                if index > 0 {
                    reordered.push(',');
                }
                reordered.push_str(&out[member.text.clone()]);
            }
            out.truncate(from);
            out.push_str(reordered);
        }
        members.truncate(first_member);
        names.truncate(first_name);
        writer.close('}');
        Ok(())
    }
}

/// RFC 8785 section 3.2.3: by UTF-16 code units, which for ASCII is by bytes.
fn order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        return a.cmp(b);
    }
    a.encode_utf16().cmp(b.encode_utf16())
}

impl ser::Error for CanonicalError {
    fn custom<T: Display>(message: T) -> Self {
        Self::NotJson(message.to_string())
    }
}

/// Writes the text of a string, escaped as it comes.
struct Escaping<'w>(&'w mut String);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        super::write_escaped(self.0, text);
        Ok(())
    }
}

macro_rules! integers {
    ($($signed:ident($signed_type:ty) $unsigned:ident($unsigned_type:ty);)*) => {
        $(fn $signed(self, value: $signed_type) -> Result<(), CanonicalError> {
            self.integer(u64::from(value.unsigned_abs()), value)
        }

        fn $unsigned(self, value: $unsigned_type) -> Result<(), CanonicalError> {
            self.integer(u64::from(value), value)
        })*
    };
}

impl<'w> ser::Serializer for &'w mut Writer {
    type Ok = ();
    type Error = CanonicalError;
    type SerializeSeq = Array<'w>;
    type SerializeTuple = Array<'w>;
    type SerializeTupleStruct = Array<'w>;
    type SerializeTupleVariant = Array<'w>;
    type SerializeMap = Object<'w>;
    type SerializeStruct = Object<'w>;
    type SerializeStructVariant = VariantObject<'w>;

    integers! {
        serialize_i8(i8) serialize_u8(u8);
        serialize_i16(i16) serialize_u16(u16);
        serialize_i32(i32) serialize_u32(u32);
        serialize_i64(i64) serialize_u64(u64);
    }

    fn serialize_bool(self, value: bool) -> Result<(), CanonicalError> {
        self.out.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), CanonicalError> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), CanonicalError> {
        Err(CanonicalError::Number(format!("{value:?}")))
    }

    fn serialize_char(self, value: char) -> Result<(), CanonicalError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), CanonicalError> {
        write_string(&mut self.out, value);
        Ok(())
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), CanonicalError> {
        self.out.push('"');
        let written = write!(Escaping(&mut self.out), "{value}");
        written.map_err(|_| CanonicalError::NotJson("a text that cannot be shown".to_owned()))?;
        self.out.push('"');
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), CanonicalError> {
        self.collect_seq(value)
    }

    fn serialize_none(self) -> Result<(), CanonicalError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), CanonicalError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), CanonicalError> {
        self.out.push_str("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), CanonicalError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), CanonicalError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), CanonicalError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), CanonicalError> {
        self.open_variant(variant)?;
        value.serialize(&mut *self)?;
        self.close('}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Array<'w>, CanonicalError> {
        self.open_array()
    }

    fn serialize_tuple(self, _: usize) -> Result<Array<'w>, CanonicalError> {
        self.open_array()
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Array<'w>, CanonicalError> {
        self.open_array()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Array<'w>, CanonicalError> {
        self.open_variant(variant)?;
        Ok(Array { is_variant: true, ..self.open_array()? })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Object<'w>, CanonicalError> {
        self.open_object()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Object<'w>, CanonicalError> {
        self.open_object()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<VariantObject<'w>, CanonicalError> {
        self.open_variant(variant)?;
        Ok(VariantObject(self.open_object()?))
    }
}

macro_rules! arrays {
    ($($of:ident $item:ident),*) => {
        $(impl ser::$of for Array<'_> {
            type Ok = ();
            type Error = CanonicalError;

            fn $item<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), CanonicalError> {
                self.item(item)
            }

            fn end(self) -> Result<(), CanonicalError> {
                self.finish();
                Ok(())
            }
        })*
    };
}

arrays! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
}

impl ser::SerializeMap for Object<'_> {
    type Ok = ();
    type Error = CanonicalError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, name: &T) -> Result<(), CanonicalError> {
        self.begin_member();
        let from = self.writer.names.len();
        name.serialize(Name(&mut self.writer.names))?;
        // Until its value comes, the name is a member without text.
        let name = from..self.writer.names.len();
        self.writer.members.push(Member { name, text: 0..0 });
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonicalError> {
        let begun = self.writer.members.pop();
        let name_from = begun.map_or(self.writer.names.len(), |member| member.name.start);
        self.member(name_from, value)
    }

    fn end(self) -> Result<(), CanonicalError> {
        self.finish()
    }
}

impl ser::SerializeStruct for Object<'_> {
    type Ok = ();
    type Error = CanonicalError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), CanonicalError> {
        self.named(name, value)
    }

    fn end(self) -> Result<(), CanonicalError> {
        self.finish()
    }
}

/// An object in `{"variant":…}`.
struct VariantObject<'w>(Object<'w>);

impl ser::SerializeStructVariant for VariantObject<'_> {
    type Ok = ();
    type Error = CanonicalError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), CanonicalError> {
        self.0.named(name, value)
    }

    fn end(self) -> Result<(), CanonicalError> {
        let Object { writer, first_member, first_name } = self.0;
        Object { writer: &mut *writer, first_member, first_name }.finish()?;
        writer.close('}');
        Ok(())
    }
}
