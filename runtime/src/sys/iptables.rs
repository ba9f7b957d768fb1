//! The legacy packet filter (x_tables), as far as asking for a policy goes. Its rules are not those of nf_tables, which
//! therefore doesn't tell them.

#![allow(unsafe_code)]

use std::{fs, io, os::fd::AsRawFd as _};

use nix::{
    libc,
    sys::socket::{AddressFamily, SockFlag, SockType, socket},
};

const TABLE: &[u8] = b"filter";
const NAME_LEN: usize = 32;
const GET_INFO: i32 = 64;
const GET_ENTRIES: i32 = 65;
/// Name, valid hooks, five first entries, five policies, number and size of the entries.
const INFO_LEN: usize = NAME_LEN + 13 * 4;
/// Name and size, up to where entries are aligned.
const ENTRIES_HEAD: usize = 40;
/// `NF_INET_FORWARD`.
const FORWARD: usize = 2;
/// Behind a target's head: size, name, revision.
const VERDICT: usize = 32;
/// `-NF_DROP - 1`.
const DROP: i32 = -1;

/// Whether the policy of the chain FORWARD of the legacy table `filter` is to drop, of IPv6 or IPv4, in the calling thread's
/// network namespace. A table that nobody has used is not made by asking.
pub fn drops_forwarded(v6: bool) -> io::Result<bool> {
    let names = if v6 { "ip6_tables_names" } else { "ip_tables_names" };
    let known = fs::read_to_string(format!("/proc/thread-self/net/{names}")).unwrap_or_default();
    if !known.lines().any(|name| name.as_bytes() == TABLE) {
        return Ok(false);
    }
    // Where an entry says how far behind it its target is.
    let (family, level, target_offset) =
        if v6 { (AddressFamily::Inet6, libc::SOL_IPV6, 140) } else { (AddressFamily::Inet, libc::SOL_IP, 88) };
    let fd = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    let ask = |option: i32, buffer: &mut Vec<u8>| {
        let mut len = buffer.len() as libc::socklen_t;
        // SAFETY: the buffer is writable for the length that is given, and the kernel writes no more than that.
        let asked =
            unsafe { libc::getsockopt(fd.as_raw_fd(), level, option, buffer.as_mut_ptr().cast(), &raw mut len) };
        if asked == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    let mut info = named(INFO_LEN);
    ask(GET_INFO, &mut info)?;
    let word = |at: usize| number(&info, NAME_LEN + 4 * at).map(|word| word as usize);
    let (Some(policy), Some(size)) = (word(6 + FORWARD), word(12)) else { return Ok(false) };
    let mut entries = named(ENTRIES_HEAD + size);
    entries[NAME_LEN..NAME_LEN + 4].copy_from_slice(&(size as u32).to_ne_bytes());
    // The table changed between the two: EAGAIN, which says nothing of it.
    ask(GET_ENTRIES, &mut entries)?;
    Ok(verdict(&entries[ENTRIES_HEAD..], policy, target_offset) == Some(DROP))
}

fn named(len: usize) -> Vec<u8> {
    let mut buffer = vec![0; len];
    buffer[..TABLE.len()].copy_from_slice(TABLE);
    buffer
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// What the entry at `at` decides.
fn verdict(entries: &[u8], at: usize, target_offset: usize) -> Option<i32> {
    let offset: [u8; 2] = entries.get(at + target_offset..at + target_offset + 2)?.try_into().ok()?;
    let target = at + usize::from(u16::from_ne_bytes(offset));
    number(entries, target + VERDICT).map(|word| word as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_short_decides_nothing() {
        let mut entry = vec![0; 112 + 40];
        entry[88..90].copy_from_slice(&112_u16.to_ne_bytes());
        entry[112 + VERDICT..112 + VERDICT + 4].copy_from_slice(&DROP.to_ne_bytes());
        assert_eq!(verdict(&entry, 0, 88), Some(DROP));
        for len in 0..112 + VERDICT + 4 {
            assert_eq!(verdict(&entry[..len], 0, 88), None, "{len}");
        }
        assert_eq!(verdict(&entry, 1000, 88), None);
    }
}
