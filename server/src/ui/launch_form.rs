//! The launch form: fields as typed, and the request they make. It may be filled from a container; what no field says is
//! then taken over as it is.

use std::net::IpAddr;

use runtime::{
    request::{ContainerPort, CreateContainer, NetworkMode, PortBinding, RestartPolicy, parse_host_ports},
    view::{ContainerView, ImageView},
};

use super::{
    container_restart,
    launch_health::HealthForm,
    launch_input::{Complaints, words},
    launch_isolation::IsolationForm,
    launch_life::LifeForm,
    launch_limits::LimitsForm,
    launch_names::NamesForm,
    launch_volumes::{self, MountRow},
    request::Fields,
};
pub use super::{
    launch_input::Wrong,
    shell::{shell_line, split_line},
};
use crate::i18n::Texts;

/// A port row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortRow {
    /// `8081`, `8000-8010` or `127.0.0.1:8081`.
    pub host: String,
    /// `80`.
    pub container: String,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// A row of two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PairRow {
    /// The left one.
    pub name: String,
    /// The right one.
    pub value: String,
}

/// The form as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaunchForm {
    /// A reference or id.
    pub image: String,
    /// Empty lets the engine choose.
    pub name: String,
    /// Published ports.
    pub ports: Vec<PortRow>,
    /// Environment.
    pub env: Vec<PairRow>,
    /// A number.
    pub memory: String,
    /// `MiB`, `GiB` or `B`.
    pub memory_unit: String,
    /// A decimal number.
    pub cpus: String,
    /// A number.
    pub pids: String,
    /// `bridge` or `none`.
    pub network: String,
    /// A command line.
    pub command: String,
    /// A command line.
    pub entrypoint: String,
    /// `user[:group]`.
    pub user: String,
    /// An absolute path.
    pub working_dir: String,
    /// Labels.
    pub labels: Vec<PairRow>,
    /// Remove it when it ends.
    pub auto_remove: bool,
    /// A terminal.
    pub tty: bool,
    /// What is mounted.
    pub mounts: Vec<MountRow>,
    /// Docker's name of a restart policy.
    pub restart: String,
    /// How often it is restarted after failures; empty is without end.
    pub retries: String,
    /// Standard input is kept open.
    pub stdin: bool,
    /// Groups to add.
    pub groups: String,
    /// Every exposed port is published.
    pub publish_all: bool,
    /// Folders in memory.
    pub tmpfs: String,
    /// Health.
    pub health: HealthForm,
    /// Isolation.
    pub isolation: IsolationForm,
    /// Further limits.
    pub limits: LimitsForm,
    /// Names and networks.
    pub names: NamesForm,
    /// Its end and its log.
    pub life: LifeForm,
    /// The id of the container it was filled from.
    pub base: String,
    /// That container is to be made anew by this form.
    pub edit: bool,
}

/// An entry point without words, which clears the image's as one empty word does.
const NO_WORDS: &str = "''";

/// Rows of two fields.
pub(in crate::ui) fn pairs(fields: &Fields, name: &str, value: &str) -> Vec<PairRow> {
    let row =
        |(name, value): (&str, &str)| PairRow { name: name.trim().to_owned(), value: value.replace("\r\n", "\n") };
    fields.all(name).zip(fields.all(value)).map(row).collect()
}

