//! JSON as a tree that folds and can be searched, without a script.

use serde_json::Value;

/// One line of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// An object or a list begins.
    Open {
        /// Its name, or its place in a list.
        key: String,
        /// How many things are in it.
        count: usize,
        /// Shown unfolded.
        is_open: bool,
    },
    /// It ends.
    Close,
    /// One value.
    Leaf {
        /// Its name, or its place in a list.
        key: String,
        /// The value as text.
        value: String,
        /// `text`, `number`, `word` (true, false, null) or `empty`.
        kind: &'static str,
    },
}

/// The tree's lines. With `words`, only what has them in its path or value, and everything above it; letter case doesn't
/// matter.
pub fn lines(value: &Value, words: &str) -> Vec<Line> {
    let wanted = words.trim().to_lowercase();
    let mut lines = Vec::new();
    for (key, value) in parts(value) {
        visit(&key, value, &key, &wanted, &mut lines);
    }
    lines
}

fn parts(value: &Value) -> Vec<(String, &Value)> {
    match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    }
}

fn visit(key: &str, value: &Value, path: &str, wanted: &str, lines: &mut Vec<Line>) {
    let is_named = path.to_lowercase().contains(wanted);
    let inside = parts(value);
    if inside.is_empty() {
        let (text, kind) = leaf(value);
        if is_named || text.to_lowercase().contains(wanted) {
            lines.push(Line::Leaf { key: key.to_owned(), value: text, kind });
        }
        return;
    }
    let start = lines.len();
    lines.push(Line::Open {
        key: key.to_owned(),
        count: inside.len(),
        is_open: !wanted.is_empty() || inside.len() <= 12,
    });
    for (name, value) in inside {
        visit(&name, value, &format!("{path}.{name}"), wanted, lines);
    }
    if lines.len() == start + 1 {
        lines.truncate(start);
    } else {
        lines.push(Line::Close);
    }
}

fn leaf(value: &Value) -> (String, &'static str) {
    match value {
        Value::String(text) if text.is_empty() => ("\"\"".to_owned(), "empty"),
        Value::String(text) => (text.clone(), "text"),
        Value::Number(number) => (number.to_string(), "number"),
        Value::Array(_) => ("[]".to_owned(), "empty"),
        Value::Object(_) => ("{}".to_owned(), "empty"),
        word => (word.to_string(), "word"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(lines: &[Line]) -> Vec<String> {
        let key = |line: &Line| match line {
            Line::Open { key, .. } => format!("{key}>"),
            Line::Close => "<".to_owned(),
            Line::Leaf { key, value, .. } => format!("{key}={value}"),
        };
        lines.iter().map(key).collect()
    }

    #[test]
    fn a_tree_is_searched_by_path_and_by_value() {
        let value = json!({ "name": "web", "limits": { "pids": 7, "memory": null }, "env": ["A=b", "Path=/bin"] });
        assert_eq!(
            keys(&lines(&value, "")),
            ["env>", "0=A=b", "1=Path=/bin", "<", "limits>", "memory=null", "pids=7", "<", "name=web"]
        );
        assert_eq!(keys(&lines(&value, " PATH ")), ["env>", "1=Path=/bin", "<"]);
        assert_eq!(keys(&lines(&value, "limits.p")), ["limits>", "pids=7", "<"]);
        assert_eq!(keys(&lines(&value, "limits")), ["limits>", "memory=null", "pids=7", "<"]);
        assert!(lines(&value, "nowhere").is_empty());
    }

    #[test]
    fn what_is_empty_says_so() {
        assert_eq!(keys(&lines(&json!({ "a": [], "b": {}, "c": "" }), "")), ["a=[]", "b={}", "c=\"\""]);
    }
}
