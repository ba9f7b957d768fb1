//! Image names as Docker writes them: `[host[:port]/]path[:tag][@digest]`.
//!
//! The *canonical* form spells everything out (`docker.io/library/busybox:latest`); the *familiar* form is what people
//! see (`busybox:latest`). The grammar is the public one of the distribution project's reference documentation.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

const DEFAULT_HOST: &str = "docker.io";
const OFFICIAL: &str = "library/";

/// A text that is not an image name, in Docker's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseReferenceError {
    /// Breaks the grammar.
    #[error("invalid reference format")]
    Format,
    /// Upper case in the path.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    UpperCase(String),
    /// Looks like an image id.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    LooksLikeId(String),
    /// Too long.
    #[error("repository name must not be more than 255 characters")]
    TooLong,
}

impl From<ParseReferenceError> for crate::error::Error {
    fn from(error: ParseReferenceError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// A parsed image name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    host: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// The registry: `docker.io`, `127.0.0.1:5000`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The repository within the registry: `library/busybox`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// With tag `latest` when there is neither tag nor digest.
    #[must_use]
    pub fn or_latest(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".to_owned());
        }
        self
    }

    /// The repository alone.
    #[must_use]
    pub fn repository(&self) -> Self {
        Self { tag: None, digest: None, ..self.clone() }
    }

    /// The repository with this digest and no tag.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// Without its tag when it has a digest, which is what such a name points to.
    #[must_use]
    pub fn exact(&self) -> Self {
        match self.digest {
            Some(digest) => self.at(digest),
            None => self.clone(),
        }
    }

    /// As people see it.
    pub fn familiar(&self) -> String {
        let mut text = self.familiar_name();
        self.push_suffix(&mut text);
        text
    }

    /// The repository as people see it.
    pub fn familiar_name(&self) -> String {
        if self.host != DEFAULT_HOST {
            return format!("{}/{}", self.host, self.path);
        }
        let name = match self.path.strip_prefix(OFFICIAL) {
            Some(name) if !name.contains('/') => name,
            _ => &self.path,
        };
        // What would be read as another registry's, or as an id, stays spelled out.
        let means_another = name.split_once('/').is_some_and(|(first, _)| is_host(first)) || looks_like_id(name);
        if means_another { format!("{DEFAULT_HOST}/{name}") } else { name.to_owned() }
    }

    fn push_suffix(&self, text: &mut String) {
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = self.digest {
            text.push('@');
            text.push_str(&digest.to_string());
        }
    }
}

impl FromStr for Reference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, ParseReferenceError> {
        use ParseReferenceError as Wrong;
        if looks_like_id(text) {
            return Err(Wrong::LooksLikeId(text.to_owned()));
        }
        let (rest, digest) = match text.split_once('@') {
            None => (text, None),
            Some((rest, digest)) => (rest, Some(digest.parse().map_err(|_| Wrong::Format)?)),
        };
        let (host, rest) = match rest.split_once('/') {
            Some((host, path)) if is_host(host) => (host, path),
            _ => (DEFAULT_HOST, rest),
        };
        let (path, tag) = match rest.split_once(':') {
            None => (rest, None),
            Some((path, tag)) => (path, Some(tag)),
        };
        let host = if host == "index.docker.io" { DEFAULT_HOST } else { host };
        let path =
            if host == DEFAULT_HOST && !path.contains('/') { format!("{OFFICIAL}{path}") } else { path.to_owned() };
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(Wrong::UpperCase(path));
        }
        if !valid_host(host) || !path.split('/').all(valid_component) || !tag.is_none_or(valid_tag) {
            return Err(Wrong::Format);
        }
        if host.len() + 1 + path.len() > 255 {
            return Err(Wrong::TooLong);
        }
        Ok(Self { host: host.to_owned(), path, tag: tag.map(str::to_owned), digest })
    }
}

fn looks_like_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The first part is a registry's name when it can't be a path: a dot, a port, `localhost`, or upper case.
fn is_host(text: &str) -> bool {
    text.contains(['.', ':']) || text == "localhost" || text.bytes().any(|b| b.is_ascii_uppercase())
}

