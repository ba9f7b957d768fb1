//! The Dockerfile front end: from text to typed instructions, a graph of stages and findings, to the letter of the
//! public Dockerfile reference. Pure: it reads no file and asks no clock.
//!
//! The way of a text: `lex` (directives, comments, continuations, heredocs) -> `parse` (one logical line to one
//! [`Instruction`]) -> [`Dockerfile`] (global ARGs and stages) -> [`Graph`] (what the target needs, in order). While a
//! stage is built a [`Scope`] carries its variables.
//!
//! Invariants:
//! - No input makes it panic or takes time or memory out of all proportion to its length.
//! - Nothing is expanded while parsing: the instructions carry the text as written, the executor expands it in the
//!   scope of that moment.
//! - Printing what was parsed and parsing it again gives the same instructions.
//! - Errors name the line and show it.

mod display;
mod duration;
mod error;
mod expand;
mod flags;
mod graph;
mod healthcheck;
mod instruction;
mod lex;
mod lint;
mod mount;
mod parse;
mod port;
mod scope;
mod suggest;
mod transfer;
mod words;

use std::ops::RangeInclusive;

pub use self::{
    error::ParseError,
    expand::{ExpandError, Expanded, Quotes, Syntax, expand},
    graph::{Base, Graph, Planned},
    instruction::{
        Add, ArgDeclaration, Command, Copy, Healthcheck, Heredoc, Instruction, Network, Onbuild, Pairs, Run, Script,
        Security, Source,
    },
    lex::{Check, Directives},
    lint::{Finding, LintContext, Rule, lint},
    mount::{Mount, MountKind, MountSpec, Sharing},
    parse::parse_instruction,
    port::ports,
    scope::{BuildArgs, PREDEFINED, Scope},
};

/// Lines of the Dockerfile, counted from 1, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// Where it begins.
    pub first: usize,
    /// Where it ends.
    pub last: usize,
}

impl Location {
    /// The lines.
    pub fn lines(self) -> RangeInclusive<usize> {
        self.first..=self.last
    }
}

/// Something read from a Dockerfile, with its place there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// What was read.
    pub node: T,
    /// Its lines, heredocs included.
    pub location: Location,
    /// The logical line as written, continuations joined, without heredoc bodies.
    pub original: String,
}

/// What is odd but no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// In words.
    pub message: String,
    /// Its lines.
    pub location: Location,
}

/// A parsed Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dockerfile {
    /// Parser directives at the top.
    pub directives: Directives,
    /// ARG instructions before the first FROM.
    pub global_args: Vec<Located<Vec<ArgDeclaration>>>,
    /// The stages, at least one.
    pub stages: Vec<Stage>,
    /// Oddities found while parsing.
    pub warnings: Vec<Warning>,
    source: Vec<String>,
}

/// FROM and what follows it up to the next FROM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its number, from 0.
    pub index: usize,
    /// Its name, lower case.
    pub name: Option<String>,
    /// Its first instruction.
    pub from: From,
    /// The others.
    pub instructions: Vec<Located<Instruction>>,
}

impl Stage {
    /// The name, or `stage-N` for one without.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("stage-{}", self.index))
    }
}

/// A FROM instruction; its texts are expanded with the global ARGs alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct From {
    /// `--platform`, unexpanded.
    pub platform: Option<String>,
    /// Image or stage, unexpanded.
    pub image: String,
    /// The name of the stage as written.
    pub name: Option<String>,
    /// Its lines.
    pub location: Location,
    /// The logical line as written.
    pub original: String,
}

impl Dockerfile {
    /// Reads a Dockerfile.
    pub fn parse(text: &[u8]) -> Result<Self, ParseError> {
        parse::dockerfile(text)
    }

    /// What is to be said when its `syntax` directive asks for another front end than the usual, and the directive's line.
    pub fn foreign_front_end(&self) -> Option<(usize, String)> {
        let wanted = self.directives.syntax.as_deref()?;
        let name = wanted.split_whitespace().next().unwrap_or_default();
        let name = name.strip_prefix("docker.io/").unwrap_or(name).split(['@', ':']).next().unwrap_or_default();
        if matches!(name, "docker/dockerfile" | "docker/dockerfile-upstream") {
            return None;
        }
        let is_it =
            |line: &String| line.trim_start_matches(['#', ' ', '\t']).to_ascii_lowercase().starts_with("syntax");
        let line = self.source.iter().position(is_it).map_or(0, |at| at + 1);
        let text = format!("the syntax directive names {wanted}, which is not run: the file is read as a Dockerfile");
        Some((line, text))
    }

    /// The source lines of a place, numbered, as people are shown them: `  3 | RUN false`.
    pub fn excerpt(&self, location: Location) -> String {
        error::excerpt(&self.source, location)
    }
}

#[cfg(test)]
#[path = "mod_tests.rs"]
mod tests;
