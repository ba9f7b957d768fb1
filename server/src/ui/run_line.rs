//! A request as the `docker run` line that asks for the same.

use std::time::Duration;

use runtime::request::{
    BindMount, ContainerMount, CreateContainer, HealthCheck, MountFrom, NetworkAttachment, NetworkMode, PortBinding,
    SeccompProfile, TmpfsMount, UserNamespace, VolumeMount,
};

use super::{
    launch_form::shown_host,
    launch_isolation::{device_line, ipc_word, pid_word},
    launch_limits::ulimit_line,
    shell::{quote, shell_line},
};
use crate::ops::spelled;

/// An option and its value, quoted for a shell; either may be empty.
pub type Piece = (String, String);

/// The line's pieces, each to be written on a line of its own, and what the client has no words for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunLine {
    /// After `docker run`.
    pub pieces: Vec<Piece>,
    /// Keys of texts about what is left out.
    pub unsaid: Vec<&'static str>,
}

impl RunLine {
    /// Of this request.
    pub fn new(request: &CreateContainer) -> Self {
        let mut line = Self::default();
        line.about_itself(request);
        line.about_networks(request);
        line.about_limits(request);
        line.about_storage(request);
        line.about_isolation(request);
        line.about_life(request);
        line.about_program(request);
        line
    }

    /// All of it in one line.
    #[cfg(test)]
    pub fn text(&self) -> String {
        let pieces = self.pieces.iter().map(|(option, value)| format!("{option} {value}").trim().to_owned());
        std::iter::once("docker run".to_owned()).chain(pieces).collect::<Vec<_>>().join(" ")
    }

    fn flag(&mut self, option: &str, given: bool) {
        if given {
            self.pieces.push((option.to_owned(), String::new()));
        }
    }

    fn value(&mut self, option: &str, value: impl AsRef<str>) {
        self.pieces.push((option.to_owned(), quote(value.as_ref())));
    }

