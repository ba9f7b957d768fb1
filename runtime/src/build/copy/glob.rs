//! Patterns of sources and of what to leave out: Go's `filepath.Match` part by part, and `**` where the Dockerfile
//! reference has it.

use super::Error;

/// A part that is any number of folders.
pub const ANY_DEPTH: &[u8] = b"**";

/// The part has something to match in it.
pub fn is_pattern(part: &[u8]) -> bool {
    let mut bytes = part.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'*' | b'?' | b'[' => return true,
            _ => {}
        }
    }
    false
}

/// The name a part without pattern stands for.
pub fn plain(part: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(part.len());
    let mut bytes = part.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => name.extend(bytes.next()),
            byte => name.push(*byte),
        }
    }
    name
}

/// Refuses what `filepath.Match` calls a syntax error, whatever it is matched with.
pub fn check(pattern: &[u8]) -> Result<(), Error> {
    let bad = || Error::Pattern(String::from_utf8_lossy(pattern).into_owned());
    let mut rest = pattern;
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'\\' => after.split_first().ok_or_else(bad)?.1,
            b'[' => class(after, None).ok_or_else(bad)?.1,
            _ => after,
        };
    }
    Ok(())
}

/// The name matches the part; a broken pattern matches nothing.
pub fn matches(mut pattern: &[u8], name: &[u8]) -> bool {
    let mut at = 0;
    // Where to go on when what follows the last star doesn't fit.
    let mut retry: Option<(&[u8], usize)> = None;
    loop {
        let fits = match pattern.split_first() {
            None if at == name.len() => return true,
            None => None,
            Some((b'*', rest)) => {
                retry = Some((rest, at));
                pattern = rest;
                continue;
            }
            Some((b'?', rest)) => (at < name.len()).then(|| (rest, char_length(&name[at..]))),
            Some((b'[', rest)) => match class(rest, name.get(at..)) {
                Some((true, rest)) => Some((rest, char_length(&name[at..]))),
                _ => None,
            },
            Some((b'\\', rest)) => match rest.split_first() {
                Some((byte, rest)) if name.get(at) == Some(byte) => Some((rest, 1)),
                _ => None,
            },
            Some((byte, rest)) => (name.get(at) == Some(byte)).then_some((rest, 1)),
        };
        match (fits, retry) {
            (Some((rest, length)), _) => {
                pattern = rest;
                at += length;
            }
            (None, Some((rest, from))) if from < name.len() => {
                let from = from + char_length(&name[from..]);
                retry = Some((rest, from));
                pattern = rest;
                at = from;
            }
            _ => return false,
        }
    }
}

fn char_length(text: &[u8]) -> usize {
    let length = match text.first() {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => 1,
    };
    if length <= text.len() && std::str::from_utf8(&text[..length]).is_ok() { length } else { 1 }
}

fn char_of(text: &[u8]) -> u32 {
    let bytes = &text[..char_length(text).min(text.len())];
    std::str::from_utf8(bytes).ok().and_then(|text| text.chars().next()).map_or(0xfffd, u32::from)
}

