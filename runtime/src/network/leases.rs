//! Which container has which address in one network.
//!
//! `leases.json`, and `leases6.json` where the network has IPv6, is replaced whole by a rename. It is not synced: after a
//! loss of power no container runs, and all a lost file costs is that stopped containers may come back with other
//! addresses. Addresses of running containers are learnt again from their endpoints ([`Leases::hold`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    Error,
    subnet::{Address, Subnet},
};
use crate::id::ContainerId;

const VERSION: u32 = 1;

/// The file of a family's addresses.
pub(super) const FILE: &str = "leases.json";
/// The same of IPv6.
pub(super) const FILE_6: &str = "leases6.json";

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "A: Address")]
struct Record<A> {
    version: u32,
    subnet: Subnet<A>,
    last: A,
    leases: BTreeMap<ContainerId, A>,
}

/// Which addresses of a subnet are given to those who don't choose.
#[derive(Clone, Debug)]
pub(super) struct Pool<A = Ipv4Addr> {
    pub(super) subnet: Subnet<A>,
    pub(super) gateway: A,
    pub(super) range: Option<Subnet<A>>,
    /// Addresses of others.
    pub(super) reserved: BTreeSet<A>,
}

impl<A: Address> Pool<A> {
    /// Whether a container may have it.
    fn allows(&self, address: A) -> bool {
        self.subnet.contains(address)
            && address != self.gateway
            && address != self.subnet.network()
            && address != self.subnet.last()
            && !self.reserved.contains(&address)
    }
}

/// The addresses of one network.
#[derive(Debug)]
pub(super) struct Leases<A = Ipv4Addr> {
    path: PathBuf,
    pool: Pool<A>,
    record: Record<A>,
}

/// The network a state folder remembers, if it does.
pub(super) fn remembered(state_dir: &Path) -> Result<Option<Subnet>, Error> {
    Ok(read::<Ipv4Addr>(&state_dir.join(FILE))?.map(|record| record.subnet))
}

fn read<A: Address>(path: &Path) -> Result<Option<Record<A>>, Error> {
    match fs::read(path) {
        // A damaged file is as good as none, see above.
        Ok(bytes) => Ok(serde_json::from_slice::<Record<A>>(&bytes).ok().filter(|record| record.version == VERSION)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::State { path: path.to_owned(), source }),
    }
}

impl<A: Address> Leases<A> {
    /// Reads a file of the state folder, or begins anew when it is of another network.
    pub(super) fn open(state_dir: PathBuf, file: &str, pool: Pool<A>) -> Result<Self, Error> {
        let subnet = pool.subnet;
        let path = state_dir.join(file);
        fs::create_dir_all(&state_dir).map_err(|source| Error::State { path: state_dir, source })?;
        let known = read(&path)?.filter(|record| record.subnet == subnet);
        let fresh = known.is_none();
        let record = known.unwrap_or_else(|| Record {
            version: VERSION,
            subnet,
            last: subnet.network(),
            leases: BTreeMap::new(),
        });
        let leases = Self { path, pool, record };
        if fresh {
            leases.write()?;
        }
        Ok(leases)
    }

    /// A container's address: the one it has, or the lowest free one after the last that was given.
    pub(super) fn take(&mut self, container: &ContainerId) -> Result<A, Error> {
        if let Some(address) = self.record.leases.get(container) {
            return Ok(*address);
        }
        let range = self.pool.range.unwrap_or(self.pool.subnet);
        let taken: BTreeSet<A> = self.record.leases.values().copied().collect();
        let (first, last) = (range.network().bits(), range.last().bits());
        let after = self.record.last.bits().saturating_add(1).clamp(first, last);
        let mut free = (after..=last).chain(first..after).map(A::of_bits);
        let address = free
            .find(|address| !taken.contains(address) && self.pool.allows(*address))
            .ok_or_else(|| Error::NoAddress { family: A::FAMILY, subnet: self.pool.subnet.to_string() })?;
        // Not by `change`: a copy of all for each start is what a thousand containers would wait for.
        let last = std::mem::replace(&mut self.record.last, address);
        self.record.leases.insert(container.clone(), address);
        if let Err(error) = self.write() {
            self.record.leases.remove(container);
            self.record.last = last;
            return Err(error);
        }
        Ok(address)
    }

