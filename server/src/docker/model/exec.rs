//! Execs as sent and shown.

use runtime::{
    error::{Error, Result},
    request::ExecContainer,
    view::{ExecState, ExecView},
};
use serde::{Deserialize, Serialize};

use super::create::Words;

/// The body of `POST /containers/{id}/exec`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::docker) struct Body {
    user: Option<String>,
    privileged: Option<bool>,
    tty: Option<bool>,
    console_size: Option<(u64, u64)>,
    attach_stdin: Option<bool>,
    attach_stdout: Option<bool>,
    attach_stderr: Option<bool>,
    detach_keys: Option<String>,
    env: Option<Vec<String>>,
    working_dir: Option<String>,
    cmd: Option<Words>,
}

impl Body {
    /// As the engine's request.
    pub(in crate::docker) fn request(self) -> Result<ExecContainer> {
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(ExecContainer {
            argv: self.cmd.map(Vec::from).unwrap_or_default(),
            env: self.env.unwrap_or_default(),
            working_dir: some(self.working_dir),
            user: some(self.user),
            tty: self.tty.unwrap_or(false),
            attach_stdin: self.attach_stdin.unwrap_or(false),
            attach_stdout: self.attach_stdout.unwrap_or(false),
            attach_stderr: self.attach_stderr.unwrap_or(false),
            privileged: self.privileged.unwrap_or(false),
            detach_keys: some(self.detach_keys),
            size: size(self.console_size)?,
            ..ExecContainer::default()
        })
    }
}

/// Rows and columns; none where one is zero.
pub(in crate::docker) fn size(asked: Option<(u64, u64)>) -> Result<Option<(u16, u16)>> {
    let Some((rows, columns)) = asked.filter(|(rows, columns)| *rows > 0 && *columns > 0) else { return Ok(None) };
    let number =
        |value: u64| u16::try_from(value).map_err(|_| Error::invalid(format!("{value} is no terminal's size")));
    Ok(Some((number(rows)?, number(columns)?)))
}

/// The body of `POST /exec/{id}/start`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::docker) struct Start {
    pub detach: Option<bool>,
    pub console_size: Option<(u64, u64)>,
}

/// What `POST /containers/{id}/exec` answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::docker) struct Created<'a> {
    pub id: &'a str,
}

/// What `GET /exec/{id}/json` answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::docker) struct Exec<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    running: bool,
    exit_code: Option<i32>,
    process_config: Process<'a>,
    open_stdin: bool,
    open_stderr: bool,
    open_stdout: bool,
    can_remove: bool,
    #[serde(rename = "ContainerID")]
    container_id: &'a str,
    detach_keys: &'a str,
    pid: i32,
}

#[derive(Debug, Serialize)]
struct Process<'a> {
    tty: bool,
    entrypoint: &'a str,
    arguments: &'a [String],
    privileged: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

impl<'a> Exec<'a> {
    /// For inspect.
    pub(in crate::docker) fn of(exec: &'a ExecView) -> Self {
        let request = &exec.request;
        let (entrypoint, arguments) = request.argv.split_first().map_or(("", &[][..]), |(head, rest)| (head, rest));
        let (exit_code, pid) = match exec.state {
            ExecState::Created | ExecState::Starting => (None, 0),
            ExecState::Running { pid } => (None, pid),
            ExecState::Ended { code, .. } => (Some(code), 0),
        };
        let user = request.user.as_deref();
        Self {
            id: exec.id.as_str(),
            running: exec.state.is_running(),
            exit_code,
            process_config: Process { tty: request.tty, entrypoint, arguments, privileged: request.privileged, user },
            open_stdin: request.attach_stdin,
            open_stderr: request.attach_stderr,
            open_stdout: request.attach_stdout,
            can_remove: false,
            container_id: exec.container.as_str(),
            detach_keys: request.detach_keys.as_deref().unwrap_or_default(),
            pid,
        }
    }
}
