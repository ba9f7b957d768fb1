//! Ways out of a container, each tried from the inside: with mapped users and with the host's ids, none may work.

use harness::{Darsena, Suite, escape, image::busybox};

use crate::{IMAGE, remove, say, start};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("no_way_out_with_mapped_users", |darsena| nothing_open(darsena, &[]))
        .test("no_way_out_with_the_hosts_ids", |darsena| nothing_open(darsena, &["--userns", "host"]))
        .test("no_way_out_for_who_is_not_root_either", |darsena| nothing_open(darsena, &["--user", "1000:1000"]))
        .test("other_containers_are_neither_seen_nor_reached", others)
}

fn nothing_open(darsena: &mut Darsena, options: &[&str]) {
    let docker = darsena.docker();
    let told = say(&docker, options, &escape::script());
    assert_eq!(told, "tried", "what must be closed");
    // The list means something only where its tools are there.
    let missing = say(&docker, options, &escape::missing_tools());
    assert_eq!(missing, "", "tools that the image lacks");
}

fn others(darsena: &mut Darsena) {
    let docker = darsena.docker();
    docker.run_with(&["load"], &busybox().docker_archive(&[IMAGE])).ok();
    let other = start(&docker, &[], "echo secret > /dev/shm/word; exec sleep 4242");
    for options in [&[][..], &["--userns", "host"]] {
        let seen = say(
            &docker,
            options,
            "ps | grep -c '[4]242'; ls /dev/shm | wc -l; ipcs 2>/dev/null | grep -c '^0x' || true",
        );
        assert_eq!(seen.lines().take(2).collect::<Vec<_>>(), ["0", "0"], "{seen}");
    }
    remove(&docker, &other);
}
