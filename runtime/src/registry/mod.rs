//! Client of image registries (OCI distribution API): resolves names, fetches blobs. Async.
//!
//! What comes from a registry is hostile until its digest is checked. Credentials go to the registry they are for, and
//! to the token realm it announces over https or on its own host, never anywhere else. Everything has a limit: sizes,
//! redirects, tries, waits. It stores nothing: blobs go into a [`Sink`].

mod auth;
mod endpoint;
mod error;
mod fetch;
mod request;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use self::{auth::Token, endpoint::Endpoint};
pub use self::{
    error::Error,
    fetch::{Repository, Sink},
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
    /// Wait before the first retry; doubled each time.
    pub backoff: Duration,
    /// How long nothing, or next to nothing, may come.
    pub stall: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let (backoff, stall) = (Duration::from_millis(500), Duration::from_secs(30));
        Self { mirrors: Vec::new(), insecure: Vec::new(), backoff, stall }
    }
}

/// The client; cheap to clone.
#[derive(Clone, Debug)]
pub struct Client(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: Config,
    strict: OnceLock<Result<reqwest::Client, String>>,
    lax: OnceLock<Result<reqwest::Client, String>>,
    tokens: Mutex<HashMap<auth::TokenKey, Token>>,
    /// The scheme a host that may have either was found to speak.
    plain: Mutex<HashMap<String, bool>>,
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
            strict: OnceLock::new(),
            lax: OnceLock::new(),
            tokens: Mutex::default(),
            plain: Mutex::default(),
        }))
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    fn http(&self, lax: bool) -> Result<&reqwest::Client, Error> {
        let cell = if lax { &self.0.lax } else { &self.0.strict };
        let built = cell.get_or_init(|| {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .tls_danger_accept_invalid_certs(lax)
                .connect_timeout(self.0.config.stall)
                .user_agent(concat!("darsena/", env!("CARGO_PKG_VERSION")))
                .build()
                .map_err(|error| error::root_cause(&error))
        });
        built.as_ref().map_err(|error| Error::Setup(error.clone()))
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
            let repository = Repository::new(self.clone(), endpoint, reference.repository(), auth);
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

    fn keep_token(&self, key: auth::TokenKey, token: Token) {
        let mut tokens = self.0.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, token| token.is_fresh());
        tokens.insert(key, token);
    }

    fn forget_token(&self, key: &auth::TokenKey) {
        self.0.tokens.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    fn known_plain(&self, host: &str) -> Option<bool> {
        self.0.plain.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied()
    }

    fn learn_plain(&self, host: &str, plain: bool) {
        self.0.plain.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned(), plain);
    }
}
