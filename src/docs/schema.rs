//! What an event's JSON looks like, worked out from its declaration by the rules of serde, and
//! compared with the golden example: whatever does not agree is an error.

use super::source::{self, Body, Field, Item, Settings};
use anyhow::{Context as _, Result, bail, ensure};
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The JSON form of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A string.
    Text,
    /// A number without a fraction.
    Integer,
    /// True or false.
    Boolean,
    /// A decimal number in a string.
    Decimal,
    /// A uuid in a string.
    Uuid,
    /// An instant in a string.
    Instant,
    /// A string, or a list of plain and sealed parts.
    Sealed,
    /// A list.
    List(Box<Form>),
    /// One of the simple values that have a name.
    Simple(String),
    /// One of the types below.
    Type(String),
}

/// A simple value with a name of its own.
#[derive(Clone, Debug)]
pub(super) struct Simple {
    pub(super) form: Form,
    pub(super) meaning: String,
}

/// An object's or an enumeration's type.
#[derive(Clone, Debug)]
pub(super) struct Type {
    pub(super) meaning: String,
    pub(super) shape: Shape,
}

/// What a type is.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// An object with these members.
    Object(Vec<Member>),
    /// One of these words.
    Words(Vec<Word>),
    /// An object whose member `tag` is one of these words, each with members of its own.
    Choice { tag: String, words: Vec<Word> },
}

/// A word of an enumeration.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) word: String,
    pub(super) meaning: String,
    pub(super) members: Vec<Member>,
}

/// A member of an object.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) form: Form,
    pub(super) presence: Presence,
    pub(super) meaning: String,
}

/// Whether a member may be without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// It never is.
    Required,
    /// Then it is null.
    OrNull,
    /// Then it is left out.
    OrAbsent,
}

/// All types that events are made of.
pub(super) struct Schema {
    items: BTreeMap<String, Item>,
    pub(super) simple: BTreeMap<String, Simple>,
    pub(super) types: BTreeMap<String, Type>,
}

impl Schema {
    /// Nothing yet, but where to look.
    pub(super) fn new(items: BTreeMap<String, Item>) -> Self {
        Self { items, simple: BTreeMap::new(), types: BTreeMap::new() }
    }

    /// Takes in a type and all that it is made of.
    pub(super) fn include(&mut self, name: &str) -> Result<()> {
        if self.types.contains_key(name) || self.simple.contains_key(name) {
            return Ok(());
        }
        let item = self.items.get(name).cloned();
        let item = item.with_context(|| format!("nothing is known of the type `{name}`"))?;
        ensure!(!item.comment.is_empty(), "the type `{name}` has no comment");
        self.include_item(&item).with_context(|| format!("at `{name}`"))
    }

    fn include_item(&mut self, item: &Item) -> Result<()> {
        let meaning = item.comment.clone();
        let shape = match &item.body {
            Body::Newtype(inside) => {
                let form = match item.name.as_str() {
                    // It writes itself, in one way only.
                    "Timestamp" => Form::Instant,
                    // It is read from another type, and written as the same.
                    _ if item.serde.contains_key("from") => {
                        understood(&item.serde, &["from", "into"])?;
                        let written_as = item.serde.get("from");
                        ensure!(item.serde.get("into") == written_as, "`from` is not `into`");
                        self.form(written_as.map_or(inside, String::as_str))?
                    }
                    _ => {
                        understood(&item.serde, &["transparent"])?;
                        ensure!(item.serde.contains_key("transparent"), "it is not transparent");
                        self.form(inside)?
                    }
                };
                self.simple.insert(item.name.clone(), Simple { form, meaning });
                return Ok(());
            }
            Body::Struct(lines) => {
                understood(&item.serde, &["deny_unknown_fields"])?;
                Shape::Object(self.members(&source::fields(lines)?)?)
            }
            Body::Enum(lines) => self.enumeration(&item.serde, lines)?,
        };
        self.types.insert(item.name.clone(), Type { meaning, shape });
        Ok(())
    }

