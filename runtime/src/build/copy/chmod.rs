//! What `--chmod` says: octal, or symbolic as chmod(1) has it.

use super::Error;

/// A change of permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chmod {
    /// Exactly these.
    Octal(u32),
    /// One change after the other.
    Symbolic(Vec<Change>),
}

/// `g+rX`: for whom, how and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    who: u32,
    how: u8,
    what: Vec<u8>,
}

const USER: u32 = 0o4700;
const GROUP: u32 = 0o2070;
const OTHERS: u32 = 0o1007;

impl Chmod {
    /// Reads it as written.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Chmod(text.to_owned());
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            let mode = u32::from_str_radix(text, 8).map_err(|_| wrong())?;
            return if mode <= 0o7777 { Ok(Self::Octal(mode)) } else { Err(wrong()) };
        }
        let mut changes = Vec::new();
        for clause in text.split(',') {
            let clause = clause.as_bytes();
            let mut at = 0;
            let mut who = 0;
            while let Some(byte) = clause.get(at) {
                who |= match byte {
                    b'u' => USER,
                    b'g' => GROUP,
                    b'o' => OTHERS,
                    b'a' => 0o7777,
                    _ => break,
                };
                at += 1;
            }
            if who == 0 {
                who = 0o7777;
            }
            if at == clause.len() {
                return Err(wrong());
            }
            while let Some(how @ (b'+' | b'-' | b'=')) = clause.get(at).copied() {
                let what = &clause[at + 1..];
                let end = what.iter().position(|b| matches!(b, b'+' | b'-' | b'=')).unwrap_or(what.len());
                let what = &what[..end];
                let copied = matches!(what, b"u" | b"g" | b"o");
                if !copied && !what.iter().all(|b| b"rwxXst".contains(b)) {
                    return Err(wrong());
                }
                changes.push(Change { who, how, what: what.to_vec() });
                at += 1 + end;
            }
            if at != clause.len() {
                return Err(wrong());
            }
        }
        Ok(Self::Symbolic(changes))
    }

    /// The permissions after it.
    pub fn apply(&self, mode: u32, is_folder: bool) -> u32 {
        match self {
            Self::Octal(mode) => *mode,
            Self::Symbolic(changes) => changes.iter().fold(mode, |mode, change| change.apply(mode, is_folder)),
        }
    }
}

impl Change {
    fn apply(&self, mode: u32, is_folder: bool) -> u32 {
        let spread = |bits: u32| bits << 6 | bits << 3 | bits;
        let bits = match &self.what[..] {
            b"u" => spread(mode >> 6 & 7),
            b"g" => spread(mode >> 3 & 7),
            b"o" => spread(mode & 7),
            letters => letters.iter().fold(0, |bits, letter| {
                bits | match letter {
                    b'r' => 0o444,
                    b'w' => 0o222,
                    b'x' => 0o111,
                    b'X' if is_folder || mode & 0o111 != 0 => 0o111,
                    b's' => 0o6000,
                    b't' => 0o1000,
                    _ => 0,
                }
            }),
        } & self.who;
        match self.how {
            b'+' => mode | bits,
            b'-' => mode & !bits,
            // As chmod(1): a folder keeps its set-id bits unless they are named.
            _ => mode & !(self.who & if is_folder { 0o1777 } else { 0o7777 }) | bits,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn octal_and_symbolic_modes_are_read_and_applied() {
        for (text, mode, is_folder, wanted) in [
            ("755", 0o600, false, 0o755),
            ("04711", 0o600, false, 0o4711),
            ("0", 0o600, false, 0),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o700, false, 0o755),
            ("u=rwX,go=rX", 0o700, true, 0o755),
            ("+x", 0o644, false, 0o755),
            ("a-w", 0o666, false, 0o444),
            ("g=u", 0o750, false, 0o770),
            ("u+s", 0o755, false, 0o4755),
            ("g+s,o+t", 0o755, true, 0o3755),
            ("o=", 0o757, false, 0o750),
            ("u=r+w", 0o777, false, 0o677),
            ("ug+rw", 0o100, false, 0o760),
        ] {
            assert_eq!(Chmod::parse(text).unwrap().apply(mode, is_folder), wanted, "{text} on {mode:o}");
        }
        for wrong in ["", "8", "10000", "-1", "u", "u=q", "u+rug", "755x", "u=r,", "0x1ff"] {
            assert!(Chmod::parse(wrong).is_err(), "{wrong}");
        }
    }
}
