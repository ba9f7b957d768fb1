//! A registry in this process, on loopback, that does what a test wants.
#![allow(clippy::unwrap_used)]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::tests::Sample;
use crate::digest::Digest;

/// What was asked.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: String,
    pub path: String,
    pub body: Vec<u8>,
    pub headers: HashMap<String, String>,
    /// How often this path was asked before.
    pub before: usize,
}

impl Ask {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Close after so many bytes of the body.
    pub cut: Option<usize>,
    /// Say nothing more and keep the connection after the cut.
    pub hang: bool,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), cut: None, hang: false }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

pub type Asked = Arc<Mutex<Vec<Ask>>>;

/// A registry on loopback: its `host:port`, and what it was asked.
pub async fn serve(answer: impl Fn(&Ask) -> Reply + Send + Sync + 'static) -> (String, Asked) {
    serve_cut(|_| None, answer).await
}

/// As [`serve`]; where `cut` says so, it hangs up after so many bytes of the request's body. The answer is made, but not
/// sent.
pub async fn serve_cut(
    cut: impl Fn(&Ask) -> Option<usize> + Send + Sync + 'static,
    answer: impl Fn(&Ask) -> Reply + Send + Sync + 'static,
) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let asked = Asked::default();
    let (log, answer, cut) = (Arc::clone(&asked), Arc::new(answer), Arc::new(cut));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (log, answer, cut) = (Arc::clone(&log), Arc::clone(&answer), Arc::clone(&cut));
            tokio::spawn(async move {
                let mut read = Vec::new();
                while !read.ends_with(b"\r\n\r\n") {
                    // A client that tries TLS first: nothing is understood.
                    if read.first() == Some(&0x16) {
                        return;
                    }
                    match socket.read_u8().await {
                        Ok(byte) => read.push(byte),
                        Err(_) => return,
                    }
                }
                let text = String::from_utf8_lossy(&read).into_owned();
                let mut lines = text.lines();
                let mut words = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
                let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                let headers = lines.filter_map(|line| line.split_once(": "));
                let headers: HashMap<_, _> = headers.map(|(k, v)| (k.to_ascii_lowercase(), v.to_owned())).collect();
                let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
                let mut ask = {
                    let mut log = log.lock().unwrap();
                    let before = log.iter().filter(|ask| ask.path == path).count();
                    log.push(Ask { method, path, headers, before, body: Vec::new() });
                    log.last().unwrap().clone()
                };
                let cut = cut(&ask);
                ask.body = vec![0; cut.unwrap_or(length).min(length)];
                if socket.read_exact(&mut ask.body).await.is_err() {
                    return;
                }
                let reply = answer(&ask);
                if cut.is_some() {
                    return;
                }
                let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", reply.status);
                if !reply.headers.iter().any(|(name, _)| name == "Content-Length") {
                    head.push_str(&["Content-Length: ", &reply.body.len().to_string(), "\r\n"].concat());
                }
                for (name, value) in &reply.headers {
                    head.push_str(&[name, ": ", value, "\r\n"].concat());
                }
                let sent = &reply.body[..reply.cut.unwrap_or(reply.body.len())];
                let _ = socket.write_all(&[head.as_bytes(), b"\r\n", sent].concat()).await;
                if reply.hang {
                    let _ = socket.read_u8().await;
                }
            });
        }
    });
    (host, asked)
}

/// A registry that takes what it is given, one request after the other.
#[derive(Debug, Default)]
pub struct Shelf {
    /// By repository and digest.
    pub blobs: HashMap<(String, String), Vec<u8>>,
    /// By repository and tag: content type and bytes.
    pub manifests: HashMap<(String, String), (String, Vec<u8>)>,
    uploads: Vec<Vec<u8>>,
}

