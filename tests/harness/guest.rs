//! A virtual machine with Debian's kernel and cgroup v2 only, for what this host can't show.
//!
//! ```text
//!   initramfs   busybox, modules -> mounts the disk, switch_root     (a container can't be made on an initramfs)
//!   disk        ext4 from a folder: busybox, the programs with their libraries, files, /test
//!   console     what /test says: lines `ok - name`, `not ok - name`, `# why`; then `guest: end`
//! ```
//! It is emulated (TCG), 30 to 90 times slower than this machine: tests assert what happens, not how fast.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{space::checked, wait::Heard};

const MODULES: &[&str] = &[
    "virtio_pci",
    "virtio_blk",
    "overlay",
    "veth",
    "bridge",
    "br_netfilter",
    "nf_tables",
    "nft_chain_nat",
    "nft_masq",
    "nft_ct",
    "nft_fib_inet",
    "nft_nat",
    "nft_redir",
    "nft_reject_inet",
    "nft_numgen",
    "nft_log",
    "nf_conntrack_netlink",
];

const INITRAMFS_INIT: &str = r"#!/bin/sh
export PATH=/bin
mount -t proc none /proc; mount -t devtmpfs none /dev
for module in $(cat /modules/order); do insmod /modules/$module || echo guest: no $module; done
mount -t ext4 /dev/vda /disk || echo guest: no disk
exec switch_root /disk /init
";

const DISK_INIT: &str = r#"#!/bin/sh
export PATH=/bin:/usr/sbin:/sbin:/usr/bin HOME=/root
mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm; mount -t devpts none /dev/pts; mount -t tmpfs none /dev/shm
mount -t cgroup2 none /sys/fs/cgroup; mount -t tmpfs none /run
ip link set lo up; hostname guest
check() {
  name=$1; shift
  if said=$("$@" 2>&1); then echo "ok - $name"; else echo "not ok - $name"; echo "$said" | sed 's/^/# /'; fi
}
echo; echo "guest: begin"
. /test
echo "guest: end"
sync; poweroff -f
"#;

/// What a machine is made of.
pub struct Guest {
    folder: TempDir,
    programs: Vec<(PathBuf, String)>,
}

/// One line of a guest's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// `ok` or `not ok`.
    pub passed: bool,
    /// What was checked.
    pub name: String,
    /// What the command said when it failed.
    pub said: String,
}

/// Where the kernel is, or what to do to have it there.
pub fn kernel() -> Result<PathBuf, String> {
    let folder = std::env::var_os("DARSENA_TESTS_KERNEL").unwrap_or_else(|| "/var/tmp/darsena-tests-kernel".into());
    let folder = PathBuf::from(folder);
    match first(&folder.join("boot"), "vmlinuz-") {
        Some(_) => Ok(folder),
        None => Err(format!("{0} has no kernel: run tests/harness/fetch-kernel {0}", folder.display())),
    }
}

fn first(folder: &Path, prefix: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    entries
        .map(|entry| entry.path())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
}

