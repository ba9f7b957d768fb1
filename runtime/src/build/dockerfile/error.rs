//! What is wrong with a Dockerfile, and where.

use std::fmt;

use super::Location;

/// More lines than this of one instruction are not shown.
const MOST_SHOWN: usize = 8;
/// Nor more characters of one line.
const MOST_CHARS: usize = 200;
/// Nor of a message: it may quote what was written.
const MOST_SAID: usize = 1000;

/// A Dockerfile that can't be built. Displayed with the line and the text of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    message: String,
    location: Option<Location>,
    excerpt: String,
}

impl ParseError {
    /// An error in the text at these lines of it.
    pub(super) fn at(location: Location, message: &str, source: &[String]) -> Self {
        let message = format!("dockerfile parse error on line {}: {}", location.first, cut(message, MOST_SAID));
        Self { message, location: Some(location), excerpt: excerpt(source, location) }
    }

    /// An error of the whole: the line is shown, but no part of the message.
    pub(super) fn of(location: Option<Location>, mut message: String, source: &[String]) -> Self {
        let excerpt = location.map(|location| excerpt(source, location)).unwrap_or_default();
        if let Some((end, _)) = message.char_indices().nth(MOST_SAID) {
            message.truncate(end);
            message.push_str("...");
        }
        Self { message, location, excerpt }
    }

    /// The message without the source lines.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The lines it is about.
    pub fn location(&self) -> Option<Location> {
        self.location
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.excerpt.is_empty() {
            write!(f, "\n{}", self.excerpt)?;
        }
        Ok(())
    }
}

impl std::error::Error for ParseError {}

impl From<ParseError> for crate::error::Error {
    fn from(error: ParseError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// The lines of a place, each with its number.
pub(super) fn excerpt(source: &[String], location: Location) -> String {
    let lines = location.lines().filter_map(|number| Some((number, source.get(number.checked_sub(1)?)?)));
    let mut shown: Vec<String> = lines
        .take(MOST_SHOWN)
        .map(|(number, line)| format!("{number:4} | {}", cut(line.trim_end(), MOST_CHARS)))
        .collect();
    if location.last >= location.first.saturating_add(MOST_SHOWN) {
        shown.push("     | ...".to_owned());
    }
    shown.join("\n")
}

/// No more than so many characters of a text.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
