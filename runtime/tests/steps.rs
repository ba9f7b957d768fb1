//! Build steps through the engine: what a command sees, what stays of it, and that nothing else does.
//!
//! Needs root and a static busybox. Everything happens in a mount and a network namespace of the test's own.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    fs,
    future::Future,
    io::Cursor,
    os::fd::AsFd,
    os::unix::fs::MetadataExt,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    pin::Pin,
    process::Command,
    time::Duration,
};

use bytes::Bytes;
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use runtime::{
    Config, Engine,
    cgroup::Layout,
    digest::{DiffId, Digest},
    engine::step::{Step, StepEnd, StepMount, StepNetwork, StepSource},
    error::{ErrorKind, Result},
    init::user,
    request::{Limits, Rlimit},
    sys::open,
    view::Stream,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const APPLETS: &[&str] = &[
    "sh", "cat", "echo", "true", "id", "ls", "sleep", "touch", "mkdir", "rm", "wc", "tail", "stat", "env", "pwd",
    "seq", "hostname", "ip", "dd", "tr", "readlink", "grep", "ulimit", "chown",
];

struct World {
    dir: tempfile::TempDir,
    engine: Engine,
    base: Vec<DiffId>,
}

fn root_of(dir: &Path) -> (PathBuf, PathBuf) {
    (dir.join("data"), dir.join("run"))
}

async fn open_engine(dir: &Path) -> Engine {
    let program = std::env::var("DARSENA_TEST_MONITOR").unwrap_or(env!("CARGO_BIN_EXE_darsena-monitor").into());
    let (data_root, run_root) = root_of(dir);
    let monitor: &'static [u8] = Box::leak(fs::read(program).unwrap().into_boxed_slice());
    let config = Config {
        data_root,
        run_root,
        registry_mirrors: vec![],
        insecure_registries: vec![],
        private_sources: false,
        metadata: false,
        registry_certificates: vec![],
        monitor,
    };
    Engine::open(config).await.unwrap()
}

/// An image of one layer with a busybox, as `docker save` writes it.
fn archive() -> Vec<u8> {
    let mut layer = tar::Builder::new(Vec::new());
    let mut add = |name: &str, mode: u32, kind: tar::EntryType, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(if kind == tar::EntryType::Symlink { 0 } else { bytes.len() as u64 });
        if kind == tar::EntryType::Symlink {
            layer.append_link(&mut header, name, std::str::from_utf8(bytes).unwrap()).unwrap();
        } else {
            layer.append_data(&mut header, name, bytes).unwrap();
        }
    };
    for folder in ["bin/", "etc/", "tmp/", "root/", "run/", "home/", "home/web/"] {
        add(folder, 0o755, tar::EntryType::Directory, b"");
    }
    add("bin/busybox", 0o755, tar::EntryType::Regular, &fs::read("/bin/busybox").unwrap());
    for applet in APPLETS {
        add(&format!("bin/{applet}"), 0o777, tar::EntryType::Symlink, b"busybox");
    }
    add("etc/passwd", 0o644, tar::EntryType::Regular, b"root:x:0:0::/root:/bin/sh\nweb:x:33:33::/home/web:/bin/sh\n");
    add("etc/group", 0o644, tar::EntryType::Regular, b"root:x:0:\nwww:x:33:\nlog:x:4:\n");
    let layer = layer.into_inner().unwrap();
    let config = serde_json::json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }, "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&layer).to_string()] },
    });
    let manifest = serde_json::json!([{ "Config": "config.json", "RepoTags": ["box:1"], "Layers": ["layer.tar"] }]);
    let mut image = tar::Builder::new(Vec::new());
    for (name, bytes) in [
        ("config.json", config.to_string().into_bytes()),
        ("layer.tar", layer),
        ("manifest.json", manifest.to_string().into_bytes()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        image.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    image.into_inner().unwrap()
}

async fn base_of(engine: &Engine) -> Vec<DiffId> {
    if engine.images().is_empty() {
        let (progress, _listener) = mpsc::channel(64);
        engine.load(Cursor::new(archive()), progress).await.unwrap();
    }
    engine.image("box:1").await.unwrap().layers
}

/// A step and the receiver of its output.
fn step(layers: &[DiffId], script: &str) -> (Step, mpsc::Receiver<(Stream, Bytes)>) {
    let (output, received) = mpsc::channel(8);
    let step = Step {
        layers: layers.to_vec(),
        argv: ["/bin/sh", "-c", script].map(str::to_owned).into(),
        env: vec![],
        cwd: "/".into(),
        user: String::new(),
        hostname: None,
        network: StepNetwork::None,
        mounts: vec![],
        insecure: false,
        limits: Limits::default(),
        rlimits: vec![],
        shm_size_bytes: None,
        extra_hosts: vec![],
        output,
        cancel: CancellationToken::new(),
    };
    (step, received)
}

fn mount_at(source: StepSource, target: &str) -> StepMount {
    StepMount { source, subpath: String::new(), target: target.into(), read_only: false }
}

impl World {
    async fn outcome(
        &self,
        step: Step,
        mut received: mpsc::Receiver<(Stream, Bytes)>,
    ) -> (Result<StepEnd>, String, String) {
        let running = tokio::spawn(self.engine.run_step(step));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        while let Some((stream, bytes)) = received.recv().await {
            match stream {
                Stream::Stdout => out.extend(bytes),
                Stream::Stderr => err.extend(bytes),
            }
        }
        let end = running.await.unwrap();
        (end, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    async fn run(&self, script: &str, change: impl FnOnce(&mut Step)) -> (StepEnd, String, String) {
        let (mut step, received) = step(&self.base, script);
        change(&mut step);
        let (end, out, err) = self.outcome(step, received).await;
        (end.unwrap(), out, err)
    }

    /// Runs a script that must succeed; what it printed.
    async fn shell(&self, script: &str, change: impl FnOnce(&mut Step)) -> String {
        let (end, out, err) = self.run(script, change).await;
        assert_eq!(end.exit_code, 0, "{out}{err}");
        out
    }

    fn containers(&self) -> Vec<String> {
        names(&root_of(self.dir.path()).0.join("containers"))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

async fn a_step_is_run_as_asked(world: &World) {
    let (end, out, err) = world.run("echo out; echo err >&2; exit 7", |_| ()).await;
    assert_eq!((end.exit_code, end.oom_killed, out.as_str(), err.as_str()), (7, false, "out\n", "err\n"));
    drop(end);
    let text = world
        .shell("pwd; echo $GREETING $HOME; id -u; id -G; hostname; grep a.test /etc/hosts; ulimit -n", |step| {
            step.env = vec!["GREETING=hi".into()];
            step.cwd = "/made/here".into();
            step.user = "web".into();
            step.hostname = Some("sandbox".into());
            step.extra_hosts = vec!["a.test:192.0.2.9".into()];
            step.rlimits = vec![Rlimit { name: "nofile".into(), soft: 77, hard: 77 }];
        })
        .await;
    assert_eq!(text, "/made/here\nhi /home/web\n33\n33\nsandbox\n192.0.2.9\ta.test\n77\n");
    let (step_of, received) = step(&[], "true");
    let (end, ..) = world.outcome(step_of, received).await;
    let error = end.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("exec: \"/bin/sh\": stat /bin/sh: no such file or directory"), "{error:?}");
    let (mut wrong, received) = step(&world.base, "true");
    wrong.user = "nobody".into();
    let (end, ..) = world.outcome(wrong, received).await;
    assert!(end.unwrap_err().message().contains("unable to find user nobody"));
    assert!(world.engine.containers().is_empty());
    assert_eq!(world.containers(), Vec::<String>::new());
}

async fn the_result_is_what_the_step_wrote(world: &World) {
    let (end, ..) = world.run("true", |_| ()).await;
    assert_eq!(names(end.upper.path()), Vec::<String>::new());
    drop(end);
    let (end, ..) = world
        .run("echo x > /tmp/file; chown 33:33 /tmp/file; rm /etc/group; mkdir /run/own", |step| {
            step.cwd = "/work/dir".into();
            step.mounts = vec![
                mount_at(StepSource::Tmpfs { size_bytes: None }, "/run/cache/deep"),
                mount_at(StepSource::Tmpfs { size_bytes: Some(4096) }, "/root"),
            ];
        })
        .await;
    let upper = end.upper.path().to_owned();
    assert_eq!(names(&upper), ["etc", "run", "tmp", "work"]);
    assert_eq!(names(&upper.join("etc")), ["group"], "a whiteout alone");
    assert_eq!(names(&upper.join("run")), ["own"]);
    let file = fs::metadata(upper.join("tmp/file")).unwrap();
    assert_eq!((file.uid(), file.gid()), (33, 33), "ids on disk are those inside");
    drop(end);
    assert!(!upper.exists());
    // Taken by whoever wants it.
    let (end, ..) = world.run("echo x > /taken", |_| ()).await;
    let taken = world.dir.path().join("taken");
    fs::rename(end.upper.path(), &taken).unwrap();
    drop(end);
    assert_eq!(fs::read_to_string(taken.join("taken")).unwrap(), "x\n");
    assert_eq!(world.containers(), Vec::<String>::new());
}

async fn output_is_whole_and_never_blocks(world: &World) {
    let (step_of, mut received) = step(&world.base, "seq 1 200000");
    let running = tokio::spawn(world.engine.run_step(step_of));
    // Nobody reads until something waits: the channel is full long before the end.
    let mut all = Vec::new();
    let first = received.recv().await.unwrap();
    all.extend(first.1);
    while let Some((_, bytes)) = received.recv().await {
        all.extend(bytes);
    }
    assert_eq!(running.await.unwrap().unwrap().exit_code, 0);
    let mut wanted = Vec::new();
    for number in 1..=200_000 {
        wanted.extend(format!("{number}\n").into_bytes());
    }
    assert!(all == wanted, "{} bytes instead of {}", all.len(), wanted.len());
    let (step_of, received) = step(&world.base, "seq 1 200000");
    drop(received);
    assert_eq!(world.engine.run_step(step_of).await.unwrap().exit_code, 0);
}

async fn every_kind_of_mount_works(world: &World) {
    let context = world.dir.path().join("context");
    fs::create_dir_all(context.join("src")).unwrap();
    fs::write(context.join("src/main"), "code\n").unwrap();
    let cache = world.dir.path().join("cache");
    fs::create_dir_all(&cache).unwrap();
    let socket = world.dir.path().join("agent");
    let _agent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let script = "set -e; cat /src/main /one; echo y > /src/new; cat /src/new; touch /ctx/x 2>/dev/null || echo ro; \
        echo cached > /root/.cache/file; stat -c '%a %u %g' /run/secrets/word; cat /run/secrets/word; touch /mem/x; \
        cat /stage/etc/passwd | wc -l; touch /stage/x; touch /image/x 2>/dev/null || echo ro; test -S /agent; cat /group | wc -l";
    let mounts = |world: &World| {
        let secret = StepSource::Secret { bytes: b"word\n".to_vec(), mode: 0o400, uid: 33, gid: 4 };
        let folder = StepSource::Folder(context.clone());
        let layers = StepSource::Layers(world.base.clone());
        vec![
            StepMount { subpath: "src".into(), ..mount_at(folder.clone(), "/src") },
            StepMount { subpath: "src/main".into(), read_only: true, ..mount_at(folder.clone(), "/one") },
            StepMount { read_only: true, ..mount_at(folder, "/ctx") },
            mount_at(StepSource::Cache(cache.clone()), "/root/.cache"),
            StepMount { read_only: true, ..mount_at(secret, "/run/secrets/word") },
            mount_at(StepSource::Tmpfs { size_bytes: Some(1 << 20) }, "/mem"),
            mount_at(layers.clone(), "/stage"),
            StepMount { subpath: "etc/group".into(), read_only: true, ..mount_at(layers.clone(), "/group") },
            StepMount { read_only: true, ..mount_at(layers, "/image") },
            mount_at(StepSource::Socket(socket.clone()), "/agent"),
        ]
    };
    let (end, out, err) = world.run(script, |step| step.mounts = mounts(world)).await;
    assert_eq!((end.exit_code, out.as_str()), (0, "code\ncode\ny\nro\n400 33 4\nword\n2\nro\n3\n"), "{err}");
    assert_eq!(names(end.upper.path()), Vec::<String>::new(), "nothing mounted is in the result");
    assert_eq!(names(&context.join("src")), ["main"]);
    let kept = fs::metadata(cache.join("file")).unwrap();
    assert_eq!((kept.uid(), kept.gid()), (0, 0));
    let text = world
        .shell("cat /c/file; rm /c/file", |step| step.mounts = vec![mount_at(StepSource::Cache(cache.clone()), "/c")])
        .await;
    assert_eq!((text.as_str(), names(&cache).len()), ("cached\n", 0));
    for (target, subpath) in [("relative", ""), ("/", ""), ("/x", "no/such")] {
        let (mut wrong, received) = step(&world.base, "true");
        let source = StepSource::Folder(context.clone());
        wrong.mounts = vec![StepMount { subpath: subpath.into(), ..mount_at(source, target) }];
        assert!(world.outcome(wrong, received).await.0.is_err(), "{target}");
    }
}

async fn networks_are_as_asked(world: &World) {
    let text = world.shell("ls /sys/class/net | tr '\\n' ' '", |_| ()).await;
    assert_eq!(text, "lo ");
    let text = world
        .shell("ip -o -4 addr show dev eth0 | wc -l; cat /etc/resolv.conf | wc -l", |step| {
            step.network = StepNetwork::Default;
        })
        .await;
    assert!(text.starts_with("1\n") && !text.ends_with("\n0\n"), "{text}");
    let own = fs::read_link("/proc/thread-self/ns/net").unwrap();
    let text = world.shell("readlink /proc/self/ns/net", |step| step.network = StepNetwork::Host).await;
    assert_eq!(text.trim(), own.to_str().unwrap());
}

async fn limits_are_kept_and_told(world: &World) {
    let limits = Limits { memory_bytes: Some(24 << 20), memory_swap_bytes: Some(24 << 20), ..Limits::default() };
    let (end, ..) = world.run("tail /dev/zero", |step| step.limits = limits).await;
    assert!(end.oom_killed && end.exit_code != 0, "{end:?}");
    let text = world.shell("grep -E 'CapEff|Seccomp:' /proc/self/status", |step| step.insecure = true).await;
    assert!(text.contains("Seccomp:\t0") && !text.contains("00000000a80425fb"), "{text}");
}

async fn a_step_can_be_cancelled(world: &World) {
    for leave in [false, true] {
        let (step_of, mut received) = step(&world.base, "echo here; sleep 1000 & sleep 1000");
        let cancel = step_of.cancel.clone();
        let running = tokio::spawn(world.engine.run_step(step_of));
        assert_eq!(received.recv().await.unwrap().1, "here\n");
        assert_eq!(world.containers().len(), 1);
        if leave {
            running.abort();
        } else {
            cancel.cancel();
            assert_eq!(running.await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
        }
        // Closed when all of it is gone, or nearly: its folder goes last.
        while received.recv().await.is_some() {}
        gone(world).await;
    }
    let (step_of, _received) = step(&world.base, "true");
    step_of.cancel.cancel();
    assert_eq!(world.engine.run_step(step_of).await.unwrap_err().kind(), ErrorKind::Cancelled);
}

/// Waits until no step has a folder.
async fn gone(world: &World) {
    let folder = root_of(world.dir.path()).0.join("containers");
    tokio::task::spawn_blocking(move || {
        use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
        let watch = Inotify::init(InitFlags::IN_CLOEXEC).unwrap();
        watch.add_watch(&folder, AddWatchFlags::IN_MOVED_FROM | AddWatchFlags::IN_DELETE).unwrap();
        while !names(&folder).is_empty() {
            watch.read_events().unwrap();
        }
    })
    .await
    .unwrap();
}

async fn steps_run_side_by_side(world: &World) {
    let (one, first) = step(&world.base, "echo one > /who; cat /who");
    let (two, second) = step(&world.base, "echo two > /who; cat /who");
    let ((one, out_one, _), (two, out_two, _)) = tokio::join!(world.outcome(one, first), world.outcome(two, second));
    assert_eq!((out_one.as_str(), out_two.as_str()), ("one\n", "two\n"));
    let (one, two) = (one.unwrap().upper, two.unwrap().upper);
    assert_eq!(fs::read_to_string(one.path().join("who")).unwrap(), "one\n");
    assert_eq!(fs::read_to_string(two.path().join("who")).unwrap(), "two\n");
}

async fn layers_are_read_and_written_without_running_anything(world: &World) {
    let view = world.engine.layers_view(world.base.clone()).await.unwrap();
    assert!(open::inside(view.root(), "/etc/passwd", 0).is_ok());
    let owner = |text: &str| user::owner_in(view.root(), text);
    assert_eq!(owner("web").unwrap(), (33, 33));
    assert_eq!(owner("web:log").unwrap(), (33, 4));
    assert_eq!(owner("1000").unwrap(), (1000, 1000));
    assert_eq!(owner("1000:log").unwrap(), (1000, 4));
    let nobody = owner("nobody").unwrap_err().to_string();
    assert_eq!(nobody, "unable to find user nobody: no matching entries in passwd file");
    let refused = open::openat2(view.root(), "x", libc::O_CREAT | libc::O_WRONLY, 0o644, open::IN_ROOT);
    assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EROFS));
    let empty = world.engine.layers_view(vec![]).await.unwrap();
    assert!(open::inside(empty.root(), "etc", 0).is_err());
    for (layers, wanted) in [(world.base.clone(), &["app", "etc"][..]), (vec![], &["app", "etc"][..])] {
        let scratch = world.engine.scratch(layers).await.unwrap();
        for folder in ["/app/deep", "/etc"] {
            open::make_dirs(scratch.root(), folder, 0o755).unwrap();
        }
        for file in ["app/deep/file", "etc/new"] {
            let made =
                open::openat2(scratch.root(), file, libc::O_CREAT | libc::O_WRONLY, 0o644, open::IN_ROOT).unwrap();
            nix::unistd::fchown(made.as_fd(), Some(33.into()), Some(4.into())).unwrap();
        }
        let upper = scratch.finish();
        assert_eq!(names(upper.path()), wanted);
        let file = fs::metadata(upper.path().join("app/deep/file")).unwrap();
        assert_eq!((file.uid(), file.gid()), (33, 4));
    }
    drop((view, empty));
    assert_eq!(names(&root_of(world.dir.path()).0.join("scratch")), Vec::<String>::new());
}

/// What the engine's control groups are called, by its data root.
fn groups(dir: &Path) -> Vec<String> {
    use std::os::unix::ffi::OsStrExt;
    let root = root_of(dir).0;
    let parent = format!("darsena-{}", &Digest::of(root.as_os_str().as_bytes()).hex()[..8]);
    Layout::detect().unwrap().children(&parent).unwrap()
}

/// Processes that were told a path below this folder, or that show it in their mounts.
fn mounts_of(dir: &Path) -> Vec<String> {
    let processes = names(Path::new("/proc"));
    let pids = processes.into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let shows = |pid: &String| {
        let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        mounts.contains(dir.to_str().unwrap())
    };
    pids.filter(shows).collect()
}

fn nothing_is_left(dir: &Path, case: &str) {
    let (data, run) = root_of(dir);
    assert_eq!(names(&data.join("containers")), Vec::<String>::new(), "{case}");
    assert_eq!(names(&data.join("scratch")), Vec::<String>::new(), "{case}");
    assert_eq!(names(&run.join("c")), Vec::<String>::new(), "{case}");
    assert_eq!(groups(dir), Vec::<String>::new(), "{case}");
}

async fn a_clean_slate(world: &World) {
    nothing_is_left(world.dir.path(), "all steps");
    assert_eq!(mounts_of(world.dir.path()), Vec::<String>::new());
    assert!(world.engine.containers().is_empty());
    assert_eq!(world.engine.remove_image("box:1", false).await.unwrap().steps.len(), 3, "layers are held by nobody");
}

/// In a process of its own that dies on the way.
async fn act(dir: &Path) {
    let engine = open_engine(dir).await;
    let base = base_of(&engine).await;
    let scratch = engine.scratch(base.clone()).await.unwrap();
    open::make_dirs(scratch.root(), "half", 0o755).unwrap();
    let script =
        if std::env::var("DARSENA_FAILPOINT").unwrap().starts_with("step.started") { "sleep 1000" } else { "true" };
    let (mut step, mut received) = step(&base, script);
    step.network = StepNetwork::Default;
    let (end, ()) = tokio::join!(engine.run_step(step), async { while received.recv().await.is_some() {} });
    assert!(end.is_err(), "the failpoint was not reached");
    drop((end, scratch));
    nothing_is_left(dir, "failed");
    engine.close();
}

fn a_step_that_dies_or_fails_leaves_nothing(executor: &tokio::runtime::Runtime) {
    let points = ["step.folder", "step.started", "step.ended", "start.cgroup", "start.launched", "start.network"];
    for point in points.iter().filter(|point| runtime::fault::names().contains(*point)) {
        for action in ["kill", "error"] {
            let case = format!("{point}={action}");
            let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let mut child = Command::new(std::env::current_exe().unwrap());
            let ended = child.arg("--act").arg(dir.path()).env("DARSENA_FAILPOINT", &case).output().unwrap();
            let said = String::from_utf8_lossy(&ended.stderr).into_owned();
            if action == "kill" {
                assert_eq!(ended.status.signal(), Some(9), "{case}: {said}");
            } else {
                assert!(ended.status.success(), "{case}: {said}");
            }
            executor.block_on(async {
                let engine = open_engine(dir.path()).await;
                nothing_is_left(dir.path(), &case);
                assert!(engine.containers().is_empty(), "{case}");
                let base = base_of(&engine).await;
                let (step, mut received) = step(&base, "echo again");
                let (end, first) = tokio::join!(engine.run_step(step), received.recv());
                assert_eq!((end.unwrap().exit_code, first.unwrap().1), (0, "again\n".into()), "{case}");
                nothing_is_left(dir.path(), &case);
                engine.close();
            });
        }
    }
}

type Case = for<'a> fn(&'a World) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

macro_rules! cases {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), (|world| Box::pin($name(world))) as Case)),*] };
}

