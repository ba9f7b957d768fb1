//! A request's query, read as leniently as Docker reads it: unknown names are ignored, `0`, `no`, `false` and `none` are
//! false, any other value is true.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use hyper::http::request::Parts;
use jiff::Timestamp;

use super::error::{Failure, Result};

/// The names and values of a query.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl Query {
    /// From the text after the question mark.
    pub(super) fn parse(text: &str) -> Self {
        Self(serde_html_form::from_str(text).unwrap_or_default())
    }

    /// The first value, unless it is empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// All values that are not empty, in order.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        let named = self.0.iter().filter(|(known, value)| known == name && !value.is_empty());
        named.map(|(_, value)| value.clone()).collect()
    }

    /// True when it is there and doesn't say no.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.flag_or(name, false)
    }

    /// As [`Self::flag`], with an answer for when it is not there.
    pub(super) fn flag_or(&self, name: &str, absent: bool) -> bool {
        match self.0.iter().find(|(known, _)| known == name) {
            None => absent,
            Some((_, value)) => {
                !matches!(value.trim().to_ascii_lowercase().as_str(), "" | "0" | "no" | "false" | "none")
            }
        }
    }

    /// A whole number.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>> {
        self.text(name)
            .map(|text| text.parse().map_err(|_| Failure::invalid(format!("invalid value for {name:?}: {text:?}"))))
            .transpose()
    }

    /// A moment: seconds since 1970 with an optional fraction, or RFC 3339. 0 is as if absent.
    pub(super) fn moment(&self, name: &str) -> Result<Option<Timestamp>> {
        match self.text(name) {
            None | Some("0") => Ok(None),
            Some(text) => {
                moment(text).map(Some).ok_or_else(|| Failure::invalid(format!("invalid value for {name:?}: {text:?}")))
            }
        }
    }
}

/// A moment as text: seconds since 1970 with an optional fraction, or RFC 3339.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if let Ok(seconds) = whole.parse::<i64>() {
        if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let nanos: i32 = format!("{fraction:0<9}").parse().ok()?;
        return Timestamp::new(seconds, if whole.starts_with('-') { -nanos } else { nanos }).ok();
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_as_docker_reads_them() {
        let query = Query::parse("a=1&b=0&c=&d=True&e=false&f=none&g=x&name=a%2Fb");
        for (name, said) in
            [("a", true), ("b", false), ("c", false), ("d", true), ("e", false), ("f", false), ("g", true)]
        {
            assert_eq!(query.flag(name), said, "{name}");
        }
        assert!(!query.flag("z") && query.flag_or("z", true));
        assert_eq!((query.text("name"), query.text("c")), (Some("a/b"), None));
        assert!(query.number("a").unwrap() == Some(1) && query.number("g").is_err());
    }

    #[test]
    fn moments_have_three_spellings() {
        let at = |text| moment(text).map(Timestamp::as_nanosecond);
        assert_eq!(at("1700000000"), Some(1_700_000_000_000_000_000));
        assert_eq!(at("1700000000.000000005"), Some(1_700_000_000_000_000_005));
        assert_eq!(at("1700000000.5"), Some(1_700_000_000_500_000_000));
        assert_eq!(at("2023-11-14T22:13:20Z"), Some(1_700_000_000_000_000_000));
        assert_eq!((at("soon"), at("1.x"), at("1.0000000000")), (None, None, None));
    }
}
