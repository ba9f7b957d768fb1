//! From bytes to logical lines: byte order mark, line ends, parser directives, comments, continuations, heredocs.

use super::{Location, ParseError, instruction::Heredoc, words};

/// Longest physical line, the newline included.
const LONGEST_LINE: usize = 65_536;

/// Parser directives at the top of a Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directives {
    /// `# syntax=`: noted, never fetched nor run.
    pub syntax: Option<String>,
    /// `# escape=`: the backslash or the backtick.
    pub escape: char,
    /// `# check=`.
    pub check: Option<Check>,
}

impl Default for Directives {
    fn default() -> Self {
        Self { syntax: None, escape: '\\', check: None }
    }
}

/// How findings of the linter are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// Rules not to look at; `all` for every one.
    pub skip: Vec<String>,
    /// Findings fail the build.
    pub error: bool,
    /// Experimental rules asked for. There are none.
    pub experimental: Vec<String>,
}

impl Check {
    /// Whether a rule is not to be looked at.
    pub fn skips(&self, rule: &str) -> bool {
        self.skip.iter().any(|name| name == "all" || name == rule)
    }

    fn parse(value: &str) -> Result<Self, String> {
        let mut check = Self::default();
        let names =
            |value: &str| value.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        for option in value.split(';').map(str::trim).filter(|option| !option.is_empty()) {
            let (key, value) =
                option.split_once('=').ok_or_else(|| format!("invalid check option {}", words::quoted(option)))?;
            match key.trim() {
                "skip" => check.skip = names(value),
                "experimental" => check.experimental = names(value),
                "error" => {
                    check.error = parse_bool(value.trim())
                        .ok_or_else(|| format!("failed to parse check option {}", words::quoted(option)))?;
                }
                _ => return Err(format!("invalid check option {}", words::quoted(option))),
            }
        }
        Ok(check)
    }
}

/// A truth value as flags and mounts write it.
pub(super) fn parse_bool(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// One instruction's text: continuations joined, comments within gone.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) location: Location,
    pub(super) heredocs: Vec<Heredoc>,
    /// An empty line was among its continuations.
    pub(super) empty_continuation: bool,
}

/// A Dockerfile cut into lines.
pub(super) struct Lexed {
    pub(super) directives: Directives,
    pub(super) lines: Vec<Line>,
    pub(super) source: Vec<String>,
}

/// Cuts a Dockerfile. Without `top` nothing is taken for a directive: the text is that of a trigger.
pub(super) fn lex(text: &[u8], top: bool) -> Result<Lexed, ParseError> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let raw: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let source: Vec<String> = raw.iter().map(|line| String::from_utf8_lossy(trim_end(line)).into_owned()).collect();
    let mut lexer = Lexer { raw, next: 0, directives: Directives::default() };
    let mut lines = Vec::new();
    let directives = if top { lexer.directives() } else { Ok(()) };
    let result = directives.and_then(|()| {
        while let Some(line) = lexer.line()? {
            lines.push(line);
        }
        Ok(())
    });
    match result {
        Ok(()) => Ok(Lexed { directives: lexer.directives, lines, source }),
        Err((location, message)) => Err(ParseError::at(location, &message, &source)),
    }
}

type LexError = (Location, String);

struct Lexer<'a> {
    raw: Vec<&'a [u8]>,
    next: usize,
    directives: Directives,
}

