//! `POST /containers/create`: the body becomes a request of the engine. What Darsena doesn't have is refused by name.

mod health;
pub(in crate::docker) mod life;
mod mounts;
pub(super) mod network;
mod ports;

use std::time::Duration;

use axum::{
    Extension,
    body::Body as HttpBody,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use runtime::request::{CreateContainer, NetworkMode, Rlimit, SeccompProfile, UserNamespace};

pub(super) use self::mounts::no_driver;
use self::mounts::{binds, from_others, mounts};
use super::{
    error::{Failure, Result},
    json,
    lifecycle::FOR_EVER,
    model::create::{Body, Created, HostConfig, Rest},
    query::Query,
};
use crate::{app::App, auth::actor::Actor, ops};

mod isolation;

/// The largest body that is read.
const BODY_BYTES: usize = 8 << 20;

/// Fields of the body that ask for what isn't there: name, values that are as good as none, words for the person.
const NOT_OF_CONFIG: &[(&str, &[&str], &str)] = &[("OnBuild", &[], "triggers of later builds in containers")];

/// The same within `HostConfig`.
const NOT_OF_HOST: &[(&str, &[&str], &str)] = &[
    ("VolumeDriver", &["local"], "volume drivers"),
    ("DeviceRequests", &[], "device requests (--gpus)"),
    ("Cgroup", &[], "joining another container's cgroup"),
    ("CgroupParent", &[], "choosing the parent cgroup (--cgroup-parent)"),
    ("Isolation", &["default"], "isolation technologies (--isolation)"),
    ("Runtime", &["darsena", "runc"], "other runtimes (--runtime)"),
    ("StorageOpt", &[], "storage options (--storage-opt)"),
    ("CpuRealtimePeriod", &[], "real-time scheduling (--cpu-rt-period)"),
    ("CpuRealtimeRuntime", &[], "real-time scheduling (--cpu-rt-runtime)"),
    ("KernelMemory", &["-1"], "kernel memory limits (--kernel-memory)"),
    ("KernelMemoryTCP", &["-1"], "kernel memory limits"),
    ("CpuCount", &[], "CPU counts (Windows only)"),
    ("CpuPercent", &[], "CPU percentages (Windows only)"),
    ("IOMaximumIOps", &[], "IO maxima (Windows only)"),
    ("IOMaximumBandwidth", &[], "IO maxima (Windows only)"),
];

pub(super) async fn create(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    query: Query,
    headers: HeaderMap,
    body: HttpBody,
) -> Result<Response> {
    if let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok())
        && kind.split(';').next().map(str::trim) != Some("application/json")
    {
        return Err(Failure::invalid(format!("unsupported Content-Type header ({kind}): must be 'application/json'")));
    }
    let bytes = axum::body::to_bytes(body, BODY_BYTES)
        .await
        .map_err(|error| Failure::invalid(format!("the body can't be read: {error}")))?;
    let request = request(parse(&bytes)?, query.text("name"), query.text("platform"))?;
    let created = ops::containers::create(&app, &actor, request).await?;
    let answer = json(&Created { id: created.id.to_string(), warnings: created.warnings })?;
    Ok((StatusCode::CREATED, answer).into_response())
}

fn parse(bytes: &[u8]) -> Result<Body> {
    serde_json::from_slice(bytes).map_err(|error| Failure::invalid(format!("invalid JSON: {error}")))
}

