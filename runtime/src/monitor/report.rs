//! The two small files a monitor leaves: `exit` (how the program ended) and `state` (who runs). Lines of `name=value`.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::protocol::{ExitReport, Status};

/// Writes a file whole or not at all, as far as programs can see.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&temporary)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&temporary, path)
}

fn read_lines(path: &Path) -> io::Result<Option<BTreeMap<String, String>>> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(text) => {
            let pairs = text.lines().filter_map(|line| line.split_once('='));
            Ok(Some(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
        }
    }
}

fn number<T: std::str::FromStr>(lines: &BTreeMap<String, String>, name: &str) -> io::Result<T> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, format!("no valid {name}"));
    lines.get(name).and_then(|value| value.parse().ok()).ok_or_else(wrong)
}

/// Writes how a program ended. When it returns, no death of a process can undo it. It is not synced: a power cut ends
/// every container anyway, and the monitor's own end unmounts the overlay, which syncs the file system it is on.
pub fn write_exit(path: &Path, report: &ExitReport) -> io::Result<()> {
    let text = format!(
        "version=1\ncode={}\nsignal={}\noom_killed={}\nstarted_at_ns={}\nfinished_at_ns={}\n",
        report.code,
        report.signal.unwrap_or(0),
        report.oom_killed,
        report.started_at_ns,
        report.finished_at_ns,
    );
    write_whole(path, &text)
}

/// Reads how a program ended; `None` when nothing was written, or a power cut left the file empty.
pub fn read_exit(path: &Path) -> io::Result<Option<ExitReport>> {
    let Some(lines) = read_lines(path)?.filter(|lines| !lines.is_empty()) else { return Ok(None) };
    Ok(Some(ExitReport {
        code: number(&lines, "code")?,
        signal: Some(number(&lines, "signal")?).filter(|signal| *signal != 0),
        oom_killed: number(&lines, "oom_killed")?,
        started_at_ns: number(&lines, "started_at_ns")?,
        finished_at_ns: number(&lines, "finished_at_ns")?,
        monitor_lost: false,
    }))
}

/// Writes who runs.
pub fn write_state(path: &Path, status: &Status) -> io::Result<()> {
    let text = format!(
        "version=1\npid={}\nstart_time={}\nstarted_at_ns={}\ntty={}\nmonitor_pid={}\n",
        status.pid, status.start_time, status.started_at_ns, status.tty, status.monitor_pid,
    );
    write_whole(path, &text)
}

/// Reads who runs; `None` when nothing was written.
pub fn read_state(path: &Path) -> io::Result<Option<Status>> {
    let Some(lines) = read_lines(path)? else { return Ok(None) };
    Ok(Some(Status {
        pid: number(&lines, "pid")?,
        start_time: number(&lines, "start_time")?,
        started_at_ns: number(&lines, "started_at_ns")?,
        tty: number(&lines, "tty")?,
        monitor_pid: number(&lines, "monitor_pid")?,
    }))
}

/// When a process was made, in clock ticks since boot (proc(5), field 22 of stat).
pub fn start_time(pid: i32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    after
        .split_whitespace()
        .nth(19)
        .and_then(|field| field.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unexpected /proc/pid/stat"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_file_is_read_as_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("exit");
        assert_eq!(read_exit(&path).unwrap(), None);
        let report = ExitReport {
            code: 137,
            signal: Some(9),
            oom_killed: true,
            started_at_ns: 1,
            finished_at_ns: u64::MAX,
            monitor_lost: false,
        };
        write_exit(&path, &report).unwrap();
        assert_eq!(read_exit(&path).unwrap(), Some(report));
        fs::write(&path, "code=1\n").unwrap();
        assert!(read_exit(&path).is_err());
        fs::write(&path, "").unwrap();
        assert_eq!(read_exit(&path).unwrap(), None);
    }
}
