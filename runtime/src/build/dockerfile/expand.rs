//! Variable expansion: `$x`, `${x}` and its modifiers, quotes and escapes, as the builder does it.
//!
//! Bounded on purpose: nesting and the length of a result have limits, so that a Dockerfile of a few lines can't take
//! the memory of the machine.

use std::{collections::BTreeSet, iter::Peekable, str::Chars};

use super::{error::cut, words::quoted};

mod wildcard;

use wildcard::Wildcard;

/// Deepest nesting of `${a:-${b:-…}}`.
const DEEPEST: usize = 50;
/// Longest text an expansion may give.
const LONGEST: usize = 1 << 20;
/// Bytes of values one expansion may ask for, whatever becomes of them: `${x##*}` is short, but not to work out.
const MOST_WORK: usize = 16 << 20;
/// More characters than this of a text are not shown.
const SHOWN: usize = 200;

/// A text that can't be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to process {}: {message}", quoted(.text))]
pub struct ExpandError {
    text: String,
    message: String,
}

impl ExpandError {
    pub(super) fn new(text: &str, message: &str) -> Self {
        Self { text: cut(text, SHOWN), message: cut(message, SHOWN) }
    }
}

impl From<ExpandError> for crate::error::Error {
    fn from(error: ExpandError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// What becomes of quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quotes {
    /// They group, and are removed.
    Strip,
    /// They group, and stay.
    Keep,
    /// They are ordinary characters.
    Ignore,
}

/// How a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syntax {
    /// The escape character.
    pub escape: char,
    /// What becomes of quotes.
    pub quotes: Quotes,
    /// Escapes stay in the result, and unset variables as they are written: only the splitting into words is wanted.
    pub raw: bool,
}

impl Syntax {
    /// An argument of an instruction.
    pub fn argument(escape: char) -> Self {
        Self { escape, quotes: Quotes::Strip, raw: false }
    }

    /// The content of a heredoc of COPY or ADD; its escape is always the backslash.
    pub fn document() -> Self {
        Self { escape: '\\', quotes: Quotes::Ignore, raw: false }
    }
}

/// A text after expansion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expanded {
    /// As one word.
    pub text: String,
    /// Split at unquoted blanks, those that came out of variables included.
    pub words: Vec<String>,
    /// Variables asked for that are not set, nor given another value by a modifier of theirs.
    pub unset: BTreeSet<String>,
    /// Bytes that were looked at for it.
    pub work: usize,
}

