//! The fields of the launch form that are one text, one choice or one tick each, and what is wrong with them.

use std::collections::BTreeMap;

use crate::i18n::Texts;

/// A field that needs a change: its id on the page, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The field's id.
    pub field: String,
    /// Its name on the page.
    pub label: String,
    /// Why.
    pub why: String,
}

/// What is wrong with a form.
pub struct Complaints {
    /// The texts.
    pub t: Texts,
    /// So far, in the form's order.
    pub wrong: Vec<Wrong>,
}

impl Complaints {
    /// None yet.
    pub fn new(t: Texts) -> Self {
        Self { t, wrong: Vec::new() }
    }

    /// One more: the field's id, the keys of its name and of the reason.
    pub fn say(&mut self, field: impl Into<String>, label: &str, why: &str) {
        self.tell(field, label, self.t.get(why));
    }

    /// One more, with a reason in words.
    pub fn tell(&mut self, field: impl Into<String>, label: &str, why: String) {
        self.wrong.push(Wrong { field: field.into(), label: self.t.get(label), why });
    }

    /// What a text says; nothing when it is empty, or when `read` makes no sense of it, which is said.
    pub fn read<T>(
        &mut self,
        (field, label, why): (&str, &str, &str),
        text: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        if text.is_empty() {
            return None;
        }
        let value = read(text);
        if value.is_none() {
            self.say(field, label, why);
        }
        value
    }

    /// What the lines of a text say; the first that makes no sense is named.
    pub fn read_lines<T>(
        &mut self,
        (field, label, why): (&str, &str, &str),
        text: &str,
        mut read: impl FnMut(&str) -> Option<T>,
    ) -> Vec<T> {
        let mut all = Vec::new();
        for line in lines(text) {
            let Some(value) = read(line) else {
                self.tell(field, label, self.t.one(why, "line", line));
                break;
            };
            all.push(value);
        }
        all
    }
}

/// The lines of a text that say something.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// Words between blanks, commas and line ends.
pub fn words(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| letter.is_whitespace() || letter == ',');
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// `name=value` lines.
pub fn pair_lines(pairs: &BTreeMap<String, String>) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("\n")
}

/// A `name=value` line.
pub fn pair_of(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    (!name.trim().is_empty()).then(|| (name.trim().to_owned(), value.trim().to_owned()))
}

/// How a field looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A line.
    Text,
    /// A line of digits.
    Number,
    /// Some lines.
    Lines,
    /// A tick.
    Tick,
    /// One of these: value, words, whether it is chosen.
    Choice(Vec<(&'static str, String, bool)>),
}

/// A field of the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its id on the page.
    pub id: &'static str,
    /// Its name when sent.
    pub name: &'static str,
    /// What it is called.
    pub label: String,
    /// As typed; `on` is ticked.
    pub value: String,
    /// The rule, or nothing.
    pub hint: String,
    /// How it looks.
    pub kind: Kind,
}

impl Input {
    /// A line of text; a value of several lines makes it taller, since browsers drop line ends from single lines.
    pub fn text(id: &'static str, name: &'static str, label: String, value: &str) -> Self {
        let kind = if value.contains('\n') { Kind::Lines } else { Kind::Text };
        Self { id, name, label, value: value.to_owned(), hint: String::new(), kind }
    }

    /// A number.
    pub fn number(id: &'static str, name: &'static str, label: String, value: &str) -> Self {
        Self { kind: Kind::Number, ..Self::text(id, name, label, value) }
    }

    /// Some lines.
    pub fn lines(id: &'static str, name: &'static str, label: String, value: &str) -> Self {
        Self { kind: Kind::Lines, ..Self::text(id, name, label, value) }
    }

    /// A tick.
    pub fn tick(id: &'static str, name: &'static str, label: String, on: bool) -> Self {
        Self { kind: Kind::Tick, ..Self::text(id, name, label, if on { "on" } else { "" }) }
    }

    /// A choice.
    pub fn choice(
        id: &'static str,
        name: &'static str,
        label: String,
        all: &[(&'static str, String)],
        now: &str,
    ) -> Self {
        let all = all.iter().map(|(value, words)| (*value, words.clone(), *value == now)).collect();
        Self { kind: Kind::Choice(all), ..Self::text(id, name, label, now) }
    }

    /// With its rule.
    pub fn hint(self, hint: String) -> Self {
        Self { hint, ..self }
    }

    /// The choices.
    pub fn choices(&self) -> &[(&'static str, String, bool)] {
        match &self.kind {
            Kind::Choice(all) => all,
            _ => &[],
        }
    }

    /// It is a tick.
    pub fn is_tick(&self) -> bool {
        self.kind == Kind::Tick
    }

    /// It has several lines.
    pub fn is_lines(&self) -> bool {
        self.kind == Kind::Lines
    }

    /// It is a number.
    pub fn is_number(&self) -> bool {
        self.kind == Kind::Number
    }

    /// A text area takes this many rows.
    pub fn rows(&self) -> usize {
        self.value.lines().count().clamp(2, 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_the_first_wrong_one_is_named() {
        let mut complaints = Complaints::new(Texts::default());
        let rule = ("sy", "launch-sysctls", "launch-sysctls-wrong");
        let read = complaints.read_lines(rule, "a=1\r\n\r\n b = 2 \nnone\nneither", pair_of);
        assert_eq!(read, [("a".into(), "1".into()), ("b".into(), "2".into())]);
        assert_eq!(complaints.wrong.len(), 1);
        assert!(complaints.wrong[0].why.contains("none"), "{}", complaints.wrong[0].why);
        assert_eq!(words(" NET_ADMIN, SYS_TIME\nALL "), ["NET_ADMIN", "SYS_TIME", "ALL"]);
    }

    #[test]
    fn several_lines_make_a_field_taller() {
        assert_eq!(Input::text("cm", "command", String::new(), "a").kind, Kind::Text);
        assert_eq!(Input::text("cm", "command", String::new(), "a\nb").kind, Kind::Lines);
    }
}
