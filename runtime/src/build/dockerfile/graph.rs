//! Which stages the target needs, and from what.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    BuildArgs, Dockerfile, Instruction, Location, ParseError, Scope, Stage, parse_instruction, scope::Globals, suggest,
    words::quoted,
};

/// What a stage begins from, or files come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Base {
    /// Nothing.
    Scratch,
    /// A stage of this Dockerfile, by number.
    Stage(usize),
    /// An image.
    Image {
        /// Its name, as it is to be pulled.
        name: String,
        /// `--platform`; that of the build if not said.
        platform: Option<String>,
    },
}

/// A stage to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Its number in the Dockerfile.
    pub index: usize,
    /// What it begins from.
    pub base: Base,
    /// Stages it needs: its base, and those it copies or mounts from.
    pub needs: BTreeSet<usize>,
    /// Images it copies or mounts from.
    pub images: BTreeSet<String>,
}

/// The stages of a Dockerfile and who needs whom.
#[derive(Clone, Debug)]
pub struct Graph {
    stages: Vec<Planned>,
    /// Stages of each name, in order.
    names: BTreeMap<String, Vec<usize>>,
    count: usize,
    order: Vec<usize>,
    escape: char,
    build: BuildArgs,
    globals: Globals,
}

impl Graph {
    /// Resolves what each stage begins from and takes from. Without a target the last stage is it.
    pub fn new(file: &Dockerfile, build_args: &BuildArgs, target: Option<&str>) -> Result<Self, ParseError> {
        Self::with_triggers(file, build_args, target, &|_| Vec::new())
    }

    /// The same where it is known what ONBUILD instructions an image brings: they may take from stages too.
    pub fn with_triggers(
        file: &Dockerfile,
        build_args: &BuildArgs,
        target: Option<&str>,
        triggers: &dyn Fn(&str) -> Vec<String>,
    ) -> Result<Self, ParseError> {
        let escape = file.directives.escape;
        let target = target.filter(|target| !target.is_empty());
        let globals = Globals::new(&file.global_args, build_args, target, escape).map_err(|(index, error)| {
            let mut places = file.global_args.iter().flat_map(|args| args.node.iter().map(|_| args.location));
            fail(file, places.nth(index), error.to_string())
        })?;
        let mut names: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for stage in &file.stages {
            if let Some(name) = &stage.name {
                names.entry(name.clone()).or_default().push(stage.index);
            }
        }
        let count = file.stages.len();
        let build = build_args.clone();
        let mut graph = Self { stages: Vec::new(), names, count, order: Vec::new(), escape, build, globals };
        for stage in &file.stages {
            let planned = graph.plan(file, stage, triggers)?;
            graph.stages.push(planned);
        }
        let order = graph.sorted().map_err(|index| {
            let stage = &file.stages[index];
            let message = format!("circular dependency detected on stage: {}", stage.label());
            fail(file, Some(stage.from.location), message)
        })?;
        let last = graph.stages.len().saturating_sub(1);
        let target = target.map_or(Ok(last), |target| graph.target(file, target))?;
        let needed = graph.reachable(target);
        graph.order = order.into_iter().filter(|index| needed.contains(index)).collect();
        Ok(graph)
    }

    /// Stages to build, each after those it needs; the target is the last.
    pub fn needed(&self) -> impl Iterator<Item = &Planned> {
        self.order.iter().filter_map(|index| self.stages.get(*index))
    }

    /// What a stage begins from, needed or not.
    pub fn base(&self, stage: usize) -> Option<&Base> {
        self.stages.get(stage).map(|stage| &stage.base)
    }

    /// The number of the target.
    pub fn target_index(&self) -> usize {
        self.order.last().copied().unwrap_or_default()
    }

    /// What `--from` or `from=` names: a stage by number or name, or an image.
    pub fn source(&self, from: &str) -> Result<Base, String> {
        if let Ok(index) = from.parse::<usize>() {
            let message = || format!("invalid stage index {index}");
            return (index < self.count).then_some(Base::Stage(index)).ok_or_else(message);
        }
        Ok(match self.named(from, self.count) {
            Some(index) => Base::Stage(index),
            None if from == "scratch" => Base::Scratch,
            None => Base::Image { name: from.to_owned(), platform: None },
        })
    }

    /// Every image the needed stages begin from or take from, once each.
    pub fn images(&self) -> BTreeSet<Base> {
        let mut images = BTreeSet::new();
        for stage in self.needed() {
            if matches!(stage.base, Base::Image { .. }) {
                images.insert(stage.base.clone());
            }
            images.extend(stage.images.iter().map(|name| Base::Image { name: name.clone(), platform: None }));
        }
        images
    }

    /// A scope for a stage that begins from an image or from nothing.
    pub fn scope(&self) -> Scope {
        Scope::new(self.escape, &self.build, &self.globals)
    }

    /// The last stage of a name among the first `before` ones.
    fn named(&self, name: &str, before: usize) -> Option<usize> {
        let name = name.to_lowercase();
        self.names.get(&name)?.iter().rev().copied().find(|index| *index < before)
    }

