//! The few calls of the Docker API that builds need, over the socket. HTTP/1.0: the answer ends where the connection does.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::PathBuf,
};

use harness::Darsena;
use serde_json::Value;

/// A server's API.
pub struct Api(PathBuf);

/// How a build ended.
#[derive(Default)]
pub struct Built {
    /// What was told.
    pub said: String,
    /// Why it failed.
    pub error: Option<String>,
    /// The image's id.
    pub id: Option<String>,
}

impl Api {
    /// That of this server.
    pub fn new(darsena: &Darsena) -> Self {
        Self(darsena.socket())
    }

    fn call(&self, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut stream = UnixStream::connect(&self.0).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/x-tar\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        // It may answer before it has read everything.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an HTTP answer");
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, answer.split_off(end + 4))
    }

    /// `docker load`.
    pub fn load(&self, archive: &[u8]) {
        let (status, answer) = self.call("POST", "/images/load", archive);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    }

    /// `docker save`.
    pub fn save(&self, image: &str) -> Vec<u8> {
        let (status, answer) = self.call("GET", &format!("/images/{image}/get"), b"");
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        answer
    }

    /// `docker rmi -f`.
    pub fn remove(&self, image: &str) {
        self.call("DELETE", &format!("/images/{image}?force=1"), b"");
    }

    /// `docker builder prune -a`.
    pub fn prune(&self) {
        let (status, answer) = self.call("POST", "/build/prune?all=1", b"");
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    }

    /// `docker build`.
    pub fn build(&self, query: &[(String, String)], context: &[u8]) -> Built {
        let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
        let (status, answer) = self.call("POST", &format!("/build?{}", query.join("&")), context);
        let text = String::from_utf8_lossy(&answer);
        if status != 200 {
            let message: Value = serde_json::from_str(&text).unwrap_or_default();
            let message = message["message"].as_str().unwrap_or(&text).to_owned();
            return Built { error: Some(message), ..Built::default() };
        }
        let mut built = Built::default();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            built.said.push_str(line["stream"].as_str().unwrap_or_default());
            if let Some(id) = line["aux"]["ID"].as_str() {
                built.id = Some(id.to_owned());
            }
            if let Some(error) = line["error"].as_str() {
                built.error = Some(error.to_owned());
            }
        }
        built
    }
}

fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
