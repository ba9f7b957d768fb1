//! `POST /build`: the classic builder. The context comes as the request's body and is read as it comes; what the build does
//! goes back line by line, in the classic builder's texts. Who closes the connection cancels the build.

use std::{
    collections::BTreeMap,
    io::{self, Read},
};

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::stream;
use runtime::{
    error::Error,
    request::{BuildImage, BuildNetwork, Limits, RegistryAuth, Rlimit},
    view::{BuildEvent, BuiltImage},
};
use serde::{Deserialize, de::DeserializeOwned};
use tokio_util::sync::DropGuard;

use super::{
    error::{self, Failure, Result},
    load::reader,
    model::{build::Screen, progress::Line},
    pull::{AuthConfig, decoded, written},
    query::Query,
    stream::streamed,
};
use crate::{
    app::App,
    auth::actor::Actor,
    ops::builds::{self, Building, Source},
};

/// What is refused when it is asked for, and in which words people know it.
const REFUSED: &[(&str, &str)] = &[
    ("squash", "squashing layers (--squash)"),
    ("outputs", "--output, which needs BuildKit"),
    ("session", "build sessions, which need BuildKit"),
    ("cgroupparent", "--cgroup-parent for builds"),
    ("cpusetmems", "--cpuset-mems for builds"),
    ("securityopt", "--security-opt for builds"),
];

pub(super) async fn build(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let mut request = asked(&query)?;
    request.auths = auths(&headers)?;
    let source = match query.text("remote") {
        None => Source::Client(Box::new(Padded::new(reader(body)))),
        Some("client-session") => return Err(needs_kit()),
        Some(address) => Source::Remote(address.to_owned()),
    };
    let mut building = builds::begin(&app, &actor, request, source).await?;
    let cancel = building.cancel.clone().drop_guard();
    // Until the first event is known, a failure can still be told by the status.
    let first = building.events.recv().await;
    let follower = Follower {
        request_id: actor.request_id,
        screen: Screen::new(query.flag("q")),
        building: Some(building),
        first,
        cancel: Some(cancel),
    };
    if follower.first.is_none() {
        return follower.short().await;
    }
    Ok(streamed("application/json", stream::unfold(follower, Follower::next)))
}

/// `POST /build/cancel`: only builds of BuildKit have ids to cancel by.
pub(super) async fn cancel(query: Query) -> Result<Response> {
    match query.text("id") {
        None => Err(Failure::invalid("build ID not provided")),
        Some(_) => Ok(StatusCode::OK.into_response()),
    }
}

struct Follower {
    request_id: String,
    screen: Screen,
    building: Option<Building>,
    first: Option<BuildEvent>,
    /// Cancels the build when the client leaves.
    cancel: Option<DropGuard>,
}

impl Follower {
    async fn next(mut self) -> Option<(Result<Bytes, io::Error>, Self)> {
        let mut building = self.building.take()?;
        loop {
            let event = match self.first.take() {
                Some(event) => Some(event),
                None => building.events.recv().await,
            };
            let Some(event) = event else { break };
            let lines = self.screen.take(event);
            if !lines.is_empty() {
                self.building = Some(building);
                return Some((Ok(written(lines)), self));
            }
        }
        let lines = match self.ended(building).await {
            Ok(built) => self.screen.built(&built),
            Err(error) => {
                error::log(&error, &self.request_id, "building an image");
                self.screen.failed(error::message(&error, &self.request_id))
            }
        };
        Some((Ok(written(lines)), self))
    }

    /// A build that ended before anything happened.
    async fn short(mut self) -> Result<Response> {
        let Some(building) = self.building.take() else { return Err(Failure::invalid("no build")) };
        let built = self.ended(building).await?;
        let lines: Vec<Line> = self.screen.built(&built);
        Ok(streamed("application/json", stream::once(async move { Ok(written(lines)) })))
    }

    async fn ended(&mut self, building: Building) -> Result<BuiltImage, Error> {
        let result = building.end.await.map_err(|panic| Error::internal("this failed inside; see the log", panic));
        if let Some(cancel) = self.cancel.take() {
            cancel.disarm();
        }
        result?
    }
}

fn needs_kit() -> Failure {
    Failure::unsupported("Darsena has no BuildKit; build with the classic builder: set DOCKER_BUILDKIT=0")
}

/// Bytes of one block of a tar archive.
const BLOCK: usize = 512;
/// How gzip, bzip2, xz and zstd begin.
const COMPRESSED: [&[u8]; 4] = [&[0x1f, 0x8b], b"BZh", &[0xfd, b'7', b'z'], &[0x28, 0xb5, 0x2f, 0xfd]];

/// A context whose last block is filled up: `docker build -f -` ends its archive with the last byte of the last file. That
/// the body itself is whole is known otherwise. Compressed archives pass as they are.
struct Padded<R> {
    inner: R,
    read: usize,
    left: Option<usize>,
    is_compressed: bool,
}

