//! Whether a text names somebody: by a uid, a name, an address, in whatever case, and also where
//! the text is JSON in a string of JSON.

/// Shorter words are not looked for: they stand in everything.
const WORD_CHARACTERS_MIN: usize = 3;
/// How often a text may be a string within a string.
const NESTING_MAX: u32 = 4;

/// What somebody is called by.
#[derive(Clone, Debug, Default)]
pub(super) struct Words(Vec<String>);

impl Words {
    /// Adds a word, unless it is too short or known.
    pub(super) fn add(&mut self, word: &str) {
        let word = word.trim().to_lowercase();
        if word.chars().count() >= WORD_CHARACTERS_MIN && !self.0.contains(&word) {
            self.0.push(word);
        }
    }

    /// Whether one of them stands in the text as a word of its own.
    pub(super) fn are_in(&self, text: &str) -> bool {
        let mut text = text.to_owned();
        for _ in 0..NESTING_MAX {
            let folded = text.to_lowercase();
            if self.0.iter().any(|word| stands_in(word, &folded)) {
                return true;
            }
            match unescaped(&text) {
                Some(inner) => text = inner,
                None => return false,
            }
        }
        false
    }
}

fn stands_in(word: &str, text: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

/// What the text says as the inside of a JSON string; `None` where it says the same, or is none.
fn unescaped(text: &str) -> Option<String> {
    if !text.contains('\\') {
        return None;
    }
    // A whole frame is no inside of a string: what is escaped in its strings is.
    let inside: String = serde_json::from_str(&format!("\"{text}\""))
        .ok()
        .unwrap_or_else(|| text.replace("\\\"", "\"").replace("\\\\", "\\"));
    let inside = if inside == text { unicode(text) } else { unicode(&inside) };
    (inside != text).then_some(inside)
}

/// The text with `\uXXXX` replaced by what it stands for, where that is one character.
fn unicode(text: &str) -> String {
    let mut parts = text.split("\\u");
    let mut read = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match code.and_then(char::from_u32) {
            Some(character) => {
                read.push(character);
                read.push_str(&part[4..]);
            }
            None => {
                read.push_str("\\u");
                read.push_str(part);
            }
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_found_by_whole_words_in_any_case_and_depth() {
        let mut words = Words::default();
        for word in ["04A1B2C3", "Jörg Groß", "j.gross@example.org", "ab"] {
            words.add(word);
        }
        let check = |text: &str, expect: bool| assert_eq!(words.are_in(text), expect, "{text}");
        check("04a1b2c3", true);
        check("card 04A1B2C3, again", true);
        check("card 04A1B2C3D4", false);
        check("X04A1B2C3", false);
        check("JÖRG GROß was here", true);
        check(r#"{\"by\":\"J\u00f6rg Gro\u00df\"}"#, true);
        check(r#"[2,"1","DataTransfer",{"data":"{\"by\":\"J\u00f6rg Gro\u00df\"}"}]"#, true);
        check(r#"{\"a\":\"{\\\"b\\\":\\\"j.gross@example.org\\\"}\"}"#, true);
        check("ab", false);
        check("Jörg Großmann", false);
        check("", false);
        check("\\", false);
    }
}
