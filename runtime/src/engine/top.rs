//! `top`: a container's processes, read from the host's /proc, with the columns ps(1) would show.

use std::{fs, path::Path};

use super::{Engine, blocking};
use crate::{
    error::{Error, Result},
    id::ContainerId,
    view::ProcessTable,
};

/// Clock ticks a second: `USER_HZ` is 100 on every architecture Linux runs on here (proc(5)).
const TICKS: u64 = 100;

/// A column: ps's names for it, its head, how it is read.
struct Column {
    names: &'static [&'static str],
    head: &'static str,
    read: fn(&Process) -> String,
}

const COLUMNS: [Column; 17] = [
    Column { names: &["uid", "user", "euser", "euid"], head: "UID", read: |p| p.uid.to_string() },
    Column { names: &["pid"], head: "PID", read: |p| p.pid.to_string() },
    Column { names: &["ppid"], head: "PPID", read: |p| p.ppid.to_string() },
    Column { names: &["pgid", "pgrp"], head: "PGID", read: |p| p.pgid.to_string() },
    Column { names: &["c", "%cpu", "pcpu"], head: "C", read: |p| p.cpu_percent().to_string() },
    Column { names: &["stime", "start", "bsdstart", "lstart"], head: "STIME", read: |p| p.started() },
    Column { names: &["tty", "tt", "tname"], head: "TTY", read: |p| p.tty() },
    Column { names: &["time", "cputime", "bsdtime"], head: "TIME", read: |p| clock(p.cpu_ticks / TICKS) },
    Column { names: &["etime"], head: "ELAPSED", read: |p| clock(p.age_s as u64) },
    Column { names: &["cmd", "args", "command"], head: "CMD", read: |p| p.command.clone() },
    Column { names: &["comm", "ucmd", "ucomm"], head: "COMMAND", read: |p| p.name.clone() },
    Column { names: &["stat", "s", "state"], head: "STAT", read: |p| p.state.to_string() },
    Column { names: &["rss", "rssize"], head: "RSS", read: |p| p.rss_kib.to_string() },
    Column { names: &["vsz", "vsize"], head: "VSZ", read: |p| p.vsz_kib.to_string() },
    Column { names: &["ni", "nice"], head: "NI", read: |p| p.nice.to_string() },
    Column { names: &["nlwp", "thcount"], head: "NLWP", read: |p| p.threads.to_string() },
    Column { names: &["%mem", "pmem"], head: "%MEM", read: |p| format!("{:.1}", p.memory_percent) },
];

/// What `ps -ef` and `ps aux` show.
const FULL: [&str; 8] = ["uid", "pid", "ppid", "c", "stime", "tty", "time", "cmd"];
const BSD: [&str; 11] = ["uid", "pid", "%cpu", "%mem", "vsz", "rss", "tty", "stat", "start", "time", "cmd"];

impl Engine {
    /// Its processes; `ps_args` as for ps(1): `-ef`, `aux` or `-o pid,comm,…`; empty is `-ef`.
    ///
    /// # Errors
    /// When it doesn't run, or a column is not known.
    pub async fn top(&self, id: &ContainerId, ps_args: &str) -> Result<ProcessTable> {
        let container = self.inner.table.get(id)?;
        container.running()?;
        let columns = columns(ps_args)?;
        let (engine, id_base, id) = (self.clone(), container.record.id_base, id.clone());
        blocking(move || {
            let pids = engine.cgroup(id.as_str()).procs()?;
            let host = Host::read();
            let mut processes: Vec<_> = pids.into_iter().filter_map(|pid| Process::read(pid, id_base, &host)).collect();
            processes.sort_by_key(|process| process.pid);
            Ok(ProcessTable {
                titles: columns.iter().map(|column| column.head.to_owned()).collect(),
                rows: processes
                    .iter()
                    .map(|process| columns.iter().map(|column| (column.read)(process)).collect())
                    .collect(),
            })
        })
        .await
    }
}

fn columns(ps_args: &str) -> Result<Vec<&'static Column>> {
    let mut names: Vec<String> = Vec::new();
    let mut words = ps_args.split_whitespace();
    while let Some(word) = words.next() {
        let listed = match word {
            "-o" | "o" | "--format" => words.next(),
            _ => word.strip_prefix("-o").or_else(|| word.strip_prefix("--format=")),
        };
        match (listed, word) {
            (Some(list), _) => {
                names.extend(list.split(',').map(|name| name.split('=').next().unwrap_or(name).to_ascii_lowercase()));
            }
            (None, "aux" | "-aux" | "u" | "auxw" | "auxww") => names.extend(BSD.map(str::to_owned)),
            (None, "-ef" | "-e" | "-f" | "ef" | "-A" | "-eF" | "-ww" | "-efww") => {}
            (None, other) => {
                let text = format!("ps option {other:?} is not known here: use -ef, aux, or -o with a list of columns");
                return Err(Error::invalid(text));
            }
        }
    }
    if names.is_empty() {
        names = FULL.map(str::to_owned).to_vec();
    }
    let find = |name: &String| {
        COLUMNS.iter().find(|column| column.names.contains(&name.as_str())).ok_or_else(|| {
            let known: Vec<_> = COLUMNS.iter().map(|column| column.names[0]).collect();
            Error::invalid(format!("ps column {name:?} is not known here: use {}", known.join(", ")))
        })
    };
    names.iter().map(find).collect()
}

