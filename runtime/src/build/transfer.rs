//! COPY and ADD: files from the context, a stage, an image or elsewhere, on the layers so far.

use super::{
    cache::{Key, KeyOf},
    copy::{Chmod, CopyRequest, Heredoc, Selection, Source as Tree},
    dockerfile::{Add, Copy, Source},
    git::GitSource,
    host::{Fetched, MadeLayer, Wanted},
    remote,
    stage::{Did, Stage},
};
use crate::{
    digest::DiffId,
    error::{Error, Result},
    init::{failure::PREFIX, user},
    monitor::protocol::Failure,
};

impl Stage<'_, '_> {
    pub(super) fn copy(&mut self, step: usize, copy: &Copy, original: &str) -> Result<(Key, Did)> {
        let mut request = self.request("COPY", &copy.sources, &copy.destination, &copy.excludes)?;
        request.chown = self.chown(copy.chown.as_deref())?;
        request.chmod = self.chmod(copy.chmod.as_deref())?;
        request.parents = copy.parents;
        let view;
        let tree = match &copy.from {
            None => self.job.plan.source(),
            Some(from) => {
                view = self.job.host.view(&self.layers_of(step, from)?)?;
                Tree { hashes: None, ..Tree::layers(&view) }
            }
        };
        let selection = Selection::new(&tree, &request)?;
        if copy.link { self.linked(&selection, &request, original) } else { self.transfer(&selection, &request) }
    }

    pub(super) fn add(&mut self, add: &Add, original: &str) -> Result<(Key, Did)> {
        let whole = self.request("ADD", &add.sources, &add.destination, &add.excludes)?;
        let (chown, chmod) = (self.chown(add.chown.as_deref())?, self.chmod(add.chmod.as_deref())?);
        let checksum = add.checksum.as_deref().map(|text| self.scope.expand(text)).transpose()?;
        let request = |sources, heredocs, unpack| CopyRequest {
            sources,
            heredocs,
            unpack,
            chown,
            chmod: chmod.clone(),
            ..whole.clone()
        };
        let elsewhere = |source: &Vec<u8>| {
            let text = String::from_utf8_lossy(source);
            remote::is_address(&text) || GitSource::parse(&text).is_some()
        };
        let (remote, local): (Vec<_>, Vec<_>) = whole.sources.iter().cloned().partition(elsewhere);
        if checksum.is_some() && (remote.len() != 1 || !local.is_empty()) {
            return Err(Error::invalid("checksum can't be specified for multiple or local sources"));
        }
        let mut fetched: Vec<Fetched> = Vec::new();
        for address in remote {
            let address = String::from_utf8_lossy(&address).into_owned();
            let named = whole.destination().ends_with(b"/");
            let wanted = Wanted { address, named, checksum: checksum.clone(), keep_git_dir: add.keep_git_dir };
            fetched.push(self.job.host.fetch(&wanted)?);
        }
        let mut parts = Vec::new();
        for one in &fetched {
            let source = one.file.clone().unwrap_or_else(|| ".".to_owned()).into_bytes();
            let request = request(vec![source], Vec::new(), add.unpack.unwrap_or(false));
            parts.push(Selection::part(&Tree::context(&one.root, None), &request)?);
        }
        if !local.is_empty() || !whole.heredocs.is_empty() {
            let request = request(local, whole.heredocs.clone(), add.unpack.unwrap_or(true));
            parts.push(Selection::part(&self.job.plan.source(), &request)?);
        }
        let selection = Selection::join(parts)?;
        if add.link { self.linked(&selection, &whole, original) } else { self.transfer(&selection, &whole) }
    }

    fn transfer(&self, selection: &Selection<'_>, request: &CopyRequest) -> Result<(Key, Did)> {
        let mut key = KeyOf::step("copy");
        key.add(self.chain());
        let key = self.key(key, selection, request)?;
        if let Some(entry) = self.job.find(key) {
            return Ok((key, Did::Found(entry)));
        }
        Ok((key, self.write(selection, &self.layers)?))
    }

