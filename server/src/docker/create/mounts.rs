//! What container create says of mounts: `Binds`, `Mounts`, `VolumesFrom` and `Volumes`.

use runtime::request::{BindMount, ContainerMount, MountFrom, TmpfsMount, VolumeMount, VolumesFrom};

use super::{
    super::{
        error::{Failure, Result},
        model::volume::{MountBody, VolumeOptions},
    },
    missing, said,
};

/// `-v`: `source:target[:options]`.
pub(super) fn binds(list: &[String]) -> Result<Vec<ContainerMount>> {
    list.iter().map(|text| bind(text)).collect()
}

fn bind(text: &str) -> Result<ContainerMount> {
    let wrong = |why: &str| Failure::invalid(format!("invalid volume specification: '{text}'{why}"));
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, mode) = match parts[..] {
        [target] => ("", target, ""),
        [source, target] if !source.is_empty() => (source, target, ""),
        [source, target, mode] if !source.is_empty() => (source, target, mode),
        _ => return Err(wrong("")),
    };
    if target == "/" {
        return Err(wrong(
            ": invalid mount config for type \"volume\": invalid specification: destination can't be '/'",
        ));
    }
    let is_bind = source.starts_with('/');
    let kind = if is_bind { "bind" } else { "volume" };
    if !target.starts_with('/') {
        return Err(wrong(&format!(
            ": invalid mount config for type \"{kind}\": invalid mount path: '{target}' mount path must be absolute"
        )));
    }
    let options = Options::parse(mode)?;
    let source = if is_bind {
        if options.no_copy {
            return Err(Failure::invalid(format!("invalid mode: {mode}")));
        }
        MountFrom::Bind(BindMount {
            path: source.to_owned(),
            within: None,
            create: true,
            recursive: true,
            follows_host: options.follows_host,
        })
    } else {
        if options.propagates {
            return Err(Failure::invalid(format!("invalid mode: {mode}")));
        }
        MountFrom::Volume(VolumeMount {
            name: said(Some(source.to_owned())),
            copy: !options.no_copy,
            ..VolumeMount::default()
        })
    };
    Ok(ContainerMount {
        target: target.to_owned(),
        source,
        read_only: options.read_only,
        spelled: Some(text.to_owned()),
    })
}

/// The last part of `-v`.
#[derive(Default)]
struct Options {
    read_only: bool,
    follows_host: bool,
    propagates: bool,
    no_copy: bool,
}

impl Options {
    fn parse(text: &str) -> Result<Self> {
        let mut options = Self::default();
        for word in text.split(',').filter(|word| !word.is_empty()) {
            match word {
                "ro" => options.read_only = true,
                // Hosts without such labels have nothing to change; consistency is of other systems.
                "rw" | "z" | "Z" | "consistent" | "cached" | "delegated" => {}
                "nocopy" => options.no_copy = true,
                "shared" | "rshared" | "slave" | "rslave" | "private" | "rprivate" => {
                    options.propagates = true;
                    options.follows_host = propagation(word)?;
                }
                _ => return Err(Failure::invalid(format!("invalid mode: {text}"))),
            }
        }
        Ok(options)
    }
}

/// Whether mounts of the host pass to the container.
fn propagation(word: &str) -> Result<bool> {
    match word {
        "" | "private" | "rprivate" => Ok(false),
        "slave" | "rslave" => Ok(true),
        "shared" | "rshared" => Err(missing("mounts that pass from the container to the host (shared propagation)")),
        _ => Err(Failure::invalid(format!("invalid mount config for type \"bind\": invalid propagation mode: {word}"))),
    }
}

/// `--mount`.
pub(super) fn mounts(list: Vec<MountBody>) -> Result<Vec<ContainerMount>> {
    list.into_iter().map(mount).collect()
}

