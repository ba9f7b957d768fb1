//! The glob of `${x#p}` and its kin: `*` and `?`, and nothing else, over a whole value.
//!
//! A pattern is its parts between stars. Between two stars the earliest place does, and only the last part decides how
//! far a match goes: so matching needs no backtracking.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Any,
    Char(char),
}

/// A parsed pattern: the parts between its stars.
#[derive(Clone, Debug)]
pub(super) struct Wildcard(Vec<Vec<Item>>);

impl Wildcard {
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        let mut parts = vec![Vec::new()];
        let mut chars = pattern.chars();
        while let Some(char) = chars.next() {
            let item = match char {
                '*' => {
                    parts.push(Vec::new());
                    continue;
                }
                '?' => Item::Any,
                '\\' => match chars.next() {
                    Some(escaped @ ('*' | '?' | '\\' | '}' | '/')) => Item::Char(escaped),
                    Some(other) => {
                        return Err(format!("invalid pattern ({pattern}) in substitution: invalid escape '\\{other}'"));
                    }
                    None => return Err(format!("invalid pattern ({pattern}) in substitution: trailing escape")),
                },
                char => Item::Char(char),
            };
            if let Some(part) = parts.last_mut() {
                part.push(item);
            }
        }
        Ok(Self(parts))
    }

    /// The pattern that matches reversed values.
    pub(super) fn reversed(mut self) -> Self {
        self.0.reverse();
        self.0.iter_mut().for_each(|part| part.reverse());
        self
    }

    /// The length of the shortest or longest beginning of `value` that matches.
    pub(super) fn prefix(&self, value: &[char], longest: bool) -> Option<usize> {
        let (first, rest) = self.0.split_first()?;
        if !fits(first, value) {
            return None;
        }
        let mut at = first.len();
        let Some((last, middle)) = rest.split_last() else { return Some(at) };
        for part in middle {
            at += position(part, &value[at..])? + part.len();
        }
        let from = &value[at..];
        let offset = if longest {
            (0..=from.len().checked_sub(last.len())?).rev().find(|offset| fits(last, &from[*offset..]))?
        } else {
            position(last, from)?
        };
        Some(at + offset + last.len())
    }

    /// `value` with the first or all matches replaced; `None` if that gets longer than `limit`.
    pub(super) fn replace(&self, value: &str, replacement: &str, all: bool, limit: usize) -> Option<String> {
        let chars: Vec<char> = value.chars().collect();
        let mut result = String::new();
        let (mut at, mut done) = (0, self.0.len() == 1 && self.0[0].is_empty());
        while !done && at <= chars.len() {
            let first = self.0.first().map_or(&[][..], Vec::as_slice);
            match self.prefix(&chars[at..], true) {
                Some(length) => {
                    result.push_str(replacement);
                    at += length;
                    // An empty match is one of `*` alone at the end.
                    done = !all || length == 0 || at == chars.len();
                }
                // The first part is there, what comes after it is not: it won't be further on either.
                None if fits(first, &chars[at..]) => done = true,
                None => {
                    result.extend(chars.get(at));
                    at += 1;
                }
            }
            if result.len() > limit {
                return None;
            }
        }
        result.extend(chars.iter().skip(at));
        (result.len() <= limit).then_some(result)
    }
}

fn fits(part: &[Item], value: &[char]) -> bool {
    part.len() <= value.len()
        && part.iter().zip(value).all(|(item, char)| match item {
            Item::Any => true,
            Item::Char(wanted) => wanted == char,
        })
}

fn position(part: &[Item], value: &[char]) -> Option<usize> {
    (0..=value.len().checked_sub(part.len())?).find(|offset| fits(part, &value[*offset..]))
}