    fn plan(
        &self,
        file: &Dockerfile,
        stage: &Stage,
        triggers: &dyn Fn(&str) -> Vec<String>,
    ) -> Result<Planned, ParseError> {
        let located = |location: Location| move |message| fail(file, Some(location), message);
        let expand = |text: &str| {
            let expanded = self.globals.expand(text, self.escape);
            expanded.map_err(|error| located(stage.from.location)(error.to_string()))
        };
        let name = expand(&stage.from.image)?;
        if name.trim().is_empty() {
            let message = format!("base name ({}) should not be blank", stage.from.image);
            return Err(located(stage.from.location)(message));
        }
        let platform = match &stage.from.platform {
            None => None,
            Some(text) => match expand(text)? {
                blank if blank.is_empty() => {
                    let message = format!("empty platform value from expression {text}");
                    return Err(located(stage.from.location)(message));
                }
                platform => Some(platform),
            },
        };
        let base = match self.named(&name, stage.index) {
            Some(index) => Base::Stage(index),
            None if name == "scratch" => Base::Scratch,
            None => Base::Image { name, platform },
        };
        let (mut needs, mut images) = (BTreeSet::new(), BTreeSet::new());
        if let Base::Stage(index) = base {
            needs.insert(index);
        }
        let brought: Vec<Instruction> = match &base {
            Base::Scratch => Vec::new(),
            Base::Stage(index) => {
                file.stages[*index].instructions.iter().filter_map(|one| trigger(&one.node)).collect()
            }
            Base::Image { name, .. } => {
                triggers(name).iter().filter_map(|text| Some(parse_instruction(text).ok()?.node)).collect()
            }
        };
        let brought = brought.iter().map(|node| (node, stage.from.location));
        for (node, location) in brought.chain(stage.instructions.iter().map(|one| (&one.node, one.location))) {
            for from in sources(node) {
                match self.source(from).map_err(located(location))? {
                    Base::Stage(index) => drop(needs.insert(index)),
                    Base::Image { name, .. } => drop(images.insert(name)),
                    Base::Scratch => {}
                }
            }
        }
        Ok(Planned { index: stage.index, base, needs, images })
    }

    /// All stages, each after those it needs and else in the order of the file; or one that needs itself.
    fn sorted(&self) -> Result<Vec<usize>, usize> {
        let mut missing: Vec<usize> = self.stages.iter().map(|stage| stage.needs.len()).collect();
        let mut users = vec![Vec::new(); self.stages.len()];
        for stage in &self.stages {
            stage.needs.iter().for_each(|need| users[*need].push(stage.index));
        }
        let mut ready: BTreeSet<usize> = (0..missing.len()).filter(|index| missing[*index] == 0).collect();
        let mut order = Vec::new();
        while let Some(index) = ready.pop_first() {
            order.push(index);
            for user in &users[index] {
                missing[*user] -= 1;
                if missing[*user] == 0 {
                    ready.insert(*user);
                }
            }
        }
        let Some(first) = missing.iter().position(|missing| *missing > 0) else { return Ok(order) };
        // What is left needs something that is left: following that comes to a stage a second time.
        let (mut seen, mut at) = (BTreeSet::new(), first);
        while seen.insert(at) {
            at = self.stages[at].needs.iter().copied().find(|need| missing[*need] > 0).unwrap_or(at);
        }
        Err(at)
    }

    fn reachable(&self, target: usize) -> BTreeSet<usize> {
        let (mut seen, mut waiting) = (BTreeSet::from([target]), vec![target]);
        while let Some(index) = waiting.pop() {
            waiting.extend(self.stages[index].needs.iter().copied().filter(|need| seen.insert(*need)));
        }
        seen
    }

    fn target(&self, file: &Dockerfile, target: &str) -> Result<usize, ParseError> {
        let by_number = || target.parse().ok().filter(|index| *index < self.stages.len());
        self.named(target, self.count).or_else(by_number).ok_or_else(|| {
            let near = suggest::suffix(target, self.names.keys().map(String::as_str));
            fail(file, None, format!("target stage {} could not be found{near}", quoted(target)))
        })
    }
}

/// What an ONBUILD does later.
fn trigger(instruction: &Instruction) -> Option<Instruction> {
    match instruction {
        Instruction::Onbuild(onbuild) => Some((*onbuild.trigger).clone()),
        _ => None,
    }
}

/// What an instruction takes files from.
fn sources(instruction: &Instruction) -> Vec<&str> {
    match instruction {
        Instruction::Copy(copy) => copy.from.as_deref().into_iter().collect(),
        Instruction::Run(run) => run.mounts.iter().filter_map(|mount| mount.from()).collect(),
        _ => Vec::new(),
    }
}

fn fail(file: &Dockerfile, location: Option<Location>, message: String) -> ParseError {
    ParseError::of(location, message, &file.source)
}

#[cfg(test)]
#[path = "graph_tests.rs"]
mod tests;
