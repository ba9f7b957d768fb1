//! Archives for the browser to keep: streamed as they are made, under a name that is safe on any disk.

use axum::{
    body::Body,
    http::header,
    response::{IntoResponse as _, Response},
};
use runtime::Outflow;

/// Longest file name, without its ending.
const NAME_BYTES: usize = 100;

/// The kind of what leaves here; it is not compressed on its way.
pub const TAR: &str = "application/x-tar";

/// An archive as a download. When it breaks off, the browser learns that it is not whole.
pub fn tar(name: &str, archive: Outflow) -> Response {
    let headers = [
        (header::CONTENT_TYPE, TAR.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}.tar\"", file_name(name))),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, Body::from_stream(archive)).into_response()
}

/// What is left of a name when it must be a file's: letters, digits, `.`, `_` and `-`, and no dot in front.
pub fn file_name(text: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = text.chars().map(safe).take(NAME_BYTES).collect();
    let name = name.trim_matches(['.', '-']);
    if name.is_empty() { "archive".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_for_headers_and_disks() {
        assert_eq!(file_name("shop/api:2.14.0"), "shop-api-2.14.0");
        assert_eq!(file_name("../../etc/passwd"), "etc-passwd");
        assert_eq!(file_name("a\"; filename=\"b\r\nx: y"), "a---filename--b--x--y");
        assert_eq!(file_name("ñ"), "archive");
        assert_eq!(file_name(&"x".repeat(300)).len(), NAME_BYTES);
    }
}
