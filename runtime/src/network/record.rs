//! What is kept of a network: one folder each, found by the next engine.
//!
//! ```text
//! network/predefined.json         ids of bridge, host and none
//! network/leases.json             addresses of the default network
//! network/<id>/record.json        synced; the folder is renamed into place last by `create`
//! network/<id>/leases.json        its addresses; leases6.json those of IPv6
//! network/.tmp-<id>/              being made, or being removed: the next engine removes its bridge and then the folder
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::{Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Error, subnet::Subnet};
use crate::{
    durable::{self, TMP_PREFIX},
    id::NetworkId,
};

const VERSION: u64 = 1;

/// The bridge's name, when the maker wants one.
pub(super) const OPTION_BRIDGE: &str = "com.docker.network.bridge.name";
/// Whether containers reach each other.
pub(super) const OPTION_ICC: &str = "com.docker.network.bridge.enable_icc";
/// Whether what leaves gets the host's address.
pub(super) const OPTION_MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
/// The host address of ports published without one.
pub(super) const OPTION_HOST_IP: &str = "com.docker.network.bridge.host_binding_ipv4";
/// The link of the host's that a macvlan is upon.
pub(super) const OPTION_PARENT: &str = "parent";
/// How its containers reach each other.
pub(super) const OPTION_MODE: &str = "macvlan_mode";
/// Bytes a packet may have.
pub(super) const OPTION_MTU: &str = "com.docker.network.driver.mtu";

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: NetworkId,
    pub(super) name: String,
    pub(super) created_at: Timestamp,
    /// The name of the bridge on the host, or of the link that a macvlan is upon.
    pub(super) bridge: String,
    pub(super) subnet: Subnet,
    pub(super) gateway: Ipv4Addr,
    /// Handed out; the whole subnet when `None`.
    pub(super) ip_range: Option<Subnet>,
    /// Addresses of others.
    pub(super) reserved: BTreeSet<Ipv4Addr>,
    /// The maker chose the subnet, so containers may choose addresses.
    pub(super) chosen: bool,
    pub(super) internal: bool,
    pub(super) attachable: bool,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) options: BTreeMap<String, String>,
    /// Its addresses of IPv6, where it has any.
    #[serde(default)]
    pub(super) v6: Option<Six>,
    #[serde(default)]
    pub(super) driver: Driver,
}

/// A network's addresses of IPv6; each field is as its namesake of [`Record`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Six {
    pub(super) subnet: Subnet<Ipv6Addr>,
    pub(super) gateway: Ipv6Addr,
    pub(super) ip_range: Option<Subnet<Ipv6Addr>>,
    pub(super) reserved: BTreeSet<Ipv6Addr>,
    pub(super) chosen: bool,
}

/// What connects a network's containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Driver {
    /// A bridge of the host's.
    #[default]
    Bridge,
    /// A link of the host's that shows a hardware address for each of them.
    Macvlan,
}

impl Driver {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Macvlan => "macvlan",
        }
    }
}

impl Record {
    fn switch(&self, option: &str, otherwise: bool) -> bool {
        self.options.get(option).and_then(|value| switch(value)).unwrap_or(otherwise)
    }

    /// Containers reach each other.
    pub(super) fn icc(&self) -> bool {
        self.switch(OPTION_ICC, true)
    }

    /// What leaves gets the host's address.
    pub(super) fn masquerade(&self) -> bool {
        !self.internal && self.switch(OPTION_MASQUERADE, true)
    }

    /// The link on the host is the engine's own: it is made with the network and removed with it.
    pub(super) fn owns_link(&self) -> bool {
        self.driver == Driver::Bridge || !self.options.contains_key(OPTION_PARENT)
    }

    /// The kernel's number of a macvlan's mode.
    pub(super) fn mode(&self) -> u32 {
        self.options.get(OPTION_MODE).and_then(|mode| mode_number(mode)).unwrap_or(MODE_BRIDGE)
    }

    /// Bytes a packet may have, if not the kernel's 1500.
    pub(super) fn mtu(&self) -> Option<u32> {
        self.options.get(OPTION_MTU)?.parse().ok()
    }

