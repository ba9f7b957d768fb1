//! What signing in needs in memory: the throttle, room for hashing, the set-up word.

use std::sync::{Mutex, PoisonError};

use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use super::throttle::Throttle;

/// Passwords hashed at once: each takes 19 MiB and a processor.
const HASHING: usize = 2;

/// See the module.
pub struct Gate {
    /// Failed attempts.
    pub throttle: Mutex<Throttle>,
    /// Room for hashing.
    pub hashing: Semaphore,
    set_up_word: Mutex<Option<String>>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { throttle: Mutex::default(), hashing: Semaphore::new(HASHING), set_up_word: Mutex::default() }
    }
}

impl Gate {
    /// Sets the word that opens the first-run page; `None` closes it.
    pub fn set_up_with(&self, word: Option<String>) {
        *self.set_up_word.lock().unwrap_or_else(PoisonError::into_inner) = word;
    }

    /// Whether the first-run page is open.
    pub fn is_setting_up(&self) -> bool {
        self.set_up_word.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Whether this is the word; dashes, spaces and case don't count.
    pub fn is_set_up_word(&self, typed: &str) -> bool {
        let plain = |text: &str| -> String {
            text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
        };
        let word = self.set_up_word.lock().unwrap_or_else(PoisonError::into_inner);
        word.as_deref().is_some_and(|word| plain(word).as_bytes().ct_eq(plain(typed).as_bytes()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_up_word_opens_only_while_it_is_set() {
        let gate = Gate::default();
        assert!(!gate.is_set_up_word(""));
        let word = super::super::token::set_up_word();
        gate.set_up_with(Some(word.clone()));
        assert!(gate.is_setting_up());
        assert!(gate.is_set_up_word(&word.to_uppercase().replace('-', " ")));
        assert!(!gate.is_set_up_word(&word[1..]));
        gate.set_up_with(None);
        assert!(!gate.is_set_up_word(&word));
    }
}
