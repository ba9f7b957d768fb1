//! Client of image registries (OCI distribution API): resolves names, fetches and uploads blobs. Async.
//!
//! One request, with what it takes to be let in, is in `request`; who we are and whom we trust in `auth` and `connect`;
//! getting in `fetch`, giving in `upload`, lists and logging in in `ask`.
//!
//! What comes from a registry is hostile until its digest is checked. Credentials go to the registry they are for, and
//! to the token realm it announces over https or on its own host, never anywhere else. Everything has a limit: sizes,
//! redirects, tries, waits. It stores nothing: blobs go into a [`Sink`] and come from a [`Source`].

mod ask;
mod auth;
mod connect;
mod endpoint;
mod error;
mod fetch;
mod request;
mod upload;

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use self::{auth::Token, connect::Clients, endpoint::Endpoint};
pub use self::{
    error::Error,
    fetch::{Repository, Sink},
    upload::{Put, Source, Told},
};
use crate::{
    digest::Digest,
    oci::{self, Document, Manifest, Platform},
    reference::Reference,
    request::RegistryAuth,
};

/// Indexes that may point to indexes.
const MAX_INDEX_DEPTH: usize = 3;

/// How registries are reached.
#[derive(Clone, Debug)]
pub struct Config {
    /// Base addresses asked before Docker Hub, in order.
    pub mirrors: Vec<String>,
    /// `host[:port]` with plain http or certificates nobody vouches for; loopback always is.
    pub insecure: Vec<String>,
    /// Folders with certificates by host, as in `/etc/docker/certs.d`.
    pub certificates: Vec<PathBuf>,
    /// Bytes one request uploads at most.
    pub chunk: Option<u64>,
    /// Wait before the first retry; doubled each time.
    pub backoff: Duration,
    /// How long nothing, or next to nothing, may come.
    pub stall: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let (backoff, stall) = (Duration::from_millis(500), Duration::from_secs(30));
        Self { mirrors: Vec::new(), insecure: Vec::new(), certificates: Vec::new(), chunk: None, backoff, stall }
    }
}

/// The client; cheap to clone.
#[derive(Clone, Debug)]
pub struct Client(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: Config,
    clients: Clients,
    /// Origins that want name and password with each request.
    basic: Mutex<HashSet<String>>,
    tokens: Mutex<HashMap<auth::TokenKey, Token>>,
    /// The scheme a host that may have either was found to speak.
    plain: Mutex<HashMap<String, bool>>,
}

/// What is to be done with a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Only read.
    Pull,
    /// Read and write.
    Push,
}

/// What a name points to.
#[derive(Debug)]
pub struct Resolved {
    /// Where its blobs are fetched from.
    pub repository: Repository,
    /// Digest of what the name itself points to.
    pub digest: Digest,
    /// The chosen image.
    pub manifest: Manifest,
    /// Raw documents: the manifest, then the indexes that led to it.
    pub documents: Vec<Vec<u8>>,
}

impl Client {
    /// A client; makes no connection.
    pub fn new(config: Config) -> Self {
        // Fails when a provider is there already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self(Arc::new(Shared {
            config,
            clients: Clients::default(),
            basic: Mutex::default(),
            tokens: Mutex::default(),
            plain: Mutex::default(),
        }))
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    fn http(&self, host: &str, lax: bool) -> Result<reqwest::Client, Error> {
        self.0.clients.get(host, lax, &self.0.config)
    }

    /// The repository at its own registry, no mirror.
    pub fn repository(&self, reference: &Reference, purpose: Purpose, auth: Option<RegistryAuth>) -> Repository {
        self.at(Endpoint::itself(reference.host(), &self.0.config), Some(reference.repository()), purpose, auth)
    }

    fn at(
        &self,
        endpoint: Endpoint,
        name: Option<Reference>,
        purpose: Purpose,
        auth: Option<RegistryAuth>,
    ) -> Repository {
        Repository { client: self.clone(), endpoint, name, auth, purpose, reached: Arc::default() }
    }

    /// Finds the image a name means for this platform, at the mirrors first where they count.
    pub async fn resolve(
        &self,
        reference: &Reference,
        platform: &Platform,
        auth: Option<&RegistryAuth>,
    ) -> Result<Resolved, Error> {
        let mut last = None;
        for endpoint in Endpoint::of(reference.host(), &self.0.config) {
            let auth = if endpoint.mirror { None } else { auth.cloned() };
            let repository = self.at(endpoint, Some(reference.repository()), Purpose::Pull, auth);
            match self.resolve_at(repository, reference, platform).await {
                Ok(resolved) => return Ok(resolved),
                Err(error) => {
                    if let Some(failed) = last.replace(error) {
                        tracing::info!(%reference, error = %failed, "an endpoint failed, the next is tried");
                    }
                }
            }
        }
        Err(last.unwrap_or_else(|| Error::Setup("no endpoint".to_owned())))
    }

    async fn resolve_at(
        &self,
        repository: Repository,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<Resolved, Error> {
        let (digest, raw) = repository.manifest(reference).await?;
        let mut documents = vec![raw];
        let manifest = loop {
            match Document::parse(&documents[0])? {
                Document::Manifest(manifest) => break manifest,
                Document::Index(_) if documents.len() > MAX_INDEX_DEPTH => {
                    return Err(Error::Document(oci::Error::Unsupported("indexes are nested too deeply".to_owned())));
                }
                Document::Index(index) => {
                    let chosen = index.choose(platform).ok_or_else(|| Error::NoPlatform(platform.clone()))?;
                    let (_, raw) = repository.manifest(&reference.at(chosen.digest)).await?;
                    documents.insert(0, raw);
                }
            }
        };
        Ok(Resolved { repository, digest, manifest, documents })
    }

    fn cached_token(&self, key: &auth::TokenKey) -> Option<String> {
        let tokens = self.0.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(key).filter(|token| token.is_fresh()).map(|token| token.text.clone())
    }

    fn identity(&self, key: &auth::TokenKey) -> Option<String> {
        let tokens = self.0.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(key).and_then(|token| token.identity.clone())
    }

    fn keep_token(&self, key: auth::TokenKey, token: Token) {
        let mut tokens = self.0.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, token| token.is_fresh());
        tokens.insert(key, token);
    }

    fn forget_token(&self, key: &auth::TokenKey) {
        self.0.tokens.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    fn is_basic(&self, origin: &str) -> bool {
        self.0.basic.lock().unwrap_or_else(PoisonError::into_inner).contains(origin)
    }

    fn learn_basic(&self, origin: &str) {
        self.0.basic.lock().unwrap_or_else(PoisonError::into_inner).insert(origin.to_owned());
    }

    fn known_plain(&self, host: &str) -> Option<bool> {
        self.0.plain.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied()
    }

    fn learn_plain(&self, host: &str, plain: bool) {
        self.0.plain.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned(), plain);
    }
}
