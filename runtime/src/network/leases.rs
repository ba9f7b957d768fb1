//! Which container has which address.
//!
//! `leases.json` is replaced whole by a rename. It is not synced: after a loss of power no container runs, and all a
//! lost file costs is that stopped containers may come back with other addresses. Addresses of running containers are
//! learnt again from their endpoints ([`Leases::hold`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Error, subnet::Subnet};
use crate::id::ContainerId;

const VERSION: u32 = 1;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    version: u32,
    subnet: Subnet,
    last: Ipv4Addr,
    leases: BTreeMap<ContainerId, Ipv4Addr>,
}

/// The addresses of one network.
#[derive(Debug)]
pub(super) struct Leases {
    path: PathBuf,
    record: Record,
}

/// The network a state folder remembers, if it does.
pub(super) fn remembered(state_dir: &Path) -> Result<Option<Subnet>, Error> {
    Ok(read(&state_dir.join("leases.json"))?.map(|record| record.subnet))
}

fn read(path: &Path) -> Result<Option<Record>, Error> {
    match fs::read(path) {
        // A damaged file is as good as none, see above.
        Ok(bytes) => Ok(serde_json::from_slice::<Record>(&bytes).ok().filter(|record| record.version == VERSION)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::State { path: path.to_owned(), source }),
    }
}

impl Leases {
    /// Reads the state folder, or begins anew when it is of another network.
    pub(super) fn open(state_dir: PathBuf, subnet: Subnet) -> Result<Self, Error> {
        let path = state_dir.join("leases.json");
        fs::create_dir_all(&state_dir).map_err(|source| Error::State { path: state_dir, source })?;
        let known = read(&path)?.filter(|record| record.subnet == subnet);
        let fresh = known.is_none();
        let record = known.unwrap_or_else(|| Record {
            version: VERSION,
            subnet,
            last: subnet.gateway(),
            leases: BTreeMap::new(),
        });
        let leases = Self { path, record };
        if fresh {
            leases.write()?;
        }
        Ok(leases)
    }

    /// A container's address: the one it has, or the lowest free one after the last that was given.
    pub(super) fn take(&mut self, container: &ContainerId) -> Result<Ipv4Addr, Error> {
        if let Some(address) = self.record.leases.get(container) {
            return Ok(*address);
        }
        let subnet = self.record.subnet;
        let taken: BTreeSet<u32> = self.record.leases.values().map(|address| u32::from(*address)).collect();
        let (first, last) = (u32::from(subnet.gateway()) + 1, u32::from(subnet.broadcast()) - 1);
        let after = u32::from(self.record.last) + 1;
        let free = (after.clamp(first, last + 1)..=last).chain(first..after.clamp(first, last + 1));
        let address = free.into_iter().find(|address| !taken.contains(address)).ok_or(Error::NoAddress { subnet })?;
        let address = Ipv4Addr::from(address);
        self.change(|record| {
            record.last = address;
            record.leases.insert(container.clone(), address);
        })?;
        Ok(address)
    }

    /// Forgets a container.
    pub(super) fn release(&mut self, container: &ContainerId) -> Result<(), Error> {
        if !self.record.leases.contains_key(container) {
            return Ok(());
        }
        self.change(|record| {
            record.leases.remove(container);
        })
    }

    /// Makes the leases agree with what runs, and forgets containers that are not known.
    pub(super) fn hold(
        &mut self,
        live: impl Iterator<Item = (ContainerId, Ipv4Addr)>,
        known: &BTreeSet<&ContainerId>,
    ) -> Result<(), Error> {
        let live: Vec<_> = live.filter(|(_, address)| self.record.subnet.is_usable(*address)).collect();
        let mut leases = self.record.leases.clone();
        leases.retain(|container, address| {
            known.contains(container) && !live.iter().any(|(other, used)| used == address && other != container)
        });
        leases.extend(live);
        if leases == self.record.leases {
            return Ok(());
        }
        self.change(|record| record.leases = leases)
    }

    /// Changes memory only when the disk took it.
    fn change(&mut self, edit: impl FnOnce(&mut Record)) -> Result<(), Error> {
        let before = self.record.clone();
        edit(&mut self.record);
        self.write().inspect_err(|_| self.record = before)
    }

    fn write(&self) -> Result<(), Error> {
        let temporary = self.path.with_extension("json.tmp");
        let bytes = serde_json::to_vec(&self.record).map_err(io::Error::from);
        bytes
            .and_then(|bytes| fs::write(&temporary, bytes))
            .and_then(|()| fs::rename(&temporary, &self.path))
            .map_err(|source| Error::State { path: self.path.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Subnet {
        "10.0.0.0/29".parse().expect("a network")
    }

    #[test]
    fn addresses_stick_rotate_and_run_out() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut leases = Leases::open(dir.path().to_owned(), small()).expect("leases");
        let ids: Vec<_> = (0..6).map(|_| ContainerId::random()).collect();
        for (id, last) in ids.iter().zip(2..=6) {
            assert_eq!(leases.take(id).expect("an address"), Ipv4Addr::new(10, 0, 0, last));
        }
        assert!(matches!(leases.take(&ids[5]), Err(Error::NoAddress { .. })));
        leases.release(&ids[1]).expect("released");
        leases.release(&ids[1]).expect("released twice");
        let mut again = Leases::open(dir.path().to_owned(), small()).expect("leases");
        assert_eq!(again.take(&ids[0]).expect("the same"), Ipv4Addr::new(10, 0, 0, 2));
        assert_eq!(again.take(&ids[5]).expect("the freed one"), Ipv4Addr::new(10, 0, 0, 3));
        again.release(&ids[5]).expect("released");
        again.release(&ids[2]).expect("released");
        assert_eq!(again.take(&ids[1]).expect("the next after the last"), Ipv4Addr::new(10, 0, 0, 4));
    }

    #[test]
    fn a_damaged_file_is_begun_anew_and_live_addresses_win() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("leases.json"), "{").expect("written");
        assert_eq!(remembered(dir.path()).expect("read"), None);
        let mut leases = Leases::open(dir.path().to_owned(), small()).expect("leases");
        assert_eq!(remembered(dir.path()).expect("read"), Some(small()));
        let (live, stopped, gone) = (ContainerId::random(), ContainerId::random(), ContainerId::random());
        assert_eq!(leases.take(&stopped).expect("an address"), Ipv4Addr::new(10, 0, 0, 2));
        leases.take(&gone).expect("an address");
        let running = [(live.clone(), Ipv4Addr::new(10, 0, 0, 2))];
        leases.hold(running.into_iter(), &BTreeSet::from([&live, &stopped])).expect("held");
        assert_eq!(leases.take(&live).expect("kept"), Ipv4Addr::new(10, 0, 0, 2));
        assert_eq!(leases.take(&stopped).expect("another"), Ipv4Addr::new(10, 0, 0, 4));
        assert_eq!(leases.take(&gone).expect("another"), Ipv4Addr::new(10, 0, 0, 5));
    }
}
