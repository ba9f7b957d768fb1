//! What a process has in memory: now, and at most since a moment.

use std::fs;

/// A process from this moment on.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pid: i32,
    before: u64,
}

impl Memory {
    /// Begins to watch: the kernel forgets the most it had so far.
    pub fn watch(pid: i32) -> Self {
        fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("root may reset the peak of a process that runs");
        Self { pid, before: bytes(pid, "VmRSS") }
    }

    /// Bytes it had at most since then.
    pub fn peak(&self) -> u64 {
        bytes(self.pid, "VmHWM")
    }

    /// Bytes it had at most since then, beyond what it had at first.
    pub fn grown(&self) -> u64 {
        self.peak().saturating_sub(self.before)
    }
}

/// Bytes a process has to itself: its heap and stacks, without files that are mapped.
pub fn anonymous(pid: i32) -> u64 {
    bytes(pid, "RssAnon")
}

fn bytes(pid: i32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.expect("the kernel says it in kB") << 10
}
