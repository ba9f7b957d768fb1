//! A plain client of the Docker API: one kept connection, blocking, as little work of its own as can be.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
};

use serde_json::Value;

pub struct Api {
    stream: BufReader<UnixStream>,
}

impl Api {
    pub fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("the docker socket answers");
        Self { stream: BufReader::with_capacity(256 << 10, stream) }
    }

    /// A request with a JSON body or none; panics unless the answer is a success.
    pub fn call(&mut self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: darsena\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        self.answer(&format!("{method} {path}"))
    }

    pub fn json(&mut self, method: &str, path: &str, body: &str) -> Value {
        serde_json::from_slice(&self.call(method, path, body)).unwrap()
    }

    /// A request whose body is a stream of known length.
    pub fn upload(&mut self, path: &str, mut from: impl Read, length: u64) -> Vec<u8> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: darsena\r\nContent-Type: application/x-tar\r\nContent-Length: {length}\r\n\r\n"
        );
        self.stream.get_mut().write_all(head.as_bytes()).unwrap();
        io::copy(&mut from, self.stream.get_mut()).unwrap();
        self.answer(&format!("POST {path}"))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn answer(&mut self, what: &str) -> Vec<u8> {
        let status = self.line();
        let (mut length, mut chunked) = (0, false);
        loop {
            let header = self.line().to_ascii_lowercase();
            match header.split_once(": ") {
                Some(("content-length", value)) => length = value.parse().unwrap(),
                Some(("transfer-encoding", value)) => chunked = value == "chunked",
                Some(_) => {}
                None => break,
            }
        }
        let mut body = Vec::new();
        if chunked {
            loop {
                let size = usize::from_str_radix(&self.line(), 16).unwrap();
                let start = body.len();
                body.resize(start + size, 0);
                self.stream.read_exact(&mut body[start..]).unwrap();
                self.line();
                if size == 0 {
                    break;
                }
            }
        } else {
            body.resize(length, 0);
            self.stream.read_exact(&mut body).unwrap();
        }
        let ok = status.split(' ').nth(1).is_some_and(|code| code.starts_with('2'));
        assert!(ok, "{what}: {status}\n{}", String::from_utf8_lossy(&body));
        body
    }
}
