//! What earlier builds have made: results of steps by key, and the folders of cache mounts.
//!
//! ```text
//! builds/cache/<hex of key>.json    one step's result: the stack of layers it ended with
//! builds/mounts/<hex>/              one cache mount: data/ (the folder itself), mount.json
//! ```
//! A key is a digest of everything a step's result depends on, by content: the stack it starts from, the command and its
//! environment, the digest of the files it reads. So a record is true for ever, wherever it came from; it is dropped when
//! a layer it needs is gone, or by a person. Records needn't survive power loss (they are not synced); their layers do.
//!
//! An image carries the keys of the steps that made it ([`of_image`]), so it can be a build's cache anywhere
//! (`--cache-from`). Whoever makes an image can write there what they like: such results are for the build that names the
//! image, and are never kept here. Comparing history instead, as the classic builder does, would not do: a line of history
//! says nothing of the files it read.

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::host::BaseImage;
use crate::{
    digest::{ChainId, DiffId, Digest},
    durable,
    image::edit,
    oci,
    paths::Paths,
};

const VERSION: u64 = 1;

/// What one step's result is found by.
pub type Key = Digest;

/// Collects what a key depends on. Each part is written with its length, so that no two lists of parts read the same.
#[derive(Debug, Default)]
pub struct KeyOf(Sha256);

impl KeyOf {
    /// Of this kind of step.
    pub fn step(kind: &str) -> Self {
        let mut key = Self(Sha256::new());
        key.add("darsena build step 1");
        key.add(kind);
        key
    }

    /// Depends on this too.
    pub fn add(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    /// Depends on all of these, in this order.
    pub fn add_all<T: AsRef<[u8]>>(&mut self, parts: impl ExactSizeIterator<Item = T>) {
        self.add((parts.len() as u64).to_be_bytes());
        for part in parts {
            self.add(part);
        }
    }

    /// The key.
    pub fn finish(self) -> Key {
        Digest::from_hash(self.0)
    }
}

/// A step's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its key.
    pub key: Key,
    /// The stack the step ended with, lowest first.
    pub layers: Vec<DiffId>,
    /// The topmost of them was made by this step; otherwise it changed nothing.
    pub made_layer: bool,
    /// Bytes of that layer on disk.
    pub size_bytes: u64,
    /// The instruction, for people.
    pub instruction: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it was last of use.
    pub used_at: Timestamp,
    /// How often it was of use.
    pub uses: u64,
}

/// The results an image brings with it.
pub fn of_image(image: &BaseImage) -> Vec<Entry> {
    let entry = |step: edit::Recorded| {
        let layers = image.layers.get(..step.layers)?.to_vec();
        let (key, made_layer, made_at) = (step.key, step.made_layer && !layers.is_empty(), step.made_at);
        let instruction = String::new();
        Some(Entry { key, layers, made_layer, size_bytes: 0, instruction, made_at, used_at: made_at, uses: 0 })
    };
    edit::recorded(&image.config).into_iter().filter_map(entry).collect()
}

/// A folder that RUN steps of many builds share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheMount {
    /// What the Dockerfile calls it.
    pub id: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it was last of use.
    pub used_at: Timestamp,
}

/// What is kept, as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The step's key, or the mount's.
    pub key: Key,
    /// A cache mount, not a step.
    pub is_mount: bool,
    /// The instruction or the mount's id.
    pub description: String,
    /// Bytes on disk.
    pub size_bytes: u64,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it was last of use.
    pub used_at: Timestamp,
    /// How often it was of use; 0 for mounts.
    pub uses: u64,
    /// A build uses it now, or an image has its layer.
    pub in_use: bool,
}

/// The store.
#[derive(Debug)]
pub struct Cache {
    paths: Paths,
    entries: Mutex<BTreeMap<Key, Entry>>,
    mounts: Mutex<BTreeMap<Key, CacheMount>>,
}

