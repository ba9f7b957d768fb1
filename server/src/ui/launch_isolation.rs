//! The launch form's part about isolation: what is closed further, and what only administrators may open.

use runtime::request::{Access, CreateContainer, Device, DeviceRule, IpcMode, PidMode, SeccompProfile, UserNamespace};

use super::{
    launch_input::{Complaints, Input, pair_lines, pair_of, words},
    request::Fields,
};
use crate::i18n::Texts;

/// As typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IsolationForm {
    read_only: bool,
    init: bool,
    no_new_privileges: bool,
    cap_add: String,
    cap_drop: String,
    sysctls: String,
    ipc: String,
    privileged: bool,
    host_users: bool,
    host_uts: bool,
    host_cgroups: bool,
    unconfined: bool,
    pid: String,
    devices: String,
    device_rules: String,
}

impl IsolationForm {
    /// From what was sent.
    pub fn read(fields: &Fields) -> Self {
        Self {
            read_only: fields.is_on("read_only"),
            init: fields.is_on("init"),
            no_new_privileges: fields.is_on("no_new_privileges"),
            cap_add: fields.text("cap_add"),
            cap_drop: fields.text("cap_drop"),
            sysctls: fields.lines("sysctls"),
            ipc: fields.text("ipc"),
            privileged: fields.is_on("privileged"),
            host_users: fields.is_on("host_users"),
            host_uts: fields.is_on("host_uts"),
            host_cgroups: fields.is_on("host_cgroups"),
            unconfined: fields.is_on("unconfined"),
            pid: fields.text("pid"),
            devices: fields.lines("devices"),
            device_rules: fields.lines("device_rules"),
        }
    }

    /// As an existing container has it.
    pub fn like(request: &CreateContainer) -> Self {
        let isolation = &request.isolation;
        let lines = |lines: Vec<String>| lines.join("\n");
        Self {
            read_only: request.read_only_rootfs,
            init: request.init,
            no_new_privileges: request.no_new_privileges,
            cap_add: request.cap_add.join(" "),
            cap_drop: request.cap_drop.join(" "),
            sysctls: pair_lines(&request.sysctls),
            ipc: ipc_word(&isolation.ipc),
            privileged: isolation.privileged,
            host_users: request.userns == UserNamespace::Host,
            host_uts: isolation.host_uts,
            host_cgroups: isolation.host_cgroups,
            unconfined: request.seccomp == SeccompProfile::Unconfined,
            pid: pid_word(&isolation.pid),
            devices: lines(isolation.devices.iter().map(device_line).collect()),
            device_rules: lines(isolation.device_rules.iter().map(ToString::to_string).collect()),
        }
    }

    /// Puts it into the request; what the form can't say of isolation stays.
    pub fn apply(&self, made: &mut CreateContainer, complaints: &mut Complaints) {
        made.read_only_rootfs = self.read_only;
        made.init = self.init;
        made.no_new_privileges = self.no_new_privileges;
        (made.cap_add, made.cap_drop) = (capabilities(&self.cap_add), capabilities(&self.cap_drop));
        let is_name = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        for (field, label, names) in
            [("ca", "launch-cap-add", &made.cap_add), ("cd", "launch-cap-drop", &made.cap_drop)]
        {
            if !names.iter().all(is_name) {
                complaints.say(field, label, "launch-cap-wrong");
            }
        }
        let rule = ("sy", "launch-sysctls", "launch-sysctls-wrong");
        made.sysctls = complaints.read_lines(rule, &self.sysctls, pair_of).into_iter().collect();
        made.userns = if self.host_users { UserNamespace::Host } else { UserNamespace::Mapped };
        made.seccomp = if self.unconfined { SeccompProfile::Unconfined } else { SeccompProfile::Default };
        let isolation = &mut made.isolation;
        isolation.privileged = self.privileged;
        isolation.host_uts = self.host_uts;
        isolation.host_cgroups = self.host_cgroups;
        isolation.ipc =
            complaints.read(("ic", "launch-ipc", "launch-ipc-wrong"), &self.ipc, ipc_of).unwrap_or_default();
        isolation.pid =
            complaints.read(("pi", "launch-pid", "launch-pid-wrong"), &self.pid, pid_of).unwrap_or_default();
        let rule = ("de", "launch-devices", "launch-devices-wrong");
        isolation.devices = complaints.read_lines(rule, &self.devices, device_of);
        let rule = ("dr", "launch-device-rules", "launch-device-rules-wrong");
        isolation.device_rules =
            complaints.read_lines(rule, &self.device_rules, |line| line.parse::<DeviceRule>().ok());
    }

    /// Its fields for everybody.
    pub fn inputs(&self, t: Texts) -> Vec<Input> {
        vec![
            Input::tick("ro", "read_only", t.get("launch-read-only"), self.read_only),
            Input::tick("in", "init", t.get("launch-init"), self.init),
            Input::tick("np", "no_new_privileges", t.get("launch-no-new-privileges"), self.no_new_privileges),
            Input::text("ca", "cap_add", t.get("launch-cap-add"), &self.cap_add).hint(t.get("launch-cap-hint")),
            Input::text("cd", "cap_drop", t.get("launch-cap-drop"), &self.cap_drop),
            Input::text("ic", "ipc", t.get("launch-ipc"), &self.ipc).hint(t.get("launch-ipc-hint")),
            Input::lines("sy", "sysctls", t.get("launch-sysctls"), &self.sysctls).hint(t.get("launch-sysctls-hint")),
        ]
    }

