//! What the engine and a monitor say to each other. Pure.
//!
//! A message is one packet: version (1 byte), number of the request (4 bytes; 0 when nobody asked), postcard. Monitors
//! outlive upgrades of the server, so both enums only ever grow at their ends.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// First byte of every message.
pub const VERSION: u8 = 1;

/// What a monitor without a container is called, as long as the name of one with a container.
pub const TITLE: &str = "darsena-monitor (waiting)   ";

/// What the engine asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Run the program now. Only on the channel the monitor was born with.
    Go,
    /// Kill what was prepared and go away. Only on the channel the monitor was born with.
    Abort,
    /// Who runs there?
    Status,
    /// Send a signal to the first process.
    Signal(i32),
    /// Set the terminal's size.
    Resize {
        /// Lines.
        rows: u16,
        /// Characters a line.
        columns: u16,
    },
    /// Give me standard input. When this connection closes, a `Once` input ends.
    AttachStdin,
    /// End standard input.
    CloseStdin,
    /// Run one more program; its [`crate::spec::ExecSpec`] comes along as a descriptor. Answered when it runs or can't.
    /// This connection is told of its end.
    Exec,
    /// Which execs are there, from the one of this number on?
    Execs {
        /// How many to leave out.
        from: u32,
    },
    /// Let this connection have an exec whose own is gone; its output is no longer thrown away.
    TakeExec {
        /// Which.
        id: String,
    },
    /// Send a signal to the program of an exec.
    SignalExec {
        /// Which.
        id: String,
        /// The signal's number.
        signal: i32,
    },
}

/// What a monitor answers or tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The first process exists and waits; its network namespace comes along as a descriptor.
    Cloned {
        /// Its id on the host.
        pid: i32,
    },
    /// The program runs.
    Started(Started),
    /// It could not be run; the monitor is going away.
    Failed(Failure),
    /// Answer to `Status`.
    Status(Status),
    /// Done.
    Done,
    /// Not done.
    Refused {
        /// The kernel's number, or 0.
        errno: i32,
        /// In words.
        message: String,
    },
    /// Answer to `AttachStdin`; the writing end comes along as a descriptor.
    Stdin,
    /// The program has ended, and the exit file says the same.
    Exited(ExitReport),
    /// Answer to `Exec`: it runs. Its terminal comes along, or the reading ends of stdout and stderr and, where input is
    /// open, the writing end of stdin.
    ExecStarted(ExecStarted),
    /// Answer to `Exec`: it can't be run.
    ExecFailed(Failure),
    /// Answer to `Execs`; fewer than [`EXECS_EACH`] when these are the last.
    Execs(Vec<ExecStatus>),
    /// Answer to `TakeExec`: its spec comes along, then the descriptors as at `ExecStarted` but stdin.
    ExecTaken(ExecStarted),
    /// An exec has ended. As an answer to `TakeExec` its spec comes along.
    ExecEnded(ExecEnded),
}

/// Most execs in one answer.
pub const EXECS_EACH: usize = 64;

/// An exec that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecStarted {
    /// Its id on the host.
    pub pid: i32,
    /// When it was started, in ns since 1970.
    pub started_at_ns: u64,
    /// Settings that the host allowed only in part, in words.
    pub clamped: Vec<String>,
}

/// One exec of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecStatus {
    /// Which.
    pub id: String,
    /// It has not ended.
    pub running: bool,
}

/// How an exec ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecEnded {
    /// 0 to 255; 128 + n after signal n.
    pub code: i32,
    /// When, in ns since 1970.
    pub finished_at_ns: u64,
}

/// A program was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Its id on the host.
    pub pid: i32,
    /// When, in ns since 1970.
    pub started_at_ns: u64,
    /// Settings that the host allowed only in part, in words.
    pub clamped: Vec<String>,
    /// What was made in the root file system to mount on, outermost first.
    pub made: Vec<Made>,
}

/// A folder or file that was made to mount on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Where it really is inside, links resolved.
    pub path: String,
    /// Its inode number, which is that of the writable layer.
    pub inode: u64,
}

/// A running program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its id on the host.
    pub pid: i32,
    /// When it was made, in clock ticks since boot: with `pid` it names the process for good.
    pub start_time: u64,
    /// When it was started, in ns since 1970.
    pub started_at_ns: u64,
    /// It has a terminal.
    pub tty: bool,
    /// The monitor's own process id.
    pub monitor_pid: i32,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitReport {
    /// 0 to 255; 128 + n after signal n.
    pub code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The kernel killed something of it for memory.
    pub oom_killed: bool,
    /// When it was started, in ns since 1970.
    pub started_at_ns: u64,
    /// When it ended, in ns since 1970.
    pub finished_at_ns: u64,
    /// The end was not seen: the monitor vanished. Code is 137 and the times are not known (0).
    pub monitor_lost: bool,
}

impl ExitReport {
    /// What is said when a monitor vanished without an exit file.
    pub fn lost() -> Self {
        Self { code: 137, signal: None, oom_killed: false, started_at_ns: 0, finished_at_ns: 0, monitor_lost: true }
    }
}

/// Why a program could not be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What was being done, in a few words.
    pub stage: String,
    /// The kernel's number, or 0.
    pub errno: i32,
    /// For the person; for what Docker also knows, in Docker's words.
    pub message: String,
    /// What `docker run` exits with: 127 not found, 126 can't be executed, 128 else.
    pub exit_code: i32,
}

/// Stages that fail for what was asked, when the kernel had no part in it.
const ASKED: [&str; 4] = ["user", "working directory", "mount", "sysctl"];

impl Failure {
    /// Whether what was asked for can't be: the program, the user, the sysctl; not the host's fault.
    pub fn is_of_request(&self) -> bool {
        let asked = self.errno == 0 && ASKED.contains(&self.stage.as_str());
        matches!(self.exit_code, 126 | 127) || asked || self.stage.starts_with("sysctl ")
    }
}

/// A message as one packet.
pub fn encode(number: u32, message: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend(number.to_le_bytes());
    postcard::to_extend(message, bytes).unwrap_or_default()
}

/// Number and message of a packet; `None` when it is no such message.
pub fn decode<T: DeserializeOwned>(packet: &[u8]) -> Option<(u32, T)> {
    let (&[VERSION, a, b, c, d], rest) = packet.split_first_chunk::<5>()? else { return None };
    Some((u32::from_le_bytes([a, b, c, d]), postcard::from_bytes(rest).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_and_nonsense_does_not() {
        let request = Request::Resize { rows: 24, columns: 80 };
        assert_eq!(decode(&encode(7, &request)), Some((7, request.clone())));
        let mut other = encode(7, &request);
        other[0] = 2;
        assert_eq!(decode::<Request>(&other), None);
        for length in 0..6 {
            assert_eq!(decode::<Request>(&encode(7, &request)[..length]), None);
        }
        assert_eq!(decode::<Request>(&[VERSION, 0, 0, 0, 0, 200, 1, 2]), None);
    }
}
