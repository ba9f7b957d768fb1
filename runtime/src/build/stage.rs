//! One stage on its way: its layers, its config, its variables, and what each instruction does to them.

use jiff::Timestamp;

use super::{
    cache::{Entry, Key, KeyOf},
    dockerfile::{Base, Command, Healthcheck, Instruction, Located, Onbuild, Scope, parse_instruction, ports},
    execute::{Finished, Job},
    host::{Changes, MadeLayer},
};
use crate::{
    digest::{ChainId, DiffId, Digest},
    error::{Error, Result},
    image::edit::{self, ConfigEditor},
    oci,
    view::BuildEvent,
};

/// What programs are looked for in when the base image says nothing.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A stage that is being built.
pub(super) struct Stage<'a, 'b> {
    pub(super) job: &'a Job<'b>,
    /// Its layers, lowest first.
    pub(super) layers: Vec<DiffId>,
    pub(super) config: ConfigEditor,
    pub(super) scope: Scope,
    /// CMD was said in this stage, so ENTRYPOINT leaves it.
    own_cmd: bool,
}

/// What a step did.
pub(super) enum Did {
    /// Something with the config alone.
    Nothing,
    /// This was known.
    Found(Entry),
    /// Its files, on top of the layers it began with.
    Changed(Option<MadeLayer>),
    /// A layer that was known, on top of the layers it began with.
    Restacked(MadeLayer),
}

impl<'a, 'b> Stage<'a, 'b> {
    /// FROM, and what the base image says is to be done then.
    pub(super) fn begin(job: &'a Job<'b>, index: usize, step: usize) -> Result<Self> {
        (job.tell)(BuildEvent::Began { step });
        let base = job.plan.planned(index).map_or(&Base::Scratch, |planned| &planned.base);
        let (layers, mut config, mut scope) = match base {
            Base::Scratch => {
                let mut config = ConfigEditor::scratch(&job.plan.platform);
                config.set_working_dir("/");
                (Vec::new(), config, job.plan.scope())
            }
            Base::Stage(below) => {
                let below = job.wait_for(*below)?;
                (below.layers.clone(), below.config.clone(), below.scope.clone())
            }
            Base::Image { name, platform } => {
                let image = job.image(name, platform.as_deref().or(job.request.platform.as_deref()), step)?;
                (image.layers, ConfigEditor::of(&image.config)?, job.plan.scope())
            }
        };
        for entry in config.env() {
            let (name, value) = entry.split_once('=').unwrap_or((&entry, ""));
            scope.set_env(name, value);
        }
        if scope.env().iter().all(|(name, _)| name != "PATH") {
            config.set_env("PATH", PATH);
            scope.set_env("PATH", PATH);
        }
        let mut stage = Self { job, layers, config, scope, own_cmd: false };
        for trigger in stage.config.take_onbuild() {
            let trigger = parse_instruction(&trigger)?;
            stage.carry_out(step, &trigger)?;
        }
        stage.done(step, false, None);
        Ok(stage)
    }

    /// One instruction.
    pub(super) fn apply(&mut self, step: usize, instruction: &Located<Instruction>) -> Result<()> {
        (self.job.tell)(BuildEvent::Began { step });
        let (cached, layer_bytes) = self.carry_out(step, instruction)?;
        self.done(step, cached, layer_bytes);
        Ok(())
    }

    pub(super) fn finish(self) -> Finished {
        Finished { layers: self.layers, config: self.config, scope: self.scope }
    }

    fn done(&self, step: usize, cached: bool, layer_bytes: Option<u64>) {
        let result = Digest::of(&self.config.to_bytes());
        (self.job.tell)(BuildEvent::Done { step, cached, result, layer_bytes });
    }

