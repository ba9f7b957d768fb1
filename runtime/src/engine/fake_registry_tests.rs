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
    pub path: String,
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
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let asked = Asked::default();
    let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
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
                let path = lines.next().unwrap_or_default().split(' ').nth(1).unwrap_or_default().to_owned();
                let headers = lines.filter_map(|line| line.split_once(": "));
                let headers = headers.map(|(k, v)| (k.to_ascii_lowercase(), v.to_owned())).collect();
                let ask = {
                    let mut log = log.lock().unwrap();
                    let before = log.iter().filter(|ask| ask.path == path).count();
                    log.push(Ask { path, headers, before });
                    log.last().unwrap().clone()
                };
                let reply = answer(&ask);
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
