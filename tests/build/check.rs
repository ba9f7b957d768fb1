//! Builds a case and compares.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Value, json};

use crate::{
    api::{Api, Built},
    case::{Build, Case, lines},
    context::{self, Entry},
    image::{Image, Tree},
};

/// When all files of a context were changed.
const CHANGED: u64 = 1_600_000_000;

/// Runs all builds of a case; what is not as it should be comes back as text.
pub fn check(api: &Api, base: &Tree, case: &Case) -> Result<(), String> {
    let mut entries = Vec::new();
    let mut names: Vec<String> = Vec::new();
    let mut first = None;
    let mut wrong = String::new();
    for (at, build) in case.builds.iter().enumerate() {
        let name = format!("case-{}:{}", case.name.to_lowercase(), at + 1);
        let mut dockerfile = build["Dockerfile"].clone();
        for (at, name) in names.iter().enumerate() {
            dockerfile = dockerfile.replace(&format!("{{{}}}", at + 1), name);
        }
        context::add(&mut entries, &[])?;
        context::add(&mut entries, &lines(build, "context"))?;
        let query = query(build, &name, &names)?;
        if lines(build, "options").contains(&"prune first") {
            api.prune();
        }
        let mtime = if lines(build, "options").contains(&"later") { CHANGED + 5000 } else { CHANGED };
        let built = api.build(&query, &tar(&entries, &dockerfile, mtime)?);
        names.push(name);
        let before = wrong.len();
        compare(&mut wrong, api, base, build, &built, first.as_deref());
        if wrong.len() > before {
            write!(wrong, "--- build {} said\n{}", at + 1, built.said).unwrap();
        }
        first = first.or(built.id);
    }
    for name in names {
        api.remove(&name);
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// The context's archive, with the Dockerfile unless the case has it under another name.
fn tar(entries: &[Entry], dockerfile: &str, mtime: u64) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    if !dockerfile.trim().is_empty() {
        let escaped = dockerfile.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
        context::add(&mut all, &[&format!("file Dockerfile {escaped}")])?;
    }
    all.extend_from_slice(entries);
    Ok(context::archive(&all, mtime))
}

fn query(build: &Build, name: &str, names: &[String]) -> Result<Vec<(String, String)>, String> {
    let (mut args, mut labels) = (BTreeMap::new(), BTreeMap::new());
    let mut query = vec![("t".to_owned(), name.to_owned()), ("rm".to_owned(), "1".to_owned())];
    let mut cache = false;
    for line in lines(build, "options") {
        let pair = |text: &str| {
            let (name, value) = text.split_once('=').ok_or(format!("not an option: {line}"))?;
            Ok::<_, String>((name.to_owned(), value.to_owned()))
        };
        match line.split_once(' ') {
            Some(("arg", rest)) => args.extend([pair(rest)?]),
            Some(("label", rest)) => labels.extend([pair(rest)?]),
            Some(("cache-from", rest)) => {
                let number: usize = rest.parse().map_err(|_| format!("not an option: {line}"))?;
                query.push(("cachefrom".to_owned(), json!([names[number - 1]]).to_string()));
                cache = true;
            }
            _ if matches!(line, "prune first" | "later") => {}
            _ if line == "cache" => cache = true,
            _ => query.push(pair(line)?),
        }
    }
    if !args.is_empty() {
        query.push(("buildargs".to_owned(), json!(args).to_string()));
    }
    if !labels.is_empty() {
        query.push(("labels".to_owned(), json!(labels).to_string()));
    }
    if !cache {
        query.push(("nocache".to_owned(), "1".to_owned()));
    }
    Ok(query)
}

fn compare(wrong: &mut String, api: &Api, base: &Tree, build: &Build, built: &Built, first: Option<&str>) {
    let told = |section: &str| build.get(section).map(|text| text.trim_end().to_owned());
    told_lines(wrong, build, built);
    let (expected, error) = (told("error"), built.error.as_deref().map(str::trim_end));
    let alike = match (&expected, error) {
        (Some(expected), Some(error)) => fits(expected, error),
        (None, None) => true,
        _ => false,
    };
    if !alike {
        differ(wrong, "error", expected.as_deref().unwrap_or("(none)"), error.unwrap_or("(none)"));
    }
    let Some(id) = &built.id else { return };
    if build.contains_key("same") && first != Some(id) {
        differ(wrong, "image", first.unwrap_or_default(), id);
    }
    if build.contains_key("different") && first == Some(id) {
        wrong.push_str("--- image\nit is the first build's\n");
    }
    let image = Image::read(&api.save(id));
    let on_base = Tree::of(&image.layers[..image.layers.len().min(1)]).lines(base).is_empty();
    let (nothing, plain) = (Tree::default(), json!({"Env": ["PATH=/bin:/usr/bin"], "Cmd": ["sh"]}));
    let (below, config) = if on_base { (base, &plain) } else { (&nothing, &Value::Null) };
    let added = image.layers.len() - usize::from(on_base);
    let tree = Tree::of(&image.layers);
    let mut all = vec![
        ("tree", told("tree").unwrap_or_default(), tree.lines(below)),
        ("config", told("config").unwrap_or_default(), image.config_lines(config)),
    ];
    if let Some(expected) = told("layers") {
        all.push(("layers", expected, added.to_string()));
    }
    if let Some(expected) = told("history") {
        all.push(("history", expected, image.history(usize::from(on_base))));
    }
    if let Some(expected) = told("times") {
        let mut times = String::new();
        for line in expected.lines() {
            let path = line.split_once(' ').map_or(line, |(_, path)| path);
            writeln!(times, "{} {path}", tree.time(path).map_or("-".to_owned(), |time| time.to_string())).unwrap();
        }
        all.push(("times", expected, times));
    }
    for (section, expected, found) in all {
        if expected.trim_end() != found.trim_end() {
            differ(wrong, section, &expected, found.trim_end());
        }
    }
}

/// What is said on the way.
fn told_lines(wrong: &mut String, build: &Build, built: &Built) {
    let mut said = built.said.lines();
    for line in lines(build, "output") {
        if !said.any(|one| one.trim_end() == line.trim_end()) {
            writeln!(wrong, "--- output\n- {line}").unwrap();
            break;
        }
    }
    for text in lines(build, "never") {
        if built.said.contains(text) || built.error.as_deref().unwrap_or_default().contains(text) {
            writeln!(wrong, "--- never\n+ {text}").unwrap();
        }
    }
    if let Some(expected) = build.get("steps") {
        let mut steps: Vec<(String, &str)> = Vec::new();
        for line in built.said.lines() {
            if line.starts_with("Step ") && line.contains(" : ") {
                steps.push((line.split_once(" : ").unwrap_or_default().1.to_owned(), "done"));
            } else if line == " ---> Using cache"
                && let Some(last) = steps.last_mut()
            {
                last.1 = "cached";
            }
        }
        let found: Vec<String> = steps.iter().map(|(text, how)| format!("{how} {text}")).collect();
        if found.join("\n") != expected.trim_end() {
            differ(wrong, "steps", expected.trim_end(), &found.join("\n"));
        }
    }
}

/// The text is as expected, where a line `...` stands for any lines.
fn fits(expected: &str, found: &str) -> bool {
    let mut parts = expected.split("...\n").flat_map(|part| part.split("\n..."));
    let Some(first) = parts.next() else { return true };
    if !expected.contains("...\n") && !expected.ends_with("\n...") {
        return expected == found;
    }
    let Some(mut rest) = found.strip_prefix(first) else { return false };
    for part in parts {
        let Some(at) = rest.find(part.trim_matches('\n')) else { return false };
        rest = &rest[at + part.trim_matches('\n').len()..];
    }
    expected.ends_with("...") || rest.trim().is_empty()
}

/// Lines that are missing with `-`, those that are too many with `+`.
fn differ(wrong: &mut String, section: &str, expected: &str, found: &str) {
    writeln!(wrong, "--- {section}").unwrap();
    for line in expected.lines().filter(|line| !found.lines().any(|other| other == *line)) {
        writeln!(wrong, "- {line}").unwrap();
    }
    for line in found.lines() {
        let mark = if expected.lines().any(|other| other == line) { ' ' } else { '+' };
        writeln!(wrong, "{mark} {line}").unwrap();
    }
}
