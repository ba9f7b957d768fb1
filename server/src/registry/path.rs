//! What a path names. A repository's name has slashes, so a path is read from its end.

use runtime::digest::Digest;

use super::error::Failure;

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Root,
    Token,
    Catalog,
    Tags { name: String },
    Referrers { name: String, digest: String },
    Manifest { name: String, reference: String },
    Blob { name: String, digest: String },
    Uploads { name: String },
    Upload { name: String, id: String },
}

impl Place {
    /// The repository.
    pub(super) fn repository(&self) -> Option<&str> {
        match self {
            Self::Root | Self::Token | Self::Catalog => None,
            Self::Tags { name }
            | Self::Referrers { name, .. }
            | Self::Manifest { name, .. }
            | Self::Blob { name, .. }
            | Self::Uploads { name }
            | Self::Upload { name, .. } => Some(name),
        }
    }
}

/// Reads a path; `None` when there is nothing of that kind.
pub(super) fn parse(path: &str) -> Option<Place> {
    let path = unescape(path)?;
    let below = match path.strip_prefix("/v2")? {
        "" | "/" => return Some(Place::Root),
        below => below.strip_prefix('/')?,
    };
    match below {
        "token" => return Some(Place::Token),
        "_catalog" => return Some(Place::Catalog),
        _ => {}
    }
    let parts: Vec<&str> = below.split('/').collect();
    let name = |parts: &[&str]| {
        let name = parts.join("/");
        (!name.is_empty()).then_some(name)
    };
    match parts.as_slice() {
        [of @ .., "blobs", "uploads", ""] | [of @ .., "blobs", "uploads"] => Some(Place::Uploads { name: name(of)? }),
        [of @ .., "blobs", "uploads", id] => Some(Place::Upload { name: name(of)?, id: (*id).to_owned() }),
        [of @ .., "blobs", digest] => Some(Place::Blob { name: name(of)?, digest: (*digest).to_owned() }),
        [of @ .., "manifests", reference] => {
            Some(Place::Manifest { name: name(of)?, reference: (*reference).to_owned() })
        }
        [of @ .., "tags", "list"] => Some(Place::Tags { name: name(of)? }),
        [of @ .., "referrers", digest] => Some(Place::Referrers { name: name(of)?, digest: (*digest).to_owned() }),
        _ => None,
    }
}

/// A digest in a path or a query.
pub(super) fn digest(text: &str) -> Result<Digest, Failure> {
    text.parse().map_err(|_| Failure::digest_invalid(text))
}

fn unescape(path: &str) -> Option<String> {
    let mut bytes = path.bytes();
    let mut out = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                u8::try_from(digit(bytes.next())? * 16 + digit(bytes.next())?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_from_their_end() {
        let of = |name: &str| name.to_owned();
        assert_eq!(parse("/v2"), Some(Place::Root));
        assert_eq!(parse("/v2/"), Some(Place::Root));
        assert_eq!(parse("/v2/_catalog"), Some(Place::Catalog));
        assert_eq!(parse("/v2/token"), Some(Place::Token));
        assert_eq!(
            parse("/v2/token/manifests/1"),
            Some(Place::Manifest { name: of("token"), reference: of("1") }),
            "a repository may be named so"
        );
        assert_eq!(
            parse("/v2/a/manifests/b/manifests/sha256%3Aff"),
            Some(Place::Manifest { name: of("a/manifests/b"), reference: of("sha256:ff") })
        );
        assert_eq!(parse("/v2/a/b/tags/list"), Some(Place::Tags { name: of("a/b") }));
        for uploads in ["/v2/a/b/blobs/uploads/", "/v2/a/b/blobs/uploads"] {
            assert_eq!(parse(uploads), Some(Place::Uploads { name: of("a/b") }));
        }
        assert_eq!(parse("/v2/a/blobs/uploads/x"), Some(Place::Upload { name: of("a"), id: of("x") }));
        assert_eq!(parse("/v2/a/blobs/sha256:x"), Some(Place::Blob { name: of("a"), digest: of("sha256:x") }));
        assert_eq!(parse("/v2/a/referrers/sha256:x"), Some(Place::Referrers { name: of("a"), digest: of("sha256:x") }));
        for nothing in
            ["/v2x", "/v2/a", "/v2/manifests/1", "/v2/a/tags", "/v2//", "/v2/a/b/c", "/v2/%zz", "/v2/%ff/tags/list"]
        {
            assert_eq!(parse(nothing), None, "{nothing}");
        }
    }
}
