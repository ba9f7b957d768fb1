//! The public build checks that the text alone can decide: odd but no error.

use std::collections::BTreeMap;

use super::{
    BuildArgs, Command, Dockerfile, Instruction, Located, Location, PREDEFINED, Scope, Stage, Warning,
    expand::Syntax,
    graph::{Base, Graph},
    scope::Globals,
    suggest,
    words::{self, quoted},
};
use crate::build::ignore::{self, Ignore};

mod rule;
mod variables;

pub use rule::Rule;

/// More findings than this are not looked for.
const MOST_FINDINGS: usize = 1000;

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// What is odd, in the words of the public checks.
    pub message: String,
    /// Its lines.
    pub location: Location,
}

impl Finding {
    /// Whether it holds whatever the base images are: a variable that seems undefined may be one of theirs.
    pub fn is_certain(&self) -> bool {
        self.rule != Rule::UndefinedVar
    }

    /// Whether it holds with the variables of these images known.
    pub fn is_certain_with(&self, file: &Dockerfile, graph: &Graph, known: &BTreeMap<String, Vec<String>>) -> bool {
        if self.is_certain() {
            return true;
        }
        let mut stage = file.stages.iter().rposition(|stage| stage.from.location.first <= self.location.first);
        while let Some(base) = stage.and_then(|index| graph.base(index)) {
            match base {
                Base::Stage(index) => stage = Some(*index),
                Base::Scratch => return true,
                Base::Image { name, .. } => return known.contains_key(name),
            }
        }
        false
    }
}

/// What of the build the checks look at besides the text.
#[derive(Clone, Copy, Debug, Default)]
pub struct LintContext<'a> {
    /// Arguments given.
    pub build_args: Option<&'a BuildArgs>,
    /// What the context hides.
    pub ignore: Option<&'a Ignore>,
    /// Names of the variables of images, by the name FROM gives them. An image that isn't known is taken to have PATH
    /// alone.
    pub environments: Option<&'a BTreeMap<String, Vec<String>>>,
}

/// Checks a Dockerfile; findings in the order of its lines. Rules its `check` directive skips are left out; whether
/// findings fail the build is said there too.
pub fn lint(file: &Dockerfile, context: LintContext<'_>) -> Vec<Finding> {
    let mut linter = Linter { file, context, findings: Vec::new() };
    linter.casing();
    for Warning { message, location } in &file.warnings {
        if message.starts_with("Empty continuation") {
            linter.add(Rule::NoEmptyContinuation, *location, "Empty continuation line".to_owned());
        } else {
            linter.add(Rule::DuplicateStageName, *location, message.clone());
        }
    }
    linter.secrets_in(&file.global_args.iter().map(as_instruction).collect::<Vec<_>>());
    linter.bases();
    let usual = BuildArgs::new([], "linux/amd64", "linux/amd64");
    let graph = Graph::new(file, context.build_args.unwrap_or(&usual), None).ok();
    let mut scopes: Vec<Option<(Scope, bool)>> = Vec::new();
    for stage in &file.stages {
        linter.stage(stage);
        scopes.push(linter.variables(stage, graph.as_ref(), &scopes));
    }
    let mut findings = linter.findings;
    findings.sort_by_key(|finding| (finding.location.first, finding.rule));
    findings
}

fn as_instruction(args: &Located<Vec<super::ArgDeclaration>>) -> Located<Instruction> {
    let node = Instruction::Arg(args.node.clone());
    Located { node, location: args.location, original: args.original.clone() }
}

/// As much of a value as it takes to know whether it is empty.
fn first(value: &str) -> String {
    value.chars().take(1).collect()
}

struct Linter<'a> {
    file: &'a Dockerfile,
    context: LintContext<'a>,
    findings: Vec<Finding>,
}

