//! The launch form's part about volumes: rows as typed, and the mounts they make.

use std::collections::BTreeMap;

use runtime::request::{BindMount, ContainerMount, MountFrom, VolumeMount};

use super::{
    launch_input::{Complaints, lines},
    request::Fields,
    run_line::mounted,
};

/// A row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountRow {
    /// A volume's name, a host folder, or nothing for a new volume.
    pub source: String,
    /// Where inside.
    pub target: String,
    /// It can't be written to.
    pub read_only: bool,
    /// The place of the mount it was filled from, which is taken over with all that a row can't say.
    pub kept: String,
    /// What a row can't say of it, for the eye.
    pub more: String,
}

impl MountRow {
    /// Nothing was typed.
    pub fn is_empty(&self) -> bool {
        self.source.is_empty() && self.target.is_empty()
    }
}

/// From what was sent; `add=mount` and `remove=mount:1` change the rows.
pub fn read(fields: &Fields) -> Vec<MountRow> {
    let sources = fields.all("mount_source").zip(fields.all("mount_target")).zip(fields.all("mount_mode"));
    // Forms of before have rows without it.
    let kept = fields.all("mount_kept").chain(std::iter::repeat(""));
    let mut rows: Vec<MountRow> = sources
        .zip(kept)
        .map(|(((source, target), mode), kept)| MountRow {
            source: source.trim().to_owned(),
            target: target.trim().to_owned(),
            read_only: mode == "ro",
            kept: kept.to_owned(),
            more: String::new(),
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

/// The rows of an existing container.
pub fn like(mounts: &[ContainerMount]) -> Vec<MountRow> {
    mounts.iter().map(row).collect()
}

fn row(mount: &ContainerMount) -> MountRow {
    let source = match &mount.source {
        MountFrom::Bind(bind) => bind.path.clone(),
        MountFrom::Volume(volume) => volume.name.clone().filter(|_| !volume.anonymous).unwrap_or_default(),
        MountFrom::Tmpfs(_) => String::new(),
    };
    MountRow {
        source,
        target: mount.target.clone(),
        read_only: mount.read_only,
        kept: mount.target.clone(),
        more: unsaid(mount).unwrap_or_default(),
    }
}

/// What a row can't say of a mount, as after `--mount`.
fn unsaid(mount: &ContainerMount) -> Option<String> {
    let bare = ContainerMount { spelled: None, ..mount.clone() };
    let (option, words) = mounted(&bare);
    let named = mount.volume().is_some_and(|volume| volume.anonymous && volume.name.is_some());
    (option == "--mount" || named).then_some(words)
}

/// Fills in what rows say for the eye only.
pub fn remember(rows: &mut [MountRow], before: &[ContainerMount]) {
    for one in rows {
        let from = before.iter().find(|mount| !one.kept.is_empty() && mount.target == one.kept);
        one.more = from.filter(|from| row(from).source == one.source).and_then(unsaid).unwrap_or_default();
    }
}

/// The mounts; what a row took over from one of `before` stays as it was there, but for what was changed in the row.
pub fn mounts(rows: &[MountRow], before: &[ContainerMount], complaints: &mut Complaints) -> Vec<ContainerMount> {
    let mut mounts = Vec::new();
    for (at, one) in rows.iter().enumerate().filter(|(_, row)| !row.is_empty()) {
        let mut wrong = |why| complaints.say(format!("ms{at}"), "nav-volumes", why);
        let from = before.iter().find(|mount| !one.kept.is_empty() && mount.target == one.kept);
        let from = from.filter(|from| row(from).source == one.source);
        if let Some(same) = from.filter(|from| from.target == one.target && from.read_only == one.read_only) {
            mounts.push(same.clone());
            continue;
        }
        if !one.target.starts_with('/') || one.target.trim_matches('/').is_empty() || one.target.contains(':') {
            wrong("launch-mount-target-wrong");
            continue;
        }
        if let Some(from) = from {
            let (target, read_only) = (one.target.clone(), one.read_only);
            mounts.push(ContainerMount { target, read_only, spelled: None, ..from.clone() });
            continue;
        }
        let source = if one.source.starts_with('/') {
            MountFrom::Bind(BindMount {
                path: one.source.clone(),
                create: true,
                recursive: true,
                ..BindMount::default()
            })
        } else {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            if !one.source.is_empty() && (one.source.len() < 2 || !one.source.bytes().all(plain)) {
                wrong("launch-mount-source-wrong");
                continue;
            }
            let name = Some(one.source.clone()).filter(|name| !name.is_empty());
            MountFrom::Volume(VolumeMount { name, copy: true, ..VolumeMount::default() })
        };
        let mut mount = ContainerMount { target: one.target.clone(), source, read_only: one.read_only, spelled: None };
        if !one.source.is_empty()
            && let ("-v", spelled) = mounted(&mount)
        {
            mount.spelled = Some(spelled);
        }
        mounts.push(mount);
    }
    mounts
}

/// `--tmpfs` lines: a path, and after a colon options.
pub fn tmpfs(text: &str, complaints: &mut Complaints) -> BTreeMap<String, String> {
    let path = |line: &str| {
        let (path, options) = line.split_once(':').unwrap_or((line, ""));
        (path.starts_with('/') && path.len() > 1).then(|| (path.to_owned(), options.to_owned()))
    };
    complaints.read_lines(("tm", "launch-tmpfs", "launch-tmpfs-wrong"), text, path).into_iter().collect()
}

/// As [`tmpfs`] reads it.
pub fn tmpfs_lines(tmpfs: &BTreeMap<String, String>) -> String {
    let line = |(path, options): (&String, &String)| {
        if options.is_empty() { path.clone() } else { format!("{path}:{options}") }
    };
    tmpfs.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What a form that mounts nothing has.
pub fn mounts_line(rows: &[MountRow], tmpfs: &str) -> String {
    let targets = rows.iter().map(|row| row.target.as_str()).filter(|target| !target.is_empty());
    targets.chain(lines(tmpfs)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use runtime::request::TmpfsMount;

    use super::*;
    use crate::i18n::Texts;

    fn made(rows: &[MountRow], before: &[ContainerMount]) -> (Vec<ContainerMount>, Vec<String>) {
        let mut complaints = Complaints::new(Texts::default());
        let made = mounts(rows, before, &mut complaints);
        (made, complaints.wrong.into_iter().map(|wrong| wrong.field).collect())
    }

    #[test]
    fn rows_become_mounts_and_come_back() {
        let fields = Fields::parse(
            b"mount_source=data&mount_target=%2Fdata&mount_mode=rw&mount_source=%2Fsrv&mount_target=%2Fsrv&mount_mode=ro\
              &mount_source=&mount_target=%2Fnew&mount_mode=rw&mount_source=&mount_target=&mount_mode=rw&add=mount",
        );
        let rows = read(&fields);
        assert_eq!(rows.len(), 5);
        let (made, _) = made(&rows, &[]);
        assert_eq!(made.len(), 3);
        assert!(made[0].volume().is_some_and(|volume| volume.copy && volume.name.as_deref() == Some("data")));
        assert!(made[1].read_only && made[1].bind().is_some_and(|bind| bind.path == "/srv" && bind.create));
        assert_eq!((made[1].spelled.as_deref(), made[2].spelled.as_deref()), (Some("/srv:/srv:ro"), None));
        let again: Vec<_> = like(&made).into_iter().map(|row| (row.source, row.target, row.read_only)).collect();
        let rows: Vec<_> = rows.into_iter().take(3).map(|row| (row.source, row.target, row.read_only)).collect();
        assert_eq!(again, rows);
    }

    #[test]
    fn what_a_row_can_t_say_stays_until_its_source_is_changed() {
        let volume = VolumeMount {
            name: Some("data".into()),
            subpath: "a".into(),
            labels: [("k".to_owned(), "v".to_owned())].into(),
            ..VolumeMount::default()
        };
        let memory = TmpfsMount { size_bytes: Some(9), mode: Some(0o700), exec: true };
        let anonymous = VolumeMount { name: Some("0f".into()), anonymous: true, copy: true, ..VolumeMount::default() };
        let mount =
            |target: &str, source| ContainerMount { target: target.into(), source, read_only: false, spelled: None };
        let before = [
            mount("/a", MountFrom::Volume(volume)),
            mount("/b", MountFrom::Tmpfs(memory)),
            mount("/c", MountFrom::Volume(anonymous)),
        ];
        let mut rows = like(&before);
        assert!(rows.iter().all(|row| !row.more.is_empty()), "{rows:?}");
        assert_eq!(made(&rows, &before), (before.to_vec(), vec![]));
        (rows[1].target, rows[2].read_only) = ("/elsewhere".into(), true);
        rows[0].source = "other".into();
        let (changed, _) = made(&rows, &before);
        assert!(changed[0].volume().is_some_and(|volume| volume.subpath.is_empty() && volume.copy));
        assert_eq!((&changed[1].source, changed[1].target.as_str()), (&before[1].source, "/elsewhere"));
        assert!(changed[2].read_only && changed[2].volume().is_some_and(|volume| volume.anonymous));
    }

    #[test]
    fn wrong_rows_are_named() {
        let row = |source: &str, target: &str| MountRow {
            source: source.into(),
            target: target.into(),
            ..MountRow::default()
        };
        let rows = [row("data", "data"), row("a b", "/x"), row("", "/"), row("ok", "/ok")];
        assert_eq!(made(&rows, &[]).1, ["ms0", "ms1", "ms2"]);
        let mut complaints = Complaints::new(Texts::default());
        let lines = "/run\n/tmp:size=1m";
        assert_eq!(tmpfs_lines(&tmpfs(lines, &mut complaints)), lines);
        assert_eq!(tmpfs("run", &mut complaints).len() + complaints.wrong.len(), 1);
    }
}
