//! How a case is written.
//!
//! ```text
//! What it shows, as text.
//! === Dockerfile            a build; another one follows with another such line. {1} is the first one's image.
//! FROM base
//! === context               what the Dockerfile's folder holds; the next build has it too
//! file 600 a hello\n        kind, mode where it is not the usual, path, content
//! dir 700 d
//! link l -> a
//! hard h -> a
//! fifo p
//! gone a                    the next build has it no more
//! tar gz t.tgz              an archive of the indented lines below; plain, gz, bz2, xz or zst
//!   file 644 1:2 x inside   owner where it is not 0:0
//! === options               query of POST /build: a line each, `arg X=1`, `label a=b`, `target=one`; `cache` allows the cache
//! === tree                  what the image has that base has not, by path; without the section: nothing
//! === config                keys of the image's config that base's has not, as JSON; without the section: none
//! === layers                how many layers are added
//! === history               lines of history; with `-` before those that made no layer
//! === times                 seconds and path
//! === steps                 `cached` or `done` for each step
//! === output                lines that are told, in this order
//! === never                 texts that are not told
//! === error                 how it fails; a line `...` stands for any lines
//! === same                  the image is that of the first build
//! === different             it is not
//! ```

use std::{collections::BTreeMap, fmt::Write as _};

/// A case.
pub struct Case {
    /// The name of its file.
    pub name: String,
    /// What is built, in order.
    pub builds: Vec<Build>,
}

/// A build and what must come of it, as sections of text.
pub type Build = BTreeMap<String, String>;

const SECTIONS: [&str; 14] = [
    "Dockerfile",
    "context",
    "options",
    "tree",
    "config",
    "layers",
    "history",
    "times",
    "steps",
    "output",
    "never",
    "error",
    "same",
    "different",
];

impl Case {
    /// Reads one.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut builds: Vec<Build> = Vec::new();
        let mut section: Option<String> = None;
        for line in text.lines() {
            if let Some(title) = line.strip_prefix("=== ") {
                if !SECTIONS.contains(&title) {
                    return Err(format!("there is no section {title:?}"));
                }
                if title == "Dockerfile" {
                    builds.push(Build::new());
                }
                let build = builds.last_mut().ok_or("the first section must be the Dockerfile")?;
                if build.insert(title.to_owned(), String::new()).is_some() {
                    return Err(format!("section {title:?} is there twice"));
                }
                section = Some(title.to_owned());
            } else if let (Some(section), Some(build)) = (&section, builds.last_mut()) {
                let section = build.entry(section.clone()).or_default();
                section.push_str(line);
                section.push('\n');
            }
        }
        if builds.is_empty() || text.starts_with("===") {
            return Err("a case says what it shows, then has a Dockerfile".to_owned());
        }
        Ok(Self { name: name.to_owned(), builds })
    }
}

/// Lines of a section that say something.
pub fn lines<'a>(build: &'a Build, section: &str) -> Vec<&'a str> {
    build.get(section).map(|text| text.lines().filter(|line| !line.trim().is_empty()).collect()).unwrap_or_default()
}

/// `\n`, `\t`, `\\`, `\s` (a blank) and `\xHH`.
pub fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let escaped = if byte == b'\\' { rest.next() } else { None };
        match escaped {
            None => bytes.push(byte),
            Some(b'n') => bytes.push(b'\n'),
            Some(b'r') => bytes.push(b'\r'),
            Some(b't') => bytes.push(b'\t'),
            Some(b's') => bytes.push(b' '),
            Some(b'x') => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = String::from_utf8(digits).unwrap();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap());
            }
            Some(other) => bytes.push(other),
        }
    }
    bytes
}

/// The other way round; what is long is told by its length and digest.
pub fn escaped(bytes: &[u8]) -> String {
    if bytes.len() > 400 {
        return format!("({} bytes)", bytes.len());
    }
    let mut text = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        let last = at + 1 == bytes.len();
        match byte {
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b'\\' => text.push_str("\\\\"),
            b' ' if last || at == 0 => text.push_str("\\s"),
            b' '..=b'~' => text.push(char::from(*byte)),
            other => write!(text, "\\x{other:02x}").unwrap(),
        }
    }
    text
}