fn valid_host(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            if address.is_empty() || !address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
                return false;
            }
            (None, port.strip_prefix(':').or(if port.is_empty() { None } else { Some("") }))
        }
        None => match text.split_once(':') {
            Some((name, port)) => (Some(name), Some(port)),
            None => (Some(text), None),
        },
    };
    let component = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    name.is_none_or(|name| name.split('.').all(component))
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// Lower-case letters and digits, with one `.`, one or two `_`, or any number of `-` between them.
fn valid_component(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    if !alphanumeric(*first) || !alphanumeric(*last) {
        return false;
    }
    bytes
        .split(|b| alphanumeric(*b))
        .filter(|separator| !separator.is_empty())
        .all(|separator| matches!(separator, b"." | b"_" | b"__") || separator.iter().all(|b| *b == b'-'))
}

fn valid_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=128).contains(&text.len())
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

impl fmt::Display for Reference {
    /// The canonical form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{}/{}", self.host, self.path);
        self.push_suffix(&mut text);
        f.write_str(&text)
    }
}

impl TryFrom<String> for Reference {
    type Error = ParseReferenceError;

    fn try_from(text: String) -> Result<Self, ParseReferenceError> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_canonical_and_a_familiar_form() {
        let digest = Digest::of(b"x");
        for (written, canonical, familiar) in [
            ("busybox", "docker.io/library/busybox".to_owned(), "busybox".to_owned()),
            ("busybox:1.36", "docker.io/library/busybox:1.36".into(), "busybox:1.36".into()),
            ("docker.io/busybox", "docker.io/library/busybox".into(), "busybox".into()),
            ("index.docker.io/library/busybox", "docker.io/library/busybox".into(), "busybox".into()),
            ("team/app", "docker.io/team/app".into(), "team/app".into()),
            ("library/a/b", "docker.io/library/a/b".into(), "library/a/b".into()),
            ("localhost/app:x", "localhost/app:x".into(), "localhost/app:x".into()),
            ("127.0.0.1:5000/a/b:v1", "127.0.0.1:5000/a/b:v1".into(), "127.0.0.1:5000/a/b:v1".into()),
            ("[::1]:5000/a", "[::1]:5000/a".into(), "[::1]:5000/a".into()),
            ("ghcr.io/a/b-c__d.e", "ghcr.io/a/b-c__d.e".into(), "ghcr.io/a/b-c__d.e".into()),
            ("A/b", "A/b".into(), "A/b".into()),
            ("docker.io/evil.example/a", "docker.io/evil.example/a".into(), "docker.io/evil.example/a".into()),
            ("docker.io/localhost/a", "docker.io/localhost/a".into(), "docker.io/localhost/a".into()),
            ("a", "docker.io/library/a".into(), "a".into()),
            (&format!("a:t@{digest}"), format!("docker.io/library/a:t@{digest}"), format!("a:t@{digest}")),
        ] {
            let reference: Reference = written.parse().unwrap();
            assert_eq!(reference.to_string(), canonical, "{written}");
            assert_eq!(reference.familiar(), familiar, "{written}");
            assert_eq!(canonical.parse(), Ok(reference), "canonical form parses to itself");
        }
    }

    #[test]
    fn broken_names_are_refused_in_dockers_words() {
        for wrong in [
            "",
            ":",
            ":x",
            "a:",
            "a@",
            "a@sha256:12",
            "-a",
            "a-",
            "a..b",
            "a___b",
            "a/",
            "/a",
            "a//b",
            "a b",
            "a:-x",
            "a:b:c",
            "../a",
            "a/../b",
            "http://x/y",
            "-x.io/a",
            "x.io:/a",
            "x.io:p/a",
            "[::1/a",
            "[]/a",
            "ü",
            "a\n",
            &format!("a:{}", "t".repeat(129)),
        ] {
            assert_eq!(wrong.parse::<Reference>().map(|r| r.to_string()), Err(ParseReferenceError::Format), "{wrong}");
        }
        assert_eq!(
            "FOO".parse::<Reference>().unwrap_err().to_string(),
            "invalid reference format: repository name (library/FOO) must be lowercase"
        );
        assert!(matches!("a".repeat(64).parse::<Reference>(), Err(ParseReferenceError::LooksLikeId(_))));
        assert_eq!("a".repeat(300).parse::<Reference>(), Err(ParseReferenceError::TooLong));
    }

    #[test]
    fn latest_is_added_only_where_nothing_is_said() {
        let latest = |text: &str| text.parse::<Reference>().unwrap().or_latest().familiar();
        assert_eq!(latest("a"), "a:latest");
        assert_eq!(latest("a:b"), "a:b");
        let exact = format!("a@{}", Digest::of(b"x"));
        assert_eq!(latest(&exact), exact);
    }
}
