//! What a container's request opens, turned into what the monitor and the control groups are told.

use std::{
    fs,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::Path,
};

use super::{Engine, create::IDS_EACH};
use crate::{
    container::record::Record,
    error::{Error, ErrorKind, Result},
    monitor::report,
    request::{Access, CreateContainer, DeviceKind, DeviceRule, IpcMode, Isolation, PidMode, SeccompProfile},
    seccomp::{self, custom::Circumstances},
    spec::{self, DeviceNode, IdMap, Joined, Opened, Shared},
    view::ContainerState,
};

/// Folders of devices are not deeper.
const DEEPEST: usize = 8;

/// What a container is run with that differs when it is opened.
pub(in crate::engine) struct Opening {
    pub opened: Opened,
    pub devices: Vec<DeviceRule>,
    pub id_map: Option<IdMap>,
    pub seccomp: Vec<u8>,
    pub masked_paths: Vec<String>,
    pub readonly_paths: Vec<String>,
}

/// Judges what can be judged without another container.
///
/// # Errors
/// A profile that can't be read, device paths that aren't below /dev, options that exclude each other.
pub(in crate::engine) fn check(request: &CreateContainer, capabilities: u64) -> Result<()> {
    let isolation = &request.isolation;
    if let Some(profile) = &isolation.seccomp_profile {
        compile(profile, capabilities)?;
    }
    if isolation.host_uts && request.hostname.as_ref().is_some_and(|name| !name.is_empty()) {
        return Err(Error::invalid("conflicting options: hostname and the UTS mode"));
    }
    for device in &isolation.devices {
        let inside = Path::new(&device.container).components().all(|part| part != std::path::Component::ParentDir);
        if !device.container.starts_with("/dev/") || !inside {
            let text =
                format!("invalid device path {:?}: a device's place inside must be below /dev", device.container);
            return Err(Error::invalid(text));
        }
        if !device.host.is_absolute() {
            return Err(Error::invalid(format!("bad format for path: {}", device.host.display())));
        }
    }
    let is_of_ipc = |key: &&String| key.starts_with("kernel.") || key.starts_with("fs.mqueue.");
    if isolation.ipc == IpcMode::Host
        && let Some(key) = request.sysctls.keys().find(is_of_ipc)
    {
        return Err(Error::invalid(format!("sysctl {key:?} is not allowed in the hosts ipc namespace")));
    }
    Ok(())
}

fn compile(profile: &str, capabilities: u64) -> Result<Vec<u8>> {
    let kernel = nix::sys::utsname::uname().ok().and_then(|name| {
        let release = name.release().to_str()?.to_owned();
        let mut parts = release.split(|c: char| !c.is_ascii_digit());
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    });
    let circumstances = Circumstances { capabilities, kernel: kernel.unwrap_or_default() };
    seccomp::custom::compile(profile, circumstances).map_err(|error| Error::invalid(error.to_string()))
}