    /// The host address of ports published without one.
    pub(super) fn host_ip(&self) -> Option<Ipv4Addr> {
        self.options.get(OPTION_HOST_IP)?.parse().ok().filter(|ip: &Ipv4Addr| !ip.is_unspecified())
    }
}

const MODE_BRIDGE: u32 = 4;

/// `MACVLAN_MODE_…`.
pub(super) fn mode_number(mode: &str) -> Option<u32> {
    match mode {
        "private" => Some(1),
        "vepa" => Some(2),
        "" | "bridge" => Some(MODE_BRIDGE),
        "passthru" => Some(super::link::MACVLAN_PASSTHRU),
        _ => None,
    }
}

/// A yes or no in an option's words.
pub(super) fn switch(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" => Some(true),
        "0" | "f" | "false" => Some(false),
        _ => None,
    }
}

/// Ids and age of the networks that are always there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Predefined {
    pub(super) bridge: NetworkId,
    pub(super) host: NetworkId,
    pub(super) none: NetworkId,
    pub(super) created_at: Timestamp,
}

/// The folder of all networks.
#[derive(Clone, Debug)]
pub(super) struct Store(PathBuf);

impl Store {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// One network's folder.
    pub(super) fn folder(&self, id: &NetworkId) -> PathBuf {
        self.0.join(id.as_str())
    }

    pub(super) fn staged(&self, id: &NetworkId) -> PathBuf {
        self.0.join(format!("{TMP_PREFIX}{id}"))
    }

    /// The ids of the networks that are always there.
    pub(super) fn predefined(&self) -> Result<Predefined, Error> {
        let path = self.0.join("predefined.json");
        durable::create_dir(&self.0)?;
        if let Some(known) = durable::read_json(&path, VERSION)? {
            return Ok(known);
        }
        let predefined = Predefined {
            bridge: NetworkId::random(),
            host: NetworkId::random(),
            none: NetworkId::random(),
            created_at: Timestamp::now(),
        };
        durable::write_json(&path, VERSION, &predefined)?;
        Ok(predefined)
    }

    /// Writes down what is about to be made.
    pub(super) fn stage(&self, record: &Record) -> Result<(), Error> {
        let folder = self.staged(&record.id);
        durable::create_dir(&folder)?;
        durable::write_json(&folder.join("record.json"), VERSION, record)?;
        Ok(())
    }

    /// Makes it a network.
    pub(super) fn publish(&self, id: &NetworkId) -> Result<(), Error> {
        Ok(durable::rename(&self.staged(id), &self.folder(id))?)
    }

    /// It is no network any more; what the kernel has of it is still to be removed.
    pub(super) fn withdraw(&self, id: &NetworkId) -> Result<(), Error> {
        Ok(durable::rename(&self.folder(id), &self.staged(id))?)
    }

    /// Nothing is left of one that was being made or removed.
    pub(super) fn forget(&self, id: &NetworkId) -> Result<(), Error> {
        let folder = self.staged(id);
        match fs::remove_dir_all(&folder) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::State { path: folder, source }),
            _ => Ok(()),
        }
    }

    /// The networks there are, and those that were half made or half removed. One that can't be read is left alone.
    pub(super) fn read(&self) -> Result<(Vec<Record>, Vec<Record>), Error> {
        let (mut whole, mut half) = (Vec::new(), Vec::new());
        let entries = fs::read_dir(&self.0).map_err(|source| Error::State { path: self.0.clone(), source })?;
        for entry in entries.flatten() {
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            let (list, id) = match name.strip_prefix(TMP_PREFIX) {
                Some(id) => (&mut half, id.to_owned()),
                None => (&mut whole, name),
            };
            let Ok(id) = id.parse::<NetworkId>() else { continue };
            match record(&entry.path()) {
                Ok(Some(record)) if record.id == id => list.push(record),
                // Not even its record was written: nothing was made.
                Ok(None) => self.forget(&id)?,
                Ok(Some(_)) => tracing::error!(network = id.short(), "a network's folder holds another one's record"),
                Err(error) => tracing::error!(network = id.short(), %error, "a network's record can't be read"),
            }
        }
        Ok((whole, half))
    }
}

fn record(folder: &Path) -> Result<Option<Record>, durable::Error> {
    durable::read_json(&folder.join("record.json"), VERSION)
}