    /// Says whether it was known, and the bytes of the layer it made.
    fn carry_out(&mut self, step: usize, instruction: &Located<Instruction>) -> Result<(bool, Option<u64>)> {
        let before = self.key_of_config(&instruction.original);
        let (key, did) = match &instruction.node {
            Instruction::Run(run) => self.run(step, run, &instruction.original)?,
            Instruction::Copy(copy) => self.copy(step, copy, &instruction.original)?,
            Instruction::Add(add) => self.add(add, &instruction.original)?,
            Instruction::Workdir(path) => self.workdir(path)?,
            other => {
                self.configure(other)?;
                (before, Did::Nothing)
            }
        };
        self.record(key, did, &instruction.original)
    }

    /// The step's line of history and its layer; keeps the result.
    fn record(&mut self, key: Key, did: Did, original: &str) -> Result<(bool, Option<u64>)> {
        let (entry, cached, is_new) = match did {
            Did::Found(entry) => (entry, true, false),
            Did::Nothing => match self.job.find(key) {
                Some(entry) => (entry, true, false),
                None => (self.entry(key, None, original), false, true),
            },
            Did::Changed(made) => (self.entry(key, made, original), false, true),
            Did::Restacked(made) => (self.entry(key, Some(made), original), true, true),
        };
        if is_new {
            self.job.host.keep(entry.clone());
        }
        let made_at = match self.job.epoch {
            Some(epoch) => Timestamp::from_second(epoch).unwrap_or(entry.made_at).min(entry.made_at),
            None => entry.made_at,
        };
        let line = edit::Step {
            created_at: Some(made_at),
            created_by: original.to_owned(),
            author: self.config.author().to_owned(),
            comment: String::new(),
        };
        let layer = entry.layers.last().filter(|_| entry.made_layer);
        match layer {
            Some(layer) => {
                self.config.add_layer(*layer, &line)?;
                self.layers.push(*layer);
            }
            None => self.config.add_history(&line),
        }
        self.config.record(key, entry.made_layer, made_at);
        self.config.set_created(made_at);
        // What is larger could not be read again.
        if self.config.to_bytes().len() as u64 > oci::MAX_CONFIG_BYTES {
            return Err(Error::invalid(format!("the image's config is larger than {} bytes", oci::MAX_CONFIG_BYTES)));
        }
        // What an image brought has no size here.
        Ok((cached, layer.map(|_| entry.size_bytes).filter(|bytes| *bytes > 0)))
    }

    pub(super) fn entry(&self, key: Key, made: Option<MadeLayer>, original: &str) -> Entry {
        let mut layers = self.layers.clone();
        layers.extend(made.map(|made| made.diff_id));
        let now = Timestamp::now();
        Entry {
            key,
            layers,
            made_layer: made.is_some(),
            size_bytes: made.map_or(0, |made| made.size_bytes),
            instruction: original.to_owned(),
            made_at: now,
            used_at: now,
            uses: 0,
        }
    }

    /// The name of the files so far.
    pub(super) fn chain(&self) -> String {
        oci::chains(&self.layers).last().map(|ChainId(digest)| digest.to_string()).unwrap_or_default()
    }

    /// A step that changes the config alone is known when it was done to the same config before: then its line of
    /// history has the same time, and the image the same id.
    fn key_of_config(&self, original: &str) -> Key {
        let mut key = KeyOf::step("config");
        key.add(self.config.to_bytes());
        key.add(original);
        let args: Vec<String> = self.scope.args().map(|(name, value)| format!("{name}={value}")).collect();
        key.add_all(args.iter());
        key.finish()
    }

    /// What a step wrote becomes a layer.
    pub(super) fn adopt(&self, changes: Box<dyn Changes>) -> Result<Did> {
        Ok(Did::Changed(self.job.host.adopt(changes, &self.layers, self.job.epoch)?))
    }

