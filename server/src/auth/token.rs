//! Secrets of sessions: made here, shown to nobody, stored only as a hash. And the form tokens that come from them.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// 256 random bits in hex: what a session cookie holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// A new one.
    ///
    /// # Panics
    /// When the kernel has no random source, which no supported host lacks.
    pub fn random() -> Self {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).expect("the kernel's random source");
        Self(hex(&bytes))
    }

    /// From a cookie; `None` when it can't be one.
    pub fn parse(text: &str) -> Option<Self> {
        let right = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        right.then(|| Self(text.to_owned()))
    }

    /// For the cookie.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored.
    pub fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.0.as_bytes()).to_vec()
    }

    /// The token for this session's forms.
    pub fn form_token(&self) -> String {
        hex(&hmac(self.0.as_bytes(), b"darsena form token"))
    }

    /// Whether a form carried the right token.
    pub fn is_form_token(&self, token: &str) -> bool {
        self.form_token().as_bytes().ct_eq(token.as_bytes()).into()
    }
}

/// A word a person types from one screen to another: 12 letters and digits that can't be mistaken.
///
/// # Panics
/// When the kernel has no random source, which no supported host lacks.
pub fn set_up_word() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789w";
    let mut bytes = [0_u8; 12];
    getrandom::fill(&mut bytes).expect("the kernel's random source");
    let letters: Vec<char> = bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
    letters.chunks(4).map(|part| part.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

/// HMAC-SHA256 (RFC 2104) for keys of at most 64 bytes.
pub(in crate::auth) fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

/// Lower-case hex of some bytes.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_the_standards_one() {
        // RFC 4231, test case 2.
        assert_eq!(
            hex(&hmac(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_form_token_fits_its_own_session_only() {
        let (one, other) = (Secret::random(), Secret::random());
        assert!(one.is_form_token(&one.form_token()));
        for wrong in ["", "0", &other.form_token(), one.expose(), &one.form_token()[1..]] {
            assert!(!one.is_form_token(wrong), "{wrong}");
        }
        assert!(Secret::parse(one.expose()).is_some());
        assert!(Secret::parse("../etc").is_none());
        assert!(!format!("{one:?}").contains(one.expose()));
    }
}
