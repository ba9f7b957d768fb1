//! Ways out of a container, as a script for a shell inside: none may be open.

/// What must fail inside: a name and a shell line that succeeds where something is open.
const WAYS: &[(&str, &str)] = &[
    ("mount memory", "mount -t tmpfs none /mnt"),
    ("mount the host's processes", "mount -t proc none /mnt"),
    ("mount control groups", "mount -t cgroup2 none /mnt || mount -t cgroup -o memory none /mnt"),
    ("make the root writable by others", "mount --bind / /mnt"),
    ("remount /sys", "mount -o remount,rw /sys"),
    ("remount /proc/sys", "mount -o remount,rw,bind /proc/sys"),
    ("unmount a mask", "umount /proc/kcore || umount /sys/firmware"),
    ("make a user namespace", "unshare -U true"),
    ("make a mount namespace", "unshare -m true"),
    ("join the first process' namespaces", "nsenter -t 1 -m true"),
    ("change the root", "mkdir -p /tmp/r && pivot_root /tmp/r /tmp/r"),
    ("set the time", "date -s '2001-01-01 00:00'; test $(date +%Y) = 2001"),
    ("set the host's name", "hostname elsewhere"),
    ("load a module", "insmod /bin/busybox"),
    ("read the kernel's log", "dmesg"),
    ("write the core pattern", "echo x > /proc/sys/kernel/core_pattern"),
    ("write the module loader", "echo x > /proc/sys/kernel/modprobe"),
    ("write kernel settings", "echo 1 > /proc/sys/kernel/panic"),
    ("press a system key", "echo h > /proc/sysrq-trigger"),
    ("write interrupt affinity", "echo 1 > /proc/irq/default_smp_affinity"),
    ("read memory", "head -c 1 /proc/kcore | grep -q ."),
    ("read keys", "grep -q . /proc/keys"),
    ("read timers", "grep -q . /proc/timer_list"),
    ("read interrupts", "grep -q . /proc/interrupts"),
    ("see firmware", "ls /sys/firmware | grep -q ."),
    ("see power caps", "ls /sys/devices/virtual/powercap | grep -q ."),
    ("write below /sys", "echo x > /sys/kernel/uevent_helper || touch /sys/x || echo mem > /sys/power/state"),
    (
        "write a control group",
        "for f in $(find /sys/fs/cgroup -name tasks -o -name cgroup.procs); do echo 0 > $f && exit 0; done; exit 1",
    ),
    ("make a control group", "for d in /sys/fs/cgroup /sys/fs/cgroup/*/; do mkdir ${d%/}/x && exit 0; done; exit 1"),
    (
        "set a release agent",
        "for f in $(find /sys/fs/cgroup -name release_agent); do echo x > $f && exit 0; done; exit 1",
    ),
    (
        "lift a limit",
        "for f in $(find /sys/fs/cgroup -name memory.max -o -name memory.limit_in_bytes -o -name pids.max); do echo 1000 > $f && exit 0; done; exit 1",
    ),
    ("allow a device", "for f in $(find /sys/fs/cgroup -name devices.allow); do echo a > $f && exit 0; done; exit 1"),
    ("use the first disk", "mknod /tmp/disk b 8 0 && head -c 1 /tmp/disk"),
    ("use a virtual disk", "mknod /tmp/vda b 254 0 && head -c 1 /tmp/vda"),
    ("use the host's memory", "mknod /tmp/mem c 1 1 && head -c 1 /tmp/mem"),
    ("use a port of the machine", "mknod /tmp/port c 1 4 && head -c 1 /tmp/port"),
    ("use fuse", "mknod /tmp/fuse c 10 229 && exec 3<>/tmp/fuse"),
    ("make tunnels", "mknod /tmp/tun c 10 200 && exec 3<>/tmp/tun"),
    ("use a machine's monitor", "mknod /tmp/kvm c 10 232 && exec 3<>/tmp/kvm"),
    ("write the kernel's log", "mknod /tmp/kmsg c 1 11 && head -c 1 /tmp/kmsg"),
    (
        "see more devices",
        "ls /dev | grep -vxE 'console|core|fd|full|mqueue|null|ptmx|pts|random|shm|stderr|stdin|stdout|tty|urandom|zero'",
    ),
    ("see other processes", "test $(ls /proc | grep -c '^[0-9]') -gt 12"),
    ("signal a process outside", "for p in $(seq 10000 500 32000); do kill -0 $p 2>/dev/null && exit 0; done; exit 1"),
    ("lower its own score", "echo -1000 > /proc/self/oom_score_adj"),
    ("change an interface", "ip link set eth0 down"),
    ("add an address", "ip addr add 10.9.9.9/24 dev eth0"),
    ("see the host's interfaces", "ls /sys/class/net | grep -vxE 'lo|eth0'"),
    ("reach the pages on the host's loopback", "timeout 2 wget -q -O /dev/null http://127.0.0.1:8080/"),
    ("see the engine's sockets", "grep -q docker.sock /proc/net/unix"),
    ("see the engine's folders", "grep -E '^[0-9]+ [0-9]+ [0-9:]+ / / ' /proc/self/mountinfo | grep -q darsena"),
    ("inherit a descriptor", "ls /proc/self/fd | grep -vxE '0|1|2|3'"),
    ("write the init program", "echo x >> /proc/1/exe"),
    ("look through the first process", "ls /proc/1/root/../../var/lib/darsena"),
    ("lift a process' limit", "ulimit -n 1048577"),
    ("set ids of the host", "grep -q '^CapEff:.*f\\{9\\}' /proc/self/status"),
    ("run without a filter", "grep -q '^Seccomp:\\s*0' /proc/self/status"),
    ("have capabilities of the host", "test $(( 0x$(grep CapBnd /proc/self/status | cut -f2) & ~0xa80425fb )) -ne 0"),
];

/// Tries each; says `open: NAME` of those that are, and `tried` at the end.
pub fn script() -> String {
    let script = WAYS.iter().fold(String::new(), |script, (name, way)| {
        format!("{script}( {way} ) >/dev/null 2>&1 </dev/null && echo \"open: {name}\"\n")
    });
    format!("{script}echo tried")
}

/// Says which of the list's tools the image lacks: without them it means nothing.
pub fn missing_tools() -> String {
    let tools = ["mount", "unshare", "nsenter", "mknod", "ip", "wget", "insmod", "dmesg", "pivot_root", "umount"];
    format!("for t in {} timeout; do command -v $t >/dev/null || echo $t; done", tools.join(" "))
}
