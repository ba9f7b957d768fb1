//! cgroup v2: the story of a container once in a machine that has nothing else.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use harness::{
    Darsena, Docker, Suite,
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
        .and_needing(Darsena::program().err())
        .alone("the_story_on_cgroup_v2", story)
        .run()
}

/// Runs the script in a guest and asserts that each of its checks passed.
fn run(guest: Guest, script: &str) {
    let guest = guest
        .program(Path::new("/usr/sbin/nft"))
        .program(Path::new("/usr/sbin/ip"))
        .program(Path::new("/usr/bin/unshare"));
    let expected = script.lines().filter(|line| line.starts_with("check ")).count();
    assert_passed(&guest.run(script, Duration::from_mins(4)), expected);
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

/// Where a program is.
fn find(program: &Path) -> PathBuf {
    let output = Command::new("sh").args(["-c", "command -v \"$0\""]).arg(program).output().expect("sh runs");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

fn story() {
    let script = r#"
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
check "the server is ready" grep "is ready" /run/out
check "the host is good enough" darsena check
check "an image loads" docker load -i /image.tar
check "info says v2" is "$(docker info -f '{{.CgroupVersion}}')" 2
check "a container runs" is "$(docker run --rm test:1 echo hello)" hello
check "its end is ours" code 42 docker run --rm test:1 sh -c 'exit 42'
check "root inside is not root outside" sh -c '[ "$(docker run --rm test:1 sh -c "awk \"{print \\\$2}\" /proc/self/uid_map")" != 0 ]'
check "it sees its own cgroup only" is "$(docker run --rm test:1 cat /proc/self/cgroup)" 0::/
check "one with limits runs" docker run -d --name limited -m 48m --cpus 0.5 --pids-limit 33 -p 8082:80 test:1 sh -c 'echo hi > /www/index.html; exec httpd -f -p 80 -h /www'
check "memory" is "$(limit limited memory.max)" 50331648
check "cpu" is "$(limit limited cpu.max)" "50000 100000"
check "processes" is "$(limit limited pids.max)" 33
check "its port answers" is "$(for turn in 1 2 3 4 5 6 7 8 9; do wget -q -O - http://127.0.0.1:8082/ && break; sleep 0.3; done)" hi
check "stats" sh -c 'docker stats --no-stream --format "{{.MemUsage}}" limited | grep -q "/ 48MiB"'
kill -9 $server; wait $server 2>/dev/null
serve || echo "not ok - the server starts again"
check "it outlived the server" is "$(docker inspect -f '{{.State.Status}}' limited)" running
check "its port still answers" is "$(wget -q -O - http://127.0.0.1:8082/)" hi
check "it stops" docker stop -t 1 limited
check "it is removed" docker rm limited
docker run --name hungry -m 16m --memory-swap 16m test:1 tail -c 200m /dev/zero >/dev/null 2>&1
check "too much memory is an end" is "$(docker inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' hungry)" "true 137"
check "that one is removed" docker rm hungry
check "no cgroup is left" sh -c '! find /sys/fs/cgroup -path "*darsena/*" -type d | grep .'
check "no interface is left" sh -c '! ip -o link show type veth | grep .'
"#;
    let darsena = Darsena::program().unwrap_or_else(|error| panic!("{error}"));
    let guest =
        Guest::new().program(&darsena).program(&find(&Docker::program())).file("image.tar", busybox_archive("test:1"));
    run(guest, script);
}
