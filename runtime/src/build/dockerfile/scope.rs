//! The variables of a stage, and those of the build.

use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    ArgDeclaration, ExpandError, Instruction, Located,
    expand::{Expanded, Syntax, expand},
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
        let work = Work::default();
        for (index, arg) in args.iter().flat_map(|args| &args.node).enumerate() {
            let expand = |text: &str| {
                let expanded = globals.expanded(text, escape).and_then(|expanded| work.counted(text, expanded));
                expanded.map(|expanded| expanded.text).map_err(|error| (index, error))
            };
            if index >= MOST_VARIABLES {
                let message = format!("there can't be more than {MOST_VARIABLES} global ARGs");
                return Err((index, ExpandError::new(&arg.name, &message)));
            }
            let name = expand(&arg.name)?;
            let value = match (build.value(&name), &arg.default) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(default)) => Some(expand(default)?),
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
        self.expanded(text, escape).map(|expanded| expanded.text)
    }

    fn expanded(&self, text: &str, escape: char) -> Result<Expanded, ExpandError> {
        expand(text, Syntax::argument(escape), &|name| self.values.get(name).cloned())
    }
}

/// Bytes that may be looked at while the variables of one stage and those it begins from are worked out.
const MOST_WORK: u64 = 64 << 20;
/// Variables a stage may have.
const MOST_VARIABLES: usize = 10_000;
/// Bytes of their names and values: the kernel starts no program with more by far.
const MOST_BYTES: usize = 1 << 20;

/// What working out the variables has cost so far.
#[derive(Debug, Default)]
struct Work(AtomicU64);

impl Work {
    /// Counts it; what is too much is refused.
    fn counted(&self, text: &str, expanded: Expanded) -> Result<Expanded, ExpandError> {
        let before = self.0.fetch_add(expanded.work as u64, Ordering::Relaxed);
        if before > MOST_WORK {
            return Err(ExpandError::new(text, "the variables of this stage are too long and too many"));
        }
        Ok(expanded)
    }
}

impl Clone for Work {
    fn clone(&self) -> Self {
        Self(AtomicU64::new(self.0.load(Ordering::Relaxed)))
    }
}

/// Names and values, in order of first setting.
#[derive(Clone, Debug)]
struct Variables<T> {
    list: Vec<(String, T)>,
    places: HashMap<String, usize>,
}

impl<T> Variables<T> {
    fn new() -> Self {
        Self { list: Vec::new(), places: HashMap::new() }
    }

    fn get(&self, name: &str) -> Option<&T> {
        self.places.get(name).map(|place| &self.list[*place].1)
    }

    fn set(&mut self, name: String, value: T) {
        if let Some(place) = self.places.get(&name) {
            self.list[*place].1 = value;
        } else {
            self.places.insert(name.clone(), self.list.len());
            self.list.push((name, value));
        }
    }
}

/// The variables of one stage while it is built. A stage that begins from another one inherits a clone of its scope.
#[derive(Clone, Debug)]
pub struct Scope {
    escape: char,
    build: BuildArgs,
    globals: BTreeMap<String, String>,
    env: Variables<String>,
    /// Declared so far; `None` for one without value.
    args: Variables<Option<String>>,
    work: Work,
}

impl Scope {
    pub(super) fn new(escape: char, build: &BuildArgs, globals: &Globals) -> Self {
        let globals = globals.values.clone();
        let (env, args) = (Variables::new(), Variables::new());
        Self { escape, build: build.clone(), globals, env, args, work: Work::default() }
    }

    /// The value of a variable: ENV beats ARG, and the predefined ARGs need no declaration.
    pub fn value(&self, name: &str) -> Option<&str> {
        let arg = || self.args.get(name).and_then(Option::as_ref);
        let predefined = || self.build.value(name).filter(|_| PREDEFINED.contains(&name));
        self.env.get(name).or_else(arg).or_else(predefined).map(String::as_str)
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
        self.fits(values.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, String::len)))?;
        for (name, value) in values {
            self.args.set(name, value);
        }
        Ok(())
    }

    /// Whether variables of these lengths may be added.
    fn fits(&self, lengths: impl Iterator<Item = usize>) -> Result<(), ExpandError> {
        let env = self.env.list.iter().map(|(name, value)| name.len() + value.len());
        let args = self.args.list.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, String::len));
        let (mut count, mut bytes) = (0, 0_usize);
        for length in env.chain(args).chain(lengths) {
            count += 1;
            bytes = bytes.saturating_add(length);
        }
        if count <= MOST_VARIABLES && bytes <= MOST_BYTES {
            return Ok(());
        }
        let message =
            format!("a stage can't have more than {MOST_VARIABLES} variables, nor {MOST_BYTES} bytes of them");
        Err(ExpandError::new("", &message))
    }

    /// Sets a variable of ENV, or of the base image.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.env.set(name.to_owned(), value.to_owned());
    }

    /// Expands names and values of ENV or LABEL; they don't see each other.
    pub fn expand_pairs(&self, pairs: &[(String, String)]) -> Result<Vec<(String, String)>, ExpandError> {
        let expanded = pairs.iter().map(|(name, value)| Ok((self.expand(name)?, self.expand(value)?)));
        let expanded = expanded.collect::<Result<Vec<_>, _>>()?;
        self.fits(expanded.iter().map(|(name, value)| name.len() + value.len()))?;
        Ok(expanded)
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

    fn expanded(&self, text: &str, syntax: Syntax) -> Result<Expanded, ExpandError> {
        let expanded = expand(text, syntax, &|name| self.value(name).map(str::to_owned))?;
        self.work.counted(text, expanded)
    }

    /// Expands an argument to one word.
    pub fn expand(&self, text: &str) -> Result<String, ExpandError> {
        self.expanded(text, Syntax::argument(self.escape)).map(|expanded| expanded.text)
    }

    /// Expands an argument and splits it: EXPOSE.
    pub fn expand_words(&self, text: &str) -> Result<Vec<String>, ExpandError> {
        self.expanded(text, Syntax::argument(self.escape)).map(|expanded| expanded.words)
    }

    /// Expands the content of a heredoc of COPY or ADD.
    pub fn expand_document(&self, text: &str) -> Result<String, ExpandError> {
        self.expanded(text, Syntax::document()).map(|expanded| expanded.text)
    }

    /// ENV, in order of first setting: what the image config gets.
    pub fn env(&self) -> &[(String, String)] {
        &self.env.list
    }

    /// Declared ARGs that have a value, in order, those hidden by ENV too.
    pub fn args(&self) -> impl Iterator<Item = (&str, &str)> {
        self.args.list.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)))
    }

    /// The environment of a RUN: predefined ARGs that were given, declared ARGs, and ENV over them.
    pub fn run_env(&self) -> Vec<(String, String)> {
        let mut variables = Variables::new();
        let predefined = self.build.given().filter(|(name, _)| PREDEFINED.contains(name));
        for (name, value) in predefined.chain(self.args()) {
            variables.set(name.to_owned(), value.to_owned());
        }
        for (name, value) in self.env() {
            variables.set(name.clone(), value.clone());
        }
        variables.list
    }

    /// Whether a variable is set or declared.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.env.get(name).is_some() || self.args.get(name).is_some()
    }

    /// Names of the variables that are set or declared.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let env = self.env.list.iter().map(|(name, _)| name.as_str());
        env.chain(self.args.list.iter().map(|(name, _)| name.as_str()))
    }
}
