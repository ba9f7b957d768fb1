//! Names of volumes, by Docker's rule.

use super::Error;
use crate::durable::fresh_name;

/// The longest name: it is a folder's name too.
const LONGEST: usize = 255;

/// Refuses what can't be a name. What passes is safe as a folder's name.
///
/// # Errors
/// [`Error::Invalid`] in Docker's words.
pub fn validate(name: &str) -> Result<(), Error> {
    let invalid = |why: String| Err(Error::Invalid { name: name.to_owned(), why });
    if name.len() < 2 {
        return invalid("volume name is too short, names should be at least two alphanumeric characters".to_owned());
    }
    if name.len() > LONGEST {
        return invalid(format!("volume name is too long, names may have {LONGEST} characters"));
    }
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if !first || !bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) {
        return invalid(format!(
            "{name:?} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If \
             you intended to pass a host directory, use absolute path"
        ));
    }
    Ok(())
}

/// A new name, as long as Docker's.
pub fn random() -> String {
    let mut name = [fresh_name(""), fresh_name(""), fresh_name("")].concat();
    name.truncate(64);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_as_folders() {
        for right in ["ab", "A.b_c-d", "0x", &"n".repeat(255)] {
            assert!(validate(right).is_ok(), "{right}");
        }
        for wrong in ["", "a", ".a", "..", "-ab", "a/b", "a b", "a\0b", "ñandu", &"n".repeat(256)] {
            assert!(validate(wrong).is_err(), "{wrong:?}");
        }
        assert!(validate("a/b").unwrap_err().to_string().contains("use absolute path"));
        assert!(random().len() == 64 && validate(&random()).is_ok() && random() != random());
    }
}
