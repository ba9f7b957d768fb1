//! The variables of a stage, and those of the build.

use std::collections::BTreeMap;

use super::{
    ArgDeclaration, ExpandError, Instruction, Located,
    expand::{Syntax, expand},
};

/// ARGs that need no declaration.
pub const PREDEFINED: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// What a build is given: `--build-arg`, and the platforms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildArgs {
    given: BTreeMap<String, String>,
    platforms: BTreeMap<String, String>,
}

impl BuildArgs {
    /// Arguments given, and the platforms to build for and to build on: `linux/arm/v7`.
    pub fn new(given: impl IntoIterator<Item = (String, String)>, target: &str, build: &str) -> Self {
        let mut platforms = BTreeMap::new();
        for (prefix, platform) in [("TARGET", target), ("BUILD", build)] {
            let mut parts = platform.splitn(3, '/');
            let mut part = || parts.next().unwrap_or_default().to_owned();
            platforms.insert(format!("{prefix}PLATFORM"), platform.to_owned());
            platforms.insert(format!("{prefix}OS"), part());
            platforms.insert(format!("{prefix}ARCH"), part());
            platforms.insert(format!("{prefix}VARIANT"), part());
        }
        Self { given: given.into_iter().collect(), platforms }
    }

    /// Arguments given, in alphabetic order.
    pub fn given(&self) -> impl Iterator<Item = (&str, &str)> {
        self.given.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn value(&self, name: &str) -> Option<&String> {
        self.given.get(name)
    }
}

/// The variables before the first FROM: platform ARGs, then the global ARGs as they are declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Globals {
    pub(super) values: BTreeMap<String, String>,
    /// Names declared in the file, with or without value.
    pub(super) declared: Vec<String>,
}

impl Globals {
    pub(super) fn new(
        args: &[Located<Vec<ArgDeclaration>>],
        build: &BuildArgs,
        target: Option<&str>,
        escape: char,
    ) -> Result<Self, (usize, ExpandError)> {
        let mut values = build.platforms.clone();
        values.insert("TARGETSTAGE".to_owned(), target.unwrap_or("default").to_owned());
        for (name, value) in &mut values {
            if let Some(given) = build.value(name) {
                value.clone_from(given);
            }
        }
        let mut globals = Self { values, declared: Vec::new() };
        for (index, arg) in args.iter().flat_map(|args| &args.node).enumerate() {
            let name = globals.expand(&arg.name, escape).map_err(|error| (index, error))?;
            let value = match (build.value(&name), &arg.default) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(default)) => Some(globals.expand(default, escape).map_err(|error| (index, error))?),
                (None, None) => None,
            };
            if let Some(value) = value {
                globals.values.insert(name.clone(), value);
            }
            globals.declared.push(name);
        }
        Ok(globals)
    }

    pub(super) fn expand(&self, text: &str, escape: char) -> Result<String, ExpandError> {
        expand(text, Syntax::argument(escape), &|name| self.values.get(name).cloned()).map(|expanded| expanded.text)
    }
}

/// The variables of one stage while it is built. A stage that begins from another one inherits a clone of its scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    escape: char,
    build: BuildArgs,
    globals: BTreeMap<String, String>,
    env: Vec<(String, String)>,
    /// Declared so far; `None` for one without value.
    args: Vec<(String, Option<String>)>,
}

impl Scope {
    pub(super) fn new(escape: char, build: &BuildArgs, globals: &Globals) -> Self {
        let globals = globals.values.clone();
        Self { escape, build: build.clone(), globals, env: Vec::new(), args: Vec::new() }
    }

    /// The value of a variable: ENV beats ARG, and the predefined ARGs need no declaration.
    pub fn lookup(&self, name: &str) -> Option<String> {
        let env = self.env.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        let arg = || self.args.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.as_ref());
        let predefined = || self.build.value(name).filter(|_| PREDEFINED.contains(&name));
        env.or_else(arg).or_else(predefined).cloned()
    }

    /// Declares what an ARG instruction declares. Its texts don't see each other.
    pub fn declare(&mut self, declarations: &[ArgDeclaration]) -> Result<(), ExpandError> {
        let mut values = Vec::new();
        for declaration in declarations {
            let name = self.expand(&declaration.name)?;
            let value = match (self.build.value(&name), &declaration.default) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(default)) => Some(self.expand(default)?),
                (None, None) => self.globals.get(&name).cloned(),
            };
            values.push((name, value));
        }
        for (name, value) in values {
            set(&mut self.args, name, value);
        }
        Ok(())
    }

    /// Sets a variable of ENV, or of the base image.
    pub fn set_env(&mut self, name: &str, value: &str) {
        set(&mut self.env, name.to_owned(), value.to_owned());
    }

    /// Expands names and values of ENV or LABEL; they don't see each other.
    pub fn expand_pairs(&self, pairs: &[(String, String)]) -> Result<Vec<(String, String)>, ExpandError> {
        pairs.iter().map(|(name, value)| Ok((self.expand(name)?, self.expand(value)?))).collect()
    }

    /// What an instruction does to the variables: ARG declares, ENV sets, others do nothing.
    pub fn apply(&mut self, instruction: &Instruction) -> Result<(), ExpandError> {
        match instruction {
            Instruction::Arg(declarations) => self.declare(declarations)?,
            Instruction::Env(env) => {
                for (name, value) in self.expand_pairs(&env.pairs)? {
                    self.set_env(&name, &value);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Expands an argument to one word.
    pub fn expand(&self, text: &str) -> Result<String, ExpandError> {
        expand(text, Syntax::argument(self.escape), &|name| self.lookup(name)).map(|expanded| expanded.text)
    }

    /// Expands an argument and splits it: EXPOSE.
    pub fn expand_words(&self, text: &str) -> Result<Vec<String>, ExpandError> {
        expand(text, Syntax::argument(self.escape), &|name| self.lookup(name)).map(|expanded| expanded.words)
    }

    /// Expands the content of a heredoc of COPY or ADD.
    pub fn expand_document(&self, text: &str) -> Result<String, ExpandError> {
        expand(text, Syntax::document(), &|name| self.lookup(name)).map(|expanded| expanded.text)
    }

    /// ENV, in order of first setting: what the image config gets.
    pub fn env(&self) -> &[(String, String)] {
        &self.env
    }

    /// Declared ARGs that have a value, in order, those hidden by ENV too.
    pub fn args(&self) -> impl Iterator<Item = (&str, &str)> {
        self.args.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)))
    }

    /// The environment of a RUN: predefined ARGs that were given, declared ARGs, and ENV over them.
    pub fn run_env(&self) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        let predefined = self.build.given().filter(|(name, _)| PREDEFINED.contains(name));
        for (name, value) in predefined.chain(self.args()) {
            set(&mut variables, name.to_owned(), value.to_owned());
        }
        for (name, value) in &self.env {
            set(&mut variables, name.clone(), value.clone());
        }
        variables
    }

    /// Names of the variables that are set or declared.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.env.iter().map(|(name, _)| name.as_str()).chain(self.args.iter().map(|(name, _)| name.as_str()))
    }
}

fn set<T>(variables: &mut Vec<(String, T)>, name: String, value: T) {
    match variables.iter_mut().find(|(key, _)| *key == name) {
        Some((_, old)) => *old = value,
        None => variables.push((name, value)),
    }
}
