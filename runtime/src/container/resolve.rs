//! A request and an image become one container. Everything that can be judged without touching the host is judged here.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use crate::{
    container::{bounds::check_life, record::Resolved, signal},
    error::{Error, Result},
    id::ContainerId,
    request::{CreateContainer, HealthCheck, NetworkMode},
    spec::{DEFAULT_CAPABILITIES, capability},
    view::ImageDefaults,
};

/// Used where an image sets none, as Docker does.
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// setrlimit(2), by Docker's names.
pub const RLIMITS: [&str; 16] = [
    "cpu",
    "fsize",
    "data",
    "stack",
    "core",
    "rss",
    "nproc",
    "nofile",
    "memlock",
    "as",
    "locks",
    "sigpending",
    "msgqueue",
    "nice",
    "rtprio",
    "rttime",
];

/// What of the host bears on a request.
#[derive(Clone, Copy, Debug)]
pub struct HostBounds {
    /// CPUs online.
    pub cpus: u32,
}

/// Joins request and image.
///
/// # Errors
/// [`crate::error::ErrorKind::Invalid`] naming the value and the rule.
pub fn resolve(
    id: &ContainerId,
    request: &CreateContainer,
    image: &ImageDefaults,
    host: HostBounds,
) -> Result<Resolved> {
    let (argv, entrypoint_len) = command(request, image)?;
    check_life(request, host)?;
    network(request)?;
    let working_dir = first([request.working_dir.as_deref(), Some(image.working_dir.as_str()), Some("/")]);
    if !working_dir.starts_with('/') {
        return Err(Error::invalid(format!(
            "the working directory '{working_dir}' is invalid, it needs to be an absolute path"
        )));
    }
    let hostname = request.hostname.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| id.short().to_owned());
    if hostname.len() > 63 || hostname.contains('\0') {
        return Err(Error::invalid(format!("invalid hostname {hostname:?}: 1 to 63 characters are allowed")));
    }
    for key in request.sysctls.keys() {
        sysctl(key)?;
    }
    for path in request.tmpfs.keys() {
        if !path.starts_with('/') || path == "/" {
            return Err(Error::invalid(format!("invalid mount path: '{path}' mount path must be absolute and not /")));
        }
    }
    for limit in &request.rlimits {
        if !RLIMITS.contains(&limit.name.as_str()) {
            return Err(Error::invalid(format!("invalid ulimit type: {}", limit.name)));
        }
        if limit.soft > limit.hard {
            let text =
                format!("ulimit soft limit must be less than or equal to hard limit: {} > {}", limit.soft, limit.hard);
            return Err(Error::invalid(text));
        }
    }
    if let Some(score) = request.oom_score_adj.filter(|score| !(-1000..=1000).contains(score)) {
        return Err(Error::invalid(format!("Invalid value {score}, range for oom score adj is [-1000, 1000]")));
    }
    let mut labels = image.labels.clone();
    labels.extend(request.labels.clone());
    labels.retain(|key, _| !key.starts_with("darsena."));
    let exposed: BTreeSet<_> = image
        .exposed_ports
        .iter()
        .copied()
        .chain(request.exposed_ports.iter().copied())
        .chain(request.ports.iter().map(|port| port.container))
        .collect();
    let stop_signal = first([request.stop_signal.as_deref(), Some(image.stop_signal.as_str()), Some("SIGTERM")]);
    Ok(Resolved {
        argv,
        entrypoint_len,
        env: environment(&image.env, &request.env)?,
        working_dir,
        user: first([request.user.as_deref(), Some(image.user.as_str()), Some("")]),
        hostname,
        labels,
        exposed_ports: exposed.into_iter().collect(),
        stop_signal: signal::parse(&stop_signal)?,
        capabilities: match capabilities(&request.cap_add, &request.cap_drop)? {
            _ if request.isolation.privileged => capability("ALL").unwrap_or_default(),
            some => some,
        },
        health: health(request, image)?,
        shell: if image.shell.is_empty() { vec!["/bin/sh".to_owned(), "-c".to_owned()] } else { image.shell.clone() },
    })
}

fn health(request: &CreateContainer, image: &ImageDefaults) -> Result<Option<HealthCheck>> {
    if let Some(check) = &request.health {
        check.check()?;
    }
    Ok(HealthCheck::merged(request.health.as_ref(), image.health.as_ref()))
}

