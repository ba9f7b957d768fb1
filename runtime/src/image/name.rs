//! From what a person writes to an image: name, id, or unique start of an id.

use std::sync::Arc;

use super::{Error, Image, State, Store};
use crate::{digest::ImageId, reference::Reference};

impl Store {
    /// The image a name, id or unique id prefix means.
    pub fn get(&self, text: &str) -> Result<Arc<Image>, Error> {
        let state = self.state();
        let (id, _) = resolve(&state, text)?;
        state.images.get(&id).cloned().ok_or_else(|| Error::NotFound(text.to_owned()))
    }

    /// All names with a tag at one registry, and their images.
    pub fn tags_at(&self, host: &str) -> Vec<(Reference, ImageId)> {
        let state = self.state();
        let at = state.names.iter().filter(|(name, _)| name.host() == host && name.tag().is_some());
        at.map(|(name, id)| (name.clone(), *id)).collect()
    }

    /// The image has a name of this path and tag, at whatever registry.
    pub fn is_named(&self, path: &str, tag: &str, id: ImageId) -> bool {
        let is = |(name, named): (&Reference, &ImageId)| *named == id && name.path() == path && name.tag() == Some(tag);
        self.state().names.iter().any(is)
    }

    /// Takes a name off and leaves the image, even if it was its last.
    pub fn unname(&self, name: &Reference) -> Result<(), Error> {
        let _change = self.change();
        let mut state = State::clone(&self.state());
        if state.names.remove(name).is_some() {
            self.write_names(&state)?;
            self.publish(state);
        }
        Ok(())
    }
}

/// The image, and the name it was found by; `None` when it was found by its id.
pub(super) fn resolve(state: &State, text: &str) -> Result<(ImageId, Option<Reference>), Error> {
    let visible = |id: &ImageId| state.images.get(id).is_some_and(|image| !image.record.removed);
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    if let Ok(id) = format!("sha256:{hex}").parse::<ImageId>() {
        return if visible(&id) { Ok((id, None)) } else { Err(Error::NotFound(text.to_owned())) };
    }
    let name = text.parse::<Reference>().map(Reference::or_latest);
    if let Ok(name) = &name {
        let exact = name.exact();
        if let Some(id) = state.names.get(&exact) {
            return Ok((*id, Some(exact)));
        }
        // `name@<image id>`: no registry named it so, but it says exactly what is meant.
        if let Some(id) = name.digest().filter(visible)
            && state.names.iter().any(|(other, named)| *named == id && other.repository() == name.repository())
        {
            return Ok((id, None));
        }
    }
    if !hex.is_empty() && hex.len() < 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        let mut found = state.images.keys().filter(|id| visible(id) && id.hex().starts_with(hex));
        match (found.next(), found.next()) {
            (Some(id), None) => return Ok((*id, None)),
            (Some(_), Some(_)) => return Err(Error::Ambiguous(text.to_owned())),
            (None, _) => {}
        }
    }
    Err(Error::NotFound(name?.familiar()))
}
