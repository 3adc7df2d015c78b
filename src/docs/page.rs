//! Writes `docs/events.md`.

use super::schema::{Form, Member, Presence, Schema, Shape, Type, Word};
use super::{source, streams};
use anyhow::{Context as _, Result, ensure};
use chargebook_domain::events::reference::{Entry, SOURCES};
use chargebook_domain::events::{EVENT_REFERENCE, EVENT_TYPES};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What is written by hand; `{name}` stands for a part that is not.
const INTRODUCTION: &str = include_str!("introduction.md");

/// The section that the simple values are described in.
const SIMPLE_ANCHOR: &str = "simple-values";

/// Ends of a name, and the unit that they say; a longer end is before one that it ends with.
const UNITS: &[(&str, &str)] = &[
    ("_kwh", "kWh"),
    ("_wh", "Wh"),
    ("_seconds", "s"),
    ("_bytes", "bytes"),
    ("_percent", "percent"),
    ("_minor", "minor units"),
    ("_w_max", "W"),
];

/// The reference of all events.
///
/// # Errors
/// A declaration without a comment or in a form that is not known, or one that does not agree
/// with its golden example.
pub(super) fn events() -> Result<String> {
    let mut schema = Schema::new(source::items(SOURCES)?);
    for name in EVENT_REFERENCE.iter().map(|entry| entry.data_type).chain(["Meta", "Hole"]) {
        schema.include(name)?;
    }
    streams::check()?;
    let page = Page { own: own_types(&schema)?, schema };
    let mut text = page.introduction()?;
    text.push_str(&page.contents()?);
    for entry in EVENT_REFERENCE {
        let section = page.event(entry);
        text.push_str(&section.with_context(|| format!("event `{}`", entry.event_type))?);
    }
    text.push_str(&page.shared_types()?);
    Ok(text)
}

/// For each type which event describes it: an event's data its own event, any other type the
/// only event that is made of it. What is left is shared.
fn own_types(schema: &Schema) -> Result<BTreeMap<String, Option<&'static str>>> {
    let mut own = BTreeMap::new();
    for entry in EVENT_REFERENCE {
        for name in schema.made_of(entry.data_type)? {
            own.entry(name).and_modify(|user| *user = None).or_insert(Some(entry.event_type));
        }
    }
    for entry in EVENT_REFERENCE {
        own.insert(entry.data_type.to_owned(), Some(entry.event_type));
    }
    Ok(own)
}

struct Page {
    schema: Schema,
    own: BTreeMap<String, Option<&'static str>>,
}

impl Page {
    fn introduction(&self) -> Result<String> {
        let parts = [
            ("{streams}", streams_table()),
            ("{meta}", shape(self.schema.named("Meta")?)),
            ("{simple}", self.simple_values()),
            ("{hole}", shape(self.schema.named("Hole")?)),
        ];
        let mut text = INTRODUCTION.to_owned();
        for (name, part) in parts {
            ensure!(text.contains(name), "the introduction has no place for {name}");
            text = text.replace(name, part.trim_end());
        }
        Ok(text)
    }

    fn simple_values(&self) -> String {
        let mut text = "| Type | JSON | Meaning |\n|---|---|---|\n".to_owned();
        for (name, simple) in &self.schema.simple {
            let form = form_name(&simple.form);
            push(&mut text, format_args!("| {name} | {form} | {} |\n", cell(&simple.meaning)));
        }
        text
    }

    fn contents(&self) -> Result<String> {
        let mut text = "\n## Contents\n\n| Event | Meaning |\n|---|---|\n".to_owned();
        for (event_type, _) in EVENT_TYPES {
            let meaning = cell(&self.meaning(event_type)?);
            let anchor = anchor(event_type);
            push(&mut text, format_args!("| [`{event_type}`](#{anchor}) | {meaning} |\n"));
        }
        text.push_str("\nWhat several of them are made of: [shared types](#shared-types).\n");
        Ok(text)
    }

    /// What an event means: its struct's comment, without the name that it begins with.
    fn meaning(&self, event_type: &str) -> Result<String> {
        let entry = EVENT_REFERENCE.iter().find(|entry| entry.event_type == event_type);
        let entry = entry.with_context(|| format!("`{event_type}` has no entry"))?;
        let comment = &self.schema.named(entry.data_type)?.meaning;
        meaning_of(event_type, comment)
    }

    fn event(&self, entry: &Entry) -> Result<String> {
        let Entry { event_type, schema_version, data_type, example } = *entry;
        let example: Value = serde_json::from_str(example).context("the golden example")?;
        self.schema
            .check(&Form::Type(data_type.to_owned()), &example)
            .context("the golden example does not agree with the declaration")?;
        let meaning = self.meaning(event_type)?;
        let streams = streams::names_of(event_type)?.join("`, `");
        let mut text = format!(
            "\n## `{event_type}`\n\n{meaning}\n\nStream: `{streams}`. Schema version: \
             {schema_version}.\n\n"
        );
        for name in self.schema.made_of(data_type)? {
            if self.own.get(&name) != Some(&Some(event_type)) {
                continue;
            }
            let of = self.schema.named(&name)?;
            if name != data_type {
                push(&mut text, format_args!("\n### {name}\n\n{}\n\n", of.meaning));
            }
            text.push_str(&shape(of));
        }
        let pretty = serde_json::to_string_pretty(&example)?;
        push(&mut text, format_args!("\nExample:\n\n```json\n{pretty}\n```\n"));
        Ok(text)
    }

