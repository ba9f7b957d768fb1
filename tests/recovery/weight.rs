//! The server is killed, and the host goes down, while a hundred containers run.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    thread,
    time::Instant,
};

use harness::{Api, Darsena, Suite, slate::cgroup_folders, unframed, wait::eventually};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    IMAGE,
    killed::{gone, parent, size},
};

const MANY: usize = 100;
/// The first of them are in a network with names, and each publishes a port.
const NAMED: usize = 4;
const NETWORK: &str = "weight";

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("a_hundred_outlive_the_server_and_lose_no_line", outlive)
        .test("many_hung_monitors_are_given_up_together", hung)
        .test("of_a_hundred_a_reboot_brings_back_those_that_are_to_run", reboot)
}

/// Counts, ten lines at a time, until it is asked to end; then says how many there were.
const COUNT: &str = r#"hostname > /www/index.html; httpd -p 80 -h /www
stop=; trap stop=1 TERM; n=0
while [ -z "$stop" ]; do
  for i in 1 2 3 4 5 6 7 8 9 10; do echo $n; n=$((n+1)); done
  sleep 0.5 & wait $!
done
echo end $n"#;

/// What one that counted to there has said.
fn counted(to: usize) -> String {
    (0..to).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{number}");
        text
    })
}

/// One of the hundred, running.
#[derive(Clone, Debug, PartialEq, Eq)]
struct One {
    number: usize,
    id: String,
    pid: i32,
    started: String,
}

impl One {
    fn of(api: &mut Api, number: usize) -> Self {
        let shown = api.json("GET", &format!("/v1.48/containers/w{number}/json"), "");
        let state = &shown["State"];
        assert_eq!(state["Status"], "running", "w{number}: {state}");
        Self {
            number,
            id: shown["Id"].as_str().unwrap().to_owned(),
            pid: i32::try_from(state["Pid"].as_i64().unwrap()).unwrap(),
            started: state["StartedAt"].as_str().unwrap().to_owned(),
        }
    }

    fn log(&self, darsena: &Darsena) -> PathBuf {
        darsena.space().data().join("containers").join(&self.id).join("log")
    }
}