impl Cache {
    /// Reads what is there; a record that can't be read or lacks a layer is dropped. `has` says whether a layer is here.
    ///
    /// # Errors
    /// The folders can't be read.
    pub fn open(paths: Paths, has: impl Fn(ChainId) -> bool) -> Result<Self, durable::Error> {
        durable::create_dir(&paths.build_cache())?;
        durable::create_dir(&paths.cache_mounts())?;
        let mut entries = BTreeMap::new();
        for path in listed(&paths.build_cache())? {
            let entry: Option<Entry> = durable::read_json(&path, VERSION).ok().flatten();
            match entry.filter(|entry| oci::chains(&entry.layers).iter().all(|chain| has(*chain))) {
                Some(entry) => drop(entries.insert(entry.key, entry)),
                None => durable::remove(&path)?,
            }
        }
        let mut mounts = BTreeMap::new();
        for path in listed(&paths.cache_mounts())? {
            let mount: Option<CacheMount> = durable::read_json(&path.join("mount.json"), VERSION).ok().flatten();
            match mount {
                Some(mount) => drop(mounts.insert(mount_key(&mount.id), mount)),
                None => drop(fs::rename(&path, paths.trash().join(durable::fresh_name("")))),
            }
        }
        Ok(Self { paths, entries: Mutex::new(entries), mounts: Mutex::new(mounts) })
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<Key, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mounts(&self) -> MutexGuard<'_, BTreeMap<Key, CacheMount>> {
        self.mounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A step's result, if it is here whole.
    pub fn find(&self, key: Key, has: impl Fn(ChainId) -> bool) -> Option<Entry> {
        let mut entries = self.entries();
        let entry = entries.get_mut(&key)?;
        if !oci::chains(&entry.layers).iter().all(|chain| has(*chain)) {
            entries.remove(&key);
            let _ = fs::remove_file(self.paths.build_cache_entry(key));
            return None;
        }
        entry.used_at = Timestamp::now();
        entry.uses += 1;
        let entry = entry.clone();
        drop(entries);
        self.write(&entry);
        Some(entry)
    }

    /// Keeps a step's result. Its layers are durable.
    pub fn keep(&self, entry: Entry) {
        self.write(&entry);
        self.entries().insert(entry.key, entry);
    }

    fn write(&self, entry: &Entry) {
        if let Err(error) = durable::replace_json(&self.paths.build_cache_entry(entry.key), VERSION, entry) {
            tracing::warn!(%error, "a build step's result is not kept");
        }
    }

    /// Every layer a result needs.
    pub fn needed(&self) -> HashSet<ChainId> {
        self.entries().values().flat_map(|entry| oci::chains(&entry.layers)).collect()
    }

    /// All results of steps.
    pub fn steps(&self) -> Vec<Entry> {
        self.entries().values().cloned().collect()
    }

    /// All cache mounts, with their keys.
    pub fn cache_mounts(&self) -> Vec<(Key, CacheMount)> {
        self.mounts().iter().map(|(key, mount)| (*key, mount.clone())).collect()
    }

    /// Forgets a step's result; absent is success. Its layers are the caller's to free.
    pub fn forget(&self, key: Key) -> Option<Entry> {
        let entry = self.entries().remove(&key)?;
        let _ = fs::remove_file(self.paths.build_cache_entry(key));
        Some(entry)
    }

    /// The folder of a cache mount, made when it is not there: its `data` is what is mounted. Says whether it is new.
    ///
    /// # Errors
    /// The folder can't be made.
    pub fn mount(&self, id: &str) -> Result<(Key, PathBuf, bool), durable::Error> {
        let key = mount_key(id);
        let folder = self.paths.cache_mount(key);
        let mut mounts = self.mounts();
        let now = Timestamp::now();
        let new = !mounts.contains_key(&key);
        let mount = mounts.entry(key).or_insert_with(|| CacheMount { id: id.to_owned(), made_at: now, used_at: now });
        mount.used_at = now;
        durable::create_dir(&folder.join("data"))?;
        durable::replace_json(&folder.join("mount.json"), VERSION, mount)?;
        Ok((key, folder.join("data"), new))
    }

    /// Removes a cache mount, by way of the trash. Says whether it was there.
    ///
    /// # Errors
    /// The folder can't be moved.
    pub fn remove_mount(&self, key: Key) -> io::Result<bool> {
        let mut mounts = self.mounts();
        match fs::rename(self.paths.cache_mount(key), self.paths.trash().join(durable::fresh_name(""))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(mounts.remove(&key).is_some())
    }
}

/// What a cache mount of this id is found by.
pub fn mount_key(id: &str) -> Key {
    let mut key = KeyOf::step("cache mount");
    key.add(id);
    key.finish()
}

/// Which records a person wants gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneCache {
    /// Also what images share; otherwise only what nothing else needs.
    pub all: bool,
    /// Only what was of no use for so long.
    pub unused_for: Option<Duration>,
    /// Stop when no more than so many bytes are left.
    pub keep_bytes: Option<u64>,
    /// Only these ids or id prefixes; all when empty.
    pub ids: Vec<String>,
}

impl PruneCache {
    /// Which of these go, least recently used first.
    pub fn choose(&self, kept: &[Kept], now: Timestamp) -> Vec<Key> {
        let mut by_age: Vec<&Kept> = kept.iter().collect();
        by_age.sort_by_key(|one| (one.used_at, one.key));
        let mut left: u64 = kept.iter().map(|one| one.size_bytes).sum();
        let mut gone = Vec::new();
        for one in by_age {
            if self.keep_bytes.is_some_and(|keep| left <= keep) {
                break;
            }
            let idle = now.duration_since(one.used_at);
            let old = self.unused_for.is_none_or(|wanted| idle.unsigned_abs() >= wanted && idle.is_positive());
            let named = self.ids.is_empty() || self.ids.iter().any(|id| one.key.hex().starts_with(id.as_str()));
            if old && named && (self.all || !one.in_use) {
                left = left.saturating_sub(one.size_bytes);
                gone.push(one.key);
            }
        }
        gone
    }
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>, durable::Error> {
    let list = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    list().map_err(|source| durable::Error::Io { path: folder.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Paths) {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::new(folder.path().join("data"), folder.path().join("run"));
        fs::create_dir_all(paths.trash()).unwrap();
        (folder, paths)
    }

    fn entry(name: &str, layers: &[&[u8]]) -> Entry {
        let layers = layers.iter().map(|bytes| DiffId(Digest::of(bytes))).collect();
        let (made_at, key) = (Timestamp::UNIX_EPOCH, Digest::of(name.as_bytes()));
        let instruction = name.to_owned();
        Entry { key, layers, made_layer: true, size_bytes: 10, instruction, made_at, used_at: made_at, uses: 0 }
    }

    #[test]
    fn keys_keep_their_parts_apart() {
        let key = |parts: &[&str]| {
            let mut key = KeyOf::step("run");
            key.add_all(parts.iter());
            key.finish()
        };
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["a"]), key(&["a", ""]));
        assert_eq!(key(&["a", "b"]), key(&["a", "b"]));
    }

