//! Limits, their update, the freezer, device rules and the ways out, where all of it is version 2.

/// After a server has been started; see `SERVE`.
pub const SCRIPT: &str = r#"
docker load -i /image.tar >/dev/null
group() { group=$(find /sys/fs/cgroup -type d -path "*$(docker inspect -f '{{.Id}}' "$1" | cut -c1-12)*" | head -n 1); }
values() { for file in "$@"; do cat "$group/$file"; done | tr '\n' ' ' | sed 's/ $//'; }
disk=$(cat /sys/block/vda/dev)
check "one with all limits runs" docker run -d --name limited -m 64m --memory-swap 96m --memory-reservation 32m --cpus 0.5 --cpu-shares 512 --pids-limit 20 --cpuset-cpus 1 --cpuset-mems 0 --device-read-bps /dev/vda:1mb --device-write-iops /dev/vda:100 test:1 sleep 1000
group limited
check "memory, swap beside it, reservation" is "$(values memory.max memory.swap.max memory.low)" "67108864 33554432 33554432"
check "cpus and their weight" is "$(values cpu.max cpu.weight)" "50000 100000 20"
check "processes" is "$(values pids.max)" 20
check "which cpus and nodes" is "$(values cpuset.cpus cpuset.cpus.effective cpuset.mems)" "1 1 0"
check "rates of a disk" is "$(values io.max)" "$disk rbps=1048576 wbps=max riops=max wiops=100"
check "it sees one cpu, and is held back on it" is "$(docker exec limited sh -c 'nproc; timeout 2 sh -c "while :; do :; done"; sed -n "s/^nr_throttled \(.\).*/\1/p" /sys/fs/cgroup/cpu.stat' | tr '\n' ' ' | sed 's/[1-9] $/some/')" "1 some"
check "limits are updated" docker update -m 80m --memory-swap 160m --cpus 1.5 --pids-limit 40 --cpuset-cpus 0-1 limited
check "all of them at once, while it runs" is "$(values memory.max memory.swap.max cpu.max pids.max cpuset.cpus)" "83886080 83886080 150000 100000 40 0-1"
check "what was not named stays" is "$(values memory.low cpu.weight io.max)" "33554432 20 $disk rbps=1048576 wbps=max riops=max wiops=100"
check "they are told" is "$(docker inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} {{.HostConfig.CpusetCpus}}' limited)" "83886080 167772160 1500000000 40 0-1"
check "no swap at all" docker update -m 40m --memory-swap 40m limited
check "less than before" is "$(values memory.max memory.swap.max)" "41943040 0"
check "a limit nobody can keep changes nothing" sh -c '! docker update --cpuset-cpus 7 limited 2>/run/refused && grep -qi cpu /run/refused'
check "it is as before" is "$(values cpuset.cpus)" 0-1
check "one that is too big inside is told, though its first process lives" is "$(docker run --name hurt -m 16m --memory-swap 16m test:1 sh -c 'tail -c 200m /dev/zero >/dev/null; echo $?; exit 3'; docker inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' hurt)" "137
true 3"
docker run -d --name still test:1 sh -c 'n=0; while :; do n=$((n+1)); echo $n >/count; sleep 0.1; done' >/dev/null
group still
count() { cat /proc/$(head -n 1 "$group/cgroup.procs")/root/count; }
for turn in $(seq 50); do [ -n "$(count 2>/dev/null)" ] && break; sleep 0.2; done
check "a pause" docker pause still
check "it is the freezer's" is "$(values cgroup.freeze cgroup.events | tr ' ' '\n' | grep -A 1 -E '^frozen|^1$' | tr '\n' ' ')" "1 populated 1 frozen 1 "
before=$(count); sleep 1
check "nothing happens inside" is "$(count)" "$before"
kill -9 $server; wait $server 2>/dev/null
serve || echo "not ok - the server starts again"
check "it stands still for the next server" is "$(docker inspect -f '{{.State.Status}}' still) $(count)" "paused $before"
check "it goes on" docker unpause still
for turn in $(seq 50); do [ "$(count)" != "$before" ] && break; sleep 0.2; done
check "it counts again" sh -c "[ '$(count)' != '$before' ]"
docker pause still >/dev/null
check "what is paused can go" docker rm -f still
check "the limits outlived the server" is "$(group limited; values memory.max pids.max)" "41943040 40"
check "a device that is given can be read" is "$(docker run --rm --userns host --device /dev/vda:/dev/disk:r test:1 sh -c 'head -c 4 /dev/disk | wc -c; true 2>/dev/null >/dev/disk || echo refused')" "4
refused"
check "a node that one makes can not" is "$(docker run --rm --userns host test:1 sh -c "mknod /d b ${disk%:*} ${disk#*:}; head -c 4 /d 2>&1 | grep -o 'not permitted'")" "not permitted"
check "unless a rule allows it" is "$(docker run --rm --userns host --device-cgroup-rule "b $disk rm" test:1 sh -c "mknod /d b ${disk%:*} ${disk#*:}; head -c 4 /d | wc -c")" 4
check "no way out with mapped users" is "$(docker run --rm -i test:1 sh </ways)" tried
check "no way out with the host's ids" is "$(docker run --rm -i --userns host test:1 sh </ways)" tried
docker rm -f limited hurt >/dev/null
check "no cgroup is left" sh -c '! find /sys/fs/cgroup -path "*darsena/*" -type d | grep .'
"#;
