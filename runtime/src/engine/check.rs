//! What this host can do, in words a person can act on. Looks, changes nothing.

use std::{fs, path::Path};

use super::Config;
use crate::{
    cgroup, durable,
    monitor::client::Launcher,
    network,
    view::{HostCheck, HostInfo, Verdict},
};

/// openat2, pidfd, the new mount API and idmapped overlay layers together (engine's floor).
const LEAST_KERNEL: (u32, u32) = (5, 19);

/// Less free room than this is worth a word, in bytes.
const LITTLE_ROOM_BYTES: u64 = 2 << 30;

impl super::Engine {
    /// What this host is and can do. Needs no open engine: `darsena check` uses it.
    pub fn check(config: &Config) -> HostInfo {
        let mut checks = vec![
            root(),
            kernel(),
            cgroups(),
            overlay(),
            seccomp(),
            netfilter(),
            forwarding(),
            ipv6(),
            ids(),
            room(&config.data_root),
        ];
        checks.extend(foreign_rules());
        let mapped = mapped_overlay(config);
        checks.push(match &mapped {
            Ok(()) => good("mapped_users", "overlay layers can be mapped to other ids".to_owned()),
            Err(error) => limited(
                "mapped_users",
                format!("overlay layers can't be mapped to other ids: {error}"),
                "root in a container is root on the host; use a kernel of 5.19 or newer and ext4, xfs or btrfs for the data root",
            ),
        });
        let uname = nix::sys::utsname::uname().ok();
        let word = |part: fn(&nix::sys::utsname::UtsName) -> &std::ffi::OsStr| {
            uname.as_ref().map(|name| part(name).to_string_lossy().into_owned()).unwrap_or_default()
        };
        let machine = word(nix::sys::utsname::UtsName::machine);
        HostInfo {
            hostname: word(nix::sys::utsname::UtsName::nodename),
            kernel: word(nix::sys::utsname::UtsName::release),
            operating_system: operating_system(),
            architecture: match machine.as_str() {
                "x86_64" => "amd64",
                "aarch64" => "arm64",
                "riscv64" => "riscv64",
                _ => std::env::consts::ARCH,
            },
            machine,
            cpus: std::thread::available_parallelism().map_or(1, |count| count.get() as u32),
            memory_bytes: memory_bytes(),
            cgroup_version: cgroup::Layout::detect().map_or(0, |layout| layout.version()),
            mapped_users: mapped.is_ok(),
            seccomp: Path::new("/proc/sys/kernel/seccomp").exists(),
            data_root: config.data_root.clone(),
            engine_id: String::new(),
            registry_mirrors: config.registry_mirrors.clone(),
            insecure_registries: config.insecure_registries.clone(),
            disk_bytes: disk_bytes(&config.data_root),
            checks,
        }
    }
}

/// Tries it in a folder of the data root, by the monitor's program. Outside the data root when there is none yet.
fn mapped_overlay(config: &Config) -> Result<(), String> {
    let parent = config.data_root.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"));
    let folder = parent.join(durable::fresh_name(".darsena-probe-"));
    let tried = (|| {
        fs::create_dir(&folder)?;
        Launcher::new(config.monitor)?.probe(&folder)
    })();
    let _ = fs::remove_dir_all(&folder);
    tried.map_err(|error| error.to_string())
}

fn good(name: &'static str, found: String) -> HostCheck {
    HostCheck { name, verdict: Verdict::Good, found, remedy: String::new() }
}

fn limited(name: &'static str, found: String, remedy: &str) -> HostCheck {
    HostCheck { name, verdict: Verdict::Limited, found, remedy: remedy.to_owned() }
}

fn missing(name: &'static str, found: String, remedy: &str) -> HostCheck {
    HostCheck { name, verdict: Verdict::Missing, found, remedy: remedy.to_owned() }
}

fn root() -> HostCheck {
    if nix::unistd::geteuid().is_root() {
        good("root", "runs as root".to_owned())
    } else {
        missing("root", format!("runs as uid {}", nix::unistd::geteuid()), "start darsena as root")
    }
}

fn kernel() -> HostCheck {
    let release =
        nix::sys::utsname::uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= LEAST_KERNEL {
        good("kernel", format!("Linux {release}"))
    } else {
        let remedy = format!("install a kernel of {}.{} or newer", LEAST_KERNEL.0, LEAST_KERNEL.1);
        missing("kernel", format!("Linux {release}"), &remedy)
    }
}