impl Linter<'_> {
    fn add(&mut self, rule: Rule, location: Location, message: String) {
        let skipped = self.file.directives.check.as_ref().is_some_and(|check| check.skips(rule.name()));
        if !skipped && self.findings.len() < MOST_FINDINGS {
            self.findings.push(Finding { rule, message, location });
        }
    }

    /// Keywords should all be lower or all be upper case.
    fn casing(&mut self) {
        let keywords = |file: &Dockerfile| {
            let globals = file.global_args.iter().map(|args| (args.original.clone(), args.location));
            let stages = file.stages.iter().flat_map(|stage| {
                let from = (stage.from.original.clone(), stage.from.location);
                let others = stage.instructions.iter().map(|line| (line.original.clone(), line.location));
                std::iter::once(from).chain(others)
            });
            let first = |(line, location): (String, _)| (words::split_first(&line).0.to_owned(), location);
            globals.chain(stages).map(first).collect::<Vec<_>>()
        };
        let keywords = keywords(self.file);
        let lower = keywords.iter().filter(|(word, _)| *word == word.to_lowercase()).count();
        let upper = keywords.iter().filter(|(word, _)| *word == word.to_uppercase()).count();
        let majority = if lower > upper { "lowercase" } else { "uppercase" };
        for (word, location) in keywords {
            let right = if lower > upper { word.to_lowercase() } else { word.to_uppercase() };
            if word != right {
                let message = format!("Command '{word}' should match the case of the command majority ({majority})");
                self.add(Rule::ConsistentInstructionCasing, location, message);
            }
        }
    }

    /// FROM: variables in it, and what it gives when nothing is given.
    fn bases(&mut self) {
        let escape = self.file.directives.escape;
        let none = BuildArgs::default();
        let given = self.context.build_args.unwrap_or(&none);
        let globals = Globals::new(&self.file.global_args, given, None, escape);
        let defaults =
            Globals::new(&self.file.global_args, &BuildArgs::new([], "linux/amd64", "linux/amd64"), None, escape);
        let (Ok(globals), Ok(defaults)) = (globals, defaults) else { return };
        for stage in &self.file.stages {
            let from = &stage.from;
            let texts = [Some(&from.image), from.platform.as_ref()];
            for text in texts.into_iter().flatten() {
                for name in variables::unset(text, Syntax::argument(escape), &|name| {
                    globals.values.get(name).map(String::as_str).map(first)
                }) {
                    if variables::is_platform(&name) || globals.declared.contains(&name) {
                        continue;
                    }
                    let options = globals.declared.iter().map(String::as_str).chain(variables::PLATFORM);
                    let near = suggest::suffix(&name, options);
                    self.add(
                        Rule::UndefinedArgInFrom,
                        from.location,
                        format!("FROM argument '{name}' is not declared{near}"),
                    );
                }
            }
            if from.image.contains('$') {
                let name = defaults.expand(&from.image, escape).unwrap_or_default();
                let is_stage =
                    self.file.stages[..stage.index].iter().any(|other| other.name == Some(name.to_lowercase()));
                let fine = is_stage || name == "scratch" || name.parse::<crate::reference::Reference>().is_ok();
                if !fine {
                    let message =
                        format!("Default value for ARG {} results in empty or invalid base image name", from.image);
                    self.add(Rule::InvalidDefaultArgInFrom, from.location, message);
                }
            }
            self.platform(stage);
        }
    }

    fn platform(&mut self, stage: &Stage) {
        let from = &stage.from;
        let Some(platform) = &from.platform else { return };
        if matches!(platform.as_str(), "$TARGETPLATFORM" | "${TARGETPLATFORM}") {
            let message = format!(
                "Setting platform to predefined {platform} in FROM is redundant as this is the default behavior"
            );
            self.add(Rule::RedundantTargetPlatform, from.location, message);
        }
        // A name that ends in the architecture says that the platform is meant.
        let architecture = platform.split('/').nth(1).unwrap_or_default();
        let named = stage.name.as_ref().is_some_and(|name| !architecture.is_empty() && name.contains(architecture));
        if !platform.contains('$') && !named {
            let message = format!("FROM --platform flag should not use constant value {}", quoted(platform));
            self.add(Rule::FromPlatformFlagConstDisallowed, from.location, message);
        }
    }

    fn stage(&mut self, stage: &Stage) {
        self.names(stage);
        self.repeated(stage);
        self.secrets_in(&stage.instructions);
        let mut shell = self.inherited_shell(stage);
        for line in &stage.instructions {
            let keyword = line.node.keyword();
            match &line.node {
                Instruction::Shell(_) => shell = true,
                Instruction::Maintainer(_) => {
                    let message = "Maintainer instruction is deprecated in favor of using label".to_owned();
                    self.add(Rule::MaintainerDeprecated, line.location, message);
                }
                Instruction::Cmd(Command::Shell(_)) | Instruction::Entrypoint(Command::Shell(_)) if !shell => {
                    let message = format!(
                        "JSON arguments recommended for {keyword} to prevent unintended behavior related to OS signals"
                    );
                    self.add(Rule::JsonArgsRecommended, line.location, message);
                }
                Instruction::Env(pairs) | Instruction::Label(pairs) if pairs.legacy => {
                    let message = format!(
                        "\"{keyword} key=value\" should be used instead of legacy \"{keyword} key value\" format"
                    );
                    self.add(Rule::LegacyKeyValueFormat, line.location, message);
                }
                _ => {}
            }
        }
    }

    /// Whether a stage this one begins from has set SHELL.
    fn inherited_shell(&self, stage: &Stage) -> bool {
        let earlier = &self.file.stages[..stage.index];
        let mut name = stage.from.image.to_lowercase();
        let mut before = earlier.len();
        while let Some(at) = earlier[..before].iter().rposition(|other| other.name.as_ref() == Some(&name)) {
            if earlier[at].instructions.iter().any(|line| matches!(line.node, Instruction::Shell(_))) {
                return true;
            }
            name = earlier[at].from.image.to_lowercase();
            before = at;
        }
        false
    }

    fn names(&mut self, stage: &Stage) {
        let from = &stage.from;
        let Some(name) = &from.name else { return };
        if *name != name.to_lowercase() {
            let message = format!("Stage name '{name}' should be lowercase");
            self.add(Rule::StageNameCasing, from.location, message);
        }
        if let Some(reserved) = ["scratch", "context"].into_iter().find(|reserved| name.eq_ignore_ascii_case(reserved))
        {
            let message = format!("Stage name should not use the same name as reserved stage {}", quoted(reserved));
            self.add(Rule::ReservedStageName, from.location, message);
        }
        let (keyword, rest) = words::split_first(&from.original);
        let (_, arguments) = words::take_flags(rest);
        let joined = words::plain_words(arguments).get(1).copied().unwrap_or_default();
        let right = match keyword {
            _ if keyword == keyword.to_lowercase() => "as",
            _ if keyword == keyword.to_uppercase() => "AS",
            _ => joined,
        };
        if joined != right {
            let message = format!("'{joined}' and '{keyword}' keywords' casing do not match");
            self.add(Rule::FromAsCasing, from.location, message);
        }
    }

    /// Instructions of which only the last of a stage counts.
    fn repeated(&mut self, stage: &Stage) {
        for keyword in ["CMD", "ENTRYPOINT", "HEALTHCHECK"] {
            let lines = stage.instructions.iter().filter(|line| line.node.keyword() == keyword);
            let places: Vec<Location> = lines.map(|line| line.location).collect();
            if let Some((_, overruled)) = places.split_last() {
                for location in overruled {
                    let message = format!(
                        "Multiple {keyword} instructions should not be used in the same stage because only the last \
                         one will be used"
                    );
                    self.add(Rule::MultipleInstructionsDisallowed, *location, message);
                }
            }
        }
    }

    fn secrets_in(&mut self, lines: &[Located<Instruction>]) {
        for line in lines {
            let names: Vec<&str> = match &line.node {
                Instruction::Arg(declarations) => {
                    declarations.iter().map(|declaration| declaration.name.as_str()).collect()
                }
                Instruction::Env(pairs) => pairs.pairs.iter().map(|(name, _)| name.as_str()).collect(),
                _ => continue,
            };
            for name in names.into_iter().filter(|name| variables::is_secret(name)) {
                let message = format!(
                    "Do not use ARG or ENV instructions for sensitive data ({} {})",
                    line.node.keyword(),
                    quoted(name)
                );
                self.add(Rule::SecretsUsedInArgOrEnv, line.location, message);
            }
        }
    }

    /// Sources of COPY and ADD that the context hides.
    fn ignored(&mut self, line: &Located<Instruction>, scope: &Scope) {
        let Some(ignore) = self.context.ignore else { return };
        let (sources, verb) = match &line.node {
            Instruction::Copy(copy) if copy.from.is_none() => (&copy.sources, "Copy"),
            Instruction::Add(add) => (&add.sources, "Add"),
            _ => return,
        };
        for source in sources {
            let super::Source::Path(path) = source else { continue };
            let Ok(path) = scope.expand(path) else { continue };
            let remote = path.contains("://") || path.starts_with("git@");
            let cleaned = ignore::clean(format!("/{path}").as_bytes());
            let inside = cleaned.strip_prefix(b"/").unwrap_or(&cleaned);
            if !remote && !inside.is_empty() && ignore.excludes(inside) && !ignore.may_keep_below(inside) {
                let message = format!("Attempting to {verb} file {} that is excluded by .dockerignore", quoted(&path));
                self.add(Rule::CopyIgnoredFile, line.location, message);
            }
        }
    }

    /// Variables used but not defined, and paths that begin at an unknown place. Returns the scope at the end of the
    /// stage, and whether its WORKDIR is absolute.
    fn variables(
        &mut self,
        stage: &Stage,
        graph: Option<&Graph>,
        scopes: &[Option<(Scope, bool)>],
    ) -> Option<(Scope, bool)> {
        let graph = graph?;
        let base = graph.base(stage.index)?;
        let (mut scope, mut absolute) = match base {
            Base::Stage(index) => scopes.get(*index)?.clone()?,
            Base::Image { .. } | Base::Scratch => (graph.scope(), false),
        };
        if !matches!(base, Base::Stage(_)) {
            scope.set_env("PATH", variables::PATH);
        }
        if let Base::Image { name, .. } = base {
            for variable in self.context.environments.and_then(|known| known.get(name)).into_iter().flatten() {
                scope.set_env(variable, "");
            }
        }
        for line in &stage.instructions {
            self.undefined(line, &scope);
            self.ignored(line, &scope);
            if let Instruction::Workdir(path) = &line.node {
                let path = scope.expand(path).unwrap_or_default();
                if path.starts_with('/') {
                    absolute = true;
                } else if !absolute {
                    let message = format!(
                        "Relative workdir {} can have unexpected results if the base image changes",
                        quoted(&path)
                    );
                    self.add(Rule::WorkdirRelativePath, line.location, message);
                }
            }
            scope.apply(&line.node).ok()?;
        }
        Some((scope, absolute))
    }

    fn undefined(&mut self, line: &Located<Instruction>, scope: &Scope) {
        let escape = self.file.directives.escape;
        for (text, syntax) in variables::expanded_texts(&line.node, escape) {
            for name in variables::unset(text, syntax, &|name| scope.value(name).map(first)) {
                if self.findings.len() >= MOST_FINDINGS {
                    return;
                }
                // Declared without a value is declared.
                if scope.knows(&name) || PREDEFINED.contains(&name.as_str()) {
                    continue;
                }
                let near = suggest::nearest(&name, scope.names());
                let near = near.map(|near| format!(" (did you mean ${near}?)")).unwrap_or_default();
                self.add(Rule::UndefinedVar, line.location, format!("Usage of undefined variable '${name}'{near}"));
            }
        }
    }
}

#[cfg(test)]
#[path = "lint_tests.rs"]
mod tests;
