//! The launch form: fields as typed, the request they make, and the same thing as a `docker run` line.

use std::net::IpAddr;

use runtime::{
    request::{ContainerPort, CreateContainer, Limits, NetworkMode, PortBinding, RestartPolicy, parse_host_ports},
    view::{ContainerView, ImageView},
};

use super::{
    container_restart,
    launch_volumes::{self, MountRow},
    request::Fields,
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
    /// `MiB` or `GiB`.
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
    /// A host name.
    pub hostname: String,
    /// Labels.
    pub labels: Vec<PairRow>,
    /// The root file system can't be written.
    pub read_only: bool,
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
}

/// A field that needs a change: its id on the page, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The field's id.
    pub field: String,
    /// Its name on the page.
    pub label: String,
    /// Why.
    pub why: String,
}

/// Rows of two fields.
pub(in crate::ui) fn pairs(fields: &Fields, name: &str, value: &str) -> Vec<PairRow> {
    let row = |(name, value): (&str, &str)| PairRow { name: name.trim().to_owned(), value: value.to_owned() };
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
            command: fields.text("command"),
            entrypoint: fields.text("entrypoint"),
            user: fields.text("user"),
            working_dir: fields.text("working_dir"),
            hostname: fields.text("hostname"),
            labels: pairs(fields, "label_name", "label_value"),
            read_only: fields.is_on("read_only"),
            auto_remove: fields.is_on("auto_remove"),
            tty: fields.is_on("tty"),
            mounts: launch_volumes::read(fields),
            restart: fields.text("restart"),
            retries: fields.text("retries"),
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
        if self.ports.is_empty() {
            let row = |port: &ContainerPort| PortRow {
                host: String::new(),
                container: port.port.to_string(),
                protocol: port.protocol.to_string(),
            };
            self.ports = image.defaults.exposed_ports.iter().map(row).collect();
        }
    }

    /// The same as an existing container, without its name.
    pub fn like(view: &ContainerView) -> Self {
        let request = &view.request;
        let pair = |(name, value): (&str, &str)| PairRow { name: name.to_owned(), value: value.to_owned() };
        let (memory, memory_unit) = match request.limits.memory_bytes {
            Some(bytes) if bytes % (1 << 30) == 0 => ((bytes >> 30).to_string(), "GiB"),
            Some(bytes) => ((bytes >> 20).to_string(), "MiB"),
            None => (String::new(), "MiB"),
        };
        Self {
            image: request.image.clone(),
            name: String::new(),
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
            entrypoint: request.entrypoint.as_deref().map(shell_line).unwrap_or_default(),
            user: request.user.clone().unwrap_or_default(),
            working_dir: request.working_dir.clone().unwrap_or_default(),
            hostname: request.hostname.clone().unwrap_or_default(),
            labels: request.labels.iter().map(|(name, value)| pair((name, value))).collect(),
            read_only: request.read_only_rootfs,
            auto_remove: request.auto_remove,
            tty: request.tty,
            mounts: launch_volumes::like(&view.mounts),
            restart: request.restart.name().to_owned(),
            retries: container_restart::retries(request.restart),
        }
    }

    /// The request, or every field that needs a change.
    ///
    /// # Errors
    /// The fields.
    pub fn request(&self, t: Texts) -> Result<CreateContainer, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let mut say = |field: String, label: &str, why: String| wrong.push(Wrong { field, label: t.get(label), why });
        if self.image.is_empty() {
            say("im".into(), "image", t.get("launch-image-missing"));
        }
        if !self.name.is_empty() && !is_container_name(&self.name) {
            say("nm".into(), "name", t.get("launch-name-wrong"));
        }
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
                    None => say(format!("ph{at}"), "launch-host-port", t.get("launch-port-wrong")),
                },
                Err(_) => say(format!("pc{at}"), "launch-container-port", t.get("launch-port-wrong")),
            }
        }
        let mut env = Vec::new();
        for (at, row) in self.env.iter().enumerate() {
            if row.name.is_empty() && row.value.is_empty() {
                continue;
            }
            if row.name.is_empty() || row.name.contains(['=', '\0']) || row.value.contains('\0') {
                say(format!("en{at}"), "launch-env-name", t.get("launch-env-wrong"));
            }
            env.push(format!("{}={}", row.name, row.value));
        }
        let memory_bytes = match self.memory.as_str() {
            "" => None,
            text => {
                let unit = if self.memory_unit == "GiB" { 30 } else { 20 };
                let bytes = text.parse::<u64>().ok().and_then(|count| count.checked_mul(1 << unit));
                let bytes = bytes.filter(|bytes| *bytes >= 6 << 20);
                if bytes.is_none() {
                    say("l1".into(), "memory", t.get("launch-memory-wrong"));
                }
                bytes
            }
        };
        let nano_cpus = match self.cpus.replace(',', ".").as_str() {
            "" => None,
            text => {
                let cpus = text.parse::<f64>().ok().filter(|cpus| *cpus >= 0.01 && *cpus <= 8192.0);
                if cpus.is_none() {
                    say("l2".into(), "launch-cpus", t.get("launch-cpus-wrong"));
                }
                cpus.map(|cpus| (cpus * 1e9).round() as u64)
            }
        };
        let pids = match self.pids.as_str() {
            "" => None,
            text => {
                let pids = text.parse::<u64>().ok().filter(|pids| *pids > 0);
                if pids.is_none() {
                    say("l3".into(), "launch-pids", t.get("launch-pids-wrong"));
                }
                pids
            }
        };
        let mut words = |field: &str, label: &str, text: &str| match (text.is_empty(), split_line(text)) {
            (true, _) => None,
            (false, Some(words)) => Some(words),
            (false, None) => {
                say(field.to_owned(), label, t.get("launch-quote-open"));
                None
            }
        };
        let command = words("cm", "launch-command", &self.command);
        let entrypoint = words("ep", "launch-entrypoint", &self.entrypoint);
        if !self.working_dir.is_empty() && !self.working_dir.starts_with('/') {
            say("wd".into(), "launch-folder", t.get("launch-folder-wrong"));
        }
        let mounts = launch_volumes::mounts(&self.mounts).unwrap_or_else(|rows| {
            for (at, why) in rows {
                say(format!("ms{at}"), "nav-volumes", t.get(why));
            }
            Vec::new()
        });
        let restart = container_restart::policy(&self.restart, &self.retries);
        if restart.is_none() {
            say("rp".into(), "restart-policy", t.get("restart-wrong"));
        } else if self.auto_remove && restart != Some(RestartPolicy::No) {
            say("rp".into(), "restart-policy", t.get("restart-and-remove"));
        }
        let mut labels = std::collections::BTreeMap::new();
        for row in self.labels.iter().filter(|row| !row.name.is_empty()) {
            labels.insert(row.name.clone(), row.value.clone());
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let given = |text: &String| (!text.is_empty()).then(|| text.clone());
        Ok(CreateContainer {
            name: given(&self.name),
            image: self.image.clone(),
            command,
            entrypoint,
            env,
            working_dir: given(&self.working_dir),
            user: given(&self.user),
            hostname: given(&self.hostname),
            labels,
            tty: self.tty,
            open_stdin: self.tty,
            ports,
            network: NetworkMode::from(self.network.as_str()),
            limits: Limits { memory_bytes, nano_cpus, pids, ..Limits::default() },
            read_only_rootfs: self.read_only,
            auto_remove: self.auto_remove,
            mounts,
            restart: restart.unwrap_or_default(),
            ..CreateContainer::default()
        })
    }

    /// The same thing for the command line: words for the eye, one option a line.
    pub fn command_line(&self) -> Vec<(String, String)> {
        let mut lines: Vec<(String, String)> = Vec::new();
        let mut add = |option: &str, value: &str| lines.push((option.to_owned(), quote(value)));
        let mut flags = String::from("-d");
        if self.tty {
            flags.push_str("it");
        }
        add(&flags, "\0");
        if self.auto_remove {
            add("--rm", "\0");
        }
        let mut option = |name: &str, value: &str| {
            if !value.is_empty() {
                add(name, value);
            }
        };
        option("--name", &self.name);
        for row in self.ports.iter().filter(|row| !row.container.is_empty()) {
            let udp = if row.protocol == "udp" { "/udp" } else { "" };
            let host = if row.host.is_empty() { String::new() } else { format!("{}:", row.host) };
            option("-p", &format!("{host}{}{udp}", row.container));
        }
        for row in self.env.iter().filter(|row| !row.name.is_empty()) {
            option("-e", &format!("{}={}", row.name, row.value));
        }
        if !self.memory.is_empty() {
            option("-m", &format!("{}{}", self.memory, if self.memory_unit == "GiB" { "g" } else { "m" }));
        }
        option("--cpus", &self.cpus.replace(',', "."));
        option("--pids-limit", &self.pids);
        option("--restart", &container_restart::option(&self.restart, &self.retries));
        if !matches!(NetworkMode::from(self.network.as_str()), NetworkMode::Bridge) {
            option("--network", &self.network);
        }
        for row in self.mounts.iter().filter(|row| !row.target.is_empty()) {
            option("-v", &row.spelled());
        }
        option("-w", &self.working_dir);
        option("-u", &self.user);
        option("-h", &self.hostname);
        for row in self.labels.iter().filter(|row| !row.name.is_empty()) {
            option("-l", &format!("{}={}", row.name, row.value));
        }
        if self.read_only {
            add("--read-only", "\0");
        }
        let entrypoint = split_line(&self.entrypoint).unwrap_or_default();
        if let Some(first) = entrypoint.first() {
            add("--entrypoint", first);
        }
        let image = if self.image.is_empty() { "IMAGE" } else { &self.image };
        let rest: Vec<String> =
            entrypoint.into_iter().skip(1).chain(split_line(&self.command).unwrap_or_default()).collect();
        let mut last = quote(image);
        for word in rest {
            last.push(' ');
            last.push_str(&quote(&word));
        }
        lines.push((String::new(), last));
        lines
    }
}

