//! The `filters` of a list: `{"label": {"a=b": true}}`, or lists of values as old clients write them.

use std::collections::BTreeMap;

use regex::Regex;
use serde::Deserialize;

use super::{
    error::{Failure, Result},
    query::Query,
};

/// Names and, for each, the values that are wanted.
#[derive(Debug, Default)]
pub(super) struct Filters(BTreeMap<String, Vec<String>>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    Map(BTreeMap<String, bool>),
    List(Vec<String>),
}

impl Filters {
    /// Reads the query's `filters`. Only `known` names may be used.
    pub(super) fn of(query: &Query, known: &[&str]) -> Result<Self> {
        query.text("filters").map_or_else(|| Ok(Self::default()), |text| Self::parse(text, known))
    }

    fn parse(text: &str, known: &[&str]) -> Result<Self> {
        let parsed: BTreeMap<String, Values> =
            serde_json::from_str(text).map_err(|error| Failure::invalid(format!("invalid filter: {error}")))?;
        if let Some(name) = parsed.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(Failure::invalid(format!("invalid filter '{name}'")));
        }
        let values = |values| match values {
            Values::Map(map) => map.into_iter().filter(|(_, wanted)| *wanted).map(|(value, _)| value).collect(),
            Values::List(list) => list,
        };
        Ok(Self(parsed.into_iter().map(|(name, wanted)| (name, values(wanted))).collect()))
    }

    /// The wanted values of one name; none when it is not filtered by.
    pub(super) fn values(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Not filtered by this name, or this value is among the wanted.
    pub(super) fn exact(&self, name: &str, value: &str) -> bool {
        let wanted = self.values(name);
        wanted.is_empty() || wanted.iter().any(|one| one == value)
    }

    /// The patterns of one name, ready for [`Patterns::matches`].
    pub(super) fn patterns(&self, name: &str) -> Patterns {
        let wanted = self.values(name);
        Patterns {
            any: wanted.is_empty(),
            exact: wanted.to_vec(),
            regexes: wanted.iter().filter_map(|text| Regex::new(text).ok()).collect(),
        }
    }

    /// Not filtered by label, or all the wanted are there; `name` alone wants the label with any value.
    pub(super) fn labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.values("label").iter().all(|wanted| match wanted.split_once('=') {
            None => labels.contains_key(wanted),
            Some((name, value)) => labels.get(name).is_some_and(|known| known == value),
        })
    }

    /// A yes or no; `None` when not filtered by, both or neither being an error.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>> {
        let Some(wanted) = self.0.get(name) else { return Ok(None) };
        match wanted.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["1" | "true" | "True" | "TRUE"] => Ok(Some(true)),
            ["0" | "false" | "False" | "FALSE"] => Ok(Some(false)),
            _ => Err(Failure::invalid(format!("invalid filter '{name}={}'", wanted.join(",")))),
        }
    }
}

/// Regular expressions of which one has to match, or the exact text.
#[derive(Debug)]
pub(super) struct Patterns {
    any: bool,
    exact: Vec<String>,
    regexes: Vec<Regex>,
}

impl Patterns {
    /// No pattern was given, or one matches.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.any || self.exact.iter().any(|one| one == text) || self.regexes.iter().any(|one| one.is_match(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["label", "name", "dangling"];

    #[test]
    fn both_spellings_are_read() {
        for text in [r#"{"label":{"a=b":true,"c":true}}"#, r#"{"label":["a=b","c"]}"#] {
            let filters = Filters::parse(text, KNOWN).unwrap();
            let labels = |pairs: &[(&str, &str)]| {
                filters.labels(&pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect())
            };
            assert!(labels(&[("a", "b"), ("c", "")]));
            assert!(!labels(&[("a", "b")]) && !labels(&[("a", "x"), ("c", "")]));
        }
    }

    #[test]
    fn wrong_filters_are_named() {
        for (text, words) in [
            (r#"{"colour":{"red":true}}"#, "invalid filter 'colour'"),
            ("{", "invalid filter"),
            (r#"{"label":3}"#, "invalid filter"),
        ] {
            assert!(format!("{:?}", Filters::parse(text, KNOWN).unwrap_err()).contains(words), "{text}");
        }
        let flag = |text| Filters::parse(text, KNOWN).unwrap().flag("dangling");
        assert_eq!(flag(r#"{"dangling":["true"]}"#).unwrap(), Some(true));
        assert_eq!(flag(r#"{"dangling":{"0":true}}"#).unwrap(), Some(false));
        assert_eq!(flag("{}").unwrap(), None);
        assert!(flag(r#"{"dangling":["true","false"]}"#).is_err());
        assert!(flag(r#"{"dangling":["maybe"]}"#).is_err());
    }

    #[test]
    fn names_are_regular_expressions() {
        let matches = |pattern: &str, text: &str| {
            Filters(BTreeMap::from([("name".to_owned(), vec![pattern.to_owned()])])).patterns("name").matches(text)
        };
        assert!(matches("we", "web") && matches("^web$", "web") && matches("^/?web", "/web") && matches("w.b", "web"));
        assert!(!matches("^eb", "web") && !matches("web2", "web"));
        assert!(matches("(", "(") && !matches("(", "web"), "a broken pattern matches only itself");
        assert!(Filters::default().patterns("name").matches("web"));
    }
}
