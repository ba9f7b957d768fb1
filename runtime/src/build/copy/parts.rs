//! Parts of a path, and what is matched against them.

use super::{Error, shown};
use crate::build::pattern::{Component, Pattern};

/// The parts of a path that say something; `..` stays inside.
pub fn parts(path: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts
}

/// What each part of a source matches; `**` is any number of folders only with `any_depth`, else as `*`.
pub fn components(parts: &[&[u8]], any_depth: bool) -> Result<Vec<Component>, Error> {
    let mut components = Vec::new();
    for part in parts {
        if any_depth && *part == b"**" {
            if components.last() != Some(&Component::AnyDepth) {
                components.push(Component::AnyDepth);
            }
            continue;
        }
        let pattern = Pattern::shallow(part).map_err(|_| Error::Pattern(shown(part)))?;
        components.push(pattern.literal().map_or(Component::Glob(pattern), Component::Name));
    }
    Ok(components)
}

/// The path, if no part of it has a pattern.
pub fn plain(components: &[Component]) -> Option<Vec<Vec<u8>>> {
    components
        .iter()
        .map(|component| match component {
            Component::Name(name) => Some(name.clone()),
            _ => None,
        })
        .collect()
}