impl LaunchForm {
    /// From what was sent. `remove=port:1` and `add=env` change the rows.
    pub fn read(fields: &Fields) -> Self {
        let hosts = fields.all("port_host").zip(fields.all("port_container")).zip(fields.all("port_protocol"));
        let port = |((host, container), protocol): ((&str, &str), &str)| PortRow {
            host: host.trim().to_owned(),
            container: container.trim().to_owned(),
            protocol: protocol.to_owned(),
        };
        let mut form = Self {
            image: fields.text("image"),
            name: fields.text("name"),
            ports: hosts.map(port).collect(),
            env: pairs(fields, "env_name", "env_value"),
            memory: fields.text("memory"),
            memory_unit: fields.text("memory_unit"),
            cpus: fields.text("cpus"),
            pids: fields.text("pids"),
            network: fields.text("network"),
            command: fields.lines("command"),
            entrypoint: fields.lines("entrypoint"),
            user: fields.text("user"),
            working_dir: fields.text("working_dir"),
            labels: pairs(fields, "label_name", "label_value"),
            auto_remove: fields.is_on("auto_remove"),
            tty: fields.is_on("tty"),
            mounts: launch_volumes::read(fields),
            restart: fields.text("restart"),
            retries: fields.text("retries"),
            stdin: fields.is_on("stdin"),
            groups: fields.text("groups"),
            publish_all: fields.is_on("publish_all"),
            tmpfs: fields.lines("tmpfs"),
            health: HealthForm::read(fields),
            isolation: IsolationForm::read(fields),
            limits: LimitsForm::read(fields),
            names: NamesForm::read(fields),
            life: LifeForm::read(fields),
            base: fields.text("base"),
            edit: fields.is_on("edit"),
        };
        match fields.get("add") {
            Some("port") => form.ports.push(PortRow { protocol: "tcp".into(), ..PortRow::default() }),
            Some("env") => form.env.push(PairRow::default()),
            Some("label") => form.labels.push(PairRow::default()),
            _ => {}
        }
        if let Some((what, Ok(at))) =
            fields.get("remove").and_then(|text| text.split_once(':')).map(|(what, at)| (what, at.parse::<usize>()))
        {
            match what {
                "port" if at < form.ports.len() => drop(form.ports.remove(at)),
                "env" if at < form.env.len() => drop(form.env.remove(at)),
                "label" if at < form.labels.len() => drop(form.labels.remove(at)),
                _ => {}
            }
        }
        form
    }

    /// Proposes the ports an image exposes.
    pub fn propose(&mut self, image: &ImageView) {
        if self.ports.is_empty() && self.base.is_empty() {
            let row = |port: &ContainerPort| PortRow {
                host: String::new(),
                container: port.port.to_string(),
                protocol: port.protocol.to_string(),
            };
            self.ports = image.defaults.exposed_ports.iter().map(row).collect();
        }
    }

    /// The same as an existing container: to be made beside it, without its name, or to take its place.
    pub fn like(view: &ContainerView, edit: bool) -> Self {
        let request = &base_of(view, edit);
        let pair = |(name, value): (&str, &str)| PairRow { name: name.to_owned(), value: value.to_owned() };
        let (memory, memory_unit) = match request.limits.memory_bytes {
            Some(bytes) if bytes % (1 << 30) == 0 => ((bytes >> 30).to_string(), "GiB"),
            Some(bytes) if bytes % (1 << 20) == 0 => ((bytes >> 20).to_string(), "MiB"),
            Some(bytes) => (bytes.to_string(), "B"),
            None => (String::new(), "MiB"),
        };
        let program = |words: &Option<Vec<String>>| match words.as_deref() {
            Some([]) => NO_WORDS.to_owned(),
            words => words.map(shell_line).unwrap_or_default(),
        };
        Self {
            image: request.image.clone(),
            name: if edit { view.name.clone() } else { String::new() },
            ports: request
                .ports
                .iter()
                .map(|port| PortRow {
                    host: shown_host(port),
                    container: port.container.port.to_string(),
                    protocol: port.container.protocol.to_string(),
                })
                .collect(),
            env: request.env.iter().map(|line| pair(line.split_once('=').unwrap_or((line, "")))).collect(),
            memory,
            memory_unit: memory_unit.to_owned(),
            cpus: request.limits.nano_cpus.map_or_else(String::new, |nano| (nano as f64 / 1e9).to_string()),
            pids: request.limits.pids.map_or_else(String::new, |pids| pids.to_string()),
            network: request.network.to_string(),
            command: request.command.as_deref().map(shell_line).unwrap_or_default(),
            entrypoint: program(&request.entrypoint),
            user: request.user.clone().unwrap_or_default(),
            working_dir: request.working_dir.clone().unwrap_or_default(),
            labels: request.labels.iter().map(|(name, value)| pair((name, value))).collect(),
            auto_remove: request.auto_remove,
            tty: request.tty,
            mounts: launch_volumes::like(&request.mounts),
            restart: request.restart.name().to_owned(),
            retries: container_restart::retries(request.restart),
            stdin: request.open_stdin,
            groups: request.group_add.join(" "),
            publish_all: request.publish_all,
            tmpfs: launch_volumes::tmpfs_lines(&request.tmpfs),
            health: HealthForm::like(request),
            isolation: IsolationForm::like(request),
            limits: LimitsForm::like(request),
            names: NamesForm::like(request, &request.networks),
            life: LifeForm::like(request),
            base: view.id.to_string(),
            edit,
        }
    }

