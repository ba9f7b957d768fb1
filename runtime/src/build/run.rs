//! RUN: a command in a container of its own, on the layers so far.

use std::collections::BTreeMap;

use super::{
    cache::{Key, KeyOf, mount_key},
    copy::{CopyRequest, Selection},
    dockerfile::{Base, Mount, MountKind, Network, PREDEFINED, Run, Script, Security},
    host::{RunStep, StepMount, StepSource},
    stage::{Did, Stage},
};
use crate::{
    error::{Error, ErrorKind, Result},
    request::BuildNetwork,
    view::BuildEvent,
};

/// Where a heredoc that is a program is seen.
const SCRIPTS: &str = "/dev/pipes";

/// A command that came to another end than 0.
#[derive(Debug, thiserror::Error)]
#[error("exit code {0}")]
pub struct NonZeroExit(pub i32);

impl Stage<'_, '_> {
    pub(super) fn run(&mut self, step: usize, run: &Run, original: &str) -> Result<(Key, Did)> {
        if run.security == Security::Insecure {
            return Err(Error::new(
                ErrorKind::Forbidden,
                "RUN --security=insecure is not allowed here: steps run as ordinary containers",
            ));
        }
        let mut mounts = Vec::new();
        let mut env = self.environment();
        let (argv, shown) = self.argv(run, &mut mounts);
        let mut depends = KeyOf::step("mounts");
        for spec in &run.mounts {
            let mount = spec.resolve(|text| self.scope.expand(text)).map_err(Error::invalid)?;
            self.mount(step, &mount, &mut mounts, &mut env, &mut depends)?;
        }
        let network = match run.network {
            Network::Default => self.job.request.network,
            Network::None => BuildNetwork::None,
            Network::Host => BuildNetwork::Host,
        };
        let (cwd, user) = (self.config.working_dir().to_owned(), self.config.user().to_owned());
        let mut key = KeyOf::step("run");
        key.add_all([self.chain(), cwd.clone(), user.clone(), self.job.plan.platform.to_string()].into_iter());
        key.add_all(argv.iter());
        key.add_all(self.key_environment().iter());
        key.add(depends.finish().to_string());
        key.add(format!("{network:?}"));
        let key = key.finish();
        if let Some(entry) = self.job.find(key) {
            return Ok((key, Did::Found(entry)));
        }
        if self.layers.is_empty() {
            return Err(Error::invalid(format!("{original}: there is nothing to run in an empty image")));
        }

        let _turn = self.job.turn()?;
        let command = RunStep {
            layers: self.layers.clone(),
            argv,
            env: env.into_iter().map(|(name, value)| format!("{name}={value}")).collect(),
            cwd,
            user,
            network,
            mounts,
        };
        let tell = self.job.tell;
        let running = |container: &str| tell(BuildEvent::Running { step, container: container.to_owned() });
        let mut output = |stream, bytes| tell(BuildEvent::Output { step, stream, bytes });
        let end = self.job.host.run(&command, &running, &mut output)?;
        if end.exit_code != 0 {
            let memory = if end.oom_killed { " (it was ended for want of memory)" } else { "" };
            let code = end.exit_code;
            let message = format!("The command '{shown}' returned a non-zero code: {code}{memory}");
            return Err(Error::with_source(ErrorKind::Invalid, message, NonZeroExit(code)));
        }
        Ok((key, self.adopt(end.changes)?))
    }

    /// What to run, and how it is shown.
    fn argv(&self, run: &Run, mounts: &mut Vec<StepMount>) -> (Vec<String>, String) {
        let argv = match run.script() {
            Script::Exec(words) => words,
            Script::Shell(line) => self.config.in_shell(&line),
            Script::File { name, content } => {
                let target = format!("{SCRIPTS}/{name}");
                let source = StepSource::Script { content: content.into_bytes() };
                mounts.push(StepMount { target: target.clone(), read_only: true, source });
                vec![target]
            }
        };
        let shown = argv.join(" ");
        (argv, shown)
    }

    /// The image's variables, and the build's.
    fn environment(&self) -> BTreeMap<String, String> {
        self.scope.run_env().into_iter().collect()
    }

