//! A JSON text as a flat list of nodes with their places in it.
//!
//! The log keeps a frame as it was on the wire, and evidence and sealed holes are places in
//! that text. So the gateway reads JSON with its places, once, without building values; it
//! knows nothing of OCPP.
//!
//! Strictly RFC 8259, with two bounds of our own: depth and number of nodes. A text that breaks
//! off or goes wrong keeps what had been read before, so that a CALL with a readable message
//! id and an unreadable payload can still be answered.

use chargebook_domain::events::v1::{Dialect, Quirk};
use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;

#[cfg(test)]
mod tests;

/// Deepest nesting of arrays and objects: OCPP 1.6 needs 6 (frame, payload, two lists, two
/// objects), OCPP 2.1 about 10.
pub(crate) const JSON_DEPTH_MAX: usize = 16;

/// Most nodes of one text: a full StopTransaction of the largest frame has half of it.
pub(crate) const JSON_NODES_MAX: usize = 65_536;

/// Why a text is not JSON that we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// Not JSON.
    Syntax,
    /// Nested deeper than [`JSON_DEPTH_MAX`].
    Depth,
    /// More nodes than [`JSON_NODES_MAX`].
    Size,
}

impl JsonError {
    /// The error in words that may be sent and logged.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Syntax => "not JSON",
            Self::Depth => "nested too deep",
            Self::Size => "too many values",
        }
    }
}

/// What kind of value a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An object; its children are names and values in turn.
    Object,
    /// An array.
    Array,
    /// A string without escapes.
    String,
    /// A string with escapes.
    EscapedString,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `null`.
    Null,
}

/// A value's place: bytes of the text (quotes included), and the index of the node after it.
#[derive(Clone, Copy, Debug)]
struct Node {
    start: u32,
    end: u32,
    next: u32,
    kind: Kind,
}

/// A node of a [`Document`], by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(u32);

/// A text and its nodes, in the order of the text, and the dialect it is understood in. In the
/// standard's, every value is what it is written as.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    text: &'a str,
    nodes: Vec<Node>,
    dialect: Cell<Dialect>,
    /// Quirks that were met since the dialect was set.
    met: Cell<Dialect>,
}

/// The end of a node that had begun and did not come to its end.
const UNFINISHED: u32 = u32::MAX;

impl<'a> Document<'a> {
    /// Reads a text. With an error, the document holds the nodes that were read before it.
    ///
    /// A text of 4 GiB or more is refused as [`JsonError::Size`].
    pub(crate) fn read(text: &'a str) -> (Self, Result<(), JsonError>) {
        if u32::try_from(text.len()).is_err() {
            return (Self::of(text, Vec::new()), Err(JsonError::Size));
        }
        let nodes = Vec::with_capacity((text.len() / 12).clamp(8, 512));
        let mut reader = Reader { bytes: text.as_bytes(), at: 0, nodes };
        let outcome = reader.document();
        (Self::of(text, reader.nodes), outcome)
    }

    fn of(text: &'a str, nodes: Vec<Node>) -> Self {
        let standard = || Cell::new(Dialect::STANDARD);
        Self { text, nodes, dialect: standard(), met: standard() }
    }

    /// From now on the text is understood in this dialect.
    pub(crate) fn understand_in(&self, dialect: Dialect) {
        self.dialect.set(dialect);
        self.met.set(Dialect::STANDARD);
    }

    /// The quirks that were met, understood or not, since the dialect was set.
    pub(crate) fn met(&self) -> Dialect {
        self.met.get()
    }

    /// Whether a quirk that has been met is understood.
    pub(crate) fn meets(&self, quirk: Quirk) -> bool {
        let mut met = self.met.get();
        met.insert(quirk);
        self.met.set(met);
        self.dialect.get().has(quirk)
    }

    /// Whether a quirk that does not show would be understood.
    pub(crate) fn assumes(&self, quirk: Quirk) -> bool {
        self.dialect.get().has(quirk)
    }

    /// Whether a member is as good as left out.
    pub(crate) fn is_left_out(&self, value: NodeId) -> bool {
        self.kind(value) == Kind::Null && self.meets(Quirk::NullMembers)
    }

    /// The outermost value, if its end was reached.
    pub(crate) fn root(&self) -> Option<NodeId> {
        self.nodes.first().map(|_| NodeId(0))
    }

    /// The kind of a value.
    pub(crate) fn kind(&self, node: NodeId) -> Kind {
        self.node(node).kind
    }

    /// Whether the value was read to its end.
    pub(crate) fn is_finished(&self, node: NodeId) -> bool {
        self.node(node).end != UNFINISHED
    }

    /// The value's bytes in the text, quotes of a string included.
    pub(crate) fn range(&self, node: NodeId) -> Range<usize> {
        let node = self.node(node);
        let end = if node.end == UNFINISHED { self.text.len() } else { node.end as usize };
        node.start as usize..end
    }