impl<R: Read> Padded<R> {
    fn new(inner: R) -> Self {
        Self { inner, read: 0, left: None, is_compressed: false }
    }
}

impl<R: Read> Read for Padded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.is_none() {
            let count = self.inner.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                self.is_compressed |=
                    self.read == 0 && COMPRESSED.iter().any(|magic| buffer[..count].starts_with(magic));
                self.read += count;
                return Ok(count);
            }
            self.left = Some(if self.is_compressed { 0 } else { self.read.wrapping_neg() % BLOCK });
        }
        let left = self.left.get_or_insert(0);
        let count = (*left).min(buffer.len());
        buffer[..count].fill(0);
        *left -= count;
        Ok(count)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ulimit {
    name: String,
    soft: i64,
    hard: i64,
}

fn asked(query: &Query) -> Result<BuildImage> {
    if query.text("version") == Some("2") {
        return Err(needs_kit());
    }
    for (name, words) in REFUSED {
        let is_asked = match *name {
            "squash" => query.flag(name),
            _ => query.text(name).is_some_and(|text| !matches!(text, "null" | "[]" | "{}")),
        };
        if is_asked {
            return Err(Failure::unsupported(format!("Darsena does not support {words}")));
        }
    }
    if let Some(other) = query.text("isolation").filter(|text| *text != "default") {
        return Err(Failure::unsupported(format!("Darsena does not support isolation {other:?}")));
    }
    let limit = |value: i64| u64::try_from(value).or(if value == -1 { Ok(u64::MAX) } else { Err(()) });
    let mut rlimits = Vec::new();
    for one in json::<Vec<Ulimit>>(query, "ulimits")?.unwrap_or_default() {
        let (Ok(soft), Ok(hard)) = (limit(one.soft), limit(one.hard)) else {
            return Err(Failure::invalid(format!("invalid ulimit {}: {}:{}", one.name, one.soft, one.hard)));
        };
        rlimits.push(Rlimit { name: one.name, soft, hard });
    }
    Ok(BuildImage {
        names: query.all("t").filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        dockerfile: query.text("dockerfile").map(str::to_owned),
        build_args: json(query, "buildargs")?.unwrap_or_default(),
        labels: json(query, "labels")?.unwrap_or_default(),
        target: query.text("target").map(str::to_owned),
        platform: query.text("platform").map(str::to_ascii_lowercase),
        no_cache: query.flag("nocache"),
        pull: query.flag("pull"),
        cache_from: json(query, "cachefrom")?.unwrap_or_default(),
        network: network(query.text("networkmode"))?,
        extra_hosts: query.all("extrahosts").filter(|line| !line.is_empty()).map(str::to_owned).collect(),
        shm_size_bytes: positive(query, "shmsize")?,
        rlimits,
        limits: limits(query)?,
        ..BuildImage::default()
    })
}

fn network(mode: Option<&str>) -> Result<BuildNetwork> {
    match mode {
        None | Some("default" | "bridge") => Ok(BuildNetwork::Default),
        Some("none") => Ok(BuildNetwork::None),
        Some("host") => Ok(BuildNetwork::Host),
        Some(other) => Err(Failure::unsupported(format!("Darsena does not support building in network {other:?}"))),
    }
}

fn limits(query: &Query) -> Result<Limits> {
    let swap = match query.number("memswap")? {
        Some(-1) => Some(u64::MAX),
        _ => positive(query, "memswap")?,
    };
    let nano_cpus = match (positive(query, "cpuquota")?, positive(query, "cpuperiod")?) {
        (Some(quota), period) => Some(quota.saturating_mul(1_000_000_000) / period.unwrap_or(100_000)),
        (None, _) => None,
    };
    Ok(Limits {
        memory_bytes: positive(query, "memory")?,
        memory_swap_bytes: swap,
        nano_cpus,
        cpu_shares: positive(query, "cpushares")?,
        cpuset_cpus: query.text("cpusetcpus").map(str::to_owned),
        ..Limits::default()
    })
}

/// A number above 0; `None` when it is not there or 0.
fn positive(query: &Query, name: &str) -> Result<Option<u64>> {
    match query.number(name)? {
        None | Some(0) => Ok(None),
        Some(number) => u64::try_from(number)
            .map(Some)
            .map_err(|_| Failure::invalid(format!("invalid value for {name:?}: {number}"))),
    }
}

fn json<T: DeserializeOwned>(query: &Query, name: &str) -> Result<Option<T>> {
    let Some(text) = query.text(name) else { return Ok(None) };
    serde_json::from_str::<Option<T>>(text).map_err(|error| Failure::invalid(format!("invalid {name}: {error}")))
}

