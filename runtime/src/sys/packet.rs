//! Unix sockets that keep message borders (SOCK_SEQPACKET), with descriptors as cargo.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
    path::Path,
};

use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, accept4, bind,
    connect, getsockopt, listen, recvmsg, sendmsg, socket, socketpair, sockopt,
};

/// Longest message; a longer one is cut by the kernel and refused here. Small, because every monitor pays for it.
pub const MAX: usize = 16 * 1024;

/// Most descriptors one message may bring.
pub const MAX_FDS: usize = 16;

/// Two connected sockets.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?)
}

/// A listening socket at a path, for root alone.
pub fn listen_at(path: &Path) -> io::Result<OwnedFd> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let listener = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
    bind(listener.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&listener, Backlog::new(64).map_err(io::Error::from)?)?;
    Ok(listener)
}

/// Connects to a listening socket, without waiting.
pub fn connect_to(path: &Path) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let stream = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
    connect(stream.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(stream)
}

/// Takes the next waiting connection, non-blocking.
pub fn accept(listener: impl AsFd) -> io::Result<OwnedFd> {
    let fd = accept4(listener.as_fd().as_raw_fd(), SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK)?;
    Ok(adopt(fd))
}

/// Process id and user id of the other side.
pub fn peer(stream: &OwnedFd) -> io::Result<(i32, u32)> {
    let who = getsockopt(stream, sockopt::PeerCredentials)?;
    Ok((who.pid(), who.uid()))
}

/// Sends one message whole, or fails with `WouldBlock` when `wait` is false and there is no room.
pub fn send(stream: impl AsFd, bytes: &[u8], fds: &[RawFd], wait: bool) -> io::Result<()> {
    let mut flags = MsgFlags::MSG_NOSIGNAL;
    if !wait {
        flags |= MsgFlags::MSG_DONTWAIT;
    }
    let rights = [ControlMessage::ScmRights(fds)];
    let control: &[ControlMessage<'_>] = if fds.is_empty() { &[] } else { &rights };
    loop {
        match sendmsg::<()>(stream.as_fd().as_raw_fd(), &[IoSlice::new(bytes)], control, flags, None) {
            Err(nix::errno::Errno::EINTR) => {}
            done => return done.map(drop).map_err(io::Error::from),
        }
    }
}

/// Receives one message; no bytes means that the other side has closed.
pub fn receive(stream: impl AsFd, wait: bool) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut bytes = vec![0; MAX];
    let mut space = nix::cmsg_space!([RawFd; MAX_FDS]);
    let mut flags = MsgFlags::MSG_CMSG_CLOEXEC;
    if !wait {
        flags |= MsgFlags::MSG_DONTWAIT;
    }
    let mut fds = Vec::new();
    let length = loop {
        let mut parts = [IoSliceMut::new(&mut bytes)];
        match recvmsg::<()>(stream.as_fd().as_raw_fd(), &mut parts, Some(&mut space), flags) {
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
            Ok(message) => {
                for part in message.cmsgs().map_err(io::Error::from)? {
                    if let ControlMessageOwned::ScmRights(received) = part {
                        fds.extend(received.into_iter().map(adopt));
                    }
                }
                if message.flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC) {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a message was longer than allowed"));
                }
                break message.bytes;
            }
        }
    };
    bytes.truncate(length);
    Ok((bytes, fds))
}

#[allow(unsafe_code)]
fn adopt(fd: RawFd) -> OwnedFd {
    use std::os::fd::FromRawFd;
    // SAFETY: only called with descriptors the kernel just gave to this process.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