    #[test]
    fn results_survive_a_restart_as_long_as_their_layers_do() {
        let (_folder, paths) = place();
        let cache = Cache::open(paths.clone(), |_| true).unwrap();
        let (one, two) = (entry("one", &[b"a"]), entry("two", &[b"a", b"b"]));
        cache.keep(one.clone());
        cache.keep(two.clone());
        assert_eq!(cache.needed().len(), 2);
        drop(cache);

        fs::write(paths.build_cache_entry(Digest::of(b"torn")), b"{").unwrap();
        let top = *oci::chains(&two.layers).last().unwrap();
        let cache = Cache::open(paths.clone(), |chain| chain != top).unwrap();
        assert_eq!(cache.steps().iter().map(|entry| entry.key).collect::<Vec<_>>(), [one.key]);
        assert_eq!(fs::read_dir(paths.build_cache()).unwrap().count(), 1);
        let found = cache.find(one.key, |_| true).unwrap();
        assert_eq!((found.uses, found.layers), (1, one.layers.clone()));
        assert!(cache.find(one.key, |_| false).is_none());
        assert!(cache.steps().is_empty());
        assert!(cache.forget(one.key).is_none());
    }

    #[test]
    fn cache_mounts_are_found_again_and_removed() {
        let (_folder, paths) = place();
        let cache = Cache::open(paths.clone(), |_| true).unwrap();
        let (key, data, new) = cache.mount("/root/.cargo").unwrap();
        assert!(new);
        fs::write(data.join("x"), b"1").unwrap();
        drop(cache);
        let cache = Cache::open(paths.clone(), |_| true).unwrap();
        assert_eq!(cache.mount("/root/.cargo").unwrap(), (key, data.clone(), false));
        assert_eq!(fs::read(data.join("x")).unwrap(), b"1");
        assert_eq!(cache.cache_mounts().len(), 1);
        assert!(cache.remove_mount(key).unwrap());
        assert!(!cache.remove_mount(key).unwrap());
        assert!(!data.exists());
    }

    #[test]
    fn prune_takes_the_least_recently_used_first_and_spares_what_is_in_use() {
        let hour = |hours: i64| Timestamp::from_second(hours * 3600).unwrap();
        let kept = |name: &str, used: i64, in_use| Kept {
            key: Digest::of(name.as_bytes()),
            is_mount: false,
            description: name.to_owned(),
            size_bytes: 10,
            made_at: hour(0),
            used_at: hour(used),
            uses: 1,
            in_use,
        };
        let all = [kept("new", 9, false), kept("old", 1, false), kept("shared", 2, true)];
        let key = |name: &str| Digest::of(name.as_bytes());
        let choose = |prune: PruneCache| prune.choose(&all, hour(10));
        assert_eq!(choose(PruneCache::default()), [key("old"), key("new")]);
        assert_eq!(choose(PruneCache { all: true, ..PruneCache::default() }), [key("old"), key("shared"), key("new")]);
        let unused_for = Some(Duration::from_hours(5));
        assert_eq!(choose(PruneCache { unused_for, ..PruneCache::default() }), [key("old")]);
        assert_eq!(choose(PruneCache { keep_bytes: Some(20), ..PruneCache::default() }), [key("old")]);
        let ids = vec![key("new").hex()[..8].to_owned()];
        assert_eq!(choose(PruneCache { ids, ..PruneCache::default() }), [key("new")]);
    }
}