fn mount(body: MountBody) -> Result<ContainerMount> {
    let kind = body.kind.as_deref().unwrap_or_default();
    let invalid = |why: &str| Failure::invalid(format!("invalid mount config for type \"{kind}\": {why}"));
    let Some(target) = said(body.target) else { return Err(invalid("field Target must not be empty")) };
    let source = said(body.source);
    let foreign = |options: bool, name: &str| {
        if options { Err(invalid(&format!("field {name} must not be specified"))) } else { Ok(()) }
    };
    if kind != "bind" {
        foreign(body.bind_options.is_some(), "BindOptions")?;
    }
    if kind != "volume" {
        foreign(body.volume_options.is_some(), "VolumeOptions")?;
    }
    if kind != "tmpfs" {
        foreign(body.tmpfs_options.is_some(), "TmpfsOptions")?;
    }
    let from = match kind {
        "bind" => {
            let Some(path) = source else { return Err(invalid("field Source must not be empty")) };
            let options = body.bind_options.unwrap_or_default();
            if options.read_only_non_recursive == Some(true) {
                return Err(missing(
                    "binds that are read-only without what is mounted below (bind-recursive=writable)",
                ));
            }
            MountFrom::Bind(BindMount {
                path,
                within: None,
                create: options.create_mountpoint.unwrap_or_default(),
                recursive: !options.non_recursive.unwrap_or_default(),
                follows_host: propagation(options.propagation.as_deref().unwrap_or_default())?,
            })
        }
        "volume" => volume(source, body.volume_options.unwrap_or_default())?,
        "tmpfs" => {
            if source.is_some() {
                return Err(invalid("field Source must not be specified"));
            }
            let options = body.tmpfs_options.unwrap_or_default();
            let size = options.size_bytes.unwrap_or(0);
            let size = u64::try_from(size).map_err(|_| invalid("size must not be negative"))?;
            let mut exec = false;
            for option in options.options.unwrap_or_default() {
                match option.first().map(String::as_str) {
                    Some("exec") => exec = true,
                    Some("noexec") => exec = false,
                    _ => return Err(missing(&format!("the tmpfs option {:?}", option.join("=")))),
                }
            }
            let mode = options.mode.filter(|mode| *mode != 0);
            MountFrom::Tmpfs(TmpfsMount { size_bytes: Some(size).filter(|size| *size > 0), mode, exec })
        }
        "image" | "npipe" | "cluster" => return Err(missing(&format!("mounts of the type {kind:?}"))),
        _ => return Err(Failure::invalid(format!("mount type unknown: {kind:?}"))),
    };
    Ok(ContainerMount { target, source: from, read_only: body.read_only.unwrap_or_default(), spelled: None })
}

fn volume(name: Option<String>, options: VolumeOptions) -> Result<MountFrom> {
    let driver = options.driver_config.unwrap_or_default();
    if let Some(name) = said(driver.name).filter(|name| name != "local") {
        // Not 404, which clients take for a missing image.
        return Err(Failure::invalid(no_driver_text(&name)));
    }
    Ok(MountFrom::Volume(VolumeMount {
        name,
        anonymous: false,
        subpath: options.subpath.unwrap_or_default(),
        copy: !options.no_copy.unwrap_or_default(),
        labels: options.labels.unwrap_or_default(),
        options: driver.options.unwrap_or_default(),
    }))
}

/// Docker's text for a driver that is not there.
pub(in crate::docker) fn no_driver(name: &str) -> Failure {
    Failure::from(runtime::error::Error::not_found(no_driver_text(name)))
}

fn no_driver_text(name: &str) -> String {
    format!("error looking up volume plugin {name}: plugin \"{name}\" not found")
}

