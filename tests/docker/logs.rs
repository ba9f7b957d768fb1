//! Log drivers, their options, and what `docker logs --details` shows.

use std::path::Path;

use harness::{Darsena, Docker, Suite, wait::eventually};

use crate::{IMAGE, inspect, remove, start};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("details_are_shown_before_each_line", details)
        .test("log_options_are_said_back", said_back)
        .test("wrong_log_options_are_refused_in_docker_s_words", wrong)
        .test("the_log_driver_none_keeps_nothing", none)
        .test("what_none_let_pass_is_gone_after_a_crash", crash)
        .test("containers_are_found_by_every_filter", filters)
}

fn ended(docker: &Docker, options: &[&str], line: &str) -> String {
    let id = start(docker, options, line);
    docker.run(&["wait", &id]).ok();
    id
}

fn details(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let options = [
        ["--log-opt", "labels=tier,missing"],
        ["--log-opt", "env=COLOUR"],
        ["--log-opt", "labels-regex=^team"],
        ["--log-opt", "env-regex=^X_"],
        ["--log-opt", "tag={{.Name}}/{{.ImageName}}"],
        ["--label", "tier=a,b"],
        ["--label", "team.name=sea"],
        ["--label", "other=1"],
        ["-e", "COLOUR=dark red"],
        ["-e", "X_ONE=1"],
        ["--name", "told"],
    ]
    .concat();
    let id = ended(&docker, &options, "echo one; echo two");
    let before = "COLOUR=dark+red,X_ONE=1,tag=told%2Ftest%3A1,team.name=sea,tier=a%2Cb";
    assert_eq!(docker.run(&["logs", "--details", &id]).ok(), format!("{before} one\n{before} two"));
    assert_eq!(docker.run(&["logs", &id]).ok(), "one\ntwo");
    let timed = docker.run(&["logs", "--details", "-t", "--tail", "1", &id]).ok();
    assert!(timed.split_once("Z ").is_some_and(|(_, rest)| rest == format!("{before} two")), "{timed}");
    remove(&docker, &id);
    let plain = ended(&docker, &["--label", "tier=1"], "echo one");
    assert_eq!(docker.run(&["logs", "--details", &plain]).code(0).stdout, b" one\n");
    remove(&docker, &plain);
}