    fn given(&mut self, option: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.value(option, value.to_string());
        }
    }

    fn each<T: AsRef<str>>(&mut self, option: &str, values: impl IntoIterator<Item = T>) {
        for value in values {
            self.value(option, value);
        }
    }

    fn about_itself(&mut self, request: &CreateContainer) {
        let flags = match (request.open_stdin, request.tty) {
            (false, false) => "-d",
            (true, false) => "-di",
            (false, true) => "-dt",
            (true, true) => "-dit",
        };
        self.flag(flags, true);
        self.flag("--rm", request.auto_remove);
        self.given("--name", request.name.as_ref());
        self.given("--platform", request.platform.as_ref());
    }

    fn about_networks(&mut self, request: &CreateContainer) {
        self.each("-p", request.ports.iter().map(port));
        self.flag("-P", request.publish_all);
        self.each("--expose", request.exposed_ports.iter().map(ToString::to_string));
        let mode = request.network.to_string();
        let others = request.networks.iter().any(|one| one.network != mode);
        let own = request.networks.iter().find(|one| one.network == mode);
        if others {
            let alone = NetworkAttachment { network: mode.clone(), ..NetworkAttachment::default() };
            self.value("--network", network(own.unwrap_or(&alone)));
            self.each("--network", request.networks.iter().filter(|one| one.network != mode).map(network));
        } else {
            if request.network != NetworkMode::Bridge {
                self.value("--network", &mode);
            }
            if let Some(own) = own {
                self.given("--ip", own.ip);
                self.given("--mac-address", own.mac);
                self.each("--network-alias", &own.aliases);
            }
        }
        if request.networks.iter().any(|one| one.network != mode && !one.links.is_empty()) {
            self.unsaid.push("launch-unsaid-links");
        }
        self.each("--link", request.links.iter().chain(own.map(|own| &own.links).into_iter().flatten()));
        self.given("-h", request.hostname.as_ref());
        self.given("--domainname", request.domainname.as_ref());
        self.each("--dns", &request.dns);
        self.each("--dns-search", &request.dns_search);
        self.each("--dns-option", &request.dns_options);
        self.each("--add-host", &request.extra_hosts);
    }

    fn about_limits(&mut self, request: &CreateContainer) {
        let limits = &request.limits;
        let size = |size: Option<u64>| size.map(spelled::from_bytes);
        self.given("-m", size(limits.memory_bytes));
        self.given("--memory-reservation", size(limits.memory_reservation_bytes));
        let unlimited = |swap: u64| if swap == u64::MAX { "-1".to_owned() } else { spelled::from_bytes(swap) };
        self.given("--memory-swap", limits.memory_swap_bytes.map(unlimited));
        self.given("--memory-swappiness", limits.memory_swappiness);
        self.flag("--oom-kill-disable", limits.oom_kill_disable);
        self.given("--cpus", limits.nano_cpus.map(|nano| nano as f64 / 1e9));
        self.given("--cpu-period", limits.cpu_period_us);
        self.given("--cpu-quota", limits.cpu_quota_us);
        self.given("--cpu-shares", limits.cpu_shares);
        self.given("--cpuset-cpus", limits.cpuset_cpus.as_ref());
        self.given("--cpuset-mems", limits.cpuset_mems.as_ref());
        self.given("--pids-limit", limits.pids);
        self.given("--blkio-weight", limits.blkio_weight);
        let rates = &limits.device_rates;
        for (option, list) in [
            ("--device-read-bps", &rates.read_bps),
            ("--device-write-bps", &rates.write_bps),
            ("--device-read-iops", &rates.read_iops),
            ("--device-write-iops", &rates.write_iops),
            ("--blkio-weight-device", &rates.weights),
        ] {
            self.each(option, list.iter().map(|one| format!("{}:{}", one.path, one.value)));
        }
        self.each("--ulimit", request.rlimits.iter().map(ulimit_line));
        self.given("--oom-score-adj", request.oom_score_adj);
        self.given("--shm-size", size(request.shm_size_bytes));
    }

    fn about_storage(&mut self, request: &CreateContainer) {
        for mount in &request.mounts {
            let (option, value) = mounted(mount);
            self.value(option, value);
        }
        self.each("-v", &request.volumes);
        let from = |from: &runtime::request::VolumesFrom| {
            format!("{}{}", from.container, if from.read_only { ":ro" } else { "" })
        };
        self.each("--volumes-from", request.volumes_from.iter().map(from));
        let memory = |(target, options): (&String, &String)| match options.as_str() {
            "" => target.clone(),
            options => format!("{target}:{options}"),
        };
        self.each("--tmpfs", request.tmpfs.iter().map(memory));
        self.flag("--read-only", request.read_only_rootfs);
    }

    fn about_isolation(&mut self, request: &CreateContainer) {
        let isolation = &request.isolation;
        self.flag("--init", request.init);
        self.flag("--privileged", isolation.privileged);
        self.each("--cap-add", &request.cap_add);
        self.each("--cap-drop", &request.cap_drop);
        if request.no_new_privileges {
            self.value("--security-opt", "no-new-privileges");
        }
        match &isolation.seccomp_profile {
            Some(_) => {
                self.value("--security-opt", "seccomp=PROFILE.json");
                self.unsaid.push("launch-unsaid-seccomp");
            }
            None if request.seccomp == SeccompProfile::Unconfined => self.value("--security-opt", "seccomp=unconfined"),
            None => {}
        }
        match (&isolation.masked_paths, &isolation.readonly_paths) {
            (None, None) => {}
            (Some(masked), Some(readonly)) if masked.is_empty() && readonly.is_empty() => {
                self.value("--security-opt", "systempaths=unconfined");
            }
            _ => self.unsaid.push("launch-unsaid-paths"),
        }
        if request.userns == UserNamespace::Host {
            self.value("--userns", "host");
        }
        self.given("--pid", Some(pid_word(&isolation.pid)).filter(|word| !word.is_empty()));
        self.given("--ipc", Some(ipc_word(&isolation.ipc)).filter(|word| !word.is_empty()));
        for (option, given) in [("--uts", isolation.host_uts), ("--cgroupns", isolation.host_cgroups)] {
            self.given(option, given.then_some("host"));
        }
        self.each("--device", isolation.devices.iter().map(device_line));
        self.each("--device-cgroup-rule", isolation.device_rules.iter().map(ToString::to_string));
        self.each("--sysctl", pairs(&request.sysctls));
    }

    fn about_life(&mut self, request: &CreateContainer) {
        if let Some(check) = &request.health {
            self.about_health(check);
        }
        self.given("--stop-signal", request.stop_signal.as_ref());
        self.given("--stop-timeout", request.stop_timeout.map(|time| time.as_secs()));
        if request.log_driver != runtime::request::LogDriver::default() {
            self.value("--log-driver", request.log_driver.name());
        }
        self.each("--log-opt", pairs(&request.log_options));
        match (request.restart.name(), request.restart.retries()) {
            ("no", _) => {}
            (name, 0) => self.value("--restart", name),
            (name, retries) => self.value("--restart", format!("{name}:{retries}")),
        }
        self.each("-l", pairs(&request.labels));
        self.each("--annotation", pairs(&request.annotations));
    }

    fn about_health(&mut self, check: &HealthCheck) {
        match check.test.split_first().map(|(kind, rest)| (kind.as_str(), rest)) {
            Some(("NONE", _)) => return self.flag("--no-healthcheck", true),
            Some(("CMD", rest)) => {
                self.value("--health-cmd", shell_line(rest));
                self.unsaid.push("launch-unsaid-health");
            }
            Some((_, rest)) => self.value("--health-cmd", rest.join(" ")),
            None => {}
        }
        let time = |time: Option<Duration>| time.map(spelled::from_time);
        self.given("--health-interval", time(check.interval));
        self.given("--health-timeout", time(check.timeout));
        self.given("--health-retries", check.retries);
        self.given("--health-start-period", time(check.start_period));
        self.given("--health-start-interval", time(check.start_interval));
    }

    fn about_program(&mut self, request: &CreateContainer) {
        self.each("-e", &request.env);
        self.given("-u", request.user.as_ref());
        self.each("--group-add", &request.group_add);
        self.given("-w", request.working_dir.as_ref());
        let mut rest: Vec<String> = Vec::new();
        if let Some(entrypoint) = &request.entrypoint {
            self.value("--entrypoint", entrypoint.first().map_or("", String::as_str));
            rest.extend(entrypoint.iter().skip(1).cloned());
        }
        rest.extend(request.command.iter().flatten().cloned());
        let mut last = quote(if request.image.is_empty() { "IMAGE" } else { &request.image });
        for word in rest {
            last.push(' ');
            last.push_str(&quote(&word));
        }
        self.pieces.push((String::new(), last));
    }
}