/// Each of them on a connection of its own, all at once.
fn each<T: Send>(darsena: &Darsena, act: impl Fn(&mut Api, usize) -> T + Sync) -> Vec<T> {
    let (socket, act) = (&darsena.socket(), &act);
    thread::scope(|scope| {
        let all: Vec<_> = (0..MANY).map(|number| scope.spawn(move || act(&mut Api::connect(socket), number))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// A hundred that count. Gives them, and the network's bridge.
fn crowd(darsena: &Darsena, policy: impl Fn(usize) -> &'static str + Sync) -> (Vec<One>, String) {
    let network = format!(r#"{{"Name":"{NETWORK}","IPAM":{{"Config":[{{"Subnet":"10.95.0.0/24"}}]}}}}"#);
    let made = Api::connect(&darsena.socket()).json("POST", "/v1.48/networks/create", &network);
    let bridge = format!("dbr-{}", &made["Id"].as_str().unwrap()[..11]);
    let crowd = each(darsena, |api, number| {
        let named =
            format!(r#""NetworkMode":"{NETWORK}","PortBindings":{{"80/tcp":[{{"HostPort":"{}"}}]}},"#, port(number));
        let named = if number < NAMED { &named } else { "" };
        let policy = policy(number);
        let host = format!(r#"{{{named}"RestartPolicy":{{"Name":"{policy}"}}}}"#);
        let body = serde_json::json!({"Image": IMAGE, "Hostname": format!("w{number}"), "Cmd": ["sh", "-c", COUNT]});
        let body = body.to_string().replacen('{', &format!(r#"{{"HostConfig":{host},"#), 1);
        api.call("POST", &format!("/v1.48/containers/create?name=w{number}"), &body);
        api.call("POST", &format!("/v1.48/containers/w{number}/start"), "");
        One::of(api, number)
    });
    (crowd, bridge)
}

fn port(number: usize) -> usize {
    18_080 + number
}

fn remove(darsena: &Darsena) {
    each(darsena, |api, number| api.call("DELETE", &format!("/v1.48/containers/w{number}?force=1"), ""));
    Api::connect(&darsena.socket()).call("DELETE", &format!("/v1.48/networks/{NETWORK}"), "");
}

/// The named ones know each other by name, and the neighbour reaches each by its published port.
fn reached(darsena: &Darsena, crowd: &[One]) {
    let space = darsena.space();
    for number in 0..NAMED {
        let (from, name) = (crowd[(number + 1) % NAMED].pid.to_string(), format!("w{number}"));
        let inside =
            |arguments: &[&str]| space.output("nsenter", &[&["-t", &from, "-n", "busybox"], arguments].concat());
        let told = inside(&["nslookup", "-type=a", &name, "127.0.0.11"]);
        let answer = told.split_once("Name:").unwrap_or_else(|| panic!("{name} has no address: {told}")).1;
        let address = answer.rsplit(' ').next().unwrap().trim();
        let url = format!("http://{address}/");
        assert_eq!(inside(&["timeout", "20", "wget", "-q", "-O", "-", &url]).trim(), name);
        let url = format!("http://192.0.2.1:{}/", port(number));
        let outside = ["timeout", "20", "wget", "-q", "-O", "-", &url];
        assert_eq!(space.neighbour_output("busybox", &outside).trim(), name);
    }
}

fn logs(api: &mut Api, number: usize) -> String {
    let framed = api.call("GET", &format!("/v1.48/containers/w{number}/logs?stdout=1&stderr=1"), "");
    String::from_utf8(unframed(&framed)).unwrap()
}

fn outlive(darsena: &mut Darsena) {
    let (crowd, _) = crowd(darsena, |_| "no");
    reached(darsena, &crowd);
    for _ in 0..2 {
        darsena.kill9();
        let before: Vec<u64> = crowd.iter().map(|one| size(&one.log(darsena))).collect();
        reached(darsena, &crowd);
        for (one, before) in crowd.iter().zip(before) {
            eventually("all write on though no server runs", || (size(&one.log(darsena)) > before).then_some(()));
        }
        reached(darsena, &crowd);
        let began = Instant::now();
        darsena.restart();
        println!("ready again after {:.2?} with {MANY} running", began.elapsed());
        assert_eq!(each(darsena, One::of), crowd, "the same as before, all of them");
        reached(darsena, &crowd);
    }
    let told = each(darsena, |api, number| {
        api.call("POST", &format!("/v1.48/containers/w{number}/stop?t=30"), "");
        logs(api, number)
    });
    for (number, told) in told.iter().enumerate() {
        let (lines, last) = told.trim_end().rsplit_once('\n').unwrap();
        let to: usize = last.strip_prefix("end ").unwrap_or_else(|| panic!("w{number}: {last}")).parse().unwrap();
        assert!(to > 30, "w{number} has counted to {to}");
        assert!(format!("{lines}\n") == counted(to), "w{number} has lost or doubled lines:\n{told}");
    }
    remove(darsena);
}

/// Each is waited for a while. One after the other, the server would not be ready within the harness' deadline.
fn hung(darsena: &mut Darsena) {
    let (all, _) = crowd(darsena, |_| "no");
    let hangs = |one: &One| one.number.is_multiple_of(3);
    for one in all.iter().filter(|one| hangs(one)) {
        kill(parent(Pid::from_raw(one.pid)), Signal::SIGSTOP).unwrap();
    }
    let began = Instant::now();
    darsena.restart();
    println!("ready {:.2?} after {} monitors hung", began.elapsed(), all.iter().filter(|one| hangs(one)).count());
    each(darsena, |api, number| {
        if !hangs(&all[number]) {
            return assert_eq!(One::of(api, number), all[number]);
        }
        let state = api.json("GET", &format!("/v1.48/containers/w{number}/json"), "")["State"].take();
        assert_eq!((state["Status"].as_str(), state["ExitCode"].as_i64()), (Some("exited"), Some(137)), "{state}");
    });
    remove(darsena);
}

/// Every second one is to run whatever happens, the named ones too.
fn comes_back(number: usize) -> bool {
    number < NAMED || number.is_multiple_of(2)
}

fn reboot(darsena: &mut Darsena) {
    let policy = |number| if comes_back(number) { "always" } else { "no" };
    let (crowd, bridge) = crowd(darsena, policy);
    each(darsena, |api, number| {
        eventually("each has said something", || logs(api, number).contains("9\n").then_some(()));
    });
    darsena.kill9();
    // What a reboot takes: all processes, links, rules, control groups and everything alive-only.
    for one in &crowd {
        kill(parent(Pid::from_raw(one.pid)), Signal::SIGKILL).unwrap();
    }
    for one in &crowd {
        eventually("the container ends with its monitor", || gone(Pid::from_raw(one.pid)));
    }
    let space = darsena.space();
    for bridge in [&bridge, "darsena0"] {
        space.output("ip", &["link", "del", bridge]);
    }
    space.output("nft", &["flush", "ruleset"]);
    fs::remove_dir_all(space.run()).unwrap();
    for folder in cgroup_folders(space) {
        eventually("the groups are empty", || fs::remove_dir(&folder).is_ok().then_some(()));
    }
    let began = Instant::now();
    darsena.restart();
    println!("ready {:.2?} after the reboot", began.elapsed());
    let after = each(darsena, |api, number| {
        eventually("those that are to run do", || {
            let state = api.json("GET", &format!("/v1.48/containers/w{number}/json"), "")["State"].take();
            if comes_back(number) {
                return (state["Status"] == "running").then(|| Some(One::of(api, number)));
            }
            assert_eq!((state["Status"].as_str(), state["ExitCode"].as_i64()), (Some("exited"), Some(137)), "{state}");
            assert_ne!(state["Error"], "", "it says why");
            Some(None)
        })
    });
    println!("all are back {:.2?} after the reboot", began.elapsed());
    let running: Vec<One> = after.into_iter().flatten().collect();
    for one in &running {
        assert!(Path::new(&format!("/proc/{}", one.pid)).exists() && one.started != crowd[one.number].started);
    }
    reached(darsena, &running);
    each(darsena, |api, number| {
        let runs = 1 + usize::from(comes_back(number));
        eventually("its log goes on", || {
            let told = logs(api, number);
            // Lines of 0 begin a run; in a run each is one more than the one before.
            let numbers: Vec<usize> = told.lines().map(|line| line.parse().unwrap()).collect();
            let wrong = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1 && pair[1] != 0);
            assert_eq!(wrong, None, "w{number}:\n{told}");
            (numbers.iter().filter(|number| **number == 0).count() == runs).then_some(())
        });
    });
    remove(darsena);
}
