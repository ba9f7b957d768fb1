//! The engine's side of a monitor: starting one, talking to one that runs.
//!
//! A [`Launcher`] holds the monitor's program in a sealed memory file. [`Launcher::launch`] spawns a monitor and returns
//! as soon as the container's first process exists, so that its network can be plumbed while the monitor mounts;
//! [`Pending::go`] lets it run. A [`Client`] is cheap to clone and can be had again at any time by [`Client::connect`].
//! No verb waits longer than [`PATIENCE`]: a stopped monitor blocks nobody.

use std::{
    collections::HashMap,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::{oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

mod execs;

pub use execs::{Held, RunningExec};

use super::{
    protocol::{self, ExitReport, Failure, Reply, Request, Started, Status},
    report::read_exit,
};
use crate::{
    resolver,
    spec::LaunchSpec,
    sys::{memfd, packet, process, readiness},
};

/// How long an answer may take.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How long a monitor may take from its spawn to the clone, and from go to exec.
const LAUNCH_PATIENCE: Duration = Duration::from_mins(1);

/// Why a container could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The monitor could not be spawned or spoken to.
    #[error("the container's monitor could not be started: {0}")]
    Spawn(#[from] io::Error),
    /// It said why.
    #[error("{0}")]
    Failed(Failure),
    /// It went away without a word.
    #[error("the container's monitor went away while it was starting the container")]
    Lost,
    /// It did not answer in time.
    #[error("the container's monitor did not answer in time")]
    Timeout,
}

impl LaunchError {
    /// What `docker run` exits with.
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Failed(failure) => failure.exit_code,
            _ => 128,
        }
    }
}

/// Starts monitors. One waits ready for the next container, so that a start doesn't wait for its exec; it ends with the
/// launcher.
pub struct Launcher(Arc<Nursery>);

struct Nursery {
    program: OwnedFd,
    ready: Mutex<Option<Idle>>,
}

/// A monitor that has no container yet. Dropped, it ends.
struct Idle {
    channel: OwnedFd,
    monitor: OwnedFd,
}

impl Nursery {
    fn command(&self) -> Command {
        Command::new(format!("/proc/self/fd/{}", self.program.as_raw_fd()))
    }

    fn ready(&self) -> MutexGuard<'_, Option<Idle>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self) -> io::Result<Idle> {
        let (channel, theirs) = packet::pair()?;
        let mut command = self.command();
        command
            .arg0(protocol::TITLE)
            .env_clear()
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Ok(failpoint) = std::env::var("DARSENA_FAILPOINT")
            && failpoint.starts_with("monitor.")
        {
            command.env("DARSENA_FAILPOINT", failpoint);
        }
        let mut child = tokio::process::Command::from(command).spawn()?;
        let pid = child.id().ok_or(io::ErrorKind::NotFound)?;
        let monitor = process::pidfd_open(pid as i32)?;
        tokio::spawn(async move { drop(child.wait().await) });
        Ok(Idle { channel, monitor })
    }

    /// A monitor that was given this spec.
    fn employ(&self, spec: &OwnedFd) -> io::Result<Idle> {
        let give = |idle: Idle| {
            packet::send(&idle.channel, b"spec", &[spec.as_raw_fd()], true)?;
            Ok(idle)
        };
        let ready = self.ready().take();
        // One that was killed while it waited is no loss.
        ready.and_then(|idle| give(idle).ok()).map_or_else(|| self.spawn().and_then(give), Ok)
    }
}

/// Has the next monitor spawned when dropped: only then nothing waits for the processors any more.
struct Refill(Arc<Nursery>);

impl Drop for Refill {
    fn drop(&mut self) {
        let nursery = self.0.clone();
        let Ok(executor) = tokio::runtime::Handle::try_current() else { return };
        executor.spawn_blocking(move || {
            if nursery.ready().is_none()
                && let Ok(idle) = nursery.spawn()
            {
                *nursery.ready() = Some(idle);
            }
        });
    }
}

impl Launcher {
    /// Keeps the program in a sealed memory file, which is what runs.
    pub fn new(program: &[u8]) -> io::Result<Self> {
        let program = memfd::sealed(c"darsena-monitor", program, true)?;
        Ok(Self(Arc::new(Nursery { program, ready: Mutex::new(None) })))
    }

