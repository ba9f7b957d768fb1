//! Splitting a logical line: keyword, flags, words, JSON, heredoc marks.

use serde_json::Value;

use super::{
    expand::{Quotes, Syntax, expand},
    instruction::Heredoc,
};

/// Blanks that separate; the line itself holds no newline.
const BLANKS: [char; 5] = ['\t', '\u{b}', '\u{c}', '\r', ' '];

/// A JSON array with something else than strings in it.
pub(super) const NOT_STRINGS: &str = "when using JSON array syntax, arrays must be comprised of strings only";

/// A text in double quotes, as messages show it.
pub(super) fn quoted(text: &str) -> String {
    let mut shown = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => shown.extend(['\\', char]),
            char if char.is_control() => shown.extend(char.escape_default()),
            char => shown.push(char),
        }
    }
    shown.push('"');
    shown
}

/// Splits a trimmed text at its first blanks.
pub(super) fn split_first(text: &str) -> (&str, &str) {
    match text.find(BLANKS) {
        Some(at) => (&text[..at], text[at..].trim_start_matches(BLANKS)),
        None => (text, ""),
    }
}

/// Words between blanks, quotes or not.
pub(super) fn plain_words(text: &str) -> Vec<&str> {
    text.split(BLANKS).filter(|word| !word.is_empty()).collect()
}

/// Takes the flags from the beginning of the arguments. In them quotes group and the backslash escapes, whatever the
/// escape of the file. A lone `--` ends them.
pub(super) fn take_flags(text: &str) -> (Vec<String>, &str) {
    let mut flags = Vec::new();
    let mut rest = text.trim_start();
    while rest.starts_with("--") {
        let (mut flag, mut end, mut quote) = (String::new(), rest.len(), None);
        let mut chars = rest.char_indices();
        while let Some((at, char)) = chars.next() {
            match quote {
                None if char.is_whitespace() => {
                    end = at;
                    break;
                }
                None if matches!(char, '\'' | '"') => quote = Some(char),
                Some(open) if char == open => quote = None,
                _ if char == '\\' => flag.extend(chars.next().map(|(_, escaped)| escaped)),
                _ => flag.push(char),
            }
        }
        rest = rest[end..].trim_start();
        if flag == "--" {
            break;
        }
        flags.push(flag);
    }
    (flags, rest.trim())
}

/// Words as ENV, LABEL and ARG have them: quotes group and stay, escapes stay.
pub(super) fn quoted_words(text: &str, escape: char) -> Vec<String> {
    let (mut words, mut word, mut quote, mut started) = (Vec::new(), String::new(), None, false);
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if quote.is_none() && char.is_whitespace() {
            if started {
                words.push(std::mem::take(&mut word));
            }
            started = false;
            continue;
        }
        if char == escape && quote != Some('\'') {
            // An escape at the very end is dropped.
            if let Some(escaped) = chars.next() {
                word.extend([char, escaped]);
                started = true;
            }
            continue;
        }
        match quote {
            None if matches!(char, '\'' | '"') => quote = Some(char),
            Some(open) if open == char => quote = None,
            _ => {}
        }
        word.push(char);
        started = true;
    }
    if started {
        words.push(word);
    }
    words
}

/// A JSON array of strings. `None` for what is no JSON array at all: it is then shell form, or words.
pub(super) fn json(text: &str) -> Result<Option<Vec<String>>, String> {
    if !text.starts_with('[') {
        return Ok(None);
    }
    let Ok(values) = serde_json::from_str::<Vec<Value>>(text) else { return Ok(None) };
    let strings = values.into_iter().map(|value| match value {
        Value::String(string) => Ok(string),
        _ => Err(NOT_STRINGS.to_owned()),
    });
    strings.collect::<Result<_, _>>().map(Some)
}

/// The heredoc a word names: `<<EOF`, `3<<-'EOF'`. Its content is not there yet.
pub(super) fn heredoc(word: &str) -> Option<Heredoc> {
    let rest = word.trim_start_matches(|char: char| char.is_ascii_digit()).strip_prefix("<<")?;
    let (chomp, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    if rest.is_empty() || rest.contains(['<', '\n']) {
        return None;
    }
    let one_word = |quotes, raw| {
        let words = expand(rest, Syntax { escape: '\\', quotes, raw }, &|_| None).ok()?.words;
        <[String; 1]>::try_from(words).ok().map(|[word]| word)
    };
    let written = one_word(Quotes::Keep, true)?;
    // Variables in a delimiter stay as they are written.
    let name = unquoted(&written);
    (!name.is_empty()).then(|| Heredoc { expand: name == written, name, chomp, content: String::new() })
}

/// Every heredoc a line names, in order.
pub(super) fn heredocs(line: &str) -> Vec<Heredoc> {
    if !line.contains("<<") {
        return Vec::new();
    }
    let syntax = Syntax { escape: '\\', quotes: Quotes::Keep, raw: true };
    let words = expand(line, syntax, &|_| None).map(|expanded| expanded.words).unwrap_or_default();
    words.iter().filter_map(|word| heredoc(word)).collect()
}

/// A word without its quotes and escapes.
fn unquoted(word: &str) -> String {
    let (mut plain, mut quote) = (String::new(), None);
    let mut chars = word.chars().peekable();
    while let Some(char) = chars.next() {
        match quote {
            None if matches!(char, '\'' | '"') => quote = Some(char),
            Some(open) if open == char => quote = None,
            None if char == '\\' => plain.extend(chars.next()),
            Some('"') if char == '\\' => {
                plain.push(chars.next_if(|next| matches!(next, '"' | '$' | '\\')).unwrap_or('\\'));
            }
            _ => plain.push(char),
        }
    }
    plain
}