/// `--volumes-from`: `container[:ro|rw]`.
pub(super) fn from_others(list: &[String]) -> Result<Vec<VolumesFrom>> {
    let read = |text: &String| {
        let (container, mode) = text.split_once(':').unwrap_or((text, "rw"));
        let read_only = match mode {
            "ro" => true,
            "rw" | "z" | "Z" => false,
            _ => return Err(Failure::invalid(format!("invalid mode: {mode}"))),
        };
        if container.is_empty() {
            return Err(Failure::invalid(format!("invalid volumes-from: {text:?}")));
        }
        Ok(VolumesFrom { container: container.to_owned(), read_only })
    };
    list.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn mounted(body: Value) -> Result<ContainerMount> {
        mount(serde_json::from_value(body).unwrap())
    }

    fn said_no(result: Result<ContainerMount>) -> String {
        format!("{:?}", result.unwrap_err())
    }

    #[test]
    fn one_word_says_it_all() {
        let host = bind("/srv/data:/data:ro,rslave,z").unwrap();
        assert_eq!((host.target.as_str(), host.read_only), ("/data", true));
        let source = host.bind().unwrap();
        assert!(source.create && source.recursive && source.follows_host && source.path == "/srv/data");
        let named = bind("data:/data:nocopy").unwrap();
        let volume = named.volume().unwrap();
        assert_eq!((volume.name.as_deref(), volume.copy, named.read_only), (Some("data"), false, false));
        assert_eq!(bind("/only").unwrap().volume().unwrap().name, None);
        for (text, words) in [
            ("a:b:c:d", "invalid volume specification: 'a:b:c:d'"),
            (":/x", "invalid volume specification"),
            ("/a:b", "mount path must be absolute"),
            ("/a:/", "destination can't be '/'"),
            ("/a:/b:loud", "invalid mode: loud"),
            ("/a:/b:nocopy", "invalid mode: nocopy"),
            ("a:/b:rslave", "invalid mode: rslave"),
            ("/a:/b:rshared", "shared propagation"),
        ] {
            let error = said_no(bind(text));
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn many_words_say_it_too() {
        let host = mounted(json!({"Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": true,
            "BindOptions": {"Propagation": "rslave", "NonRecursive": true}}));
        let host = host.unwrap();
        let source = host.bind().unwrap();
        assert!(host.read_only && !source.create && !source.recursive && source.follows_host);
        let volume = mounted(json!({"Type": "volume", "Source": "v1", "Target": "/b", "VolumeOptions":
            {"NoCopy": true, "Subpath": "deep", "Labels": {"a": "b"}, "DriverConfig": {"Name": "local",
            "Options": {"type": "tmpfs", "device": "tmpfs"}}}}));
        let volume = volume.unwrap();
        let source = volume.volume().unwrap();
        assert!(!source.copy && source.subpath == "deep" && source.labels["a"] == "b" && source.options.len() == 2);
        let memory =
            mounted(json!({"Type": "tmpfs", "Target": "/m", "TmpfsOptions": {"SizeBytes": 4096, "Mode": 448}}));
        let wanted = TmpfsMount { size_bytes: Some(4096), mode: Some(0o700), exec: false };
        assert_eq!(memory.unwrap().source, MountFrom::Tmpfs(wanted));
        for (body, words) in [
            (json!({"Type": "bind", "Target": "/b"}), "field Source must not be empty"),
            (json!({"Type": "volume", "Source": "v1"}), "field Target must not be empty"),
            (json!({"Type": "tmpfs", "Source": "v1", "Target": "/b"}), "field Source must not be specified"),
            (json!({"Type": "tmpfs", "Target": "/b", "BindOptions": {}}), "field BindOptions must not be specified"),
            (json!({"Type": "tape", "Target": "/b"}), "mount type unknown"),
            (json!({"Type": "image", "Source": "a", "Target": "/b"}), "Darsena does not support"),
            (
                json!({"Type": "volume", "Target": "/b", "VolumeOptions": {"DriverConfig": {"Name": "sshfs"}}}),
                "plugin \"sshfs\" not found",
            ),
        ] {
            let error = said_no(mounted(body.clone()));
            assert!(error.contains(words), "{body}: {error}");
        }
    }

    #[test]
    fn other_containers_are_named() {
        let list = ["web".to_owned(), "db:ro".to_owned()];
        let read: Vec<_> = from_others(&list).unwrap().into_iter().map(|one| (one.container, one.read_only)).collect();
        assert_eq!(read, [("web".to_owned(), false), ("db".to_owned(), true)]);
        assert!(from_others(&["db:loud".to_owned()]).is_err() && from_others(&[":ro".to_owned()]).is_err());
    }
}
