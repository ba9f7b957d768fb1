//! `exec`: one more program in a container that runs.
//!
//! Execs are kept in memory alone: made, started once, shown for a while after their end. Their processes belong to the
//! container's monitor, so they outlive this engine; the next one is told of them. What an exec wrote while no engine was
//! there is lost.

mod flow;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::watch;

use self::flow::Flow;
use super::{Attachment, Engine, Leave, lock, start::timestamp, table::Container};
use crate::{
    error::{Error, ErrorKind, Result},
    fault,
    id::{ContainerId, ExecId},
    monitor::client::{Client, Held, LaunchError, RunningExec},
    request::{AttachExec, ExecContainer},
    spec::{EXEC_VERSION, ExecSpec, TtySize},
    view::{ExecState, ExecView},
};

/// How long one is shown after its end.
const SHOWN: Duration = Duration::from_mins(5);
/// Most that are known and don't run; the oldest are forgotten.
const MOST_IDLE: usize = 1000;
/// How long a terminal that nobody looks at goes on.
const LEFT: Duration = Duration::from_mins(10);
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(15);
/// How long a program may take to end when its terminal hangs up.
const HANG_UP: Duration = Duration::from_secs(3);
/// How long a new size may wait for the start.
const SIZE_PATIENCE: Duration = Duration::from_secs(10);

/// All execs.
#[derive(Default)]
pub(in crate::engine) struct Execs(Mutex<BTreeMap<ExecId, Arc<Exec>>>);

/// One exec.
struct Exec {
    id: ExecId,
    container: Arc<Container>,
    /// How often the container had been started when this was made.
    life: u64,
    request: ExecContainer,
    created_at: Timestamp,
    state: watch::Sender<ExecState>,
    flow: Flow,
}

impl Execs {
    /// Those of a container that have not ended, but for the engine's own probes.
    pub fn of(&self, id: &ContainerId) -> Vec<ExecId> {
        let execs = lock(&self.0);
        let of = execs.values().filter(|exec| exec.container.id() == id && exec.is_current() && !exec.request.quiet);
        of.map(|exec| exec.id.clone()).collect()
    }

    fn insert(&self, exec: Arc<Exec>) {
        let mut execs = lock(&self.0);
        let now = Timestamp::now();
        execs.retain(|_, exec| exec.is_worth_showing(now));
        let mut idle: Vec<_> = execs.values().filter(|exec| !exec.state.borrow().is_running()).cloned().collect();
        if idle.len() >= MOST_IDLE {
            idle.sort_by_key(|exec| exec.created_at);
            for exec in &idle[..=idle.len() - MOST_IDLE] {
                execs.remove(&exec.id);
            }
        }
        execs.insert(exec.id.clone(), exec);
    }

    fn get(&self, id: &str) -> Result<Arc<Exec>> {
        let none = || Error::not_found(format!("No such exec instance: {id}"));
        let id: ExecId = id.parse().map_err(|_| none())?;
        lock(&self.0).get(&id).cloned().ok_or_else(none)
    }
}

impl Exec {
    fn of(container: &Arc<Container>, id: ExecId, request: ExecContainer, state: ExecState) -> Arc<Self> {
        Arc::new(Self {
            id,
            container: Arc::clone(container),
            life: container.life.borrow().starts,
            flow: Flow::new(request.replay),
            request,
            created_at: Timestamp::now(),
            state: watch::Sender::new(state),
        })
    }

    fn is_current(&self) -> bool {
        match &*self.state.borrow() {
            ExecState::Created => self.is_of_this_run(),
            state => state.is_running(),
        }
    }

    fn is_of_this_run(&self) -> bool {
        self.container.client().is_some() && self.container.life.borrow().starts == self.life
    }

    fn is_worth_showing(&self, now: Timestamp) -> bool {
        match &*self.state.borrow() {
            ExecState::Created => self.is_of_this_run(),
            ExecState::Starting | ExecState::Running { .. } => true,
            ExecState::Ended { at, .. } => now.duration_since(*at).unsigned_abs() < SHOWN,
        }
    }

    fn end(&self, code: i32, error: Option<String>) {
        self.state.send_replace(ExecState::Ended { code, at: Timestamp::now(), error });
        self.flow.end();
    }

    fn view(&self) -> ExecView {
        ExecView {
            id: self.id.clone(),
            container: self.container.id().clone(),
            request: self.request.clone(),
            state: self.state.borrow().clone(),
            created_at: self.created_at,
        }
    }

