//! Which system calls a container may make: Docker's default profile, by meaning. Pure data.
//!
//! What isn't named is refused with `EPERM`. Stricter than Docker in three points: `socketcall` (i386) is `ENOSYS`,
//! since its arguments are out of a filter's sight and would let AF_ALG and AF_VSOCK through; the x32 ABI is `ENOSYS`;
//! and arguments are compared in the 32 bits that the kernel looks at, so that garbage above them hides nothing.

/// A test of one argument's lower 32 bits. All that seccomp profiles know, whether or not this one uses it.
#[allow(dead_code)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// Equal.
    Eq(u32),
    /// Not equal.
    Ne(u32),
    /// Less.
    Lt(u32),
    /// Less or equal.
    Le(u32),
    /// Greater.
    Gt(u32),
    /// Greater or equal.
    Ge(u32),
    /// From the first to the second, both included.
    Within(u32, u32),
    /// Equal after a mask (first) is applied.
    MaskedEq(u32, u32),
}

impl Test {
    /// Whether a value passes. The plain meaning, which the compiled program is tested against.
    #[cfg(test)]
    pub fn passes(self, value: u32) -> bool {
        match self {
            Self::Eq(wanted) => value == wanted,
            Self::Ne(wanted) => value != wanted,
            Self::Lt(limit) => value < limit,
            Self::Le(limit) => value <= limit,
            Self::Gt(limit) => value > limit,
            Self::Ge(limit) => value >= limit,
            Self::Within(low, high) => (low..=high).contains(&value),
            Self::MaskedEq(mask, wanted) => value & mask == wanted,
        }
    }
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is made.
    Allow,
    /// It fails with this number.
    Errno(u16),
    /// It is made when the argument passes one of the tests; else it fails with `EPERM`.
    AllowIf {
        /// Number of the argument, from 0.
        argument: u8,
        /// Any of these.
        any: &'static [Test],
    },
}

/// Not permitted.
pub const EPERM: u16 = 1;
/// No such call.
pub const ENOSYS: u16 = 38;

const fn bit(capability: u32) -> u64 {
    1 << capability
}

const DAC_READ_SEARCH: u64 = bit(2);
const SYS_MODULE: u64 = bit(16);
const SYS_RAWIO: u64 = bit(17);
const SYS_CHROOT: u64 = bit(18);
const SYS_PTRACE: u64 = bit(19);
const SYS_PACCT: u64 = bit(20);
const SYS_ADMIN: u64 = bit(21);
const SYS_BOOT: u64 = bit(22);
const SYS_NICE: u64 = bit(23);
const SYS_TIME: u64 = bit(25);
const SYS_TTY_CONFIG: u64 = bit(26);
const SYSLOG: u64 = bit(34);
const PERFMON: u64 = bit(38);
const BPF: u64 = bit(39);

/// Calls that a capability opens.
pub const BY_CAPABILITY: &[(u64, &[&str])] = &[
    (DAC_READ_SEARCH, &["open_by_handle_at"]),
    (
        SYS_ADMIN,
        &[
            "bpf",
            "clone",
            "clone3",
            "fanotify_init",
            "fsconfig",
            "fsmount",
            "fsopen",
            "fspick",
            "lookup_dcookie",
            "lsm_get_self_attr",
            "lsm_list_modules",
            "lsm_set_self_attr",
            "mount",
            "mount_setattr",
            "move_mount",
            "open_tree",
            "open_tree_attr",
            "perf_event_open",
            "quotactl",
            "quotactl_fd",
            "setdomainname",
            "sethostname",
            "setns",
            "syslog",
            "umount",
            "umount2",
            "unshare",
        ],
    ),
    (SYS_BOOT, &["reboot"]),
    (SYS_CHROOT, &["chroot"]),
    (SYS_MODULE, &["delete_module", "finit_module", "init_module"]),
    (SYS_PACCT, &["acct"]),
    (SYS_PTRACE, &["kcmp", "pidfd_getfd", "process_madvise"]),
    (SYS_RAWIO, &["ioperm", "iopl"]),
    (SYS_TIME, &["clock_settime", "clock_settime64", "settimeofday", "stime"]),
    (SYS_TTY_CONFIG, &["vhangup"]),
    (SYS_NICE, &["get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"]),
    (SYSLOG, &["syslog"]),
    (BPF, &["bpf"]),
    (PERFMON, &["perf_event_open"]),
];

