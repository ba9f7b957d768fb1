//! A sync writer's bytes for an async reader: archives on their way to a client.

use std::{
    io::{self, Write},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::mpsc;

use crate::error::Result;

/// Bytes in one piece.
const PIECE_BYTES: usize = 256 << 10;

/// Pieces on their way. When full, the writer waits for the client; when the client is gone, the writer is told so.
const PIECES: usize = 8;

/// Bytes as they are written. An error ends it: what came so far is not whole.
#[derive(Debug)]
pub struct Outflow(mpsc::Receiver<io::Result<Bytes>>);

impl Outflow {
    /// Runs `write` on a thread where it may wait.
    pub(in crate::engine) fn of(write: impl FnOnce(&mut dyn Write) -> Result<()> + Send + 'static) -> Self {
        let (to, from) = mpsc::channel(PIECES);
        tokio::task::spawn_blocking(move || {
            let mut inlet = Inlet { to, piece: Vec::with_capacity(PIECE_BYTES) };
            let done = write(&mut inlet).and_then(|()| Ok(inlet.flush().map_err(crate::snapshot::Error::from)?));
            if let Err(error) = done
                && !inlet.to.is_closed()
            {
                tracing::error!("an archive breaks off: {}", error.chain());
                let _ = inlet.to.blocking_send(Err(io::Error::other(error.message().to_owned())));
            }
        });
        Self(from)
    }

    /// The next piece; `None` at the end.
    pub async fn next(&mut self) -> Option<io::Result<Bytes>> {
        self.0.recv().await
    }
}

impl Stream for Outflow {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

struct Inlet {
    to: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Write for Inlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..n]);
        if self.piece.len() == PIECE_BYTES {
            self.flush()?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        self.to.blocking_send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