    /// Tries in an empty folder whether layers can be mapped to other ids.
    pub fn probe(&self, folder: &Path) -> io::Result<()> {
        let output = self.0.command().arg("probe").arg(folder).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }

    /// Starts a container's name server: its sockets for UDP and TCP and the container's first process go to it. Returns
    /// when it serves. Must be called within a tokio runtime.
    pub fn resolve(&self, settings: &Path, handed: [BorrowedFd<'_>; 3]) -> io::Result<()> {
        let (channel, theirs) = packet::pair()?;
        let mut command = self.0.command();
        command
            .arg0("darsena-resolver")
            .arg("resolve")
            .arg(settings)
            .env_clear()
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = tokio::process::Command::from(command).spawn()?;
        tokio::spawn(async move { drop(child.wait().await) });
        packet::send(&channel, resolver::HAND_OVER, &handed.map(|fd| fd.as_raw_fd()), true)?;
        let (answer, _) = packet::receive(&channel, true)?;
        if answer == resolver::SERVING { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Gives a container to a monitor and waits until it has made the first process.
    pub async fn launch(&self, spec: &LaunchSpec) -> Result<Pending, LaunchError> {
        let bytes = postcard::to_allocvec(spec).map_err(|error| io::Error::other(error.to_string()))?;
        let blob = memfd::sealed(c"darsena-spec", &bytes, false)?;
        let refill = Refill(self.0.clone());
        let Idle { channel, monitor } = self.0.employ(&blob)?;
        let channel = Channel::new(channel)?;
        let (reply, mut fds) =
            timeout(LAUNCH_PATIENCE, channel.receive()).await.map_err(|_| LaunchError::Timeout)??;
        match (reply, fds.pop()) {
            (Reply::Cloned { pid }, Some(netns)) => {
                let (socket, exit_file) = (spec.socket(), spec.exit_file.clone());
                Ok(Pending { channel, pid, netns, monitor, socket, exit_file, _refill: refill })
            }
            (Reply::Failed(failure), _) => Err(LaunchError::Failed(failure)),
            _ => Err(LaunchError::Lost),
        }
    }
}

/// A container whose first process exists and waits. Dropped, it is undone.
pub struct Pending {
    channel: Channel,
    pid: i32,
    netns: OwnedFd,
    monitor: OwnedFd,
    socket: PathBuf,
    exit_file: PathBuf,
    _refill: Refill,
}

impl Pending {
    /// The first process's id on the host.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The container's network namespace.
    pub fn netns(&self) -> BorrowedFd<'_> {
        self.netns.as_fd()
    }

    /// Lets the program run, and waits until it does.
    pub async fn go(self) -> Result<(Client, Started), LaunchError> {
        // The monitor may have failed and left already; what it said is still to be read.
        let _ = self.channel.send(&protocol::encode(0, &Request::Go)).await;
        let answer = timeout(LAUNCH_PATIENCE, self.channel.receive()).await.map_err(|_| LaunchError::Timeout)?;
        match answer {
            Ok((Reply::Started(started), _)) => {
                Ok((Client::run(self.channel, &self.socket, self.exit_file, self.monitor), started))
            }
            Ok((Reply::Failed(failure), _)) => {
                gone(&self.monitor).await?;
                Err(LaunchError::Failed(failure))
            }
            Ok(_) | Err(_) => Err(LaunchError::Lost),
        }
    }

    /// Undoes it; returns when nothing is left of it.
    pub async fn abort(self) {
        let Self { channel, monitor, .. } = self;
        let _ = channel.send(&protocol::encode(0, &Request::Abort)).await;
        drop(channel);
        let _ = timeout(LAUNCH_PATIENCE, gone(&monitor)).await;
    }
}

/// Waits until a process has ended and let go of everything it held.
async fn gone(pidfd: &OwnedFd) -> io::Result<()> {
    let waiting = readiness::watch(pidfd.try_clone()?, Interest::READABLE)?;
    waiting.readable().await.map(drop)
}

/// One connection, messages in and out.
struct Channel(AsyncFd<OwnedFd>);

impl Channel {
    fn new(socket: OwnedFd) -> io::Result<Self> {
        nix::fcntl::fcntl(&socket, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))?;
        Ok(Self(readiness::watch(socket, Interest::READABLE | Interest::WRITABLE)?))
    }

    async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.send_with(bytes, &[]).await
    }