    /// The JSON text of a value.
    pub(crate) fn raw(&self, node: NodeId) -> &'a str {
        self.text.get(self.range(node)).unwrap_or_default()
    }

    /// The bytes inside a string's quotes; `None` for another kind.
    pub(crate) fn inside(&self, node: NodeId) -> Option<Range<usize>> {
        let is_string = matches!(self.kind(node), Kind::String | Kind::EscapedString);
        let range = self.range(node);
        (is_string && self.is_finished(node)).then(|| range.start + 1..range.end - 1)
    }

    /// The bytes that say what a string means, or a number that stands for one.
    pub(crate) fn saying(&self, node: NodeId) -> Option<Range<usize>> {
        match self.kind(node) {
            Kind::Number if self.meets(Quirk::NumbersAsStrings) => Some(self.range(node)),
            _ => self.inside(node),
        }
    }

    /// The digits of a number, or of a string that stands for one.
    pub(crate) fn number(&self, node: NodeId) -> Option<&'a str> {
        match self.kind(node) {
            Kind::Number => Some(self.raw(node)),
            Kind::String => {
                let inside = self.text.get(self.inside(node)?)?;
                (is_number(inside) && self.meets(Quirk::NumbersAsStrings)).then_some(inside)
            }
            _ => None,
        }
    }

    /// The characters a string means; `None` for another kind.
    pub(crate) fn string(&self, node: NodeId) -> Option<Cow<'a, str>> {
        let inside = self.text.get(self.saying(node)?)?;
        match self.kind(node) {
            Kind::EscapedString => Some(Cow::Owned(unescape(inside))),
            _ => Some(Cow::Borrowed(inside)),
        }
    }

    /// The elements of an array, or the names and values of an object in turn.
    pub(crate) fn children(&self, node: NodeId) -> Children<'_> {
        let end = match self.kind(node) {
            Kind::Object | Kind::Array => self.node(node).next.min(self.length()),
            _ => node.0 + 1,
        };
        Children { nodes: &self.nodes, at: node.0 + 1, end }
    }

    /// The members of an object; none for another kind.
    pub(crate) fn members(&self, node: NodeId) -> impl Iterator<Item = (NodeId, NodeId)> + '_ {
        let mut children = self.children(node);
        let is_object = self.kind(node) == Kind::Object;
        std::iter::from_fn(move || {
            if !is_object {
                return None;
            }
            Some((children.next()?, children.next()?))
        })
    }

    /// The value of a member, by its name; `None` where it is as good as left out.
    pub(crate) fn member(&self, object: NodeId, name: &str) -> Option<NodeId> {
        let (_, value) = self.members(object).find(|(key, _)| self.is_text(*key, name))?;
        Some(value).filter(|value| !self.is_left_out(*value))
    }

    /// Whether a node is the string `text`.
    pub(crate) fn is_text(&self, node: NodeId, text: &str) -> bool {
        match self.kind(node) {
            Kind::String => {
                self.inside(node).and_then(|inside| self.text.get(inside)) == Some(text)
            }
            Kind::EscapedString => self.string(node).as_deref() == Some(text),
            _ => false,
        }
    }

    fn length(&self) -> u32 {
        u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)
    }

    fn node(&self, node: NodeId) -> Node {
        const NOTHING: Node = Node { start: 0, end: 0, next: 0, kind: Kind::Null };
        self.nodes.get(node.0 as usize).copied().unwrap_or(NOTHING)
    }
}

/// The nodes directly below another.
#[derive(Clone, Debug)]
pub(crate) struct Children<'d> {
    nodes: &'d [Node],
    at: u32,
    end: u32,
}