    /// Gives a container the address it wants. Those who don't run lose it, if it was theirs.
    pub(super) fn take_this(
        &mut self,
        container: &ContainerId,
        address: A,
        runs: impl Fn(&ContainerId) -> bool,
    ) -> Result<(), Error> {
        if self.record.leases.get(container) == Some(&address) {
            return Ok(());
        }
        if !self.pool.allows(address) {
            return Err(Error::WrongAddress { address: address.into(), subnet: self.pool.subnet.to_string() });
        }
        let owner = self.record.leases.iter().find(|(_, leased)| **leased == address).map(|(owner, _)| owner.clone());
        if owner.as_ref().is_some_and(runs) {
            return Err(Error::AddressInUse { address: address.into() });
        }
        self.change(|record| {
            if let Some(owner) = owner {
                record.leases.remove(&owner);
            }
            record.leases.insert(container.clone(), address);
        })
    }

    /// Forgets a container.
    pub(super) fn release(&mut self, container: &ContainerId) -> Result<(), Error> {
        let Some(address) = self.record.leases.remove(container) else { return Ok(()) };
        if let Err(error) = self.write() {
            self.record.leases.insert(container.clone(), address);
            return Err(error);
        }
        Ok(())
    }

    /// Makes the leases agree with what runs, and forgets containers that are not known.
    pub(super) fn hold(
        &mut self,
        live: impl Iterator<Item = (ContainerId, A)>,
        known: &BTreeSet<&ContainerId>,
    ) -> Result<(), Error> {
        let live: Vec<_> = live.filter(|(_, address)| self.pool.allows(*address)).collect();
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
    fn change(&mut self, edit: impl FnOnce(&mut Record<A>)) -> Result<(), Error> {
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

    fn whole() -> Pool {
        Pool { subnet: small(), gateway: small().gateway(), range: None, reserved: BTreeSet::new() }
    }

    #[test]
    fn addresses_stick_rotate_and_run_out() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut leases = Leases::open(dir.path().to_owned(), FILE, whole()).expect("leases");
        let ids: Vec<_> = (0..6).map(|_| ContainerId::random()).collect();
        for (id, last) in ids.iter().zip(2..=6) {
            assert_eq!(leases.take(id).expect("an address"), Ipv4Addr::new(10, 0, 0, last));
        }
        assert!(matches!(leases.take(&ids[5]), Err(Error::NoAddress { .. })));
        leases.release(&ids[1]).expect("released");
        leases.release(&ids[1]).expect("released twice");
        let mut again = Leases::open(dir.path().to_owned(), FILE, whole()).expect("leases");
        assert_eq!(again.take(&ids[0]).expect("the same"), Ipv4Addr::new(10, 0, 0, 2));
        assert_eq!(again.take(&ids[5]).expect("the freed one"), Ipv4Addr::new(10, 0, 0, 3));
        again.release(&ids[5]).expect("released");
        again.release(&ids[2]).expect("released");
        assert_eq!(again.take(&ids[1]).expect("the next after the last"), Ipv4Addr::new(10, 0, 0, 4));
    }

    #[test]
    fn addresses_may_be_chosen_and_kept_out() {
        let dir = tempfile::tempdir().expect("a folder");
        let subnet: Subnet = "10.0.0.0/24".parse().expect("a network");
        let pool = Pool {
            subnet,
            gateway: Ipv4Addr::new(10, 0, 0, 129),
            range: Some("10.0.0.128/29".parse().expect("a range")),
            reserved: BTreeSet::from([Ipv4Addr::new(10, 0, 0, 130)]),
        };
        let mut leases = Leases::open(dir.path().to_owned(), FILE, pool).expect("leases");
        let ids: Vec<_> = (0..8).map(|_| ContainerId::random()).collect();
        let given: Vec<u8> = ids[..6].iter().map(|id| leases.take(id).expect("an address").octets()[3]).collect();
        assert_eq!(given, [128, 131, 132, 133, 134, 135]);
        assert!(matches!(leases.take(&ids[6]), Err(Error::NoAddress { .. })));
        let mut wish = |id: &ContainerId, last: u8, runs: bool| {
            leases.take_this(id, Ipv4Addr::new(10, 0, 0, last), |_| runs).map_err(|error| error.to_string())
        };
        wish(&ids[6], 7, true).expect("outside of the range is well");
        wish(&ids[6], 7, true).expect("again");
        assert_eq!(wish(&ids[7], 7, true).expect_err("in use"), "Address already in use");
        wish(&ids[7], 7, false).expect("its owner does not run");
        for wrong in [0, 129, 130, 255] {
            wish(&ids[6], wrong, true).expect_err("not a container's");
        }
    }

    #[test]
    fn a_damaged_file_is_begun_anew_and_live_addresses_win() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("leases.json"), "{").expect("written");
        assert_eq!(remembered(dir.path()).expect("read"), None);
        let mut leases = Leases::open(dir.path().to_owned(), FILE, whole()).expect("leases");
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
