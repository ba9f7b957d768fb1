//! Samples of what pages show that belong to no page alone.

use runtime::{
    build::cache::Kept,
    view::{Change, ChangeKind, HostCheck, HostInfo, LayerStep, Verdict},
};

use super::super::containers::samples::now;
use crate::{
    auth::actor::TeamRole,
    ops::{
        operation::{OperationRow, Snapshot, Step, View},
        people::{Person, UserRow},
        teams::{MemberRow, TeamRow},
        usage::Sample,
        users::Preferences,
    },
};

pub(super) fn operation(id: i64, state: &str) -> View {
    let progress = Snapshot {
        layers: vec![
            LayerStep::Complete,
            LayerStep::Extracting { current: 40_000_000, total: 61_000_000 },
            LayerStep::Downloading { current: 61_000_000, total: 148_000_000 },
            LayerStep::Waiting,
        ]
        .into_iter()
        .zip(0_u8..)
        .map(|(step, n)| (runtime::digest::Digest::of(&[n]), Step::Pull(step)))
        .collect(),
        steps: None,
    };
    View {
        row: OperationRow {
            id,
            kind: "pull".into(),
            thing: "grafana/grafana:11.3.0".into(),
            actor: "ana.ruiz".into(),
            state: state.into(),
            message: if state == "failed" { "manifest unknown".into() } else { String::new() },
            began_at: now().as_microsecond() - 8_000_000,
            ended_at: (state != "running").then(|| now().as_microsecond()),
        },
        progress: (state == "running").then_some(progress),
    }
}

pub(super) fn host() -> HostInfo {
    HostInfo {
        hostname: "muelle-01".into(),
        kernel: "6.1.0-28-amd64".into(),
        operating_system: "Debian GNU/Linux 12 (bookworm)".into(),
        machine: "x86_64".into(),
        architecture: "amd64",
        cpus: 8,
        memory_bytes: 16 << 30,
        cgroup_version: 2,
        mapped_users: true,
        seccomp: true,
        data_root: "/var/lib/darsena".into(),
        engine_id: "x".into(),
        registry_mirrors: Vec::new(),
        insecure_registries: Vec::new(),
        disk_bytes: (29_000_000_000, 200_000_000_000),
        checks: vec![HostCheck {
            name: "ip_forward",
            verdict: Verdict::Limited,
            found: "IPv4 forwarding is off.".into(),
            remedy: "It is switched on when the first container is started.".into(),
        }],
    }
}

pub(super) fn kept() -> Vec<Kept> {
    let one = |description: &str, size_bytes, is_mount| Kept {
        key: runtime::digest::Digest::of(description.as_bytes()),
        is_mount,
        description: description.into(),
        size_bytes,
        made_at: now(),
        used_at: now(),
        uses: 3,
        in_use: is_mount,
    };
    vec![one("RUN cargo build --release <b>", 812_000_000, false), one("/root/.cargo", 91_000_000, true)]
}

/// A team.
pub(super) fn team(name: &str) -> TeamRow {
    TeamRow { id: 1, name: name.to_owned(), created_at: now().as_microsecond(), members: 2 }
}

/// Somebody in a team.
pub(super) fn member(user: &str, role: TeamRole) -> MemberRow {
    MemberRow { user: user.to_owned(), role }
}

/// Somebody; `ana.ruiz` administers.
pub(super) fn person(name: &str) -> Person {
    let made = now().as_microsecond() - 4_000_000_000_000;
    let is_administrator = name == "ana.ruiz";
    let row = UserRow {
        id: 1,
        name: name.to_owned(),
        password_hash: String::new(),
        is_administrator,
        suspended_at: (!is_administrator).then_some(made),
        preferences: Preferences::default(),
        created_at: made,
        password_changed_at: made,
    };
    Person {
        row,
        teams: [("datalab".to_owned(), TeamRole::Viewer), ("shop".to_owned(), TeamRole::Lead)].into(),
        seen_at: is_administrator.then(|| now().as_microsecond()),
    }
}

/// A day with a pause in it.
pub(super) fn day_of_use() -> Vec<Sample> {
    let until = now().as_second();
    let times = (0..700).filter(|at| !(200..300).contains(at));
    let one = |at: i64| Sample {
        at: until - 86_000 + at * 120,
        cpu_milli_percent: 20_000 + 19_000 * (at % 60) / 60,
        memory_bytes: (300 << 20) + at * 100_000,
        pids: 11,
        rx_bytes: 90_000,
        ..Sample::default()
    };
    times.map(one).collect()
}

pub(super) fn changes() -> Vec<Change> {
    let one = |kind, path: &str| Change { kind, path: path.into() };
    vec![
        one(ChangeKind::Modified, "/etc"),
        one(ChangeKind::Deleted, "/etc/<hosts>"),
        one(ChangeKind::Added, "/var/lib/app/data/a-rather-long-name-of-a-file-that-was-written-by-the-program.db"),
    ]
}
