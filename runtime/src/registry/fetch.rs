//! One repository at one endpoint: manifests whole, blobs streamed, with retries.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::StreamExt as _;
use reqwest::{
    StatusCode,
    header::{self, HeaderMap, HeaderValue},
};
use tokio::sync::mpsc;

use super::{
    Client, Endpoint, Error, Purpose,
    error::root_cause,
    request::{MIN_BYTES_PER_SECOND, read_capped},
};
use crate::{
    digest::Digest,
    oci::{ACCEPT_MANIFESTS, Descriptor, MAX_MANIFEST_BYTES},
    reference::Reference,
    request::RegistryAuth,
};

pub(super) const TRIES: u32 = 5;
/// Connections that bring this much may break as often as they like.
pub(super) const PROGRESS_BYTES: u64 = 1 << 20;
const MAX_BACKOFF: Duration = Duration::from_secs(8);
/// Chunks on their way to the disk; when full the network waits. One may have some hundred KiB, and each blob has these.
const CHUNKS: usize = 16;

/// Where a blob goes. Sync: it is used from a thread that may wait for the disk.
pub trait Sink: Send + 'static {
    /// Bytes that are there already.
    fn offset(&self) -> u64;
    /// The next bytes; too many are an error.
    fn write(&mut self, bytes: &[u8]) -> crate::error::Result<()>;
    /// Forgets what came.
    fn restart(&mut self) -> crate::error::Result<()>;
}

/// One repository at one endpoint.
#[derive(Clone, Debug)]
pub struct Repository {
    pub(super) client: Client,
    pub(super) endpoint: Endpoint,
    /// None is the registry itself.
    pub(super) name: Option<Reference>,
    pub(super) auth: Option<RegistryAuth>,
    pub(super) purpose: Purpose,
    /// It has answered.
    pub(super) reached: Arc<AtomicBool>,
}

