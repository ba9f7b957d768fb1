//! What a build will do: the Dockerfile read, the stages its target needs, and every reason to refuse it found before
//! anything runs.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    context::Context,
    copy::{Hashes, Source},
    dockerfile::{
        Base, BuildArgs, Dockerfile, Finding, Graph, Instruction, LintContext, Located, PREDEFINED, Planned, Scope,
        lint,
    },
    ignore::Ignore,
};
use crate::{
    error::{Error, Result},
    oci::Platform,
    request::BuildImage,
    view::{BuildStep, BuildWarning},
};

/// The build argument that says how old a reproducible build's files may be at most.
const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// What is known of an image before a build begins.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Names of its variables.
    pub variables: Vec<String>,
    /// Instructions it has for who builds on it.
    pub triggers: Vec<String>,
}

/// A build that can begin.
#[derive(Debug)]
pub struct Plan {
    /// What it builds for.
    pub platform: Platform,
    folder: PathBuf,
    context: Context,
    ignore: Ignore,
    hashes: Hashes,
    dockerfile: Dockerfile,
    graph: Graph,
    /// Stages the target needs, each after those it needs.
    order: Vec<usize>,
    first_steps: BTreeMap<usize, usize>,
    steps: Vec<BuildStep>,
    warnings: Vec<BuildWarning>,
    epoch: Option<String>,
}

impl Plan {
    /// Reads the Dockerfile of a context. `folder` is where the context's files are; `known` tells of an
    /// image, if it is here.
    ///
    /// # Errors
    /// No Dockerfile, or one that can't be built, in Docker's words with line and text.
    pub fn new(
        request: &BuildImage,
        context: Context,
        folder: PathBuf,
        known: &dyn Fn(&str) -> Option<Known>,
    ) -> Result<Self> {
        let (text, path) = context.dockerfile(request.dockerfile.as_deref().filter(|path| !path.is_empty()))?;
        let ignore = context.ignore(&path)?;
        let dockerfile = Dockerfile::parse(&text)?;
        let platform = match request.platform.as_deref().filter(|text| !text.is_empty()) {
            None => Platform::host(),
            Some(text) => text.parse()?,
        };
        let given: BTreeMap<String, String> =
            request.build_args.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect();
        let epoch = given.get(EPOCH).cloned();
        let args = BuildArgs::new(given.clone(), &platform.to_string(), &Platform::host().to_string());
        let triggers = |name: &str| known(name).map_or_else(Vec::new, |image| image.triggers);
        let graph = Graph::with_triggers(&dockerfile, &args, request.target.as_deref(), &triggers)?;

        let bases = (0..dockerfile.stages.len()).filter_map(|index| match graph.base(index)? {
            // Instructions it brings may set more.
            Base::Image { name, .. } => {
                known(name).filter(|image| image.triggers.is_empty()).map(|image| (name.clone(), image.variables))
            }
            _ => None,
        });
        let environments: BTreeMap<String, Vec<String>> = bases.collect();
        let looked_at =
            LintContext { build_args: Some(&args), ignore: Some(&ignore), environments: Some(&environments) };
        let certain = |finding: &Finding| finding.is_certain_with(&dockerfile, &graph, &environments);
        let findings: Vec<Finding> = lint(&dockerfile, looked_at).into_iter().filter(certain).collect();
        if let Some(first) = findings.first()
            && dockerfile.directives.check.as_ref().is_some_and(|check| check.error)
        {
            let mut rules: Vec<&str> = findings.iter().map(|finding| finding.rule.name()).collect();
            rules.sort_unstable();
            rules.dedup();
            let text = format!(
                "lint violation found for rules: {}
{}",
                rules.join(", "),
                dockerfile.excerpt(first.location)
            );
            return Err(Error::invalid(text));
        }
        let mut warnings: Vec<BuildWarning> = findings
            .into_iter()
            .map(|finding| BuildWarning {
                check: finding.rule.name().to_owned(),
                line: finding.location.first,
                text: finding.message,
            })
            .collect();
        if let Some((line, text)) = dockerfile.foreign_front_end() {
            warnings.push(BuildWarning { check: String::new(), line, text });
        }
        let unused = unused(&dockerfile, given.keys());
        if !unused.is_empty() {
            let text = format!("One or more build-args [{}] were not consumed", unused.join(" "));
            warnings.push(BuildWarning { check: String::new(), line: 0, text });
        }

        let order: Vec<usize> = graph.needed().map(|planned| planned.index).collect();
        let mut in_file = order.clone();
        in_file.sort_unstable();
        let (mut steps, mut first_steps) = (Vec::new(), BTreeMap::new());
        for &index in &in_file {
            let stage = &dockerfile.stages[index];
            let step = |line: usize, text: &str| BuildStep {
                stage: index,
                stage_name: stage.label(),
                line,
                text: text.to_owned(),
            };
            first_steps.insert(index, steps.len());
            steps.push(step(stage.from.location.first, &stage.from.original));
            steps.extend(stage.instructions.iter().map(|one| step(one.location.first, &one.original)));
        }
        context.strip(&ignore)?;
        let hashes = Hashes::default();
        Ok(Self {
            platform,
            folder,
            context,
            ignore,
            hashes,
            dockerfile,
            graph,
            order,
            first_steps,
            steps,
            warnings,
            epoch,
        })
    }

