//! A hundred clients, each with a container of its own, that do the same thing at the same time.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use harness::{Api, Darsena};
use serde_json::Value;

/// Containers that come and go together.
pub const MANY: usize = 100;

/// The network that half of them are in.
pub const NETWORK: &str = "soak";

/// One client and what it made.
pub struct Member {
    api: Api,
    number: usize,
    id: String,
}

/// All of them.
pub struct Crowd(Vec<Member>);

impl Crowd {
    /// Connects them.
    pub fn gather(darsena: &Darsena) -> Self {
        let member = |number| Member { api: Api::connect(&darsena.socket()), number, id: String::new() };
        Self((0..MANY).map(member).collect())
    }

    /// All do it at once; gives how long the slowest took, and all of them together.
    pub fn all(&mut self, act: impl Fn(&mut Member) + Sync) -> [Duration; 2] {
        let (act, slowest, began) = (&act, &Mutex::new(Duration::ZERO), Instant::now());
        thread::scope(|scope| {
            for member in &mut self.0 {
                scope.spawn(move || {
                    let began = Instant::now();
                    act(member);
                    let mut slowest = slowest.lock().unwrap();
                    *slowest = began.elapsed().max(*slowest);
                });
            }
        });
        [*slowest.lock().unwrap(), began.elapsed()]
    }

    /// The address of each, as `inspect` says it.
    pub fn addresses(&mut self) -> Vec<String> {
        self.0.iter_mut().map(Member::address).collect()
    }
}

impl Member {
    /// One in five ends by itself; half of them are in a network with names, and publish a port.
    pub fn ends(&self) -> bool {
        self.number.is_multiple_of(5)
    }

    fn named(&self) -> bool {
        self.number.is_multiple_of(2)
    }

    pub fn create(&mut self) {
        let program = if self.ends() { r#"["true"]"# } else { r#"["sleep","1000"]"# };
        let host = if self.named() {
            format!(
                r#"{{"NetworkMode":"{NETWORK}","PortBindings":{{"80/tcp":[{{"HostIp":"127.0.0.1","HostPort":"0"}}]}}}}"#
            )
        } else {
            r#"{"Memory":33554432,"PidsLimit":10}"#.to_owned()
        };
        let body = format!(r#"{{"Image":"test:1","Cmd":{program},"HostConfig":{host}}}"#);
        let path = format!("/v1.48/containers/create?name=member{}", self.number);
        let made = self.api.json("POST", &path, &body);
        made["Id"].as_str().unwrap().clone_into(&mut self.id);
    }

    fn verb(&mut self, verb: &str) -> Vec<u8> {
        self.api.call("POST", &format!("/v1.48/containers/{}/{verb}", self.id), "")
    }

    pub fn start(&mut self) {
        self.verb("start");
    }

    /// Stops it, or hears that it ended well.
    pub fn end(&mut self) {
        if self.ends() {
            let waited: Value = serde_json::from_slice(&self.verb("wait")).unwrap();
            assert_eq!(waited["StatusCode"], 0, "{waited}");
        } else {
            self.verb("stop?t=0");
        }
    }

    pub fn remove(&mut self) {
        self.api.call("DELETE", &format!("/v1.48/containers/{}?v=1", self.id), "");
    }

    /// It runs, if it doesn't end by itself; where.
    fn address(&mut self) -> String {
        let shown = self.api.json("GET", &format!("/v1.48/containers/{}/json", self.id), "");
        assert!(self.ends() || shown["State"]["Status"] == "running", "{}", shown["State"]);
        let network = if self.named() { NETWORK } else { "bridge" };
        shown["NetworkSettings"]["Networks"][network]["IPAddress"].as_str().unwrap().to_owned()
    }
}

/// Asks this path again and again while `act` runs; gives how often it was answered, and the longest it took.
pub fn asking<T>(darsena: &Darsena, paths: &[&str], act: impl FnOnce() -> T) -> (T, Vec<(u32, Duration)>) {
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        // Also when `act` panics: the scope waits for who asks.
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let (socket, over) = (&darsena.socket(), &AtomicBool::new(false));
    thread::scope(|scope| {
        let asked: Vec<_> = paths
            .iter()
            .map(|path| {
                scope.spawn(move || {
                    let (mut api, mut answered, mut worst) = (Api::connect(socket), 0, Duration::ZERO);
                    while !over.load(Ordering::Relaxed) {
                        let began = Instant::now();
                        api.call("GET", path, "");
                        worst = began.elapsed().max(worst);
                        answered += 1;
                        thread::sleep(Duration::from_millis(20));
                    }
                    (answered, worst)
                })
            })
            .collect();
        let guard = Over(over);
        let done = act();
        drop(guard);
        (done, asked.into_iter().map(|asked| asked.join().unwrap()).collect())
    })
}
