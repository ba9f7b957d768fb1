//! Globs over slash-separated byte paths, as `.dockerignore`, COPY and `--exclude` have them.
//!
//! `*` is any run of characters but the slash, `?` one character but the slash, `[a-z]` and `[^a-z]` one character of or
//! not of a class, `\` takes the next literally. In a [deep](Pattern::deep) pattern `**` also spans slashes: `**/x` is
//! `x` at any depth, `x/**` is everything below `x`. Matching is a simulated automaton: its time is the product of the
//! lengths, whatever the pattern.

use std::ops::RangeInclusive;

/// A pattern that is none: a class or an escape is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub struct BadPattern;

/// A character, or a byte that is part of none.
type Unit = u32;

const SLASH: Unit = b'/' as Unit;
/// Where bytes that are no characters go, above the last character.
const STRAY: Unit = 0x11_0000;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Exactly(Unit),
    /// `?`.
    Any,
    /// `*`.
    Star,
    /// `[…]`.
    Class {
        negated: bool,
        ranges: Vec<RangeInclusive<Unit>>,
    },
    /// `**` at the end.
    Rest,
    /// `**/` begins: nothing, or what [`Token::Folders`] is.
    Enter,
    /// `**/` within: anything up to a slash.
    Folders,
}

/// A parsed glob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    tokens: Vec<Token>,
}

/// A part of a path with globs, between slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Component {
    /// This very name.
    Name(Vec<u8>),
    /// Every name that matches.
    Glob(Pattern),
    /// `**`: any number of folders, none as well.
    AnyDepth,
}

/// Splits a path with globs into components; empty ones are left out.
pub fn components(path: &[u8]) -> Result<Vec<Component>, BadPattern> {
    let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            if part == b"**" {
                return Ok(Component::AnyDepth);
            }
            let pattern = Pattern::shallow(part)?;
            Ok(pattern.literal().map_or(Component::Glob(pattern), Component::Name))
        })
        .collect()
}

impl Pattern {
    /// A pattern in which `**` is as `*`.
    pub fn shallow(text: &[u8]) -> Result<Self, BadPattern> {
        Self::parse(text, false)
    }

    /// A pattern in which `**` spans slashes.
    pub fn deep(text: &[u8]) -> Result<Self, BadPattern> {
        Self::parse(text, true)
    }

    fn parse(text: &[u8], deep: bool) -> Result<Self, BadPattern> {
        let mut tokens = Vec::new();
        let mut units = units(text).peekable();
        while let Some(unit) = units.next() {
            let token = match char::from_u32(unit) {
                Some('*') if deep && units.next_if_eq(&Unit::from(b'*')).is_some() => {
                    units.next_if_eq(&SLASH);
                    if units.peek().is_none() {
                        Token::Rest
                    } else {
                        tokens.push(Token::Enter);
                        Token::Folders
                    }
                }
                Some('*') => Token::Star,
                Some('?') => Token::Any,
                Some('\\') => Token::Exactly(units.next().ok_or(BadPattern)?),
                Some('[') => class(&mut units)?,
                _ => Token::Exactly(unit),
            };
            tokens.push(token);
        }
        Ok(Self { tokens: joined(tokens) })
    }

    /// Whether the whole path matches.
    pub fn matches(&self, path: &[u8]) -> bool {
        let mut states = self.start();
        units(path).all(|unit| self.step(&mut states, unit)) && accepts(&states)
    }

    /// Whether the path or a folder above it matches.
    pub fn matches_or_above(&self, path: &[u8]) -> bool {
        let mut states = self.start();
        for (at, unit) in units(path).enumerate() {
            if unit == SLASH && at > 0 && accepts(&states) {
                return true;
            }
            if !self.step(&mut states, unit) {
                return false;
            }
        }
        accepts(&states)
    }

    /// Whether something below this folder could match.
    pub fn could_match_below(&self, folder: &[u8]) -> bool {
        let mut states = self.start();
        units(folder).chain([SLASH]).all(|unit| self.step(&mut states, unit))
            && states[..self.tokens.len()].contains(&true)
    }

