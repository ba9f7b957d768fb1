//! Which variables the text of an instruction asks for.

use std::collections::BTreeSet;

use super::super::{
    Instruction, MountSpec, Source,
    expand::{Syntax, expand},
};

/// ARGs that say what is built for what.
pub(super) const PLATFORM: [&str; 9] = [
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETARCH",
    "TARGETVARIANT",
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
    "TARGETSTAGE",
];

/// The path every image is taken to have.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) fn is_platform(name: &str) -> bool {
    PLATFORM.contains(&name)
}

/// Whether a name says that the value is to be kept secret.
pub(super) fn is_secret(name: &str) -> bool {
    let words: Vec<String> = name.split('_').map(str::to_lowercase).collect();
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
    let secret =
        has(&["apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"]);
    secret && !has(&["public"])
}

/// Variables of a text that are not set.
pub(super) fn unset(text: &str, syntax: Syntax, lookup: &dyn Fn(&str) -> Option<String>) -> BTreeSet<String> {
    let expanded = expand(text, syntax, lookup);
    let unset = expanded.map(|expanded| expanded.unset).unwrap_or_default();
    // Special parameters of the shell are no variables.
    unset.into_iter().filter(|name| name.starts_with(|char: char| char.is_alphabetic() || char == '_')).collect()
}

/// The texts of an instruction that the builder expands, and how.
pub(super) fn expanded_texts(instruction: &Instruction, escape: char) -> Vec<(&str, Syntax)> {
    let mut documents: Vec<&str> = Vec::new();
    let mut texts: Vec<&str> = Vec::new();
    match instruction {
        Instruction::Add(add) => {
            texts.extend([&add.chown, &add.chmod, &add.checksum].into_iter().flatten().map(String::as_str));
            texts.extend(add.excludes.iter().map(String::as_str));
            split(&mut texts, &mut documents, &add.sources, &add.destination);
        }
        Instruction::Copy(copy) => {
            texts.extend([&copy.chown, &copy.chmod].into_iter().flatten().map(String::as_str));
            texts.extend(copy.excludes.iter().map(String::as_str));
            split(&mut texts, &mut documents, &copy.sources, &copy.destination);
        }
        Instruction::Arg(declarations) => {
            texts.extend(declarations.iter().filter_map(|declaration| declaration.default.as_deref()));
        }
        Instruction::Env(pairs) | Instruction::Label(pairs) => {
            texts.extend(pairs.pairs.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]));
        }
        Instruction::Expose(words) | Instruction::Volume(words) => texts.extend(words.iter().map(String::as_str)),
        Instruction::Run(run) => texts.extend(run.mounts.iter().map(MountSpec::text)),
        Instruction::StopSignal(text) | Instruction::User(text) | Instruction::Workdir(text) => texts.push(text),
        Instruction::Cmd(_)
        | Instruction::Entrypoint(_)
        | Instruction::Healthcheck(_)
        | Instruction::Maintainer(_)
        | Instruction::Onbuild(_)
        | Instruction::Shell(_) => {}
    }
    let texts = texts.into_iter().map(|text| (text, Syntax::argument(escape)));
    texts.chain(documents.into_iter().map(|text| (text, Syntax::document()))).collect()
}

fn split<'a>(texts: &mut Vec<&'a str>, documents: &mut Vec<&'a str>, sources: &'a [Source], destination: &'a str) {
    for source in sources {
        match source {
            Source::Path(path) => texts.push(path),
            Source::Inline(heredoc) if heredoc.expand => documents.push(&heredoc.content),
            Source::Inline(_) => {}
        }
    }
    texts.push(destination);
}
