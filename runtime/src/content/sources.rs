//! Which repositories have which blob: a registry can mount a blob from a neighbour instead of receiving it again.
//!
//! Only a note: what is wrong or lost costs an upload. So it is renamed into place, not synced.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::{digest::Digest, durable, paths::Paths, reference::Reference};

const VERSION: u64 = 1;
/// Repositories remembered for one blob, the newest.
const MAX_EACH: usize = 8;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Noted {
    sources: BTreeMap<Digest, Vec<Reference>>,
}

/// The notes.
#[derive(Debug)]
pub struct Sources {
    path: PathBuf,
    noted: Mutex<Noted>,
}

impl Sources {
    /// Reads the notes about those blobs that `are_here`.
    pub fn open(paths: &Paths, are_here: impl Fn(Digest) -> bool) -> Self {
        let path = paths.content().join("sources.json");
        let mut noted: Noted = durable::read_json(&path, VERSION).ok().flatten().unwrap_or_default();
        noted.sources.retain(|digest, _| are_here(*digest));
        Self { path, noted: Mutex::new(noted) }
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These blobs are in this repository.
    pub fn note(&self, repository: &Reference, blobs: impl IntoIterator<Item = Digest>) {
        let repository = repository.repository();
        let mut noted = self.noted();
        let mut changed = false;
        for digest in blobs {
            let known = noted.sources.entry(digest).or_default();
            if known.last() != Some(&repository) {
                known.retain(|other| *other != repository);
                known.push(repository.clone());
                known.drain(..known.len().saturating_sub(MAX_EACH));
                changed = true;
            }
        }
        if changed {
            self.write(&noted);
        }
    }

    /// These blobs went.
    pub fn forget(&self, blobs: &HashSet<Digest>) {
        let mut noted = self.noted();
        let before = noted.sources.len();
        noted.sources.retain(|digest, _| !blobs.contains(digest));
        if noted.sources.len() != before {
            self.write(&noted);
        }
    }

    /// Other repositories of the same registry that have this blob, the newest note first.
    pub fn neighbours(&self, repository: &Reference, blob: Digest) -> Vec<String> {
        let noted = self.noted();
        let known = noted.sources.get(&blob).map(Vec::as_slice).unwrap_or_default();
        let near = |other: &&Reference| other.host() == repository.host() && other.path() != repository.path();
        known.iter().rev().filter(near).map(|other| other.path().to_owned()).collect()
    }

    fn write(&self, noted: &Noted) {
        let written = if noted.sources.is_empty() {
            fs::remove_file(&self.path).or_else(|error| match error.kind() {
                std::io::ErrorKind::NotFound => Ok(()),
                _ => Err(error.to_string()),
            })
        } else {
            durable::replace_json(&self.path, VERSION, noted).map_err(|error| error.to_string())
        };
        if let Err(error) = written {
            tracing::debug!(error, "which repositories have which blob could not be noted");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_of_one_registry_and_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::new(folder.path().join("data"), folder.path().join("run"));
        durable::create_dir(&paths.content()).unwrap();
        let name = |text: &str| text.parse::<Reference>().unwrap();
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let sources = Sources::open(&paths, |_| true);
        sources.note(&name("reg.lan/a:1"), [one, two]);
        sources.note(&name("reg.lan/b:1"), [one]);
        sources.note(&name("other.lan/c"), [one]);
        let sources = Sources::open(&paths, |digest| digest == one);
        assert_eq!(sources.neighbours(&name("reg.lan/new"), one), ["b", "a"]);
        assert_eq!(sources.neighbours(&name("reg.lan/b:2"), one), ["a"]);
        assert!(sources.neighbours(&name("reg.lan/new"), two).is_empty(), "that blob is not here");
        for n in 0..20 {
            sources.note(&name(&format!("reg.lan/n{n}")), [one]);
        }
        assert_eq!(sources.neighbours(&name("reg.lan/new"), one).len(), MAX_EACH);
        sources.forget(&HashSet::from([one]));
        assert!(sources.neighbours(&name("reg.lan/new"), one).is_empty());
        assert!(!paths.content().join("sources.json").exists());
    }
}
