//! The real program, started in a [`Space`].

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek},
    path::PathBuf,
    process::{Child, ExitStatus, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    Docker, Space, slate,
    wait::{DEADLINE, Heard, eventually},
};

/// The address the server gets inside its space.
pub const HTTP: &str = "http://127.0.0.1:8080";

/// What a server is started with besides its folders.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// More arguments of `serve`.
    pub arguments: Vec<String>,
    /// More environment.
    pub environment: Vec<(String, String)>,
}

impl Settings {
    /// Kills the server at this failpoint.
    pub fn failing_at(point: &str) -> Self {
        Self::failing(&format!("{point}=kill"))
    }

    /// Sets `DARSENA_FAILPOINT`.
    pub fn failing(failpoint: &str) -> Self {
        Self { arguments: Vec::new(), environment: vec![("DARSENA_FAILPOINT".to_owned(), failpoint.to_owned())] }
    }
}

/// A server, and the space it runs in. Dropping it kills both and removes the folders.
pub struct Darsena {
    server: Option<Server>,
    space: Space,
}

struct Server {
    process: Child,
    output: Heard,
}

impl Darsena {
    /// Starts one with an empty data root and waits until it is ready.
    pub fn start() -> Self {
        Self::start_with(&Settings::default())
    }

    /// The same with settings.
    pub fn start_with(settings: &Settings) -> Self {
        let mut darsena = Self { server: None, space: Space::new() };
        darsena.restart_with(settings);
        darsena
    }

    /// The program under test, next to the test programs.
    pub fn program() -> Result<PathBuf, String> {
        if let Some(path) = std::env::var_os("DARSENA_BIN") {
            return Ok(path.into());
        }
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let folder = own.parent().and_then(|deps| deps.parent()).ok_or("the test program has no folder")?;
        let program = folder.join("darsena");
        if program.is_file() {
            Ok(program)
        } else {
            Err(format!("{} is not built: run `cargo build` first", program.display()))
        }
    }

    /// Its space.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// A docker client for its socket.
    pub fn docker(&self) -> Docker {
        Docker::new(&self.socket(), &self.space.side().join("docker"))
    }

    /// The Docker API's socket.
    pub fn socket(&self) -> PathBuf {
        self.space.side().join("docker.sock")
    }

    /// The address of its pages; reachable in its space.
    pub fn url(&self, path: &str) -> String {
        format!("{HTTP}{path}")
    }

    /// Everything it has written to standard error, over all its starts.
    pub fn log(&self) -> String {
        let mut text = Vec::new();
        let _ = File::open(self.log_file()).and_then(|mut file| file.read_to_end(&mut text));
        String::from_utf8_lossy(&text).into_owned()
    }

    fn log_file(&self) -> PathBuf {
        self.space.side().join("server.log")
    }

    /// What it has written to standard output since its last start.
    pub fn output(&self) -> &Heard {
        &self.server.as_ref().expect("it has been started").output
    }

    /// The word the first-run page asks for.
    pub fn setup_word(&self) -> String {
        let text = self.output().until("Set-up word: ");
        let word = text.lines().find_map(|line| line.strip_prefix("Set-up word: "));
        word.expect("it was waited for").trim().to_owned()
    }

    /// Process id of the server.
    pub fn pid(&self) -> i32 {
        self.server.as_ref().expect("it has been started").process.id() as i32
    }

    /// Starts it again on the same folders, after a kill when it still runs. Waits until it is ready.
    pub fn restart(&mut self) {
        self.restart_with(&Settings::default());
    }

    /// The same with settings.
    pub fn restart_with(&mut self, settings: &Settings) {
        self.launch(settings);
        let ready = self.output().says(" is ready: ", DEADLINE);
        assert!(ready, "the server is not ready:\n{}\n{}", self.output().text(), self.log());
    }

    /// Starts it without waiting for anything.
    pub fn launch(&mut self, settings: &Settings) {
        self.kill9();
        let program = Self::program().unwrap_or_else(|error| panic!("{error}"));
        let mut log = OpenOptions::new().create(true).append(true).open(self.log_file()).expect("a log file");
        log.seek(std::io::SeekFrom::End(0)).expect("a file can be sought");
        let mut command = self.space.command(program);
        command
            .arg("serve")
            .arg("--data")
            .arg(self.space.data())
            .arg("--run")
            .arg(self.space.run())
            .args(["--http", "127.0.0.1:8080"])
            .arg("--docker-socket")
            .arg(self.socket())
            .args(["--insecure-registry", "127.0.0.1:5000"])
            .args(&settings.arguments)
            .env_remove("DARSENA_FAILPOINT")
            .envs(settings.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut process = command.spawn().expect("nsenter (package util-linux) runs");
        let output = Heard::from(process.stdout.take().expect("it is piped"));
        self.server = Some(Server { process, output });
    }

    /// Kills it with SIGKILL, if it runs.
    pub fn kill9(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.process.kill();
            let _ = server.process.wait();
        }
    }

    /// Asks it to end (SIGTERM) and waits until it has, with success.
    pub fn stop(&mut self) {
        kill(Pid::from_raw(self.pid()), Signal::SIGTERM).expect("the server runs");
        let status = self.wait();
        assert!(status.success(), "the server ended with {status}:\n{}", self.log());
    }

    /// Waits for its end, as at a failpoint.
    pub fn wait(&mut self) -> ExitStatus {
        let server = self.server.as_mut().expect("it has been started");
        eventually("the server ends", || server.process.try_wait().expect("a child can be waited for"))
    }

    /// Whether its process still is there.
    pub fn runs(&mut self) -> bool {
        self.server.as_mut().is_some_and(|server| matches!(server.process.try_wait(), Ok(None)))
    }

    /// Panics naming what a server without containers has left in the kernel and on disk.
    pub fn assert_clean(&self) {
        slate::assert_clean(&self.space);
    }
}

impl Drop for Darsena {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}--- end of the server's log ---", self.log());
        }
        self.kill9();
    }
}
