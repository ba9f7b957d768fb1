//! The house rules, as tests: who may import whom, sizes, names, words, message catalogues, licences.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use regex::Regex;
use serde_json::Value;

/// Rooms of `runtime`, lowest layer first. A room imports rooms of lower layers; in the layers of `STRANGERS` the rooms
/// of one layer don't know each other.
const LAYERS: &[&[&str]] = &[
    &["error", "id", "digest", "reference", "oci", "paths", "request", "spec", "names", "view"],
    &["sys", "durable", "undo", "fault", "meter"],
    &[
        "content",
        "snapshot",
        "image",
        "volume",
        "network",
        "cgroup",
        "seccomp",
        "logs",
        "lease",
        "registry",
        "repositories",
    ],
    &["container", "init", "monitor", "resolver"],
    &["build", "gc", "events"],
    &["engine"],
];
const STRANGERS: &[usize] = &[2];

/// Rooms of `runtime` that may be async; `sys/readiness` makes descriptors known to the async runtime.
const ASYNC: &[&str] = &["registry", "engine", "monitor/client", "sys/readiness", "build/remote"];

/// Rooms of `server` that talk to the outside: they go through `ops`, and don't know each other.
const FACES: &[&str] = &["ui", "live", "docker", "registry", "jobs"];

/// Words no file is named by: they say nothing of what is inside.
const EMPTY_NAMES: &[&str] =
    &["util", "utils", "helper", "helpers", "common", "core", "manager", "handler", "handlers", "misc"];

const MOST_LINES: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A source file: its path from the root, and its lines without the tests at its end.
struct Source {
    path: String,
    all: String,
    code: Vec<String>,
}

impl Source {
    fn read(path: &Path) -> Self {
        let all = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let lines: Vec<&str> = all.lines().collect();
        let module = Regex::new(r"^\s*(pub(\([a-z: ]+\))? )?mod ").unwrap();
        let is_tests = |at: usize| {
            let below = lines[at..].iter().find(|line| !line.trim_start().starts_with("#["));
            lines[at].trim() == "#[cfg(test)]" && below.is_some_and(|line| module.is_match(line))
        };
        let stem = path.file_stem().unwrap().to_string_lossy();
        let only_tests = stem == "tests" || stem.ends_with("_tests");
        let end = if only_tests { 0 } else { (0..lines.len()).find(|at| is_tests(*at)).unwrap_or(lines.len()) };
        let code = lines[..end].iter().map(|line| (*line).to_owned()).collect();
        let path = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        Self { path, all, code }
    }

    /// Lines that are no comment, with their numbers.
    fn statements(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.code.iter().enumerate().map(|(index, line)| (index + 1, line.as_str()));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Its room in a crate: first folder or file below `src`. `None` for a crate's own files.
    fn room(&self, krate: &str) -> Option<&str> {
        let below = self.path.strip_prefix(krate)?.strip_prefix("/src/")?;
        let room = below.split('/').next()?;
        let room = room.strip_suffix(".rs").unwrap_or(room);
        (!matches!(room, "lib" | "main" | "bin" | "app" | "router")).then_some(room)
    }

    /// What it names after `crate::`, with the line.
    fn imports(&self) -> Vec<(usize, String)> {
        static NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\bcrate::(\{|[A-Za-z_]+)").unwrap());
        let text: String = self.statements().fold(String::new(), |text, (_, line)| text + line + "\n");
        let mut found = Vec::new();
        for name in NAME.captures_iter(&text) {
            let whole = name.get(1).unwrap();
            let line = text[..whole.start()].matches('\n').count() + 1;
            if whole.as_str() == "{" {
                found.extend(grouped(&text[whole.end()..]).into_iter().map(|name| (line, name)));
            } else {
                found.push((line, whole.as_str().to_owned()));
            }
        }
        found
    }
}

/// First names of a group: `a::b, c::{d, e}, f}` gives a, c, f.
fn grouped(text: &str) -> Vec<String> {
    let (mut depth, mut names, mut item) = (0, Vec::new(), String::new());
    for char in text.chars() {
        match char {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(std::mem::take(&mut item)),
            _ if depth == 0 => item.push(char),
            _ => {}
        }
    }
    names.push(item);
    let first = |item: String| item.trim().split("::").next().unwrap_or_default().trim().to_owned();
    names.into_iter().map(first).filter(|name| !name.is_empty()).collect()
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    for folder in folders {
        walk(&root().join(folder), &mut |path| {
            if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(Source::read(path));
            }
        });
    }
    assert!(!found.is_empty(), "no sources in {folders:?}");
    found
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { walk(&path, visit) } else { visit(&path) }
    }
}

fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

