//! What `docker logs --details` shows before each line: labels, variables and a tag, as the log options choose them.

use std::collections::BTreeMap;

use regex::Regex;
use runtime::view::ContainerView;

use crate::ops::log_tag::Tag;

/// The text before each line, its space included: `name=value,…` in order of the names.
pub(super) fn prefix(container: &ContainerView) -> String {
    let pairs = chosen(container);
    let pair = |(name, value): (&String, &String)| format!("{}={}", escaped(name), escaped(value));
    pairs.iter().map(pair).collect::<Vec<_>>().join(",") + " "
}

fn chosen(container: &ContainerView) -> BTreeMap<String, String> {
    let options = &container.request.log_options;
    let option = |name: &str| options.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let env = container.env.iter().filter_map(|line| line.split_once('='));
    let env: BTreeMap<String, String> = env.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut pairs = BTreeMap::new();
    for (names, pattern, all) in [("labels", "labels-regex", &container.labels), ("env", "env-regex", &env)] {
        let names: Vec<_> = option(names).unwrap_or_default().split(',').collect();
        let pattern = option(pattern).and_then(|pattern| Regex::new(pattern).ok());
        let is_wanted = |name: &str| names.contains(&name) || pattern.as_ref().is_some_and(|one| one.is_match(name));
        pairs.extend(all.iter().filter(|(name, _)| is_wanted(name)).map(|(name, value)| (name.clone(), value.clone())));
    }
    let tag = option("tag").and_then(|tag| Tag::parse(tag).ok()).map(|tag| tag.show(container));
    pairs.extend(tag.filter(|tag| !tag.is_empty()).map(|tag| ("tag".to_owned(), tag)));
    pairs
}

/// As in a query: clients split at commas and equals signs.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::model::container::tests::web, *};

    fn shown(options: &[(&str, &str)]) -> String {
        let mut container = web();
        container.name = "web".to_owned();
        container.argv = vec!["sleep".to_owned(), "1".to_owned()];
        container.env = vec!["COLOUR=dark red".to_owned(), "COUNT=1".to_owned(), "ODD".to_owned()];
        container.labels =
            [("tier", "a,b=c"), ("team.name", "ñ")].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        container.request.log_options =
            options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        prefix(&container)
    }

    #[test]
    fn what_is_chosen_is_shown_in_order() {
        assert_eq!(shown(&[]), " ");
        assert_eq!(shown(&[("labels", "tier,none"), ("env", "COLOUR")]), "COLOUR=dark+red,tier=a%2Cb%3Dc ");
        assert_eq!(
            shown(&[("labels-regex", "^team"), ("env-regex", "^CO")]),
            "COLOUR=dark+red,COUNT=1,team.name=%C3%B1 "
        );
        assert_eq!(shown(&[("tag", "{{.Name}}-{{ .Command }}")]), "tag=web-sleep+1 ");
        assert_eq!(shown(&[("env", "ODD"), ("labels", "")]), " ");
    }
}