fn request(body: Body, name: Option<&str>, platform: Option<&str>) -> Result<CreateContainer> {
    refuse(&body.rest, NOT_OF_CONFIG)?;
    let Some(image) = said(body.image) else {
        return Err(Failure::invalid("config cannot be empty in order to create a container"));
    };
    let host = body.host_config.unwrap_or_default();
    let mut made = from_host(host)?;
    if body.network_disabled == Some(true) {
        made.network = NetworkMode::None;
    }
    network::join(&mut made, body.networking_config.unwrap_or_default(), body.mac_address)?;
    let ports = body.exposed_ports.unwrap_or_default();
    Ok(CreateContainer {
        name: name.map(|name| name.trim_start_matches('/').to_owned()),
        image,
        platform: platform.map(str::to_owned),
        command: body.cmd.map(Vec::from).filter(|words| !words.is_empty()),
        entrypoint: body.entrypoint.map(Vec::from),
        env: body.env.unwrap_or_default(),
        working_dir: said(body.working_dir),
        user: said(body.user),
        hostname: said(body.hostname),
        domainname: said(body.domainname),
        labels: body.labels.unwrap_or_default(),
        tty: body.tty.unwrap_or_default(),
        open_stdin: body.open_stdin.unwrap_or_default(),
        stdin_once: body.stdin_once.unwrap_or_default(),
        attach_stdin: body.attach_stdin.unwrap_or_default(),
        attach_stdout: body.attach_stdout.unwrap_or_default(),
        attach_stderr: body.attach_stderr.unwrap_or_default(),
        health: health::check(body.healthcheck)?,
        stop_signal: said(body.stop_signal),
        stop_timeout: body.stop_timeout.map(|seconds| {
            u64::try_from(seconds).map_or(FOR_EVER, |seconds| Duration::from_secs(seconds).min(FOR_EVER))
        }),
        volumes: body.volumes.unwrap_or_default().into_keys().collect(),
        exposed_ports: ports::exposed(ports.keys())?,
        ..made
    })
}

/// The part of the request that `HostConfig` says.
fn from_host(mut host: HostConfig) -> Result<CreateContainer> {
    refuse(&host.rest, NOT_OF_HOST)?;
    let isolation = isolation::read(&mut host)?;
    let (limits, restart) = (life::limits(&host)?, life::restart(&host)?);
    let userns = match host.userns_mode.as_deref() {
        None | Some("" | "private") => UserNamespace::Mapped,
        Some("host") => UserNamespace::Host,
        Some(mode) => return Err(Failure::invalid(format!("invalid USER mode: {mode}"))),
    };
    let mut made = CreateContainer {
        isolation,
        group_add: host.group_add.unwrap_or_default(),
        ports: ports::bindings(host.port_bindings.unwrap_or_default())?,
        publish_all: host.publish_all_ports.unwrap_or_default(),
        network: NetworkMode::from(host.network_mode.as_deref().unwrap_or_default()),
        links: host.links.unwrap_or_default(),
        dns: host.dns.unwrap_or_default(),
        dns_search: host.dns_search.unwrap_or_default(),
        dns_options: host.dns_options.unwrap_or_default(),
        extra_hosts: host.extra_hosts.unwrap_or_default(),
        shm_size_bytes: amount("ShmSize", host.shm_size)?,
        tmpfs: host.tmpfs.unwrap_or_default(),
        read_only_rootfs: host.readonly_rootfs.unwrap_or_default(),
        cap_add: host.cap_add.map(Vec::from).unwrap_or_default(),
        cap_drop: host.cap_drop.map(Vec::from).unwrap_or_default(),
        userns,
        oom_score_adj: host.oom_score_adj.filter(|adjustment| *adjustment != 0),
        sysctls: host.sysctls.unwrap_or_default(),
        init: host.init.unwrap_or_default(),
        auto_remove: host.auto_remove.unwrap_or_default(),
        limits,
        restart,
        annotations: host.more.annotations.unwrap_or_default(),
        rlimits: Vec::new(),
        mounts: [binds(&host.binds.unwrap_or_default())?, mounts(host.mounts.unwrap_or_default())?].concat(),
        volumes_from: from_others(&host.volumes_from.unwrap_or_default())?,
        ..CreateContainer::default()
    };
    let log = host.log_config.unwrap_or_default();
    ops::log_options::keep(&mut made, log.kind.as_deref(), log.config.unwrap_or_default())?;
    for limit in host.ulimits.unwrap_or_default() {
        let value = |value: i64| u64::try_from(value).or(if value == -1 { Ok(u64::MAX) } else { Err(()) });
        let (Ok(soft), Ok(hard)) = (value(limit.soft), value(limit.hard)) else {
            return Err(Failure::invalid(format!("invalid ulimit {}: {}:{}", limit.name, limit.soft, limit.hard)));
        };
        made.rlimits.push(Rlimit { name: limit.name, soft, hard });
    }
    for option in host.security_opt.unwrap_or_default() {
        security(&mut made, &option)?;
    }
    Ok(made)
}