    /// What the result may depend on: proxies are a matter of the place, unless the Dockerfile asks for them.
    fn key_environment(&self) -> Vec<String> {
        let own: Vec<&str> = self
            .scope
            .args()
            .map(|(name, _)| name)
            .chain(self.scope.env().iter().map(|(name, _)| name.as_str()))
            .collect();
        let env = self.environment().into_iter();
        env.filter(|(name, _)| !PREDEFINED.contains(&name.as_str()) || own.contains(&name.as_str()))
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    fn mount(
        &self,
        step: usize,
        mount: &Mount,
        mounts: &mut Vec<StepMount>,
        env: &mut BTreeMap<String, String>,
        depends: &mut KeyOf,
    ) -> Result<()> {
        let target = mount.target.as_deref().map(|target| self.absolute(target));
        let made = |mode| (mount.mode.unwrap_or(mode), mount.uid.unwrap_or(0), mount.gid.unwrap_or(0));
        let needs_target = || Error::invalid(format!("--mount=type={} requires a target", mount.kind.name()));
        depends.add_all([mount.kind.name(), target.as_deref().unwrap_or_default()].into_iter());
        let source = match mount.kind {
            MountKind::Bind => self.bound(step, mount, depends)?,
            MountKind::Cache => {
                let target = target.as_deref().ok_or_else(needs_target)?;
                let mut id = mount.id.clone().unwrap_or_else(|| target.to_owned());
                let mut seed = None;
                if let Some(from) = &mount.from {
                    let (layers, path) = (self.layers_of(step, from)?, mount.source.clone().unwrap_or_default());
                    let mut key = KeyOf::step("cache seed");
                    key.add(&path);
                    key.add_all(layers.iter().map(|layer| layer.0.to_string()).collect::<Vec<_>>().into_iter());
                    id = format!("{id} on {}", key.finish().short());
                    seed = Some((layers, path));
                }
                depends.add(mount_key(&id).to_string());
                StepSource::Cache { id, sharing: mount.sharing, made: made(0o755), seed }
            }
            MountKind::Tmpfs => StepSource::Tmpfs { size_bytes: Some(mount.size).filter(|size| *size > 0) },
            MountKind::Secret => {
                let id = mount.id.clone().or_else(|| base_name(mount.source.as_deref().or(mount.target.as_deref())));
                let id = id.ok_or_else(|| Error::invalid("--mount=type=secret requires an id"))?;
                depends.add(&id);
                let Some(content) = self.job.request.secrets.get(&id) else {
                    if mount.required {
                        return Err(Error::invalid(format!("secret {id}: not found")));
                    }
                    return Ok(());
                };
                if let Some(name) = &mount.env {
                    env.insert(name.clone(), String::from_utf8_lossy(&content.0).into_owned());
                    if target.is_none() {
                        return Ok(());
                    }
                }
                let target = target.unwrap_or_else(|| format!("/run/secrets/{id}"));
                let source = StepSource::Secret { content: content.clone(), made: made(0o400) };
                mounts.push(StepMount { target, read_only: true, source });
                return Ok(());
            }
            MountKind::Ssh => {
                if mount.required {
                    return Err(Error::unsupported("--mount=type=ssh: this build was given no ssh agent"));
                }
                return Ok(());
            }
        };
        let target = target.ok_or_else(needs_target)?;
        mounts.push(StepMount { target, read_only: mount.read_only, source });
        Ok(())
    }

    /// A bind: the context, a stage or an image.
    fn bound(&self, step: usize, mount: &Mount, depends: &mut KeyOf) -> Result<StepSource> {
        let path = mount.source.clone().unwrap_or_else(|| "/".to_owned());
        let Some(from) = &mount.from else {
            let wanted = CopyRequest::new(vec![path.clone().into_bytes()], "/");
            let selection = Selection::new(&self.job.plan.source(), &wanted)?;
            depends.add(selection.digest()?.to_string());
            return Ok(StepSource::Folder { root: self.job.plan.context_folder(), path });
        };
        let layers = self.layers_of(step, from)?;
        depends.add(path.as_bytes());
        depends.add_all(layers.iter().map(|layer| layer.0.to_string()).collect::<Vec<_>>().into_iter());
        Ok(StepSource::Layers { layers, path })
    }

    /// The layers of a stage or an image that `--from` names.
    pub(super) fn layers_of(&self, step: usize, from: &str) -> Result<Vec<crate::digest::DiffId>> {
        match self.job.plan.named(from)? {
            Base::Stage(index) => Ok(self.job.wait_for(index)?.layers.clone()),
            Base::Image { name, .. } => Ok(self.job.image(&name, self.job.request.platform.as_deref(), step)?.layers),
            Base::Scratch => Ok(Vec::new()),
        }
    }

    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') {
            return path.to_owned();
        }
        format!("{}/{path}", self.config.working_dir().trim_end_matches('/'))
    }
}

fn base_name(path: Option<&str>) -> Option<String> {
    path.and_then(|path| path.trim_end_matches('/').rsplit('/').next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
}
