//! The API's version: the prefix `/v1.48` of a path, and the range that is spoken.

use std::fmt;

use super::error::{Failure, Result};

/// A version of Docker's API, `1.48`. It orders as versions do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ApiVersion {
    major: u32,
    minor: u32,
}

/// The newest that is spoken, and what a path without version means.
pub(super) const NEWEST: ApiVersion = ApiVersion { major: 1, minor: 48 };
/// The oldest that is spoken.
pub(super) const OLDEST: ApiVersion = ApiVersion { major: 1, minor: 24 };
/// Since this one, streams say whether they are framed.
pub(super) const NAMES_FRAMES: ApiVersion = ApiVersion { major: 1, minor: 42 };

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl ApiVersion {
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        Some(Self { major: number(major)?, minor: number(minor)? })
    }
}

/// Takes the version off a path and checks that it is spoken. Repeated slashes become one.
pub(super) fn split(path: &str) -> Result<(ApiVersion, String)> {
    let mut rest = path;
    let mut version = NEWEST;
    if let Some((text, after)) = path.strip_prefix("/v").map(|tail| tail.split_once('/').unwrap_or((tail, "")))
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    {
        version = ApiVersion::parse(text).ok_or_else(|| Failure::invalid(format!("invalid API version: {text}")))?;
        rest = &path[path.len() - after.len()..];
    }
    if version < OLDEST {
        return Err(Failure::invalid(format!(
            "client version {version} is too old. Minimum supported API version is {OLDEST}, please upgrade your client \
             to a newer version"
        )));
    }
    if version > NEWEST {
        return Err(Failure::invalid(format!(
            "client version {version} is too new. Maximum supported API version is {NEWEST}"
        )));
    }
    let mut clean = String::with_capacity(rest.len() + 1);
    clean.push('/');
    for c in rest.chars() {
        if c != '/' || !clean.ends_with('/') {
            clean.push(c);
        }
    }
    Ok((version, clean))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &str) -> String {
        format!("{:?}", split(path).unwrap_err())
    }

    #[test]
    fn a_path_may_have_a_version() {
        let v = |minor| ApiVersion { major: 1, minor };
        for (path, version, rest) in [
            ("/_ping", NEWEST, "/_ping"),
            ("/v1.41/containers/json", v(41), "/containers/json"),
            ("/v1.24/images/a/b:c/json", v(24), "/images/a/b:c/json"),
            ("/v1.48", NEWEST, "/"),
            ("/v1.48/containers//name/json", NEWEST, "/containers/name/json"),
            ("/version", NEWEST, "/version"),
            ("/volumes", NEWEST, "/volumes"),
            ("/v2/", ApiVersion { major: 0, minor: 0 }, ""),
        ] {
            if path == "/v2/" {
                assert!(refusal(path).contains("invalid API version: 2"));
            } else {
                assert_eq!(split(path).unwrap(), (version, rest.to_owned()), "{path}");
            }
        }
    }

    #[test]
    fn versions_out_of_range_are_refused_in_dockers_words() {
        assert!(refusal("/v1.10/info").contains(
            "client version 1.10 is too old. Minimum supported API version is 1.24, please upgrade your client to a \
             newer version"
        ));
        assert!(
            refusal("/v1.99/info").contains("client version 1.99 is too new. Maximum supported API version is 1.48")
        );
        assert!(refusal("/v2.0/info").contains("too new"));
        assert!(refusal("/v0.9/info").contains("too old"));
    }
}