fn pairs(all: &std::collections::BTreeMap<String, String>) -> impl Iterator<Item = String> {
    all.iter().map(|(name, value)| format!("{name}={value}"))
}

fn port(port: &PortBinding) -> String {
    let host = match shown_host(port) {
        host if host.is_empty() => host,
        host => host + ":",
    };
    let number = port.container.port;
    match port.container.protocol.to_string().as_str() {
        "tcp" => format!("{host}{number}"),
        protocol => format!("{host}{number}/{protocol}"),
    }
}

/// In the client's longer way, which says all of one network in one value.
fn network(place: &NetworkAttachment) -> String {
    if place.ip.is_none() && place.mac.is_none() && place.aliases.is_empty() {
        return place.network.clone();
    }
    let mut parts = vec![format!("name={}", place.network)];
    parts.extend(place.aliases.iter().map(|alias| format!("alias={alias}")));
    parts.extend(place.ip.map(|ip| format!("ip={ip}")));
    parts.extend(place.mac.map(|mac| format!("mac-address={mac}")));
    csv(&parts)
}

/// As after `-v` where that says it, else as after `--mount`.
pub fn mounted(mount: &ContainerMount) -> (&'static str, String) {
    if let Some(spelled) = &mount.spelled {
        return ("-v", spelled.clone());
    }
    let target = &mount.target;
    let mode = if mount.read_only { ":ro" } else { "" };
    let plain = |path: &str| !path.contains(':');
    match &mount.source {
        MountFrom::Volume(VolumeMount { name: None, copy: true, subpath, labels, options, .. })
            if !mount.read_only && subpath.is_empty() && labels.is_empty() && options.is_empty() && plain(target) =>
        {
            ("-v", target.clone())
        }
        MountFrom::Volume(VolumeMount { name: Some(name), copy, subpath, labels, options, .. })
            if subpath.is_empty() && labels.is_empty() && options.is_empty() && plain(target) =>
        {
            let words = [mount.read_only.then_some("ro"), (!copy).then_some("nocopy")];
            let words: Vec<&str> = words.into_iter().flatten().collect();
            ("-v", [name.as_str(), target, &words.join(",")].join(":").trim_end_matches(':').to_owned())
        }
        MountFrom::Bind(BindMount { path, create: true, recursive: true, follows_host: false, .. })
            if plain(path) && plain(target) =>
        {
            ("-v", format!("{path}:{target}{mode}"))
        }
        source => ("--mount", long_mount(mount, source)),
    }
}

