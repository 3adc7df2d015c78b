use super::*;

/// The complaints about one file, as `line: what`.
fn complaints(path: &str, text: &str) -> Vec<String> {
    check(path, text).into_iter().map(|found| format!("{}: {}", found.line, found.what)).collect()
}

fn complains(path: &str, text: &str, line: usize, part: &str) {
    let found = complaints(path, text);
    let expected = format!("{line}: ");
    assert!(
        found.iter().any(|what| what.starts_with(&expected) && what.contains(part)),
        "{part:?} expected in line {line}, found {found:?}"
    );
}

#[test]
fn the_tree_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    run(root).unwrap();
}

#[test]
fn a_good_file_draws_no_complaint() {
    let text = "//! What this is for.\n\nfn main() {}\n";
    assert_eq!(complaints("domain/src/session.rs", text), Vec::<String>::new());
}

#[test]
fn a_module_without_a_head_is_named() {
    complains("store/src/log.rs", "use std::fmt;\n", 1, "opens with `//!`");
    assert!(complaints("store/src/log/tests.rs", "use super::*;\n").is_empty());
}

#[test]
fn endings_are_one_newline() {
    complains("docs/a.md", "text", 1, "newline");
    complains("docs/a.md", "text\n\n", 2, "newline");
    complains("docs/a.md", "", 1, "newline");
}

#[test]
fn wide_lines_are_named_unless_they_cannot_be_broken() {
    let words = format!("//! {}\n", "word ".repeat(30).trim_end());
    complains("store/src/log.rs", &words, 1, "wide");
    let link = format!("//! See https://example.org/{}\n", "a".repeat(100));
    assert!(complaints("store/src/log.rs", &link).is_empty());
    let quoting = format!("//! Quotes.\nlet a = \"{}\";\n", "word ".repeat(21));
    assert!(complaints("store/src/log.rs", &quoting).is_empty());
    assert!(complaints("docs/a.md", &words).is_empty());
}

#[test]
fn leftovers_are_named() {
    for word in LEFTOVERS {
        complains("store/src/log.rs", &format!("//! Log.\n{word}\n"), 2, word);
    }
}

#[test]
fn mirrors_are_named_in_settings_only() {
    for word in MIRRORS {
        complains(".cargo/config.toml", &format!("{word} = \"here\"\n"), 1, word);
        assert!(complaints("docs/operations.md", &format!("{word}\n")).is_empty());
    }
}

#[test]
fn pure_rooms_take_time_and_chance_as_arguments() {
    for word in IMPURITIES {
        complains("domain/src/rating.rs", &format!("//! Rating.\nlet a = {word}();\n"), 2, word);
        let tests = complaints("domain/src/rating/tests.rs", &format!("let a = {word}();\n"));
        assert!(tests.is_empty(), "{tests:?}");
        let elsewhere = complaints("commands/src/a.rs", &format!("//! A.\nlet a = {word}();\n"));
        assert!(elsewhere.is_empty(), "{elsewhere:?}");
    }
    let prose = "//! Rating.\n// The caller asks Utc::now, never we.\n";
    assert!(complaints("domain/src/rating.rs", prose).is_empty());
}

#[test]
fn long_files_are_named() {
    let text = format!("//! Long.\n{}", "// line\n".repeat(FILE_LINES_MAX));
    complains("store/src/log.rs", &text, FILE_LINES_MAX + 1, "split it");
}

#[test]
fn a_member_must_inherit_the_lints() {
    assert!(lints_inherited("store/Cargo.toml", "[package]\n").is_some());
    assert!(lints_inherited("store/Cargo.toml", "[lints]\nworkspace = true\n").is_none());
}

#[test]
fn the_tests_that_a_page_names_are_found() {
    let page = "# Page\n| A | `a/b.rs::one`, `c.rs::two` |\nno `code` here\n";
    assert_eq!(tests_named(page), [(2, "a/b.rs", "one"), (2, "c.rs", "two")]);
}