impl Guest {
    /// A machine with busybox.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("darsena-guest-").tempdir_in("/var/tmp").expect("a folder");
        for root in ["initramfs", "disk"] {
            busybox(&folder.path().join(root));
        }
        Self { folder, programs: Vec::new() }
    }

    fn disk(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// Adds a program of this machine, with the libraries it is linked to, in `/usr/bin`.
    #[must_use]
    pub fn program(self, path: &Path) -> Self {
        let name = path.file_name().expect("a program is a file").to_string_lossy().into_owned();
        self.program_as(path, &name)
    }

    /// The same under another name.
    #[must_use]
    pub fn program_as(mut self, path: &Path, name: &str) -> Self {
        self.programs.push((path.to_owned(), name.to_owned()));
        self
    }

    /// Adds a file.
    #[must_use]
    pub fn file(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        let path = self.disk().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder can be made");
        fs::write(path, bytes).expect("a file can be written");
        self
    }

    /// Boots it, runs the shell script (it may call `check NAME COMMAND...`) and gives what it said. Panics when the
    /// script has not ended within the deadline.
    pub fn run(self, script: &str, deadline: Duration) -> Vec<Check> {
        let kernel = kernel().unwrap_or_else(|error| panic!("{error}"));
        for (program, name) in &self.programs {
            install(program, name, &self.disk());
        }
        let machine = self.file("test", script).file("init", DISK_INIT);
        executable(&machine.disk().join("init"));
        let initramfs = machine.initramfs(&kernel);
        let disk = machine.folder.path().join("disk.img");
        checked(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0", "-d"]).arg(machine.disk()).arg(&disk).arg("2G"));
        let image = first(&kernel.join("boot"), "vmlinuz-").expect("it was looked for");
        let mut qemu = Command::new("qemu-system-x86_64")
            .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-m", "1024", "-smp", "2", "-nographic", "-no-reboot"])
            .args(["-nic", "none", "-kernel"])
            .arg(image)
            .arg("-initrd")
            .arg(initramfs)
            .arg("-drive")
            .arg(format!("file={},if=virtio,format=raw,snapshot=on", disk.display()))
            .args(["-append", "console=ttyS0 quiet panic=-1 cgroup_no_v1=all"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("qemu-system-x86_64 runs");
        let console = Heard::from(qemu.stdout.take().expect("it is piped"));
        let ended = console.says("guest: end", deadline);
        let _ = qemu.kill();
        let _ = qemu.wait();
        let text = console.text();
        assert!(ended, "the guest has not ended within {deadline:?}:\n{text}");
        parse(&text)
    }

    fn initramfs(&self, kernel: &Path) -> PathBuf {
        let root = self.folder.path().join("initramfs");
        fs::create_dir_all(root.join("modules")).expect("a folder can be made");
        fs::create_dir_all(root.join("disk")).expect("a folder can be made");
        let version = first(&kernel.join("lib/modules"), "").expect("the kernel has modules");
        let version = version.file_name().expect("it has a name").to_string_lossy().into_owned();
        checked(Command::new("depmod").arg("-b").arg(kernel).arg(&version));
        let (mut order, mut seen) = (String::new(), BTreeSet::new());
        for module in MODULES {
            let mut show = Command::new("modprobe");
            show.arg("-d").arg(kernel).args(["-S", &version, "--show-depends", module]);
            let listed = checked(&mut show);
            // `insmod /path/module.ko`; or `builtin name`, which is there without loading.
            for path in
                listed.lines().filter_map(|line| line.strip_prefix("insmod ")).map(|path| Path::new(path.trim()))
            {
                let name = path.file_name().expect("a module is a file").to_string_lossy().into_owned();
                if seen.insert(name.clone()) {
                    fs::copy(path, root.join("modules").join(&name)).expect("a module can be copied");
                    order.push_str(&name);
                    order.push('\n');
                }
            }
        }
        fs::write(root.join("modules/order"), order).expect("a file can be written");
        fs::write(root.join("init"), INITRAMFS_INIT).expect("a file can be written");
        executable(&root.join("init"));
        let file = self.folder.path().join("initramfs.cpio");
        let pack = "cd \"$0\" && find . | cpio --quiet -o -H newc > \"$1\"";
        checked(Command::new("sh").args(["-c", pack]).arg(&root).arg(&file));
        file
    }
}

impl Default for Guest {
    fn default() -> Self {
        Self::new()
    }
}

/// A root with busybox and a link for each applet.
fn busybox(root: &Path) {
    for folder in
        ["bin", "dev", "proc", "sys", "run", "tmp", "root", "etc", "usr/bin", "usr/sbin", "var/lib", "var/tmp"]
    {
        fs::create_dir_all(root.join(folder)).expect("a folder can be made");
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox-static is installed");
    for applet in checked(Command::new("/bin/busybox").arg("--list")).lines().filter(|applet| *applet != "busybox") {
        symlink("busybox", root.join("bin").join(applet)).expect("a link can be made");
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").expect("a file can be written");
    fs::write(root.join("etc/group"), "root:x:0:\n").expect("a file can be written");
}

/// Copies a program and what it is linked to.
fn install(program: &Path, name: &str, root: &Path) {
    let target = root.join("usr/bin").join(name);
    fs::copy(program, &target).unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    executable(&target);
    // busybox has applets of the same names (ip); the real program must win.
    let _ = fs::remove_file(root.join("bin").join(name));
    let listed = Command::new("ldd").arg(program).output().expect("ldd (package libc-bin) runs");
    // `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)`, `/lib64/ld-linux-x86-64.so.2 (0x...)`
    for library in String::from_utf8_lossy(&listed.stdout).split_whitespace().filter(|word| word.starts_with('/')) {
        let target = root.join(library.trim_start_matches('/'));
        fs::create_dir_all(target.parent().expect("a library has a folder")).expect("a folder can be made");
        fs::copy(library, target).unwrap_or_else(|error| panic!("{library}: {error}"));
    }
}

fn executable(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("our file");
}

fn parse(console: &str) -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    for line in console.lines().map(|line| line.trim_end_matches('\r')) {
        if let Some(name) = line.strip_prefix("ok - ") {
            checks.push(Check { passed: true, name: name.to_owned(), said: String::new() });
        } else if let Some(name) = line.strip_prefix("not ok - ") {
            checks.push(Check { passed: false, name: name.to_owned(), said: String::new() });
        } else if let (Some(said), Some(check)) = (line.strip_prefix("# "), checks.last_mut()) {
            check.said.push_str(said);
            check.said.push('\n');
        }
    }
    checks
}

/// Panics naming the checks that failed, or when there are fewer than expected.
pub fn assert_passed(checks: &[Check], expected: usize) {
    let failed: Vec<String> =
        checks.iter().filter(|check| !check.passed).map(|check| format!("{}: {}", check.name, check.said)).collect();
    assert!(failed.is_empty(), "failed in the guest:\n  {}", failed.join("\n  "));
    assert_eq!(checks.len(), expected, "checks that were made: {checks:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consoles_are_parsed() {
        let checks = parse("boot\r\nok - a b\r\nnot ok - c\r\n# why\r\n# more\r\nguest: end\r\n");
        assert_eq!(checks.len(), 2);
        assert_eq!((checks[0].passed, checks[1].passed), (true, false));
        assert_eq!((checks[0].name.as_str(), checks[1].said.as_str()), ("a b", "why\nmore\n"));
    }
}