    fn workdir(&mut self, path: &str) -> Result<(Key, Did)> {
        let path = self.scope.expand(path)?;
        if path.is_empty() {
            return Err(Error::invalid("WORKDIR requires exactly one argument"));
        }
        self.config.set_working_dir(&path);
        let folder = self.config.working_dir().to_owned();
        let user = self.config.user().to_owned();
        let mut key = KeyOf::step("workdir");
        key.add_all([self.chain(), folder.clone(), user.clone()].into_iter());
        let key = key.finish();
        if let Some(entry) = self.job.find(key) {
            return Ok((key, Did::Found(entry)));
        }
        let _turn = self.job.turn()?;
        let owner = self.owner(&user)?;
        let tree = self.job.host.tree(&self.layers)?;
        super::copy::make_workdir(tree.root(), folder.as_bytes(), owner, self.job.epoch)?;
        Ok((key, self.adopt(tree.finish()?)?))
    }

    fn configure(&mut self, instruction: &Instruction) -> Result<()> {
        match instruction {
            Instruction::Arg(declared) => self.scope.declare(declared)?,
            Instruction::Env(env) => {
                for (name, value) in self.scope.expand_pairs(&env.pairs)? {
                    self.config.set_env(&name, &value);
                    self.scope.set_env(&name, &value);
                }
            }
            Instruction::Label(labels) => {
                for (name, value) in self.scope.expand_pairs(&labels.pairs)? {
                    self.config.add_label(&name, &value);
                }
            }
            Instruction::Cmd(command) => {
                let command = self.command(command);
                self.config.set_cmd(&command);
                self.own_cmd = true;
            }
            Instruction::Entrypoint(command) => {
                let command = self.command(command);
                self.config.set_entrypoint(&command);
                if !self.own_cmd {
                    self.config.set_cmd(&[]);
                }
            }
            Instruction::Expose(written) => {
                for text in written {
                    for word in self.scope.expand_words(text)? {
                        for port in ports(&word).map_err(Error::invalid)? {
                            self.config.expose(&port);
                        }
                    }
                }
            }
            Instruction::Volume(paths) => {
                for path in paths {
                    let path = self.scope.expand(path)?;
                    if path.is_empty() {
                        return Err(Error::invalid("VOLUME specified can not be an empty string"));
                    }
                    self.config.add_volume(&path);
                }
            }
            Instruction::User(user) => {
                let user = self.scope.expand(user)?;
                self.config.set_user(&user);
            }
            Instruction::StopSignal(signal) => {
                let signal = self.scope.expand(signal)?;
                crate::container::signal::parse(&signal)?;
                self.config.set_stop_signal(&signal);
            }
            Instruction::Shell(shell) => self.config.set_shell(shell),
            Instruction::Maintainer(name) => self.config.set_author(name),
            Instruction::Onbuild(Onbuild { text, .. }) => self.config.add_onbuild(text),
            Instruction::Healthcheck(check) => {
                let check = healthcheck(check);
                self.config.set_healthcheck(&check);
            }
            Instruction::Run(_) | Instruction::Copy(_) | Instruction::Add(_) | Instruction::Workdir(_) => {}
        }
        Ok(())
    }

    fn command(&self, command: &Command) -> Vec<String> {
        match command {
            Command::Shell(line) => self.config.in_shell(line),
            Command::Exec(words) => words.clone(),
        }
    }
}

fn healthcheck(check: &Healthcheck) -> edit::Healthcheck {
    let Healthcheck::Probe { command, interval, timeout, start_period, start_interval, retries } = check else {
        return edit::Healthcheck { test: vec!["NONE".to_owned()], ..edit::Healthcheck::default() };
    };
    let test = match command {
        Command::Shell(line) => vec!["CMD-SHELL".to_owned(), line.clone()],
        Command::Exec(words) => ["CMD".to_owned()].into_iter().chain(words.iter().cloned()).collect(),
    };
    edit::Healthcheck {
        test,
        interval: *interval,
        timeout: *timeout,
        start_period: *start_period,
        start_interval: *start_interval,
        retries: *retries,
    }
}