/// Address families that containers use; not AF_ALG (38), AF_VSOCK (40) and ones with a bad record.
const FAMILIES: &[Test] = &[
    Test::Lt(12),
    Test::Within(13, 18),
    Test::Within(21, 22),
    Test::Eq(24),
    Test::Within(26, 33),
    Test::Within(35, 36),
    Test::Eq(39),
    Test::Within(41, 45),
];

/// Linux and UNAME26 with and without 32 bit, and asking what it is.
const PERSONALITIES: &[Test] =
    &[Test::Eq(0), Test::Eq(8), Test::Eq(0x2_0000), Test::Eq(0x2_0008), Test::Eq(0xffff_ffff)];

/// No new namespace of any kind.
const NO_NAMESPACES: &[Test] = &[Test::MaskedEq(0x7e02_0000, 0)];

/// What happens to a call, for a process with these capabilities in its bounding set.
pub fn action(name: &str, capabilities: u64) -> Action {
    let opened = |(needed, names): &(u64, &[&str])| capabilities & needed == *needed && names.contains(&name);
    if ALWAYS.binary_search(&name).is_ok() || BY_CAPABILITY.iter().any(opened) {
        return Action::Allow;
    }
    match name {
        "socket" => Action::AllowIf { argument: 0, any: FAMILIES },
        "personality" => Action::AllowIf { argument: 0, any: PERSONALITIES },
        "clone" => Action::AllowIf { argument: 0, any: NO_NAMESPACES },
        // Its flags are behind a pointer; programs fall back to clone.
        "clone3" | "socketcall" => Action::Errno(ENOSYS),
        _ => Action::Errno(EPERM),
    }
}

