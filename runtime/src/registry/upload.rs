//! Giving to a repository: blobs mounted from a neighbour or uploaded, manifests.
//!
//! A small blob goes up in one PUT. A larger one goes in PATCH requests: when a connection breaks, the registry is asked
//! how far it got, and the upload goes on there.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use reqwest::{
    Body, Method, Response, StatusCode, Url,
    header::{self, HeaderMap, HeaderValue},
};

use super::{
    Error, Repository,
    fetch::{PROGRESS_BYTES, TRIES},
    request::{Call, Sent, To, location, safe},
};
use crate::{digest::Digest, oci::Descriptor};

/// Up to here a blob goes up in one request.
const MONOLITHIC_BYTES: u64 = 4 << 20;
/// Proxies refuse bodies without measure.
const CHUNK_BYTES: u64 = 1 << 30;
const READ_BYTES: u64 = 256 << 10;

/// A blob to be uploaded; cheap to clone.
#[derive(Clone, Debug)]
pub struct Source {
    file: Arc<File>,
    digest: Digest,
    size: u64,
}

impl Source {
    /// A blob's whole file.
    pub fn new(file: File, digest: Digest, size: u64) -> Self {
        Self { file: Arc::new(file), digest, size }
    }

    /// A part of it as a body, read as the connection takes it.
    fn body(&self, from: u64, len: u64, taken: &Arc<AtomicU64>, progress: &Told) -> Body {
        let (file, taken, progress, end) =
            (Arc::clone(&self.file), Arc::clone(taken), Arc::clone(progress), from + len);
        let stream = futures_util::stream::try_unfold(from, move |at| {
            // Asked for the next part: the part before was taken.
            taken.store(at - from, Ordering::Relaxed);
            progress(at);
            let file = Arc::clone(&file);
            async move {
                let want = READ_BYTES.min(end - at) as usize;
                if want == 0 {
                    return Ok(None);
                }
                let read = tokio::task::spawn_blocking(move || {
                    let mut buffer = vec![0; want];
                    file.read_exact_at(&mut buffer, at).map(|()| Bytes::from(buffer))
                });
                let bytes = read.await.map_err(io::Error::other)??;
                let next = at + bytes.len() as u64;
                Ok::<_, io::Error>(Some((bytes, next)))
            }
        });
        Body::wrap_stream(stream)
    }
}

/// Told how many bytes have gone.
pub type Told = Arc<dyn Fn(u64) + Send + Sync>;

/// How a blob came to be in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// It was there.
    Exists,
    /// The registry took it from this repository of its own.
    Mounted(String),
    /// It was uploaded.
    Uploaded,
}

/// An upload in progress: where it goes on, and what has come there.
struct Upload {
    at: Url,
    offset: u64,
    chunk: u64,
}

enum Begun {
    Mounted,
    Upload(Upload),
}

impl Repository {
    /// Puts a blob into this repository unless it is there. `neighbours` are repositories of the same registry that may
    /// have it.
    pub async fn put_blob(&self, source: &Source, neighbours: &[String], progress: Told) -> Result<Put, Error> {
        if self.retried(async || self.has_blob(source).await).await? {
            return Ok(Put::Exists);
        }
        let mut begun = None;
        for from in neighbours {
            match self.begin(source, Some(from)).await {
                Ok(Begun::Mounted) => return Ok(Put::Mounted(from.clone())),
                // It doesn't mount: the upload it began instead is gone on with.
                Ok(Begun::Upload(upload)) => {
                    begun = Some(upload);
                    break;
                }
                Err(error) => tracing::debug!(%error, from, "a blob could not be mounted"),
            }
        }
        let (mut tries, mut best) = (1, 0);
        loop {
            let error = match self.upload(source, &mut begun, &progress).await {
                Ok(()) => return Ok(Put::Uploaded),
                Err(error) => error,
            };
            // What moves on may break often.
            let offset = begun.as_ref().map_or(0, |upload| upload.offset);
            if offset > best + PROGRESS_BYTES {
                (tries, best) = (1, offset);
            }
            if tries >= TRIES || !self.may_pass(&error) {
                return Err(error);
            }
            tracing::debug!(digest = %source.digest, %error, "an upload broke off");
            tokio::time::sleep(self.pause(tries, &error)).await;
            tries += 1;
            if let Some(upload) = begun.take() {
                begun = self.how_far(upload, source).await;
            }
        }
    }

    async fn has_blob(&self, source: &Source) -> Result<bool, Error> {
        let path = format!("blobs/{}", source.digest);
        let call = Call { also: &[404], ..Call::new("blob", Method::HEAD, To::Path(&path)) };
        let response = self.send(&call).await?;
        let length = response.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        Ok(response.status().is_success() && length.is_none_or(|length| length == source.size))
    }

    /// Begins an upload; with `from`, asks for a mount instead.
    async fn begin(&self, source: &Source, from: Option<&str>) -> Result<Begun, Error> {
        let path = match from {
            Some(from) => format!("blobs/uploads/?mount={}&from={from}", source.digest),
            None => "blobs/uploads/".to_owned(),
        };
        let call = Call { from, ..Call::new("upload", Method::POST, To::Path(&path)) }.empty();
        let response = self.send(&call).await?;
        match response.status() {
            StatusCode::CREATED if from.is_some() => Ok(Begun::Mounted),
            StatusCode::ACCEPTED => {
                let least = response.headers().get("oci-chunk-min-length").and_then(|v| v.to_str().ok()?.parse().ok());
                let chunk = self.client.config().chunk.unwrap_or(CHUNK_BYTES).max(least.unwrap_or(0));
                Ok(Begun::Upload(Upload { at: self.next(&response)?, offset: 0, chunk }))
            }
            _ => Err(self.unexpected("upload", &response)),
        }
    }

