//! A build's context from the lines of a case: a tar archive, and archives in it.

use std::io::Write as _;

use harness::image::Compression;
use tar::{Builder, EntryType, Header};

use crate::case::unescaped;

/// An entry of an archive.
#[derive(Clone)]
pub struct Entry {
    kind: EntryType,
    mode: u32,
    owner: (u64, u64),
    path: String,
    link: String,
    bytes: Vec<u8>,
}

/// Takes the lines of a section into what the context has already.
pub fn add(entries: &mut Vec<Entry>, lines: &[&str]) -> Result<(), String> {
    let mut lines = lines.iter().peekable();
    while let Some(line) = lines.next() {
        if let Some(path) = line.strip_prefix("gone ") {
            entries.retain(|entry| entry.path != path && !entry.path.starts_with(&format!("{path}/")));
            continue;
        }
        let entry = match line.strip_prefix("tar ") {
            None => entry(line)?,
            Some(rest) => {
                let (kind, path) = rest.split_once(' ').ok_or(*line)?;
                let mut inner = Vec::new();
                while let Some(line) = lines.next_if(|line| line.starts_with("  ")) {
                    inner.push(self::entry(line.trim_start())?);
                }
                let bytes = compressed(kind, archive(&inner, 1_500_000_000))?;
                let (mode, owner, path, link) = (0o644, (0, 0), path.to_owned(), String::new());
                Entry { kind: EntryType::Regular, mode, owner, path, link, bytes }
            }
        };
        entries.retain(|other| other.path != entry.path);
        entries.push(entry);
    }
    Ok(())
}

fn entry(line: &str) -> Result<Entry, String> {
    let wrong = || format!("not a line of a context: {line:?}");
    let (kind, mut rest) = line.split_once(' ').ok_or_else(wrong)?;
    let mut next = |test: &dyn Fn(&str) -> bool| {
        let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
        test(word).then(|| {
            rest = after;
            word
        })
    };
    let digits = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let mode = next(&|word| word.len() >= 3 && digits(word)).map(|mode| u32::from_str_radix(mode, 8).unwrap());
    let owner = next(&|word| word.split_once(':').is_some_and(|(user, group)| digits(user) && digits(group)));
    let owner = owner
        .and_then(|owner| owner.split_once(':'))
        .map_or((0, 0), |(user, group)| (user.parse().unwrap(), group.parse().unwrap()));
    let path = next(&|_| true).unwrap_or_default().replace("\\s", " ");
    let (kind, usual) = match kind {
        "file" => (EntryType::Regular, 0o644),
        "dir" => (EntryType::Directory, 0o755),
        "link" => (EntryType::Symlink, 0o777),
        "hard" => (EntryType::Link, 0o644),
        "fifo" => (EntryType::Fifo, 0o644),
        _ => return Err(wrong()),
    };
    let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
    let link = if is_link { rest.strip_prefix("-> ").ok_or_else(wrong)?.to_owned() } else { String::new() };
    let bytes = if kind == EntryType::Regular { unescaped(rest) } else { Vec::new() };
    Ok(Entry { kind, mode: mode.unwrap_or(usual), owner, path, link, bytes })
}

/// The entries as a tar; all were changed at the same time.
pub fn archive(entries: &[Entry], mtime: u64) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for entry in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(entry.kind);
        header.set_mode(entry.mode);
        header.set_size(entry.bytes.len() as u64);
        header.set_mtime(mtime);
        header.set_uid(entry.owner.0);
        header.set_gid(entry.owner.1);
        if entry.link.is_empty() {
            tar.append_data(&mut header, &entry.path, entry.bytes.as_slice()).unwrap();
        } else {
            tar.append_link(&mut header, &entry.path, &entry.link).unwrap();
        }
    }
    tar.into_inner().unwrap()
}

fn compressed(kind: &str, tar: Vec<u8>) -> Result<Vec<u8>, String> {
    let with = |compression: Compression| compression.apply(&tar);
    Ok(match kind {
        "plain" => tar,
        "gz" => with(Compression::Gzip),
        "zst" => with(Compression::Zstd),
        "xz" => piped("xz", &tar),
        "bz2" => piped("bzip2", &tar),
        other => return Err(format!("no such compression: {other}")),
    })
}

fn piped(program: &str, bytes: &[u8]) -> Vec<u8> {
    use std::process::{Command, Stdio};

    let mut process = Command::new(program)
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} can't be run: {error}"));
    // Small: it fits the pipes.
    process.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{program}");
    output.stdout
}
