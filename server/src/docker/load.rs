//! `POST /images/load`: an archive in the request's body, read as it comes.
//!
//! The engine reads in its own thread through [`BodyReader`]. Between the two is a bounded queue: a slow disk slows the
//! client down, and neither holds the archive in memory.

use std::io::{self, Read};

use axum::{Extension, body::Body, extract::State, response::Response};
use bytes::{Buf, Bytes};
use futures_util::{StreamExt, stream};
use runtime::view::{LoadedImage, Progress};
use tokio::sync::mpsc;

use super::{
    error::{self, Result},
    model::progress::{Line, load_step, loaded},
    pull::{ended, next, written},
    query::Query,
    stream::streamed,
};
use crate::{
    app::App,
    auth::actor::Actor,
    ops::{self, operation::Watch},
};

/// Pieces of the body that wait to be read; a full queue stops the reading from the client.
const QUEUE: usize = 16;

pub(super) async fn load(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    query: Query,
    body: Body,
) -> Result<Response> {
    let archive = reader(body);
    let mut watch = ops::images::load(&app, &actor, "docker load", archive).await?;
    let Some(first) = next(&mut watch.steps).await else {
        let images = ended(watch).await?;
        return Ok(streamed("application/json", stream::once(async move { Ok(written(end(&images))) })));
    };
    let follower =
        Follower { request_id: actor.request_id, quiet: query.flag("quiet"), watch: Some(watch), first: Some(first) };
    Ok(streamed("application/json", stream::unfold(follower, Follower::next)))
}

fn end(images: &[LoadedImage]) -> Vec<Line> {
    images.iter().flat_map(loaded).collect()
}

struct Follower {
    request_id: String,
    quiet: bool,
    watch: Option<Watch<Vec<LoadedImage>>>,
    first: Option<Progress>,
}

impl Follower {
    async fn next(mut self) -> Option<(Result<Bytes, io::Error>, Self)> {
        let mut watch = self.watch.take()?;
        loop {
            let step = match self.first.take() {
                Some(step) => Some(step),
                None => next(&mut watch.steps).await,
            };
            let Some(step) = step else { break };
            if let Some(line) = load_step(&step).filter(|_| !self.quiet) {
                self.watch = Some(watch);
                return Some((Ok(written([line])), self));
            }
        }
        let lines = match ended(watch).await {
            Ok(images) => written(end(&images)),
            Err(error) => {
                error::log(&error, &self.request_id, "loading images");
                written([Line::failed(error::message(&error, &self.request_id))])
            }
        };
        Some((Ok(lines), self))
    }
}

/// A body as the engine reads it.
pub(super) fn reader(body: Body) -> BodyReader {
    let (pieces_in, pieces) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let mut body = body.into_data_stream();
        while let Some(piece) = body.next().await {
            let failed = piece.is_err();
            // When nobody reads any more the rest is still taken from the client, which looks for the answer only then.
            let _ = pieces_in.send(piece.map_err(io::Error::other)).await;
            if failed {
                return;
            }
        }
    });
    BodyReader { pieces, piece: Bytes::new() }
}

/// Reads, in a thread that may wait, what an async task receives. A broken body is an error, never an early end.
#[derive(Debug)]
pub(super) struct BodyReader {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(pieces: Vec<io::Result<Bytes>>) -> io::Result<Vec<u8>> {
        let mut reader = reader(Body::from_stream(stream::iter(pieces)));
        tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|_| all)
        })
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn a_body_is_read_whole_and_in_order() {
        let pieces = (0..100_u8).map(|n| Ok(Bytes::from(vec![n; 1000]))).collect();
        let wanted: Vec<_> = (0..100_u8).flat_map(|n| vec![n; 1000]).collect();
        assert_eq!(read(pieces).await.unwrap(), wanted);
    }

    #[tokio::test]
    async fn a_broken_body_is_an_error() {
        let pieces = vec![Ok(Bytes::from_static(b"begin")), Err(io::Error::other("cut off"))];
        assert!(read(pieces).await.unwrap_err().to_string().contains("cut off"));
    }

    #[tokio::test]
    async fn the_rest_is_taken_when_nobody_reads_any_more() {
        let (taken_in, mut taken) = mpsc::channel(1);
        let body = stream::iter(0..100).then(move |n| {
            let taken_in = taken_in.clone();
            async move {
                if n == 99 {
                    taken_in.send(()).await.unwrap();
                }
                Ok::<_, io::Error>(Bytes::from_static(b"x"))
            }
        });
        drop(reader(Body::from_stream(body)));
        assert_eq!(taken.recv().await, Some(()));
    }
}