    /// All steps, in the order of the Dockerfile.
    pub fn steps(&self) -> &[BuildStep] {
        &self.steps
    }

    /// What is odd about the Dockerfile.
    pub fn warnings(&self) -> &[BuildWarning] {
        &self.warnings
    }

    /// SOURCE_DATE_EPOCH, in seconds since 1970.
    ///
    /// # Errors
    /// It is no number.
    pub fn epoch(&self) -> Result<Option<i64>> {
        let wrong = |text: &str| Error::invalid(format!("invalid {EPOCH}: {text}"));
        self.epoch
            .as_deref()
            .filter(|text| !text.is_empty())
            .map(|text| text.parse().map_err(|_| wrong(text)))
            .transpose()
    }

    pub(super) fn stages(&self) -> &[usize] {
        &self.order
    }

    pub(super) fn target(&self) -> usize {
        self.graph.target_index()
    }

    pub(super) fn first_step(&self, stage: usize) -> usize {
        self.first_steps.get(&stage).copied().unwrap_or_default()
    }

    pub(super) fn planned(&self, stage: usize) -> Option<&Planned> {
        self.graph.needed().find(|planned| planned.index == stage)
    }

    pub(super) fn instructions(&self, stage: usize) -> &[Located<Instruction>] {
        &self.dockerfile.stages[stage].instructions
    }

    pub(super) fn scope(&self) -> Scope {
        self.graph.scope()
    }

    pub(super) fn named(&self, from: &str) -> Result<Base> {
        self.graph.source(from).map_err(Error::invalid)
    }

    pub(super) fn context_folder(&self) -> PathBuf {
        self.folder.clone()
    }

    pub(super) fn source(&self) -> Source<'_> {
        Source { hashes: Some(&self.hashes), ..self.context.source(Some(&self.ignore)) }
    }
}

/// Build arguments that no ARG declares.
fn unused<'a>(dockerfile: &Dockerfile, given: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let global = dockerfile.global_args.iter().flat_map(|args| &args.node);
    let staged = dockerfile.stages.iter().flat_map(|stage| &stage.instructions).filter_map(|one| match &one.node {
        Instruction::Arg(declared) => Some(declared),
        _ => None,
    });
    let declared: Vec<&str> = global.chain(staged.flatten()).map(|argument| argument.name.as_str()).collect();
    given
        .map(String::as_str)
        .filter(|name| !declared.contains(name) && !PREDEFINED.contains(name) && *name != EPOCH)
        .filter(|name| !name.starts_with("BUILDKIT_"))
        .collect()
}