    /// Its fields for administrators.
    pub fn opening_inputs(&self, t: Texts) -> Vec<Input> {
        vec![
            Input::tick("pr", "privileged", t.get("launch-privileged"), self.privileged),
            Input::tick("hu", "host_users", t.get("launch-host-users"), self.host_users),
            Input::tick("ut", "host_uts", t.get("launch-host-uts"), self.host_uts),
            Input::tick("cg", "host_cgroups", t.get("launch-host-cgroups"), self.host_cgroups),
            Input::tick("sc", "unconfined", t.get("launch-unconfined"), self.unconfined),
            Input::text("pi", "pid", t.get("launch-pid"), &self.pid).hint(t.get("launch-pid-hint")),
            Input::lines("de", "devices", t.get("launch-devices"), &self.devices).hint(t.get("launch-devices-hint")),
            Input::lines("dr", "device_rules", t.get("launch-device-rules"), &self.device_rules)
                .hint(t.get("launch-device-rules-hint")),
        ]
    }
}

/// Names as the client of Docker writes them, whichever way they were typed.
fn capabilities(text: &str) -> Vec<String> {
    let name = |word: String| {
        let word = word.to_ascii_uppercase();
        if word == "ALL" || word.starts_with("CAP_") { word } else { format!("CAP_{word}") }
    };
    words(text).into_iter().map(name).collect()
}

/// As after `--pid`; empty is the usual.
pub fn pid_word(mode: &PidMode) -> String {
    match mode {
        PidMode::Private => String::new(),
        PidMode::Host => "host".to_owned(),
        PidMode::Container(other) => format!("container:{other}"),
    }
}

/// As after `--ipc`; empty is the usual.
pub fn ipc_word(mode: &IpcMode) -> String {
    match mode {
        IpcMode::Private => String::new(),
        IpcMode::None => "none".to_owned(),
        IpcMode::Shareable => "shareable".to_owned(),
        IpcMode::Host => "host".to_owned(),
        IpcMode::Container(other) => format!("container:{other}"),
    }
}

/// As after `--device`.
pub fn device_line(device: &Device) -> String {
    let host = device.host.display();
    match (device.container == host.to_string(), device.access == Access::ALL) {
        (true, true) => host.to_string(),
        (_, true) => format!("{host}:{}", device.container),
        _ => format!("{host}:{}:{}", device.container, device.access),
    }
}

fn device_of(line: &str) -> Option<Device> {
    let mut parts = line.split(':');
    let host = parts.next()?;
    let (container, access) = match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => (host, Access::ALL),
        (Some(container), None, _) if container.starts_with('/') => (container, Access::ALL),
        (Some(access), None, _) => (host, access.parse().ok()?),
        (Some(container), Some(access), None) => (container, access.parse().ok()?),
        _ => return None,
    };
    let is_path = |text: &str| text.starts_with('/') && text.len() > 1;
    (is_path(host) && is_path(container)).then(|| Device { host: host.into(), container: container.to_owned(), access })
}

fn other(mode: &str) -> Option<String> {
    mode.strip_prefix("container:").filter(|name| !name.is_empty()).map(str::to_owned)
}

fn pid_of(mode: &str) -> Option<PidMode> {
    match mode {
        "private" => Some(PidMode::Private),
        "host" => Some(PidMode::Host),
        mode => other(mode).map(PidMode::Container),
    }
}

fn ipc_of(mode: &str) -> Option<IpcMode> {
    match mode {
        "private" => Some(IpcMode::Private),
        "none" => Some(IpcMode::None),
        "shareable" => Some(IpcMode::Shareable),
        "host" => Some(IpcMode::Host),
        mode => other(mode).map(IpcMode::Container),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(text: &str) -> (CreateContainer, Vec<String>) {
        let (mut made, mut complaints) = (CreateContainer::default(), Complaints::new(Texts::default()));
        IsolationForm::read(&Fields::parse(text.as_bytes())).apply(&mut made, &mut complaints);
        (made, complaints.wrong.into_iter().map(|wrong| wrong.field).collect())
    }

    #[test]
    fn isolation_comes_back_as_it_went() {
        let text = "read_only=on&init=on&no_new_privileges=on&cap_add=NET_ADMIN%2C+sys_time&cap_drop=ALL\
                    &sysctls=net.ipv4.ip_forward%3D1&ipc=shareable&privileged=on&host_users=on&host_uts=on\
                    &host_cgroups=on&unconfined=on&pid=container%3Aweb&device_rules=c+189%3A*+rwm\
                    &devices=/dev/fuse%0D%0A/dev/null:/dev/a%0D%0A/dev/zero:/dev/zero:r";
        let (request, wrong) = made(text);
        assert_eq!(wrong, [""; 0]);
        assert_eq!(
            (request.cap_add.join(" ").as_str(), request.isolation.devices.len()),
            ("CAP_NET_ADMIN CAP_SYS_TIME", 3)
        );
        assert_eq!(request.isolation.pid, PidMode::Container("web".into()));
        let (mut again, mut complaints) = (CreateContainer::default(), Complaints::new(Texts::default()));
        IsolationForm::like(&request).apply(&mut again, &mut complaints);
        assert_eq!((again, complaints.wrong), (request, Vec::new()));
        assert_eq!(device_of("/dev/fuse:r").map(|device| device.access.to_string()).as_deref(), Some("r"));
    }

    #[test]
    fn each_wrong_one_is_named() {
        let text = "cap_add=a-b&sysctls=x&ipc=mine&pid=none&devices=fuse&device_rules=all";
        assert_eq!(made(text).1, ["ca", "sy", "ic", "pi", "de", "dr"]);
    }
}
