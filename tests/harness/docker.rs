//! The real docker client against a server's socket.

use std::{
    fs::File,
    io::Write,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use nix::pty::{Winsize, openpty};

use crate::wait::{Heard, eventually};

/// A docker client; it keeps its configuration in a folder of its own.
#[derive(Clone, Debug)]
pub struct Docker {
    socket: PathBuf,
    config: PathBuf,
}

/// How a command ended and what it said.
#[derive(Clone, Debug)]
pub struct Output {
    /// What was run, for messages.
    pub command: String,
    /// Exit code; 128 + n after signal n.
    pub code: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Standard output as text, without the last line's end.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }

    /// Standard error as text.
    pub fn error(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Panics unless it ended with 0; gives the text.
    pub fn ok(&self) -> String {
        self.code(0).text()
    }

    /// Panics unless it ended with this code.
    pub fn code(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{}\nstdout: {}\nstderr: {}", self.command, self.text(), self.error());
        self
    }

    /// Panics unless it failed; gives what it said on standard error.
    pub fn fails(&self) -> String {
        assert_ne!(self.code, 0, "{} did not fail\nstdout: {}", self.command, self.text());
        self.error()
    }
}

impl Docker {
    pub(crate) fn new(socket: &Path, config: &Path) -> Self {
        Self { socket: socket.to_owned(), config: config.to_owned() }
    }

    /// The client's program.
    pub fn program() -> PathBuf {
        std::env::var_os("DARSENA_TESTS_DOCKER").map_or_else(|| PathBuf::from("docker"), PathBuf::from)
    }

    /// Major version of the client: 28, say.
    pub fn client_major() -> Option<u32> {
        let output = Command::new(Self::program()).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split_once("version ")?.1.split('.').next()?.parse().ok()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(Self::program());
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.config)
            .env("TERM", "xterm")
            .env("DOCKER_CONFIG", &self.config)
            .env("DOCKER_HOST", format!("unix://{}", self.socket.display()))
            .env("DOCKER_BUILDKIT", "0")
            .env("DOCKER_CLI_HINTS", "false");
        command
    }

    /// Runs a command to its end, with nothing to read.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, b"")
    }

    /// The same with standard input.
    pub fn run_with(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut running = self.spawn(arguments);
        let mut stdin = running.stdin.take().expect("it is piped");
        let input = input.to_vec();
        // On a thread of its own: the other side may answer before it has read everything, or stop reading.
        let writer = std::thread::spawn(move || {
            let _ = stdin.write_all(&input);
        });
        let output = running.finish();
        let _ = writer.join();
        output
    }

    /// Starts a command with pipes, for a test that talks with it.
    pub fn spawn(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|error| panic!("docker can't be run: {error}"));
        Running {
            command: format!("docker {}", arguments.join(" ")),
            stdin: process.stdin.take().map(OwnedFd::from).map(File::from),
            stdout: Heard::from(process.stdout.take().expect("it is piped")),
            stderr: Heard::from(process.stderr.take().expect("it is piped")),
            process,
        }
    }

    /// Starts a command on a terminal of 24 rows and 80 columns; what it says is all in `stdout`.
    pub fn spawn_on_terminal(&self, arguments: &[&str]) -> Running {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let terminal = openpty(&size, None).expect("a terminal can be opened");
        let slave = || terminal.slave.try_clone().expect("a descriptor can be copied");
        let mut command = self.command(arguments);
        command.stdin(slave()).stdout(slave()).stderr(slave());
        let process = command.spawn().unwrap_or_else(|error| panic!("docker can't be run: {error}"));
        // The command holds copies of its side of the terminal; ours must go for the end to be seen.
        drop((command, terminal.slave));
        let master = File::from(terminal.master);
        Running {
            command: format!("docker {} (on a terminal)", arguments.join(" ")),
            stdin: Some(master.try_clone().expect("a descriptor can be copied")),
            stdout: Heard::from(master),
            stderr: Heard::from(std::io::empty()),
            process,
        }
    }
}

/// A command that runs.
pub struct Running {
    command: String,
    process: Child,
    stdin: Option<File>,
    /// What it says on standard output.
    pub stdout: Heard,
    /// What it says on standard error.
    pub stderr: Heard,
}

impl Running {
    /// Writes to its standard input or terminal.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("its input is open");
        stdin.write_all(bytes.as_ref()).unwrap_or_else(|error| panic!("{} reads no more: {error}", self.command));
    }

    /// Ends its standard input.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Kills the client with SIGKILL; the container goes on.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
    }

    /// Sends the client SIGINT, as ctrl-c does.
    pub fn interrupt(&self) {
        let pid = nix::unistd::Pid::from_raw(self.process.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("it runs");
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Output {
        let command = self.command.clone();
        let status =
            eventually(&format!("{command} ends"), || self.process.try_wait().expect("a child can be waited for"));
        Output { command, code: code(status), stdout: self.stdout.to_end(), stderr: self.stderr.to_end() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;

    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}