impl Shelf {
    pub fn answer(&mut self, ask: &Ask) -> Reply {
        let (path, query) = ask.path.split_once('?').unwrap_or((&ask.path, ""));
        let path = path.strip_prefix("/v2/").unwrap_or_default();
        let query: HashMap<&str, &str> = query.split('&').filter_map(|part| part.split_once('=')).collect();
        if let Some((repository, tag)) = path.split_once("/manifests/") {
            let kind = ask.header("content-type").to_owned();
            self.manifests.insert((repository.to_owned(), tag.to_owned()), (kind, ask.body.clone()));
            return Reply::new(201, "").with("Docker-Content-Digest", Digest::of(&ask.body).to_string());
        }
        if let Some((repository, upload)) = path.split_once("/blobs/uploads/") {
            if ask.method == "POST" {
                let known = query.get("mount").zip(query.get("from"));
                let known = known.map(|(digest, from)| ((*from).to_owned(), (*digest).to_owned()));
                if let Some(bytes) = known.as_ref().and_then(|key| self.blobs.get(key)).cloned() {
                    self.blobs.insert((repository.to_owned(), known.unwrap().1), bytes);
                    return Reply::new(201, "");
                }
                self.uploads.push(Vec::new());
                return self.upload(repository, self.uploads.len() - 1, 202);
            }
            let number: usize = upload.parse().unwrap();
            let start = ask.header("content-range").split_once('-').map(|(start, _)| start.parse().unwrap());
            match ask.method.as_str() {
                "GET" => return self.upload(repository, number, 204),
                _ if start.is_some_and(|start: usize| start != self.uploads[number].len()) => {
                    return Reply::new(416, "");
                }
                "PATCH" => {
                    self.uploads[number].extend(&ask.body);
                    return self.upload(repository, number, 202);
                }
                _ => {}
            }
            self.uploads[number].extend(&ask.body);
            let (digest, found) = (query["digest"].replace("%3A", ":"), Digest::of(&self.uploads[number]).to_string());
            if digest != found {
                return Reply::new(
                    400,
                    r#"{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match"}]}"#,
                );
            }
            self.blobs.insert((repository.to_owned(), digest), self.uploads[number].clone());
            return Reply::new(201, "").with("Docker-Content-Digest", found);
        }
        let (repository, digest) = path.split_once("/blobs/").unwrap_or_default();
        match self.blobs.get(&(repository.to_owned(), digest.to_owned())) {
            Some(blob) => Reply { cut: Some(0), ..Reply::new(200, blob.clone()) },
            None => Reply::new(404, ""),
        }
    }

    fn upload(&self, repository: &str, number: usize, status: u16) -> Reply {
        let reply = Reply::new(status, "").with("Location", format!("/v2/{repository}/blobs/uploads/{number}"));
        let reply = if status == 204 { reply.with("Content-Length", "0") } else { reply };
        reply.with("Range", format!("0-{}", self.uploads[number].len().saturating_sub(1)))
    }
}

/// An honest registry of one image, with ranges.
pub fn honest(sample: &Sample, ask: &Ask) -> Reply {
    let (_, rest) = ask.path.rsplit_once("/manifests/").or(ask.path.rsplit_once("/blobs/")).unwrap_or(("", "none"));
    if rest == "1" || rest == Digest::of(&sample.manifest).to_string() {
        return Reply::new(200, sample.manifest.clone());
    }
    let mut blobs = sample.blobs.iter().chain([&sample.config]);
    let Some(blob) = blobs.find(|blob| Digest::of(blob).to_string() == rest) else {
        return Reply::new(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#);
    };
    match ask.header("range").strip_prefix("bytes=").and_then(|range| range.strip_suffix('-')) {
        Some(start) => {
            let start: usize = start.parse().unwrap();
            let range = format!("bytes {start}-{}/{}", blob.len() - 1, blob.len());
            Reply::new(206, blob[start..].to_vec()).with("Content-Range", range)
        }
        None => Reply::new(200, blob.clone()),
    }
}
