//! Failpoints: named places where a test lets the engine die or a step fail. Release builds contain none.
//!
//! `DARSENA_FAILPOINT="pull.layer=kill,load.record=error@2"`: at its first hit (or its second, with `@2`) the place
//! kills the process with SIGKILL, or returns EIO; once.

use std::io;

/// Every failpoint, so that tests can loop over all of them.
pub const NAMES: &[&str] = &[
    "pull.resolved",
    "pull.part",
    "pull.blob",
    "pull.layer",
    "pull.record",
    "push.blob",
    "push.record",
    "push.manifest",
    "push.names",
    "load.staged",
    "load.layer",
    "load.record",
    "rmi.untag",
    "rmi.record",
    "rmi.layers",
    "build.context",
    "build.layer",
    "build.record",
    "import.layer",
    "commit.frozen",
    "commit.layer",
    "made.record",
    "prune.image",
    "serve.upload",
    "serve.linked",
    "serve.layer",
    "serve.documents",
    "serve.image",
    "serve.unnamed",
    "serve.removed",
    "create.folder",
    "create.record",
    "volume.staged",
    "volume.record",
    "volume.found",
    "volume.removed",
    "mounts.intended",
    "mounts.made",
    "mounts.filled",
    "start.prepared",
    "start.cgroup",
    "start.launched",
    "start.network",
    "start.go",
    "network.staged",
    "network.bridge",
    "network.firewall",
    "network.withdrawn",
    "network.unlinked",
    "connect.plugged",
    "connect.noted",
    "disconnect.noted",
    "step.folder",
    "step.started",
    "step.ended",
    "stop.signalled",
    "remove.released",
    "remove.renamed",
    "monitor.cloned",
    "monitor.go",
    "monitor.exec",
    "monitor.exit_before_file",
    "monitor.exit_after_file",
    "pause.frozen",
    "unpause.noted",
    "rename.record",
    "update.record",
    "update.kernel",
    "prune_containers.one",
    "again.due",
    "monitor.exec_cloned",
    "monitor.exec_started",
    "exec.asked",
    "exec.started",
    "copy.rooted",
    "copy.written",
    "replace.intended",
    "replace.created",
    "replace.stopped",
    "replace.aside",
    "replace.named",
    "replace.started",
    "replace.kept",
];

/// Every failpoint of this build; none in release builds.
pub fn names() -> &'static [&'static str] {
    if cfg!(any(debug_assertions, feature = "failpoints")) { NAMES } else { &[] }
}

/// A place where tests may let the engine die or fail.
#[cfg(not(any(debug_assertions, feature = "failpoints")))]
#[inline(always)]
#[allow(clippy::inline_always, clippy::unnecessary_wraps)]
pub fn point(_name: &str) -> io::Result<()> {
    Ok(())
}

/// A place where tests may let the engine die or fail.
#[cfg(any(debug_assertions, feature = "failpoints"))]
pub fn point(name: &str) -> io::Result<()> {
    use std::sync::{Mutex, OnceLock};
    static PLAN: OnceLock<Mutex<Plan>> = OnceLock::new();

    debug_assert!(NAMES.contains(&name), "failpoint {name} is not in fault::NAMES");
    let plan = PLAN.get_or_init(|| Mutex::new(Plan::parse(&std::env::var("DARSENA_FAILPOINT").unwrap_or_default())));
    let action = plan.lock().unwrap_or_else(std::sync::PoisonError::into_inner).hit(name);
    match action {
        None => Ok(()),
        Some(Action::Error) => Err(io::Error::from_raw_os_error(libc::EIO)),
        Some(Action::Kill) => {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
            loop {
                std::thread::park();
            }
        }
    }
}

#[cfg(any(debug_assertions, feature = "failpoints"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Kill,
    Error,
}

/// What is armed: name, action, hits still to let pass.
#[cfg(any(debug_assertions, feature = "failpoints"))]
#[derive(Debug, Default)]
struct Plan(Vec<(String, Action, u32)>);

#[cfg(any(debug_assertions, feature = "failpoints"))]
impl Plan {
    fn parse(text: &str) -> Self {
        let armed = text.split(',').filter_map(|part| {
            let (name, action) = part.trim().split_once('=')?;
            let (action, hit) = action.split_once('@').unwrap_or((action, "1"));
            let action = match action {
                "kill" => Action::Kill,
                "error" => Action::Error,
                _ => return None,
            };
            Some((name.to_owned(), action, hit.parse::<u32>().ok()?.saturating_sub(1)))
        });
        Self(armed.collect())
    }

    fn hit(&mut self, name: &str) -> Option<Action> {
        let index = self.0.iter().position(|(armed, ..)| armed == name)?;
        if self.0[index].2 > 0 {
            self.0[index].2 -= 1;
            return None;
        }
        Some(self.0.remove(index).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_fires_once_at_the_wanted_hit() {
        let mut plan = Plan::parse("pull.layer=kill@2, load.record=error,nonsense,rmi.untag=sing");
        assert_eq!(plan.hit("pull.layer"), None);
        assert_eq!(plan.hit("rmi.untag"), None);
        assert_eq!(plan.hit("load.record"), Some(Action::Error));
        assert_eq!(plan.hit("load.record"), None);
        assert_eq!(plan.hit("pull.layer"), Some(Action::Kill));
        assert_eq!(plan.hit("pull.layer"), None);
    }

    #[test]
    fn names_are_unique() {
        let mut names = NAMES.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), NAMES.len());
    }
}