fn long_mount(mount: &ContainerMount, source: &MountFrom) -> String {
    let mut parts = Vec::new();
    let mut part = |text: String| parts.push(text);
    match source {
        MountFrom::Volume(volume) => {
            part("type=volume".to_owned());
            if let Some(name) = &volume.name {
                part(format!("src={name}"));
            }
        }
        MountFrom::Bind(bind) => {
            part("type=bind".to_owned());
            part(format!("src={}", bind.path));
        }
        MountFrom::Tmpfs(_) => part("type=tmpfs".to_owned()),
    }
    part(format!("dst={}", mount.target));
    if mount.read_only {
        part("readonly".to_owned());
    }
    match source {
        MountFrom::Volume(volume) => {
            if !volume.copy {
                part("volume-nocopy".to_owned());
            }
            if !volume.subpath.is_empty() {
                part(format!("volume-subpath={}", volume.subpath));
            }
            pairs(&volume.labels).for_each(|label| part(format!("volume-label={label}")));
            pairs(&volume.options).for_each(|option| part(format!("volume-opt={option}")));
        }
        MountFrom::Bind(bind) => {
            if bind.follows_host {
                part("bind-propagation=rslave".to_owned());
            }
            if !bind.recursive {
                part("bind-recursive=disabled".to_owned());
            }
        }
        MountFrom::Tmpfs(TmpfsMount { size_bytes, mode, .. }) => {
            if let Some(size) = size_bytes {
                part(format!("tmpfs-size={size}"));
            }
            if let Some(mode) = mode {
                part(format!("tmpfs-mode={mode:o}"));
            }
        }
    }
    csv(&parts)
}

