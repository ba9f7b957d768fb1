//! Passwords: the rules, and argon2id at OWASP's first recommendation (19 MiB, two passes, one lane).

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString},
};
use runtime::error::{Error, Result};
use tokio::sync::Semaphore;

/// The passwords seen most in leaks, one a line, lower case.
const COMMON: &str = include_str!("common_passwords.txt");

/// A hash of no password: unknown names take as long as known ones.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What is wrong with a new password; the page has a sentence for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// Under 10 characters.
    Short,
    /// Over 256 characters.
    Long,
    /// It is the user name.
    UserName,
    /// It is among those tried first.
    Common,
}

impl Weakness {
    /// In words, for the command line.
    pub fn words(self) -> &'static str {
        match self {
            Self::Short => "the password needs at least 10 characters",
            Self::Long => "the password may have at most 256 characters",
            Self::UserName => "the password must not be the user name",
            Self::Common => "this password is among the first that are tried; choose another",
        }
    }
}

/// Checks a new password. No rule about signs or capitals: length is what counts.
///
/// # Errors
/// The first [`Weakness`] found.
pub fn check(password: &str, user_name: &str) -> Result<(), Weakness> {
    let length = password.chars().count();
    if length < 10 {
        return Err(Weakness::Short);
    }
    if length > 256 {
        return Err(Weakness::Long);
    }
    let lower = password.to_lowercase();
    if lower == user_name.to_lowercase() {
        return Err(Weakness::UserName);
    }
    let mut letters = lower.chars();
    let first = letters.next();
    if COMMON.lines().any(|common| common == lower) || letters.all(|letter| Some(letter) == first) {
        return Err(Weakness::Common);
    }
    Ok(())
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(19 * 1024, 2, 1, None).expect("these parameters are within argon2's limits");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Hashes a password, off the async threads and never more than `room` allows at once.
///
/// # Errors
/// When the hash can't be made.
pub async fn hash(room: &Semaphore, password: String) -> Result<String> {
    let _permit = room.acquire().await.map_err(|closed| Error::internal("shutting down", closed))?;
    let made = tokio::task::spawn_blocking(move || {
        let mut salt = [0_u8; 16];
        getrandom::fill(&mut salt).map_err(|error| Error::internal("no random bytes", error.to_string()))?;
        let salt = SaltString::encode_b64(&salt).map_err(|error| Error::internal("no salt", error.to_string()))?;
        let hash = argon2()
            .hash_password(password.as_bytes(), &salt)
            .map_err(|error| Error::internal("the password could not be hashed", error.to_string()))?;
        Ok(hash.to_string())
    });
    made.await.map_err(|panic| Error::internal("the password could not be hashed", panic))?
}

/// Whether this is the password; `None` (no such user) takes as long and says no.
///
/// # Errors
/// When it can't be computed.
pub async fn verify(room: &Semaphore, password: String, hash: Option<String>) -> Result<bool> {
    let _permit = room.acquire().await.map_err(|closed| Error::internal("shutting down", closed))?;
    let checked = tokio::task::spawn_blocking(move || {
        let known = hash.is_some();
        let text = hash.unwrap_or_else(|| NOBODY.to_owned());
        let same =
            PasswordHash::new(&text).is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok());
        known && same
    });
    checked.await.map_err(|panic| Error::internal("the password could not be checked", panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_names_and_common_ones_decide() {
        assert_eq!(check("123456789", "ana"), Err(Weakness::Short));
        assert_eq!(check(&"aé".repeat(129), "ana"), Err(Weakness::Long));
        assert_eq!(check("Ana.Ruiz.Gil", "ana.ruiz.gil"), Err(Weakness::UserName));
        assert_eq!(check("Password123", "ana"), Err(Weakness::Common));
        assert_eq!(check("1234567890", "ana"), Err(Weakness::Common));
        assert_eq!(check("ññññññññññññ", "ana"), Err(Weakness::Common));
        assert_eq!(check("ten letter", "ana"), Ok(()));
        assert_eq!(check(&"ab".repeat(128), "ana"), Ok(()));
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_is_right() {
        let room = Semaphore::new(1);
        let hash = hash(&room, "harbour light 7".into()).await.expect("a hash");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify(&room, "harbour light 7".into(), Some(hash.clone())).await.expect("checked"));
        assert!(!verify(&room, "harbour light 8".into(), Some(hash)).await.expect("checked"));
        assert!(!verify(&room, String::new(), None).await.expect("checked"));
        assert!(PasswordHash::new(NOBODY).is_ok(), "the hash for unknown names must cost as much");
    }
}
