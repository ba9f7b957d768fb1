//! Removing: untag or delete, by Docker's rules.
//!
//! A name is taken off unless it is the image's last and containers use the image. An image goes with its last name,
//! or by its id when all its names are in one repository. Running containers always protect it; stopped ones and
//! further names only without `force`.

use std::sync::Arc;

use super::{Error, Image, Record, State, Store, name::resolve};
use crate::{digest::ImageId, durable, fault, reference::Reference, view::ImageRemoval};

/// A container that was made from an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its short id.
    pub container: String,
    /// The image.
    pub image: ImageId,
    /// Its process runs.
    pub running: bool,
}

/// What a removal did.
#[derive(Debug)]
pub struct Removed {
    /// The names that were taken off, then the image if it went.
    pub steps: Vec<ImageRemoval>,
    /// The image, when its record is gone: its blobs and layers may be free now.
    pub image: Option<Arc<Image>>,
}

/// At most one tag, and all names in one repository.
fn single(names: &[Reference]) -> bool {
    let tags = names.iter().filter(|name| name.digest().is_none()).count();
    let one_repository = names.windows(2).all(|pair| pair[0].repository() == pair[1].repository());
    names.len() <= 1 || (tags <= 1 && one_repository)
}

fn unable(id: ImageId, hard: bool, why: &str) -> Error {
    let force = if hard { "cannot be forced" } else { "must be forced" };
    Error::Conflict(format!("conflict: unable to delete {} ({force}) - {why}", id.short()))
}

fn names_of(state: &State, id: ImageId) -> Vec<Reference> {
    state.names.iter().filter(|(_, named)| **named == id).map(|(name, _)| name.clone()).collect()
}

/// What is to be done, decided without doing it.
struct Plan {
    untag: Vec<Reference>,
    delete: bool,
}

fn plan(state: &State, text: &str, force: bool, users: &[User]) -> Result<(ImageId, Plan), Error> {
    let (id, name) = resolve(state, text)?;
    let names = names_of(state, id);
    let used = |running: bool| users.iter().find(|user| user.image == id && user.running == running);
    if let Some(name) = name {
        if !force
            && single(&names)
            && let Some(user) = used(true).or_else(|| used(false))
        {
            return Err(Error::Conflict(format!(
                "conflict: unable to remove repository reference \"{text}\" (must force) - container {} is using its \
                 referenced image {}",
                user.container,
                id.short()
            )));
        }
        let mut untag = vec![name.clone()];
        let mut left: Vec<Reference> = names.into_iter().filter(|other| *other != name).collect();
        // Digests of a repository whose last tag goes, go with it.
        let same = |other: &Reference| other.repository() == name.repository();
        if name.digest().is_none() && !left.iter().any(|other| other.digest().is_none() && same(other)) {
            let (with_it, rest) = left.into_iter().partition(same);
            untag.extend::<Vec<_>>(with_it);
            left = rest;
        }
        // The request is met by the untagging; whoever still uses the image keeps it.
        let delete = left.is_empty() && used(true).is_none();
        return Ok((id, Plan { untag, delete }));
    }
    if let Some(user) = used(true) {
        return Err(unable(id, true, &format!("image is being used by running container {}", user.container)));
    }
    if !force && !single(&names) {
        return Err(unable(id, false, "image is referenced in multiple repositories"));
    }
    if !force && let Some(user) = used(false) {
        return Err(unable(id, false, &format!("image is being used by stopped container {}", user.container)));
    }
    Ok((id, Plan { untag: names, delete: true }))
}

impl Store {
    /// Untags or deletes. `users` are all containers; an image stopped containers use is only hidden until
    /// [`Self::forget_hidden`].
    pub fn remove(&self, text: &str, force: bool, users: &[User]) -> Result<Removed, Error> {
        let _change = self.change();
        let mut state = State::clone(&self.state());
        let (id, plan) = plan(&state, text, force, users)?;
        let image = state.images.get(&id).cloned().ok_or_else(|| Error::NotFound(text.to_owned()))?;
        let mut steps: Vec<_> = plan.untag.iter().map(|name| ImageRemoval::Untagged(name.familiar())).collect();
        for name in &plan.untag {
            state.names.remove(name);
        }
        let kept_for_users = users.iter().any(|user| user.image == id);
        let mut gone = None;
        if plan.delete {
            // The record decides: once it is gone (or hidden), names that still point to it mean nothing.
            fault::point("rmi.record")?;
            if kept_for_users {
                let record = Record { removed: true, ..image.record.clone() };
                self.write_record(&record)?;
                state.images.insert(id, image.with(record));
            } else {
                durable::remove(&self.0.paths.image(id))?;
                state.images.remove(&id);
                gone = Some(image);
            }
            steps.push(ImageRemoval::Deleted(id));
        }
        let untagged = fault::point("rmi.untag").map_err(Error::from).and_then(|()| self.write_names(&state));
        if plan.delete || untagged.is_ok() {
            self.publish(state);
        }
        match untagged {
            Err(error) if plan.delete => {
                tracing::warn!(image = %id, %error, "names of a removed image stay on disk until the next change");
            }
            result => result?,
        }
        Ok(Removed { steps, image: gone })
    }

    /// Drops hidden images that none of these containers' images is. Returns them: their blobs and layers may be free.
    pub fn forget_hidden(&self, in_use: impl Fn(ImageId) -> bool) -> Result<Vec<Arc<Image>>, Error> {
        let hidden = |image: &&Arc<Image>| image.record.removed && !in_use(image.record.id);
        if !self.state().images.values().any(|image| hidden(&image)) {
            return Ok(Vec::new());
        }
        let _change = self.change();
        let mut state = State::clone(&self.state());
        let gone: Vec<_> = state.images.values().filter(hidden).cloned().collect();
        for image in &gone {
            durable::remove(&self.0.paths.image(image.record.id))?;
            state.images.remove(&image.record.id);
        }
        self.publish(state);
        Ok(gone)
    }
}