    /// The request, as far as the fields say one, and every field that needs a change. `base` is the container the form
    /// was filled from.
    pub fn parse(&self, t: Texts, base: Option<&ContainerView>) -> (CreateContainer, Vec<Wrong>) {
        let mut complaints = Complaints::new(t);
        let base = base.map(|view| base_of(view, self.edit)).unwrap_or_default();
        let mut made = base.clone();
        if self.image.is_empty() {
            complaints.say("im", "image", "launch-image-missing");
        }
        if !self.name.is_empty() && !is_container_name(&self.name) {
            complaints.say("nm", "name", "launch-name-wrong");
        }
        let given = |text: &String| (!text.is_empty()).then(|| text.clone());
        (made.name, made.image) = (given(&self.name), self.image.clone());
        made.ports = self.port_bindings(&mut complaints);
        made.publish_all = self.publish_all;
        made.env = self.variables(&base.env, &mut complaints);
        self.limit(&mut made, &mut complaints);
        self.limits.apply(&mut made, &mut complaints);
        let mut program =
            |field, label, text: &str| complaints.read((field, label, "launch-quote-open"), text, split_line);
        made.command = program("cm", "launch-command", &self.command);
        made.entrypoint = program("ep", "launch-entrypoint", &self.entrypoint);
        if base.entrypoint.as_ref().is_some_and(Vec::is_empty) && self.entrypoint == NO_WORDS {
            made.entrypoint = Some(Vec::new());
        }
        if !self.working_dir.is_empty() && !self.working_dir.starts_with('/') {
            complaints.say("wd", "launch-folder", "launch-folder-wrong");
        }
        (made.working_dir, made.user) = (given(&self.working_dir), given(&self.user));
        made.group_add = words(&self.groups);
        made.mounts = launch_volumes::mounts(&self.mounts, &base.mounts, &mut complaints);
        made.tmpfs = launch_volumes::tmpfs(&self.tmpfs, &mut complaints);
        let restart = container_restart::policy(&self.restart, &self.retries);
        if restart.is_none() {
            complaints.say("rp", "restart-policy", "restart-wrong");
        } else if self.auto_remove && restart != Some(RestartPolicy::No) {
            complaints.say("rp", "restart-policy", "restart-and-remove");
        }
        made.restart = restart.unwrap_or_default();
        made.network = NetworkMode::from(self.network.as_str());
        self.health.apply(&mut made, &mut complaints);
        self.names.apply(&mut made, &base.networks, &mut complaints);
        self.isolation.apply(&mut made, &mut complaints);
        self.life.apply(&mut made, &mut complaints);
        let labels = self.labels.iter().filter(|row| !row.name.is_empty());
        made.labels = labels.map(|row| (row.name.clone(), row.value.clone())).collect();
        (made.tty, made.open_stdin, made.auto_remove) = (self.tty, self.stdin, self.auto_remove);
        (made, complaints.wrong)
    }

