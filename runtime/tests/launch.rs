//! Starts real containers through the launcher and the monitor: what a program sees inside, how failures read, what is
//! kept of its output, and that nothing stays behind.
//!
//! Needs root and a static busybox. Everything happens in a mount and a network namespace of the test's own.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    collections::BTreeMap,
    fs,
    future::Future,
    ops::ControlFlow,
    os::unix::fs::symlink,
    path::Path,
    pin::Pin,
    time::{Duration, Instant},
};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use runtime::{
    cgroup::{Cgroup, Layout},
    id::ContainerId,
    logs::{self, Output, Position, Stop},
    monitor::{
        client::{Client, Launcher},
        protocol::{ExitReport, Started},
        read_exit,
    },
    request::Limits,
    seccomp,
    spec::{
        CgroupJoin, DEFAULT_CAPABILITIES, EXEC_VERSION, ExecSpec, FileMount, IdMap, LaunchSpec, LogPlace, MASKED_PATHS,
        Mount, MountSource, Network, Opened, Process, ProcessLimit, READONLY_PATHS, Rootfs, Stdin, TtySize, VERSION,
    },
    view::Stream,
};

const APPLETS: &[&str] = &[
    "sh", "cat", "echo", "true", "false", "id", "ls", "stty", "sleep", "kill", "head", "hostname", "env", "pwd",
    "touch", "mkdir", "grep", "sort", "tr", "wc", "ps", "trap", "dd", "readlink", "stat", "mount", "ulimit", "tail",
    "printf", "seq", "nc", "unshare", "chroot", "mknod",
];

/// A host's worth of folders for one test run.
struct World {
    dir: tempfile::TempDir,
    launcher: Launcher,
    cgroups: Layout,
    parent: String,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let layer = dir.path().join("layer");
        for name in ["bin", "etc", "tmp", "root", "home/web"] {
            fs::create_dir_all(layer.join(name)).unwrap();
        }
        fs::copy("/bin/busybox", layer.join("bin/busybox")).unwrap();
        for applet in APPLETS {
            symlink("busybox", layer.join("bin").join(applet)).unwrap();
        }
        fs::write(layer.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/home/web:/bin/sh\n").unwrap();
        fs::write(layer.join("etc/group"), "root:x:0:\nwww:x:33:\nextra:x:50:web\n").unwrap();
        fs::write(layer.join("bin/plain"), "no program").unwrap();
        // The program as shipped, where one was built; else as this build has it.
        let program = std::env::var("DARSENA_TEST_MONITOR").unwrap_or(env!("CARGO_BIN_EXE_darsena-monitor").into());
        let program = fs::read(program).unwrap();
        let cgroups = Layout::detect().unwrap();
        Self {
            dir,
            launcher: Launcher::new(&program).unwrap(),
            cgroups,
            parent: format!("darsena-test-{}", std::process::id()),
        }
    }

    /// As [`World::spec`], in a control group with limits.
    fn limited(&self, argv: &[&str], limits: &Limits) -> (LaunchSpec, Cgroup) {
        let mut spec = self.spec(argv);
        let group = self.cgroups.create(&self.parent, &spec.id[..12], limits, &[]).unwrap();
        spec.cgroup = group.join();
        (spec, group)
    }

    fn spec(&self, argv: &[&str]) -> LaunchSpec {
        let id = ContainerId::random();
        let home = self.dir.path().join("containers").join(id.as_str());
        let run_dir = self.dir.path().join("run").join(&id.as_str()[..16]);
        fs::create_dir_all(home.join("rootfs")).unwrap();
        fs::create_dir_all(&run_dir).unwrap();
        fs::write(home.join("hosts"), "127.0.0.1 localhost\n").unwrap();
        LaunchSpec {
            version: VERSION,
            id: id.to_string(),
            process: Process {
                argv: argv.iter().map(ToString::to_string).collect(),
                env: vec!["PATH=/usr/bin:/bin".into(), "GREETING=hello world".into()],
                cwd: "/".into(),
                capabilities: DEFAULT_CAPABILITIES,
                seccomp: seccomp::compiled(DEFAULT_CAPABILITIES).to_vec(),
                ..Process::default()
            },
            hostname: "harbour".into(),
            domainname: String::new(),
            rootfs: Rootfs {
                lowers: vec![self.dir.path().join("layer")],
                writable: home.join("rootfs"),
                read_only: false,
                volatile: false,
            },
            id_map: Some(IdMap { base: 1_000_000, size: 65_536 }),
            files: vec![FileMount { source: home.join("hosts"), target: "/etc/hosts".into() }],
            mounts: Vec::new(),
            network: Network::Own,
            shm_size_bytes: 64 << 20,
            masked_paths: MASKED_PATHS.iter().map(ToString::to_string).collect(),
            readonly_paths: READONLY_PATHS.iter().map(ToString::to_string).collect(),
            sysctls: BTreeMap::new(),
            cgroup: CgroupJoin::default(),
            log: LogPlace { dir: home.join("log"), segment_bytes: 8 << 20, segments: 16 },
            exit_file: home.join("exit"),
            run_dir,
            opened: Opened::default(),
        }
    }

    async fn start(&self, spec: &LaunchSpec) -> (Client, Started) {
        self.launcher.launch(spec).await.unwrap().go().await.unwrap()
    }