impl Lexer<'_> {
    /// The next physical line with its end.
    fn physical(&mut self) -> Result<Option<&[u8]>, LexError> {
        let Some(line) = self.raw.get(self.next) else { return Ok(None) };
        self.next += 1;
        if line.len() > LONGEST_LINE {
            let message = format!("dockerfile line greater than max allowed size of {}", LONGEST_LINE - 1);
            return Err((Location { first: self.next, last: self.next }, message));
        }
        Ok(Some(line))
    }

    fn utf8(&self, line: &[u8]) -> Result<String, LexError> {
        let location = Location { first: self.next, last: self.next };
        String::from_utf8(line.to_vec()).map_err(|_| (location, "the line is not valid UTF-8".to_owned()))
    }

    /// Reads directives, up to the first line that is none.
    fn directives(&mut self) -> Result<(), LexError> {
        let mut escape = None;
        while let Some((key, value)) = self.raw.get(self.next).and_then(|line| directive(line)) {
            let first = self.next + 1;
            let fail = |message: String| Err((Location { first, last: first }, message));
            let again = match key.as_str() {
                "syntax" => self.directives.syntax.is_some(),
                "escape" => escape.is_some(),
                "check" => self.directives.check.is_some(),
                _ => break,
            };
            if again {
                return fail(format!("only one {key} parser directive can be used"));
            }
            match key.as_str() {
                "syntax" => self.directives.syntax = Some(value),
                "escape" => match value.as_str() {
                    "\\" | "`" => escape = value.chars().next(),
                    _ => return fail(format!("invalid escape token '{value}' does not match ` or \\")),
                },
                _ => match Check::parse(&value) {
                    Ok(check) => self.directives.check = Some(check),
                    Err(message) => return fail(message),
                },
            }
            self.next += 1;
        }
        self.directives.escape = escape.unwrap_or('\\');
        Ok(())
    }

    /// The next logical line.
    fn line(&mut self) -> Result<Option<Line>, LexError> {
        loop {
            let Some(bytes) = self.physical()? else { return Ok(None) };
            let bytes = trim_end(bytes).to_vec();
            if is_comment(&bytes) {
                continue;
            }
            let first = self.next;
            let beginning = self.utf8(&bytes)?;
            let (mut text, mut more) = self.continued(beginning.trim_start());
            let mut empty_continuation = false;
            while more {
                let Some(bytes) = self.physical()? else { break };
                let bytes = trim_end(bytes).to_vec();
                if is_comment(&bytes) {
                    continue;
                }
                let written = self.utf8(&bytes)?;
                if written.trim_start().is_empty() {
                    empty_continuation = true;
                    continue;
                }
                let (part, on) = self.continued(&written);
                text.push_str(&part);
                more = on;
            }
            let text = text.trim().to_owned();
            if text.is_empty() {
                continue;
            }
            let heredocs = self.heredocs(&text, first)?;
            let location = Location { first, last: self.next };
            return Ok(Some(Line { text, location, heredocs, empty_continuation }));
        }
    }

    /// A physical line without the escape that continues it, and whether there was one.
    fn continued(&self, line: &str) -> (String, bool) {
        match line.trim_end_matches([' ', '\t']).strip_suffix(self.directives.escape) {
            Some(part) => (part.to_owned(), true),
            None => (line.to_owned(), false),
        }
    }

    /// Reads the heredocs a line names.
    fn heredocs(&mut self, text: &str, first: usize) -> Result<Vec<Heredoc>, LexError> {
        let mut heredocs = named_heredocs(text);
        for heredoc in &mut heredocs {
            loop {
                let Some(bytes) = self.physical()? else {
                    return Err((Location { first, last: self.next }, "unterminated heredoc".to_owned()));
                };
                let bytes = bytes.to_vec();
                let written = self.utf8(&bytes)?;
                let line = written.trim_end_matches(['\r', '\n']);
                let line = if heredoc.chomp { line.trim_start_matches('\t') } else { line };
                if line == heredoc.name {
                    break;
                }
                heredoc.content.push_str(&written);
            }
        }
        Ok(heredocs)
    }
}

/// Heredocs a line names, if its instruction can have any.
fn named_heredocs(text: &str) -> Vec<Heredoc> {
    if !text.contains("<<") {
        return Vec::new();
    }
    let (keyword, rest) = words::split_first(text);
    let (_, arguments) = words::take_flags(rest);
    match keyword.to_ascii_uppercase().as_str() {
        "ADD" | "COPY" | "RUN" if matches!(words::json(arguments), Ok(None)) => words::heredocs(arguments),
        // Triggers aren't chained, so this ends.
        "ONBUILD" if !words::split_first(arguments).0.eq_ignore_ascii_case("ONBUILD") => named_heredocs(arguments),
        _ => Vec::new(),
    }
}

/// `# key = value`, the key in lower case.
fn directive(line: &[u8]) -> Option<(String, String)> {
    let line = std::str::from_utf8(line).ok()?;
    let (key, value) = line.trim().strip_prefix('#')?.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    let alphabetic = key.starts_with(|char: char| char.is_ascii_alphabetic());
    let fine = alphabetic && key.chars().all(|char| char.is_ascii_alphanumeric()) && !value.is_empty();
    fine.then(|| (key.to_ascii_lowercase(), value.to_owned()))
}

fn is_comment(line: &[u8]) -> bool {
    line.trim_ascii_start().first() == Some(&b'#')
}

/// Without the line end.
fn trim_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let end = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |at| at + 1);
    &line[..end]
}