    /// The one path it matches, if it has no glob in it.
    pub fn literal(&self) -> Option<Vec<u8>> {
        let mut path = Vec::new();
        for token in &self.tokens {
            let Token::Exactly(unit) = token else { return None };
            push_unit(&mut path, *unit);
        }
        Some(path)
    }

    /// Before the first unit; state `i` is: everything before token `i` is matched.
    fn start(&self) -> Vec<bool> {
        let mut states = vec![false; self.tokens.len() + 1];
        states[0] = true;
        self.skip(&mut states);
        states
    }

    /// Goes over tokens that may match nothing.
    fn skip(&self, states: &mut [bool]) {
        for (index, token) in self.tokens.iter().enumerate() {
            if states[index] && matches!(token, Token::Star | Token::Rest | Token::Enter) {
                states[index + 1] = true;
                if *token == Token::Enter {
                    states[index + 2] = true;
                }
            }
        }
    }

    /// One unit further; `false` when no way leads on.
    fn step(&self, states: &mut [bool], unit: Unit) -> bool {
        let mut alive = false;
        // From the end, so that no state is stepped twice.
        states[self.tokens.len()] = false;
        for (index, token) in self.tokens.iter().enumerate().rev() {
            if !std::mem::take(&mut states[index]) {
                continue;
            }
            let (stay, go) = match token {
                Token::Exactly(wanted) => (false, *wanted == unit),
                Token::Any => (false, unit != SLASH),
                Token::Star => (unit != SLASH, false),
                Token::Class { negated, ranges } => {
                    (false, ranges.iter().any(|range| range.contains(&unit)) != *negated)
                }
                Token::Rest => (true, false),
                Token::Enter => (false, false),
                Token::Folders => (true, unit == SLASH),
            };
            states[index] |= stay;
            states[index + 1] |= go;
            alive |= stay | go;
        }
        if alive {
            self.skip(states);
        }
        alive
    }
}

/// Reads literal runs again: bytes that an escape stood between may be a character together.
fn joined(tokens: Vec<Token>) -> Vec<Token> {
    let (mut joined, mut literal) = (Vec::new(), Vec::new());
    for token in tokens {
        if let Token::Exactly(unit) = token {
            push_unit(&mut literal, unit);
        } else {
            joined.extend(units(&std::mem::take(&mut literal)).map(Token::Exactly));
            joined.push(token);
        }
    }
    joined.extend(units(&literal).map(Token::Exactly));
    joined
}

fn push_unit(bytes: &mut Vec<u8>, unit: Unit) {
    match char::from_u32(unit) {
        Some(char) => bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        None => bytes.push((unit - STRAY) as u8),
    }
}

/// Whether the last state is reached.
fn accepts(states: &[bool]) -> bool {
    states.last() == Some(&true)
}

/// The rest of `[…]`.
fn class(units: &mut impl Iterator<Item = Unit>) -> Result<Token, BadPattern> {
    let mut units = units.peekable();
    let negated = units.next_if_eq(&Unit::from(b'^')).is_some();
    let mut ranges = Vec::new();
    loop {
        let first = units.next().ok_or(BadPattern)?;
        if first == Unit::from(b']') && !ranges.is_empty() {
            return Ok(Token::Class { negated, ranges });
        }
        let low = member(first, &mut units)?;
        let high = if units.next_if_eq(&Unit::from(b'-')).is_some() {
            let last = units.next().ok_or(BadPattern)?;
            member(last, &mut units)?
        } else {
            low
        };
        ranges.push(low..=high);
    }
}

/// One character of a class.
fn member(unit: Unit, units: &mut impl Iterator<Item = Unit>) -> Result<Unit, BadPattern> {
    match char::from_u32(unit) {
        Some('-' | ']') => Err(BadPattern),
        Some('\\') => units.next().ok_or(BadPattern),
        _ => Ok(unit),
    }
}

/// The characters of a path; bytes that are part of none, one by one.
fn units(bytes: &[u8]) -> impl Iterator<Item = Unit> {
    bytes.utf8_chunks().flat_map(|chunk| {
        let stray = chunk.invalid().iter().map(|byte| STRAY + Unit::from(*byte));
        chunk.valid().chars().map(Unit::from).chain(stray)
    })
}

#[cfg(test)]
#[path = "pattern_tests.rs"]
mod tests;
