//! A network namespace with a mount namespace, a neighbour on its LAN, and a temporary folder.
//!
//! ```text
//!   server's side (net + mnt)                 neighbour (net)
//!   lo   wan0 192.0.2.1/24  <--- veth --->    eth0 192.0.2.2/24   lo
//!   default via 192.0.2.2
//! ```
//! A shell holds each namespace. It waits for the end of its standard input, which comes when the [`Space`] is dropped
//! or the test process dies; then it kills what is left in the namespace, and the first one what is left in the cgroups.

use std::{
    ffi::OsStr,
    fs::File,
    future::Future,
    io::{BufRead, BufReader},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use nix::{
    sched::{CloneFlags, setns},
    sys::statfs,
};
use tempfile::TempDir;

/// See the module.
pub struct Space {
    server: Holder,
    neighbour: Holder,
    cgroup: String,
    // Dropped last: the holders' sweep must be over.
    root: TempDir,
}

const HOLD: &str = r#"
set -eu
cgroup=${1:-}
ip link set lo up
echo ready
cat >/dev/null || true
me=$(readlink /proc/self/ns/net)
all() { [ -z "$cgroup" ] || ls -d /sys/fs/cgroup/"$cgroup" /sys/fs/cgroup/*/"$cgroup" 2>/dev/null || true; }
for turn in 1 2 3; do
  for dir in $(all); do
    find "$dir" -name cgroup.procs -exec cat {} + 2>/dev/null | while read -r pid; do kill -9 "$pid" 2>/dev/null || true; done
  done
  for process in /proc/[0-9]*; do
    pid=${process#/proc/}
    [ "$pid" = $$ ] || [ "$(readlink "$process/ns/net" 2>/dev/null)" != "$me" ] || kill -9 "$pid" 2>/dev/null || true
  done
  for dir in $(all); do find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null || true; done
  [ -n "$(all)" ] || break
  sleep 0.1
done
"#;

impl Space {
    /// Makes one. Needs root.
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("darsena-test-").tempdir_in(base()).expect("a temporary folder");
        for folder in ["data", "run", "side"] {
            std::fs::create_dir(root.path().join(folder)).expect("a folder in a new folder");
        }
        let cgroup = cgroup_parent(&root.path().join("data"));
        let server =
            Holder::start(&["--net", "--mount", "--propagation", "private"], &["sh", "-c", HOLD, "hold", &cgroup]);
        let neighbour = Holder::start(&["--net"], &["sh", "-c", HOLD]);
        let space = Self { server, neighbour, cgroup, root };
        let peer = space.neighbour.child.id().to_string();
        space.ip(&["link", "add", "wan0", "type", "veth", "peer", "name", "eth0", "netns", &peer]);
        space.ip(&["address", "add", "192.0.2.1/24", "dev", "wan0"]);
        // An IPv6 address that settles a second later is a change of network to a browser: it drops its requests.
        space.ip(&["link", "set", "wan0", "addrgenmode", "none"]);
        space.neighbour_ip(&["link", "set", "eth0", "addrgenmode", "none"]);
        space.ip(&["link", "set", "wan0", "up"]);
        space.neighbour_ip(&["address", "add", "192.0.2.2/24", "dev", "eth0"]);
        space.neighbour_ip(&["link", "set", "eth0", "up"]);
        space.ip(&["route", "add", "default", "via", "192.0.2.2"]);
        space
    }

    /// The temporary folder, with all of this space's files.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The durable root the server gets.
    pub fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// The alive-only root the server gets.
    pub fn run(&self) -> PathBuf {
        self.root.path().join("run")
    }

    /// A folder for the test's own files; the clean-slate check doesn't look here.
    pub fn side(&self) -> PathBuf {
        self.root.path().join("side")
    }

    /// Name of the cgroup the server keeps its containers below.
    pub fn cgroup(&self) -> &str {
        &self.cgroup
    }

    /// Mounts of the server's namespace.
    pub fn mounts(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/mountinfo", self.server.child.id())).expect("the holder is alive")
    }

    /// A command inside: same network, same mounts as the server.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.server.command(program)
    }

    /// A command at the LAN neighbour: another network, the host's mounts.
    pub fn neighbour(&self, program: impl AsRef<OsStr>) -> Command {
        self.neighbour.command(program)
    }

    /// Runs it inside and gives its standard output; panics unless it ends with 0.
    pub fn output(&self, program: &str, arguments: &[&str]) -> String {
        checked(self.command(program).args(arguments))
    }

    /// Runs it at the neighbour and gives its standard output; panics unless it ends with 0.
    pub fn neighbour_output(&self, program: &str, arguments: &[&str]) -> String {
        checked(self.neighbour(program).args(arguments))
    }

    fn ip(&self, arguments: &[&str]) {
        self.output("ip", arguments);
    }

    fn neighbour_ip(&self, arguments: &[&str]) {
        self.neighbour_output("ip", arguments);
    }

    /// Runs async code on a thread in the server's network namespace: 127.0.0.1 is the server's.
    pub fn inside<T: Send, F: Future<Output = T>>(&self, work: impl FnOnce() -> F + Send) -> T {
        self.server.inside(work)
    }

    /// The same at the neighbour.
    pub fn inside_neighbour<T: Send, F: Future<Output = T>>(&self, work: impl FnOnce() -> F + Send) -> T {
        self.neighbour.inside(work)
    }

    /// Opens connections to 127.0.0.1:`port` of the server's side, from any thread.
    pub fn dialler(&self, port: u16) -> impl Fn() -> Option<TcpStream> + Send + 'static {
        let server = self.server.network();
        move || {
            let server = server.try_clone().ok()?;
            // A thread of its own: its namespace ends with it.
            let dialled = thread::spawn(move || {
                setns(server, CloneFlags::CLONE_NEWNET).ok()?;
                TcpStream::connect(("127.0.0.1", port)).ok()
            });
            dialled.join().ok()?
        }
    }

    /// Makes 127.0.0.1:`port` of the server's side answer at the neighbour's 127.0.0.1 too, until the test process
    /// ends. The browser lives at the neighbour: each container that starts changes the server's network, and a
    /// browser that sees its network change drops its requests.
    pub fn relay(&self, port: u16) {
        let dial = self.dialler(port);
        let listener = self.inside_neighbour(|| async { TcpListener::bind(("127.0.0.1", port)) });
        let listener = listener.unwrap_or_else(|error| panic!("relay of {port}: {error}"));
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                // Refused there is closed here.
                let Some(far) = dial() else { continue };
                for (mut from, mut to) in [(copy(&near), copy(&far)), (far, near)] {
                    thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
            }
        });
    }
}

fn copy(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a descriptor can be copied")
}

impl Default for Space {
    fn default() -> Self {
        Self::new()
    }
}

/// A shell that keeps a namespace alive.
struct Holder {
    child: Child,
    flags: Vec<&'static str>,
}

impl Holder {
    fn start(unshare: &[&'static str], shell: &[&str]) -> Self {
        let mut child = Command::new("unshare")
            .args(unshare)
            .arg("--")
            .args(shell)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // The terminal's ctrl-c is for the test process; the holder sweeps after it.
            .process_group(0)
            .spawn()
            .expect("unshare (package util-linux) runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("a pipe can be read");
        assert_eq!(line, "ready\n", "namespaces can't be made; the tests need root");
        Self { child, flags: unshare.iter().copied().filter(|flag| matches!(*flag, "--net" | "--mount")).collect() }
    }

    fn namespace(&self, kind: &str) -> String {
        format!("/proc/{}/ns/{kind}", self.child.id())
    }

    fn network(&self) -> File {
        File::open(self.namespace("net")).expect("the holder is alive")
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        for flag in &self.flags {
            let kind = if *flag == "--net" { "net" } else { "mnt" };
            command.arg(format!("{flag}={}", self.namespace(kind)));
        }
        command.arg("--").arg(program);
        command
    }

    fn inside<T: Send, F: Future<Output = T>>(&self, work: impl FnOnce() -> F + Send) -> T {
        let namespace = self.network();
        thread::scope(|scope| {
            let thread = scope.spawn(move || {
                // The thread ends here, so no other work can find itself in this namespace.
                setns(namespace, CloneFlags::CLONE_NEWNET).expect("root may join a network namespace");
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(work())
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Runs it and gives its standard output; panics with what it said unless it ends with 0.
pub(crate) fn checked(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
    out.into_owned()
}

/// Where temporary folders go.
fn base() -> PathBuf {
    let base = std::env::var_os("DARSENA_TESTS_DIR").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from);
    let kind = statfs::statfs(&base).unwrap_or_else(|error| panic!("{}: {error}", base.display())).filesystem_type();
    assert!(
        kind != statfs::TMPFS_MAGIC && kind != statfs::OVERLAYFS_SUPER_MAGIC,
        "{} can't hold overlayfs' upper folders: set DARSENA_TESTS_DIR to a folder on a disk file system",
        base.display()
    );
    base
}

/// Name of the cgroup a server with this data root uses: `darsena-` and eight digits of the path's sha256.
fn cgroup_parent(data: &Path) -> String {
    use std::fmt::Write;

    use sha2::{Digest, Sha256};

    let hash = Sha256::digest(data.as_os_str().as_encoded_bytes());
    hash[..4].iter().fold("darsena-".to_owned(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}