fn first<const N: usize>(choices: [Option<&str>; N]) -> String {
    choices.into_iter().flatten().find(|choice| !choice.is_empty()).unwrap_or_default().to_owned()
}

/// Docker's rule: an entry point in the request also drops the image's arguments.
fn command(request: &CreateContainer, image: &ImageDefaults) -> Result<(Vec<String>, usize)> {
    let asked = request.command.clone().unwrap_or_default();
    let (entrypoint, command) = match &request.entrypoint {
        None => (image.entrypoint.clone(), if asked.is_empty() { image.cmd.clone() } else { asked }),
        Some(entrypoint) if entrypoint.iter().all(String::is_empty) => (vec![], asked),
        Some(entrypoint) => (entrypoint.clone(), asked),
    };
    let entrypoint_len = entrypoint.len();
    let argv: Vec<String> = entrypoint.into_iter().chain(command).collect();
    if argv.is_empty() {
        return Err(Error::invalid("no command specified"));
    }
    no_nul(argv.iter())?;
    Ok((argv, entrypoint_len))
}

fn no_nul<'a>(texts: impl Iterator<Item = &'a String>) -> Result<()> {
    for text in texts {
        if text.contains('\0') {
            return Err(Error::invalid(format!("{text:?} contains a NUL character, which no process can be given")));
        }
    }
    Ok(())
}

fn environment(image: &[String], asked: &[String]) -> Result<Vec<String>> {
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    let mut env: Vec<String> = image.iter().filter(|entry| entry.contains('=')).cloned().collect();
    for entry in asked {
        if entry.is_empty() || entry.starts_with('=') {
            return Err(Error::invalid(format!("invalid environment variable: {entry}")));
        }
        let known = env.iter().position(|old| name(old) == name(entry));
        match (entry.contains('='), known) {
            (true, Some(at)) => env[at].clone_from(entry),
            (true, None) => env.push(entry.clone()),
            (false, Some(at)) => drop(env.remove(at)),
            (false, None) => {}
        }
    }
    if !env.iter().any(|entry| entry.starts_with("PATH=")) {
        env.insert(0, DEFAULT_PATH.to_owned());
    }
    no_nul(env.iter())?;
    Ok(env)
}

fn network(request: &CreateContainer) -> Result<()> {
    if request.network == NetworkMode::None && (!request.ports.is_empty() || request.publish_all) {
        return Err(Error::invalid(
            "ports can't be published on a container without a network: remove the ports or choose a network",
        ));
    }
    for server in &request.dns {
        if server.parse::<IpAddr>().is_err() {
            return Err(Error::invalid(format!("invalid IP address in the name servers: {server}")));
        }
    }
    for entry in &request.extra_hosts {
        let parts = entry.split_once([':', '=']).filter(|(name, _)| !name.is_empty());
        let good = parts.is_some_and(|(_, address)| {
            address == "host-gateway" || address.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
        });
        if !good {
            return Err(Error::invalid(format!("bad format for add-host: {entry:?}: write NAME:ADDRESS")));
        }
    }
    let mut taken = BTreeSet::new();
    for port in &request.ports {
        if port.host_port_end.is_some_and(|last| port.host_port.is_none_or(|first| first == 0 || last < first)) {
            return Err(Error::invalid(format!("invalid range of host ports for {}", port.container)));
        }
        let Some(host_port) = port.host_port.filter(|host| *host > 0 && port.host_port_end.is_none()) else { continue };
        if !taken.insert((port.host_ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into()), host_port, port.container.protocol)) {
            return Err(Error::invalid(format!(
                "host port {host_port}/{} is asked for twice",
                port.container.protocol
            )));
        }
    }
    Ok(())
}

/// Only parameters of the container's own namespaces may be set.
fn sysctl(key: &str) -> Result<()> {
    let own = key.starts_with("net.")
        || key.starts_with("fs.mqueue.")
        || key.starts_with("kernel.msg")
        || key.starts_with("kernel.shm")
        || key == "kernel.sem";
    if own && !key.contains('/') && !key.contains("..") {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "sysctl {key:?} is not of the container's own namespaces and can't be set for it alone"
    )))
}

