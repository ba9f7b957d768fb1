//! A plain client of the Docker API: one kept connection, blocking, as little work of its own as can be.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
};

use serde_json::Value;

/// See the module.
pub struct Api {
    stream: BufReader<UnixStream>,
}

impl Api {
    /// Connects to the Docker API at this socket.
    pub fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("the docker socket answers");
        Self { stream: BufReader::with_capacity(256 << 10, stream) }
    }

    /// A request with a JSON body or none; panics unless the answer is a success.
    pub fn call(&mut self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let (status, answer) = self.ask(method, path, body);
        succeeded(&format!("{method} {path}"), status, answer)
    }

    /// The same; gives the status, whatever it is, and the body.
    pub fn ask(&mut self, method: &str, path: &str, body: &str) -> (u16, Vec<u8>) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: darsena\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).expect("the server reads the request");
        self.answer()
    }

    /// [`Api::call`], its answer read as JSON.
    pub fn json(&mut self, method: &str, path: &str, body: &str) -> Value {
        serde_json::from_slice(&self.call(method, path, body)).expect("the answer is JSON")
    }

    /// A request whose body is a stream of known length.
    pub fn upload(&mut self, path: &str, mut from: impl Read, length: u64) -> Vec<u8> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: darsena\r\nContent-Type: application/x-tar\r\nContent-Length: {length}\r\n\r\n"
        );
        self.stream.get_mut().write_all(head.as_bytes()).expect("the server reads the request");
        io::copy(&mut from, self.stream.get_mut()).expect("the server reads the body");
        let (status, answer) = self.answer();
        succeeded(&format!("POST {path}"), status, answer)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("the server answers");
        line.trim_end().to_owned()
    }

    fn answer(&mut self) -> (u16, Vec<u8>) {
        let status = self.line();
        let (mut length, mut chunked) = (0, false);
        loop {
            let header = self.line().to_ascii_lowercase();
            match header.split_once(": ") {
                Some(("content-length", value)) => length = value.parse().expect("a length is a number"),
                Some(("transfer-encoding", value)) => chunked = value == "chunked",
                Some(_) => {}
                None => break,
            }
        }
        let mut body = Vec::new();
        if chunked {
            loop {
                let size = usize::from_str_radix(&self.line(), 16).expect("a chunk has a size");
                let start = body.len();
                body.resize(start + size, 0);
                self.stream.read_exact(&mut body[start..]).expect("the chunk comes");
                self.line();
                if size == 0 {
                    break;
                }
            }
        } else {
            body.resize(length, 0);
            self.stream.read_exact(&mut body).expect("the body comes");
        }
        let code = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        (code.unwrap_or_else(|| panic!("no status: {status}")), body)
    }
}

fn succeeded(what: &str, status: u16, body: Vec<u8>) -> Vec<u8> {
    assert!((200..300).contains(&status), "{what}: {status}\n{}", String::from_utf8_lossy(&body));
    body
}

/// What `GET /containers/ID/logs` tells of a container without a terminal, without the heads of its frames.
pub fn unframed(mut framed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(framed.len());
    while let Some((head, rest)) = framed.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        plain.extend_from_slice(&rest[..length]);
        framed = &rest[length..];
    }
    assert!(framed.is_empty(), "a frame is cut off");
    plain
}