impl Iterator for Children<'_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        if self.at >= self.end {
            return None;
        }
        let node = self.nodes.get(self.at as usize)?;
        let id = NodeId(self.at);
        self.at = node.next;
        Some(id)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<(), JsonError> {
        self.spaces();
        self.value(0)?;
        self.spaces();
        if self.at == self.bytes.len() { Ok(()) } else { Err(JsonError::Syntax) }
    }

    fn value(&mut self, depth: usize) -> Result<(), JsonError> {
        match self.peek().ok_or(JsonError::Syntax)? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.scalar(Kind::Number, Self::number),
            b't' => self.scalar(Kind::Boolean, |reader| reader.word(b"true")),
            b'f' => self.scalar(Kind::Boolean, |reader| reader.word(b"false")),
            b'n' => self.scalar(Kind::Null, |reader| reader.word(b"null")),
            _ => Err(JsonError::Syntax),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), JsonError> {
        let index = self.open(Kind::Object, depth)?;
        self.spaces();
        if self.take(b'}') {
            return self.close(index);
        }
        loop {
            self.spaces();
            if self.peek() != Some(b'"') {
                return Err(JsonError::Syntax);
            }
            self.string()?;
            self.spaces();
            self.expect(b':')?;
            self.spaces();
            self.value(depth + 1)?;
            self.spaces();
            if self.take(b'}') {
                return self.close(index);
            }
            self.expect(b',')?;
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonError> {
        let index = self.open(Kind::Array, depth)?;
        self.spaces();
        if self.take(b']') {
            return self.close(index);
        }
        loop {
            self.spaces();
            self.value(depth + 1)?;
            self.spaces();
            if self.take(b']') {
                return self.close(index);
            }
            self.expect(b',')?;
        }
    }

    fn string(&mut self) -> Result<(), JsonError> {
        let index = self.begin(Kind::String)?;
        self.at += 1;
        let mut escaped = false;
        loop {
            match self.peek().ok_or(JsonError::Syntax)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                0..=0x1f => return Err(JsonError::Syntax),
                _ => self.at += 1,
            }
        }
        self.at += 1;
        if escaped && let Some(node) = self.nodes.get_mut(index) {
            node.kind = Kind::EscapedString;
        }
        self.close(index)
    }

    /// An escape; half a surrogate pair means no character and is refused.
    fn escape(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        let letter = self.peek().ok_or(JsonError::Syntax)?;
        self.at += 1;
        match letter {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => match self.hex4()? {
                0xDC00..=0xDFFF => Err(JsonError::Syntax),
                0xD800..=0xDBFF => {
                    self.expect(b'\\')?;
                    self.expect(b'u')?;
                    match self.hex4()? {
                        0xDC00..=0xDFFF => Ok(()),
                        _ => Err(JsonError::Syntax),
                    }
                }
                _ => Ok(()),
            },
            _ => Err(JsonError::Syntax),
        }
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or(JsonError::Syntax)?;
        self.at += 4;
        hex4(digits).ok_or(JsonError::Syntax)
    }

    fn number(&mut self) -> Result<(), JsonError> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > from { Ok(()) } else { Err(JsonError::Syntax) }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), JsonError> {
        if self.bytes[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            Err(JsonError::Syntax)
        }
    }

    fn scalar(
        &mut self,
        kind: Kind,
        read: impl Fn(&mut Self) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        let index = self.begin(kind)?;
        read(self)?;
        self.close(index)
    }

    fn open(&mut self, kind: Kind, depth: usize) -> Result<usize, JsonError> {
        if depth >= JSON_DEPTH_MAX {
            return Err(JsonError::Depth);
        }
        let index = self.begin(kind)?;
        self.at += 1;
        Ok(index)
    }

    fn begin(&mut self, kind: Kind) -> Result<usize, JsonError> {
        let index = self.nodes.len();
        if index >= JSON_NODES_MAX {
            return Err(JsonError::Size);
        }
        let start = self.position();
        self.nodes.push(Node { start, end: UNFINISHED, next: UNFINISHED, kind });
        Ok(index)
    }

    fn close(&mut self, index: usize) -> Result<(), JsonError> {
        let end = self.position();
        let next = u32::try_from(self.nodes.len()).map_err(|_| JsonError::Size)?;
        if let Some(node) = self.nodes.get_mut(index) {
            node.end = end;
            node.next = next;
        }
        Ok(())
    }

    /// The text is shorter than 4 GiB, so this never saturates.
    fn position(&self) -> u32 {
        u32::try_from(self.at).unwrap_or(UNFINISHED)
    }

    fn spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.take(byte) { Ok(()) } else { Err(JsonError::Syntax) }
    }
}

/// Whether a text is a JSON number and nothing else.
fn is_number(text: &str) -> bool {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0, nodes: Vec::new() };
    reader.number().is_ok() && reader.at == text.len()
}

/// What stands inside a checked string's quotes, without the escapes.
fn unescape(inside: &str) -> String {
    let mut out = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let (character, length) = unescape_one(&rest.as_bytes()[at + 1..]);
        out.push(character);
        rest = rest.get(at + 1 + length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The character that an escape means, and how many bytes follow the backslash.
pub(crate) fn unescape_one(escape: &[u8]) -> (char, usize) {
    let unit = |from: usize| escape.get(from..from + 4).and_then(hex4).unwrap_or(0xFFFD);
    match escape.first() {
        Some(b'b') => ('\u{8}', 1),
        Some(b'f') => ('\u{c}', 1),
        Some(b'n') => ('\n', 1),
        Some(b'r') => ('\r', 1),
        Some(b't') => ('\t', 1),
        Some(b'u') => match unit(1) {
            high @ 0xD800..=0xDBFF => {
                let low = unit(7);
                let code = 0x10000 + ((high - 0xD800) << 10) + (low.wrapping_sub(0xDC00) & 0x3FF);
                (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 11)
            }
            code => (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 5),
        },
        Some(&other) => (char::from(other), 1),
        None => (char::REPLACEMENT_CHARACTER, 0),
    }
}

fn hex4(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
}
