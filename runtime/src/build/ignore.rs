//! `.dockerignore`: which files of the context a build does not see.
//!
//! A pattern excludes what it matches and everything below; `!` takes back; the last pattern that matches decides. The
//! Dockerfile and the ignore file may be excluded too: the builder still reads them, but nothing can copy them.

use super::pattern::{BadPattern, Pattern};

/// An ignore file that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreError {
    /// A `!` alone.
    #[error("illegal exclusion pattern: \"!\"")]
    Exclamation,
    /// A bad glob.
    #[error("error from parsing pattern {pattern:?}: {source}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        source: BadPattern,
    },
}

impl From<IgnoreError> for crate::error::Error {
    fn from(error: IgnoreError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// Patterns of an ignore file or of `--exclude`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    pattern: Pattern,
    /// `!`.
    keeps: bool,
}

/// Where the ignore file of a Dockerfile is looked for, in order: beside it, then at the root of the context.
pub fn candidates(dockerfile: &str) -> [String; 2] {
    [format!("{dockerfile}.dockerignore"), ".dockerignore".to_owned()]
}

impl Ignore {
    /// Reads an ignore file.
    pub fn parse(text: &[u8]) -> Result<Self, IgnoreError> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        // A comment is one only without blanks before it.
        Self::new(text.split(|byte| *byte == b'\n').filter(|line| line.first() != Some(&b'#')))
    }

    /// From patterns, in order.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, IgnoreError> {
        let mut rules = Vec::new();
        for line in patterns {
            let line = trim(line);
            let (keeps, text) = match line.strip_prefix(b"!") {
                Some(rest) => (true, trim(rest)),
                None => (false, line),
            };
            if text.is_empty() {
                if keeps {
                    return Err(IgnoreError::Exclamation);
                }
                continue;
            }
            let cleaned = clean(text);
            let path = cleaned.strip_prefix(b"/").filter(|rest| !rest.is_empty()).unwrap_or(&cleaned);
            // Matches no file, and is ignored for historical reasons.
            if path == b"." {
                continue;
            }
            let pattern = Pattern::deep(path).map_err(|source| IgnoreError::Pattern {
                pattern: String::from_utf8_lossy(text).into_owned(),
                source,
            })?;
            rules.push(Rule { pattern, keeps });
        }
        Ok(Self { rules })
    }

    /// Whether it excludes nothing.
    pub fn is_empty(&self) -> bool {
        self.rules.iter().all(|rule| rule.keeps)
    }

    /// Whether a file or folder is excluded; the path is relative to the root of the context, without `.` and `..`.
    pub fn excludes(&self, path: &[u8]) -> bool {
        let mut excluded = false;
        for rule in &self.rules {
            // One that wouldn't change anything needs no look.
            if rule.keeps == excluded && rule.pattern.matches_or_above(path) {
                excluded = !rule.keeps;
            }
        }
        excluded
    }

    /// Whether an excluded folder may have files below it that aren't: it has to be walked then.
    pub fn may_keep_below(&self, folder: &[u8]) -> bool {
        self.rules.iter().any(|rule| rule.keeps && rule.pattern.could_match_below(folder))
    }
}

fn trim(line: &[u8]) -> &[u8] {
    match std::str::from_utf8(line) {
        Ok(text) => text.trim().as_bytes(),
        Err(_) => line.trim_ascii(),
    }
}

/// The shortest equal path: without `.`, `..` and double slashes.
pub(crate) fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.first() == Some(&b'/');
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if parts.last().is_some_and(|last| *last != b"..") => drop(parts.pop()),
            b".." if rooted => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join(&b'/');
    match (rooted, joined.is_empty()) {
        (true, _) => [b"/", joined.as_slice()].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}

#[cfg(test)]
#[path = "ignore_tests.rs"]
mod tests;
