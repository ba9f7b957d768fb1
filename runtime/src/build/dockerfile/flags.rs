//! The flags of an instruction: `--name=value`.

use std::collections::BTreeMap;

use super::suggest;

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing, or `=true` or `=false`.
    Bool,
    /// One value.
    One,
    /// A value each time it is given.
    Many,
}

/// Flags given to an instruction, checked against those it has.
#[derive(Debug, Default)]
pub(super) struct Flags(BTreeMap<&'static str, Vec<String>>);

impl Flags {
    pub(super) fn parse(given: &[String], known: &[(&'static str, Kind)]) -> Result<Self, String> {
        let mut flags = Self::default();
        for flag in given {
            let flag = flag.strip_prefix("--").unwrap_or(flag);
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (flag, None),
            };
            let Some((name, kind)) = known.iter().find(|(known, _)| *known == name).copied() else {
                let near = suggest::suffix(name, known.iter().map(|(known, _)| *known));
                return Err(format!("unknown flag: {name}{near}"));
            };
            let values = flags.0.entry(name).or_default();
            if !values.is_empty() && kind != Kind::Many {
                return Err(format!("duplicate flag specified: {name}"));
            }
            values.push(match (kind, value) {
                (Kind::Bool, None) => "true".to_owned(),
                (Kind::Bool, Some("")) | (Kind::One | Kind::Many, None) => {
                    return Err(format!("missing a value on flag: {name}"));
                }
                (Kind::Bool, Some(value)) => {
                    let lower = value.to_lowercase();
                    if lower != "true" && lower != "false" {
                        return Err(format!("expecting boolean value for flag {name}, not: {value}"));
                    }
                    lower
                }
                (Kind::One | Kind::Many, Some(value)) => value.to_owned(),
            });
        }
        Ok(flags)
    }

    /// The value of a flag; given but empty is as not given.
    pub(super) fn one(&mut self, name: &str) -> Option<String> {
        self.many(name).into_iter().next().filter(|value| !value.is_empty())
    }

    /// All its values, in order.
    pub(super) fn many(&mut self, name: &str) -> Vec<String> {
        self.0.remove(name).unwrap_or_default()
    }

    /// Whether a switch is on; `None` if not said.
    pub(super) fn switch(&mut self, name: &str) -> Option<bool> {
        self.one(name).map(|value| value == "true")
    }
}
