//! Sealing the secrets that must be kept as they are: with a key in a file of its own, so that a copy of the database
//! alone tells nothing.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use runtime::error::{Error, Result};

const KEY_BYTES: usize = 32;

/// Holds the key.
pub struct Vault(LessSafeKey);

impl Vault {
    /// Reads the key, or makes one the first time.
    ///
    /// # Errors
    /// When the file can't be read or made, or is no key.
    pub fn open(file: &Path) -> Result<Self> {
        let wrong =
            |error: io::Error| Error::internal(format!("{}: the key can't be read or made", file.display()), error);
        let key = match read(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(file).map_err(wrong)?,
            result => result.map_err(wrong)?,
        };
        Self::with(&key)
    }

    fn with(key: &[u8]) -> Result<Self> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key);
        let key =
            key.map_err(|_| Error::internal("the key of this server is damaged", io::Error::other("its length")))?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Seals a secret; `about` says what it is of, and must be said again to open it.
    ///
    /// # Panics
    /// When the kernel has no random source, which no supported host lacks.
    pub fn seal(&self, about: &str, secret: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).expect("the kernel's random source");
        let mut sealed = secret.to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(about.as_bytes()), &mut sealed)
            .expect("secrets are far shorter than the cipher's limit");
        [&nonce[..], &sealed].concat()
    }

    /// The secret; `None` when it was sealed with another key, about something else, or changed.
    pub fn open_sealed(&self, about: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut rest = rest.to_vec();
        self.0.open_in_place(nonce, Aad::from(about.as_bytes()), &mut rest).ok().map(|secret| secret.to_vec())
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut key = Vec::new();
    File::open(file)?.take(KEY_BYTES as u64 + 1).read_to_end(&mut key)?;
    Ok(key)
}

fn make(file: &Path) -> io::Result<Vec<u8>> {
    let mut key = vec![0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let fresh = file.with_extension("new");
    let mut to = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    to.write_all(&key)?;
    to.sync_all()?;
    fs::rename(&fresh, file)?;
    if let Some(folder) = file.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_opened_by_the_same_key_for_the_same_thing_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secrets.key");
        let sealed = Vault::open(&file).unwrap().seal("reg.example ana", b"s3cret");
        assert!(!sealed.windows(6).any(|part| part == b"s3cret"));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Vault::open(&file).unwrap();
        assert_eq!(again.open_sealed("reg.example ana", &sealed).as_deref(), Some(&b"s3cret"[..]));
        assert_eq!(again.open_sealed("other.example ana", &sealed), None);
        assert_eq!(Vault::with(&[7; 32]).unwrap().open_sealed("reg.example ana", &sealed), None);
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(again.open_sealed("reg.example ana", &changed), None);
        assert_eq!(again.open_sealed("reg.example ana", b"short"), None);
        assert_ne!(again.seal("a", b"x"), again.seal("a", b"x"));
        fs::write(&file, b"no key").unwrap();
        assert!(Vault::open(&file).is_err());
    }
}