fn capabilities(add: &[String], drop: &[String]) -> Result<u64> {
    let all = capability("ALL").unwrap_or_default();
    let mask = |names: &[String]| {
        names.iter().try_fold(0_u64, |mask, name| match capability(name) {
            Some(bit) => Ok(mask | bit),
            None => Err(Error::invalid(format!("invalid capability: {name:?}"))),
        })
    };
    let is_all = |names: &[String]| names.iter().any(|name| name.eq_ignore_ascii_case("ALL"));
    let (added, dropped) = (mask(add)?, mask(drop)?);
    Ok(match (is_all(add), is_all(drop)) {
        (true, true) => all,
        (true, false) => all & !dropped,
        (false, true) => added,
        (false, false) => (DEFAULT_CAPABILITIES & !dropped) | added,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> ImageDefaults {
        ImageDefaults {
            entrypoint: vec!["/entry".into()],
            cmd: vec!["default".into()],
            env: vec!["A=1".into(), "B=2".into()],
            ..Default::default()
        }
    }

    fn resolved(request: &CreateContainer) -> Result<Resolved> {
        resolve(&ContainerId::random(), request, &image(), HostBounds { cpus: 2 })
    }

    #[test]
    fn entry_point_and_command_join_as_in_docker() {
        let words = |words: &[&str]| Some(words.iter().map(|&w| w.to_owned()).collect::<Vec<_>>());
        for (entrypoint, command, argv) in [
            (None, None, "/entry default"),
            (None, words(&["x"]), "/entry x"),
            (words(&["/other"]), None, "/other"),
            (words(&["/other"]), words(&["x"]), "/other x"),
            (words(&[""]), words(&["x"]), "x"),
        ] {
            let request = CreateContainer { command, entrypoint, ..Default::default() };
            assert_eq!(resolved(&request).expect("valid").argv.join(" "), argv, "{request:?}");
        }
        let nothing = CreateContainer { entrypoint: words(&[""]), ..Default::default() };
        assert_eq!(resolved(&nothing).expect_err("nothing to run").message(), "no command specified");
    }

    #[test]
    fn the_environment_is_overridden_by_name_and_bare_names_unset() {
        let request = CreateContainer { env: vec!["A=9".into(), "B".into(), "C=".into()], ..Default::default() };
        assert_eq!(resolved(&request).expect("valid").env, [DEFAULT_PATH, "A=9", "C="]);
    }

    #[test]
    fn capabilities_follow_dockers_rules() {
        let bits = |add: &[&str], drop: &[&str]| {
            let own = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>();
            capabilities(&own(add), &own(drop)).expect("known names")
        };
        let default = bits(&[], &[]);
        assert_eq!(default, 0xa804_25fb, "Docker's default set");
        assert_eq!(bits(&["net_admin"], &["CAP_CHOWN"]), (default | 1 << 12) & !1);
        assert_eq!(bits(&[], &["ALL"]), 0);
        assert_eq!(bits(&["CHOWN"], &["ALL"]), 1);
        assert_eq!(bits(&["ALL"], &["CHOWN"]), (1 << 41) - 2);
        assert!(capabilities(&["FLY".into()], &[]).is_err());
    }

    #[test]
    fn wrong_values_are_refused_with_the_rule() {
        let with = |change: fn(&mut CreateContainer)| {
            let mut request = CreateContainer::default();
            change(&mut request);
            resolved(&request).expect_err("refused").message().to_owned()
        };
        assert_eq!(with(|r| r.limits.memory_bytes = Some(1 << 20)), "Minimum memory limit allowed is 6MB");
        assert!(with(|r| r.limits.nano_cpus = Some(3_000_000_000)).contains("only 2 CPUs available"));
        assert!(with(|r| r.limits.cpuset_cpus = Some("0-4294967295".into())).contains("not available"));
        assert!(with(|r| r.working_dir = Some("tmp".into())).contains("absolute path"));
        assert!(with(|r| r.stop_signal = Some("SIGFOO".into())).contains("invalid signal"));
        assert!(
            with(|r| drop(r.sysctls.insert("kernel.core_pattern".into(), "x".into()))).contains("kernel.core_pattern")
        );
        assert!(with(|r| drop(r.tmpfs.insert("/".into(), String::new()))).contains("mount path"));
        assert!(with(|r| r.command = Some(vec!["a\0b".into()])).contains("NUL"));
        assert!(with(|r| r.extra_hosts = vec!["nowhere".into()]).contains("add-host"));
    }
}
