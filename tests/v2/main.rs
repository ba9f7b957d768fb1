//! cgroup v2: the story of a container once in a machine that has nothing else.

mod limits;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use harness::{
    Darsena, Docker, Suite, escape,
    guest::{Guest, assert_passed, kernel},
    image::busybox_archive,
    missing,
};

fn main() -> ExitCode {
    let docker = Docker::program();
    let lacking =
        missing(&["qemu-system-x86_64", "cpio", "mkfs.ext4", "depmod", "modprobe", "ldd", &docker.to_string_lossy()]);
    let lacking = lacking.or_else(|| kernel().err());
    Suite::needing(lacking.clone())
        .alone("the_guest_has_cgroup_v2_only", ground)
        .alone("the_engine_group_on_cgroup_v2", engine)
        .and_needing(Darsena::program().err())
        .alone("the_story_on_cgroup_v2", story)
        .alone("limits_pause_and_ways_out_on_cgroup_v2", || with_server(limits::SCRIPT))
        .run()
}

/// Runs the script in a guest and asserts that each of its checks passed.
fn run(guest: Guest, script: &str) {
    let guest = guest
        .program(Path::new("/usr/sbin/nft"))
        .program(Path::new("/usr/sbin/ip"))
        .program(Path::new("/usr/bin/unshare"));
    let expected = script.lines().filter(|line| line.starts_with("check ")).count();
    assert_passed(&guest.run(script, Duration::from_mins(6)), expected);
}

fn ground() {
    let script = r#"
is() { [ "$1" = "$2" ] || { echo "$1 is not $2"; return 1; }; }
has() { for controller in cpu memory pids io; do grep -qw "$controller" /sys/fs/cgroup/cgroup.controllers || return 1; done; }
check "cgroup v2 is mounted" is "$(stat -f -c %t /sys/fs/cgroup)" 63677270
check "no cgroup v1" sh -c '! grep -q " - cgroup cgroup\b" /proc/self/mountinfo'
check "the controllers are there" has
check "the root is a disk" grep -q " / / .* - ext4 " /proc/self/mountinfo
check "overlayfs" sh -c 'mkdir -p /o/l /o/u /o/w /o/m && mount -t overlay none -o lowerdir=/o/l,upperdir=/o/u,workdir=/o/w /o/m && umount /o/m'
check "user namespaces" unshare -U true
check "a veth pair and a bridge" sh -c 'ip link add b type bridge && ip link add v type veth peer name w && ip link set v master b && ip link del v && ip link del b'
check "the firewall" nft "add table inet t; add chain inet t c { type nat hook prerouting priority 0; }; add map inet t m { type inet_service : ipv4_addr . inet_service; }; add rule inet t c fib daddr type local dnat ip to tcp dport map @m; delete table inet t"
"#;
    run(Guest::new(), script);
}

/// The engine's own tests (runtime/tests/launch.rs), each case as a check.
fn engine() {
    let built = std::env::current_exe().expect("this program has a path");
    let folder = built.parent().expect("it lies in a folder");
    let launch = newest(folder, "launch-").expect("`cargo test --workspace` builds the engine's tests");
    let monitor = folder.parent().expect("the build's folder").join("darsena-monitor");
    let listed = Command::new(&launch).arg("--list").output().expect("it runs");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let cases: Vec<_> = listed.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    assert!(cases.len() > 10, "the engine's tests list their cases: {listed}");
    let mut script = format!(
        "export DARSENA_TESTS_REQUIRED=1 DARSENA_TEST_MONITOR=/usr/bin/darsena-monitor\nmkdir -p {}\n",
        folder.parent().and_then(Path::parent).expect("the target folder").join("tmp").display()
    );
    for case in cases {
        let _ = writeln!(script, "check {case} launch {case}");
    }
    run(Guest::new().program_as(&launch, "launch").program_as(&monitor, "darsena-monitor"), &script);
}