    fn next(&self, response: &Response) -> Result<Url, Error> {
        let host = self.endpoint.host.clone();
        let to = location(response).ok_or(Error::Redirect { host, why: "it doesn't say where an upload goes" })?;
        safe(response.url(), to)
    }

    fn unexpected(&self, step: &'static str, response: &Response) -> Error {
        let (host, status) = (self.endpoint.host.clone(), response.status());
        Error::Status { host, step, status, detail: String::new(), retry_after: None }
    }

    /// From where it stands to its end. After an error `begun` says what is known of the upload.
    async fn upload(&self, source: &Source, begun: &mut Option<Upload>, progress: &Told) -> Result<(), Error> {
        let upload = match begun {
            Some(upload) => upload,
            None => match self.begin(source, None).await? {
                Begun::Upload(upload) => begun.insert(upload),
                Begun::Mounted => return Ok(()),
            },
        };
        if source.size > MONOLITHIC_BYTES || upload.offset > 0 {
            while upload.offset < source.size {
                let len = upload.chunk.max(1).min(source.size - upload.offset);
                let response =
                    self.send_part(Method::PATCH, &upload.at, source, (upload.offset, len), progress).await?;
                if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
                    let cause = "it refuses to go on with an upload".to_owned();
                    return Err(Error::Broken { host: self.endpoint.host.clone(), cause });
                }
                upload.at = self.next(&response)?;
                // A registry may have taken less than it was sent; it may not have more.
                let taken = received(response.headers()).unwrap_or(upload.offset + len);
                if taken <= upload.offset || taken > upload.offset + len {
                    let cause = "it lost count of an upload".to_owned();
                    return Err(Error::Broken { host: self.endpoint.host.clone(), cause });
                }
                upload.offset = taken;
            }
        }
        let mut last = upload.at.clone();
        last.query_pairs_mut().append_pair("digest", &source.digest.to_string());
        let rest = (upload.offset, source.size - upload.offset);
        let response = self.send_part(Method::PUT, &last, source, rest, progress).await?;
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            return Err(self.unexpected("upload", &response));
        }
        let digest = response.headers().get("docker-content-digest").and_then(|v| v.to_str().ok()?.parse().ok());
        match digest {
            Some(found) if found != source.digest => {
                Err(Error::Stored { host: self.endpoint.host.clone(), wanted: source.digest, found })
            }
            _ => Ok(()),
        }
    }

    async fn send_part(
        &self,
        method: Method,
        to: &Url,
        source: &Source,
        (from, len): (u64, u64),
        progress: &Told,
    ) -> Result<Response, Error> {
        let taken = Arc::new(AtomicU64::new(0));
        let make = || source.body(from, len, &taken, progress);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        if method == Method::PATCH {
            let range = format!("{from}-{}", from + len - 1);
            headers.insert(header::CONTENT_RANGE, HeaderValue::from_str(&range).expect("plain text"));
        }
        let body = Some(Sent { make: &make, len, taken: &taken });
        self.send(&Call { headers, body, ..Call::new("upload", method, To::Url(to)) }).await
    }

    /// How much of a broken-off upload the registry has; none when it is to be begun again.
    async fn how_far(&self, upload: Upload, source: &Source) -> Option<Upload> {
        let call = Call { also: &[404], ..Call::new("upload", Method::GET, To::Url(&upload.at)) };
        let response = self.retried(async || self.send(&call).await).await.ok()?;
        if response.status() != StatusCode::NO_CONTENT {
            return None;
        }
        let offset = received(response.headers()).filter(|offset| *offset <= source.size)?;
        let at = location(&response).and_then(|to| safe(response.url(), to).ok()).unwrap_or(upload.at);
        Some(Upload { at, offset, chunk: upload.chunk })
    }

    /// Puts a manifest under a tag or its digest.
    pub async fn put_manifest(&self, name: &str, descriptor: &Descriptor, bytes: &[u8]) -> Result<(), Error> {
        let path = format!("manifests/{name}");
        let (bytes, taken) = (Bytes::copy_from_slice(bytes), AtomicU64::new(0));
        let make = || Body::from(bytes.clone());
        let wrong = |_| Error::Setup("a manifest's media type can't be sent".to_owned());
        let media_type = HeaderValue::from_str(&descriptor.media_type).map_err(wrong)?;
        let response = self
            .retried(async || {
                let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, media_type.clone())]);
                let body = Some(Sent { make: &make, len: bytes.len() as u64, taken: &taken });
                self.send(&Call { headers, body, ..Call::new("manifest", Method::PUT, To::Path(&path)) }).await
            })
            .await?;
        let found = response.headers().get("docker-content-digest").and_then(|v| v.to_str().ok()?.parse().ok());
        match found {
            Some(found) if found != descriptor.digest => {
                Err(Error::Stored { host: self.endpoint.host.clone(), wanted: descriptor.digest, found })
            }
            _ => Ok(()),
        }
    }
}

impl Call<'_> {
    /// Registries and proxies want to be told that there is no body.
    fn empty(mut self) -> Self {
        self.headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        self
    }
}

/// `Range: 0-99` means that 100 bytes have come; `0-0` is said for none as well as for one, and read as none.
fn received(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(header::RANGE)?.to_str().ok()?;
    let (from, to) = range.trim_start_matches("bytes=").split_once('-')?;
    let to = to.trim().parse::<u64>().ok()?;
    (from.trim() == "0").then_some(if to == 0 { 0 } else { to + 1 })
}
