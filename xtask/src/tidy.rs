//! What no compiler checks: heads of files, widths, leftovers, the purity of the pure rooms.
//!
//! Each rule is a function from one file's path and text to complaints, so each has a test that it
//! can complain. The arrows between rooms are checked by `tests/integration/architecture.rs`.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

#[cfg(test)]
mod tests;

const LINE_CHARS_MAX: usize = 100;
/// A line with a text in quotes, which the formatter cannot break.
const QUOTING_LINE_CHARS_MAX: usize = 120;
/// A word that pushes a line over its width without anybody's fault: a link, a digest, a key.
const LONG_WORD_CHARS_MIN: usize = 50;
const FILE_LINES_MAX: usize = 600;

/// Longer files that are better whole; each says why.
const LONG_FILES: &[(&str, &str)] = &[];

/// Folders that hold nothing of ours.
const FOLDERS_NOT_OURS: &[&str] = &[".git", "target", "chargebook-data", "__pycache__"];

/// Files that a program writes.
const FILES_NOT_BY_HAND: &[&str] = &["Cargo.lock", "openapi.json"];

/// Texts that are read as lines; anything else (golden files, images) is only walked past.
const TEXT_ENDINGS: &[&str] =
    &["rs", "toml", "md", "py", "sh", "sql", "html", "css", "js", "yml", "yaml"];

/// Files that must exist.
const FILES_NEEDED: &[&str] =
    &["LICENSE-MIT", "LICENSE-APACHE", "CHANGELOG.md", "Cargo.lock", ".ci/run"];

/// Words that say a thing is unfinished. Split, so that this file does not name itself.
const LEFTOVERS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("unimple", "mented!("),
    concat!("to", "do!("),
    concat!("#[ign", "ore"),
    concat!("pytest.mark.sk", "ip"),
];

/// Settings that bind a build to somebody's package mirror.
const MIRRORS: &[&str] = &[
    concat!("replace", "-with"),
    concat!("index", "-url"),
    concat!("find", "-links"),
    concat!("trusted", "-host"),
];

/// Rooms that decide or prove: time, chance and the outside world come to them as arguments.
const PURE_ROOMS: &[&str] = &["domain/src/", "proof/src/", "audit/src/"];

const IMPURITIES: &[&str] = &[
    "Utc::now",
    "Local::now",
    "SystemTime::now",
    "Instant::now",
    "Uuid::now_v7",
    "Uuid::new_v4",
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "async fn",
];

/// One thing wrong at one place.
#[derive(Debug, PartialEq, Eq)]
struct Complaint {
    path: String,
    line: usize,
    what: String,
}

/// Checks the whole tree and prints every complaint.
pub(crate) fn run(root: &Path) -> Result<()> {
    let files = text_files(root)?;
    let mut complaints = missing_files(root);
    complaints.extend(members_without_lints(root)?);
    complaints.extend(tests_that_are_not(root)?);
    for path in &files {
        let text = std::fs::read_to_string(root.join(path))
            .with_context(|| format!("cannot read {path}"))?;
        complaints.extend(check(path, &text));
    }
    for Complaint { path, line, what } in &complaints {
        println!("{path}:{line}: {what}");
    }
    match complaints.len() {
        0 => println!("{} files are tidy", files.len()),
        count => bail!("{count} complaints"),
    }
    Ok(())
}

/// All rules on one file.
fn check(path: &str, text: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    complaints.extend(ending(path, text));
    complaints.extend(length(path, text));
    complaints.extend(module_head(path, text));
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let found = [width(path, line), leftover(line), mirror(path, line), impurity(path, line)];
        complaints.extend(found.into_iter().flatten().map(|what| complaint(path, number, what)));
        if line.trim_end() != line && !path.ends_with(".md") {
            complaints.push(complaint(path, number, "white space at the end of the line".into()));
        }
    }
    complaints
}

fn complaint(path: &str, line: usize, what: String) -> Complaint {
    Complaint { path: path.to_owned(), line, what }
}

fn ending(path: &str, text: &str) -> Option<Complaint> {
    let lines = text.lines().count();
    if text.is_empty() || !text.ends_with('\n') || text.ends_with("\n\n") {
        let what = "a file ends with one newline".to_owned();
        return Some(complaint(path, lines.max(1), what));
    }
    None
}

fn length(path: &str, text: &str) -> Option<Complaint> {
    let lines = text.lines().count();
    let listed = LONG_FILES.iter().any(|(long, _)| *long == path);
    let by_hand = path.ends_with(".rs") || path.ends_with(".py");
    (by_hand && lines > FILE_LINES_MAX && !listed).then(|| {
        let what = format!("{lines} lines: split it, or list it in tidy with a reason");
        complaint(path, lines, what)
    })
}

