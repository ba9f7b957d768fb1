//! Which images: those a list is narrowed to, those a prune or a removal would take, and the room that would be free.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use runtime::{
    digest::{DiffId, ImageId},
    error::Result,
    request::PruneImages,
    view::{ImageSummary, ImageView},
};

use crate::{
    app::App,
    auth::actor::{Actor, Right},
};

/// What a list of images is narrowed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Shell patterns of which one fits a name, with or without its tag; none is any name.
    pub references: Vec<String>,
    /// Only those with a tag, or only those without.
    pub dangling: Option<bool>,
    /// `name` or `name=value`; all must be there.
    pub labels: Vec<String>,
    /// Only those built after this moment.
    pub since: Option<Timestamp>,
    /// Only those built before this moment.
    pub before: Option<Timestamp>,
}

/// The names of an image that a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names<'a> {
    /// `name:tag`.
    pub tags: Vec<&'a str>,
    /// `name@digest`.
    pub digests: Vec<&'a str>,
}

impl Choice {
    /// The names an image is listed with, if it is.
    pub fn names<'a>(&self, image: &'a ImageSummary) -> Option<Names<'a>> {
        let named = |name: &&str| {
            let bare = name.split_once('@').map_or_else(
                || name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(*name, |(bare, _)| bare),
                |(bare, _)| bare,
            );
            self.references.is_empty()
                || self.references.iter().any(|pattern| glob(pattern, name) || glob(pattern, bare))
        };
        let has = |label: &String| match label.split_once('=') {
            None => image.labels.contains_key(label),
            Some((name, value)) => image.labels.get(name).is_some_and(|known| known == value),
        };
        let created = image.created_at.unwrap_or(Timestamp::UNIX_EPOCH);
        let tags: Vec<_> = image.tags.iter().map(String::as_str).filter(named).collect();
        let digests: Vec<_> = image.digests.iter().map(String::as_str).filter(named).collect();
        let chosen = self.dangling.is_none_or(|wanted| wanted == image.tags.is_empty())
            && (self.references.is_empty() || !(tags.is_empty() && digests.is_empty()))
            && self.labels.iter().all(has)
            && self.since.is_none_or(|since| created > since)
            && self.before.is_none_or(|before| created < before);
        chosen.then_some(Names { tags, digests })
    }
}

/// Matches a shell pattern as Go's `path.Match` does: `*` and `?` don't cross slashes; `[a-z]`, `[^a]` and `\x` work.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.chars().collect::<Vec<_>>(), text.chars().collect::<Vec<_>>());
    // Where to go on when a later character doesn't fit: after the last star, one more character swallowed.
    let (mut p, mut t, mut retry) = (0, 0, None);
    loop {
        if pattern.get(p) == Some(&'*') {
            p += 1;
            retry = Some((p, t));
        } else if t == text.len() && p == pattern.len() {
            return true;
        } else if let Some(next) = text.get(t).and_then(|c| one_of(&pattern, p, *c)) {
            (p, t) = (next, t + 1);
        } else {
            match retry {
                Some((after, from)) if from < text.len() && text[from] != '/' => {
                    retry = Some((after, from + 1));
                    (p, t) = (after, from + 1);
                }
                _ => return false,
            }
        }
    }
}

/// If the pattern's item at `p` takes `c`, where the next item begins.
fn one_of(pattern: &[char], p: usize, c: char) -> Option<usize> {
    match *pattern.get(p)? {
        '?' => (c != '/').then_some(p + 1),
        '\\' => (*pattern.get(p + 1)? == c).then_some(p + 2),
        '[' => {
            let mut at = p + 1;
            let negated = *pattern.get(at)? == '^';
            at += usize::from(negated);
            let (start, mut found) = (at, false);
            while at == start || *pattern.get(at)? != ']' {
                let bound = |at: &mut usize| {
                    *at += usize::from(*pattern.get(*at)? == '\\');
                    *at += 1;
                    pattern.get(*at - 1).copied()
                };
                let low = bound(&mut at)?;
                let high = if *pattern.get(at)? == '-' {
                    at += 1;
                    bound(&mut at)?
                } else {
                    low
                };
                found |= (low..=high).contains(&c);
            }
            (found != negated).then_some(at + 1)
        }
        literal => (literal == c).then_some(p + 1),
    }
}

/// Images a prune would take now.
///
/// # Errors
/// Without the right to view.
pub fn would_go(app: &App, actor: &Actor, request: &PruneImages) -> Result<Vec<ImageSummary>> {
    actor.require(Right::View)?;
    let used: HashSet<ImageId> = app.engine.containers().into_iter().map(|one| one.image_id).collect();
    let mut images = app.engine.images();
    images.retain(|image| request.chooses(image) && !used.contains(&image.id));
    Ok(images)
}

/// Images that would go with these names or ids, by Docker's rule: one goes with its last tag, unless it is used.
pub fn would_go_with(images: &[ImageSummary], used: &HashSet<ImageId>, names: &[String]) -> Vec<ImageSummary> {
    let goes = |image: &&ImageSummary| {
        let whole = names.contains(&image.id.to_string());
        let tags = !image.tags.is_empty() && image.tags.iter().all(|tag| names.contains(tag));
        (whole || tags) && !used.contains(&image.id)
    };
    images.iter().filter(goes).cloned().collect()
}

/// Bytes of layers that only these images have.
///
/// # Errors
/// Without the right to view.
pub async fn own_bytes(app: &App, actor: &Actor, going: &[ImageSummary]) -> Result<u64> {
    actor.require(Right::View)?;
    let going: BTreeSet<ImageId> = going.iter().map(|image| image.id).collect();
    let mut views = Vec::new();
    for one in app.engine.images() {
        // One that was removed meanwhile takes no room.
        views.extend(app.engine.image(&one.id.to_string()).await);
    }
    let (go, stay): (Vec<_>, Vec<_>) = views.into_iter().partition(|view| going.contains(&view.summary.id));
    Ok(only_in(&go, &stay))
}

/// A layer is its place too: what lies below it.
fn stacks(image: &ImageView) -> impl Iterator<Item = (Vec<DiffId>, u64)> {
    let mut below = Vec::new();
    image.history.iter().filter_map(|line| line.diff_id.map(|layer| (layer, line.size_bytes))).map(
        move |(layer, size)| {
            below.push(layer);
            (below.clone(), size)
        },
    )
}

fn only_in(go: &[ImageView], stay: &[ImageView]) -> u64 {
    let kept: HashSet<_> = stay.iter().flat_map(stacks).map(|(stack, _)| stack).collect();
    let gone: HashMap<_, _> = go.iter().flat_map(stacks).filter(|(stack, _)| !kept.contains(stack)).collect();
    gone.values().sum()
}

#[cfg(test)]
#[path = "image_choice_tests.rs"]
mod tests;
