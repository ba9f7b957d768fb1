//! What an image has: its files as lines, read from the layers `docker save` gives, and its config.

use std::{collections::BTreeMap, fmt::Write as _, io::Read as _};

use serde_json::Value;
use tar::{Archive, EntryType};

use crate::case::escaped;

/// Files by path, each as the rest of its line and its time.
#[derive(Clone, Default)]
pub struct Tree(BTreeMap<String, (String, u64)>);

impl Tree {
    /// Layers on top of each other.
    pub fn of(layers: &[Vec<u8>]) -> Self {
        let mut tree = Self::default();
        for layer in layers {
            tree.put(layer);
        }
        tree
    }

    fn put(&mut self, layer: &[u8]) {
        let mut links = Vec::new();
        let (mut added, mut gone) = (BTreeMap::new(), Vec::new());
        let mut archive = Archive::new(layer);
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = String::from_utf8_lossy(&entry.path_bytes()).trim_matches('/').to_owned();
            let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
            if name == ".wh..wh..opq" {
                gone.push(format!("{folder}/"));
                continue;
            }
            if let Some(name) = name.strip_prefix(".wh.") {
                gone.push(format!("{folder}/{name}").trim_start_matches('/').to_owned());
                continue;
            }
            let (header, mut bytes) = (entry.header().clone(), Vec::new());
            let target = entry.link_name_bytes().map(|link| String::from_utf8_lossy(&link).into_owned());
            let target = target.unwrap_or_default();
            entry.read_to_end(&mut bytes).unwrap();
            let about = format!("{:o} {}:{}", header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap());
            let shown = match header.entry_type() {
                EntryType::Directory => format!("dir {about} /{path}"),
                EntryType::Symlink => {
                    format!("link {}:{} /{path} -> {target}", header.uid().unwrap(), header.gid().unwrap())
                }
                EntryType::Fifo => format!("fifo {about} /{path}"),
                EntryType::Char | EntryType::Block => format!("device {about} /{path}"),
                EntryType::Link => {
                    links.push((path.clone(), target));
                    continue;
                }
                _ if bytes.is_empty() => format!("file {about} /{path}"),
                _ => format!("file {about} /{path} {}", escaped(&bytes)),
            };
            added.insert(path, (shown, header.mtime().unwrap()));
        }
        for gone in gone {
            let below = format!("{}/", gone.trim_end_matches('/'));
            self.0.retain(|path, _| !(*path == gone || path.starts_with(&below)));
        }
        for (path, line) in added {
            if !line.0.starts_with("dir ") {
                let below = format!("{path}/");
                self.0.retain(|other, _| !other.starts_with(&below));
            }
            self.0.insert(path, line);
        }
        for (path, target) in links {
            self.0.insert(path.clone(), (format!("hard /{path} -> /{}", target.trim_matches('/')), 0));
        }
        // What the root is like is no matter of a Dockerfile.
        self.0.remove(".");
        self.0.remove("");
    }

    /// What this has that `base` has not, and what is gone, by path.
    pub fn lines(&self, base: &Self) -> String {
        let mut lines = String::new();
        let mut paths: Vec<&String> = self.0.keys().chain(base.0.keys()).collect();
        paths.sort();
        paths.dedup();
        for path in paths {
            match (self.0.get(path), base.0.get(path)) {
                (Some((line, _)), before) if before.is_none_or(|(before, _)| before != line) => {
                    writeln!(lines, "{line}").unwrap();
                }
                (None, Some(_)) => writeln!(lines, "gone /{path}").unwrap(),
                _ => {}
            }
        }
        lines
    }

    /// When a file was changed.
    pub fn time(&self, path: &str) -> Option<u64> {
        self.0.get(path.trim_matches('/')).map(|(_, time)| *time)
    }
}

/// An image as `docker save` gives it.
pub struct Image {
    /// Its config.
    pub config: Value,
    /// Its layers as tars.
    pub layers: Vec<Vec<u8>>,
}

impl Image {
    /// Reads the archive.
    pub fn read(saved: &[u8]) -> Self {
        let mut files = BTreeMap::new();
        for entry in Archive::new(saved).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            files.insert(path, bytes);
        }
        let manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
        let named = |name: &Value| files[name.as_str().unwrap()].clone();
        let config = serde_json::from_slice(&named(&manifest[0]["Config"])).unwrap();
        let layers = manifest[0]["Layers"].as_array().unwrap().iter().map(named).collect();
        Self { config, layers }
    }

    /// Keys of its config that are said otherwise in `base`'s.
    pub fn config_lines(&self, base: &Value) -> String {
        let empty = serde_json::Map::new();
        let own = self.config["config"].as_object().unwrap_or(&empty);
        let mut keys: Vec<&String> = own.keys().chain(base.as_object().unwrap_or(&empty).keys()).collect();
        keys.sort();
        keys.dedup();
        let mut lines = String::new();
        for key in keys {
            let (now, before) = (own.get(key).unwrap_or(&Value::Null), &base[key]);
            if now != before {
                writeln!(lines, "{key} {now}").unwrap();
            }
        }
        if let Some(author) = self.config["author"].as_str() {
            writeln!(lines, "author {author}").unwrap();
        }
        lines
    }

    /// Lines of history after the first `skip`.
    pub fn history(&self, skip: usize) -> String {
        let mut lines = String::new();
        for one in self.config["history"].as_array().unwrap().iter().skip(skip) {
            let mark = if one["empty_layer"] == true { "- " } else { "" };
            writeln!(lines, "{mark}{}", one["created_by"].as_str().unwrap_or_default().replace('\n', "\\n")).unwrap();
        }
        lines
    }
}
