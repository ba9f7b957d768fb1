//! The choice of a restart policy, in the form of a new container and among the settings of one.

use runtime::request::RestartPolicy;

use crate::i18n::Texts;

/// The policies: value, words, whether it is the chosen one.
pub fn choices(t: Texts, chosen: &str) -> Vec<(&'static str, String, bool)> {
    [
        ("no", "restart-no"),
        ("on-failure", "restart-on-failure"),
        ("always", "restart-always"),
        ("unless-stopped", "restart-unless-stopped"),
    ]
    .into_iter()
    .map(|(value, key)| (value, t.get(key), value == chosen || (value == "no" && chosen.is_empty())))
    .collect()
}

/// The policy as typed; retries count only for `on-failure`.
pub fn policy(name: &str, retries: &str) -> Option<RestartPolicy> {
    let retries = match (name, retries) {
        ("on-failure", "") => 0,
        ("on-failure", text) => i64::from(text.parse::<u32>().ok()?),
        _ => 0,
    };
    RestartPolicy::parse(name, retries).ok()
}

/// The policy in words, with its retries.
pub fn words(t: Texts, policy: RestartPolicy) -> String {
    let chosen = choices(t, policy.name()).into_iter().find(|(_, _, chosen)| *chosen);
    let words = chosen.map_or_else(|| policy.name().to_owned(), |(_, words, _)| words);
    match policy.retries() {
        0 => words,
        count => format!("{words} ({count}×)"),
    }
}

/// The retries as typed; empty is without end.
pub fn retries(policy: RestartPolicy) -> String {
    Some(policy.retries()).filter(|count| *count > 0).map_or_else(String::new, |count| count.to_string())
}