impl Repository {
    pub(super) async fn retried<T, F: Future<Output = Result<T, Error>>>(
        &self,
        mut work: impl FnMut() -> F,
    ) -> Result<T, Error> {
        let mut tries = 1;
        loop {
            match work().await {
                Err(error) if tries < TRIES && self.may_pass(&error) => {
                    tokio::time::sleep(self.pause(tries, &error)).await;
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    /// Trying again may help. A registry that has answered and can't be reached now may be starting anew.
    pub(super) fn may_pass(&self, error: &Error) -> bool {
        let gone = matches!(error, Error::Unreachable { .. });
        error.is_transient() || (gone && self.reached.load(Ordering::Relaxed))
    }

    /// What the registry asked for, or twice as long each time.
    pub(super) fn pause(&self, tries: u32, error: &Error) -> Duration {
        match error {
            Error::Status { retry_after: Some(pause), .. } => *pause,
            _ => (self.client.config().backoff * 2_u32.pow(tries - 1)).min(MAX_BACKOFF),
        }
    }

    /// A manifest or index by tag or digest, its digest checked.
    pub async fn manifest(&self, reference: &Reference) -> Result<(Digest, Vec<u8>), Error> {
        let wanted = reference.digest();
        let name = wanted.map_or_else(|| reference.tag().unwrap_or("latest").to_owned(), |digest| digest.to_string());
        let path = format!("manifests/{name}");
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_str(&ACCEPT_MANIFESTS.join(", ")).expect("plain text"));
        let (announced, body) = self
            .retried(async || {
                let response = self.get("manifest", &path, &headers).await?;
                let announced = response.headers().get("docker-content-digest").and_then(|v| v.to_str().ok());
                let announced = announced.and_then(|text| text.parse::<Digest>().ok());
                let (host, stall) = (&self.endpoint.host, self.client.config().stall);
                Ok((announced, read_capped(response, "a manifest", MAX_MANIFEST_BYTES, host, stall).await?))
            })
            .await?;
        let found = Digest::of(&body);
        match wanted.or(announced) {
            Some(wanted) if wanted != found => {
                Err(Error::ManifestDigest { host: self.endpoint.host.clone(), wanted, found })
            }
            _ => Ok((found, body)),
        }
    }

    /// Fetches a blob, going on where a broken connection left off. `progress` gets the bytes so far.
    pub async fn blob<S: Sink>(&self, descriptor: &Descriptor, sink: S, progress: impl Fn(u64)) -> Result<S, Error> {
        let mut sink = sink;
        let (mut tries, mut best) = (1, sink.offset());
        loop {
            let (back, result) = self.blob_once(descriptor, sink, &progress).await?;
            sink = back;
            if sink.offset() > best + PROGRESS_BYTES {
                (tries, best) = (1, sink.offset());
            }
            match result {
                Ok(()) => return Ok(sink),
                Err(error) if tries < TRIES && self.may_pass(&error) => {
                    tracing::debug!(digest = %descriptor.digest, at = sink.offset(), %error, "a fetch broke off");
                    tokio::time::sleep(self.pause(tries, &error)).await;
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The outer error means that the sink is lost, the inner one that it can go on.
    async fn blob_once<S: Sink>(
        &self,
        descriptor: &Descriptor,
        mut sink: S,
        progress: &impl Fn(u64),
    ) -> Result<(S, Result<(), Error>), Error> {
        if sink.offset() == descriptor.size {
            return Ok((sink, Ok(())));
        }
        let mut headers = HeaderMap::new();
        if sink.offset() > 0 {
            let range = format!("bytes={}-", sink.offset());
            headers.insert(header::RANGE, HeaderValue::from_str(&range).expect("plain text"));
        }
        let response = match self.get("blob", &format!("blobs/{}", descriptor.digest), &headers).await {
            Ok(response) => response,
            Err(error) => return Ok((sink, Err(error))),
        };
        let host = super::request::shown_host(response.url());
        let starts_at = match response.status() {
            StatusCode::PARTIAL_CONTENT => range_start(response.headers()),
            StatusCode::RANGE_NOT_SATISFIABLE => {
                sink.restart().map_err(Error::Store)?;
                let cause = "it refuses to go on with a blob".to_owned();
                return Ok((sink, Err(Error::Broken { host, cause })));
            }
            _ => Some(0),
        };
        if starts_at != Some(sink.offset()) {
            sink.restart().map_err(Error::Store)?;
            if starts_at != Some(0) {
                let cause = "it sent another part of a blob than asked for".to_owned();
                return Ok((sink, Err(Error::Broken { host, cause })));
            }
        }
        if let Some(length) = response.content_length()
            && sink.offset().saturating_add(length) > descriptor.size
        {
            let found = sink.offset().saturating_add(length);
            return Err(Error::BlobSize { host, digest: descriptor.digest, found, wanted: descriptor.size });
        }
        let mut at = sink.offset();
        let (sender, mut receiver) = mpsc::channel::<Bytes>(CHUNKS);
        let writing = tokio::task::spawn_blocking(move || {
            while let Some(bytes) = receiver.blocking_recv() {
                sink.write(&bytes)?;
            }
            Ok(sink)
        });
        let stall = self.client.config().stall;
        let mut chunks = response.bytes_stream();
        let (mut window, mut window_bytes) = (Instant::now(), 0);
        let received = loop {
            let chunk = match tokio::time::timeout(stall, chunks.next()).await {
                Err(_) => break Err(Error::Stalled { host, after: stall }),
                Ok(Some(Err(error))) => break Err(Error::Broken { host, cause: root_cause(&error) }),
                Ok(None) if at < descriptor.size => {
                    break Err(Error::Broken { host, cause: "unexpected EOF".to_owned() });
                }
                Ok(None) => break Ok(()),
                Ok(Some(Ok(chunk))) => chunk,
            };
            at += chunk.len() as u64;
            window_bytes += chunk.len() as u64;
            if window.elapsed() >= stall {
                if window_bytes < MIN_BYTES_PER_SECOND * stall.as_secs().max(1) {
                    break Err(Error::Stalled { host, after: stall });
                }
                (window, window_bytes) = (Instant::now(), 0);
            }
            if sender.send(chunk).await.is_err() {
                break Ok(()); // the writer has failed and says why below
            }
            progress(at);
        };
        drop(sender);
        let sink = writing.await.map_err(|error| Error::Setup(error.to_string()))?.map_err(Error::Store)?;
        Ok((sink, received))
    }
}

/// `Content-Range: bytes 100-199/200`.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    range.split_once('-')?.0.trim().parse().ok()
}