/// Expands a text; `lookup` gives the value of a variable.
pub fn expand(text: &str, syntax: Syntax, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Expanded, ExpandError> {
    let mut reader =
        Reader { chars: text.chars().peekable(), syntax, lookup, unset: BTreeSet::new(), depth: 0, work: text.len() };
    match reader.until(None, syntax.raw) {
        Ok((text, words)) => Ok(Expanded { text, words, unset: reader.unset, work: reader.work }),
        Err(message) => Err(ExpandError::new(text, &message)),
    }
}

/// Words being collected.
#[derive(Default)]
struct Words {
    done: Vec<String>,
    word: String,
}

impl Words {
    /// A character that splits if it is a blank.
    fn splitting(&mut self, char: char) {
        if !char.is_whitespace() {
            self.word.push(char);
        } else if !self.word.is_empty() {
            self.done.push(std::mem::take(&mut self.word));
        }
    }

    fn finish(mut self) -> Vec<String> {
        if !self.word.is_empty() {
            self.done.push(self.word);
        }
        self.done
    }
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    syntax: Syntax,
    lookup: &'a dyn Fn(&str) -> Option<String>,
    unset: BTreeSet<String>,
    depth: usize,
    work: usize,
}

impl Reader<'_> {
    /// Reads up to an unquoted `stop`, which is consumed, or to the end.
    fn until(&mut self, stop: Option<char>, raw: bool) -> Result<(String, Vec<String>), String> {
        if self.depth > DEEPEST {
            return Err("too many nested substitutions".to_owned());
        }
        self.depth += 1;
        let (mut text, mut words) = (String::new(), Words::default());
        while let Some(char) = self.chars.next() {
            if stop == Some(char) {
                self.depth -= 1;
                return Ok((text, words.finish()));
            }
            match char {
                '$' => {
                    let value = self.dollar()?;
                    value.chars().for_each(|char| words.splitting(char));
                    text.push_str(&value);
                }
                '\'' | '"' if self.syntax.quotes != Quotes::Ignore => {
                    let inner = if char == '"' { self.double(raw)? } else { self.single()? };
                    words.word.push_str(&inner);
                    text.push_str(&inner);
                }
                _ if char == self.syntax.escape => {
                    if raw {
                        words.word.push(char);
                        text.push(char);
                    }
                    if let Some(escaped) = self.chars.next() {
                        words.word.push(escaped);
                        text.push(escaped);
                    }
                }
                _ => {
                    words.splitting(char);
                    text.push(char);
                }
            }
            if text.len() > LONGEST {
                return Err("the result is too long".to_owned());
            }
        }
        match stop {
            Some('/') => Err("syntax error: missing '/' in ${}".to_owned()),
            Some(_) => Err("syntax error: missing '}'".to_owned()),
            None => Ok((text, words.finish())),
        }
    }

    /// The rest of `'…'`.
    fn single(&mut self) -> Result<String, String> {
        let mut inner = String::new();
        loop {
            match self.chars.next() {
                None => {
                    return Err("unexpected end of statement while looking for matching single-quote".to_owned());
                }
                Some('\'') => return Ok(self.requoted(&inner, '\'')),
                Some(char) => inner.push(char),
            }
        }
    }

    /// The rest of `"…"`: the escape escapes `"`, `$` and itself only.
    fn double(&mut self, raw: bool) -> Result<String, String> {
        let mut inner = String::new();
        loop {
            let Some(char) = self.chars.next() else {
                return Err("unexpected end of statement while looking for matching double-quote".to_owned());
            };
            match char {
                '"' => return Ok(self.requoted(&inner, '"')),
                '$' => inner.push_str(&self.dollar()?),
                _ if char == self.syntax.escape => {
                    let escape = self.syntax.escape;
                    match self.chars.next_if(|next| matches!(*next, '"' | '$') || *next == escape) {
                        Some(escaped) if raw => inner.extend([char, escaped]),
                        Some(escaped) => inner.push(escaped),
                        // At the end the missing quote is reported.
                        None => inner.push(char),
                    }
                }
                _ => inner.push(char),
            }
            if inner.len() > LONGEST {
                return Err("the result is too long".to_owned());
            }
        }
    }

    fn requoted(&self, inner: &str, quote: char) -> String {
        if self.syntax.quotes == Quotes::Keep { format!("{quote}{inner}{quote}") } else { inner.to_owned() }
    }

    /// What follows a `$`.
    fn dollar(&mut self) -> Result<String, String> {
        if self.chars.next_if_eq(&'{').is_none() {
            let name = self.name();
            return Ok(match name.as_str() {
                "" => "$".to_owned(),
                _ => self.plain(&name, &format!("${name}"))?,
            });
        }
        match self.chars.peek() {
            None => return Err("syntax error: missing '}'".to_owned()),
            Some('{' | '}' | ':') => return Err("syntax error: bad substitution".to_owned()),
            Some(_) => {}
        }
        let name = self.name();
        let Some(first) = self.chars.next() else { return Err("syntax error: missing '}'".to_owned()) };
        match first {
            '}' => self.plain(&name, &format!("${{{name}}}")),
            ':' => match self.chars.next() {
                Some(modifier @ ('-' | '+' | '?')) => self.choose(&name, modifier, true),
                Some(other) => Err(format!("unsupported modifier (:{other}) in substitution")),
                None => Err("syntax error: missing '}'".to_owned()),
            },
            '-' | '+' | '?' => self.choose(&name, first, false),
            '#' | '%' => self.trim(&name, first),
            '/' => self.replace(&name),
            other => Err(format!("unsupported modifier ({other}) in substitution")),
        }
    }

    /// A variable without modifier.
    fn plain(&mut self, name: &str, written: &str) -> Result<String, String> {
        Ok(match self.value(name)? {
            Some(value) => value,
            None if self.syntax.raw => written.to_owned(),
            None => {
                self.unset.insert(name.to_owned());
                String::new()
            }
        })
    }

    /// A variable's value, as long as there isn't too much of them.
    fn value(&mut self, name: &str) -> Result<Option<String>, String> {
        let value = (self.lookup)(name);
        self.work += value.as_ref().map_or(0, String::len);
        if self.work > MOST_WORK { Err("its variables are too long".to_owned()) } else { Ok(value) }
    }

    /// `-`, `+` and `?`; with a colon an empty value is as an unset one.
    fn choose(&mut self, name: &str, modifier: char, colon: bool) -> Result<String, String> {
        let (word, _) = self.until(Some('}'), self.syntax.raw)?;
        let value = self.value(name)?;
        if self.syntax.raw && value.is_none() {
            return Ok(format!("${{{name}{}{modifier}{word}}}", if colon { ":" } else { "" }));
        }
        let useful = value.clone().filter(|value| !(colon && value.is_empty()));
        match (modifier, useful) {
            ('-' | '?', Some(value)) => Ok(value),
            ('-', None) | ('+', Some(_)) => Ok(word),
            ('+', None) => Ok(String::new()),
            _ if !word.is_empty() => Err(format!("{name}: {word}")),
            _ if value.is_none() => Err(format!("{name}: is not allowed to be unset")),
            _ => Err(format!("{name}: is not allowed to be empty")),
        }
    }

    /// `#`, `##`, `%` and `%%`.
    fn trim(&mut self, name: &str, modifier: char) -> Result<String, String> {
        let (word, _) = self.until(Some('}'), true)?;
        let Some(value) = self.value_for(name)? else { return Ok(format!("${{{name}{modifier}{word}}}")) };
        let (pattern, longest) = match word.strip_prefix(modifier) {
            Some(pattern) => (pattern, true),
            None => (word.as_str(), false),
        };
        let wildcard = Wildcard::parse(pattern)?;
        let mut chars: Vec<char> = value.chars().collect();
        if modifier == '#' {
            chars.drain(..wildcard.prefix(&chars, longest).unwrap_or(0));
        } else {
            chars.reverse();
            chars.drain(..wildcard.reversed().prefix(&chars, longest).unwrap_or(0));
            chars.reverse();
        }
        Ok(chars.into_iter().collect())
    }

    /// `/pattern/replacement` and `//pattern/replacement`.
    fn replace(&mut self, name: &str) -> Result<String, String> {
        let all = self.chars.next_if_eq(&'/').is_some();
        let (pattern, _) = self.until(Some('/'), true)?;
        let (replacement, _) = self.until(Some('}'), self.syntax.raw)?;
        let Some(value) = self.value_for(name)? else {
            let slashes = if all { "//" } else { "/" };
            return Ok(format!("${{{name}{slashes}{pattern}/{replacement}}}"));
        };
        let replaced = Wildcard::parse(&pattern)?.replace(&value, &replacement, all, LONGEST);
        replaced.ok_or_else(|| "the result is too long".to_owned())
    }

    /// The value a pattern works on; `None` where the variable has to stay as written.
    fn value_for(&mut self, name: &str) -> Result<Option<String>, String> {
        let value = self.value(name)?;
        if value.is_none() && !self.syntax.raw {
            self.unset.insert(name.to_owned());
            return Ok(Some(String::new()));
        }
        Ok(value)
    }

    /// A name: letters, digits and `_`; or digits alone; or one special parameter.
    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.chars.peek() {
            Some(first) if first.is_ascii_digit() => {
                while let Some(digit) = self.chars.next_if(char::is_ascii_digit) {
                    name.push(digit);
                }
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => name.extend(self.chars.next()),
            _ => {
                while let Some(char) = self.chars.next_if(|char| char.is_alphanumeric() || *char == '_') {
                    name.push(char);
                }
            }
        }
        name
    }
}

#[cfg(test)]
#[path = "expand_tests.rs"]
mod tests;
