//! Reads declarations and their comments from the source of the event types.
//!
//! This is no Rust parser. It reads what rustfmt makes of public structs and enums at the left
//! margin, and says so where it meets something else: a reference must not guess.

use anyhow::{Context as _, Result, bail, ensure};
use chargebook_domain::events::reference::Source;
use std::collections::BTreeMap;

/// What a level of nesting is indented by.
const INDENT: &str = "    ";

/// A public struct or enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Its name.
    pub(super) name: String,
    /// Its comment.
    pub(super) comment: String,
    /// What `#[serde(…)]` says, by key.
    pub(super) serde: Settings,
    /// What it is made of.
    pub(super) body: Body,
}

/// Settings of an attribute: `key` or `key = "value"`.
pub(super) type Settings = BTreeMap<String, String>;

/// What an item is made of; read no further than that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// `(…);`: the one type inside.
    Newtype(String),
    /// Of a struct, the lines between the braces.
    Struct(Vec<String>),
    /// Of an enum, the lines between the braces.
    Enum(Vec<String>),
}

/// A field of a struct or of a variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Its name.
    pub(super) name: String,
    /// Its comment.
    pub(super) comment: String,
    /// What `#[serde(…)]` says.
    pub(super) serde: Settings,
    /// Its type, as written.
    pub(super) type_text: String,
}

/// A variant of an enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    /// Its name.
    pub(super) name: String,
    /// Its comment.
    pub(super) comment: String,
    /// What `#[serde(…)]` says.
    pub(super) serde: Settings,
    /// Its fields, if it has named ones.
    pub(super) fields: Vec<Field>,
}

/// The items of all sources, by name.
pub(super) fn items(sources: &[Source]) -> Result<BTreeMap<String, Item>> {
    let mut items = BTreeMap::new();
    for source in sources {
        let found = items_of(source.text).with_context(|| format!("in {}", source.path))?;
        for item in found {
            let name = item.name.clone();
            let before = items.insert(name.clone(), item);
            ensure!(before.is_none(), "`{name}` is defined twice; again in {}", source.path);
        }
    }
    Ok(items)
}

fn items_of(text: &str) -> Result<Vec<Item>> {
    let mut lines = text.lines();
    let mut items = Vec::new();
    let mut head = Head::default();
    while let Some(line) = lines.next() {
        if head.takes(line, &mut lines)? {
            continue;
        }
        let head = std::mem::take(&mut head);
        if let Some(rest) = line.strip_prefix("pub struct ") {
            items.push(struct_item(head, rest, &mut lines)?);
        } else if let Some(rest) = line.strip_prefix("pub enum ") {
            let (name, _) = rest.split_once([' ', '<']).context("an enum without a body")?;
            items.push(head.item(name, Body::Enum(block(&mut lines)))?);
        } else if line == "uuid_ids! {" {
            items.extend(uuid_ids(&block(&mut lines))?);
        }
    }
    Ok(items)
}

/// The lines up to the closing brace at the left margin.
fn block<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Vec<String> {
    lines.take_while(|line| *line != "}").map(str::to_owned).collect()
}

fn struct_item<'a>(
    head: Head,
    rest: &str,
    lines: &mut impl Iterator<Item = &'a str>,
) -> Result<Item> {
    if let Some(name) = rest.strip_suffix(" {") {
        // A parameter stands for the text that the log seals.
        let name = name.split_once('<').map_or(name, |(name, _)| name);
        return head.item(name, Body::Struct(block(lines)));
    }
    if let Some((name, inside)) = rest.strip_suffix(");").and_then(|rest| rest.split_once('(')) {
        let inside = inside.strip_prefix("pub ").unwrap_or(inside);
        return head.item(name, Body::Newtype(inside.to_owned()));
    }
    match rest.strip_suffix(';') {
        Some(name) => head.item(name, Body::Struct(Vec::new())),
        None => bail!("cannot read `pub struct {rest}`"),
    }
}

/// The ids that a macro declares: each a uuid of its own kind.
fn uuid_ids(lines: &[String]) -> Result<Vec<Item>> {
    let declarations = declarations(lines, INDENT)?;
    let item = |declaration: Declaration| {
        let name = declaration.line.strip_suffix(';');
        let name = name.with_context(|| format!("cannot read `{}`", declaration.line))?.to_owned();
        let mut item = declaration.head.item(&name, Body::Newtype("Uuid".to_owned()))?;
        item.serde.insert("transparent".to_owned(), String::new());
        Ok(item)
    };
    declarations.into_iter().map(item).collect()
}

/// The fields between a struct's braces.
pub(super) fn fields(lines: &[String]) -> Result<Vec<Field>> {
    fields_within(lines, INDENT, "pub ")
}