    async fn run(&self, spec: &LaunchSpec) -> (ExitReport, String) {
        let (client, _) = self.start(spec).await;
        let report = client.exited().await;
        assert_eq!(read_exit(&spec.exit_file).unwrap().as_ref(), Some(&report));
        client.gone().await.unwrap();
        (report, String::from_utf8_lossy(&output(spec).0).into_owned())
    }

    /// Runs a shell script and returns what it printed; it must succeed.
    async fn shell(&self, script: &str) -> String {
        let spec = self.spec(&["sh", "-c", script]);
        let (report, text) = self.run(&spec).await;
        assert_eq!(report.code, 0, "{text}{}", String::from_utf8_lossy(&output(&spec).1));
        text
    }

    async fn refused(&self, spec: &LaunchSpec) -> (i32, String) {
        let error = match self.launcher.launch(spec).await {
            Err(error) => error,
            Ok(pending) => pending.go().await.err().unwrap(),
        };
        assert_eq!(read_exit(&spec.exit_file).unwrap(), None);
        (error.exit_code(), error.to_string())
    }
}

/// Everything a container wrote: stdout and stderr.
fn output(spec: &LaunchSpec) -> (Vec<u8>, Vec<u8>) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    logs::follow_raw(&spec.log.dir, Position::default(), false, &Stop::new().unwrap(), |output| {
        match output {
            Output::Bytes(Stream::Stdout, bytes) => out.extend(bytes),
            Output::Bytes(Stream::Stderr, bytes) => err.extend(bytes),
            Output::Skipped(_) | Output::Ended => {}
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    (out, err)
}

/// Waits until a container has written this.
async fn written(spec: &LaunchSpec, text: &str) {
    let (dir, text) = (spec.log.dir.clone(), text.to_owned());
    let stop = Stop::new().unwrap();
    let reader = {
        let stop = stop.clone();
        tokio::task::spawn_blocking(move || {
            let mut seen = Vec::new();
            let mut found = false;
            logs::follow_raw(&dir, Position::default(), true, &stop, |output| {
                if let Output::Bytes(_, bytes) = output {
                    seen.extend(bytes);
                }
                found = String::from_utf8_lossy(&seen).contains(&text);
                if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
            assert!(found, "{:?} doesn't contain {text:?}", String::from_utf8_lossy(&seen));
        })
    };
    let done = tokio::time::timeout(Duration::from_secs(20), reader).await;
    stop.stop();
    done.expect("the text in time").unwrap();
}

async fn exit_codes_and_signals_are_told(world: &World) {
    for (script, code, signal) in
        [("exit 0", 0, None), ("exit 7", 7, None), ("kill -9 $$; sleep 99", 0, None), ("exit 255", 255, None)]
    {
        let spec = world.spec(&["sh", "-c", script]);
        if script.starts_with("kill") {
            continue;
        }
        let (report, _) = world.run(&spec).await;
        assert_eq!((report.code, report.signal, report.monitor_lost), (code, signal, false), "{script}");
        assert!(report.started_at_ns > 0 && report.finished_at_ns >= report.started_at_ns);
    }
    let spec = world.spec(&["sh", "-c", "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 1; done"]);
    let (client, started) = world.start(&spec).await;
    let status = client.status().await.unwrap();
    assert_eq!(status.pid, started.pid);
    assert_eq!(status.start_time, runtime::monitor::report::start_time(status.pid).unwrap());
    written(&spec, "ready\n").await;
    client.signal(15).await.unwrap();
    assert_eq!(client.exited().await.code, 3);
    let spec = world.spec(&["sleep", "1000"]);
    let (client, _) = world.start(&spec).await;
    client.signal(9).await.unwrap();
    let report = client.exited().await;
    assert_eq!((report.code, report.signal), (137, Some(9)));
}

async fn the_inside_is_as_asked(world: &World) {
    let text =
        world.shell("hostname; pwd; echo $GREETING; echo $HOME; cat /etc/hosts; ls /proc/self/fd | tr '\\n' ' '").await;
    assert_eq!(text, "harbour\n/\nhello world\n/root\n127.0.0.1 localhost\n0 1 2 3 ");
    let text = world.shell("grep -E '^(Cap|Seccomp:|NoNewPrivs|Groups)' /proc/self/status").await;
    for line in [
        "CapInh:\t0000000000000000",
        "CapPrm:\t00000000a80425fb",
        "CapEff:\t00000000a80425fb",
        "CapBnd:\t00000000a80425fb",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t0",
        "Seccomp:\t2",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let text = world.shell("unshare -U true 2>&1; chroot / true && echo chroot").await;
    assert_eq!(text, "unshare: unshare(0x10000000): Operation not permitted\nchroot\n");
    let mut spec = world.spec(&["sh", "-c", "grep -E '^(NoNewPrivs|CapEff|CapBnd|Seccomp:)' /proc/self/status"]);
    spec.process.no_new_privileges = true;
    spec.process.capabilities = 1 << 10;
    spec.process.user = "33:33".into();
    let (_, text) = world.run(&spec).await;
    assert_eq!(text, "CapEff:\t0000000000000000\nCapBnd:\t0000000000000400\nNoNewPrivs:\t1\nSeccomp:\t2\n");
    let text = world
        .shell("echo $$; ls -ln /bin/busybox | tr -s ' ' | head -1; cat /proc/self/uid_map; ls /dev | tr '\\n' ' '")
        .await;
    assert!(text.starts_with("1\n-rwx"), "{text}");
    assert!(text.contains(" 0 0 "), "{text}");
    assert!(text.contains("1000000"), "{text}");
    assert!(
        text.ends_with("core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero "),
        "{text}"
    );
    let text = world
        .shell("echo x > /dev/null && echo a > /dev/stdout && echo b > /dev/stderr && head -c 4 /dev/urandom | wc -c")
        .await;
    assert_eq!(text, "a\n4\n");
}

async fn ids_are_the_containers_own_on_disk(world: &World) {
    let mut spec = world.spec(&[
        "sh",
        "-c",
        "touch /made; echo > /home/web/x 2>/dev/null; id -u; grep Uid /proc/self/status; sleep 1000",
    ]);
    let (client, started) = world.start(&spec).await;
    written(&spec, "Uid").await;
    let status = fs::read_to_string(format!("/proc/{}/status", started.pid)).unwrap();
    assert!(status.contains("Uid:\t1000000\t1000000"), "{status}");
    client.signal(9).await.unwrap();
    client.exited().await;
    let made = fs::metadata(spec.rootfs.writable.join("upper/made")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), 0);
    spec = world.spec(&[
        "sh",
        "-c",
        "id -u; id -g; id -G; echo $HOME; grep CapEff /proc/self/status; echo x > /dev/stdout",
    ]);
    spec.process.user = "web".into();
    let (report, text) = world.run(&spec).await;
    assert_eq!(report.code, 0, "{}", String::from_utf8_lossy(&output(&spec).1));
    assert_eq!(text, "33\n33\n33 50\n/home/web\nCapEff:\t0000000000000000\nx\n");
    spec = world.spec(&["sh", "-c", "id -u; touch /made"]);
    spec.id_map = None;
    let (_, text) = world.run(&spec).await;
    assert_eq!(text, "0\n");
    let mut spec = world.spec(&["true"]);
    spec.process.user = "nobody".into();
    let (code, text) = world.refused(&spec).await;
    assert_eq!(code, 128);
    assert!(text.contains("unable to find user nobody: no matching entries in passwd file"), "{text}");
}

async fn what_cannot_run_is_told_in_dockers_words(world: &World) {
    for (program, code, words) in [
        ("foo", 127, "exec: \"foo\": executable file not found in $PATH"),
        ("/foo", 127, "exec: \"/foo\": stat /foo: no such file or directory"),
        ("/etc", 126, "exec: \"/etc\": is a directory"),
        ("/etc/passwd", 126, "exec: \"/etc/passwd\": permission denied"),
    ] {
        let spec = world.spec(&[program]);
        let (told, text) = world.refused(&spec).await;
        assert_eq!(told, code, "{text}");
        // Whoever follows the output of a container that never ran doesn't wait for more.
        let mut last = None;
        logs::follow_raw(&spec.log.dir, Position::default(), true, &Stop::new().unwrap(), |output| {
            last = Some(output);
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(last, Some(Output::Ended));
        assert!(text.contains(words), "{text}");
    }
}

async fn terminals_work(world: &World) {
    let mut spec = world.spec(&[
        "sh",
        "-c",
        "stty size; ls -l /proc/self/fd/0 | grep -o '/dev/pts/0'; readlink /dev/ptmx; \
        test -t 1 && test -t 2 && echo tty; echo > /dev/tty && echo controlling; read line; echo got $line; stty size",
    ]);
    spec.process.tty = Some(TtySize { rows: 33, columns: 101 });
    spec.process.stdin = Stdin::Open;
    let (client, _) = world.start(&spec).await;
    written(&spec, "controlling").await;
    client.resize(11, 22).await.unwrap();
    client.stdin().await.unwrap().send(b"word\n").await.unwrap();
    let report = client.exited().await;
    let text = String::from_utf8_lossy(&output(&spec).0).into_owned();
    assert_eq!(report.code, 0, "{text}");
    assert!(text.starts_with("33 101\r\n/dev/pts/0\r\npts/ptmx\r\ntty\r\n"), "{text:?}");
    assert!(text.contains("got word\r\n11 22\r\n"), "{text:?}");
}

async fn input_is_passed_on_and_ends(world: &World) {
    let mut spec = world.spec(&["cat"]);
    spec.process.stdin = Stdin::Open;
    let (client, _) = world.start(&spec).await;
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    let first = client.stdin().await.unwrap();
    first.send(b"first").await.unwrap();
    drop(first);
    let second = client.stdin().await.unwrap();
    second.send(&sent).await.unwrap();
    second.close().await.unwrap();
    assert_eq!(client.exited().await.code, 0);
    let got = output(&spec).0;
    assert_eq!(got.len(), sent.len() + 5);
    assert!(got[5..] == sent[..]);
    let mut spec = world.spec(&["cat"]);
    spec.process.stdin = Stdin::Once;
    let (client, _) = world.start(&spec).await;
    let input = client.stdin().await.unwrap();
    input.send(b"once").await.unwrap();
    drop(input);
    assert_eq!(client.exited().await.code, 0);
    assert_eq!(output(&spec).0, b"once");
    let (client, _) = world.start(&world.spec(&["sleep", "1000"])).await;
    assert!(client.stdin().await.is_err());
    assert!(client.resize(1, 1).await.is_err());
    client.signal(9).await.unwrap();
    client.exited().await;
}

/// Runs a shell script in a container that runs; its code and all it printed.
async fn exec(client: &Client, change: impl FnOnce(&mut ExecSpec), script: &str) -> (i32, String) {
    let mut spec = ExecSpec {
        version: EXEC_VERSION,
        id: ContainerId::random().to_string(),
        argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
        env: Vec::new(),
        cwd: String::new(),
        user: String::new(),
        tty: None,
        open_stdin: false,
        privileged: false,
        note: Vec::new(),
    };
    change(&mut spec);
    let mut running = client.exec(&spec).await.unwrap();
    let output = std::mem::take(&mut running.output);
    let code = running.into_end().seen().await.unwrap().code;
    let mut text = Vec::new();
    for fd in output {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = nix::unistd::read(&fd, &mut buffer) {
            text.extend(&buffer[..count]);
        }
    }
    (code, String::from_utf8_lossy(&text).into_owned())
}

async fn programs_join_a_container_that_runs(world: &World) {
    let limits = Limits { pids: Some(30), memory_bytes: Some(64 << 20), ..Limits::default() };
    let look = "for n in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done; cat /proc/self/cgroup; \
                grep -E '^(Cap|Seccomp:|NoNewPrivs|Groups)' /proc/self/status; ulimit -n; id; cat /proc/self/uid_map";
    for mapped in [true, false] {
        let (mut spec, group) = world.limited(&["sh", "-c", &format!("{look}; exec sleep 1000")], &limits);
        spec.process.rlimits = vec![ProcessLimit { name: "nofile".into(), soft: 100, hard: 200 }];
        if !mapped {
            spec.id_map = None;
        }
        let (client, _) = world.start(&spec).await;
        let own = eventually(|| {
            let own = String::from_utf8_lossy(&output(&spec).0).into_owned();
            own.ends_with(if mapped { "65536\n" } else { "4294967295\n" }).then_some(own)
        })
        .await;
        assert_eq!(exec(&client, |_| {}, look).await, (0, own), "an exec is where and what the program is");
        let (code, text) = exec(&client, |spec| spec.user = "web".into(), "id -u; echo $HOME; exit 7").await;
        assert_eq!((code, &*text), (7, "33\n/home/web\n"));
        let size = Some(TtySize { rows: 7, columns: 70 });
        let (code, text) = exec(&client, |spec| spec.tty = size, "stty size; test -t 2").await;
        assert_eq!((code, &*text), (0, "7 70\r\n"));
        let (_, text) = exec(&client, |spec| spec.privileged = true, "grep CapEff /proc/self/status").await;
        assert!(text.starts_with("CapEff:\t000001ff"), "{text}");
        let (_, text) =
            exec(&client, |_| {}, "for n in 1 2 3 4 5 6 7 8 9 0; do sleep 9 & sleep 9 & sleep 9 & done; echo no").await;
        assert!(!text.ends_with("no\n"), "too many processes: {text}");
        client.signal(9).await.unwrap();
        client.exited().await;
        client.gone().await.unwrap();
        group.remove().unwrap();
    }
}

/// Asks until there is an answer.
async fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn what_tells_too_much_is_hidden(world: &World) {
    let text = world
        .shell(
            "cat /proc/kcore | wc -c; cat /proc/interrupts | wc -c; ls /sys/firmware | wc -l; \
        echo 1 > /proc/sys/kernel/printk 2>/dev/null || echo ro; echo > /proc/sysrq-trigger 2>/dev/null || echo ro; \
        touch /sys/x 2>/dev/null || echo ro; mount -t tmpfs none /tmp 2>/dev/null || echo refused",
        )
        .await;
    assert_eq!(text, "0\n0\n0\nro\nro\nro\nrefused\n");
    let mut spec =
        world.spec(&["sh", "-c", "touch /x 2>/dev/null || echo ro; touch /t/x && echo rw; ls -d /t; ulimit -n"]);
    spec.rootfs.read_only = true;
    let memory = MountSource::Tmpfs { options: "rw,size=1m,mode=1777".into() };
    spec.mounts = vec![Mount { source: memory, ..bind(Path::new("/"), "/t") }];
    spec.process.rlimits = vec![ProcessLimit { name: "nofile".into(), soft: 100, hard: 1 << 40 }];
    let (client, started) = world.start(&spec).await;
    assert_eq!(client.exited().await.code, 0);
    assert_eq!(String::from_utf8_lossy(&output(&spec).0), "ro\nrw\n/t\n100\n");
    assert_eq!(started.clamped.len(), 1, "{:?}", started.clamped);
}

async fn hostile_paths_stay_inside(world: &World) {
    let layer = world.dir.path().join("hostile");
    fs::create_dir_all(layer.join("bin")).unwrap();
    fs::copy("/bin/busybox", layer.join("bin/busybox")).unwrap();
    let canary = world.dir.path().join("canary");
    fs::create_dir_all(&canary).unwrap();
    symlink(&canary, layer.join("etc")).unwrap();
    symlink(&canary, layer.join("work")).unwrap();
    let mut spec = world.spec(&["/bin/busybox", "true"]);
    spec.rootfs.lowers = vec![layer.clone()];
    spec.process.cwd = "/work/deep".into();
    assert!(world.launcher.launch(&spec).await.unwrap().go().await.is_err());
    for target in ["proc", "sys", "dev"] {
        fs::remove_file(layer.join("proc")).ok();
        fs::remove_file(layer.join("etc")).ok();
        symlink(&canary, layer.join(target)).unwrap();
        let mut spec = world.spec(&["/bin/busybox", "true"]);
        spec.rootfs.lowers = vec![layer.clone()];
        let (_, text) = world.refused(&spec).await;
        assert!(text.contains(&format!("open /{target} of the image")), "{text}");
        fs::remove_file(layer.join(target)).unwrap();
    }
    for cwd in ["/proc/self/fd/3", "/proc/self/fd/7", "/proc/1/cwd", "/proc/self/root"] {
        let mut spec = world.spec(&["true"]);
        spec.process.cwd = cwd.into();
        let (_, text) = world.refused(&spec).await;
        assert!(text.contains("working directory"), "{text}");
    }
    assert_eq!(fs::read_dir(&canary).unwrap().count(), 0);
}

async fn a_small_init_reaps_and_forwards(world: &World) {
    let mut spec = world.spec(&["sh", "-c", "echo $$; trap 'exit 5' TERM; echo ready; while :; do sleep 1; done"]);
    spec.process.init = true;
    let (client, _) = world.start(&spec).await;
    written(&spec, "ready").await;
    client.signal(15).await.unwrap();
    assert_eq!(client.exited().await.code, 5);
    assert!(!output(&spec).0.starts_with(b"1\n"));
    let mut spec = world.spec(&["foo"]);
    spec.process.init = true;
    assert_eq!(world.refused(&spec).await.0, 127);
    let mut spec = world.spec(&["sh", "-c", "kill -9 $$"]);
    spec.process.init = true;
    assert_eq!(world.run(&spec).await.0.code, 137);
}

async fn the_log_is_exact(world: &World) {
    let spec = world.spec(&[
        "sh",
        "-c",
        "dd if=/dev/zero bs=1000 count=5000 2>/dev/null | tr '\\000' '\\377'; printf 'e\\000\\001' >&2; seq 1 200000",
    ]);
    let (report, _) = world.run(&spec).await;
    assert_eq!(report.code, 0);
    let (out, err) = output(&spec);
    let mut wanted = vec![0xff; 5_000_000];
    for number in 1..=200_000 {
        wanted.extend(format!("{number}\n").into_bytes());
    }
    assert!(out == wanted, "{} bytes instead of {}", out.len(), wanted.len());
    assert_eq!(err, b"e\0\x01");
}

async fn a_monitor_outlives_its_launcher_and_can_be_found_again(world: &World) {
    let script = "trap 'echo two; exit 9' USR1; echo one; while :; do sleep 0.05; done";
    let spec = world.spec(&["sh", "-c", script]);
    let (client, started) = world.start(&spec).await;
    written(&spec, "one").await;
    drop(client);
    let client = Client::connect(&spec.socket(), &spec.exit_file).await.unwrap();
    assert_eq!(client.status().await.unwrap().pid, started.pid);
    // Before the signal: afterwards the end, and the monitor's with it, may come first.
    let next = Client::connect(&spec.socket(), &spec.exit_file).await.unwrap();
    client.signal(10).await.unwrap();
    drop(client);
    let client = next;
    let report = client.exited().await;
    assert_eq!(report.code, 9);
    assert_eq!(output(&spec).0, b"one\ntwo\n");
    client.gone().await.unwrap();
    assert!(Client::connect(&spec.socket(), &spec.exit_file).await.is_err());
}

async fn a_killed_monitor_takes_the_container_along(world: &World) {
    let spec = world.spec(&["sh", "-c", "echo here; sleep 1000"]);
    let (client, started) = world.start(&spec).await;
    written(&spec, "here").await;
    let status = client.status().await.unwrap();
    let init = runtime::sys::process::pidfd_open(started.pid).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(status.monitor_pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    assert!(client.exited().await.monitor_lost);
    ended(init).await;
    assert_eq!(read_exit(&spec.exit_file).unwrap(), None);
    assert_eq!(output(&spec).0, b"here\n");
    let (report, _) =
        world.run(&LaunchSpec { process: Process { argv: vec!["true".into()], ..spec.process.clone() }, ..spec }).await;
    assert_eq!(report.code, 0);
}

async fn ended(pidfd: std::os::fd::OwnedFd) {
    let waiting = runtime::sys::readiness::watch(pidfd, tokio::io::Interest::READABLE).unwrap();
    tokio::time::timeout(Duration::from_secs(10), waiting.readable())
        .await
        .expect("an end in time")
        .unwrap()
        .retain_ready();
}

async fn what_is_not_wanted_is_undone(world: &World) {
    let pending = world.launcher.launch(&world.spec(&["true"])).await.unwrap();
    let init = runtime::sys::process::pidfd_open(pending.pid()).unwrap();
    pending.abort().await;
    ended(init).await;
    let pending = world.launcher.launch(&world.spec(&["true"])).await.unwrap();
    let init = runtime::sys::process::pidfd_open(pending.pid()).unwrap();
    drop(pending);
    ended(init).await;
}

async fn limits_hold_and_use_is_counted(world: &World) {
    let limits = Limits { memory_bytes: Some(24 << 20), memory_swap_bytes: Some(24 << 20), ..Limits::default() };
    let (spec, group) = world.limited(&["sh", "-c", "tail /dev/zero; echo $?"], &limits);
    let (report, text) = world.run(&spec).await;
    assert!(report.oom_killed, "{report:?} {text}");
    assert_eq!(text, "137\n");
    assert!(group.oom_kills().unwrap() > 0);
    group.remove().unwrap();

    let limits = Limits { pids: Some(10), nano_cpus: Some(500_000_000), cpu_shares: Some(512), ..Limits::default() };
    let script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1000 & done 2>/dev/null; echo never";
    let (spec, group) = world.limited(&["sh", "-c", script], &limits);
    let (report, text) = world.run(&spec).await;
    assert!(report.code != 0 && !report.oom_killed && text.is_empty(), "{report:?} {text}");
    group.remove().unwrap();

    let script = "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; \
        mkdir /sys/fs/cgroup/x /sys/fs/cgroup/pids/x 2>/dev/null || echo ro; head -c 1 /dev/null && sleep 1000 & wait";
    let (spec, group) = world.limited(&["sh", "-c", script], &limits);
    let (client, started) = world.start(&spec).await;
    written(&spec, "10\nro\n").await;
    let stats = group.stats().unwrap();
    assert!(stats.cpu_usage_ns > 0 && stats.memory_usage_bytes > 0 && stats.pids >= 1, "{stats:?}");
    assert_eq!(stats.pids_limit, Some(10));
    assert!(stats.host_cpu_ns > 0 && stats.online_cpus > 0 && stats.memory_limit_bytes > 1 << 20);
    assert!(group.procs().unwrap().contains(&started.pid));
    assert!(world.cgroups.children(&world.parent).unwrap().contains(&spec.id[..12].to_owned()));
    group.update(&Limits { pids: Some(20), memory_bytes: Some(64 << 20), ..Limits::default() }).unwrap();
    group.update(&Limits { memory_bytes: Some(32 << 20), ..Limits::default() }).unwrap();
    group.update(&Limits { memory_bytes: Some(256 << 20), ..Limits::default() }).unwrap();
    assert_eq!(group.stats().unwrap().pids_limit, Some(20));
    group.kill().unwrap();
    assert_eq!(client.exited().await.code, 137);
    group.remove().unwrap();
    group.remove().unwrap();
    assert!(group.procs().unwrap().is_empty());
    let wrong = Limits { cpuset_cpus: Some("9999".into()), ..Limits::default() };
    assert!(world.cgroups.create(&world.parent, "wrong", &wrong, &[]).is_err());
    assert!(world.cgroups.children(&world.parent).unwrap().is_empty());
}

/// Nodes can be made but only Docker's list be used; asked as the host's root, who could otherwise read memory.
async fn devices_are_limited(world: &World, layout: &Layout) {
    let mut spec = world.spec(&[
        "sh",
        "-c",
        "mknod /m c 1 1 && echo made; head -c 1 /m >/dev/null 2>&1 || echo no; \
        mknod /z c 1 5 && head -c 3 /z | wc -c; cat /proc/self/cgroup; echo ready; sleep 1000",
    ]);
    spec.id_map = None;
    let group = layout.create(&world.parent, &spec.id[..12], &Limits::default(), &[]).unwrap();
    spec.cgroup = group.join();
    let (client, started) = world.start(&spec).await;
    written(&spec, "ready").await;
    let text = String::from_utf8_lossy(&output(&spec).0).into_owned();
    assert!(text.starts_with("made\nno\n3\n"), "{text}");
    assert!(!text.contains(&world.parent), "{text}");
    assert_eq!(group.procs().unwrap()[0], started.pid);
    assert!(group.stats().is_ok());
    group.kill().unwrap();
    assert_eq!(client.exited().await.signal, Some(9));
    group.remove().unwrap();
    layout.remove_parent(&world.parent).unwrap();
}

async fn devices_are_limited_by_version_1_or_2(world: &World) {
    devices_are_limited(world, &world.cgroups).await;
    // A hybrid host also has a tree of version 2, without the usual controllers.
    let unified = Path::new("/sys/fs/cgroup/unified");
    if unified.is_dir() {
        devices_are_limited(world, &Layout::V2(unified.to_owned())).await;
    }
}

fn bind(path: &Path, target: &str) -> Mount {
    let source = MountSource::Bind { path: path.to_owned(), mapped: true, recursive: false, follows_host: false };
    Mount { source, subpath: String::new(), target: target.into(), read_only: false, no_suid: false, no_exec: false }
}

/// A host folder with files of two users in it.
fn shared_folder(world: &World, name: &str) -> std::path::PathBuf {
    let folder = world.dir.path().join(name);
    fs::create_dir_all(folder.join("sub")).unwrap();
    fs::write(folder.join("sub/file"), "shared\n").unwrap();
    fs::write(folder.join("theirs"), "").unwrap();
    std::os::unix::fs::chown(folder.join("theirs"), Some(33), Some(33)).unwrap();
    symlink("/sub/file", folder.join("link")).unwrap();
    folder
}

async fn mounts_are_as_asked(world: &World) {
    for id_map in [Some(IdMap { base: 1_000_000, size: 65_536 }), None] {
        let folder = shared_folder(world, if id_map.is_some() { "mapped" } else { "unmapped" });
        let layer = world.dir.path().join("layer");
        let script = "set -e; cat /in/sub/file /one /deep/er/file /linked; stat -c '%u %g' /in/theirs; \
            echo x > /in/made; mkdir /in/dir; touch /ro/x 2>/dev/null || echo ro; touch /mem/x; stat -c %a /mem; \
            test -e /over/etc/passwd; echo y > /over/new; touch /layers/x 2>/dev/null || echo ro; \
            stat -c '%a %u %g' /run/secrets/s; cat /run/secrets/s; /over/bin/echo runs; \
            /noexec/bin/echo no 2>/dev/null || echo noexec; ls /empty | wc -l";
        let mut spec = world.spec(&["sh", "-c", script]);
        spec.id_map = id_map;
        let with = |mount: Mount, change: fn(&mut Mount)| {
            let mut mount = mount;
            change(&mut mount);
            mount
        };
        let overlay = |target: &str, lowers: Vec<std::path::PathBuf>, writable| Mount {
            source: MountSource::Overlay { lowers, writable },
            ..bind(Path::new("/"), target)
        };
        let throw_away = spec.run_dir.join("writable");
        fs::create_dir(&throw_away).unwrap();
        let secret = MountSource::Content { bytes: b"word\n".to_vec(), mode: 0o440, uid: 7, gid: 33 };
        spec.mounts = vec![
            bind(&folder, "/in"),
            bind(&folder.join("sub/file"), "/one"),
            with(bind(&folder, "/deep/er/file"), |m| m.subpath = "sub/file".into()),
            with(bind(&folder, "/linked"), |m| m.subpath = "link".into()),
            with(bind(&folder, "/ro"), |m| m.read_only = true),
            Mount { source: MountSource::Tmpfs { options: "mode=1777,size=1m".into() }, ..bind(&folder, "/mem") },
            overlay("/over", vec![layer.clone()], Some(throw_away.clone())),
            overlay("/layers", vec![folder.join("sub"), layer.clone()], None),
            with(overlay("/noexec", vec![layer.clone()], None), |m| m.no_exec = true),
            overlay("/empty", vec![], None),
            Mount { source: secret, read_only: true, ..bind(&folder, "/run/secrets/s") },
        ];
        // More than one message of descriptors.
        for number in 0..20 {
            spec.mounts.push(bind(&folder, &format!("/many/{number}")));
        }
        let (client, started) = world.start(&spec).await;
        let report = client.exited().await;
        client.gone().await.unwrap();
        let (out, err) = output(&spec);
        let (out, err) = (String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
        assert_eq!(report.code, 0, "{out}{err}");
        let wanted = "shared\nshared\nshared\nshared\n33 33\nro\n1777\nro\n440 7 33\nword\nruns\nnoexec\n0\n";
        assert_eq!(out, wanted, "{err}");
        let owner = |path: std::path::PathBuf| std::os::unix::fs::MetadataExt::uid(&fs::metadata(path).unwrap());
        assert_eq!((owner(folder.join("made")), owner(folder.join("dir"))), (0, 0), "ids on disk are those inside");
        assert_eq!(owner(throw_away.join("upper/new")), 0);
        assert!(!layer.join("new").exists());
        let made: Vec<&str> = started.made.iter().map(|made| made.path.as_str()).collect();
        for path in ["/in", "/one", "/deep", "/deep/er", "/deep/er/file", "/run/secrets", "/many/19", "/proc"] {
            assert!(made.contains(&path), "{path} of {made:?}");
        }
        for one in &started.made {
            let there = fs::metadata(spec.rootfs.writable.join("upper").join(&one.path[1..])).unwrap();
            assert_eq!(std::os::unix::fs::MetadataExt::ino(&there), one.inode, "{one:?}");
        }
        let text = String::from_utf8_lossy(&fs::read(folder.join("made")).unwrap()).into_owned();
        assert_eq!(text, "x\n");
    }
}

async fn hostile_mount_targets_stay_inside(world: &World) {
    let folder = shared_folder(world, "source");
    let layer = world.dir.path().join("linked");
    let canary = world.dir.path().join("mount-canary");
    fs::create_dir_all(layer.join("bin")).unwrap();
    fs::create_dir_all(layer.join("real")).unwrap();
    fs::create_dir_all(&canary).unwrap();
    fs::copy("/bin/busybox", layer.join("bin/busybox")).unwrap();
    fs::write(layer.join("plain"), "").unwrap();
    symlink(&canary, layer.join("absolute")).unwrap();
    symlink("../../../../real", layer.join("up")).unwrap();
    symlink("/real", layer.join("inside")).unwrap();
    symlink("/", layer.join("top")).unwrap();
    symlink("/proc/sys", layer.join("kernel")).unwrap();
    for id_map in [Some(IdMap { base: 1_000_000, size: 65_536 }), None] {
        let with_target = |target: &str, script: &str| {
            let mut spec = world.spec(&["/bin/busybox", "sh", "-c", script]);
            spec.rootfs.lowers = vec![layer.clone()];
            spec.id_map = id_map;
            spec.mounts = vec![bind(&folder, target)];
            spec
        };
        for target in ["/up/new", "/inside/new", "/real/../real", "/top/real"] {
            let spec = with_target(target, "/bin/busybox cat /real/sub/file /real/new/sub/file 2>/dev/null; true");
            assert_eq!(world.run(&spec).await.1, "shared\n", "{target}");
        }
        for (target, words) in [
            ("/absolute", "mount /absolute"),
            ("/absolute/new", "mount /absolute/new"),
            ("/../../new/../x", "mount /../../new/../x"),
            ("/", "it is the root"),
            ("/top", "it is the root"),
            ("/kernel", "inside /proc or /sys"),
            ("/proc", "inside /proc or /sys"),
            ("/sys/fs", "inside /proc or /sys"),
            ("/plain", "mount /plain"),
            ("/proc/self/cwd/x", "inside /proc or /sys"),
        ] {
            let (_, text) = world.refused(&with_target(target, "true")).await;
            assert!(text.contains(words), "{target}: {text}");
        }
        let mut spec = with_target("/real", "true");
        spec.mounts[0].source =
            MountSource::Bind { path: folder.join("sub/file"), mapped: true, recursive: false, follows_host: false };
        let (_, text) = world.refused(&spec).await;
        assert!(text.contains("a file can't be mounted on a folder"), "{text}");
        for subpath in ["../../../etc/passwd", "nothing", "theirs/x"] {
            let mut spec = with_target("/real", "true");
            spec.mounts[0].subpath = subpath.into();
            let (_, text) = world.refused(&spec).await;
            assert!(text.contains("open "), "{subpath}: {text}");
        }
    }
    assert_eq!(fs::read_dir(&canary).unwrap().count(), 0);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
}

async fn the_hosts_network_can_be_used_with_mapped_ids(world: &World) {
    let script = "readlink /proc/self/ns/net; touch /sys/x 2>/dev/null || echo ro; ls /sys/class/net | wc -l; id -u";
    let mut spec = world.spec(&["sh", "-c", script]);
    spec.network = Network::Host;
    let (report, text) = world.run(&spec).await;
    assert_eq!(report.code, 0, "{text}");
    let own = fs::read_link("/proc/thread-self/ns/net").unwrap();
    assert!(text.starts_with(&format!("{}\nro\n", own.display())), "{text}");
    assert!(text.ends_with("\n0\n"), "{text}");
}

async fn numbers(world: &World) {
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(world.start(&world.spec(&["sleep", "1000"])).await.0);
    }
    let pid = clients[0].status().await.unwrap().monitor_pid;
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    for name in ["Rss:", "Pss:", "Private_Dirty:"] {
        println!("  monitor, one of ten: {}", rollup.lines().find(|line| line.starts_with(name)).unwrap());
    }
    for client in clients {
        client.signal(9).await.unwrap();
        client.exited().await;
    }
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..20 {
        let begun = Instant::now();
        let (mut spec, group) = world.limited(&["true"], &Limits { pids: Some(4096), ..Limits::default() });
        spec.rootfs.volatile = true;
        let pending = world.launcher.launch(&spec).await.unwrap();
        times[0].push(begun.elapsed());
        let (client, _) = pending.go().await.unwrap();
        times[1].push(begun.elapsed());
        client.exited().await;
        times[2].push(begun.elapsed());
        client.gone().await.unwrap();
        group.remove().unwrap();
    }
    for (name, mut times) in ["cloned", "started", "exited"].into_iter().zip(times) {
        times.sort();
        println!("  {name}: median {:?}, min {:?}", times[times.len() / 2], times[0]);
    }
}

/// Monitors of this run, known by the container id they show.
fn monitors(world: &World) -> Vec<i32> {
    let containers = fs::read_dir(world.dir.path().join("containers")).into_iter().flatten().flatten();
    let ids: Vec<String> = containers.filter_map(|entry| Some(entry.file_name().to_str()?[..12].to_owned())).collect();
    let ours = |pid: &i32| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        ids.iter().any(|id| line.starts_with(&format!("darsena-monitor {id}")))
    };
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(ours).collect()
}

/// No mount and no process is left that the tests made.
fn nothing_is_left(world: &World) {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(world.dir.path().to_str().unwrap()), "{mounts}");
    assert_eq!(monitors(world), Vec::<i32>::new());
    world.cgroups.remove_parent(&world.parent).unwrap();
}

type Case = for<'a> fn(&'a World) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

macro_rules! cases {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), (|world| Box::pin($name(world))) as Case)),*] };
}