    fn enumeration(&mut self, settings: &Settings, lines: &[String]) -> Result<Shape> {
        understood(settings, &["rename_all", "tag"])?;
        let mut words = Vec::new();
        for variant in source::variants(lines)? {
            understood(&variant.serde, &["rename"])?;
            let word = match (variant.serde.get("rename"), settings.get("rename_all")) {
                (Some(word), _) => word.clone(),
                (None, Some(rule)) => renamed(&variant.name, rule)?,
                (None, None) => variant.name.clone(),
            };
            let members = self.members(&variant.fields)?;
            words.push(Word { word, meaning: variant.comment, members });
        }
        match settings.get("tag") {
            Some(tag) => Ok(Shape::Choice { tag: tag.clone(), words }),
            None if words.iter().all(|word| word.members.is_empty()) => Ok(Shape::Words(words)),
            None => bail!("a variant with fields needs a tag"),
        }
    }

    fn members(&mut self, fields: &[Field]) -> Result<Vec<Member>> {
        fields.iter().map(|field| self.member(field)).collect()
    }

    fn member(&mut self, field: &Field) -> Result<Member> {
        let in_field = || format!("in the field `{}`", field.name);
        understood(&field.serde, &["default", "skip_serializing_if"]).with_context(in_field)?;
        let skips = field.serde.contains_key("skip_serializing_if");
        let (type_text, presence) = match inside(&field.type_text, "Option") {
            Some(inside) if skips => (inside, Presence::OrAbsent),
            Some(inside) => (inside, Presence::OrNull),
            None if skips => (field.type_text.as_str(), Presence::OrAbsent),
            None => (field.type_text.as_str(), Presence::Required),
        };
        let form = self.form(type_text).with_context(in_field)?;
        Ok(Member { name: field.name.clone(), form, presence, meaning: field.comment.clone() })
    }

    fn form(&mut self, type_text: &str) -> Result<Form> {
        if let Some(item) = inside(type_text, "Vec") {
            return Ok(Form::List(Box::new(self.form(item)?)));
        }
        // A box is the compiler's, and nothing of the JSON.
        if let Some(item) = inside(type_text, "Box") {
            return self.form(item);
        }
        let name = type_text.rsplit("::").next().unwrap_or(type_text);
        let name = name.strip_suffix("<Text>").unwrap_or(name);
        Ok(match name {
            "String" | "Cow<'a, str>" => Form::Text,
            "bool" => Form::Boolean,
            "u8" | "u16" | "u32" | "u64" | "i32" | "i64" => Form::Integer,
            "Decimal" => Form::Decimal,
            "Uuid" => Form::Uuid,
            "SealedText" | "Text" => Form::Sealed,
            _ => {
                self.include(name)?;
                match self.simple.contains_key(name) {
                    true => Form::Simple(name.to_owned()),
                    false => Form::Type(name.to_owned()),
                }
            }
        })
    }

    /// The type of a name that has been included.
    pub(super) fn named(&self, name: &str) -> Result<&Type> {
        self.types.get(name).with_context(|| format!("`{name}` has not been included"))
    }

    /// The types that `name` is made of, itself included, in the order in which a reader meets
    /// them.
    pub(super) fn made_of(&self, name: &str) -> Result<Vec<String>> {
        let mut met = Vec::new();
        self.meet(name, &mut met)?;
        Ok(met)
    }

    fn meet(&self, name: &str, met: &mut Vec<String>) -> Result<()> {
        if met.iter().any(|known| known == name) {
            return Ok(());
        }
        met.push(name.to_owned());
        let members: Vec<&Member> = match &self.named(name)?.shape {
            Shape::Object(members) => members.iter().collect(),
            Shape::Words(words) | Shape::Choice { words, .. } => {
                words.iter().flat_map(|word| &word.members).collect()
            }
        };
        for member in members {
            if let Some(inner) = innermost(&member.form) {
                self.meet(inner, met)?;
            }
        }
        Ok(())
    }