    fn spec(&self, stdin: bool) -> Result<ExecSpec> {
        let request = &self.request;
        let size = |(rows, columns)| TtySize { rows, columns };
        Ok(ExecSpec {
            version: EXEC_VERSION,
            id: self.id.to_string(),
            argv: request.argv.clone(),
            env: request.env.clone(),
            cwd: request.working_dir.clone().unwrap_or_default(),
            user: request.user.clone().unwrap_or_default(),
            tty: request.tty.then(|| self.flow.size().or(request.size).map(size).unwrap_or_default()),
            open_stdin: stdin,
            privileged: request.privileged,
            note: serde_json::to_vec(request).map_err(|error| Error::internal("the exec can't be written", error))?,
        })
    }
}

impl Engine {
    /// Makes an exec, to be started with [`Engine::start_exec`].
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] with Docker's text when the container doesn't run or is paused.
    pub fn create_exec(&self, id: &ContainerId, request: ExecContainer) -> Result<ExecId> {
        let container = self.inner.table.get(id)?;
        if request.argv.first().is_none_or(String::is_empty) {
            return Err(Error::invalid("No exec command specified"));
        }
        if let Some(dir) = request.working_dir.as_ref().filter(|dir| !dir.starts_with('/')) {
            return Err(Error::invalid(format!("Cwd must be an absolute path: {dir:?}")));
        }
        able(&container)?;
        let exec = Exec::of(&container, ExecId::random(), request, ExecState::Created);
        self.inner.execs.insert(Arc::clone(&exec));
        self.tell_exec("exec_create", &exec, true, None);
        Ok(exec.id.clone())
    }

    /// Starts it, and gives its streams: from the first byte on. Without any stream it runs detached.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when it was started before or the container doesn't run; [`ErrorKind::Invalid`] with Docker's
    /// text when the program can't be run, which is the exec's end.
    pub async fn start_exec(&self, id: &str, attach: AttachExec, leave: Leave) -> Result<Attachment> {
        let exec = self.inner.execs.get(id)?;
        let client = able(&exec.container)?;
        let mut before = ExecState::Created;
        exec.state.send_if_modified(|state| {
            before = state.clone();
            let is_new = *state == ExecState::Created;
            if is_new {
                *state = ExecState::Starting;
            }
            is_new
        });
        startable(id, &before)?;
        let (listener, output) = flow::listener(attach);
        exec.flow.join(listener);
        let stdin = attach.stdin && exec.request.attach_stdin;
        match self.run_exec(&exec, &client, stdin, leave).await {
            Ok(running) => {
                let tty = exec.request.tty;
                let input = if stdin { flow::input(running.input.as_ref(), &running.output, tty) } else { None };
                self.follow_exec(exec, running);
                Ok(Attachment { input, output, tty })
            }
            Err((code, error)) => {
                exec.end(code, Some(error.message().to_owned()));
                Err(error)
            }
        }
    }

    async fn run_exec(
        &self,
        exec: &Arc<Exec>,
        client: &Client,
        stdin: bool,
        leave: Leave,
    ) -> Result<RunningExec, (i32, Error)> {
        let not = |error| (126, error);
        let spec = exec.spec(stdin).map_err(not)?;
        leave.take().await.map_err(not)?;
        fault::point("exec.asked").map_err(failed).map_err(not)?;
        let running = client.exec(&spec).await.map_err(|error| refusal(&exec.container, error))?;
        if let Err(error) = fault::point("exec.started") {
            let _ = client.signal_exec(exec.id.as_str(), libc::SIGKILL).await;
            return Err(not(failed(error)));
        }
        for limit in &running.started.clamped {
            tracing::debug!(container = exec.container.record.name, "{limit}");
        }
        Ok(running)
    }

    /// It runs: show it, carry its output, see its end.
    fn follow_exec(&self, exec: Arc<Exec>, running: RunningExec) {
        exec.state.send_replace(ExecState::Running { pid: running.started.pid });
        self.tell_exec("exec_start", &exec, true, None);
        if exec.request.replay {
            self.inner.tasks.spawn(self.clone().end_when_left(Arc::clone(&exec)));
        }
        let engine = self.clone();
        self.inner.tasks.spawn(async move {
            let end = exec.flow.carry(running, exec.request.tty).await;
            let (code, error) = end.map_or_else(lost, |end| (end.code, None));
            exec.state.send_replace(ExecState::Ended { code, at: Timestamp::now(), error });
            engine.tell_exec("exec_die", &exec, false, Some(code));
            exec.flow.end();
        });
    }

    /// Ends a terminal that nobody has come back to.
    async fn end_when_left(self, exec: Arc<Exec>) {
        let mut alone = Duration::ZERO;
        while exec.state.borrow().is_running() {
            tokio::time::sleep(LOOK).await;
            alone = if exec.flow.is_heard() { Duration::ZERO } else { alone + LOOK };
            if alone >= LEFT {
                let _ = self.hang_up_exec(exec.id.as_str()).await;
                return;
            }
        }
    }

    /// Comes back to an exec that runs.
    ///
    /// # Errors
    /// When it does not run.
    pub fn attach_exec(&self, id: &str, attach: AttachExec) -> Result<Attachment> {
        let exec = self.inner.execs.get(id)?;
        if !exec.state.borrow().is_running() {
            return Err(Error::conflict(format!("exec {id} is not running")));
        }
        let (listener, output) = flow::listener(attach);
        exec.flow.join(listener);
        let input = if attach.stdin { exec.flow.terminal_input() } else { None };
        Ok(Attachment { input, output, tty: exec.request.tty })
    }

    /// One exec.
    ///
    /// # Errors
    /// `No such exec instance: ID`.
    pub fn exec(&self, id: &str) -> Result<ExecView> {
        self.inner.execs.get(id).map(|exec| exec.view())
    }

    /// Whether it can be started now.
    ///
    /// # Errors
    /// As [`Engine::start_exec`] before anything is done.
    pub fn exec_startable(&self, id: &str) -> Result<()> {
        let exec = self.inner.execs.get(id)?;
        able(&exec.container)?;
        startable(id, &exec.state.borrow())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// No such exec.
    pub async fn wait_exec(&self, id: &str) -> Result<i32> {
        let mut state = self.inner.execs.get(id)?.state.subscribe();
        let ended = state.wait_for(|state| matches!(state, ExecState::Ended { .. })).await;
        match ended.as_deref() {
            Ok(ExecState::Ended { code, .. }) => Ok(*code),
            _ => Err(Error::not_found(format!("No such exec instance: {id}"))),
        }
    }

    /// Sets its terminal's size; one that is being started gets it then.
    ///
    /// # Errors
    /// When it has no terminal or has ended.
    pub async fn resize_exec(&self, id: &str, rows: u16, columns: u16) -> Result<()> {
        let exec = self.inner.execs.get(id)?;
        // Without a terminal yet, it is remembered.
        let _ = exec.flow.set_size(rows, columns);
        let mut state = exec.state.subscribe();
        let started = state.wait_for(|state| !matches!(state, ExecState::Created | ExecState::Starting));
        let started = tokio::time::timeout(SIZE_PATIENCE, started).await;
        match started.map(|state| state.map(|state| state.clone())) {
            Ok(Ok(ExecState::Running { .. })) => exec
                .flow
                .set_size(rows, columns)
                .map_err(|error| Error::with_source(ErrorKind::Conflict, format!("exec {id} has no terminal"), error)),
            Ok(_) => Err(Error::conflict(format!("cannot resize a stopped exec: {id}"))),
            Err(_) => Err(Error::new(ErrorKind::Unavailable, "timeout waiting for exec session ready")),
        }
    }

    /// Says how large its terminal is to be, at its start or now.
    ///
    /// # Errors
    /// No such exec.
    pub fn size_exec(&self, id: &str, rows: u16, columns: u16) -> Result<()> {
        let _ = self.inner.execs.get(id)?.flow.set_size(rows, columns);
        Ok(())
    }

    /// Sends its program a signal; ended already is as wanted.
    ///
    /// # Errors
    /// No such exec, or its monitor doesn't answer.
    pub async fn signal_exec(&self, id: &str, signal: i32) -> Result<()> {
        let exec = self.inner.execs.get(id)?;
        match able(&exec.container)?.signal_exec(exec.id.as_str(), signal).await {
            Err(error) if error.raw_os_error() != Some(libc::ESRCH) => Err(failed(error)),
            _ => Ok(()),
        }
    }

    /// Ends one that has a terminal: hangs up, and kills what stays.
    ///
    /// # Errors
    /// As [`Engine::signal_exec`].
    pub async fn hang_up_exec(&self, id: &str) -> Result<()> {
        self.signal_exec(id, libc::SIGHUP).await?;
        if tokio::time::timeout(HANG_UP, self.wait_exec(id)).await.is_err() {
            self.signal_exec(id, libc::SIGKILL).await?;
        }
        Ok(())
    }

    /// All that are known of a container.
    pub fn execs(&self, id: &ContainerId) -> Vec<ExecView> {
        let execs = lock(&self.inner.execs.0);
        execs.values().filter(|exec| exec.container.id() == id).map(|exec| exec.view()).collect()
    }

    /// Tells that a client left it running.
    ///
    /// # Errors
    /// No such exec.
    pub fn exec_detached(&self, id: &str) -> Result<()> {
        self.tell_exec("exec_detach", &*self.inner.execs.get(id)?, false, None);
        Ok(())
    }

    /// Goes on with what an earlier engine began in a container that runs.
    pub(in crate::engine) async fn adopt_execs(&self, container: &Arc<Container>) {
        let Some(client) = container.client() else { return };
        let held = match client.take_execs().await {
            Ok(held) => held,
            Err(error) => {
                tracing::warn!(container = container.record.name, %error, "its execs are not known any more");
                return;
            }
        };
        for held in held {
            let (spec, running) = match held {
                Held::Running(spec, running) => (spec, Ok(running)),
                Held::Ended(spec, end) => (spec, Err(end)),
            };
            let (Ok(id), Ok(request)) = (spec.id.parse(), serde_json::from_slice(&spec.note)) else { continue };
            let exec = Exec::of(container, id, request, ExecState::Starting);
            self.inner.execs.insert(Arc::clone(&exec));
            match running {
                Ok(running) => self.follow_exec(exec, running),
                Err(end) => {
                    let at = timestamp(end.finished_at_ns);
                    exec.state.send_replace(ExecState::Ended { code: end.code, at, error: None });
                    exec.flow.end();
                }
            }
        }
    }

    fn tell_exec(&self, action: &str, exec: &Exec, names_command: bool, code: Option<i32>) {
        if exec.request.quiet {
            return;
        }
        let action =
            if names_command { format!("{action}: {}", exec.request.argv.join(" ")) } else { action.to_owned() };
        let id = ("execID", exec.id.to_string());
        match code {
            Some(code) => self.tell(&action, &exec.container, [id, ("exitCode", code.to_string())]),
            None => self.tell(&action, &exec.container, [id]),
        }
    }
}

