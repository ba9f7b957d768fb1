//! The digest of what is selected: names, kinds, owners and permissions as they will be written, where links lead,
//! content and attributes. Times, and the order a folder is read in, have no part in it.
//!
//! Files are read by as many threads as there are cores, a folder's files by one of them.

use std::{
    collections::HashMap,
    ffi::{CString, OsStr},
    fs::File,
    io::{self, Read},
    os::{fd::AsFd, unix::ffi::OsStrExt},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use nix::{
    fcntl::openat,
    sys::stat::{Mode, SFlag},
};
use sha2::{Digest as _, Sha256};

use super::{
    CopyRequest, Error, Kind,
    pick::{Body, Pick},
    place::FILE,
    walk::{FOLDER, Node, joined},
    write::{inline_mode, mode, owner},
};
use crate::{
    digest::Digest,
    sys::{
        open::{IN_ROOT, NO_MAGICLINKS, NO_SYMLINKS, openat2},
        xattr,
    },
};

type Sum = [u8; 32];

/// Things one thread does at a time.
const PORTION: usize = 128;

/// File system, inode, time of its change, size.
type Key = ((u64, u64), (i64, i64), u64);

/// Hashes of files, by what changes with their content: for the life of one build.
#[derive(Debug, Default)]
pub struct Hashes(Mutex<HashMap<Key, Sum>>);

impl Hashes {
    fn key(node: &Node) -> Key {
        (node.identity, node.ctime, node.size)
    }

    fn get(&self, node: &Node) -> Option<Sum> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&Self::key(node)).copied()
    }

    fn put(&self, node: &Node, sum: Sum) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(Self::key(node), sum);
    }
}

/// Content and attributes of one thing.
#[derive(Clone, Default)]
struct Inside {
    content: Option<Sum>,
    attributes: Vec<(CString, Vec<u8>)>,
}

/// Things of one folder to be read.
struct Portion {
    pick: usize,
    /// The folder's path from the pick's top; the pick itself when it is no tree.
    folder: Option<Vec<u8>>,
    /// Entries in the tree.
    entries: Vec<usize>,
}