impl Engine {
    /// What this run is opened to, as things are now.
    ///
    /// # Errors
    /// Another container that doesn't run or doesn't share, or a device that isn't there.
    pub(in crate::engine) fn opening(&self, record: &Record) -> Result<Opening> {
        let (request, isolation) = (&record.request, &record.request.isolation);
        let capabilities = record.resolved.capabilities;
        let mut opened = Opened {
            host_uts: isolation.host_uts,
            host_cgroups: isolation.host_cgroups,
            no_shm: isolation.ipc == IpcMode::None,
            writable_system: isolation.privileged,
            all_devices: isolation.privileged,
            ..Opened::default()
        };
        let mut id_map = record.id_base.map(|base| IdMap { base, size: IDS_EACH });
        match &isolation.pid {
            PidMode::Private => {}
            PidMode::Host => opened.pid = Shared::Host,
            PidMode::Container(name) => {
                let other = self.joined(name, "PID", &mut opened, &mut id_map)?;
                opened.pid = Shared::Of(other);
            }
        }
        match &isolation.ipc {
            IpcMode::Private | IpcMode::None | IpcMode::Shareable => {}
            IpcMode::Host => opened.ipc = Shared::Host,
            IpcMode::Container(name) => {
                let donor = self.container(name)?;
                if !matches!(donor.request.isolation.ipc, IpcMode::Shareable | IpcMode::Container(_)) {
                    return Err(Error::conflict(format!(
                        "invalid IPC mode: container {name}: non-shareable IPC (hint: use IpcMode:shareable for the \
                         donor container)"
                    )));
                }
                let other = self.joined(name, "IPC", &mut opened, &mut id_map)?;
                opened.ipc = Shared::Of(other);
            }
        }
        let mut devices = isolation.device_rules.clone();
        for device in &isolation.devices {
            let missing = |error: std::io::Error| {
                let path = device.host.display();
                let text = format!("error gathering device information while adding custom device \"{path}\": {error}");
                Error::with_source(ErrorKind::Invalid, text, error)
            };
            rules(&device.host, device.access, &mut devices, 0).map_err(missing)?;
            opened.devices.push(DeviceNode { host: device.host.clone(), container: device.container.clone() });
        }
        if isolation.privileged {
            devices = vec![DeviceRule::ALL];
        }
        let own = |list: &[&str]| list.iter().map(|&path| path.to_owned()).collect::<Vec<_>>();
        let (masked, readonly) = if isolation.privileged {
            (Vec::new(), Vec::new())
        } else {
            (own(spec::MASKED_PATHS), own(spec::READONLY_PATHS))
        };
        Ok(Opening {
            opened,
            devices,
            id_map,
            seccomp: match (&isolation.seccomp_profile, request.seccomp) {
                (Some(profile), _) => compile(profile, capabilities)?,
                (None, SeccompProfile::Unconfined) => Vec::new(),
                (None, SeccompProfile::Default) if isolation.privileged => Vec::new(),
                (None, SeccompProfile::Default) => seccomp::compiled(capabilities).to_vec(),
            },
            masked_paths: isolation.masked_paths.clone().unwrap_or(masked),
            readonly_paths: isolation.readonly_paths.clone().unwrap_or(readonly),
        })
    }

    /// Another container's first process; where that has mapped ids, they become this one's.
    fn joined(&self, name: &str, what: &str, opened: &mut Opened, id_map: &mut Option<IdMap>) -> Result<Joined> {
        let other = self.container(name)?;
        let not_running = || Error::conflict(format!("cannot join {what} of a non running container: {name}"));
        let ContainerState::Running { pid, .. } = other.state else { return Err(not_running()) };
        let start_time = report::start_time(pid).map_err(|_| not_running())?;
        // Still the same after its start time was read: the time is of that process.
        match self.container(other.id.as_str())?.state {
            ContainerState::Running { pid: now, .. } if now == pid => {}
            _ => return Err(not_running()),
        }
        let joined = Joined { pid, start_time };
        if id_map.is_some() {
            let Some(base) = self.mapping_of(&other)? else {
                return Err(Error::invalid(format!(
                    "container {name} has the host's ids: to join its {what} namespace choose --userns=host"
                )));
            };
            if opened.user.is_some_and(|user| user != joined) {
                return Err(Error::invalid(
                    "the PID and IPC namespaces of two containers can't be joined: each has users of its own",
                ));
            }
            opened.user = Some(joined);
            *id_map = Some(IdMap { base, size: IDS_EACH });
        }
        Ok(joined)
    }

    /// First host id of a running container: its own range's, or that of the one it joined.
    fn mapping_of(&self, other: &crate::view::ContainerView) -> Result<Option<u32>> {
        let isolation: &Isolation = &other.request.isolation;
        match isolation.pid.other().or(isolation.ipc.other()).filter(|_| other.id_base.is_some()) {
            Some(next) => self.mapping_of(&self.container(next)?),
            None => Ok(other.id_base),
        }
    }
}

/// Rules for a node, or for those in a folder.
fn rules(path: &Path, access: Access, rules_so_far: &mut Vec<DeviceRule>, depth: usize) -> std::io::Result<()> {
    let found = fs::metadata(path)?;
    if found.is_dir() {
        if depth < DEEPEST {
            for entry in fs::read_dir(path)? {
                rules(&entry?.path(), access, rules_so_far, depth + 1)?;
            }
        }
        return Ok(());
    }
    let kind = match (found.file_type().is_char_device(), found.file_type().is_block_device()) {
        (true, _) => DeviceKind::Character,
        (_, true) => DeviceKind::Block,
        _ if depth > 0 => return Ok(()),
        _ => return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a device node")),
    };
    let number = found.rdev();
    let (major, minor) = (nix::sys::stat::major(number) as u32, nix::sys::stat::minor(number) as u32);
    rules_so_far.push(DeviceRule { kind, major: Some(major), minor: Some(minor), access });
    Ok(())
}
