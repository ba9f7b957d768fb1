//! The part of a create request that opens a container to its host or to another container.

use runtime::request::{Access, Device, IpcMode, Isolation, PidMode};

use super::{
    super::{
        error::{Failure, Result},
        model::create::HostConfig,
    },
    said,
};

/// Takes it out of the body.
pub(super) fn read(host: &mut HostConfig) -> Result<Isolation> {
    Ok(Isolation {
        privileged: host.privileged.take().unwrap_or_default(),
        devices: host.devices.take().unwrap_or_default().into_iter().map(device).collect::<Result<_>>()?,
        device_rules: host
            .device_cgroup_rules
            .take()
            .unwrap_or_default()
            .iter()
            .map(|rule| rule.parse().map_err(|error| Failure::invalid(format!("{error}"))))
            .collect::<Result<_>>()?,
        pid: pid(host.pid_mode.take())?,
        ipc: ipc(host.ipc_mode.take())?,
        host_uts: is_host("UTS", host.uts_mode.take())?,
        host_cgroups: is_host("cgroup namespace", host.cgroupns_mode.take())?,
        seccomp_profile: None,
        // An empty list means that nothing is hidden; only `null` means the usual.
        masked_paths: host.masked_paths.take(),
        readonly_paths: host.readonly_paths.take(),
    })
}

fn device(asked: super::super::model::create::Device) -> Result<Device> {
    let access = match asked.cgroup_permissions.as_str() {
        "" => Access::ALL,
        text => text.parse().map_err(|error| Failure::invalid(format!("{error}")))?,
    };
    let container = said(Some(asked.path_in_container)).unwrap_or_else(|| asked.path_on_host.clone());
    Ok(Device { host: asked.path_on_host.into(), container, access })
}

/// The other container of `container:NAME`.
fn other(mode: &str) -> Option<String> {
    mode.strip_prefix("container:").filter(|name| !name.is_empty()).map(str::to_owned)
}

fn pid(mode: Option<String>) -> Result<PidMode> {
    match said(mode).as_deref() {
        None | Some("private") => Ok(PidMode::Private),
        Some("host") => Ok(PidMode::Host),
        Some(mode) => match other(mode) {
            Some(name) => Ok(PidMode::Container(name)),
            None => Err(Failure::invalid(format!("invalid PID mode: {mode}"))),
        },
    }
}

fn ipc(mode: Option<String>) -> Result<IpcMode> {
    match said(mode).as_deref() {
        None | Some("private") => Ok(IpcMode::Private),
        Some("none") => Ok(IpcMode::None),
        Some("shareable") => Ok(IpcMode::Shareable),
        Some("host") => Ok(IpcMode::Host),
        Some(mode) => match other(mode) {
            Some(name) => Ok(IpcMode::Container(name)),
            None => Err(Failure::invalid(format!("invalid IPC mode: {mode}"))),
        },
    }
}

fn is_host(what: &str, mode: Option<String>) -> Result<bool> {
    match said(mode).as_deref() {
        None | Some("private") => Ok(false),
        Some("host") => Ok(true),
        Some(mode) => Err(Failure::invalid(format!("invalid {what} mode: {mode}"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(host: &serde_json::Value) -> Result<Isolation> {
        read(&mut serde_json::from_value(host.clone()).unwrap())
    }

    #[test]
    fn modes_devices_and_rules_come_through() {
        let got = made(&json!({
            "Privileged": true, "PidMode": "container:web", "IpcMode": "host", "UTSMode": "host", "CgroupnsMode": "host",
            "Devices": [{"PathOnHost": "/dev/fuse", "PathInContainer": "", "CgroupPermissions": "r"}],
            "DeviceCgroupRules": ["c 189:* rw"], "MaskedPaths": [], "ReadonlyPaths": null,
        }))
        .unwrap();
        assert_eq!((&got.pid, &got.ipc), (&PidMode::Container("web".into()), &IpcMode::Host));
        assert!(got.privileged && got.host_uts && got.host_cgroups);
        let device = &got.devices[0];
        assert_eq!((device.container.as_str(), device.access.to_string()), ("/dev/fuse", "r".to_owned()));
        assert_eq!(got.device_rules[0].to_string(), "c 189:* rw");
        assert_eq!((got.masked_paths, got.readonly_paths), (Some(Vec::new()), None));
        let usual =
            json!({"PidMode": "", "IpcMode": "private", "UTSMode": "", "CgroupnsMode": "private", "Devices": []});
        assert_eq!(made(&usual).unwrap(), Isolation::default());
    }

    #[test]
    fn what_is_no_mode_is_said() {
        for (host, words) in [
            (json!({"PidMode": "mine"}), "invalid PID mode: mine"),
            (json!({"IpcMode": "container:"}), "invalid IPC mode: container:"),
            (json!({"UTSMode": "container:a"}), "invalid UTS mode"),
            (json!({"CgroupnsMode": "x"}), "invalid cgroup namespace mode"),
            (json!({"DeviceCgroupRules": ["x 1:1 r"]}), "invalid device cgroup rule"),
            (json!({"Devices": [{"PathOnHost": "/dev/a", "CgroupPermissions": "q"}]}), "invalid device mode"),
        ] {
            let text = format!("{:?}", made(&host).expect_err(&host.to_string()));
            assert!(text.contains(words), "{text}");
        }
    }
}
