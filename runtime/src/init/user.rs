//! Who the process is: `user[:group]` looked up in the container's own passwd and group files.
//!
//! The files are data of the image: read with a size cap, parsed line by line, nonsense skipped. No NSS.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::AsFd,
};

use super::failure::{Result, Stage, refuse};
use crate::sys::open;

const MAX_FILE: u64 = 4 << 20;
const MAX_ID: u32 = 0x7fff_ffff;

/// Resolved ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Home folder from the passwd file, or `/`.
    pub home: String,
}

struct PasswdLine<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

struct GroupLine<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

fn passwd(text: &str) -> impl Iterator<Item = PasswdLine<'_>> {
    text.lines().filter_map(|line| {
        let fields: Vec<&str> = line.trim_end().split(':').collect();
        let [name, _, uid, gid, _, home, ..] = fields[..] else { return None };
        Some(PasswdLine { name, uid: uid.parse().ok()?, gid: gid.parse().ok()?, home })
    })
}

fn groups(text: &str) -> impl Iterator<Item = GroupLine<'_>> {
    text.lines().filter_map(|line| {
        let fields: Vec<&str> = line.trim_end().split(':').collect();
        let [name, _, gid, members, ..] = fields[..] else { return None };
        Some(GroupLine { name, gid: gid.parse().ok()?, members })
    })
}

/// A number of digits only; `Err` when it is one that can't be an id.
fn numeric(text: &str) -> Result<Option<u32>> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse() {
        Ok(id) if id <= MAX_ID => Ok(Some(id)),
        _ => Err(refuse("user", "uids and gids must be in range 0-2147483647")),
    }
}

fn group_id(name: &str, file: &str) -> Result<u32> {
    match groups(file).find(|line| line.name == name) {
        Some(line) if line.gid <= MAX_ID => Ok(line.gid),
        Some(_) => Err(refuse("user", "uids and gids must be in range 0-2147483647")),
        None => numeric(name)?.ok_or_else(|| {
            refuse("user", format_args!("unable to find group {name}: no matching entries in group file"))
        }),
    }
}

/// Resolves a user against the text of both files.
pub fn resolve(user: &str, group_add: &[String], passwd_file: &str, group_file: &str) -> Result<Identity> {
    let (name, group) = user.split_once(':').map_or((user, ""), |(name, group)| (name, group));
    let name = if name.is_empty() { "0" } else { name };
    let number = numeric(name)?;
    let line = passwd(passwd_file).find(|line| line.name == name);
    let line = line.or_else(|| number.and_then(|uid| passwd(passwd_file).find(|line| line.uid == uid)));
    let (uid, gid, home) = match (&line, number) {
        (Some(line), _) => (line.uid, line.gid, line.home),
        (None, Some(uid)) => (uid, 0, "/"),
        (None, None) => {
            let text = format_args!("unable to find user {name}: no matching entries in passwd file");
            return Err(refuse("user", text));
        }
    };
    let mut identity =
        Identity { uid, gid, groups: Vec::new(), home: if home.is_empty() { "/" } else { home }.to_owned() };
    if group.is_empty() {
        if let Some(line) = &line {
            let member = |group: &GroupLine<'_>| group.members.split(',').any(|member| member == line.name);
            identity.groups = groups(group_file).filter(member).map(|group| group.gid).collect();
        }
    } else {
        identity.gid = group_id(group, group_file)?;
    }
    for name in group_add {
        identity.groups.push(group_id(name, group_file)?);
    }
    // Docker lists the primary group as well, so that dropping it later is noticed.
    identity.groups.push(identity.gid);
    identity.groups.sort_unstable();
    identity.groups.dedup();
    if identity.uid > MAX_ID || identity.groups.iter().any(|gid| *gid > MAX_ID) {
        return Err(refuse("user", "uids and gids must be in range 0-2147483647"));
    }
    Ok(identity)
}

fn read(root: impl AsFd, path: &str) -> io::Result<String> {
    let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = match open::openat2(root, path, flags, 0, open::IN_ROOT | open::NO_MAGICLINKS) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => return Ok(String::new()),
        file => File::from(file?),
    };
    let mut bytes = Vec::new();
    if file.metadata()?.is_file() {
        file.take(MAX_FILE).read_to_end(&mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Owner and group for files, from `user[:group]` by name or number, in the root file system behind a handle. Without a
/// group it is the user's own for a name, and the same number for a number.
///
/// # Errors
/// In Docker's words when there is no such user or group.
pub fn owner_in(root: impl AsFd, owner: &str) -> Result<(u32, u32)> {
    let (user, group) = owner.split_once(':').map_or((owner, None), |(user, group)| (user, Some(group)));
    if let (Some(uid), None) = (numeric(user)?, group) {
        return Ok((uid, uid));
    }
    let found = resolve_in(root, owner, &[])?;
    // A number is meant as one, even where the image has a user of that name.
    Ok((numeric(user)?.unwrap_or(found.uid), found.gid))
}

/// Resolves a user in the root file system behind a handle.
pub fn resolve_in(root: impl AsFd, user: &str, group_add: &[String]) -> Result<Identity> {
    let passwd_file = read(&root, "etc/passwd").stage("read /etc/passwd")?;
    let group_file = read(&root, "etc/group").stage("read /etc/group")?;
    resolve(user, group_add, &passwd_file, &group_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:33:33::/var/www:/bin/sh\n1000:x:7:8::/n:/x\n";
    const GROUP: &str = "root:x:0:\nwww:x:33:\nlog:x:4:web,root\nextra:x:50:web\n";

    fn ids(user: &str, add: &[&str]) -> (u32, u32, Vec<u32>, String) {
        let add: Vec<String> = add.iter().map(ToString::to_string).collect();
        let found = resolve(user, &add, PASSWD, GROUP).unwrap();
        (found.uid, found.gid, found.groups, found.home)
    }

    #[test]
    fn users_and_groups_are_found_by_name_and_number() {
        assert_eq!(ids("", &[]), (0, 0, vec![0, 4], "/root".into()));
        assert_eq!(ids("web", &[]), (33, 33, vec![4, 33, 50], "/var/www".into()));
        assert_eq!(ids("33", &[]), (33, 33, vec![4, 33, 50], "/var/www".into()));
        assert_eq!(ids("web:log", &[]), (33, 4, vec![4], "/var/www".into()));
        assert_eq!(ids("4242:77", &["extra", "9"]), (4242, 77, vec![9, 50, 77], "/".into()));
        assert_eq!(ids("1000", &[]), (7, 8, vec![8], "/n".into()));
    }

    #[test]
    fn what_is_not_there_is_refused_in_docker_s_words() {
        let text = |user: &str| resolve(user, &[], PASSWD, GROUP).unwrap_err().message;
        assert!(text("nobody").ends_with("unable to find user nobody: no matching entries in passwd file"));
        assert!(text("web:nope").ends_with("unable to find group nope: no matching entries in group file"));
        for wrong in ["4294967296", "2147483648", "0:99999999999999999999"] {
            assert!(text(wrong).ends_with("must be in range 0-2147483647"), "{wrong}");
        }
        for wrong in ["+0", "-1", "0x0", "0abc", "1000:0x0"] {
            assert!(text(wrong).contains("no matching entries"), "{wrong}");
        }
    }
}
