//! Looking a Dockerfile over before it is built.

use runtime::{
    build::dockerfile::{Dockerfile, Finding, LintContext, lint},
    error::Result,
};

use super::course::Warning;
use crate::auth::actor::{Actor, Right};

/// What a person should look at in this Dockerfile; what can't be read at all is the only finding then.
///
/// # Errors
/// Without the right to view.
pub fn check(actor: &Actor, text: &str) -> Result<Vec<Warning>> {
    actor.require(Right::View)?;
    let file = match Dockerfile::parse(text.as_bytes()) {
        Ok(file) => file,
        Err(error) => {
            let line = error.location().map_or(0, |location| location.first);
            return Ok(vec![Warning { check: String::new(), line, text: error.message().to_owned() }]);
        }
    };
    let warning =
        |one: Finding| Warning { check: one.rule.name().to_owned(), line: one.location.first, text: one.message };
    let foreign = file.foreign_front_end().map(|(line, text)| Warning { check: String::new(), line, text });
    let findings = lint(&file, LintContext::default()).into_iter().filter(Finding::is_certain).map(warning);
    Ok(foreign.into_iter().chain(findings).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_dockerfile_is_found_with_its_line() {
        let found = check(&Actor::system(), "FROM busybox\nFOO bar\n").unwrap();
        assert_eq!((found.len(), found[0].line), (1, 2));
        assert!(found[0].text.to_lowercase().contains("unknown instruction"), "{}", found[0].text);
        assert!(check(&Actor::system(), "FROM busybox\nRUN true\n").unwrap().is_empty());
        let found = check(&Actor::system(), "# syntax=some/other\nFROM busybox\n").unwrap();
        assert_eq!((found.len(), found[0].line), (1, 1));
        let found = check(&Actor::system(), "FROM busybox\nMAINTAINER me\n").unwrap();
        assert_eq!((found[0].check.as_str(), found[0].line), ("MaintainerDeprecated", 2));
    }
}