fn said_back(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let format = "{{.HostConfig.LogConfig.Type}} {{json .HostConfig.LogConfig.Config}}";
    let json = ["--log-opt", "max-size=10m", "--log-opt", "max-file=3", "--log-opt", "compress=true"];
    let json = [&["--log-driver", "json-file"], &json[..]].concat();
    for (options, wanted) in [
        (&[][..], "json-file {}"),
        (&["--log-driver", "local", "--log-opt", "mode=blocking"], r#"local {"mode":"blocking"}"#),
        (&json, r#"json-file {"compress":"true","max-file":"3","max-size":"10m"}"#),
        (&["--log-driver", "none"], "none {}"),
    ] {
        let id = start(&docker, options, "true");
        assert_eq!(inspect(&docker, &id, format), wanted);
        assert_eq!(inspect(&docker, &id, "{{.LogPath}}").is_empty(), wanted.starts_with("none"));
        remove(&docker, &id);
    }
    assert_eq!(
        docker.run(&["info", "-f", "{{.LoggingDriver}} {{json .Plugins.Log}}"]).ok(),
        r#"json-file ["json-file","local"]"#
    );
    // Two files of 64 KiB hold the last lines, and no more.
    let small = ["--log-driver", "json-file", "--log-opt", "max-size=64k", "--log-opt", "max-file=2"];
    let id = ended(&docker, &small, "seq 1 100000");
    let kept = docker.run(&["logs", &id]).ok();
    assert!(kept.ends_with("\n100000") && kept.len() < 132 << 10 && kept.len() > 8 << 10, "{} bytes", kept.len());
    remove(&docker, &id);
}

fn wrong(darsena: &mut Darsena) {
    let docker = darsena.docker();
    for (driver, option, words) in [
        ("json-file", "colour=red", "unknown log opt 'colour' for json-file log driver"),
        ("local", "colour=red", "unknown log opt 'colour' for log driver local"),
        ("json-file", "max-size=much", "failed to initialize logging driver: invalid size: 'much'"),
        ("json-file", "max-file=0", "failed to initialize logging driver: max-file cannot be less than 1"),
        ("local", "max-size=much", "invalid value for max-size: much: invalid size: 'much'"),
        ("local", "mode=odd", "logger: logging mode not supported: odd"),
        ("syslog", "tag=x", "Darsena does not support the log driver \"syslog\" yet"),
        ("local", "tag={{.Colour}}", "in a log tag"),
    ] {
        let refused = docker.run(&["create", "--log-driver", driver, "--log-opt", option, IMAGE]).fails();
        assert!(refused.contains(words), "{driver} {option}: {refused}");
    }
    assert_eq!(docker.run(&["ps", "-aq"]).ok(), "");
}

/// Bytes of output in a container's folder.
fn held(darsena: &Darsena, id: &str) -> u64 {
    let folder = darsena.space().data().join("containers").join(id).join("log");
    let size = |path: &Path| path.metadata().map_or(0, |file| file.len());
    std::fs::read_dir(&folder).unwrap().map(|entry| size(&entry.unwrap().path())).sum()
}

fn none(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let refusal = "configured logging driver does not support reading";
    let id = start(&docker, &["-i", "--log-driver", "none"], "while read line; do echo got $line; done");
    let mut first = docker.spawn(&["attach", &id]);
    first.write("one\n");
    first.stdout.until("got one");
    for options in [&["logs"][..], &["logs", "-f"]] {
        let refused = docker.run(&[options, &[&id]].concat()).fails();
        assert!(refused.contains(refusal), "{refused}");
    }
    first.close_input();
    docker.run(&["kill", &id]).ok();
    assert_eq!(first.finish().text(), "got one");
    eventually("its output is gone", || (held(darsena, &id) == 0).then_some(()));
    // A later run is seen from its beginning, and its end forgotten again.
    docker.run(&["start", &id]).ok();
    let mut second = docker.spawn(&["attach", &id]);
    second.write("two\n");
    second.stdout.until("got two");
    docker.run(&["kill", &id]).ok();
    second.close_input();
    assert_eq!(second.finish().text(), "got two");
    eventually("its output is gone again", || (held(darsena, &id) == 0).then_some(()));
    remove(&docker, &id);

    let whole = docker.run(&["run", "--rm", "--log-driver", "none", IMAGE, "seq", "1", "100000"]).ok();
    assert_eq!((whole.lines().count(), whole.ends_with("\n100000")), (100_000, true));
    for _ in 0..2 {
        let again = docker.run(&["run", "--name", "again", "--log-driver", "none", IMAGE, "echo", "seen"]).ok();
        assert_eq!(again, "seen");
        assert_eq!(docker.run(&["start", "-a", "again"]).ok(), "seen");
        remove(&docker, "again");
    }
}

fn crash(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let running = start(&docker, &["-i", "--log-driver", "none"], "echo secret; read line; echo got $line");
    let ending = start(&docker, &["--log-driver", "none"], "echo secret; sleep 1");
    eventually("both have spoken", || (held(darsena, &running) > 0 && held(darsena, &ending) > 0).then_some(()));
    darsena.kill9();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert!(held(darsena, &ending) > 0, "nobody was there to remove it");
    darsena.restart();
    assert_eq!(held(darsena, &ending), 0);
    let mut attached = docker.spawn(&["attach", &running]);
    attached.write("on\n");
    attached.stdout.until("got on");
    attached.finish().ok();
    eventually("its output is gone", || (held(darsena, &running) == 0).then_some(()));
    remove(&docker, &running);
    remove(&docker, &ending);
}

fn filters(darsena: &mut Darsena) {
    let docker = darsena.docker();
    docker.run(&["volume", "create", "shelf"]).ok();
    docker.run(&["network", "create", "alley"]).ok();
    let of_one = ["--name", "one", "--label", "tier=front", "-p", "8123:80", "--network", "alley"];
    let of_one = [&of_one[..], &["--health-cmd", "true", "--health-interval", "1s"]].concat();
    let one = start(&docker, &of_one, "sleep 1000");
    let two = ended(&docker, &["--name", "two", "-v", "shelf:/s", "--expose", "9000"], "exit 3");
    let three = ended(&docker, &["--name", "three", "--label", "tier=back"], "exit 0");
    eventually("it is well", || (inspect(&docker, &one, "{{.State.Health.Status}}") == "healthy").then_some(()));
    for (filter, names) in [
        (&["ancestor=test"][..], ""),
        (&["ancestor=test:1"], "three two one"),
        (&["before=two"], "one"),
        (&["since=one"], "three two"),
        (&["since=one", "before=three"], "two"),
        (&["exited=3"], "two"),
        (&["exited=0", "exited=3"], "three two"),
        (&["expose=9000"], "two"),
        (&["expose=8999-9001/tcp"], "two"),
        (&["publish=8123"], "one"),
        (&["publish=80/tcp"], ""),
        (&["expose=80"], "one"),
        (&["health=healthy"], "one"),
        (&["health=none"], "three two"),
        (&["is-task=true"], ""),
        (&["is-task=false"], "three two one"),
        (&["isolation=default"], "three two one"),
        (&["label=tier"], "three one"),
        (&["label=tier=back"], "three"),
        (&["label=tier", "label=tier=front"], "one"),
        (&["name=^t"], "three two"),
        (&["network=alley"], "one"),
        (&["network=bridge"], "three two"),
        (&["status=running"], "one"),
        (&["status=exited", "status=running"], "three two one"),
        (&["volume=shelf"], "two"),
        (&["volume=/s"], "two"),
        (&["id=ID"], "three"),
    ] {
        let filter: Vec<String> = filter.iter().map(|one| one.replace("=ID", &format!("={}", &three[..12]))).collect();
        let asked: Vec<&str> = filter.iter().flat_map(|one| ["-f", one]).collect();
        let listed = docker.run(&[&["ps", "-a", "--format", "{{.Names}}"], &asked[..]].concat()).ok();
        assert_eq!(listed.lines().collect::<Vec<_>>().join(" "), names, "{filter:?}");
    }
    for (filter, words) in [
        ("status=asleep", "status=asleep"),
        ("exited=x", "exited"),
        ("health=fine", "health"),
        ("colour=red", "invalid filter 'colour'"),
        ("before=nobody", "No such container: nobody"),
    ] {
        let refused = docker.run(&["ps", "-a", "-f", filter]).fails();
        assert!(refused.contains(words), "{filter}: {refused}");
    }
    for id in [one, two, three] {
        remove(&docker, &id);
    }
    docker.run(&["network", "rm", "alley"]).ok();
    docker.run(&["volume", "rm", "shelf"]).ok();
}