    async fn send_with(&self, bytes: &[u8], fds: &[RawFd]) -> io::Result<()> {
        self.0.async_io(Interest::WRITABLE, |socket| packet::send(socket, bytes, fds, false)).await
    }

    async fn receive_numbered(&self) -> io::Result<(u32, Reply, Vec<OwnedFd>)> {
        let receive = || self.0.async_io(Interest::READABLE, |socket| packet::receive(socket, false));
        let (bytes, fds) = match receive().await {
            // Told once when the other side left with a message of ours unread; its last words come after.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => receive().await?,
            received => received?,
        };
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "the monitor speaks another language");
        let (number, reply) = protocol::decode(&bytes).ok_or_else(wrong)?;
        Ok((number, reply, fds))
    }

    async fn receive(&self) -> Result<(Reply, Vec<OwnedFd>), LaunchError> {
        match self.receive_numbered().await {
            Ok((_, reply, fds)) => Ok((reply, fds)),
            Err(_) => Err(LaunchError::Lost),
        }
    }
}

type Waiting = HashMap<u32, oneshot::Sender<(Reply, Vec<OwnedFd>)>>;

struct Shared {
    channel: Channel,
    next: AtomicU32,
    /// Requests without an answer yet; `None` once the connection has ended.
    waiting: Mutex<Option<Waiting>>,
}

impl Shared {
    /// Runs `work` on the open requests; `None` once the connection has ended.
    fn with<T>(&self, work: impl FnOnce(&mut Waiting) -> T) -> Option<T> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(work)
    }

    async fn ask(&self, request: &Request) -> io::Result<(Reply, Vec<OwnedFd>)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed).max(1);
        let (sender, receiver) = oneshot::channel();
        self.with(|waiting| waiting.insert(number, sender)).ok_or(io::ErrorKind::NotConnected)?;
        let answer = async {
            self.channel.send(&protocol::encode(number, request)).await?;
            receiver.await.map_err(|_| io::Error::from(io::ErrorKind::NotConnected))
        };
        let answer = timeout(PATIENCE, answer).await;
        self.with(|waiting| waiting.remove(&number));
        match answer
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the container's monitor doesn't answer"))??
        {
            (Reply::Refused { errno: 0, message }, _) => Err(io::Error::other(message)),
            (Reply::Refused { errno, .. }, _) => Err(io::Error::from_raw_os_error(errno)),
            answered => Ok(answered),
        }
    }
}

/// A connection to the monitor of a running container.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    ended: watch::Receiver<Option<ExitReport>>,
    monitor: Arc<OwnedFd>,
    socket: Arc<Path>,
    _reader: Arc<Reader>,
}