fn cgroups() -> HostCheck {
    match cgroup::Layout::detect() {
        Ok(layout) => good("cgroups", format!("control groups version {}", layout.version())),
        Err(error) => {
            missing("cgroups", format!("no usable control groups: {error}"), "mount cgroup2 on /sys/fs/cgroup")
        }
    }
}

fn overlay() -> HostCheck {
    if has_file_system("overlay") {
        good("overlay", "the overlay file system is there".to_owned())
    } else {
        missing("overlay", "the kernel has no overlay file system".to_owned(), "load it: modprobe overlay")
    }
}

fn has_file_system(name: &str) -> bool {
    let listed = fs::read_to_string("/proc/filesystems")
        .unwrap_or_default()
        .lines()
        .any(|line| line.split_whitespace().last() == Some(name));
    // A module that can be loaded on demand counts: mount(2) loads it.
    listed || module_exists(name)
}

fn module_exists(name: &str) -> bool {
    let Ok(release) = nix::sys::utsname::uname() else { return false };
    let index = Path::new("/lib/modules").join(release.release()).join("modules.dep");
    let file = format!("/{name}.ko");
    fs::read_to_string(index)
        .unwrap_or_default()
        .lines()
        .any(|line| line.split(':').next().is_some_and(|path| path.contains(&file)))
}

fn seccomp() -> HostCheck {
    if Path::new("/proc/sys/kernel/seccomp").exists() {
        good("seccomp", "system call filters can be loaded".to_owned())
    } else {
        limited(
            "seccomp",
            "the kernel has no system call filters".to_owned(),
            "use a kernel with CONFIG_SECCOMP_FILTER",
        )
    }
}

fn netfilter() -> HostCheck {
    match network::warnings() {
        Ok(_) => good("nftables", "nf_tables answers".to_owned()),
        Err(error) => missing(
            "nftables",
            format!("nf_tables does not answer: {error}"),
            "load it: modprobe nf_tables nft_nat nft_masq",
        ),
    }
}

fn forwarding() -> HostCheck {
    match fs::read_to_string("/proc/sys/net/ipv4/ip_forward") {
        Ok(value) if value.trim() == "1" => good("ip_forward", "packets are forwarded".to_owned()),
        Ok(_) => good("ip_forward", "forwarding is off; darsena switches it on when it starts".to_owned()),
        Err(error) => missing("ip_forward", format!("net.ipv4.ip_forward can't be read: {error}"), "mount /proc"),
    }
}

fn ipv6() -> HostCheck {
    match network::ipv6_lacking() {
        None => good("ipv6", "networks can have IPv6".to_owned()),
        Some(why) => limited(
            "ipv6",
            format!("networks can't have IPv6: {why}"),
            "for networks with IPv6, load the module ipv6 and set net.ipv6.conf.all.disable_ipv6 = 0",
        ),
    }
}

/// CAP_SYS_RESOURCE is what raising limits needs (setrlimit(2)).
fn ids() -> HostCheck {
    const SYS_RESOURCE: u64 = 1 << 24;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    if effective.is_some_and(|set| set & SYS_RESOURCE != 0) {
        good("rlimits", "limits can be raised".to_owned())
    } else {
        limited(
            "rlimits",
            "root lacks CAP_SYS_RESOURCE here: limits above the host's are lowered to it".to_owned(),
            "give darsena CAP_SYS_RESOURCE if containers need more",
        )
    }
}

fn foreign_rules() -> Vec<HostCheck> {
    let warnings = network::warnings().unwrap_or_default();
    let remedy = "allow forwarding to and from darsena0 in that firewall";
    warnings.into_iter().map(|found| limited("firewall", found, remedy)).collect()
}

fn room(data_root: &Path) -> HostCheck {
    let (free, _) = disk_bytes(data_root);
    let found = format!("{} MB free for {}", free / 1_000_000, data_root.display());
    if free >= LITTLE_ROOM_BYTES {
        good("room", found)
    } else {
        limited("room", found, "make room, or choose another --data")
    }
}

/// Free and all bytes of the file system that holds the path, or will.
pub(in crate::engine) fn disk_bytes(path: &Path) -> (u64, u64) {
    let existing = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    match nix::sys::statvfs::statvfs(existing) {
        Ok(stat) => (stat.blocks_available() * stat.fragment_size(), stat.blocks() * stat.fragment_size()),
        Err(_) => (0, 0),
    }
}

fn memory_bytes() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn operating_system() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(|| "Linux".to_owned(), |name| name.trim_matches('"').to_owned())
}
