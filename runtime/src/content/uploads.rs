//! Blobs on their way in whose digest is told at the end: what a client of the served registry uploads in parts.
//!
//! ```text
//! content/uploads/<id>       what has come
//! content/uploads/<id>.of    whose it is
//! ```
//! An upload survives a restart of the server: where it stands is its file's size. One writer at a time: who comes later
//! takes over, since the earlier one's client may be gone without anybody having noticed.

use std::{
    collections::HashMap,
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::PathBuf,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use sha2::{Digest as _, Sha256};

use super::Error as ContentError;
use crate::{digest::Digest, durable, fault, id::hex, paths::Paths};

/// How long an upload nobody goes on with is kept.
pub const KEPT_FOR: Duration = Duration::from_hours(24);
/// Uploads there may be at once.
pub const MOST: usize = 512;

/// An upload step that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such upload, or another repository's.
    #[error("there is no such upload")]
    Unknown,
    /// Another request goes on with it.
    #[error("another request goes on with this upload")]
    TakenOver,
    /// Too many at once.
    #[error("there are {MOST} unfinished uploads already; try again later")]
    TooMany,
    /// Other bytes came than were announced.
    #[error("the upload has digest {found}, not {wanted}")]
    Mismatch {
        /// What was announced.
        wanted: Digest,
        /// What came.
        found: Digest,
    },
    /// The disk refused.
    #[error(transparent)]
    Content(#[from] ContentError),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Content(error.into())
    }
}

/// Names one upload; can't be guessed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UploadId(String);

impl FromStr for UploadId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let right = text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if right { Ok(Self(text.to_owned())) } else { Err(Error::Unknown) }
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug)]
struct Running {
    of: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    hash: Sha256,
    size: u64,
    /// Whose turn it is to write.
    turn: u64,
    gone: bool,
}

impl Running {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All uploads.
#[derive(Debug)]
pub struct Uploads {
    paths: Paths,
    running: Mutex<HashMap<UploadId, Arc<Running>>>,
}

impl Uploads {
    /// Makes the folder if need be, and drops what is too old or half.
    pub fn open(paths: Paths) -> Result<Self, ContentError> {
        durable::create_dir(&paths.uploads())?;
        let uploads = Self { paths, running: Mutex::default() };
        for entry in fs::read_dir(uploads.paths.uploads())? {
            let path = entry?.path();
            let partner = if path.extension().is_some() { path.with_extension("") } else { path.with_extension("of") };
            if !partner.exists() {
                fs::remove_file(&path)?;
            }
        }
        uploads.expire(SystemTime::now())?;
        Ok(uploads)
    }

    fn running(&self) -> MutexGuard<'_, HashMap<UploadId, Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self, id: &UploadId) -> (PathBuf, PathBuf) {
        let path = self.paths.uploads().join(&id.0);
        (path.with_extension("of"), path)
    }

    /// A new, empty one.
    pub fn begin(&self, of: &str) -> Result<UploadId, Error> {
        self.expire(SystemTime::now())?;
        if fs::read_dir(self.paths.uploads())?.count() / 2 >= MOST {
            return Err(Error::TooMany);
        }
        let mut bytes = [0_u8; 16];
        getrandom::fill(&mut bytes).expect("the kernel's random source");
        let id = UploadId(hex(&bytes));
        let (owner, data) = self.files(&id);
        fs::write(owner, of)?;
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(data)?;
        let state = State { file, hash: Sha256::new(), size: 0, turn: 0, gone: false };
        self.running().insert(id.clone(), Arc::new(Running { of: of.to_owned(), state: Mutex::new(state) }));
        Ok(id)
    }

    fn find(&self, id: &UploadId, of: &str) -> Result<Arc<Running>, Error> {
        let known = self.running().get(id).cloned();
        let running = if let Some(running) = known {
            running
        } else {
            let read = Arc::new(self.read(id)?);
            Arc::clone(self.running().entry(id.clone()).or_insert(read))
        };
        if running.of == of { Ok(running) } else { Err(Error::Unknown) }
    }