/// The reading task; it ends with the last clone of its client.
struct Reader(JoinHandle<()>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Client {
    /// Connects to a monitor that runs, by its socket; `exit_file` is where it will say how the program ended.
    pub async fn connect(socket: &Path, exit_file: &Path) -> io::Result<Self> {
        let client = Self::reach(socket, exit_file)?;
        // The process behind the descriptor is the one that answers: nobody else can have its id while it lives.
        client.status().await?;
        Ok(client)
    }

    /// Like [`Client::connect`], without asking whether it answers.
    pub fn reach(socket: &Path, exit_file: &Path) -> io::Result<Self> {
        let stream = packet::connect_to(socket)?;
        let (pid, _) = packet::peer(&stream)?;
        let monitor = process::pidfd_open(pid)?;
        Ok(Self::run(Channel::new(stream)?, socket, exit_file.to_owned(), monitor))
    }

    /// Ends a monitor that doesn't answer. Its container ends with it, and how is not known.
    pub fn end_monitor(&self) -> io::Result<()> {
        process::pidfd_signal(&*self.monitor, libc::SIGKILL)
    }

    fn run(channel: Channel, socket: &Path, exit_file: PathBuf, monitor: OwnedFd) -> Self {
        let shared = Arc::new(Shared { channel, next: AtomicU32::new(1), waiting: Mutex::new(Some(HashMap::new())) });
        let monitor = Arc::new(monitor);
        let (sender, ended) = watch::channel(None);
        let task = tokio::spawn(listen(shared.clone(), monitor.clone(), exit_file, sender));
        Self { shared, ended, monitor, socket: socket.into(), _reader: Arc::new(Reader(task)) }
    }

    /// Who runs there.
    pub async fn status(&self) -> io::Result<Status> {
        match self.shared.ask(&Request::Status).await? {
            (Reply::Status(status), _) => Ok(status),
            other => Err(unexpected(&other.0)),
        }
    }

    /// Sends a signal to the first process. `ESRCH` when it has ended.
    pub async fn signal(&self, signal: i32) -> io::Result<()> {
        self.shared.ask(&Request::Signal(signal)).await.map(drop)
    }

    /// Sets the terminal's size. `ENOTTY` when there is none.
    pub async fn resize(&self, rows: u16, columns: u16) -> io::Result<()> {
        self.shared.ask(&Request::Resize { rows, columns }).await.map(drop)
    }

    /// A hold on standard input. `BrokenPipe` when it is not open (any more).
    pub async fn stdin(&self) -> io::Result<StdinHandle> {
        let channel = Channel::new(packet::connect_to(&self.socket)?)?;
        channel.send(&protocol::encode(1, &Request::AttachStdin)).await?;
        let answer = timeout(PATIENCE, channel.receive_numbered()).await;
        match answer.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? {
            (_, Reply::Stdin, mut fds) => {
                let pipe = fds.pop().ok_or(io::ErrorKind::InvalidData)?;
                Ok(StdinHandle { channel, pipe: readiness::watch(pipe, Interest::WRITABLE)? })
            }
            (_, Reply::Refused { errno, .. }, _) => Err(io::Error::from_raw_os_error(errno)),
            (_, other, _) => Err(unexpected(&other)),
        }
    }

    /// Waits for the program's end. When the monitor vanished, this is what the exit file says, and without one
    /// [`ExitReport::lost`].
    pub async fn exited(&self) -> ExitReport {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(report) => report.clone().unwrap_or_else(ExitReport::lost),
            Err(_) => ExitReport::lost(),
        }
    }

    /// Waits until the monitor itself is gone: then nothing holds the container's root file system any more.
    pub async fn gone(&self) -> io::Result<()> {
        gone(&self.monitor).await
    }
}

fn unexpected(reply: &Reply) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the monitor gave another answer than asked for: {reply:?}"))
}

/// Hands out answers until the end is told or the connection has ended.
async fn listen(
    shared: Arc<Shared>,
    monitor: Arc<OwnedFd>,
    exit_file: PathBuf,
    ended: watch::Sender<Option<ExitReport>>,
) {
    let told = loop {
        match shared.channel.receive_numbered().await {
            Ok((_, Reply::Exited(report), _)) => break Some(report),
            Ok((number, reply, fds)) => {
                if let Some(Some(waiting)) = shared.with(|waiting| waiting.remove(&number)) {
                    // Nobody waits any more when the question timed out.
                    let _ = waiting.send((reply, fds));
                }
            }
            Err(_) => break None,
        }
    };
    // Whoever still waits for an answer won't get one.
    shared.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    let report = if let Some(report) = told {
        report
    } else {
        // A monitor that dropped a slow client still lives and will write the file.
        let _ = gone(&monitor).await;
        read_exit(&exit_file).ok().flatten().unwrap_or_else(ExitReport::lost)
    };
    ended.send_replace(Some(report));
}

/// A hold on a container's standard input. Dropped, a `Once` input ends; another stays open for the next client.
pub struct StdinHandle {
    channel: Channel,
    pipe: AsyncFd<OwnedFd>,
}

impl StdinHandle {
    /// Writes all of it, waiting for the container to read. `BrokenPipe` when nobody will.
    pub async fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.pipe.async_io(Interest::WRITABLE, |pipe| Ok(nix::unistd::write(pipe, bytes)?)).await?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Ends the input for good. A terminal has no end: there this only lets go.
    pub async fn close(self) -> io::Result<()> {
        let Self { channel, pipe } = self;
        drop(pipe);
        channel.send(&protocol::encode(1, &Request::CloseStdin)).await?;
        let answer = timeout(PATIENCE, channel.receive_numbered()).await;
        answer.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?.map(drop)
    }
}