/// Fields with commas, in quotation marks where the client would else split them.
fn csv(parts: &[String]) -> String {
    let quoted = |part: &String| {
        if part.contains([',', '"', '\n']) { format!("\"{}\"", part.replace('"', "\"\"")) } else { part.clone() }
    };
    parts.iter().map(quoted).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use runtime::request::{DeviceRates, Isolation, Limits, RestartPolicy};

    use super::*;

    fn text(request: &CreateContainer) -> String {
        RunLine::new(request).text()
    }

    #[test]
    fn the_least_is_short() {
        assert_eq!(text(&CreateContainer::default()), "docker run -d IMAGE");
    }

    #[test]
    fn words_of_a_shell_are_quoted() {
        let request = CreateContainer {
            image: "web".into(),
            env: vec!["A=it's $HOME".into(), "B=`x`\n!".into()],
            entrypoint: Some(vec!["sh".into(), "-c".into()]),
            command: Some(vec!["echo hi; exit".into(), String::new()]),
            ..CreateContainer::default()
        };
        let wanted = "docker run -d -e 'A=it'\\''s $HOME' -e 'B=`x`\n!' --entrypoint sh web -c 'echo hi; exit' ''";
        assert_eq!(text(&request), wanted);
        let cleared = CreateContainer { entrypoint: Some(vec![]), image: "web".into(), ..CreateContainer::default() };
        assert_eq!(text(&cleared), "docker run -d --entrypoint '' web");
    }

    #[test]
    fn networks_are_said_in_the_way_they_need() {
        let place = |network: &str, alias: &str| NetworkAttachment {
            network: network.into(),
            aliases: vec![alias.into()],
            ..NetworkAttachment::default()
        };
        let mut request = CreateContainer {
            image: "web".into(),
            network: NetworkMode::Named("shop".into()),
            networks: vec![place("shop", "api")],
            ..CreateContainer::default()
        };
        assert_eq!(text(&request), "docker run -d --network shop --network-alias api web");
        request.networks.push(place("back", "b"));
        assert_eq!(text(&request), "docker run -d --network name=shop,alias=api --network name=back,alias=b web");
    }

    #[test]
    fn mounts_take_the_short_way_where_it_says_all() {
        let mount = |source, read_only| ContainerMount { target: "/t".into(), source, read_only, spelled: None };
        let volume = |name: Option<&str>, subpath: &str| {
            MountFrom::Volume(VolumeMount {
                name: name.map(str::to_owned),
                copy: true,
                subpath: subpath.into(),
                ..VolumeMount::default()
            })
        };
        let bind = |recursive| {
            MountFrom::Bind(BindMount { path: "/h".into(), create: true, recursive, ..BindMount::default() })
        };
        for (source, read_only, wanted) in [
            (volume(None, ""), false, ("-v", "/t")),
            (volume(None, ""), true, ("--mount", "type=volume,dst=/t,readonly")),
            (volume(Some("data"), ""), true, ("-v", "data:/t:ro")),
            (volume(Some("data"), ""), false, ("-v", "data:/t")),
            (volume(Some("data"), "a,b"), false, ("--mount", "type=volume,src=data,dst=/t,\"volume-subpath=a,b\"")),
            (bind(true), false, ("-v", "/h:/t")),
            (bind(false), true, ("--mount", "type=bind,src=/h,dst=/t,readonly,bind-recursive=disabled")),
            (
                MountFrom::Tmpfs(TmpfsMount { size_bytes: Some(64), mode: Some(0o700), exec: false }),
                false,
                ("--mount", "type=tmpfs,dst=/t,tmpfs-size=64,tmpfs-mode=700"),
            ),
        ] {
            assert_eq!(mounted(&mount(source, read_only)), (wanted.0, wanted.1.to_owned()));
        }
    }

    #[test]
    fn every_room_of_a_request_is_said() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let request = CreateContainer {
            image: "web".into(),
            name: Some("w".into()),
            tty: true,
            open_stdin: true,
            init: true,
            limits: Limits {
                memory_bytes: Some(64 << 20),
                memory_swap_bytes: Some(u64::MAX),
                nano_cpus: Some(500_000_000),
                device_rates: DeviceRates::default(),
                ..Limits::default()
            },
            health: Some(HealthCheck {
                test: words("CMD-SHELL true"),
                interval: Some(Duration::from_secs(90)),
                ..HealthCheck::default()
            }),
            isolation: Isolation { masked_paths: Some(vec![]), readonly_paths: Some(vec![]), ..Isolation::default() },
            restart: RestartPolicy::OnFailure(3),
            stop_timeout: Some(Duration::from_secs(90)),
            extra_hosts: words("up:host-gateway"),
            ..CreateContainer::default()
        };
        assert_eq!(
            text(&request),
            "docker run -dit --name w --add-host up:host-gateway -m 64m --memory-swap -1 --cpus 0.5 --init \
             --security-opt systempaths=unconfined --health-cmd true --health-interval 1m30s --stop-timeout 90 \
             --restart on-failure:3 web"
        );
        let exec = CreateContainer {
            health: Some(HealthCheck { test: words("CMD a"), ..HealthCheck::default() }),
            ..CreateContainer::default()
        };
        assert_eq!(RunLine::new(&exec).unsaid, ["launch-unsaid-health"]);
    }
}