const CASES: &[(&str, Case)] = cases![
    a_step_is_run_as_asked,
    the_result_is_what_the_step_wrote,
    output_is_whole_and_never_blocks,
    every_kind_of_mount_works,
    networks_are_as_asked,
    limits_are_kept_and_told,
    a_step_can_be_cancelled,
    steps_run_side_by_side,
    layers_are_read_and_written_without_running_anything,
    a_clean_slate,
];

/// The last case, outside of the executor.
const RECOVERY: &str = "a_step_that_dies_or_fails_leaves_nothing";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|arg| arg == "--list") {
        for name in CASES.iter().map(|(name, _)| *name).chain([RECOVERY]) {
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
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let [act_word, dir] = &arguments[..]
        && act_word == "--act"
    {
        executor.block_on(act(Path::new(dir)));
        return;
    }
    let wanted: Vec<&String> = arguments.iter().filter(|arg| !arg.starts_with('-')).collect();
    let chosen = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let world = executor.block_on(async {
        let engine = open_engine(dir.path()).await;
        let base = base_of(&engine).await;
        World { dir, engine, base }
    });
    for (name, case) in CASES.iter().filter(|(name, _)| chosen(name)) {
        println!("{name} …");
        let run = || executor.block_on(async { tokio::time::timeout(Duration::from_mins(1), case(&world)).await });
        if !matches!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)), Ok(Ok(()))) {
            world.engine.close();
            panic!("{name} failed");
        }
    }
    world.engine.close();
    drop(world);
    if chosen(RECOVERY) {
        println!("{RECOVERY} …");
        a_step_that_dies_or_fails_leaves_nothing(&executor);
    }
    println!("ok");
}