    fn port_bindings(&self, complaints: &mut Complaints) -> Vec<PortBinding> {
        let mut ports = Vec::new();
        for (at, row) in self.ports.iter().enumerate() {
            if row.host.is_empty() && row.container.is_empty() {
                continue;
            }
            match format!("{}/{}", row.container, row.protocol).parse::<ContainerPort>() {
                Ok(container) => match host_of(&row.host) {
                    Some((host_ip, host_port, host_port_end)) => {
                        ports.push(PortBinding { container, host_ip, host_port, host_port_end });
                    }
                    None => complaints.say(format!("ph{at}"), "launch-host-port", "launch-port-wrong"),
                },
                Err(_) => complaints.say(format!("pc{at}"), "launch-container-port", "launch-port-wrong"),
            }
        }
        ports
    }

    /// A variable that a container had without a value, to take the image's away, stays so.
    fn variables(&self, before: &[String], complaints: &mut Complaints) -> Vec<String> {
        let mut env = Vec::new();
        for (at, row) in self.env.iter().enumerate() {
            if row.name.is_empty() && row.value.is_empty() {
                continue;
            }
            if row.name.is_empty() || row.name.contains(['=', '\0']) || row.value.contains('\0') {
                complaints.say(format!("en{at}"), "launch-env-name", "launch-env-wrong");
                continue;
            }
            let bare = row.value.is_empty() && before.contains(&row.name);
            env.push(if bare { row.name.clone() } else { format!("{}={}", row.name, row.value) });
        }
        env
    }

    fn limit(&self, made: &mut CreateContainer, complaints: &mut Complaints) {
        let unit = match self.memory_unit.as_str() {
            "GiB" => 30,
            "B" => 0,
            _ => 20,
        };
        let bytes = |text: &str| {
            let bytes = text.parse::<u64>().ok().and_then(|count| count.checked_mul(1 << unit));
            bytes.filter(|bytes| *bytes >= 6 << 20)
        };
        made.limits.memory_bytes = complaints.read(("l1", "memory", "launch-memory-wrong"), &self.memory, bytes);
        let cpus = |text: &str| text.parse::<f64>().ok().filter(|cpus| *cpus >= 0.01 && *cpus <= 8192.0);
        let rule = ("l2", "launch-cpus", "launch-cpus-wrong");
        let cpus = complaints.read(rule, &self.cpus.replace(',', "."), cpus);
        made.limits.nano_cpus = cpus.map(|cpus| (cpus * 1e9).round() as u64);
        if cpus.is_some() {
            (made.limits.cpu_period_us, made.limits.cpu_quota_us) = (None, None);
        }
        let pids = |text: &str| text.parse::<u64>().ok().filter(|pids| *pids > 0);
        made.limits.pids = complaints.read(("l3", "launch-pids", "launch-pids-wrong"), &self.pids, pids);
    }
}

/// What a container asks for, in the networks it is in now. One that is to take its place has its volumes, also those
/// without a name of their own.
fn base_of(view: &ContainerView, edit: bool) -> CreateContainer {
    let mut request = view.request.clone();
    let mode = request.network.to_string();
    let alone = |one: &runtime::request::NetworkAttachment| {
        *one == runtime::request::NetworkAttachment { network: mode.clone(), ..Default::default() }
    };
    request.networks = view.attachments.iter().filter(|one| !alone(one)).cloned().collect();
    if edit {
        request.name = Some(view.name.clone());
        request.mounts.clone_from(&view.mounts);
        request.volumes_from.clear();
        request.volumes.clear();
    }
    request
}

/// Docker's names: a letter or digit, then letters, digits, `_`, `.` and `-`.
fn is_container_name(name: &str) -> bool {
    name.len() >= 2
        && name.len() <= 128
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
        && !["new", "bulk", "prune"].contains(&name)
}

/// As [`host_of`] reads it, and as it stands before the container\'s port after `-p`.
pub(in crate::ui) fn shown_host(port: &PortBinding) -> String {
    let address = |ip: IpAddr| if ip.is_ipv6() { format!("[{ip}]:") } else { format!("{ip}:") };
    port.host_ip.map_or_else(String::new, address) + &port.host_ports()
}

