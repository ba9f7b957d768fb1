//! From a source as written to what it selects.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::File,
    io,
    os::{
        fd::{AsRawFd, BorrowedFd, OwnedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, openat},
    sys::stat::{Mode, SFlag, fstat, fstatat},
};

use super::{
    CopyRequest, Error, Hashes, Heredoc, Kind, Source,
    parts::{components, parts, plain},
    shown,
    walk::{self, Entry, FOLDER, Leave, Node, joined},
};
use crate::{
    build::{ignore::Ignore, pattern::Component},
    sys::path::open_in_root,
};

/// Folders `**` goes down.
const DEEPEST: usize = 256;

/// What one source selects.
pub struct Pick<'a> {
    /// The tree it is in.
    pub root: BorrowedFd<'a>,
    /// The tree's kind.
    pub kind: Kind,
    /// Hashes known already.
    pub hashes: Option<&'a Hashes>,
    /// Path in the tree; links on the way and at its end are followed.
    pub from: Vec<u8>,
    /// The name it gets in a folder.
    pub name: Vec<u8>,
    /// What it is.
    pub body: Body,
}

/// What a source is.
pub enum Body {
    /// A folder, of which the inside is copied.
    Tree(Vec<Entry>),
    /// A regular file.
    File(Node),
    /// A regular file that is unpacked.
    Archive(Node),
    /// A device or a fifo.
    Other(Node),
    /// The content itself.
    Inline(Vec<u8>),
}

impl<'a> Pick<'a> {
    /// A here-document.
    pub fn inline(source: Source<'a>, heredoc: &Heredoc) -> Self {
        let name = parts(&heredoc.name).pop().unwrap_or_default().to_vec();
        let body = Body::Inline(heredoc.content.clone());
        Self { root: source.root, kind: Kind::Context, hashes: None, from: name.clone(), name, body }
    }

    /// Opens a file or a folder to be read.
    pub fn open(&self) -> io::Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK;
        Ok(open_in_root(self.root, OsStr::from_bytes(nonempty(&self.from)), flags)?.into())
    }
}

fn nonempty(path: &[u8]) -> &[u8] {
    if path.is_empty() { b"." } else { path }
}

/// Adds what `written` selects.
pub fn pick<'a>(
    source: &Source<'a>,
    request: &CopyRequest,
    excludes: &Ignore,
    written: &[u8],
    picks: &mut Vec<Pick<'a>>,
) -> Result<(), Error> {
    if request.parents {
        picks.push(with_parents(source, request, excludes, written)?);
        return Ok(());
    }
    let all = components(&parts(written), false)?;
    if let Some(path) = plain(&all) {
        let path = path.join(&b'/');
        return match one(source, excludes, &path)? {
            Found::Pick(pick) => {
                picks.push(pick);
                Ok(())
            }
            Found::Excluded => Ok(()),
            Found::Nothing => Err(missing(source, request, &path)),
        };
    }
    let first = all.iter().position(|part| !matches!(part, Component::Name(_))).unwrap_or_default();
    let above = plain(&all[..first]).unwrap_or_default().join(&b'/');
    let mut found = Finding::default();
    if let Some(folder) = folder(source, &above)? {
        found.expand(&folder, &all[first..], &mut Vec::new()).map_err(Error::io(&above))?;
    }
    let mut any = false;
    for path in found.paths {
        match one(source, excludes, &joined(&above, &path.join(&b'/')))? {
            Found::Pick(pick) => {
                any = true;
                picks.push(pick);
            }
            Found::Excluded => any = true,
            Found::Nothing => {}
        }
    }
    if any { Ok(()) } else { Err(Error::Nothing(request.instruction)) }
}

fn missing(source: &Source<'_>, request: &CopyRequest, path: &[u8]) -> Error {
    let (instruction, path) = (request.instruction, shown(path));
    match source.kind {
        Kind::Context => Error::NotInContext { instruction, path },
        Kind::Layers => Error::NotInStage { instruction, path },
    }
}

enum Found<'a> {
    Pick(Pick<'a>),
    Excluded,
    Nothing,
}

/// What is at a path.
fn one<'a>(source: &Source<'a>, excludes: &Ignore, path: &[u8]) -> Result<Found<'a>, Error> {
    let failed = || Error::io(path);
    let file = match open_in_root(source.root, OsStr::from_bytes(nonempty(path)), OFlag::O_PATH) {
        Err(error) if is_absent(&error) => return Ok(Found::Nothing),
        file => file.map_err(failed())?,
    };
    let node = Node::from(&fstat(&file).map_err(|errno| failed()(errno.into()))?);
    let is_folder = node.kind == SFlag::S_IFDIR;
    let mut real = path.to_vec();
    let mut out = false;
    if let Some(ignore) = source.ignore {
        real = real_path(source.root, &file).map_err(failed())?;
        out =
            (!path.is_empty() && ignore.excludes(path)) || (!real.is_empty() && real != path && ignore.excludes(&real));
        if out && !(is_folder && (ignore.may_keep_below(path) || ignore.may_keep_below(&real))) {
            return Ok(Found::Nothing);
        }
    }
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or_default().to_vec();
    let body = if is_folder {
        let leave = Leave { ignore: source.ignore, prefix: real, excludes };
        let mut entries = Vec::new();
        let top = openat(&file, ".", FOLDER, Mode::empty()).map_err(|errno| failed()(errno.into()))?;
        walk::walk(top, 0, &leave, &mut entries)?;
        if out && entries.is_empty() {
            return Ok(Found::Nothing);
        }
        Body::Tree(entries)
    } else if excludes.excludes(&name) {
        return Ok(Found::Excluded);
    } else if node.kind == SFlag::S_IFREG {
        Body::File(node)
    } else {
        Body::Other(node)
    };
    let (root, kind, hashes) = (source.root, source.kind, source.hashes);
    Ok(Found::Pick(Pick { root, kind, hashes, from: path.to_vec(), name, body }))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP | libc::ENAMETOOLONG))
}

