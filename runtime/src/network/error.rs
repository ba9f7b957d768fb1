//! What can go wrong with the network.

use std::{io, net::IpAddr, path::PathBuf};

use crate::{
    error::{self, ErrorKind},
    request::ContainerPort,
};

/// A failure of the network room.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something on the host, outside of the engine, holds a port, or its address is not the host's.
    #[error(
        "driver failed programming external connectivity on endpoint {endpoint}: failed to bind host port for \
         {}:{}:{}:{port}: {}",
        bracketed(*host_ip),
        host_port.map_or_else(String::new, |port| port.to_string()),
        bracketed(*container_ip),
        reason(source)
    )]
    PortUnavailable {
        /// Name and id of the container.
        endpoint: String,
        /// The host address asked for.
        host_ip: IpAddr,
        /// The host port asked for, if one was.
        host_port: Option<u16>,
        /// The container's address.
        container_ip: IpAddr,
        /// The port inside.
        port: ContainerPort,
        /// Why not.
        source: io::Error,
    },
    /// Another container holds a port.
    #[error(
        "driver failed programming external connectivity on endpoint {endpoint}: Bind for {}:{host_port} failed: \
         port is already allocated",
        bracketed(*host_ip)
    )]
    PortAllocated {
        /// Name and id of the container that wanted it.
        endpoint: String,
        /// The host address asked for.
        host_ip: IpAddr,
        /// The host port.
        host_port: u16,
    },
    /// Of a range of ports, each is held.
    #[error(
        "driver failed programming external connectivity on endpoint {endpoint}: Bind for {}:{first}-{last} failed: \
         all ports are allocated",
        bracketed(*host_ip)
    )]
    PortsAllocated {
        /// Name and id of the container that wanted one.
        endpoint: String,
        /// The host address asked for.
        host_ip: IpAddr,
        /// The range's first.
        first: u16,
        /// Its last.
        last: u16,
    },
    /// Every address is leased.
    #[error("no available {family} addresses on the network {subnet}")]
    NoAddress {
        /// `IPv4` or `IPv6`.
        family: &'static str,
        /// The network.
        subnet: String,
    },
    /// Somebody who runs has the address.
    #[error("Address already in use")]
    AddressInUse {
        /// Which.
        address: IpAddr,
    },
    /// An address that no container of this network may have.
    #[error("no configured subnet contains IP address {address}, or it is not a container's: the subnet is {subnet}")]
    WrongAddress {
        /// Which.
        address: IpAddr,
        /// The network.
        subnet: String,
    },
    /// No such network.
    #[error("network {0} not found")]
    NotFound(String),
    /// The name is another network's.
    #[error("network with name {0} already exists")]
    Exists(String),
    /// The addresses are another network's.
    #[error("invalid pool request: Pool overlaps with other one on this address space")]
    Overlap,
    /// Something of what was asked for is wrong.
    #[error("{0}")]
    Invalid(String),
    /// Something that was asked for isn't there.
    #[error("{0}")]
    Unsupported(String),
    /// The network's state or kind forbids it.
    #[error("{0}")]
    Forbidden(String),
    /// A state file can't be read or written.
    #[error(transparent)]
    Durable(#[from] crate::durable::Error),
    /// Each network that may be used has addresses the host has routes to.
    #[error(
        "all predefined address pools have been fully subnetted: each overlaps a route of this host or another network"
    )]
    NoSubnet,
    /// The kernel refused something.
    #[error("{what}: {source}")]
    Kernel {
        /// What was asked of it.
        what: String,
        /// Its answer.
        source: io::Error,
    },
    /// The network's state can't be read or written.
    #[error("network state {path:?}: {source}", path = path.display())]
    State {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err` behind a call to the kernel.
    pub(super) fn kernel(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Kernel { what: what.into(), source }
    }
}

fn bracketed(ip: IpAddr) -> String {
    if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }
}

/// The reasons people search for, in the words of Docker.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "address already in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "cannot assign requested address".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

impl From<Error> for error::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::PortUnavailable { .. }
            | Error::PortAllocated { .. }
            | Error::PortsAllocated { .. }
            | Error::Exists(_) => ErrorKind::Conflict,
            Error::NotFound(_) => ErrorKind::NotFound,
            Error::Invalid(_) | Error::WrongAddress { .. } => ErrorKind::Invalid,
            Error::Unsupported(_) => ErrorKind::Unsupported,
            Error::Forbidden(_) | Error::Overlap | Error::AddressInUse { .. } => ErrorKind::Forbidden,
            Error::Durable(_) => {
                return match error {
                    Error::Durable(error) => error.into(),
                    other => Self::internal("the network's state can't be read or written", other),
                };
            }
            Error::NoAddress { .. } | Error::NoSubnet => ErrorKind::Exhausted,
            Error::Kernel { .. } | Error::State { .. } => ErrorKind::Internal,
        };
        Self::with_source(kind, error.to_string(), error)
    }
}