/// Reads a class after its `[`: whether the first character of `text` is in it, and what follows. `None` when the class
/// is broken.
fn class<'a>(pattern: &'a [u8], text: Option<&[u8]>) -> Option<(bool, &'a [u8])> {
    let wanted = text.filter(|text| !text.is_empty()).map(char_of);
    let (negated, mut rest) = match pattern.strip_prefix(b"^") {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let mut found = false;
    let mut ranges = 0;
    loop {
        if ranges > 0
            && let Some(rest) = rest.strip_prefix(b"]")
        {
            return Some((wanted.is_some() && found != negated, rest));
        }
        let (low, after) = bound(rest)?;
        let (high, after) = match after.strip_prefix(b"-") {
            Some(after) => bound(after)?,
            None => (low, after),
        };
        found |= wanted.is_some_and(|char| (low..=high).contains(&char));
        ranges += 1;
        rest = after;
    }
}

/// One end of a range; something must follow it.
fn bound(pattern: &[u8]) -> Option<(u32, &[u8])> {
    let pattern = match pattern.first()? {
        b'-' | b']' => return None,
        b'\\' => &pattern[1..],
        _ => pattern,
    };
    if pattern.is_empty() {
        return None;
    }
    let rest = &pattern[char_length(pattern)..];
    (!rest.is_empty()).then(|| (char_of(pattern), rest))
}

/// The parts of a path that say something; `..` stays inside.
pub fn parts(path: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts
}

/// What `--exclude` leaves out: a path that matches, or is below one that does. The last that matches has its way, and
/// one with `!` before it takes back in.
#[derive(Clone, Debug, Default)]
pub struct Excludes(Vec<(bool, Vec<Vec<u8>>)>);

impl Excludes {
    /// From the patterns as written.
    pub fn new(patterns: &[Vec<u8>]) -> Result<Self, Error> {
        let mut all = Vec::new();
        for pattern in patterns {
            let (back, pattern) = match pattern.strip_prefix(b"!") {
                Some(pattern) => (true, pattern),
                None => (false, &pattern[..]),
            };
            check(pattern)?;
            all.push((back, parts(pattern).into_iter().map(<[u8]>::to_vec).collect()));
        }
        Ok(Self(all))
    }

    /// The path is left out.
    pub fn leave_out(&self, path: &[u8]) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let path = parts(path);
        let mut out = false;
        for (back, pattern) in &self.0 {
            if out == *back && (1..=path.len()).any(|length| path_matches(pattern, &path[..length])) {
                out = !back;
            }
        }
        out
    }

    /// Below a folder that is left out something may be taken back in.
    pub fn take_back(&self) -> bool {
        self.0.iter().any(|(back, _)| *back)
    }
}

fn path_matches(pattern: &[Vec<u8>], path: &[&[u8]]) -> bool {
    match pattern.split_first() {
        None => path.is_empty(),
        Some((first, rest)) if first == ANY_DEPTH => {
            if rest.is_empty() {
                return !path.is_empty();
            }
            (0..=path.len()).any(|skipped| path_matches(rest, &path[skipped..]))
        }
        Some((first, rest)) => {
            path.split_first().is_some_and(|(name, below)| matches(first, name) && path_matches(rest, below))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_gos_do() {
        for (pattern, name, wanted) in [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "a", true),
            ("a*b*c*d*e*", "axbxcxdxe", true),
            ("a*b*c*d*e*", "axbxcxdx", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("a?b", "a\u{263a}b", true),
            ("a[^a]b", "a\u{263a}b", true),
            ("a???b", "a\u{263a}b", false),
            ("[a-\u{3b6}]*", "\u{3b1}", true),
            ("*[a-\u{3b6}]", "A", false),
            ("[\\]a]", "]", true),
            ("[\\-x]", "-", true),
            ("[x\\-]", "z", false),
            ("*x", "xxx", true),
            ("hom?.txt", "home.txt", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), wanted, "{pattern} {name}");
            check(pattern.as_bytes()).unwrap();
        }
        for broken in ["[", "[]a]", "[-]", "[x-]", "[-x]", "a[", "[a-b-c]", "[^", "a\\"] {
            assert!(check(broken.as_bytes()).is_err(), "{broken}");
            assert!(!matches(broken.as_bytes(), b"a"), "{broken}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_time() {
        let pattern = b"*a".repeat(200);
        assert!(!matches(&pattern, &b"a".repeat(199)));
        assert!(!matches(&[&pattern[..], b"b"].concat(), &b"a".repeat(5000)));
    }

    #[test]
    fn excludes_reach_below_and_can_be_taken_back() {
        let excludes = Excludes::new(&["*.txt".into(), "a/**/z".into(), "d".into(), "!d/keep".into()]).unwrap();
        for (path, out) in [
            ("x.txt", true),
            ("b/x.txt", false),
            ("a/z", true),
            ("a/b/c/z/below", true),
            ("d/x", true),
            ("d/keep", false),
            ("d/keep/below", false),
        ] {
            assert_eq!(excludes.leave_out(path.as_bytes()), out, "{path}");
        }
    }
}