/// What is the same for all processes of one reading.
struct Host {
    uptime_s: f64,
    now_s: i64,
    memory_kib: f64,
}

impl Host {
    fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let first = |text: &str| text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
        let meminfo = text("/proc/meminfo");
        let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        Self {
            uptime_s: first(&text("/proc/uptime")).unwrap_or(0.0),
            now_s: jiff::Timestamp::now().as_second(),
            memory_kib: total.and_then(first).unwrap_or(1.0),
        }
    }
}

struct Process {
    pid: i32,
    uid: u32,
    ppid: i32,
    pgid: i32,
    tty: u64,
    state: char,
    cpu_ticks: u64,
    nice: i64,
    threads: u64,
    age_s: f64,
    started_s: i64,
    vsz_kib: u64,
    rss_kib: u64,
    memory_percent: f64,
    name: String,
    command: String,
}

impl Process {
    /// `None` when it has ended meanwhile.
    fn read(pid: i32, id_base: Option<u32>, host: &Host) -> Option<Self> {
        let folder = Path::new("/proc").join(pid.to_string());
        let stat = fs::read_to_string(folder.join("stat")).ok()?;
        // The name may hold anything, parentheses included: the last one ends it.
        let (head, tail) = (stat.find('(')?, stat.rfind(')')?);
        let name = stat.get(head + 1..tail)?.to_owned();
        let fields: Vec<&str> = stat.get(tail + 2..)?.split_whitespace().collect();
        let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        let status = fs::read_to_string(folder.join("status")).ok()?;
        let uid: u32 =
            status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()?;
        let arguments = fs::read(folder.join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&arguments).trim_end_matches('\0').replace('\0', " ");
        let age_s = (host.uptime_s - number(19) as f64 / TICKS as f64).max(0.0);
        let rss_kib = number(21) * 4;
        Some(Self {
            pid,
            uid: id_base.and_then(|base| uid.checked_sub(base)).unwrap_or(uid),
            ppid: number(1) as i32,
            pgid: number(2) as i32,
            tty: number(4),
            state: fields.first()?.chars().next()?,
            cpu_ticks: number(11) + number(12),
            nice: fields.get(16).and_then(|field| field.parse().ok()).unwrap_or(0),
            threads: number(17),
            age_s,
            started_s: host.now_s - age_s as i64,
            vsz_kib: number(20) / 1024,
            rss_kib,
            memory_percent: rss_kib as f64 * 100.0 / host.memory_kib,
            command: if command.is_empty() { format!("[{name}]") } else { command },
            name,
        })
    }

    fn cpu_percent(&self) -> u64 {
        if self.age_s < 1.0 { 0 } else { (self.cpu_ticks as f64 / TICKS as f64 * 100.0 / self.age_s) as u64 }
    }

    fn started(&self) -> String {
        jiff::Timestamp::from_second(self.started_s)
            .map(|at| at.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M").to_string())
            .unwrap_or_default()
    }

    /// Terminals of devpts have major number 136 and up (devices.txt of the kernel).
    fn tty(&self) -> String {
        let (major, minor) = (self.tty >> 8 & 0xfff, (self.tty & 0xff) | (self.tty >> 12 & 0xfff00));
        if (136..144).contains(&major) { format!("pts/{minor}") } else { "?".to_owned() }
    }
}

fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ps_options_choose_columns() {
        let heads = |args: &str| columns(args).expect("known").iter().map(|c| c.head).collect::<Vec<_>>().join(" ");
        assert_eq!(heads(""), "UID PID PPID C STIME TTY TIME CMD");
        assert_eq!(heads("-ef"), heads(""));
        assert_eq!(heads("-o pid,comm"), "PID COMMAND");
        assert_eq!(heads("-opid,args=X"), "PID CMD");
        assert!(heads("aux").contains("%MEM"));
        assert!(columns("-o nonsense").is_err());
        assert!(columns("--forest").is_err());
    }

    #[test]
    fn this_very_process_is_read() {
        let me = Process::read(std::process::id() as i32, None, &Host::read()).expect("it exists");
        assert_eq!(me.ppid, std::os::unix::process::parent_id() as i32);
        assert!(me.rss_kib > 0 && !me.command.is_empty());
    }
}