    /// `--link`: what is written doesn't depend on the layers below, so the same layer is put on any.
    fn linked(&self, selection: &Selection<'_>, request: &CopyRequest, original: &str) -> Result<(Key, Did)> {
        let anywhere = self.key(KeyOf::step("linked copy"), selection, request)?;
        let mut key = KeyOf::step("linked copy here");
        key.add_all([self.chain(), anywhere.to_string()].into_iter());
        let key = key.finish();
        if let Some(entry) = self.job.find(key) {
            return Ok((key, Did::Found(entry)));
        }
        let known = self.job.find(anywhere).filter(|entry| entry.made_layer);
        if let Some(entry) = known
            && let Some(made) = self.job.host.restack(&entry.layers, &self.layers)?
        {
            return Ok((key, Did::Restacked(made)));
        }
        let did = self.write(selection, &[])?;
        if let Did::Changed(Some(made)) = &did {
            // The bytes are counted where the layer is.
            self.job.host.keep(self.entry(anywhere, Some(MadeLayer { size_bytes: 0, ..*made }), original));
        }
        Ok((key, did))
    }

    fn key(&self, mut key: KeyOf, selection: &Selection<'_>, request: &CopyRequest) -> Result<Key> {
        key.add(request.destination());
        key.add(self.job.epoch.map(|epoch| epoch.to_string()).unwrap_or_default());
        key.add(selection.digest()?.to_string());
        Ok(key.finish())
    }

    fn write(&self, selection: &Selection<'_>, on: &[DiffId]) -> Result<Did> {
        let _turn = self.job.turn()?;
        let tree = self.job.host.tree(on)?;
        selection.write(tree.root(), self.job.epoch)?;
        self.adopt(tree.finish()?)
    }

    fn request(
        &self,
        instruction: &'static str,
        sources: &[Source],
        destination: &str,
        excludes: &[String],
    ) -> Result<CopyRequest> {
        let mut request = CopyRequest::new(Vec::new(), self.scope.expand(destination)?);
        for source in sources {
            match source {
                Source::Path(text) => request.sources.push(self.scope.expand(text)?.into_bytes()),
                Source::Inline(document) => {
                    let mut content = document.text();
                    if document.expand {
                        content = self.scope.expand_document(&content)?;
                    }
                    let (name, content) = (document.name.clone().into_bytes(), content.into_bytes());
                    request.heredocs.push(Heredoc { name, content });
                }
            }
        }
        request.workdir = self.config.working_dir().as_bytes().to_vec();
        request.excludes =
            excludes.iter().map(|text| Ok(self.scope.expand(text)?.into_bytes())).collect::<Result<_>>()?;
        request.instruction = instruction;
        Ok(request)
    }

    fn chmod(&self, text: Option<&str>) -> Result<Option<Chmod>> {
        let Some(text) = text else { return Ok(None) };
        let text = self.scope.expand(text)?;
        Ok(Some(Chmod::parse(&text)?))
    }

    fn chown(&self, text: Option<&str>) -> Result<Option<(u32, u32)>> {
        let Some(text) = text else { return Ok(None) };
        self.owner(&self.scope.expand(text)?).map(Some)
    }

    /// `user[:group]` by name or number, as the stage's own files know it. A number alone is the group's too, as in the
    /// Dockerfile reference ("COPY --chown").
    pub(super) fn owner(&self, text: &str) -> Result<(u32, u32)> {
        if text.is_empty() {
            return Ok((0, 0));
        }
        let (user, group) = text.split_once(':').unwrap_or((text, text));
        if let (Ok(user), Ok(group)) = (user.parse(), group.parse()) {
            return Ok((user, group));
        }
        if self.layers.is_empty() {
            return Err(Error::invalid(format!("unable to find user {user}: there are no files in an empty image")));
        }
        let unknown = |failure: Failure| {
            Error::invalid(failure.message.strip_prefix(PREFIX).unwrap_or(&failure.message).to_owned())
        };
        let view = self.job.host.view(&self.layers)?;
        let who = user::resolve_in(&view, text, &[]).map_err(unknown)?;
        Ok((who.uid, who.gid))
    }
}