    /// One that an earlier server began.
    fn read(&self, id: &UploadId) -> Result<Running, Error> {
        let (owner, data) = self.files(id);
        let missing = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Error::Unknown,
            _ => error.into(),
        };
        let of = fs::read_to_string(owner).map_err(missing)?;
        let mut file = OpenOptions::new().read(true).write(true).open(data).map_err(missing)?;
        let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 256 << 10]);
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                n => {
                    hash.update(&buffer[..n]);
                    size += n as u64;
                }
            }
        }
        Ok(Running { of, state: Mutex::new(State { file, hash, size, turn: 0, gone: false }) })
    }

    /// Bytes that have come.
    pub fn size(&self, id: &UploadId, of: &str) -> Result<u64, Error> {
        let running = self.find(id, of)?;
        let state = running.state();
        if state.gone { Err(Error::Unknown) } else { Ok(state.size) }
    }

    /// Goes on with one; whoever did before can't any more.
    pub fn resume(&self, id: &UploadId, of: &str) -> Result<Upload, Error> {
        let running = self.find(id, of)?;
        let mut state = running.state();
        if state.gone {
            return Err(Error::Unknown);
        }
        state.turn += 1;
        let turn = state.turn;
        drop(state);
        Ok(Upload { running, turn })
    }

    /// Checks what came and publishes it. What doesn't agree is thrown away.
    pub fn finish(&self, id: &UploadId, upload: &Upload, wanted: Digest) -> Result<u64, Error> {
        let mut state = upload.state()?;
        let found = Digest::from_hash(state.hash.clone());
        let (owner, data) = self.files(id);
        if found != wanted {
            state.gone = true;
            self.forget(id)?;
            return Err(Error::Mismatch { wanted, found });
        }
        state.file.sync_all()?;
        fault::point("serve.upload")?;
        durable::rename(&data, &self.paths.blob(wanted)).map_err(ContentError::from)?;
        state.gone = true;
        self.running().remove(id);
        fs::remove_file(owner)?;
        Ok(state.size)
    }

    /// Throws one away.
    pub fn cancel(&self, id: &UploadId, of: &str) -> Result<(), Error> {
        let running = self.find(id, of)?;
        let mut state = running.state();
        if state.gone {
            return Err(Error::Unknown);
        }
        state.gone = true;
        self.forget(id)
    }

    fn forget(&self, id: &UploadId) -> Result<(), Error> {
        self.running().remove(id);
        let (owner, data) = self.files(id);
        for file in [data, owner] {
            match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Drops what nobody went on with for [`KEPT_FOR`].
    pub fn expire(&self, now: SystemTime) -> Result<(), ContentError> {
        for entry in fs::read_dir(self.paths.uploads())? {
            let path = entry?.path();
            if path.extension().is_some() {
                continue;
            }
            let Ok(changed) = fs::metadata(&path).and_then(|meta| meta.modified()) else { continue };
            let old = now.duration_since(changed).is_ok_and(|age| age > KEPT_FOR);
            let id = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
            match id {
                Some(id) if old => {
                    let known = self.running().get(&id).cloned();
                    if let Some(running) = known {
                        running.state().gone = true;
                    }
                    if let Err(Error::Content(error)) = self.forget(&id) {
                        return Err(error);
                    }
                }
                Some(_) => {}
                None => fs::remove_file(&path)?,
            }
        }
        Ok(())
    }
}

/// One upload, and the turn to write to it.
#[derive(Debug)]
pub struct Upload {
    running: Arc<Running>,
    turn: u64,
}

impl Upload {
    fn state(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.running.state();
        match state.turn == self.turn {
            _ if state.gone => Err(Error::Unknown),
            false => Err(Error::TakenOver),
            true => Ok(state),
        }
    }

    /// Bytes that have come.
    pub fn size(&self) -> Result<u64, Error> {
        Ok(self.state()?.size)
    }

    /// The next bytes.
    pub fn write(&self, bytes: &[u8]) -> Result<u64, Error> {
        let mut state = self.state()?;
        if let Err(error) = state.file.write_all_at(bytes, state.size) {
            // What was written of a part is not counted, so it must not be there either.
            state.file.set_len(state.size)?;
            return Err(error.into());
        }
        state.hash.update(bytes);
        state.size += bytes.len() as u64;
        Ok(state.size)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn open(folder: &tempfile::TempDir) -> Uploads {
        let paths = Paths::new(folder.path().join("data"), folder.path().join("run"));
        super::super::Content::open(paths.clone()).unwrap();
        Uploads::open(paths).unwrap()
    }

    fn files(uploads: &Uploads) -> usize {
        fs::read_dir(uploads.paths.uploads()).unwrap().count()
    }

    #[test]
    fn an_upload_goes_on_after_a_restart_and_becomes_a_blob() {
        let folder = tempfile::tempdir().unwrap();
        let uploads = open(&folder);
        let id = uploads.begin("team/app").unwrap();
        uploads.resume(&id, "team/app").unwrap().write(b"first ").unwrap();
        let uploads = open(&folder);
        assert_eq!(uploads.size(&id, "team/app").unwrap(), 6);
        assert!(matches!(uploads.size(&id, "team/other"), Err(Error::Unknown)), "another's upload is none");
        let upload = uploads.resume(&id, "team/app").unwrap();
        assert_eq!(upload.write(b"second").unwrap(), 12);
        let digest = Digest::of(b"first second");
        assert_eq!(uploads.finish(&id, &upload, digest).unwrap(), 12);
        assert_eq!(fs::read(uploads.paths.blob(digest)).unwrap(), b"first second");
        assert_eq!(files(&uploads), 0);
        assert!(matches!(uploads.resume(&id, "team/app"), Err(Error::Unknown)));
        assert!(matches!(upload.write(b"x"), Err(Error::Unknown)));
    }

    #[test]
    fn who_comes_later_takes_over() {
        let folder = tempfile::tempdir().unwrap();
        let uploads = open(&folder);
        let id = uploads.begin("a").unwrap();
        let first = uploads.resume(&id, "a").unwrap();
        first.write(b"1").unwrap();
        let second = uploads.resume(&id, "a").unwrap();
        assert!(matches!(first.write(b"x"), Err(Error::TakenOver)));
        assert!(matches!(uploads.finish(&id, &first, Digest::of(b"1")), Err(Error::TakenOver)));
        assert_eq!(second.write(b"2").unwrap(), 2);
        uploads.finish(&id, &second, Digest::of(b"12")).unwrap();
    }

    #[test]
    fn wrong_cancelled_and_old_ones_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let uploads = open(&folder);
        let id = uploads.begin("a").unwrap();
        let upload = uploads.resume(&id, "a").unwrap();
        upload.write(b"wrong").unwrap();
        assert!(matches!(uploads.finish(&id, &upload, Digest::of(b"right")), Err(Error::Mismatch { .. })));
        assert_eq!(files(&uploads), 0);
        let id = uploads.begin("a").unwrap();
        uploads.cancel(&id, "a").unwrap();
        assert!(matches!(uploads.cancel(&id, "a"), Err(Error::Unknown)));
        let id = uploads.begin("a").unwrap();
        uploads.expire(SystemTime::now() + KEPT_FOR / 2).unwrap();
        assert_eq!(uploads.size(&id, "a").unwrap(), 0);
        uploads.expire(SystemTime::now() + KEPT_FOR * 2).unwrap();
        assert!(matches!(uploads.size(&id, "a"), Err(Error::Unknown)));
        assert_eq!(files(&uploads), 0);
        for wrong in ["", "../../etc/passwd", "00", &"g".repeat(32)] {
            assert!(wrong.parse::<UploadId>().is_err(), "{wrong}");
        }
    }
}