/// Statements that match, but for files `allowed` says may have them.
fn matching(sources: &[Source], pattern: &str, allowed: impl Fn(&Source) -> bool) -> Vec<String> {
    let pattern = Regex::new(pattern).unwrap();
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| !allowed(source)) {
        for (number, line) in source.statements().filter(|(_, line)| pattern.is_match(line)) {
            found.push(format!("{}:{number}: {}", source.path, line.trim()));
        }
    }
    found
}

#[test]
fn runtime_rooms_import_lower_layers_only() {
    let layer = |room: &str| LAYERS.iter().position(|rooms| rooms.contains(&room));
    let mut found = Vec::new();
    for source in sources(&["runtime/src"]) {
        let Some(room) = source.room("runtime") else { continue };
        let Some(own) = layer(room) else {
            found.push(format!("{}: the room {room} is in no layer", source.path));
            continue;
        };
        for (line, name) in source.imports() {
            let fine = match layer(&name) {
                _ if name == room => true,
                Some(other) => other < own || (other == own && !STRANGERS.contains(&own)),
                None => name != "Engine",
            };
            if !fine {
                found.push(format!("{}:{line}: {room} imports {name}", source.path));
            }
        }
    }
    assert_none("imports against the layers", &found);
}

#[test]
fn server_faces_go_through_ops() {
    let mut found = Vec::new();
    let sources = sources(&["server/src"]);
    for source in &sources {
        let Some(room) = source.room("server") else { continue };
        let face = FACES.contains(&room);
        for (line, name) in source.imports() {
            let foreign = FACES.contains(&name.as_str()) && name != room;
            if foreign || (face && matches!(name.as_str(), "db" | "router")) || (room == "db" && name == "ops") {
                found.push(format!("{}:{line}: {room} imports {name}", source.path));
            }
        }
    }
    let inside = |source: &Source| !source.room("server").is_some_and(|room| FACES.contains(&room));
    found.extend(matching(&sources, r"\bruntime::(engine\b|\{?[^;]*\bEngine\b)|\bapp\.(engine|db)\b", inside));
    assert_none("rooms that know what they must not", &found);
}

#[test]
fn unsafe_stays_in_sys() {
    let all = sources(&["runtime/src", "server/src", "tests"]);
    let in_sys = |source: &Source| source.path.starts_with("runtime/src/sys/") || source.path == "tests/tidy.rs";
    assert_none(
        "unsafe outside runtime/src/sys",
        &matching(&all, r"\bunsafe\s*(\{|fn\b|impl\b|extern\b|trait\b)|allow\(unsafe_code\)", in_sys),
    );
}

#[test]
fn sync_rooms_know_no_tokio() {
    let is_async = |source: &Source| {
        let below = source.path.strip_prefix("runtime/src/").unwrap_or_default();
        ASYNC.iter().any(|room| below.strip_prefix(room).is_some_and(|rest| rest.starts_with('/') || rest == ".rs"))
    };
    assert_none("tokio in sync rooms", &matching(&sources(&["runtime/src"]), r"\btokio\b", is_async));
}

#[test]
fn nothing_is_unwrapped_outside_tests() {
    let all = sources(&["runtime/src", "server/src"]);
    assert_none("bare unwrap", &matching(&all, r"\.unwrap\(\)", |_| false));
}

#[test]
fn nothing_is_left_to_do() {
    let pattern = Regex::new(r"\b(TODO|FIXME|XXX)\b|\b(todo|unimplemented)!|\bSTUB\b").unwrap();
    let mut found = Vec::new();
    for source in
        sources(&["runtime/src", "server/src", "tests"]).iter().filter(|source| source.path != "tests/tidy.rs")
    {
        for (index, line) in source.all.lines().enumerate().filter(|(_, line)| pattern.is_match(line)) {
            found.push(format!("{}:{}: {}", source.path, index + 1, line.trim()));
        }
    }
    assert_none("left to do", &found);
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut found = Vec::new();
    for source in sources(&["runtime/src", "server/src", "tests"]) {
        if source.code.len() > MOST_LINES {
            found.push(format!("{}: {} lines without its tests, {MOST_LINES} at most", source.path, source.code.len()));
        }
        let stem = Path::new(&source.path).file_stem().unwrap().to_string_lossy().into_owned();
        if source.path.split('/').chain([stem.as_str()]).any(|part| EMPTY_NAMES.contains(&part)) {
            found.push(format!("{}: the name says nothing", source.path));
        }
        if !source.all.trim_start().starts_with("//!") && !source.code.is_empty() {
            found.push(format!("{}: no module doc at the top", source.path));
        }
    }
    assert_none("files", &found);
}

