//! Resource limits: names, and clamping to what the host allows.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::failure::{Result, Stage, refuse};
use crate::spec::ProcessLimit;

fn resource(name: &str) -> Option<Resource> {
    Some(match name {
        "as" => Resource::RLIMIT_AS,
        "core" => Resource::RLIMIT_CORE,
        "cpu" => Resource::RLIMIT_CPU,
        "data" => Resource::RLIMIT_DATA,
        "fsize" => Resource::RLIMIT_FSIZE,
        "locks" => Resource::RLIMIT_LOCKS,
        "memlock" => Resource::RLIMIT_MEMLOCK,
        "msgqueue" => Resource::RLIMIT_MSGQUEUE,
        "nice" => Resource::RLIMIT_NICE,
        "nofile" => Resource::RLIMIT_NOFILE,
        "nproc" => Resource::RLIMIT_NPROC,
        "rss" => Resource::RLIMIT_RSS,
        "rtprio" => Resource::RLIMIT_RTPRIO,
        "rttime" => Resource::RLIMIT_RTTIME,
        "sigpending" => Resource::RLIMIT_SIGPENDING,
        "stack" => Resource::RLIMIT_STACK,
        _ => return None,
    })
}

/// In the monitor, with the host's privileges: raises hard limits as far as wanted and allowed, to be inherited.
pub fn raise(limits: &[ProcessLimit]) {
    for limit in limits {
        if let Some(resource) = resource(&limit.name)
            && let Ok((soft, hard)) = getrlimit(resource)
            && limit.hard > hard
        {
            // Refused without CAP_SYS_RESOURCE; `apply` then clamps and says so.
            let _ = setrlimit(resource, soft, limit.hard);
        }
    }
}

/// In the container: sets the limits, clamped to the present hard ones. Returns what was clamped, in words.
pub fn apply(limits: &[ProcessLimit]) -> Result<Vec<String>> {
    let mut clamped = Vec::new();
    for limit in limits {
        let stage = format!("rlimit {}", limit.name);
        let Some(resource) = resource(&limit.name) else {
            return Err(refuse(&stage, format_args!("invalid ulimit type: {}", limit.name)));
        };
        let (_, most) = getrlimit(resource).stage(&stage)?;
        let (hard, soft) = (limit.hard.min(most), limit.soft.min(limit.hard).min(most));
        if hard < limit.hard {
            clamped.push(format!("ulimit {}: the host allows {most} at most", limit.name));
        }
        setrlimit(resource, soft, hard).stage(&stage)?;
    }
    Ok(clamped)
}