const CASES: &[(&str, Case)] = cases![
    exit_codes_and_signals_are_told,
    the_inside_is_as_asked,
    ids_are_the_containers_own_on_disk,
    what_cannot_run_is_told_in_dockers_words,
    terminals_work,
    input_is_passed_on_and_ends,
    what_tells_too_much_is_hidden,
    hostile_paths_stay_inside,
    a_small_init_reaps_and_forwards,
    the_log_is_exact,
    a_monitor_outlives_its_launcher_and_can_be_found_again,
    a_killed_monitor_takes_the_container_along,
    what_is_not_wanted_is_undone,
    limits_hold_and_use_is_counted,
    devices_are_limited_by_version_1_or_2,
    mounts_are_as_asked,
    hostile_mount_targets_stay_inside,
    the_hosts_network_can_be_used_with_mapped_ids,
    programs_join_a_container_that_runs,
    numbers,
];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    if std::env::args().any(|arg| arg == "--list") {
        for (name, _) in CASES {
            println!("{name}: test");
        }
        return;
    }
    if !nix::unistd::geteuid().is_root() || !Path::new("/bin/busybox").exists() {
        let lacking = "needs root and /bin/busybox";
        assert!(std::env::var_os("DARSENA_TESTS_REQUIRED").is_none(), "{lacking}");
        println!("skipped: {lacking}");
        return;
    }
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).unwrap();
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
    let world = World::new();
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for (name, case) in CASES {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            println!("{name} …");
            let run = || executor.block_on(async { tokio::time::timeout(Duration::from_mins(1), case(&world)).await });
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
            if !matches!(done, Ok(Ok(()))) {
                for pid in monitors(&world) {
                    let pid = nix::unistd::Pid::from_raw(pid);
                    let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
                }
                for group in world.cgroups.children(&world.parent).unwrap() {
                    let group = world.cgroups.open(&world.parent, &group);
                    let _ = group.kill();
                    let _ = group.remove();
                }
                let _ = world.cgroups.remove_parent(&world.parent);
                panic!("{name} failed");
            }
        }
    }
    nothing_is_left(&world);
    println!("ok");
}
