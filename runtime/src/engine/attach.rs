//! `attach`: a client's hold on a container's streams.
//!
//! Output is read from the log as it is written, so a client that is slow or goes away costs the container nothing, and one
//! that attaches before the start misses no byte. Input goes straight to the process through a descriptor of its pipe.

use std::{io, ops::ControlFlow, path::PathBuf, sync::Arc, thread};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    Engine,
    table::{Container, Life},
    unkept::{self, Reading},
};
use crate::{
    error::{Error, Result},
    id::ContainerId,
    logs::{self, Output, Position, Stop},
    request::AttachContainer,
    view::{ContainerState, Stream},
};

/// Pieces of output on their way to one client. When full, its reader waits; the log holds the rest.
const OUTPUT_PIECES: usize = 32;

/// Pieces of input on their way from one client. When full, the client waits for the container to read.
const INPUT_PIECES: usize = 16;

/// A client's hold on a container's streams.
#[derive(Debug)]
pub struct Attachment {
    /// Input for the container; dropping it says end of file. `None` when not asked for.
    pub input: Option<mpsc::Sender<Bytes>>,
    /// Output in order; closed when the container has ended and all was delivered.
    pub output: mpsc::Receiver<(Stream, Bytes)>,
    /// One raw stream (a terminal) instead of two.
    pub tty: bool,
}

impl Engine {
    /// Its streams. On a container that doesn't run this waits for its next start, and misses no byte.
    ///
    /// # Errors
    /// No such container, or a replay of what it doesn't keep.
    pub fn attach(&self, id: &ContainerId, request: AttachContainer) -> Result<Attachment> {
        let container = self.inner.table.get(id)?;
        match container.state() {
            ContainerState::Running { paused: true, .. } => {
                return Err(Error::conflict(format!("container {id} is paused, unpause the container before attach")));
            }
            ContainerState::Restarting(_) => {
                let text = format!("container {id} is restarting, wait until the container is running");
                return Err(Error::conflict(text));
            }
            _ => {}
        }
        let folder = self.inner.paths.log(id);
        let failed = |error: io::Error| Error::internal("the container's output can't be read", error);
        let end = NextEnd::of(&container);
        if request.replay {
            unkept::readable(&container)?;
        }
        let reading = self.reading(&container);
        let from = if request.replay { Position::default() } else { logs::position(&folder).map_err(failed)? };
        let input = (request.stdin && container.record.request.open_stdin).then(|| feed(Arc::clone(&container)));
        let (sender, output) = mpsc::channel(OUTPUT_PIECES);
        if request.stdout || request.stderr {
            pass_output(end, folder, from, request, sender, reading).map_err(failed)?;
        } else {
            // A client that only sends: its connection lasts as long as the run.
            tokio::spawn(async move { end.or_closed(&sender).await });
        }
        self.tell("attach", &container, []);
        Ok(Attachment { input, output, tty: container.record.request.tty })
    }
}

/// The end of the run that is going on, or of the next one.
pub(in crate::engine) struct NextEnd {
    life: watch::Receiver<Life>,
    ends: u64,
}

impl NextEnd {
    /// Counted from now: an end after this call is not missed.
    pub fn of(container: &Container) -> Self {
        let mut life = container.life.subscribe();
        let ends = life.borrow_and_update().ends;
        Self { life, ends }
    }

    /// Waits for the end, or until nobody receives any more.
    async fn or_closed<T>(mut self, sender: &mpsc::Sender<T>) {
        tokio::select! {
            _ = self.life.wait_for(|life| life.ends > self.ends || life.removed) => {}
            () = sender.closed() => {}
        }
    }

    /// Stops a reader that would wait for ever: the run is over without its end in the log, or the client is gone. The
    /// guard, held by the reader, says that there is nothing left to stop.
    pub fn stops<T: Send + 'static>(self, stop: &Stop, sender: mpsc::Sender<T>) -> DropGuard {
        let (stop, read) = (stop.clone(), CancellationToken::new());
        let guard = read.clone().drop_guard();
        tokio::spawn(async move {
            tokio::select! {
                () = self.or_closed(&sender) => {}
                () = read.cancelled() => {}
            }
            stop.stop();
        });
        guard
    }
}

/// One thread a client: it sleeps in poll(2) until the log grows.
fn pass_output(
    end: NextEnd,
    folder: PathBuf,
    from: Position,
    request: AttachContainer,
    sender: mpsc::Sender<(Stream, Bytes)>,
    reading: Option<Reading>,
) -> io::Result<()> {
    let stop = Stop::new()?;
    let guard = request.stream.then(|| end.stops(&stop, sender.clone()));
    thread::Builder::new().name("attach".to_owned()).spawn(move || {
        let (_guard, _reading) = (guard, reading);
        let read = logs::follow_raw(&folder, from, request.stream, &stop, |output| match output {
            Output::Bytes(stream, bytes) => {
                let wanted = if stream == Stream::Stderr { request.stderr } else { request.stdout };
                if wanted && sender.blocking_send((stream, bytes)).is_err() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            }
            Output::Skipped(_) | Output::Ended => ControlFlow::Continue(()),
        });
        if let Err(error) = read {
            tracing::warn!(folder = %folder.display(), %error, "a client lost its container's output");
        }
    })?;
    Ok(())
}

/// Carries input to the process, once there is one.
fn feed(container: Arc<Container>) -> mpsc::Sender<Bytes> {
    let (sender, mut input) = mpsc::channel::<Bytes>(INPUT_PIECES);
    let mut life = container.life.subscribe();
    let before = life.borrow_and_update().clone();
    tokio::spawn(async move {
        if container.client().is_none() {
            let started =
                life.wait_for(|life| life.starts > before.starts || life.ends > before.ends || life.removed).await;
            if started.is_err() {
                return;
            }
        }
        let Some(client) = container.client() else { return };
        let stdin = match client.stdin().await {
            Ok(stdin) => stdin,
            Err(error) => {
                tracing::debug!(container = container.record.name, %error, "its input is closed");
                return;
            }
        };
        while let Some(bytes) = input.recv().await {
            if stdin.send(&bytes).await.is_err() {
                return;
            }
        }
        // Dropped here: a `Once` input ends with its first client, others wait for the next.
    });
    sender
}