    fn shared_types(&self) -> Result<String> {
        let mut text = "\n## Shared types\n".to_owned();
        for name in self.own.iter().filter_map(|(name, user)| user.is_none().then_some(name)) {
            let of = self.schema.named(name)?;
            push(&mut text, format_args!("\n### {name}\n\n{}\n\n", of.meaning));
            text.push_str(&shape(of));
        }
        Ok(text)
    }
}

/// The table of streams.
fn streams_table() -> String {
    let mut text = "| Stream | Holds |\n|---|---|\n".to_owned();
    for stream in streams::STREAMS {
        push(&mut text, format_args!("| `{}` | {} |\n", stream.name, stream.holds));
    }
    text
}

/// The tables of a type.
fn shape(of: &Type) -> String {
    match &of.shape {
        Shape::Object(members) => member_table(members),
        Shape::Words(words) => {
            let mut text = "| Word | Meaning |\n|---|---|\n".to_owned();
            for Word { word, meaning, .. } in words {
                push(&mut text, format_args!("| `{word}` | {} |\n", cell(meaning)));
            }
            text
        }
        Shape::Choice { tag, words } => {
            let mut text = format!("| `{tag}` | Meaning | Further members |\n|---|---|---|\n");
            for Word { word, meaning, members } in words {
                let further: Vec<String> = members.iter().map(inline).collect();
                let row = (cell(meaning), further.join("<br>"));
                push(&mut text, format_args!("| `{word}` | {} | {} |\n", row.0, row.1));
            }
            text
        }
    }
}

fn member_table(members: &[Member]) -> String {
    let mut text = "| Member | Type | Meaning |\n|---|---|---|\n".to_owned();
    for member in members {
        let row = (member_type(member), cell(&member.meaning));
        push(&mut text, format_args!("| `{}` | {} | {} |\n", member.name, row.0, row.1));
    }
    text
}

fn inline(member: &Member) -> String {
    let meaning = cell(&member.meaning);
    format!("`{}` ({}): {meaning}", member.name, member_type(member))
}

fn member_type(member: &Member) -> String {
    let form = form_name(&member.form);
    let unit = match unit(member) {
        Some(unit) => format!(" in {unit}"),
        None => String::new(),
    };
    let presence = match member.presence {
        Presence::Required => "",
        Presence::OrNull => ", or null",
        Presence::OrAbsent => ", may be absent",
    };
    format!("{form}{unit}{presence}")
}

/// A form in words, with a link to where it is described.
fn form_name(form: &Form) -> String {
    match form {
        Form::Text => "string".to_owned(),
        Form::Integer => "integer".to_owned(),
        Form::Boolean => "boolean".to_owned(),
        Form::Decimal => "decimal".to_owned(),
        Form::Uuid => "uuid".to_owned(),
        Form::Instant => "instant".to_owned(),
        Form::Sealed => "[sealed text](#sealed-text)".to_owned(),
        Form::List(item) => format!("list of {}", form_name(item)),
        Form::Simple(name) if name == "Timestamp" => "instant".to_owned(),
        Form::Simple(name) => format!("[{name}](#{SIMPLE_ANCHOR})"),
        Form::Type(name) => {
            let event = EVENT_REFERENCE.iter().find(|entry| entry.data_type == name);
            let heading = event.map_or(name.as_str(), |entry| entry.event_type);
            format!("[{heading}](#{})", anchor(heading))
        }
    }
}

/// The unit of a member's numbers.
fn unit(member: &Member) -> Option<&'static str> {
    if member.form == Form::Simple("WattHours".to_owned()) {
        return Some("Wh");
    }
    let counts = matches!(member.form, Form::Integer | Form::Decimal);
    let said = UNITS.iter().find(|(end, _)| counts && member.name.ends_with(end));
    said.map(|(_, unit)| *unit)
}

/// An event's comment without its type before it: "`log.created`: the first event of a log."
/// Fails where nothing is left.
pub(super) fn meaning_of(event_type: &str, comment: &str) -> Result<String> {
    let meaning = comment.strip_prefix(&format!("`{event_type}`: "));
    let meaning = meaning.with_context(|| {
        format!("the comment of `{event_type}` must begin with its name and say what it means")
    })?;
    let mut letters = meaning.chars();
    let first = letters.next().context("an empty comment")?;
    Ok(first.to_uppercase().chain(letters).collect())
}

/// Text as a cell of a table: one line, without what would end the cell.
fn cell(text: &str) -> String {
    text.replace("\n\n", "<br>").replace('|', "\\|")
}

/// The place of a heading in the page: as Git hosts make it, in lower case and without
/// punctuation.
pub(super) fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ' '));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn push(text: &mut String, more: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(more);
}