/// A module says first what it is for. A file of tests beside its module need not.
fn module_head(path: &str, text: &str) -> Option<Complaint> {
    let tests_beside = path.ends_with("/tests.rs");
    if !path.ends_with(".rs") || tests_beside || text.starts_with("//!") {
        return None;
    }
    Some(complaint(path, 1, "a module opens with `//!`: what it is for".into()))
}

fn width(path: &str, line: &str) -> Option<String> {
    let chars = line.chars().count();
    let by_hand = path.ends_with(".rs") || path.ends_with(".py");
    let longest_word = line.split_whitespace().map(|word| word.chars().count()).max().unwrap_or(0);
    let breakable = longest_word < LONG_WORD_CHARS_MIN;
    let max = if line.contains('"') { QUOTING_LINE_CHARS_MAX } else { LINE_CHARS_MAX };
    (by_hand && breakable && chars > max)
        .then(|| format!("{chars} characters wide, {max} are enough"))
}

fn leftover(line: &str) -> Option<String> {
    let word = LEFTOVERS.iter().find(|word| line.contains(**word))?;
    Some(format!("`{word}`: finish it, or write an issue"))
}

fn mirror(path: &str, line: &str) -> Option<String> {
    let configures = path.ends_with(".toml") || path.ends_with(".txt") || path.ends_with(".yml");
    let word = MIRRORS.iter().find(|word| configures && line.contains(**word))?;
    Some(format!("`{word}`: the project builds from the public registries"))
}

fn impurity(path: &str, line: &str) -> Option<String> {
    if !PURE_ROOMS.iter().any(|room| path.starts_with(room)) || is_test_path(path) {
        return None;
    }
    let code = line.split("//").next().unwrap_or_default();
    let word = IMPURITIES.iter().find(|word| code.contains(**word))?;
    Some(format!("`{word}` in a pure room: take it as an argument"))
}

fn is_test_path(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/")
}

fn missing_files(root: &Path) -> Vec<Complaint> {
    let missing = FILES_NEEDED.iter().filter(|path| !root.join(path).is_file());
    missing.map(|path| complaint(path, 1, "this file must exist".into())).collect()
}

/// The page that names the tests which show what a test case of the standard asks for.
const CONFORMANCE: &str = "docs/conformance.md";

/// Tests that the page on conformance names and that do not exist.
fn tests_that_are_not(root: &Path) -> Result<Vec<Complaint>> {
    let page = read(root, CONFORMANCE)?;
    let mut complaints = Vec::new();
    for (line, path, test) in tests_named(&page) {
        let exists = read(root, path).is_ok_and(|text| text.contains(&format!("fn {test}(")));
        if !exists {
            complaints.push(complaint(CONFORMANCE, line, format!("no test {path}::{test}")));
        }
    }
    Ok(complaints)
}

/// Every file and test in back quotes, with its line.
fn tests_named(page: &str) -> Vec<(usize, &str, &str)> {
    let mut named = Vec::new();
    for (index, line) in page.lines().enumerate() {
        let quoted = line.split('`').skip(1).step_by(2);
        let tests = quoted.filter_map(|quoted| quoted.split_once("::"));
        named.extend(tests.map(|(path, test)| (index + 1, path, test)));
    }
    named
}

/// `unsafe_code = "forbid"` stands in the workspace's lints: every member must inherit them.
fn members_without_lints(root: &Path) -> Result<Vec<Complaint>> {
    let mut complaints = Vec::new();
    let manifest = read(root, "Cargo.toml")?;
    if !manifest.contains("unsafe_code = \"forbid\"") {
        complaints.push(complaint("Cargo.toml", 1, "the workspace must forbid unsafe code".into()));
    }
    for entry in std::fs::read_dir(root).context("cannot list the workspace")? {
        let member = entry.context("cannot list the workspace")?.path().join("Cargo.toml");
        if member.is_file() {
            let path = relative(root, &member);
            let text = read(root, &path)?;
            complaints.extend(lints_inherited(&path, &text));
        }
    }
    complaints.extend(lints_inherited("Cargo.toml", &manifest));
    Ok(complaints)
}

fn lints_inherited(path: &str, manifest: &str) -> Option<Complaint> {
    let inherits = manifest.contains("[lints]\nworkspace = true\n");
    (!inherits).then(|| complaint(path, 1, "needs `[lints]` with `workspace = true`".into()))
}

fn read(root: &Path, path: &str) -> Result<String> {
    std::fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))
}

/// Every text file of ours, relative to the root, in order.
fn text_files(root: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let path = entry.context("cannot read a folder's entry")?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_symlink() || FOLDERS_NOT_OURS.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if is_text(&path) && !FILES_NOT_BY_HAND.contains(&name.as_str()) {
                files.push(relative(root, &path));
            }
        }
    }
    files.sort();
    Ok(files)
}

fn is_text(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    TEXT_ENDINGS.contains(&ending.as_ref())
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}