fn security(made: &mut CreateContainer, option: &str) -> Result<()> {
    let (name, value) = option.split_once('=').or_else(|| option.split_once(':')).unwrap_or((option, ""));
    match (name, value) {
        ("no-new-privileges", "" | "true") => made.no_new_privileges = true,
        ("no-new-privileges", "false") => made.no_new_privileges = false,
        ("seccomp", "unconfined") => made.seccomp = SeccompProfile::Unconfined,
        ("seccomp", "builtin" | "default") => made.seccomp = SeccompProfile::Default,
        ("seccomp", profile) => made.isolation.seccomp_profile = Some(profile.to_owned()),
        // The client sends the two lists as well.
        ("systempaths", "unconfined") => {
            made.isolation.masked_paths = Some(Vec::new());
            made.isolation.readonly_paths = Some(Vec::new());
        }
        // There is no such confinement, so to ask for none is to ask for what is.
        ("apparmor", "unconfined") | ("label", "disable") => {}
        ("apparmor" | "label" | "writable-cgroups" | "credentialspec", _) => {
            return Err(missing(&format!("the security option {option:?}")));
        }
        _ => return Err(Failure::invalid(format!("invalid --security-opt 2: {option:?}"))),
    }
    Ok(())
}

fn refuse(rest: &Rest, table: &[(&str, &[&str], &str)]) -> Result<()> {
    for (name, harmless, words) in table {
        let asked = rest.asked(name).filter(|value| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            !harmless.contains(&text.as_str())
        });
        if asked.is_some() {
            return Err(missing(words));
        }
    }
    Ok(())
}

fn missing(what: &str) -> Failure {
    Failure::unsupported(format!("Darsena does not support {what} yet"))
}

/// A number that must not be negative; 0 is as good as none.
fn amount(name: &str, value: Option<i64>) -> Result<Option<u64>> {
    match value {
        None | Some(0) => Ok(None),
        Some(value) => u64::try_from(value).map(Some).map_err(|_| Failure::invalid(format!("invalid {name}: {value}"))),
    }
}

/// As [`amount`], with -1 meaning no limit.
fn unless_unlimited(name: &str, value: Option<i64>) -> Result<Option<u64>> {
    amount(name, value.filter(|value| *value != -1))
}

fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use serde_json::{Value, json};

    use runtime::request::{Limits, LogLimits, PortBinding};

    use super::*;

    fn made(body: &Value) -> Result<CreateContainer> {
        request(parse(body.to_string().as_bytes())?, Some("/web"), Some("linux/amd64"))
    }

    fn refusal(body: &Value) -> String {
        format!("{:?}", made(body).expect_err(&body.to_string()))
    }

    /// What docker 28 sends for `docker run -d busybox`, in the main.
    const CLI_DEFAULT: &str = r#"{
            "Hostname": "", "Domainname": "", "User": "", "AttachStdin": false, "AttachStdout": false,
            "AttachStderr": false, "Tty": false, "OpenStdin": false, "StdinOnce": false, "Env": null, "Cmd": null,
            "Image": "busybox", "Volumes": {}, "WorkingDir": "", "Entrypoint": null, "OnBuild": null, "Labels": {},
            "HostConfig": {
                "Binds": null, "ContainerIDFile": "", "LogConfig": {"Type": "", "Config": {}},
                "NetworkMode": "default", "PortBindings": {}, "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
                "AutoRemove": false, "VolumeDriver": "", "VolumesFrom": null, "ConsoleSize": [24, 80], "CapAdd": null,
                "CapDrop": null, "CgroupnsMode": "", "Dns": [], "DnsOptions": [], "DnsSearch": [], "ExtraHosts": null,
                "GroupAdd": null, "IpcMode": "", "Cgroup": "", "Links": null, "OomScoreAdj": 0, "PidMode": "",
                "Privileged": false, "PublishAllPorts": false, "ReadonlyRootfs": false, "SecurityOpt": null,
                "UTSMode": "", "UsernsMode": "", "ShmSize": 0, "Isolation": "", "CpuShares": 0, "Memory": 0,
                "NanoCpus": 0, "CgroupParent": "", "BlkioWeight": 0, "BlkioWeightDevice": [],
                "BlkioDeviceReadBps": [], "BlkioDeviceWriteBps": [], "BlkioDeviceReadIOps": [],
                "BlkioDeviceWriteIOps": [], "CpuPeriod": 0, "CpuQuota": 0, "CpuRealtimePeriod": 0,
                "CpuRealtimeRuntime": 0, "CpusetCpus": "", "CpusetMems": "", "Devices": [],
                "DeviceCgroupRules": null, "DeviceRequests": null, "MemoryReservation": 0, "MemorySwap": 0,
                "MemorySwappiness": -1, "OomKillDisable": false, "PidsLimit": 0, "Ulimits": [], "CpuCount": 0,
                "CpuPercent": 0, "IOMaximumIOps": 0, "IOMaximumBandwidth": 0, "MaskedPaths": null,
                "ReadonlyPaths": null
            },
            "NetworkingConfig": {"EndpointsConfig": {"default": {
                "IPAMConfig": null, "Links": null, "Aliases": null, "MacAddress": "", "DriverOpts": null,
                "GwPriority": 0, "NetworkID": "", "EndpointID": "", "Gateway": "", "IPAddress": "",
                "IPPrefixLen": 0, "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0,
                "DNSNames": null
            }}}
        }"#;

    /// Everything that is supported.
    const RICH: &str = r#"{
            "Image": "busybox", "Hostname": "h", "Domainname": "d", "User": "1:2", "Env": ["A=b", "C"],
            "Cmd": ["sleep", "1"], "Entrypoint": "", "WorkingDir": "/w", "Labels": {"a": "b"}, "Tty": true,
            "OpenStdin": true, "StdinOnce": true, "AttachStdin": true, "StopSignal": "INT", "StopTimeout": 3,
            "ExposedPorts": {"80": {}, "53/udp": {}}, "Healthcheck": {"Test": ["NONE"]},
            "HostConfig": {
                "AutoRemove": true, "NetworkMode": "none", "PublishAllPorts": true,
                "PortBindings": {
                    "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}, {"HostIp": "", "HostPort": ""}],
                    "53/udp": null
                },
                "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
                "CapAdd": ["NET_ADMIN"], "CapDrop": ["ALL"], "Dns": ["1.1.1.1"], "DnsSearch": ["x"],
                "DnsOptions": ["ndots:1"], "ExtraHosts": ["a:host-gateway"], "GroupAdd": ["wheel"],
                "OomScoreAdj": 5, "ReadonlyRootfs": true, "IpcMode": "private", "CgroupnsMode": "private",
                "SecurityOpt": ["no-new-privileges", "seccomp=unconfined", "apparmor=unconfined", "label:disable"],
                "Tmpfs": {"/t": "size=1m"}, "UsernsMode": "host", "ShmSize": 1048576,
                "Sysctls": {"net.ipv4.ip_forward": "1"}, "Init": true, "Memory": 67108864, "MemorySwap": -1,
                "MemoryReservation": 33554432, "CpuQuota": 50000, "CpuShares": 512, "CpusetCpus": "0-1",
                "PidsLimit": 100, "BlkioWeight": 300, "MemorySwappiness": 0, "Annotations": {"a": "b"}, "Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": -1}], "Runtime": "darsena"
            }
        }"#;

    #[test]
    fn what_the_cli_sends_by_default_asks_for_nothing() {
        let wanted = CreateContainer {
            name: Some("web".to_owned()),
            image: "busybox".to_owned(),
            platform: Some("linux/amd64".to_owned()),
            ..CreateContainer::default()
        };
        assert_eq!(made(&serde_json::from_str(CLI_DEFAULT).unwrap()).unwrap(), wanted);
        assert_eq!(made(&json!({"Image": "busybox", "HostConfig": null})).unwrap(), wanted);
    }

    #[test]
    fn what_is_supported_comes_through() {
        let got = made(&serde_json::from_str(RICH).unwrap()).unwrap();
        assert_eq!(got.entrypoint, Some(vec![String::new()]));
        assert_eq!(
            (got.command.unwrap().join(" "), got.stop_timeout),
            ("sleep 1".to_owned(), Some(Duration::from_secs(3)))
        );
        assert_eq!(got.exposed_ports.iter().map(ToString::to_string).collect::<Vec<_>>(), ["53/udp", "80/tcp"]);
        let port = "80/tcp".parse().unwrap();
        assert_eq!(
            got.ports,
            [
                PortBinding {
                    container: port,
                    host_ip: Some(Ipv4Addr::LOCALHOST.into()),
                    host_port: Some(8080),
                    host_port_end: None
                },
                PortBinding { container: port, host_ip: None, host_port: None, host_port_end: None }
            ]
        );
        assert_eq!(
            (got.network, got.userns, got.seccomp),
            (NetworkMode::None, UserNamespace::Host, SeccompProfile::Unconfined)
        );
        assert_eq!(got.log, LogLimits { segment_bytes: 10 << 20, segments: 3 });
        assert_eq!(
            got.limits,
            Limits {
                memory_bytes: Some(64 << 20),
                memory_swap_bytes: Some(u64::MAX),
                memory_reservation_bytes: Some(32 << 20),
                cpu_quota_us: Some(50_000),
                blkio_weight: Some(300),
                memory_swappiness: Some(0),
                cpu_shares: Some(512),
                cpuset_cpus: Some("0-1".to_owned()),
                pids: Some(100),
                ..Limits::default()
            }
        );
        assert_eq!(got.annotations["a"], "b");
        assert_eq!(got.rlimits, [Rlimit { name: "nofile".to_owned(), soft: 10, hard: u64::MAX }]);
        assert!(got.no_new_privileges && got.init && got.auto_remove && got.read_only_rootfs && got.publish_all);
        assert!(got.tty && got.open_stdin && got.stdin_once && got.attach_stdin && !got.attach_stdout);
        assert_eq!((got.shm_size_bytes, got.oom_score_adj), (Some(1 << 20), Some(5)));
    }

    #[test]
    fn networks_are_read() {
        let got = made(&json!({
            "Image": "a", "MacAddress": "02:00:00:00:00:01",
            "HostConfig": {"NetworkMode": "shop", "Links": ["db:store"]},
            "NetworkingConfig": {"EndpointsConfig": {
                "shop": {"IPAMConfig": {"IPv4Address": "10.1.0.9"}, "Aliases": ["api"]}, "back": null,
            }},
        }))
        .unwrap();
        assert_eq!((got.network.to_string(), got.links), ("shop".to_owned(), vec!["db:store".to_owned()]));
        let names: Vec<_> = got.networks.iter().map(|one| one.network.as_str()).collect();
        assert_eq!(names, ["back", "shop"]);
        let shop = &got.networks[1];
        assert_eq!((shop.ip, &shop.aliases[..]), (Some(Ipv4Addr::new(10, 1, 0, 9)), &["api".to_owned()][..]));
        assert_eq!(shop.mac.unwrap().to_string(), "02:00:00:00:00:01");
        for (body, words) in [
            (json!({"HostConfig": {"NetworkMode": "host"}, "MacAddress": "02:00:00:00:00:01"}), "mac-address"),
            (json!({"MacAddress": "x"}), "invalid MAC address"),
            (json!({"NetworkingConfig": {"EndpointsConfig": {"a": {"IPAMConfig": {"IPv4Address": "x"}}}}}), "IPv4"),
        ] {
            let mut body = body;
            body["Image"] = "a".into();
            assert!(refusal(&body).contains(words), "{body}");
        }
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        for (host, words) in [
            (json!({"LogConfig": {"Type": "syslog"}}), "log driver"),
            (json!({"SecurityOpt": ["apparmor=strict"]}), "apparmor=strict"),
            (json!({"Runtime": "kata"}), "--runtime"),
            (json!({"DeviceRequests": [{"Count": -1}]}), "--gpus"),
            (json!({"PortBindings": {"80/sctp": []}}), "SCTP"),
        ] {
            let text = refusal(&json!({"Image": "a", "HostConfig": host}));
            assert!(text.contains("Unsupported") && text.contains(words), "{host}: {text}");
        }
        let endpoint = json!({"IPAMConfig": {"LinkLocalIPs": ["169.254.1.1"]}});
        let text = refusal(&json!({"Image": "a", "NetworkingConfig": {"EndpointsConfig": {"mine": endpoint}}}));
        assert!(text.contains("Unsupported") && text.contains("--link-local-ip"), "{text}");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (host, words) in [
            (json!({"Memory": -5}), "invalid Memory: -5"),
            (json!({"RestartPolicy": {"Name": "sometimes"}}), "unknown policy 'sometimes'"),
            (json!({"MemorySwappiness": -7}), "valid memory swappiness range"),
            (json!({"PortBindings": {"x/tcp": []}}), "invalid port"),
            (json!({"PortBindings": {"80/tcp": [{"HostPort": "99999"}]}}), "invalid port specification"),
            (json!({"PortBindings": {"80/tcp": [{"HostPort": "9-5"}]}}), r#"invalid port specification: "9-5""#),
            (json!({"PortBindings": {"80-82/tcp": [{}]}}), r#"invalid port specification: "80-82""#),
            (json!({"PortBindings": {"80/tcp": [{"HostIp": "nowhere"}]}}), "invalid host address"),
            (json!({"NanoCpus": 1, "CpuQuota": 5}), "Conflicting options"),
            (json!({"NanoCpus": 1, "CpuPeriod": 5}), "Conflicting options"),
            (json!({"UsernsMode": "mine"}), "invalid USER mode"),
            (json!({"SecurityOpt": ["magic"]}), "invalid --security-opt"),
            (json!({"LogConfig": {"Config": {"max-size": "much"}}}), "invalid size: 'much'"),
            (json!({"LogConfig": {"Config": {"max-file": "0"}}}), "max-file"),
            (json!({"Ulimits": [{"Name": "core", "Soft": -7, "Hard": 0}]}), "invalid ulimit"),
            (json!({"Memory": "much"}), "invalid JSON"),
        ] {
            let text = refusal(&json!({"Image": "a", "HostConfig": host}));
            assert!(text.contains("Invalid") && text.contains(words), "{host}: {text}");
        }
        for body in [
            "",
            "[]",
            "{\"Image\":\"a\"} x",
            "{\"Image\":\"a\",\"Image\":\"b\"}",
            "{\"HostConfig\":{\"Binds\":[],\"Binds\":[\"/:/x\"]}}",
            "{\"Image\":7}",
        ] {
            assert!(format!("{:?}", parse(body.as_bytes()).unwrap_err()).contains("invalid JSON: "), "{body}");
        }
        assert!(refusal(&json!({})).contains("config cannot be empty"));
    }
}