/// Docker's names: a letter or digit, then letters, digits, `_`, `.` and `-`.
fn is_container_name(name: &str) -> bool {
    name.len() >= 2
        && name.len() <= 128
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
        && !["new", "bulk", "prune"].contains(&name)
}

/// As [`host_of`] reads it.
fn shown_host(port: &PortBinding) -> String {
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

/// Splits as a shell would: blanks, `'…'`, `"…"` with `\`, `\x`. `None` when a quote stays open. Nothing is expanded.
pub fn split_line(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '\'' => break,
                        other => word.push(other),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '"' => break,
                        '\\' => match letters.next()? {
                            special @ ('"' | '\\' | '$' | '`') => word.push(special),
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(letters.next()?),
            blank if blank.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

/// One word for a shell; `\0` is no word at all.
fn quote(word: &str) -> String {
    if word == "\0" {
        return String::new();
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Words as a line that [`split_line`] takes apart again.
pub fn shell_line(words: &[String]) -> String {
    words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let request = form.request(Texts::default()).expect("a right form");
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
        let wrong = form.request(Texts::default()).expect_err("a wrong form");
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
        let line: Vec<String> = form
            .command_line()
            .into_iter()
            .map(|(option, value)| format!("{option} {value}").trim().to_owned())
            .collect();
        assert_eq!(line, ["-dit", "--name w", r"-e 'A=it'\''s $HOME'", "-m 1g", "--entrypoint sh", "web -c 'echo hi'"]);
    }

    #[test]
    fn lines_are_split_as_a_shell_does() {
        let words = |text: &str| split_line(text).map(|words| words.join("|"));
        assert_eq!(words(r#"a  'b c' "d \"e\" \n" f\ g ''"#).as_deref(), Some(r#"a|b c|d "e" \n|f g|"#));
        assert_eq!(words("'open"), None);
        assert_eq!(words("open\\"), None);
        let hard = vec!["it's".to_owned(), String::new(), "a b".to_owned(), "ñ;$x".to_owned()];
        assert_eq!(split_line(&shell_line(&hard)), Some(hard));
    }
}
