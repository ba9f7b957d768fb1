//! What ADD and contexts fetch by http and https. The only async file of this room.
//!
//! Names are resolved here and only addresses that a [`Reach`] allows are connected to, for each redirect anew, so a
//! name that changes its mind between the check and the connection gains nothing. Nothing of the environment (proxies,
//! credentials) has a say.

use std::{
    io,
    net::IpAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use reqwest::{
    Response, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header,
};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use super::reach::Reach;
use crate::digest::Digest;

const MAX_REDIRECTS: usize = 10;
const NAMELESS: &str = "download";

/// Something that could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not an address of http or https.
    #[error("{0} is not an http or https address")]
    Address(String),
    /// The address has no name for the file.
    #[error("cannot determine filename from url: {0}")]
    NoName(String),
    /// Builds may not go there.
    #[error("{0} may not be reached by builds")]
    Forbidden(String),
    /// No connection, or it broke.
    #[error("failed to GET {url}: {cause}")]
    Unreachable {
        /// The address.
        url: String,
        /// The innermost cause.
        cause: String,
    },
    /// Another answer than hoped for.
    #[error("failed to GET {url} with status {status}")]
    Status {
        /// The address.
        url: String,
        /// `404 Not Found`.
        status: reqwest::StatusCode,
    },
    /// Redirects without end, to nowhere, or from https to http.
    #[error("{url} redirects {how}")]
    Redirect {
        /// The address.
        url: String,
        /// What is wrong with it.
        how: &'static str,
    },
    /// Nothing came for too long.
    #[error("{url}: nothing came for {} s", after.as_secs())]
    Stalled {
        /// The address.
        url: String,
        /// How long.
        after: Duration,
    },
    /// Too much.
    #[error("{url} is larger than {most} bytes")]
    TooLarge {
        /// The address.
        url: String,
        /// Allowed.
        most: u64,
    },
    /// Other bytes than `--checksum` says.
    #[error("digest mismatch {found}: {wanted}")]
    Checksum {
        /// Asked for.
        wanted: Digest,
        /// Came.
        found: Digest,
    },
    /// The file could not be written.
    #[error("what was fetched can't be written: {0}")]
    Io(#[from] io::Error),
}

impl From<Error> for crate::error::Error {
    fn from(error: Error) -> Self {
        use crate::error::ErrorKind;
        let kind = match &error {
            Error::Address(_) | Error::NoName(_) | Error::Checksum { .. } => ErrorKind::Invalid,
            Error::Forbidden(_) => ErrorKind::Forbidden,
            Error::Unreachable { .. } | Error::Status { .. } | Error::Redirect { .. } | Error::Stalled { .. } => {
                ErrorKind::Upstream
            }
            Error::TooLarge { .. } => ErrorKind::Exhausted,
            Error::Io(source) if source.kind() == io::ErrorKind::StorageFull => ErrorKind::Exhausted,
            Error::Io(_) => ErrorKind::Internal,
        };
        Self::with_source(kind, error.to_string(), error)
    }
}

/// A fetched file.
#[derive(Debug)]
pub struct Fetched {
    /// Where it is.
    pub path: PathBuf,
    /// Its name in the folder: the address's own if it has one.
    pub name: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its length.
    pub size_bytes: u64,
}

/// It is fetched by [`fetch`].
pub fn is_address(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

/// Fetches a file into the folder `dir`, with mode 0600 and the time its server says, else the epoch's start. `named`
/// says that the address must have a name for it. A failure leaves nothing.
pub async fn fetch(
    address: &str,
    dir: &Path,
    named: bool,
    checksum: Option<Digest>,
    reach: &Reach,
) -> Result<Fetched, Error> {
    let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or_else(|| Error::Address(address.to_owned()))?;
    let name = file_name(&url);
    if named && name.is_none() {
        return Err(Error::NoName(shown(&url)));
    }
    let name = name.unwrap_or_else(|| NAMELESS.to_owned());
    let path = dir.join(&name);
    let response = follow(&url, reach).await?;
    let modified = response.headers().get(header::LAST_MODIFIED).and_then(|value| time(value.to_str().ok()?));
    let received = receive(&url, response, &path, reach).await.and_then(|(digest, size_bytes)| {
        if let Some(wanted) = checksum.filter(|wanted| *wanted != digest) {
            return Err(Error::Checksum { wanted, found: digest });
        }
        let file = std::fs::File::open(&path)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        file.set_modified(modified.unwrap_or(SystemTime::UNIX_EPOCH))?;
        Ok((digest, size_bytes))
    });
    match received {
        Ok((digest, size_bytes)) => Ok(Fetched { path, name, digest, size_bytes }),
        Err(error) => {
            let _ = std::fs::remove_file(&path);
            Err(error)
        }
    }
}

/// The last part of the address's path, decoded.
fn file_name(url: &Url) -> Option<String> {
    let last = url.path().rsplit('/').next()?;
    let mut bytes = Vec::new();
    let mut rest = last.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        if let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(|_| *first == b'%') {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    let name = name.rsplit('/').next()?;
    (!matches!(name, "" | "." | "..") && !name.contains('\0') && name.len() < 256).then(|| name.to_owned())
}

/// `Wed, 21 Oct 2015 07:28:00 GMT`.
fn time(text: &str) -> Option<SystemTime> {
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(SystemTime::from(zoned.timestamp()))
}

/// Without credentials.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    if !url.username().is_empty() || url.password().is_some() {
        let _ = url.set_username("");
        let _ = url.set_password(None);
    }
    url.to_string()
}

/// Gives addresses that may be connected to, and no others.
struct Allowed(Reach);

impl Resolve for Allowed {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let allowed = reach.filter(&host, found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

async fn follow(start: &Url, reach: &Reach) -> Result<Response, Error> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Allowed(*reach))
        .connect_timeout(reach.stall)
        .user_agent(concat!("darsena/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| Error::Unreachable { url: shown(start), cause: cause(&error) })?;
    let mut url = start.clone();
    for _ in 0..=MAX_REDIRECTS {
        // An address in place of a name is connected to without being resolved.
        let host = url.host_str().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        if literal.is_ok_and(|address| !reach.allows(address)) {
            return Err(Error::Forbidden(host.to_owned()));
        }
        let response = match tokio::time::timeout(reach.stall, client.get(url.clone()).send()).await {
            Err(_) => return Err(Error::Stalled { url: shown(&url), after: reach.stall }),
            Ok(Err(error)) if is_refusal(&error) => return Err(Error::Forbidden(host.to_owned())),
            Ok(Err(error)) => return Err(Error::Unreachable { url: shown(&url), cause: cause(&error) }),
            Ok(Ok(response)) => response,
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if !status.is_redirection() {
            return Err(Error::Status { url: shown(&url), status });
        }
        let refused = |how| Error::Redirect { url: shown(&url), how };
        let target = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
        let next = target.and_then(|to| url.join(to).ok()).ok_or_else(|| refused("to nowhere"))?;
        if !matches!((url.scheme(), next.scheme()), ("https", "https") | ("http", "http" | "https")) {
            return Err(refused("to something less safe than https"));
        }
        url = next;
    }
    Err(Error::Redirect { url: shown(start), how: "too often" })
}

/// The resolver refused.
fn is_refusal(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn cause(error: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(below) = deepest.source() {
        deepest = below;
    }
    deepest.to_string()
}

async fn receive(url: &Url, mut response: Response, path: &Path, reach: &Reach) -> Result<(Digest, u64), Error> {
    let too_large = || Error::TooLarge { url: shown(url), most: reach.most_bytes };
    if response.content_length().is_some_and(|length| length > reach.most_bytes) {
        return Err(too_large());
    }
    let mut file = tokio::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).await?;
    let mut hash = Sha256::new();
    let mut size = 0;
    loop {
        let chunk = match tokio::time::timeout(reach.stall, response.chunk()).await {
            Err(_) => return Err(Error::Stalled { url: shown(url), after: reach.stall }),
            Ok(chunk) => chunk.map_err(|error| Error::Unreachable { url: shown(url), cause: cause(&error) })?,
        };
        let Some(chunk) = chunk else { break };
        size += chunk.len() as u64;
        if size > reach.most_bytes {
            return Err(too_large());
        }
        hash.update(&chunk);
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    Ok((Digest::from_hash(hash), size))
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
