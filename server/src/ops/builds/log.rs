//! A build's log: `build-logs/<id>`, one JSON record a line, written as things happen.
//!
//! Records have times that only grow, so a time is also a place. Output is written by whole lines; values of secrets are
//! blotted out. After [`MOST`] bytes output is left out and the log says so; what steps do is written all the same. A torn
//! last line, as a crash leaves it, is no record.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use jiff::Timestamp;
use runtime::view::{BuildEvent, Stream};
use serde::{Deserialize, Serialize};

use super::course::{Built, Planned, Step, Warning};

/// Bytes of output kept.
pub const MOST: u64 = 16 << 20;
/// Longest line written as one record.
const LINE: usize = 16 << 10;
/// Shortest secret that is blotted out: a shorter one would blot out half the log.
const SECRET: usize = 4;

/// What was noted, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Microseconds since 1970; later records have later times.
    #[serde(rename = "t")]
    pub at: i64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// A moment of a build, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "e", rename_all = "lowercase")]
pub enum What {
    /// Of the Dockerfile.
    Warning(Warning),
    /// What will be done.
    Plan {
        /// The steps.
        steps: Vec<Planned>,
    },
    /// A step began.
    Began {
        /// Which.
        step: usize,
    },
    /// Its container runs.
    Running {
        /// Which.
        step: usize,
        /// The container's short id.
        container: String,
    },
    /// A line its program wrote.
    Line {
        /// Which.
        step: usize,
        /// To standard error.
        err: bool,
        /// Without its end.
        text: String,
    },
    /// A step is done.
    Done {
        /// Which.
        step: usize,
        /// Its result was known.
        cached: bool,
        /// Bytes of the layer it made.
        layer_bytes: Option<u64>,
        /// The state's short name.
        result: String,
    },
    /// A step failed.
    Failed {
        /// Which.
        step: usize,
        /// Why.
        message: String,
        /// Of its program.
        exit_code: Option<i32>,
    },
    /// The image is there.
    Built(Built),
    /// Output is left out from here on.
    Full,
}

impl What {
    /// The line a reader sees of it, and whether it is bad news; `None` for what is seen elsewhere.
    pub fn shown(&self, steps: &[Step]) -> Option<(bool, String)> {
        let said = match self {
            Self::Began { step } => {
                let text = steps.get(*step).map(|one| one.planned.text.as_str()).unwrap_or_default();
                (false, format!("Step {}/{} : {text}", step + 1, steps.len()))
            }
            Self::Line { err, text, .. } => (*err, text.clone()),
            Self::Done { cached: true, .. } => (false, " ---> Using cache".to_owned()),
            Self::Done { result, .. } => (false, format!(" ---> {result}")),
            Self::Failed { message, .. } => (true, message.clone()),
            Self::Built(built) => (false, format!("Successfully built {}", built.id)),
            Self::Warning(warning) if warning.line == 0 => (true, format!("[Warning] {}", warning.text)),
            Self::Warning(warning) => (true, format!("[Warning] line {}: {}", warning.line, warning.text)),
            Self::Plan { .. } | Self::Running { .. } | Self::Full => return None,
        };
        Some(said)
    }
}

/// Writes one build's log. Errors of the disk don't end the build: the log ends instead.
#[derive(Debug)]
pub struct Writer {
    file: Option<File>,
    secrets: Vec<String>,
    partial: HashMap<(usize, bool), Vec<u8>>,
    last_at: i64,
    written: u64,
    full: bool,
}