/// The digest of these picks.
pub fn digest(picks: &[Pick<'_>], request: &CopyRequest) -> Result<Digest, Error> {
    let inside = read_all(picks, &portions(picks))?;
    let mut whole = Sha256::new();
    for (index, pick) in picks.iter().enumerate() {
        let single = || inside.get(&(index, 0)).cloned().unwrap_or_default();
        match &pick.body {
            Body::Tree(entries) => {
                field(&mut whole, b"tree");
                let mut path = Vec::new();
                let mut lengths: Vec<usize> = Vec::new();
                let mut first: HashMap<(u64, u64), Vec<u8>> = HashMap::new();
                for (number, entry) in entries.iter().enumerate() {
                    if let Some(length) = lengths.get(entry.depth) {
                        path.truncate(*length);
                    }
                    lengths.truncate(entry.depth);
                    lengths.push(path.len());
                    path = joined(&path, &entry.name);
                    field(&mut whole, &path);
                    let same = first.get(&entry.node.identity).filter(|_| entry.node.linked);
                    if let Some(same) = same {
                        field(&mut whole, b"same");
                        field(&mut whole, same);
                        continue;
                    }
                    let inside = inside.get(&(index, number)).cloned().unwrap_or_default();
                    node(&mut whole, request, pick.kind, &entry.node, &entry.link, &inside);
                    if entry.node.linked {
                        first.insert(entry.node.identity, path.clone());
                    }
                }
                field(&mut whole, b"");
            }
            Body::File(file) | Body::Other(file) => {
                field(&mut whole, b"one");
                field(&mut whole, &pick.name);
                node(&mut whole, request, pick.kind, file, &[], &single());
            }
            Body::Archive(_) => {
                field(&mut whole, b"archive");
                field(&mut whole, &single().content.unwrap_or_default());
                field(&mut whole, format!("{:?}", request.chown).as_bytes());
            }
            Body::Inline(content) => {
                field(&mut whole, b"inline");
                field(&mut whole, &pick.name);
                field(&mut whole, format!("{:?} {:o}", request.chown, inline_mode(request)).as_bytes());
                field(&mut whole, content);
            }
        }
    }
    Ok(Digest::from_hash(whole))
}

/// With its length, so that no two lists of fields look alike.
fn field(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

fn node(hash: &mut Sha256, request: &CopyRequest, kind: Kind, node: &Node, link: &[u8], inside: &Inside) {
    let (uid, gid) = owner(request, kind, node);
    let mode = if node.kind == SFlag::S_IFLNK { 0 } else { mode(request, node) };
    let device = if matches!(node.kind, SFlag::S_IFCHR | SFlag::S_IFBLK) { node.rdev } else { 0 };
    field(hash, format!("{:o} {mode:o} {uid} {gid} {device}", node.kind.bits()).as_bytes());
    field(hash, link);
    field(hash, inside.content.as_ref().map_or(&[], |sum| &sum[..]));
    for (name, value) in &inside.attributes {
        field(hash, name.to_bytes());
        field(hash, value);
    }
    hash.update(u64::MAX.to_le_bytes());
}

fn portions(picks: &[Pick<'_>]) -> Vec<Portion> {
    let mut portions = Vec::new();
    for (pick, picked) in picks.iter().enumerate() {
        match &picked.body {
            Body::Tree(entries) => {
                // Folders on the way down: path, and what is to be read directly inside.
                let mut open: Vec<(Vec<u8>, Vec<usize>)> = vec![(Vec::new(), Vec::new())];
                let mut done = |(folder, entries): (Vec<u8>, Vec<usize>)| {
                    for portion in entries.chunks(PORTION) {
                        portions.push(Portion { pick, folder: Some(folder.clone()), entries: portion.to_vec() });
                    }
                };
                for (number, entry) in entries.iter().enumerate() {
                    while open.len() > entry.depth + 1 {
                        open.pop().into_iter().for_each(&mut done);
                    }
                    let Some((folder, waiting)) = open.last_mut() else { break };
                    if matches!(entry.node.kind, SFlag::S_IFREG | SFlag::S_IFDIR) {
                        waiting.push(number);
                    }
                    if entry.node.kind == SFlag::S_IFDIR {
                        let path = joined(folder, &entry.name);
                        open.push((path, Vec::new()));
                    }
                }
                open.into_iter().rev().for_each(&mut done);
            }
            Body::File(_) | Body::Archive(_) => {
                portions.push(Portion { pick, folder: None, entries: vec![0] });
            }
            Body::Other(_) | Body::Inline(_) => {}
        }
    }
    portions
}

/// By pick and entry.
type Found = ((usize, usize), Inside);
type All = HashMap<(usize, usize), Inside>;

fn read_all(picks: &[Pick<'_>], portions: &[Portion]) -> Result<All, Error> {
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(portions.len()).min(8);
    let work = || -> Result<Vec<Found>, Error> {
        let mut found = Vec::new();
        let mut buffer = vec![0; 128 << 10];
        while let Some(portion) = portions.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = read(&picks[portion.pick], portion, &mut buffer, &mut found);
            if result.is_err() {
                next.store(portions.len(), Ordering::Relaxed);
                return result.map(|()| found);
            }
        }
        Ok(found)
    };
    if threads <= 1 {
        return work().map(|found| found.into_iter().collect());
    }
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut all = All::new();
        for thread in running {
            let found = thread.join().unwrap_or_else(|_| {
                Err(Error::Io { path: String::new(), source: io::Error::other("a hashing thread panicked") })
            })?;
            all.extend(found);
        }
        Ok(all)
    })
}

fn read(pick: &Pick<'_>, portion: &Portion, buffer: &mut [u8], found: &mut Vec<Found>) -> Result<(), Error> {
    let (Some(path), Body::Tree(entries)) = (&portion.folder, &pick.body) else {
        let (Body::File(node) | Body::Archive(node)) = &pick.body else { return Ok(()) };
        let inside = pick.open().and_then(|mut file| file_inside(pick, &mut file, node, buffer));
        found.push(((portion.pick, 0), inside.map_err(Error::io(&pick.from))?));
        return Ok(());
    };
    let failed = |name: &[u8]| Error::io(&joined(&pick.from, &joined(path, name)));
    let folder = (|| {
        let top = pick.open()?;
        let here = if path.is_empty() { b"." } else { &path[..] };
        let flags = libc::O_RDONLY | libc::O_DIRECTORY;
        openat2(&top, OsStr::from_bytes(here), flags, 0, IN_ROOT | NO_SYMLINKS | NO_MAGICLINKS)
    })()
    .map_err(failed(b""))?;
    for number in &portion.entries {
        let entry = &entries[*number];
        let name = OsStr::from_bytes(&entry.name);
        let inside = (|| {
            if entry.node.kind == SFlag::S_IFDIR {
                let inner = openat(&folder, name, FOLDER, Mode::empty())?;
                return Ok(Inside { content: None, attributes: xattr::all(&inner)? });
            }
            let mut file = File::from(openat(&folder, name, FILE, Mode::empty())?);
            file_inside(pick, &mut file, &entry.node, buffer)
        })();
        found.push(((portion.pick, *number), inside.map_err(failed(&entry.name))?));
    }
    Ok(())
}

fn file_inside(pick: &Pick<'_>, file: &mut File, node: &Node, buffer: &mut [u8]) -> io::Result<Inside> {
    let attributes = xattr::all(file.as_fd())?;
    if let Some(sum) = pick.hashes.and_then(|hashes| hashes.get(node)) {
        return Ok(Inside { content: Some(sum), attributes });
    }
    let mut hash = Sha256::new();
    let mut total = 0;
    loop {
        let n = match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            n => n?,
        };
        hash.update(&buffer[..n]);
        total += n as u64;
        if n == 0 || (n < buffer.len() && total == node.size) {
            break;
        }
    }
    let sum: Sum = hash.finalize().into();
    if let Some(hashes) = pick.hashes {
        hashes.put(node, sum);
    }
    Ok(Inside { content: Some(sum), attributes })
}