/// Calls that are always allowed, sorted.
#[rustfmt::skip]
const ALWAYS: &[&str] = &[
    "_llseek", "_newselect", "accept", "accept4", "access", "adjtimex", "alarm", "arch_prctl", "bind", "brk",
    "cachestat", "capget", "capset", "chdir", "chmod", "chown", "chown32", "clock_adjtime", "clock_adjtime64",
    "clock_getres", "clock_getres_time64", "clock_gettime", "clock_gettime64", "clock_nanosleep",
    "clock_nanosleep_time64", "close", "close_range", "connect", "copy_file_range", "creat", "dup", "dup2", "dup3",
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait", "epoll_pwait2", "epoll_wait",
    "epoll_wait_old", "eventfd", "eventfd2", "execve", "execveat", "exit", "exit_group", "faccessat", "faccessat2",
    "fadvise64", "fadvise64_64", "fallocate", "fanotify_mark", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown",
    "fchown32", "fchownat", "fcntl", "fcntl64", "fdatasync", "fgetxattr", "flistxattr", "flock", "fork",
    "fremovexattr", "fsetxattr", "fstat", "fstat64", "fstatat64", "fstatfs", "fstatfs64", "fsync", "ftruncate",
    "ftruncate64", "futex", "futex_requeue", "futex_time64", "futex_wait", "futex_waitv", "futex_wake", "futimesat",
    "get_robust_list", "get_thread_area", "getcpu", "getcwd", "getdents", "getdents64", "getegid", "getegid32",
    "geteuid", "geteuid32", "getgid", "getgid32", "getgroups", "getgroups32", "getitimer", "getpeername", "getpgid",
    "getpgrp", "getpid", "getppid", "getpriority", "getrandom", "getresgid", "getresgid32", "getresuid",
    "getresuid32", "getrlimit", "getrusage", "getsid", "getsockname", "getsockopt", "gettid", "gettimeofday",
    "getuid", "getuid32", "getxattr", "getxattrat", "inotify_add_watch", "inotify_init", "inotify_init1",
    "inotify_rm_watch", "io_cancel", "io_destroy", "io_getevents", "io_pgetevents", "io_pgetevents_time64",
    "io_setup", "io_submit", "ioctl", "ioprio_get", "ioprio_set", "ipc", "kill", "landlock_add_rule",
    "landlock_create_ruleset", "landlock_restrict_self", "lchown", "lchown32", "lgetxattr", "link", "linkat",
    "listen", "listmount", "listxattr", "listxattrat", "llistxattr", "lremovexattr", "lseek", "lsetxattr", "lstat",
    "lstat64", "madvise", "map_shadow_stack", "membarrier", "memfd_create", "memfd_secret", "mincore", "mkdir",
    "mkdirat", "mknod", "mknodat", "mlock", "mlock2", "mlockall", "mmap", "mmap2", "modify_ldt", "mprotect",
    "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedreceive_time64", "mq_timedsend",
    "mq_timedsend_time64", "mq_unlink", "mremap", "mseal", "msgctl", "msgget", "msgrcv", "msgsnd", "msync", "munlock",
    "munlockall", "munmap", "name_to_handle_at", "nanosleep", "newfstatat", "open", "openat", "openat2", "pause",
    "pidfd_open", "pidfd_send_signal", "pipe", "pipe2", "pkey_alloc", "pkey_free", "pkey_mprotect", "poll", "ppoll",
    "ppoll_time64", "prctl", "pread64", "preadv", "preadv2", "prlimit64", "process_mrelease", "process_vm_readv",
    "process_vm_writev", "pselect6", "pselect6_time64", "ptrace", "pwrite64", "pwritev", "pwritev2", "read",
    "readahead", "readlink", "readlinkat", "readv", "recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg",
    "remap_file_pages", "removexattr", "removexattrat", "rename", "renameat", "renameat2", "restart_syscall", "rmdir",
    "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend",
    "rt_sigtimedwait", "rt_sigtimedwait_time64", "rt_tgsigqueueinfo", "sched_get_priority_max",
    "sched_get_priority_min", "sched_getaffinity", "sched_getattr", "sched_getparam", "sched_getscheduler",
    "sched_rr_get_interval", "sched_rr_get_interval_time64", "sched_setaffinity", "sched_setattr", "sched_setparam",
    "sched_setscheduler", "sched_yield", "seccomp", "select", "semctl", "semget", "semop", "semtimedop",
    "semtimedop_time64", "sendfile", "sendfile64", "sendmmsg", "sendmsg", "sendto", "set_robust_list",
    "set_thread_area", "set_tid_address", "setfsgid", "setfsgid32", "setfsuid", "setfsuid32", "setgid", "setgid32",
    "setgroups", "setgroups32", "setitimer", "setpgid", "setpriority", "setregid", "setregid32", "setresgid",
    "setresgid32", "setresuid", "setresuid32", "setreuid", "setreuid32", "setrlimit", "setsid", "setsockopt",
    "setuid", "setuid32", "setxattr", "setxattrat", "shmat", "shmctl", "shmdt", "shmget", "shutdown", "sigaltstack",
    "signalfd", "signalfd4", "sigprocmask", "sigreturn", "socketpair", "splice", "stat", "stat64", "statfs",
    "statfs64", "statmount", "statx", "symlink", "symlinkat", "sync", "sync_file_range", "syncfs", "sysinfo", "tee",
    "tgkill", "time", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_gettime64",
    "timer_settime", "timer_settime64", "timerfd_create", "timerfd_gettime", "timerfd_gettime64", "timerfd_settime",
    "timerfd_settime64", "times", "tkill", "truncate", "truncate64", "ugetrlimit", "umask", "uname", "unlink",
    "unlinkat", "uretprobe", "utime", "utimensat", "utimensat_time64", "utimes", "vfork", "vmsplice", "wait4",
    "waitid", "waitpid", "write", "writev",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seccomp::numbers::NUMBERS;

    #[test]
    fn every_name_has_a_number_and_tables_are_sorted() {
        assert!(ALWAYS.is_sorted() && NUMBERS.is_sorted_by_key(|row| row.0));
        for name in ALWAYS.iter().chain(BY_CAPABILITY.iter().flat_map(|(_, names)| *names)) {
            assert!(NUMBERS.binary_search_by_key(name, |row| row.0).is_ok(), "{name}");
        }
    }

    #[test]
    fn what_has_no_place_in_a_container_is_refused() {
        let docker = 0xa804_25fb;
        for name in [
            "io_uring_setup",
            "userfaultfd",
            "keyctl",
            "add_key",
            "bpf",
            "perf_event_open",
            "mount",
            "unshare",
            "setns",
            "init_module",
            "kexec_load",
            "swapon",
            "open_by_handle_at",
        ] {
            assert_eq!(action(name, docker), Action::Errno(EPERM), "{name}");
        }
        assert_eq!(action("chroot", docker), Action::Allow);
        assert_eq!(action("clone3", docker), Action::Errno(ENOSYS));
        assert_eq!(action("clone3", SYS_ADMIN), Action::Allow);
        let Action::AllowIf { any, .. } = action("socket", docker) else { panic!("a test") };
        for (family, allowed) in [(1, true), (2, true), (10, true), (16, true), (17, true), (38, false), (40, false)] {
            assert_eq!(any.iter().any(|test| test.passes(family)), allowed, "{family}");
        }
    }
}
