//! `import`: a tar of a file system becomes an image of one layer.

use std::{io::Read, str::FromStr as _};

use jiff::Timestamp;

use super::{Engine, blocking, images::Images, made::new_name};
use crate::{
    build::{reach::Reach, remote},
    digest::ImageId,
    error::{Error, Result},
    fault,
    image::edit::{ConfigEditor, Step},
    lease::Thing,
    oci::Platform,
    request::ImportImage,
    snapshot::Adoption,
};
use futures_util::future::{BoxFuture, FutureExt as _};

impl Images {
    pub(super) fn import(&self, from: impl Read + Send, request: &ImportImage) -> Result<ImageId> {
        let names = new_name(request.reference.as_deref())?;
        let platform = request.platform.as_deref().filter(|text| !text.is_empty());
        let platform = platform.map(Platform::from_str).transpose()?.unwrap_or_else(Platform::host);
        let mut editor = ConfigEditor::scratch(&platform);
        // Wrong ones are refused before the stream is read.
        super::instructions::apply(&mut editor, &request.changes)?;
        self.leased(|lease| {
            let hold = |chain| lease.add(Thing::Layer(chain));
            let layer = self.0.snapshots.absorb(from, Adoption::default(), hold, &mut |_| ())?;
            fault::point("import.layer").map_err(Error::from_fault)?;
            let now = Timestamp::now();
            editor.set_created(now);
            let step = Step { created_at: Some(now), comment: request.message.clone(), ..Step::default() };
            editor.add_layer(layer.diff_id, &step)?;
            self.put_made(&editor, None, &names, lease)
        })
    }
}

impl Engine {
    /// Reads a tar of a whole file system, plain or compressed, as an image.
    ///
    /// # Errors
    /// A wrong name or instruction, or what is wrong with the stream; nothing is stored then.
    pub fn import(&self, from: impl Read + Send + 'static, request: ImportImage) -> BoxFuture<'_, Result<ImageId>> {
        async move {
            let images = self.inner.images.clone();
            let name = request.reference.clone();
            let id = blocking(move || images.import(from, &request)).await?;
            self.tell_image("import", &id.to_string(), name.as_deref().unwrap_or(&id.to_string()));
            Ok(id)
        }
        .boxed()
    }

    /// As [`Self::import`], from an address of http or https. `private` lets it be one of a private network.
    ///
    /// # Errors
    /// As [`Self::import`], or the address can't be reached or must not be.
    pub fn import_from<'a>(
        &'a self,
        address: &'a str,
        private: bool,
        request: ImportImage,
    ) -> BoxFuture<'a, Result<ImageId>> {
        async move {
            let images = self.inner.images.clone();
            let stage = blocking(move || Ok(images.0.content.stage()?)).await?;
            let reach = Reach { private, ..Reach::default() };
            let fetched = remote::fetch(address, stage.path(), false, None, &reach).await?;
            let file = std::fs::File::open(&fetched.path).map_err(remote::Error::from)?;
            let image = self.import(file, request).await;
            drop(stage);
            image
        }
        .boxed()
    }
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
