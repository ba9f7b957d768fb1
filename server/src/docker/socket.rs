//! The unix socket: made, served, removed. Who connects is known from the kernel and acts under that name.
//!
//! Every limit is explicit: how many connections, how long a request's head may take, how long goodbyes may.

use std::{
    convert::Infallible,
    fs, io,
    os::{
        fd::AsFd,
        unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use runtime::error::{Error, ErrorKind, Result};
use tokio::{
    io::Interest,
    net::{UnixListener, UnixStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use crate::{
    app::App,
    auth::actor::{Actor, Principal, Via, new_request_id},
    unread,
};

/// Connections at a time; more wait to be accepted.
const CONNECTIONS: usize = 2048;
/// How long a request's head may take, and a connection may idle. Docker's client gives up idle ones after 30 s itself.
const HEAD_TIMEOUT: Duration = Duration::from_mins(1);
/// How long running requests get at shutdown.
const GOODBYE: Duration = Duration::from_secs(3);

/// Makes the socket at `path`: only its owner and group may connect. One that a dead server left is replaced.
///
/// # Errors
/// When another server answers there, the path is something else than a socket, or it can't be made.
pub fn bind(path: &Path) -> Result<UnixListener> {
    let wrong = |error: io::Error| {
        Error::with_source(
            ErrorKind::Unavailable,
            format!("can't make the docker socket {}: {error}", path.display()),
            error,
        )
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder).map_err(wrong)?;
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(Error::conflict(format!("{} is in the way: it is not a socket", path.display())));
        }
        Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
            return Err(Error::conflict(format!("another server answers at {}", path.display())));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(wrong(error)),
    }
    // Bound beside and moved into place: the path never shows a socket that can't be connected to, or by everyone.
    let name = path.file_name().ok_or_else(|| Error::invalid(format!("{} can't be a socket", path.display())))?;
    let beside = folder.join(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let _ = fs::remove_file(&beside);
    let made = UnixListener::bind(&beside).and_then(|listener| {
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o660))?;
        fs::rename(&beside, path)?;
        Ok(listener)
    });
    made.map_err(|error| {
        let _ = fs::remove_file(&beside);
        wrong(error)
    })
}

/// Serves the API until `shutdown`, then says goodbye and removes the socket, if it is still this one.
///
/// # Errors
/// None today; connections' failures are theirs alone.
pub async fn serve(app: App, socket: UnixListener, shutdown: impl Future<Output = ()>) -> Result<()> {
    let path = app.docker_socket.clone();
    serve_paths(super::router(app), socket, path, shutdown).await;
    Ok(())
}

async fn serve_paths(paths: Router, socket: UnixListener, path: Option<PathBuf>, shutdown: impl Future<Output = ()>) {
    let identity = |path: &Path| fs::symlink_metadata(path).map(|found| (found.dev(), found.ino())).ok();
    let ours = path.as_deref().and_then(identity);
    let (stop, tasks, places) = (CancellationToken::new(), TaskTracker::new(), Arc::new(Semaphore::new(CONNECTIONS)));
    let accept = async {
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            match socket.accept().await {
                Ok((stream, _)) => {
                    let (paths, stop) = (paths.clone(), stop.clone());
                    tasks.spawn(async move {
                        connection(paths, stream, stop).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    // Mostly too many open files: wait for some to be closed, rather than spin.
                    tracing::warn!("the docker socket can't accept: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    tokio::select! {
        () = accept => {}
        () = shutdown => {}
    }
    drop(socket);
    if let Some(path) = path.filter(|path| ours.is_some() && identity(path) == ours) {
        let _ = fs::remove_file(path);
    }
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}

async fn connection(paths: Router, stream: UnixStream, stop: CancellationToken) {
    let (peer, watched) = match (stream.peer_cred(), again(&stream)) {
        (Ok(peer), Ok(watched)) => (peer, watched),
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!("a connection to the docker socket was dropped: {error}");
            return;
        }
    };
    let (uid, pid) = (peer.uid(), peer.pid().unwrap_or(0));
    let hangup = Hangup { watched: Arc::new(watched), stop: stop.clone() };
    let for_requests = hangup.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(for_requests.clone());
        request.extensions_mut().insert(Actor {
            principal: Principal::Socket { uid, pid },
            via: Via::Docker,
            address: format!("uid {uid} pid {pid}"),
            request_id: new_request_id(),
        });
        let answer = paths.clone().oneshot(unread::read_on(request));
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            // A client that has sent all its input may close that half and still wants the output.
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
    );
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = hangup.peer_left() => return,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(GOODBYE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection to the docker socket ended early: {error}");
    }
}

/// The same socket under a second descriptor.
fn again(stream: &UnixStream) -> io::Result<UnixStream> {
    UnixStream::from_std(std::os::unix::net::UnixStream::from(stream.as_fd().try_clone_to_owned()?))
}

/// Tells when the other end is gone altogether, which reading can't: a client may close only its sending half.
#[derive(Clone, Debug)]
pub(super) struct Hangup {
    /// The same socket once more, to wait on without reading from it.
    watched: Arc<UnixStream>,
    stop: CancellationToken,
}

impl Hangup {
    /// Ends when the other end is gone, or the server is about to stop.
    pub(super) async fn gone(&self) {
        tokio::select! {
            () = self.peer_left() => {}
            () = self.stop.cancelled() => {}
        }
    }

    async fn peer_left(&self) {
        // Waiting to write wakes for a hang-up, but not for every byte that comes.
        while !self.is_hung_up() {
            if self.watched.writable().await.is_err() {
                return;
            }
            let nothing_done = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            let _ = self.watched.try_io(Interest::WRITABLE, nothing_done);
        }
    }

    fn is_hung_up(&self) -> bool {
        let mut asked = [PollFd::new(self.watched.as_fd(), PollFlags::empty())];
        let answer = nix::poll::poll(&mut asked, PollTimeout::ZERO);
        answer.is_ok()
            && asked[0].revents().is_some_and(|found| found.intersects(PollFlags::POLLHUP | PollFlags::POLLERR))
    }
}

#[cfg(test)]
mod tests {
    use axum::{Extension, routing::get};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::oneshot,
    };

    use super::*;

    #[tokio::test]
    async fn a_live_socket_is_respected_and_a_dead_one_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/docker.sock");
        let first = bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(bind(&path).unwrap_err().message().contains("another server answers"));
        drop(first);
        let second = bind(&path).unwrap();
        std::os::unix::net::UnixStream::connect(&path).unwrap();
        drop(second);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "x").unwrap();
        assert!(bind(&path).unwrap_err().message().contains("not a socket"));
    }

    #[tokio::test]
    async fn the_peer_is_known_and_half_closed_clients_are_answered_but_gone_ones_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let (dropped_in, mut dropped) = tokio::sync::mpsc::channel::<()>(1);
        let paths =
            Router::new().route("/who", get(|Extension(actor): Extension<Actor>| async move { actor.address })).route(
                "/silent",
                get(move || {
                    let held = dropped_in.clone();
                    async move {
                        held.send(()).await.unwrap();
                        let _held = held;
                        std::future::pending::<()>().await;
                    }
                }),
            );
        let (stop, stopped) = oneshot::channel::<()>();
        let socket = bind(&path).unwrap();
        let server = tokio::spawn(serve_paths(paths, socket, Some(path.clone()), async {
            let _ = stopped.await;
        }));

        let mut client = UnixStream::connect(&path).await.unwrap();
        client.write_all(b"GET /who HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n").await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with(&format!("uid {} pid {}", nix::unistd::getuid(), std::process::id())), "{answer}");

        let mut client = UnixStream::connect(&path).await.unwrap();
        client.write_all(b"GET /silent HTTP/1.1\r\nHost: d\r\n\r\n").await.unwrap();
        dropped.recv().await.unwrap();
        drop(client);
        let mut client = UnixStream::connect(&path).await.unwrap();
        client.write_all(b"GET /silent HTTP/1.1\r\nHost: d\r\n\r\n").await.unwrap();
        client.shutdown().await.unwrap();
        dropped.recv().await.unwrap();
        drop(client);

        stop.send(()).unwrap();
        server.await.unwrap();
        assert!(dropped.recv().await.is_none(), "both silent requests were given up");
        assert!(!path.exists());
    }
}