/// Where an open file really is below the root.
fn real_path(root: BorrowedFd<'_>, file: &OwnedFd) -> io::Result<Vec<u8>> {
    let at = |fd: i32| std::fs::read_link(format!("/proc/self/fd/{fd}")).map(|path| path.into_os_string().into_vec());
    let (root, whole) = (at(root.as_raw_fd())?, at(file.as_raw_fd())?);
    let below = whole.strip_prefix(&root[..]).ok_or_else(|| io::Error::from(Errno::ESTALE))?;
    Ok(below.strip_prefix(b"/").unwrap_or(below).to_vec())
}

fn folder(source: &Source<'_>, path: &[u8]) -> Result<Option<OwnedFd>, Error> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    match open_in_root(source.root, OsStr::from_bytes(nonempty(path)), flags) {
        Ok(folder) => Ok(Some(folder)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(Error::io(path)(error)),
    }
}

/// Paths that match, part by part.
#[derive(Default)]
struct Finding {
    paths: BTreeSet<Vec<Vec<u8>>>,
    /// Folders and the number of parts that were left there.
    seen: BTreeSet<(Vec<Vec<u8>>, usize)>,
}

impl Finding {
    fn expand(&mut self, folder: &OwnedFd, pattern: &[Component], path: &mut Vec<Vec<u8>>) -> io::Result<()> {
        let Some((first, rest)) = pattern.split_first() else { return Ok(()) };
        if path.len() > DEEPEST || !self.seen.insert((path.clone(), pattern.len())) {
            return Ok(());
        }
        let any_depth = matches!(first, Component::AnyDepth);
        if any_depth && !rest.is_empty() {
            self.expand(folder, rest, path)?;
        }
        let names = match first {
            Component::Name(name) => vec![name.clone()],
            Component::Glob(glob) => walk::names(folder)?.into_iter().filter(|name| glob.matches(name)).collect(),
            Component::AnyDepth => walk::names(folder)?,
        };
        for name in names {
            let name_here = OsStr::from_bytes(&name).to_owned();
            let is_folder = match fstatat(folder, name_here.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
                Err(Errno::ENOENT | Errno::ENAMETOOLONG) => continue,
                stat => Node::from(&stat?).kind == SFlag::S_IFDIR,
            };
            path.push(name);
            if rest.is_empty() {
                self.paths.insert(path.clone());
            } else if is_folder {
                let below = openat(folder, name_here.as_os_str(), FOLDER, Mode::empty())?;
                self.expand(&below, if any_depth { pattern } else { rest }, path)?;
            }
            path.pop();
        }
        Ok(())
    }
}

/// `--parents`: one tree from the pivot, with just what matches and the folders above it.
fn with_parents<'a>(
    source: &Source<'a>,
    request: &CopyRequest,
    excludes: &Ignore,
    written: &[u8],
) -> Result<Pick<'a>, Error> {
    let pivot = written.windows(3).position(|part| part == b"/./");
    let (above, below) = pivot.map_or((&b""[..], written), |at| (&written[..at], &written[at + 3..]));
    let above = parts(above).join(&b'/');
    let below = parts(below);
    let pattern = components(&below, true)?;
    let whole = joined(&above, &below.join(&b'/'));
    let nothing = || match plain(&pattern) {
        Some(_) => missing(source, request, &whole),
        None => Error::Nothing(request.instruction),
    };
    let Some(top) = folder(source, &above)? else { return Err(missing(source, request, &above)) };
    let failed = || Error::io(&whole);
    let prefix = if source.ignore.is_some() { real_path(source.root, &top).map_err(failed())? } else { above.clone() };
    let leave = Leave { ignore: source.ignore, prefix, excludes };
    let mut entries = Vec::new();
    if pattern.is_empty() {
        walk::walk(top, 0, &leave, &mut entries)?;
    } else {
        let mut found = Finding::default();
        found.expand(&top, &pattern, &mut Vec::new()).map_err(failed())?;
        let mut last: Option<Vec<Vec<u8>>> = None;
        let mut open: Vec<Vec<u8>> = Vec::new();
        let mut any = false;
        for path in found.paths {
            // A folder that matches is copied with all that is inside, which may match again.
            if last.as_ref().is_some_and(|last| path.starts_with(last)) {
                continue;
            }
            any |= walk::add(&top, &path, &leave, &mut open, &mut entries)?;
            last = Some(path);
        }
        if !any && request.excludes.is_empty() {
            return Err(nothing());
        }
    }
    let (root, kind, hashes) = (source.root, source.kind, source.hashes);
    Ok(Pick { root, kind, hashes, from: above, name: Vec::new(), body: Body::Tree(entries) })
}
