//! From an upload to a reader: chunks pass through a bounded channel, the file is never whole in memory.

use std::io::{self, Read};

use axum::extract::multipart::{Field, MultipartError};
use bytes::Bytes;
use tokio::sync::mpsc;

/// Chunks that may wait; when the reader is slow, the browser waits.
const WAITING: usize = 16;

/// What travels: bytes, or that the upload broke off.
type Chunk = io::Result<Bytes>;

/// The reader's end, for a thread that may block.
pub struct Upload {
    chunks: mpsc::Receiver<Chunk>,
    rest: Bytes,
    /// The last chunk came: only then is the end the end.
    is_whole: bool,
}

/// Both ends.
pub fn bridge() -> (mpsc::Sender<Chunk>, Upload) {
    let (sender, chunks) = mpsc::channel(WAITING);
    (sender, Upload { chunks, rest: Bytes::new(), is_whole: false })
}

/// Passes a field on until its end. A reader that has what it needs, or has enough of it, is no failure: the rest is still
/// taken, since browsers look for the answer only then.
///
/// # Errors
/// When the upload breaks off; the reader learns it too.
pub async fn pass(mut field: Field<'_>, sender: mpsc::Sender<Chunk>) -> Result<(), MultipartError> {
    loop {
        match field.chunk().await {
            Ok(Some(chunk)) => drop(sender.send(Ok(chunk)).await),
            Ok(None) => {
                let _ = sender.send(Ok(Bytes::new())).await;
                return Ok(());
            }
            Err(error) => {
                let _ = sender.send(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the upload broke off"))).await;
                return Err(error);
            }
        }
    }
}

impl Read for Upload {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() && !self.is_whole {
            match self.chunks.blocking_recv() {
                Some(Ok(chunk)) if chunk.is_empty() => self.is_whole = true,
                Some(chunk) => self.rest = chunk?,
                None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the upload broke off")),
            }
        }
        let count = self.rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_come_out_as_they_went_in_and_a_break_is_an_error() {
        let (sender, mut upload) = bridge();
        let read = tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            upload.read_to_end(&mut all).map(|_| all)
        });
        for chunk in ["ab", "cde", "f"] {
            sender.send(Ok(Bytes::from(chunk))).await.expect("read");
        }
        sender.send(Ok(Bytes::new())).await.expect("read");
        assert_eq!(read.await.expect("no panic").expect("whole"), b"abcdef");

        let (sender, mut upload) = bridge();
        let read = tokio::task::spawn_blocking(move || upload.read_to_end(&mut Vec::new()));
        sender.send(Ok(Bytes::from_static(b"ab"))).await.expect("read");
        drop(sender);
        assert!(read.await.expect("no panic").is_err(), "half a file is no file");
    }
}