impl Writer {
    /// Begins a log. Each line of each of these secrets is blotted out.
    pub fn create<'a>(path: &Path, secrets: impl Iterator<Item = &'a [u8]>) -> Self {
        let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path);
        if let Err(error) = &file {
            tracing::warn!("{}: a build goes without a log: {error}", path.display());
        }
        let lines = secrets.flat_map(|secret| secret.split(|byte| *byte == b'\n'));
        let mut secrets: Vec<String> = lines
            .map(|line| String::from_utf8_lossy(line).trim().to_owned())
            .filter(|line| line.len() >= SECRET)
            .collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { file: file.ok(), secrets, partial: HashMap::new(), last_at: 0, written: 0, full: false }
    }

    /// The records of an event, written.
    pub fn take(&mut self, event: &BuildEvent) -> Vec<Record> {
        let mut made = Vec::new();
        match event {
            BuildEvent::Pull { .. } => {}
            BuildEvent::Output { step, stream, bytes } => {
                self.output(*step, *stream == Stream::Stderr, bytes, &mut made);
            }
            BuildEvent::Warning(warning) => made.push(What::Warning(Warning {
                check: warning.check.clone(),
                line: warning.line,
                text: warning.text.clone(),
            })),
            BuildEvent::Plan(steps) => {
                let planned = |step: &runtime::view::BuildStep| Planned {
                    stage: step.stage_name.clone(),
                    line: step.line,
                    text: self.blotted(&step.text),
                };
                made.push(What::Plan { steps: steps.iter().map(planned).collect() });
            }
            BuildEvent::Began { step } => made.push(What::Began { step: *step }),
            BuildEvent::Running { step, container } => {
                made.push(What::Running { step: *step, container: container.clone() });
            }
            BuildEvent::Done { step, cached, result, layer_bytes } => {
                self.flush(*step, &mut made);
                let result = result.short();
                made.push(What::Done { step: *step, cached: *cached, layer_bytes: *layer_bytes, result });
            }
            BuildEvent::Failed { step, message, exit_code } => {
                self.flush(*step, &mut made);
                made.push(What::Failed { step: *step, message: self.blotted(message), exit_code: *exit_code });
            }
            BuildEvent::Built(built) => made.push(What::Built(Built {
                id: built.id.to_string(),
                names: built.names.clone(),
                size_bytes: built.size_bytes,
            })),
        }
        self.write(made)
    }

    /// Lines that have no end yet.
    pub fn end(&mut self) -> Vec<Record> {
        let mut made = Vec::new();
        let steps: Vec<usize> = self.partial.keys().map(|(step, _)| *step).collect();
        for step in steps {
            self.flush(step, &mut made);
        }
        self.write(made)
    }

    fn output(&mut self, step: usize, err: bool, bytes: &[u8], made: &mut Vec<What>) {
        let mut rest = self.partial.remove(&(step, err)).unwrap_or_default();
        rest.extend_from_slice(bytes);
        let mut from = 0;
        while let Some(length) = rest[from..].iter().position(|byte| *byte == b'\n') {
            self.line(step, err, &rest[from..from + length], made);
            from += length + 1;
        }
        while rest.len() - from > LINE {
            self.line(step, err, &rest[from..from + LINE], made);
            from += LINE;
        }
        if from < rest.len() {
            self.partial.insert((step, err), rest.split_off(from));
        }
    }

    fn flush(&mut self, step: usize, made: &mut Vec<What>) {
        for err in [false, true] {
            if let Some(rest) = self.partial.remove(&(step, err)) {
                self.line(step, err, &rest, made);
            }
        }
    }

    fn line(&mut self, step: usize, err: bool, bytes: &[u8], made: &mut Vec<What>) {
        if self.full {
            return;
        }
        self.written += bytes.len() as u64 + 40;
        if self.written > MOST {
            self.full = true;
            made.push(What::Full);
            return;
        }
        let text = String::from_utf8_lossy(bytes);
        made.push(What::Line { step, err, text: self.blotted(text.trim_end_matches('\r')) });
    }

    fn blotted(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "•••"))
    }

    fn write(&mut self, made: Vec<What>) -> Vec<Record> {
        let mut bytes = Vec::new();
        let mut records = Vec::with_capacity(made.len());
        for what in made {
            self.last_at = Timestamp::now().as_microsecond().max(self.last_at + 1);
            let record = Record { at: self.last_at, what };
            // A record of texts and numbers is written without fail.
            if serde_json::to_writer(&mut bytes, &record).is_ok() {
                bytes.push(b'\n');
            }
            records.push(record);
        }
        if let Some(Err(error)) = self.file.as_mut().map(|file| file.write_all(&bytes)) {
            tracing::warn!("a build's log ends early: {error}");
            self.file = None;
        }
        records
    }
}

/// Whole records from a place on, at most about `most` bytes of them, and the place to go on from. A log that is not
/// there has none.
///
/// # Errors
/// When the file can't be read.
pub fn read(path: &Path, from: u64, most: u64) -> io::Result<(Vec<Record>, u64)> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), from)),
        Err(error) => return Err(error),
    };
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::new(file);
    let (mut records, mut at) = (Vec::new(), from);
    let mut line = Vec::new();
    while at - from < most {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            break;
        }
        at += length as u64;
        records.extend(serde_json::from_slice::<Record>(&line));
    }
    Ok((records, at))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use runtime::{digest::Digest, view::BuildStep};

    use super::*;

    fn output(step: usize, text: &str) -> BuildEvent {
        BuildEvent::Output { step, stream: Stream::Stdout, bytes: Bytes::from(text.to_owned()) }
    }

    fn lines(records: &[Record]) -> Vec<&str> {
        let mut texts = Vec::new();
        for record in records {
            if let What::Line { text, .. } = &record.what {
                texts.push(text.as_str());
            }
        }
        texts
    }

    #[test]
    fn output_is_kept_by_whole_lines_and_secrets_are_blotted_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1");
        let mut writer = Writer::create(&path, [&b"hunter2\nxyz\n"[..]].into_iter());
        let step = BuildStep { stage: 0, stage_name: "0".into(), line: 1, text: "RUN a".into() };
        writer.take(&BuildEvent::Plan(vec![step]));
        for text in ["one\ntw", "o is hun", "ter2 xyz\r\nthr", "ee"] {
            writer.take(&output(0, text));
        }
        writer.take(&output(1, "other\n"));
        let done = BuildEvent::Done { step: 0, cached: false, result: Digest::of(b"r"), layer_bytes: Some(3) };
        writer.take(&done);
        let (records, end) = read(&path, 0, u64::MAX).unwrap();
        assert_eq!(lines(&records), ["one", "two is ••• xyz", "other", "three"]);
        assert!(records.is_sorted_by(|a, b| a.at < b.at));
        assert!(matches!(records[0].what, What::Plan { .. }) && matches!(records[5].what, What::Done { .. }));

        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"t\":9,\"e\":\"beg").unwrap();
        assert_eq!(read(&path, 0, u64::MAX).unwrap(), (records.clone(), end), "a torn line is no record");
        let (first, next) = read(&path, 0, 1).unwrap();
        assert_eq!((first.len(), read(&path, next, u64::MAX).unwrap().0.len()), (1, records.len() - 1));
        assert_eq!(read(&folder.path().join("2"), 0, 9).unwrap().0, []);
    }

    #[test]
    fn a_full_log_says_so_and_goes_on_with_the_steps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1");
        let mut writer = Writer::create(&path, std::iter::empty());
        let long = "x".repeat(LINE + 10);
        for _ in 0..=MOST / LINE as u64 {
            writer.take(&output(0, &long));
        }
        writer.take(&BuildEvent::Began { step: 1 });
        let (records, end) = read(&path, 0, u64::MAX).unwrap();
        assert!(end < MOST + (1 << 20), "{end}");
        assert_eq!(records.iter().filter(|record| record.what == What::Full).count(), 1);
        assert_eq!(records.last().unwrap().what, What::Began { step: 1 });
    }
}