    /// Whether a value is what a form says, to the last member. It is an example: what may be
    /// absent must be there too.
    pub(super) fn check(&self, form: &Form, value: &Value) -> Result<()> {
        let text = value.as_str();
        let fits = match form {
            Form::Text => text.is_some(),
            Form::Integer => value.is_i64() || value.is_u64(),
            Form::Boolean => value.is_boolean(),
            Form::Decimal => text.is_some_and(|text| text.parse::<Decimal>().is_ok()),
            Form::Uuid => text.is_some_and(|text| text.parse::<uuid::Uuid>().is_ok()),
            Form::Instant => text.is_some_and(is_instant),
            Form::Sealed => text.is_some() || value.is_array(),
            Form::List(item) => {
                for item_value in value.as_array().context("not a list")? {
                    self.check(item, item_value)?;
                }
                true
            }
            Form::Simple(name) => {
                let simple = self.simple.get(name).context("an unknown simple value")?;
                return self.check(&simple.form, value);
            }
            Form::Type(name) => return self.check_type(self.named(name)?, value),
        };
        ensure!(fits, "{value} is no {form:?}");
        Ok(())
    }

    fn check_type(&self, of: &Type, value: &Value) -> Result<()> {
        let word_of = |words: &[Word], said: Option<&Value>| {
            let said = said.and_then(Value::as_str);
            let word = words.iter().find(|word| Some(word.word.as_str()) == said).cloned();
            word.with_context(|| format!("{value} is none of the words"))
        };
        match &of.shape {
            Shape::Words(words) => word_of(words, Some(value)).map(|_| ()),
            Shape::Object(members) => {
                self.check_members(members, value.as_object().context("not an object")?, None)
            }
            Shape::Choice { tag, words } => {
                let object = value.as_object().context("not an object")?;
                let word = word_of(words, object.get(tag))?;
                self.check_members(&word.members, object, Some(tag))
            }
        }
    }

    fn check_members(
        &self,
        members: &[Member],
        object: &Map<String, Value>,
        tag: Option<&String>,
    ) -> Result<()> {
        let described: BTreeSet<&String> =
            members.iter().map(|member| &member.name).chain(tag).collect();
        if let Some(name) = object.keys().find(|name| !described.contains(name)) {
            bail!("the member `{name}` is described nowhere");
        }
        for Member { name, form, presence, .. } in members {
            match (object.get(name), presence) {
                (Some(Value::Null), Presence::OrNull) => {}
                (None, _) => bail!("the member `{name}` is missing"),
                (Some(value), _) => {
                    self.check(form, value).with_context(|| format!("in the member `{name}`"))?;
                }
            }
        }
        Ok(())
    }
}

/// The type that a form is of, or is a list of.
fn innermost(form: &Form) -> Option<&str> {
    match form {
        Form::List(item) => innermost(item),
        Form::Type(name) => Some(name),
        _ => None,
    }
}

/// `T` of `Option<T>` and the like.
fn inside<'a>(type_text: &'a str, outer: &str) -> Option<&'a str> {
    type_text.strip_prefix(outer)?.strip_prefix('<')?.strip_suffix('>')
}

/// Fails at a setting of serde that changes the JSON in a way not known here.
fn understood(settings: &Settings, known: &[&str]) -> Result<()> {
    // A bound is for the compiler only.
    let changes_json = |key: &&String| !key.starts_with("bound(");
    match settings.keys().filter(changes_json).find(|key| !known.contains(&key.as_str())) {
        Some(key) => bail!("what serde's `{key}` does here is not known to the reference"),
        None => Ok(()),
    }
}

/// A variant's name by a rule of serde.
fn renamed(name: &str, rule: &str) -> Result<String> {
    let mut snake = String::new();
    for (index, letter) in name.chars().enumerate() {
        if index > 0 && letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    match rule {
        "snake_case" => Ok(snake),
        "SCREAMING_SNAKE_CASE" => Ok(snake.to_ascii_uppercase()),
        _ => bail!("serde's rule `{rule}` is not known to the reference"),
    }
}

fn is_instant(text: &str) -> bool {
    text.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(text).is_ok()
}
