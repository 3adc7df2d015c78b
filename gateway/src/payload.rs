//! Reading the members of a payload that fits its shape. What is absent, or is not what is asked
//! for, is `None`.

use crate::meter::json_number;
use crate::rpc::json::{Document, Kind, NodeId};
use chargebook_domain::units::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use std::borrow::Cow;

/// An object of a payload, or the payload itself.
#[derive(Clone, Copy)]
pub(crate) struct Payload<'d, 'a> {
    /// The text it stands in.
    pub(crate) document: &'d Document<'a>,
    /// Where.
    pub(crate) node: NodeId,
}

impl<'d, 'a> Payload<'d, 'a> {
    /// A member.
    pub(crate) fn member(&self, name: &str) -> Option<NodeId> {
        self.document.member(self.node, name)
    }

    /// A member that is an object.
    pub(crate) fn object(&self, name: &str) -> Option<Self> {
        let node = self.member(name)?;
        let is_object = self.document.kind(node) == Kind::Object;
        is_object.then_some(Self { document: self.document, node })
    }

    /// The objects of a member that is a list.
    pub(crate) fn objects(&self, name: &str) -> impl Iterator<Item = Self> + use<'d, 'a> {
        let document = self.document;
        let list = self.member(name).filter(|list| document.kind(*list) == Kind::Array);
        let items = list.into_iter().flat_map(|list| document.children(list));
        items.map(move |node| Self { document, node })
    }

    /// The strings of a member that is a list.
    pub(crate) fn texts(&self, name: &str) -> impl Iterator<Item = String> + use<'d, 'a> {
        let document = self.document;
        let list = self.member(name).filter(|list| document.kind(*list) == Kind::Array);
        let items = list.into_iter().flat_map(|list| document.children(list));
        items.filter_map(move |item| document.string(item).map(Cow::into_owned))
    }

    /// A member that is a string.
    pub(crate) fn string(&self, name: &str) -> Option<Cow<'a, str>> {
        self.document.string(self.member(name)?)
    }

    /// The same, to keep.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.string(name).map(Cow::into_owned)
    }

    /// A member that is an instant.
    pub(crate) fn time(&self, name: &str) -> Option<Timestamp> {
        crate::time::read(&self.string(name)?).map(|time| time.instant)
    }

    /// A member that is an integer, however it is written.
    pub(crate) fn integer<T: TryFrom<i64>>(&self, name: &str) -> Option<T> {
        let raw = self.document.number(self.member(name)?)?;
        let integer = raw.parse().ok().or_else(|| {
            json_number(raw).filter(|number| number.fract().is_zero()).and_then(|n| n.to_i64())
        });
        T::try_from(integer?).ok()
    }

    /// The integers of a member that is a list.
    pub(crate) fn integers<T: TryFrom<i64>>(
        &self,
        name: &str,
    ) -> impl Iterator<Item = T> + use<'d, 'a, T> {
        let document = self.document;
        let list = self.member(name).filter(|list| document.kind(*list) == Kind::Array);
        let items = list.into_iter().flat_map(|list| document.children(list));
        let integer = move |item| document.number(item)?.parse::<i64>().ok();
        items.filter_map(move |item| T::try_from(integer(item)?).ok())
    }

    /// A member that is a number, exact.
    pub(crate) fn decimal(&self, name: &str) -> Option<Decimal> {
        json_number(self.document.number(self.member(name)?)?)
    }

    /// A member that is `true` or `false`.
    pub(crate) fn boolean(&self, name: &str) -> Option<bool> {
        let node = self.member(name).filter(|node| self.document.kind(*node) == Kind::Boolean)?;
        Some(self.document.raw(node) == "true")
    }
}