/// The newest program of this name with a hash behind it.
fn newest(folder: &Path, prefix: &str) -> Option<PathBuf> {
    let programs = std::fs::read_dir(folder).ok()?.flatten().filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with(prefix) && !name.contains('.')
    });
    programs.max_by_key(|entry| entry.metadata().and_then(|data| data.modified()).ok()).map(|entry| entry.path())
}

/// Where a program is.
fn find(program: &Path) -> PathBuf {
    let output = Command::new("sh").args(["-c", "command -v \"$0\""]).arg(program).output().expect("sh runs");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

/// The programs and the image, and a script that starts a server before its own lines.
fn with_server(script: &str) {
    let darsena = Darsena::program().unwrap_or_else(|error| panic!("{error}"));
    let guest = Guest::new()
        .program_as(&darsena, "darsena")
        .program_as(&find(&Docker::program()), "docker")
        .file("image.tar", busybox_archive("test:1"))
        .file("ways", escape::script());
    run(guest, &format!("{SERVE}{script}"));
}

const SERVE: &str = r#"
export DOCKER_HOST=unix:///run/docker.sock DOCKER_CONFIG=/root/docker
is() { [ "$1" = "$2" ] || { echo "'$1' is not '$2'"; return 1; }; }
serve() {
  : >/run/out
  darsena serve --data /var/lib/darsena --run /run/darsena --http 127.0.0.1:8080 --docker-socket /run/docker.sock >/run/out 2>>/run/err &
  server=$!
  for turn in $(seq 300); do grep -q "is ready" /run/out && return; kill -0 $server 2>/dev/null || break; sleep 0.2; done
  cat /run/out /run/err; return 1
}
code() { wanted=$1; shift; "$@"; is "$?" "$wanted"; }
limit() { id=$(docker inspect -f '{{.Id}}' "$1"); find /sys/fs/cgroup -path "*$(echo "$id" | cut -c1-12)*" -name "$2" -exec cat {} +; }
serve || echo "not ok - the server starts"
"#;

fn story() {
    let script = r#"
check "the server is ready" grep "is ready" /run/out
check "the host is good enough" darsena check
check "an image loads" docker load -i /image.tar
check "info says v2" is "$(docker info -f '{{.CgroupVersion}}')" 2
check "a container runs" is "$(docker run --rm test:1 echo hello)" hello
check "its end is ours" code 42 docker run --rm test:1 sh -c 'exit 42'
check "root inside is not root outside" sh -c '[ "$(docker run --rm test:1 sh -c "awk \"{print \\\$2}\" /proc/self/uid_map")" != 0 ]'
check "two of them have other ids" sh -c 'docker create --name aa test:1 cat /proc/self/uid_map >/dev/null; docker create --name bb test:1 cat /proc/self/uid_map >/dev/null; [ "$(docker start -a aa)" != "$(docker start -a bb)" ]; done=$?; docker rm aa bb >/dev/null; exit $done'
check "what it writes is its own outside" sh -c 'docker run --name written test:1 sh -c "echo x > /kept; ls -ln /kept" | grep -q " 0 *0 "; done=$?; docker rm written >/dev/null; exit $done'
check "a folder of memory" is "$(docker run --rm --tmpfs /t:size=1m test:1 sh -c 'echo in > /t/f; cat /t/f; stat -f -c %T /t')" "in
tmpfs"
check "read-only" code 1 docker run --rm --read-only test:1 sh -c 'echo x > /x'
check "its devices work" is "$(docker run --rm test:1 sh -c 'head -c 4 /dev/zero | wc -c; echo x > /dev/null && echo null')" "4
null"
check "the host's do not" code 1 docker run --rm test:1 sh -c 'mknod /tmp/disk b 254 0 2>/dev/null'
check "a user by name" is "$(docker run --rm -u web test:1 id -u)" 1000
check "a terminal" is "$(docker run --rm -t test:1 tty | tr -d '\r')" /dev/pts/0
check "it sees its own cgroup only" is "$(docker run --rm test:1 cat /proc/self/cgroup)" 0::/
check "one with limits runs" docker run -d --name limited -m 48m --cpus 0.5 --pids-limit 33 -p 8082:80 test:1 sh -c 'echo hi > /www/index.html; exec httpd -f -p 80 -h /www'
check "memory" is "$(limit limited memory.max)" 50331648
check "cpu" is "$(limit limited cpu.max)" "50000 100000"
check "processes" is "$(limit limited pids.max)" 33
check "its own view of them" is "$(docker run --rm -m 40m --pids-limit 7 test:1 sh -c 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max')" "41943040
7"
check "too many processes are refused" code 2 docker run --rm --pids-limit 4 test:1 sh -c 'for n in 1 2 3 4 5 6; do sleep 5 & done 2>/dev/null'
check "its port answers" is "$(for turn in 1 2 3 4 5 6 7 8 9; do wget -q -O - http://127.0.0.1:8082/ && break; sleep 0.3; done)" hi
check "a program joins it" is "$(docker exec limited sh -c 'cat /proc/self/cgroup; cat /sys/fs/cgroup/pids.max; readlink /proc/1/ns/net; readlink /proc/self/ns/net' | sort -u | grep -c .)" 3
check "its processes are counted there" sh -c 'docker exec -d limited sleep 900; [ "$(docker top limited | grep -c "sleep 900")" = 1 ]'
check "its limits hold for what joins" code 2 docker exec limited sh -c 'for n in $(seq 50); do sleep 5 & done 2>/dev/null'
check "its code is ours" code 42 docker exec limited sh -c 'exit 42'
check "stats" sh -c 'docker stats --no-stream --format "{{.MemUsage}}" limited | grep -q "/ 48MiB"'
kill -9 $server; wait $server 2>/dev/null
serve || echo "not ok - the server starts again"
check "it outlived the server" is "$(docker inspect -f '{{.State.Status}}' limited)" running
check "its port still answers" is "$(wget -q -O - http://127.0.0.1:8082/)" hi
docker run -d --name polite test:1 sh -c 'trap "echo bye; exit 7" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
for turn in $(seq 100); do docker logs polite | grep -q ready && break; sleep 0.2; done
check "its log" is "$(docker logs polite)" ready
process=$(docker inspect -f '{{.State.Pid}}' polite)
kill -9 $server; wait $server 2>/dev/null
kill $process
serve || echo "not ok - the server starts a third time"
check "an end while no server ran" is "$(docker wait polite)" 7
check "its end" is "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' polite)" "exited 7"
check "all it said" is "$(docker logs polite)" "ready
bye"
check "a kill" is "$(docker run -d --name doomed test:1 sleep 1000 >/dev/null; docker kill doomed; docker inspect -f '{{.State.ExitCode}}' doomed)" "doomed
137"
check "a signalled monitor" sh -c 'docker start doomed >/dev/null; pid=$(docker inspect -f "{{.State.Pid}}" doomed); kill -9 $(sed -n "s/^PPid:\t//p" /proc/$pid/status); docker wait doomed | grep -q 137; docker inspect -f "{{.State.Error}}" doomed | grep -q monitor'
check "both go" docker rm -f polite doomed
check "it stops" docker stop -t 1 limited
check "it is removed" docker rm limited
docker run --name hungry -m 16m --memory-swap 16m test:1 tail -c 200m /dev/zero >/dev/null 2>&1
check "too much memory is an end" is "$(docker inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' hungry)" "true 137"
check "that one is removed" docker rm hungry
check "no cgroup is left" sh -c '! find /sys/fs/cgroup -path "*darsena/*" -type d | grep .'
check "no interface is left" sh -c '! ip -o link show type veth | grep .'
"#;
    with_server(script);
}
