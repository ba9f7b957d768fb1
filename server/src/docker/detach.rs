//! The keys that leave a terminal without ending it: `ctrl-p,ctrl-q` unless the client says otherwise.

use super::error::{Failure, Result};

/// Recognises a sequence of keys in input that comes in pieces.
#[derive(Debug)]
pub(super) struct DetachKeys {
    keys: Vec<u8>,
    matched: usize,
}

/// What a piece of input came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Send this on; may be empty while a sequence has begun.
    Pass(Vec<u8>),
    /// Send this on, then leave.
    Leave(Vec<u8>),
}

impl Default for DetachKeys {
    fn default() -> Self {
        Self { keys: vec![0x10, 0x11], matched: 0 }
    }
}

impl DetachKeys {
    /// From `ctrl-x,y,ctrl-@`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let key = |word: &str| {
            let code = match word.as_bytes() {
                [one] => *one,
                [b'c', b't', b'r', b'l', b'-', letter] => match letter.to_ascii_lowercase() {
                    letter @ (b'a'..=b'z' | b'@' | b'[' | b'\\' | b']' | b'^' | b'_') => letter & 0x1f,
                    _ => return None,
                },
                b"DEL" => 0x7f,
                _ => return None,
            };
            code.is_ascii().then_some(code)
        };
        let keys = text.split(',').map(key).collect::<Option<Vec<_>>>();
        keys.map(|keys| Self { keys, matched: 0 }).ok_or_else(|| {
            Failure::invalid(format!(
                "invalid detach keys ({text}): write a letter or ctrl-LETTER, or several with commas"
            ))
        })
    }

    /// Looks at the next piece. Keys that might begin the sequence are held back until it is clear.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Input {
        let mut passed = Vec::with_capacity(bytes.len() + self.matched);
        for byte in bytes {
            if *byte == self.keys[self.matched] {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    self.matched = 0;
                    return Input::Leave(passed);
                }
                continue;
            }
            passed.extend_from_slice(&self.keys[..self.matched]);
            self.matched = usize::from(*byte == self.keys[0]);
            if self.matched == 0 {
                passed.push(*byte);
            }
        }
        Input::Pass(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_leaves_and_everything_else_passes() {
        let pass = |bytes: &[u8]| Input::Pass(bytes.to_vec());
        let mut keys = DetachKeys::default();
        assert_eq!(keys.take(b"ls\n"), pass(b"ls\n"));
        assert_eq!(keys.take(b"a\x10"), pass(b"a"));
        assert_eq!(keys.take(b"b"), pass(b"\x10b"));
        assert_eq!(keys.take(b"\x10\x10"), pass(b"\x10"), "the second may begin the sequence");
        assert_eq!(keys.take(b"\x11more"), Input::Leave(Vec::new()));
        assert_eq!(keys.take(b"x\x10\x11"), Input::Leave(b"x".to_vec()));
        assert_eq!(keys.take(b"\x11"), pass(b"\x11"));
    }

    #[test]
    fn keys_have_names() {
        for (text, keys) in [
            ("ctrl-p,ctrl-q", vec![0x10, 0x11]),
            ("ctrl-@", vec![0]),
            ("a,ctrl-A,b", vec![b'a', 1, b'b']),
            ("ctrl-[", vec![0x1b]),
            ("ctrl-_", vec![0x1f]),
            ("DEL", vec![0x7f]),
        ] {
            assert_eq!(DetachKeys::parse(text).unwrap().keys, keys, "{text}");
        }
        for text in ["ctrl-", "ctrl-1", "ab", "a,,b", "é", "ctrl-p ctrl-q"] {
            assert!(DetachKeys::parse(text).is_err(), "{text}");
        }
        let mut single = DetachKeys::parse("x").unwrap();
        assert_eq!(single.take(b"abx"), Input::Leave(b"ab".to_vec()));
    }
}