/// `8081`, `8000-8010`, `127.0.0.1:8081`, `[::1]:8081`, `127.0.0.1:` or nothing.
fn host_of(text: &str) -> Option<(Option<IpAddr>, Option<u16>, Option<u16>)> {
    let (ip, port) = match text.rsplit_once(':') {
        Some((ip, port)) => {
            let inner = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']'));
            let ip = inner.map_or_else(|| ip.parse().map(IpAddr::V4), |ip| ip.parse().map(IpAddr::V6));
            (Some(ip.ok()?), port)
        }
        None => (None, text),
    };
    if port.is_empty() {
        return Some((ip, None, None));
    }
    let (first, last) = parse_host_ports(port)?;
    Some((ip, Some(first), last))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use runtime::request::{HealthCheck, NetworkAttachment};

    use super::{super::run_line::RunLine, *};

    fn form(text: &str) -> LaunchForm {
        LaunchForm::read(&Fields::parse(text.as_bytes()))
    }

    #[test]
    fn a_full_form_makes_the_request() {
        let form = form(
            "image=shop%2Fapi%3A2&name=api&port_host=127.0.0.1%3A8081&port_container=80&port_protocol=tcp\
             &port_host=&port_container=53&port_protocol=udp&port_host=&port_container=&port_protocol=tcp\
             &env_name=A&env_value=b+c&env_name=&env_value=&memory=256&memory_unit=MiB&cpus=0%2C5&pids=100&network=none\
             &command=sh+-c+%27echo+hi%27&user=1000&working_dir=%2Fsrv&label_name=team&label_value=web&read_only=on&tty=on",
        );
        let (request, wrong) = form.parse(Texts::default(), None);
        assert_eq!(wrong, []);
        assert_eq!(request.name.as_deref(), Some("api"));
        assert_eq!(request.ports.len(), 2, "an empty row is no port");
        assert_eq!(request.ports[0].host_ip, Some(std::net::Ipv4Addr::LOCALHOST.into()));
        assert_eq!(request.ports[0].host_port, Some(8081));
        assert_eq!((request.ports[1].container.to_string(), request.ports[1].host_port), ("53/udp".into(), None));
        assert_eq!(request.env, ["A=b c"]);
        assert_eq!(request.limits.memory_bytes, Some(256 << 20));
        assert_eq!(request.limits.nano_cpus, Some(500_000_000));
        assert_eq!(request.limits.pids, Some(100));
        assert_eq!(request.network, NetworkMode::None);
        assert_eq!(request.command, Some(vec!["sh".into(), "-c".into(), "echo hi".into()]));
        assert_eq!(request.entrypoint, None);
        assert!(request.read_only_rootfs && request.tty && !request.auto_remove);
        assert_eq!(request.labels["team"], "web");
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let form = form(
            "image=&name=-x&port_host=0&port_container=80&port_protocol=tcp&port_host=&port_container=x&port_protocol=tcp\
             &env_name=&env_value=v&memory=1&memory_unit=MiB&cpus=no&pids=0&command=%22open&working_dir=srv",
        );
        let (_, wrong) = form.parse(Texts::default(), None);
        let fields: Vec<&str> = wrong.iter().map(|wrong| wrong.field.as_str()).collect();
        assert_eq!(fields, ["im", "nm", "ph0", "pc1", "en0", "l1", "l2", "l3", "cm", "wd"]);
    }

    #[test]
    fn host_ports_are_read_as_they_are_shown() {
        for text in
            ["", "8081", "8000-8010", "127.0.0.1:8081", "127.0.0.1:8000-8010", "127.0.0.1:", "[::1]:8081", "[fd00::1]:"]
        {
            let (host_ip, host_port, host_port_end) = host_of(text).expect(text);
            let container = "80".parse().expect("a port");
            assert_eq!(shown_host(&PortBinding { container, host_ip, host_port, host_port_end }), text);
        }
        for wrong in ["0", "9-5", "8000-", "x:80", "127.0.0.1", "::1:80", "[::1]", "[127.0.0.1]:80"] {
            assert_eq!(host_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn rows_are_added_and_removed_without_script() {
        let two = "env_name=A&env_value=1&env_name=B&env_value=2";
        assert_eq!(form(&format!("{two}&add=env")).env.len(), 3);
        assert_eq!(form(&format!("{two}&remove=env:0")).env, [PairRow { name: "B".into(), value: "2".into() }]);
        assert_eq!(form(&format!("{two}&remove=env:9")).env.len(), 2);
        assert_eq!(form("add=port").ports[0].protocol, "tcp");
    }

    #[test]
    fn the_preview_can_be_pasted_into_a_shell() {
        let mut form = form("image=web&name=w&env_name=A&env_value=it%27s+%24HOME&memory=1&memory_unit=GiB&tty=on");
        form.entrypoint = "sh -c".into();
        form.command = "'echo hi'".into();
        let (request, _) = form.parse(Texts::default(), None);
        let wanted = r"docker run -dt --name w -m 1g -e 'A=it'\''s $HOME' --entrypoint sh web -c 'echo hi'";
        assert_eq!(RunLine::new(&request).text(), wanted);
    }

    /// A container that asks for much of what no field says.
    fn view() -> ContainerView {
        let place = |network: &str| NetworkAttachment {
            network: network.into(),
            aliases: vec!["api".into()],
            ..NetworkAttachment::default()
        };
        let mut view = super::super::containers::samples::container("web", "shop/web:1", "running");
        view.request = CreateContainer {
            name: Some("web".into()),
            image: "shop/web:1".into(),
            platform: Some("linux/amd64".into()),
            env: vec!["A=b\nc".into(), "BARE".into(), "EMPTY=".into()],
            entrypoint: Some(vec![]),
            command: Some(vec!["sh".into(), "-c".into(), "a\nb".into()]),
            stdin_once: true,
            attach_stdout: true,
            exposed_ports: BTreeSet::from(["9/tcp".parse().unwrap()]),
            network: NetworkMode::Named("shop".into()),
            networks: vec![place("shop")],
            annotations: [("a".to_owned(), "b".to_owned())].into(),
            health: Some(HealthCheck { test: vec!["CMD".into(), "x y".into()], ..HealthCheck::default() }),
            links: vec!["db:db".into()],
            tmpfs: [("/run".to_owned(), "size=1m".to_owned())].into(),
            labels: [("k".to_owned(), " v ".to_owned())].into(),
            ..CreateContainer::default()
        };
        view.request.limits.memory_bytes = Some((64 << 20) + 5);
        view.request.limits.cpuset_mems = Some("0".into());
        view.request.isolation.masked_paths = Some(vec!["/x".into()]);
        view.attachments = vec![place("shop"), place("back")];
        view
    }

    #[test]
    fn a_container_is_taken_over_whole() {
        let view = view();
        let (again, wrong) = LaunchForm::like(&view, false).parse(Texts::default(), Some(&view));
        assert_eq!(wrong, []);
        let wanted = CreateContainer { name: None, networks: view.attachments.clone(), ..view.request.clone() };
        assert_eq!(again, wanted);
        let (anew, wrong) = LaunchForm::like(&view, true).parse(Texts::default(), Some(&view));
        assert_eq!((anew.name.as_deref(), wrong), (Some("web"), vec![]));
        assert_eq!(anew.mounts, view.mounts);
    }

    #[test]
    fn what_is_changed_in_the_form_counts() {
        let view = view();
        let form = LaunchForm { memory: String::new(), network: "bridge".into(), ..LaunchForm::like(&view, false) };
        let (again, wrong) = form.parse(Texts::default(), Some(&view));
        assert_eq!((again.limits.memory_bytes, wrong), (None, vec![]));
        let names: Vec<&str> = again.networks.iter().map(|one| one.network.as_str()).collect();
        assert_eq!(names, ["bridge", "back"], "the alias goes with the chosen network");
    }
}
