//! `RUN --mount`.

use super::{ExpandError, lex::parse_bool, suggest, words::quoted};

const KINDS: [(&str, MountKind); 5] = [
    ("bind", MountKind::Bind),
    ("cache", MountKind::Cache),
    ("tmpfs", MountKind::Tmpfs),
    ("secret", MountKind::Secret),
    ("ssh", MountKind::Ssh),
];
const SHARINGS: [(&str, Sharing); 3] =
    [("shared", Sharing::Shared), ("private", Sharing::Private), ("locked", Sharing::Locked)];
const KEYS: [&str; 18] = [
    "type",
    "from",
    "source",
    "src",
    "target",
    "dst",
    "destination",
    "readonly",
    "ro",
    "readwrite",
    "rw",
    "id",
    "sharing",
    "required",
    "mode",
    "uid",
    "gid",
    "size",
];

/// A `--mount` as written; its values may hold variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountSpec {
    text: String,
    from: Option<String>,
}

/// What a `--mount` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    /// `type`.
    pub kind: MountKind,
    /// `from`: stage, number or image; the context if not said.
    pub from: Option<String>,
    /// `source`.
    pub source: Option<String>,
    /// `target`.
    pub target: Option<String>,
    /// Not writable. Binds, secrets and sockets are not unless it is said; caches and tmpfs are.
    pub read_only: bool,
    /// `id`.
    pub id: Option<String>,
    /// `sharing` of a cache.
    pub sharing: Sharing,
    /// The build fails without the secret or the agent.
    pub required: bool,
    /// `mode`.
    pub mode: Option<u32>,
    /// `uid`.
    pub uid: Option<u32>,
    /// `gid`.
    pub gid: Option<u32>,
    /// `size` of a tmpfs, in bytes; 0 is no limit.
    pub size: u64,
    /// `env`: the variable to put the secret in; without `target` it is no file then.
    pub env: Option<String>,
}

/// Kinds of mounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MountKind {
    /// From the context, a stage or an image.
    #[default]
    Bind,
    /// A folder kept between builds.
    Cache,
    /// Memory.
    Tmpfs,
    /// A secret of the build.
    Secret,
    /// The socket of an ssh agent.
    Ssh,
}

impl MountKind {
    /// As it is written.
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("bind", |(name, _)| name)
    }
}

/// Who may use a cache at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// Everyone.
    #[default]
    Shared,
    /// One; others get another folder.
    Private,
    /// One; others wait.
    Locked,
}

impl MountSpec {
    /// Checks what can be checked before variables are known.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut from = None;
        for field in csv(text)? {
            if let Some((key, value)) = field.split_once('=')
                && key.eq_ignore_ascii_case("from")
            {
                no_variables(value)?;
                from = Some(value.to_owned()).filter(|from| !from.is_empty());
            }
        }
        if !text.contains('$') {
            read(text, |value| Ok(value.to_owned()))?;
        }
        Ok(Self { text: text.to_owned(), from })
    }

    /// The text after `--mount=`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Stage, number or image it takes from.
    pub fn from(&self) -> Option<&str> {
        self.from.as_deref()
    }

    /// The mount, its values expanded by `expand`.
    pub fn resolve(&self, expand: impl Fn(&str) -> Result<String, ExpandError>) -> Result<Mount, String> {
        read(&self.text, |value| expand(value).map_err(|error| error.to_string()))
    }
}

/// Refuses variables where a stage is named.
pub(super) fn no_variables(from: &str) -> Result<(), String> {
    match from.find('$') {
        Some(at) if at + 1 < from.len() => {
            Err("'from' doesn't support variable expansion, define alias stage instead".to_owned())
        }
        _ => Ok(()),
    }
}