/// Credentials by registry.
fn auths(headers: &HeaderMap) -> Result<BTreeMap<String, RegistryAuth>> {
    let Some(header) = headers.get("x-registry-config").filter(|value| !value.is_empty()) else {
        return Ok(BTreeMap::new());
    };
    let wrong = |why: &str| Failure::invalid(format!("invalid X-Registry-Config header: {why}"));
    let text = decoded(header.as_bytes()).ok_or_else(|| wrong("it is not base64"))?;
    let configs: BTreeMap<String, AuthConfig> = serde_json::from_slice(&text).map_err(|_| wrong("it is not JSON"))?;
    let mut auths = BTreeMap::new();
    for (address, config) in configs {
        let host = address.trim_start_matches("https://").trim_start_matches("http://");
        let host = host.split('/').next().unwrap_or_default();
        let host = if host == "index.docker.io" { "docker.io" } else { host };
        if let Some(auth) = config.credentials(&wrong)? {
            auths.insert(host.to_owned(), auth);
        }
    }
    Ok(auths)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE};

    use super::*;

    #[test]
    fn the_last_block_is_filled_up_unless_it_is_compressed() {
        let padded = |bytes: &[u8]| {
            let mut all = Vec::new();
            Padded::new(bytes).read_to_end(&mut all).unwrap();
            all
        };
        let whole = [7; 2 * BLOCK];
        assert_eq!(padded(&whole), whole);
        assert_eq!(padded(&whole[..=BLOCK]).len(), 2 * BLOCK);
        assert_eq!(padded(&whole[..=BLOCK])[BLOCK..BLOCK + 2], [7, 0]);
        assert_eq!(padded(b"\x1f\x8bxyz"), b"\x1f\x8bxyz");
        assert_eq!(padded(b""), b"");
    }

    fn read(text: &str) -> BuildImage {
        asked(&Query::parse(text)).unwrap()
    }

    #[test]
    fn every_parameter_is_understood() {
        let request = read(
            "t=a&t=b%3A2&dockerfile=D&buildargs=%7B%22A%22%3A%221%22%2C%22B%22%3Anull%7D&labels=%7B%22l%22%3A%22v%22%7D\
             &nocache=1&pull=1&target=x&platform=Linux/AMD64&cachefrom=%5B%22c%22%5D&networkmode=none&extrahosts=h%3A1\
             &shmsize=1024&ulimits=%5B%7B%22Name%22%3A%22nofile%22%2C%22Hard%22%3A20%2C%22Soft%22%3A-1%7D%5D&memory=9\
             &memswap=-1&cpushares=7&cpusetcpus=0&cpuperiod=50000&cpuquota=25000&rm=1&forcerm=0&q=0&version=1&remote=",
        );
        assert_eq!(request.names, ["a", "b:2"]);
        assert_eq!(request.build_args, [("A".to_owned(), Some("1".to_owned())), ("B".to_owned(), None)].into());
        assert_eq!((request.dockerfile.as_deref(), request.target.as_deref()), (Some("D"), Some("x")));
        assert_eq!((request.platform.as_deref(), request.no_cache, request.pull), (Some("linux/amd64"), true, true));
        assert_eq!((request.cache_from, request.extra_hosts), (vec!["c".to_owned()], vec!["h:1".to_owned()]));
        assert_eq!((request.network, request.shm_size_bytes), (BuildNetwork::None, Some(1024)));
        assert_eq!((request.rlimits[0].soft, request.rlimits[0].hard), (u64::MAX, 20));
        let limits = request.limits;
        assert_eq!((limits.memory_bytes, limits.memory_swap_bytes), (Some(9), Some(u64::MAX)));
        assert_eq!((limits.cpu_shares, limits.nano_cpus), (Some(7), Some(500_000_000)));
        let bare = read("buildargs=null&labels=&ulimits=null&cachefrom=null&networkmode=default&memory=0&memswap=0");
        assert_eq!((bare.limits, bare.network), (Limits::default(), BuildNetwork::Default));
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        for (text, words) in [
            ("version=2", "DOCKER_BUILDKIT=0"),
            ("squash=1", "--squash"),
            ("outputs=%5B%7B%22Type%22%3A%22tar%22%7D%5D", "--output"),
            ("session=x", "sessions"),
            ("networkmode=web", "web"),
            ("isolation=hyperv", "hyperv"),
            ("buildargs=%5B", "buildargs"),
            ("memory=-2", "memory"),
            ("memory=much", "memory"),
        ] {
            let refusal = format!("{:?}", asked(&Query::parse(text)).unwrap_err());
            assert!(refusal.contains(words), "{text}: {refusal}");
        }
        asked(&Query::parse("squash=0&outputs=null&session=&securityopt=")).unwrap();
    }

    #[test]
    fn credentials_come_by_host() {
        let config =
            r#"{"https://index.docker.io/v1/":{"username":"me","password":"pw"},"host:5000":{"auth":"YTpi"},"x":{}}"#;
        let mut headers = HeaderMap::new();
        headers.insert("x-registry-config", URL_SAFE.encode(config).parse().unwrap());
        let found = auths(&headers).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["docker.io", "host:5000"]);
        assert_eq!((found["docker.io"].username.as_str(), found["host:5000"].password.as_str()), ("me", "b"));
        headers.insert("x-registry-config", "!".parse().unwrap());
        assert!(auths(&headers).is_err());
    }
}