/// Messages of a catalogue: key to the variables it names.
fn catalogue(language: &str) -> BTreeMap<String, BTreeSet<String>> {
    let path = root().join(format!("web/locales/{language}.ftl"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let key = Regex::new(r"^([a-z][a-z0-9-]*)\s*=").unwrap();
    let variable = Regex::new(r"\$([a-z][a-z0-9_-]*)").unwrap();
    let mut messages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = None;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(found) = key.captures(line) {
            let name = found[1].to_owned();
            assert!(messages.insert(name.clone(), BTreeSet::new()).is_none(), "{language}: {name} is there twice");
            current = Some(name);
        }
        if let Some(variables) = current.as_ref().and_then(|name| messages.get_mut(name)) {
            variables.extend(variable.captures_iter(line).map(|found| found[1].to_owned()));
        }
    }
    messages
}

#[test]
fn both_languages_say_the_same() {
    let (english, spanish) = (catalogue("en"), catalogue("es"));
    let mut found = Vec::new();
    for key in english.keys().chain(spanish.keys()).collect::<BTreeSet<_>>() {
        match (english.get(key), spanish.get(key)) {
            (Some(here), Some(there)) if here != there => found.push(format!("{key}: en names {here:?}, es {there:?}")),
            (Some(_), None) => found.push(format!("{key}: not in es")),
            (None, Some(_)) => found.push(format!("{key}: not in en")),
            _ => {}
        }
    }
    assert_none("catalogues differ", &found);
}

#[test]
fn messages_are_there_and_used() {
    let keys = catalogue("en");
    let literal = Regex::new(r#""([a-z][a-z0-9]*(?:-[a-z0-9{}_.:#?-]*)?)""#).unwrap();
    let hole = Regex::new(r"\{[^}]*\}").unwrap();
    let asked = Regex::new(r#"\bt\.(?:get|with|one)\(\s*"([^"]+)""#).unwrap();
    let (mut used, mut families, mut found) = (BTreeSet::new(), Vec::new(), Vec::new());
    for folder in ["web/templates", "server/src"] {
        walk(&root().join(folder), &mut |path| {
            let Ok(text) = fs::read_to_string(path) else { return };
            for name in literal.captures_iter(&text) {
                let name = &name[1];
                // `"state-{word}"` and `"state-" ~ word`: a family of keys.
                if name.contains('{') || name.ends_with('-') {
                    let parts = hole.split(name).map(regex::escape).collect::<Vec<_>>();
                    let tail = if name.ends_with('-') { "[a-z0-9-]+" } else { "" };
                    families.push(Regex::new(&format!("^{}{tail}$", parts.join("[a-z0-9-]+"))).unwrap());
                } else {
                    used.insert(name.to_owned());
                }
            }
            for name in asked.captures_iter(&text).filter(|name| !keys.contains_key(&name[1])) {
                found.push(format!(
                    "{}: {} is in no catalogue",
                    path.strip_prefix(root()).unwrap().display(),
                    &name[1]
                ));
            }
        });
    }
    for key in keys.keys().filter(|key| !used.contains(*key) && !families.iter().any(|family| family.is_match(key))) {
        found.push(format!("{key} is used nowhere"));
    }
    assert_none("messages", &found);
}

#[test]
fn licences_are_free_ones_without_copyleft_on_our_code() {
    // The same list that cargo-deny goes by.
    let rules = fs::read_to_string(root().join(".deny.toml")).unwrap();
    let allowed = rules.split_once("\nallow = [").unwrap().1.split_once(']').unwrap().0;
    let free: BTreeSet<&str> = allowed.split(',').map(|name| name.trim().trim_matches('"')).collect();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--format-version=1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"];
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    // `filter-platform` narrows the resolved graph; packages of other platforms stay in the list.
    let resolved: BTreeSet<&str> =
        metadata["resolve"]["nodes"].as_array().unwrap().iter().filter_map(|node| node["id"].as_str()).collect();
    let mut found = Vec::new();
    for package in metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|package| resolved.contains(package["id"].as_str().unwrap()))
    {
        let licence = package["license"].as_str().unwrap_or_default();
        // One alternative whose parts are all free is enough; `/` is the old way to write OR.
        let plain = licence.replace(['(', ')'], "").replace('/', " OR ");
        let fine = plain.split(" OR ").any(|choice| choice.split(" AND ").all(|part| free.contains(part.trim())));
        if !fine {
            found.push(format!("{} {}: {licence:?}", package["name"], package["version"]));
        }
    }
    assert_none("licences", &found);
}

#[test]
fn groups_of_names_are_read() {
    assert_eq!(grouped("a::b, c::{d, e::f}, g};"), ["a", "c", "g"]);
    assert_eq!(grouped("\n    app::App,\n    auth::actor::Actor,\n}"), ["app", "auth"]);
}
