//! The launch form's part about volumes: rows as typed, the mounts they make, and `-v` for the preview.

use runtime::request::{BindMount, ContainerMount, MountFrom, VolumeMount};

use super::request::Fields;

/// A row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountRow {
    /// A volume's name, a host folder, or nothing for a new volume.
    pub source: String,
    /// Where inside.
    pub target: String,
    /// It can't be written to.
    pub read_only: bool,
}

impl MountRow {
    /// Nothing was typed.
    pub fn is_empty(&self) -> bool {
        self.source.is_empty() && self.target.is_empty()
    }

    /// As after `-v`.
    pub fn spelled(&self) -> String {
        let source = if self.source.is_empty() { String::new() } else { format!("{}:", self.source) };
        format!("{source}{}{}", self.target, if self.read_only { ":ro" } else { "" })
    }
}

/// From what was sent; `add=mount` and `remove=mount:1` change the rows.
pub fn read(fields: &Fields) -> Vec<MountRow> {
    let sources = fields.all("mount_source").zip(fields.all("mount_target")).zip(fields.all("mount_mode"));
    let mut rows: Vec<MountRow> = sources
        .map(|((source, target), mode)| MountRow {
            source: source.trim().to_owned(),
            target: target.trim().to_owned(),
            read_only: mode == "ro",
        })
        .collect();
    if fields.get("add") == Some("mount") {
        rows.push(MountRow::default());
    }
    if let Some(Ok(at)) = fields.get("remove").and_then(|text| text.strip_prefix("mount:")).map(str::parse::<usize>)
        && at < rows.len()
    {
        rows.remove(at);
    }
    rows
}

/// The rows of an existing container; those that a form can't say stay behind.
pub fn like(mounts: &[ContainerMount]) -> Vec<MountRow> {
    let row = |mount: &ContainerMount| {
        let source = match &mount.source {
            MountFrom::Bind(bind) => bind.path.clone(),
            MountFrom::Volume(volume) => volume.name.clone().filter(|_| !volume.anonymous).unwrap_or_default(),
            MountFrom::Tmpfs(_) => return None,
        };
        Some(MountRow { source, target: mount.target.clone(), read_only: mount.read_only })
    };
    mounts.iter().filter_map(row).collect()
}

/// The mounts, or the rows that can't be: their number and the text's key.
pub fn mounts(rows: &[MountRow]) -> Result<Vec<ContainerMount>, Vec<(usize, &'static str)>> {
    let mut wrong = Vec::new();
    let mut mounts = Vec::new();
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| !row.is_empty()) {
        if !row.target.starts_with('/') || row.target.trim_matches('/').is_empty() || row.target.contains(':') {
            wrong.push((at, "launch-mount-target-wrong"));
            continue;
        }
        let source = if row.source.starts_with('/') {
            MountFrom::Bind(BindMount {
                path: row.source.clone(),
                create: true,
                recursive: true,
                ..BindMount::default()
            })
        } else {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            if !row.source.is_empty() && (row.source.len() < 2 || !row.source.bytes().all(plain)) {
                wrong.push((at, "launch-mount-source-wrong"));
                continue;
            }
            let name = Some(row.source.clone()).filter(|name| !name.is_empty());
            MountFrom::Volume(VolumeMount { name, copy: true, ..VolumeMount::default() })
        };
        mounts.push(ContainerMount {
            target: row.target.clone(),
            source,
            read_only: row.read_only,
            spelled: (!row.source.is_empty()).then(|| row.spelled()),
        });
    }
    if wrong.is_empty() { Ok(mounts) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_mounts_and_come_back() {
        let fields = Fields::parse(
            b"mount_source=data&mount_target=%2Fdata&mount_mode=rw&mount_source=%2Fsrv&mount_target=%2Fsrv&mount_mode=ro\
              &mount_source=&mount_target=%2Fnew&mount_mode=rw&mount_source=&mount_target=&mount_mode=rw&add=mount",
        );
        let rows = read(&fields);
        assert_eq!(rows.len(), 5);
        let made = mounts(&rows).unwrap();
        assert_eq!(made.len(), 3);
        assert!(made[0].volume().is_some_and(|volume| volume.copy && volume.name.as_deref() == Some("data")));
        assert!(made[1].read_only && made[1].bind().is_some_and(|bind| bind.path == "/srv" && bind.create));
        assert_eq!((made[1].spelled.as_deref(), made[2].spelled.as_deref()), (Some("/srv:/srv:ro"), None));
        assert_eq!(like(&made), rows[..3]);
        assert_eq!(rows[2].spelled(), "/new");
    }

    #[test]
    fn wrong_rows_are_named() {
        let row =
            |source: &str, target: &str| MountRow { source: source.into(), target: target.into(), read_only: false };
        let rows = [row("data", "data"), row("a b", "/x"), row("", "/"), row("ok", "/ok")];
        let wrong = mounts(&rows).unwrap_err();
        assert_eq!(wrong.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