fn read(text: &str, expand: impl Fn(&str) -> Result<String, String>) -> Result<Mount, String> {
    let mut mount = Mount::default();
    let (mut read_only, mut sharing) = (None, None);
    for field in csv(text)? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_lowercase(), Some(value)),
            None => (field.to_lowercase(), None),
        };
        let value = match value {
            Some(value) if key == "from" => value.to_owned(),
            Some(value) => expand(value)?,
            None if matches!(key.as_str(), "readonly" | "ro" | "readwrite" | "rw" | "required") => "true".to_owned(),
            None => return Err(format!("invalid field '{field}' must be a key=value pair")),
        };
        let truth = || parse_bool(&value).ok_or_else(|| format!("invalid value for {key}: {value}"));
        let only_for = |kinds: &[MountKind]| {
            if kinds.contains(&mount.kind) {
                return Ok(());
            }
            Err(format!("unexpected key '{key}' for mount type '{}'", mount.kind.name()))
        };
        let id_number = || value.parse().map_err(|_| format!("invalid value {value} for {key}"));
        let text = || Some(value.clone()).filter(|value| !value.is_empty());
        match key.as_str() {
            "type" => mount.kind = named(&KINDS, &value, "unsupported mount type")?,
            "from" => mount.from = text(),
            "source" | "src" => mount.source = text(),
            "target" | "dst" | "destination" => mount.target = text(),
            "readonly" | "ro" => read_only = Some(truth()?),
            "readwrite" | "rw" => read_only = Some(!truth()?),
            "required" => {
                only_for(&[MountKind::Secret, MountKind::Ssh])?;
                mount.required = truth()?;
            }
            "size" => {
                only_for(&[MountKind::Tmpfs])?;
                mount.size = bytes(&value).ok_or_else(|| format!("invalid value for size: {value}"))?;
            }
            "env" => {
                only_for(&[MountKind::Secret])?;
                mount.env = text();
            }
            "id" => mount.id = text(),
            "sharing" => sharing = Some(named(&SHARINGS, &value, "unsupported sharing value")?),
            "mode" => {
                let mode = u32::from_str_radix(&value, 8).ok().filter(|_| !value.starts_with('+'));
                mount.mode = Some(mode.ok_or_else(|| format!("invalid value {value} for mode"))?);
            }
            "uid" => mount.uid = Some(id_number()?),
            "gid" => mount.gid = Some(id_number()?),
            _ => {
                let near = suggest::suffix(&key, KEYS);
                return Err(format!("unexpected key '{key}' in '{field}'{near}"));
            }
        }
    }
    mount.read_only = read_only.unwrap_or(!matches!(mount.kind, MountKind::Cache | MountKind::Tmpfs));
    mount.sharing = sharing.unwrap_or_default();
    check(&mount, sharing.is_some())?;
    Ok(mount)
}

fn check(mount: &Mount, sharing: bool) -> Result<(), String> {
    let name = mount.kind.name();
    if matches!(mount.kind, MountKind::Bind | MountKind::Tmpfs) {
        for (key, given) in [("mode", mount.mode), ("uid", mount.uid), ("gid", mount.gid)] {
            if given.is_some() {
                return Err(format!("{key} not allowed for {} type mounts", quoted(name)));
            }
        }
    }
    if mount.kind == MountKind::Secret {
        if mount.from.is_some() {
            return Err("secret mount should not have a from".to_owned());
        }
        if sharing {
            return Err("secret mount should not define sharing".to_owned());
        }
        if mount.source.is_none() && mount.target.is_none() && mount.id.is_none() && mount.env.is_none() {
            return Err("invalid secret mount. one of source, target required".to_owned());
        }
        if mount.source.is_some() && mount.id.is_some() {
            return Err("both source and id can't be set".to_owned());
        }
    }
    if sharing && mount.kind != MountKind::Cache {
        return Err(format!("invalid cache sharing set for {name} mount"));
    }
    let file = matches!(mount.kind, MountKind::Bind | MountKind::Cache | MountKind::Tmpfs);
    if file && mount.target.is_none() {
        return Err(format!("{name} mount needs a target"));
    }
    Ok(())
}

fn named<T: Copy>(options: &[(&'static str, T)], value: &str, message: &str) -> Result<T, String> {
    let found = options.iter().find(|(name, _)| value.eq_ignore_ascii_case(name));
    found.map(|(_, found)| *found).ok_or_else(|| {
        let near = suggest::suffix(value, options.iter().map(|(name, _)| *name));
        format!("{message} {}{near}", quoted(value))
    })
}

/// A size: `64m`, `1.5 GiB`, `1024`.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_lowercase();
    let end = text.find(|char: char| !(char.is_ascii_digit() || char == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let power = match unit.trim() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => return None,
    };
    let scale = 1_u64 << (10 * power);
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(scale);
    }
    let bytes = number.parse::<f64>().ok()? * scale as f64;
    (bytes.is_finite() && bytes < i64::MAX as f64).then_some(bytes as u64)
}

/// Fields between commas; a field in double quotes may hold commas, and quotes doubled.
fn csv(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let mut field = String::new();
        if let Some(mut inner) = rest.strip_prefix('"') {
            loop {
                let unclosed = || "failed to parse csv mounts: a quote is not closed".to_owned();
                let at = inner.find('"').ok_or_else(unclosed)?;
                field.push_str(&inner[..at]);
                inner = &inner[at + 1..];
                let Some(after) = inner.strip_prefix('"') else { break };
                field.push('"');
                inner = after;
            }
            rest = inner;
            if !(rest.is_empty() || rest.starts_with(',')) {
                return Err("failed to parse csv mounts: text after a closing quote".to_owned());
            }
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            if rest[..end].contains('"') {
                return Err("failed to parse csv mounts: a quote within a field".to_owned());
            }
            field.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        fields.push(field);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

#[cfg(test)]
#[path = "mount_tests.rs"]
mod tests;