fn fields_within(lines: &[String], indent: &str, visibility: &str) -> Result<Vec<Field>> {
    let field = |declaration: Declaration| {
        let line = &declaration.line;
        let (name, type_text) = line
            .strip_prefix(visibility)
            .and_then(|rest| rest.strip_suffix(',')?.split_once(": "))
            .with_context(|| format!("cannot read the field `{line}`"))?;
        let comment = declaration.head.comment();
        ensure!(!comment.is_empty(), "the field `{name}` has no comment");
        Ok(Field {
            name: name.to_owned(),
            comment,
            serde: declaration.head.serde()?,
            type_text: type_text.to_owned(),
        })
    };
    declarations(lines, indent)?.into_iter().map(field).collect()
}

/// The variants between an enum's braces.
pub(super) fn variants(lines: &[String]) -> Result<Vec<Variant>> {
    let inner = INDENT.repeat(2);
    let variant = |declaration: Declaration| {
        let line = &declaration.line;
        let name = line.strip_suffix(',').or_else(|| line.strip_suffix(" {"));
        let name = name.filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric()));
        let name = name.with_context(|| format!("cannot read the variant `{line}`"))?.to_owned();
        let comment = declaration.head.comment();
        ensure!(!comment.is_empty(), "the variant `{name}` has no comment");
        let fields = fields_within(&declaration.inside, &inner, "")
            .with_context(|| format!("in the variant `{name}`"))?;
        Ok(Variant { name, comment, serde: declaration.head.serde()?, fields })
    };
    declarations(lines, INDENT)?.into_iter().map(variant).collect()
}

/// One declaration among others.
struct Declaration {
    head: Head,
    line: String,
    /// The lines between its braces, if it opens any.
    inside: Vec<String>,
}

/// What is declared at one level of indentation.
fn declarations(lines: &[String], indent: &str) -> Result<Vec<Declaration>> {
    let mut declarations = Vec::new();
    let mut head = Head::default();
    let mut lines = lines.iter().map(String::as_str);
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let line = line.strip_prefix(indent).filter(|line| !line.starts_with(' '));
        let line = line.context("a line is not indented as expected")?;
        if head.takes(line, &mut lines)? {
            continue;
        }
        let mut inside = Vec::new();
        if line.ends_with('{') {
            let end = format!("{indent}}},");
            inside.extend(lines.by_ref().take_while(|line| *line != end).map(str::to_owned));
        }
        declarations.push(Declaration {
            head: std::mem::take(&mut head),
            line: line.to_owned(),
            inside,
        });
    }
    Ok(declarations)
}

/// The comment and the attributes before a declaration.
#[derive(Default)]
struct Head {
    comment: Vec<String>,
    attributes: Vec<String>,
}

impl Head {
    /// Whether `line` belongs to the head; an attribute may go on over the next lines.
    fn takes<'a>(&mut self, line: &str, lines: &mut impl Iterator<Item = &'a str>) -> Result<bool> {
        if let Some(comment) = line.strip_prefix("///") {
            self.comment.push(comment.trim().to_owned());
            return Ok(true);
        }
        if !line.starts_with("#[") {
            return Ok(false);
        }
        let mut attribute = line.to_owned();
        while !attribute.ends_with(']') {
            attribute.push_str(lines.next().context("an attribute does not end")?.trim());
        }
        self.attributes.push(attribute);
        Ok(true)
    }

    fn item(self, name: &str, body: Body) -> Result<Item> {
        let serde = self.serde().with_context(|| format!("at `{name}`"))?;
        Ok(Item { name: name.to_owned(), comment: self.comment(), serde, body })
    }

    /// The comment as running text for people who read JSON: an empty line parts paragraphs, names
    /// of code are no links, and what is `None` in Rust is null.
    fn comment(&self) -> String {
        let paragraphs = self.comment.split(|line| line.is_empty()).map(|lines| lines.join(" "));
        let paragraphs: Vec<_> = paragraphs.filter(|text| !text.is_empty()).collect();
        without_links(&paragraphs.join("\n\n")).replace("`None`", "null")
    }

    fn serde(&self) -> Result<Settings> {
        let mut settings = Settings::new();
        for attribute in &self.attributes {
            let Some(inside) = attribute.strip_prefix("#[serde(") else { continue };
            let inside = inside.strip_suffix(")]").context("an attribute of serde does not end")?;
            for setting in inside.split(", ") {
                let (key, value) = setting.split_once(" = ").unwrap_or((setting, ""));
                settings.insert(key.to_owned(), value.trim_matches('"').to_owned());
            }
        }
        Ok(settings)
    }
}

/// Replaces ``[`name`](path)`` and ``[`name`]`` by `` `name` ``.
fn without_links(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, link)) = rest.split_once("[`") {
        let Some((name, after)) = link.split_once("`]") else { break };
        out.push_str(&format!("{before}`{name}`"));
        rest = match after.strip_prefix('(').and_then(|path| path.split_once(')')) {
            Some((_, after)) => after,
            None => after,
        };
    }
    out + rest
}