fn lost() -> (i32, Option<String>) {
    (137, Some("its end was not seen: the container's monitor is gone".to_owned()))
}

/// The way to the monitor of a container that can have execs now.
fn able(container: &Container) -> Result<Client> {
    let id = container.id();
    match container.state().word() {
        "paused" => Err(Error::conflict(format!("Container {id} is paused, unpause the container before exec"))),
        "restarting" => {
            Err(Error::conflict(format!("Container {id} is restarting, wait until the container is running")))
        }
        _ => container.running(),
    }
}

fn startable(id: &str, state: &ExecState) -> Result<()> {
    match state {
        ExecState::Created => Ok(()),
        ExecState::Starting | ExecState::Running { .. } => {
            Err(Error::conflict(format!("Error: Exec command {id} is already running")))
        }
        ExecState::Ended { .. } => Err(Error::conflict(format!("Error: Exec command {id} has already run"))),
    }
}

/// The code and the error of an exec that could not be started.
fn refusal(container: &Container, error: LaunchError) -> (i32, Error) {
    match error {
        LaunchError::Failed(failure) => {
            let text = format!("OCI runtime exec failed: exec failed: {}: unknown", failure.message);
            match failure.exit_code {
                code @ (126 | 127) => (code, Error::invalid(text)),
                _ if failure.is_of_request() => (126, Error::invalid(text)),
                _ if container.client().is_none() => (126, able(container).err().unwrap_or(Error::conflict(text))),
                _ => (126, Error::internal(text, failure)),
            }
        }
        LaunchError::Lost if container.client().is_some() => (
            126,
            Error::unsupported("the container was started by an older version: restart it to run more programs in it"),
        ),
        other => (126, Error::internal("the exec could not be started", other)),
    }
}

fn failed(error: io::Error) -> Error {
    Error::internal("the exec could not be started", error)
}
