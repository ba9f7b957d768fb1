//! The headers of tar entries, as bytes: ustar, with a PAX header before it for what doesn't fit.
//!
//! The same entry gives the same bytes for ever; see [`super::pack`].

/// A block of a tar.
pub const BLOCK: usize = 512;
const MAX_OCTAL_7: u64 = 0o777_7777;
const MAX_OCTAL_11: u64 = 0o777_7777_7777;

/// What an entry is.
#[derive(Clone, Copy, Debug)]
pub enum Kind<'a> {
    /// So many bytes follow, filled up to a whole block.
    File(u64),
    /// A folder.
    Folder,
    /// Leads there.
    Symlink(&'a [u8]),
    /// The same file as this earlier path.
    Link(&'a [u8]),
    /// A character device: major, minor.
    Char(u64, u64),
    /// A block device: major, minor.
    Block(u64, u64),
    /// A named pipe.
    Fifo,
}

/// An entry.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// From the root, without slash at either end; empty for the root itself.
    pub path: &'a [u8],
    /// Kind.
    pub kind: Kind<'a>,
    /// Permissions, set-id bits included.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Changed at, in seconds.
    pub mtime: i64,
    /// Extended attributes, sorted by name.
    pub xattrs: &'a [(Vec<u8>, Vec<u8>)],
}

impl Header<'_> {
    /// Appends the blocks.
    pub fn encode(&self, into: &mut Vec<u8>) {
        let mut path = if self.path.is_empty() { b".".to_vec() } else { self.path.to_vec() };
        if matches!(self.kind, Kind::Folder) {
            path.push(b'/');
        }
        let (flag, link, size, device) = match self.kind {
            Kind::File(size) => (b'0', &b""[..], size, (0, 0)),
            Kind::Link(target) => (b'1', target, 0, (0, 0)),
            Kind::Symlink(target) => (b'2', target, 0, (0, 0)),
            Kind::Char(major, minor) => (b'3', &b""[..], 0, (major, minor)),
            Kind::Block(major, minor) => (b'4', &b""[..], 0, (major, minor)),
            Kind::Folder => (b'5', &b""[..], 0, (0, 0)),
            Kind::Fifo => (b'6', &b""[..], 0, (0, 0)),
        };
        let mut block = Block::new(flag);
        // Sorted by key. Capital letters come first, as in the records other programs write.
        let mut records = Records::default();
        for (name, value) in self.xattrs {
            records.add(&[b"SCHILY.xattr.", &name[..]].concat(), value);
        }
        let gid = records.number(b"gid", self.gid.into(), MAX_OCTAL_7);
        block.octal(116..124, gid);
        let split = split(&path);
        let plain = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
        if (split.is_none() && !plain(&path)) || (link.len() > 100 && !plain(link)) {
            records.add(b"hdrcharset", b"BINARY");
        }
        if link.len() > 100 {
            records.add(b"linkpath", link);
        }
        let mtime = u64::try_from(self.mtime).ok().filter(|mtime| *mtime <= MAX_OCTAL_11);
        if mtime.is_none() {
            records.add(b"mtime", self.mtime.to_string().as_bytes());
        }
        if split.is_none() {
            records.add(b"path", &path);
        }
        let size = records.number(b"size", size, MAX_OCTAL_11);
        let uid = records.number(b"uid", self.uid.into(), MAX_OCTAL_7);
        if !records.0.is_empty() {
            records.encode(into);
        }
        let (prefix, name) = split.map_or((&b""[..], &path[..path.len().min(100)]), |at| match at {
            0 => (&b""[..], &path[..]),
            at => (&path[..at], &path[at + 1..]),
        });
        block.bytes(0, name);
        block.octal(100..108, u64::from(self.mode & 0o7777));
        block.octal(108..116, uid);
        block.octal(124..136, size);
        block.octal(136..148, mtime.unwrap_or(0));
        block.bytes(157, &link[..link.len().min(100)]);
        block.octal(329..337, device.0);
        block.octal(337..345, device.1);
        block.bytes(345, prefix);
        into.extend_from_slice(&block.done());
    }
}

/// Where the path is cut into prefix (155 bytes) and name (100), 0 when it need not be; `None` when it can't.
fn split(path: &[u8]) -> Option<usize> {
    if path.len() <= 100 {
        return Some(0);
    }
    // A folder's last slash is no place to cut.
    let at = path[..(path.len() - 1).min(156)].iter().rposition(|b| *b == b'/').filter(|at| *at > 0)?;
    (1..=100).contains(&(path.len() - at - 1)).then_some(at)
}

struct Block([u8; BLOCK]);

impl Block {
    fn new(flag: u8) -> Self {
        let mut block = Self([0; BLOCK]);
        block.0[156] = flag;
        block.bytes(257, b"ustar\x0000");
        block
    }

    fn bytes(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Digits up to the field's last byte, which is NUL.
    fn octal(&mut self, field: std::ops::Range<usize>, mut number: u64) {
        for digit in self.0[field.start..field.end - 1].iter_mut().rev() {
            *digit = b'0' + (number & 7) as u8;
            number >>= 3;
        }
    }

    fn done(mut self) -> [u8; BLOCK] {
        self.bytes(148, b"        ");
        let sum: u64 = self.0.iter().map(|b| u64::from(*b)).sum();
        self.octal(148..155, sum);
        self.0[154] = 0;
        self.0
    }
}

/// PAX records.
#[derive(Default)]
struct Records(Vec<u8>);

impl Records {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        let rest = key.len() + value.len() + 3;
        let digits = |n: usize| n.to_string().len();
        let mut length = rest + digits(rest);
        if rest + digits(length) != length {
            length = rest + digits(length);
        }
        self.0.extend_from_slice(length.to_string().as_bytes());
        for part in [b" ", key, b"=", value, b"\n"] {
            self.0.extend_from_slice(part);
        }
    }

    /// What the ustar field holds: the number, or 0 when it is said here.
    fn number(&mut self, key: &[u8], number: u64, max: u64) -> u64 {
        if number <= max {
            return number;
        }
        self.add(key, number.to_string().as_bytes());
        0
    }

    fn encode(&self, into: &mut Vec<u8>) {
        let mut block = Block::new(b'x');
        block.bytes(0, b"././@PaxHeader");
        block.octal(100..108, 0o644);
        block.octal(124..136, self.0.len() as u64);
        for field in [108..116, 116..124, 136..148, 329..337, 337..345] {
            block.octal(field, 0);
        }
        into.extend_from_slice(&block.done());
        into.extend_from_slice(&self.0);
        pad(into, self.0.len() as u64);
    }
}

/// Zeros up to a whole block after so many bytes.
fn pad(into: &mut Vec<u8>, written: u64) {
    into.resize(into.len() + padding(written), 0);
}

/// How many bytes are missing to a whole block.
pub fn padding(size: u64) -> usize {
    (BLOCK - (size % BLOCK as u64) as usize) % BLOCK
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_first_format_never_changes() {
        let xattrs = [(b"security.capability".to_vec(), vec![1, 0, 0, 2, 0, 4, 0, 0])];
        let file = Header {
            path: b"usr/bin/ping",
            kind: Kind::File(5),
            mode: 0o4755,
            uid: 1000,
            gid: 5_000_000,
            mtime: -3,
            xattrs: &xattrs,
        };
        let long = "d/".repeat(90) + &"n".repeat(120);
        let folder = Header { path: long.as_bytes(), kind: Kind::Folder, mtime: 1_700_000_000, xattrs: &[], ..file };
        let node = Header { path: b"dev/x", kind: Kind::Char(511, 70_000), gid: 0, ..folder };
        let target = [b'\xff'; 130];
        let link = Header { path: b"l", kind: Kind::Symlink(&target), mode: 0o777, ..node };
        let mut bytes = Vec::new();
        for header in [file, folder, node, link] {
            header.encode(&mut bytes);
        }
        assert_eq!(bytes.len() % BLOCK, 0);
        let found = crate::digest::Digest::of(&bytes).to_string();
        assert_eq!(found, "sha256:88b6bc99bcfed9165fa20e4f1b4eae9c1b1801bbc6f6128782599baed63229ba");
    }

    #[test]
    fn records_count_their_own_length() {
        for size in 0..1100 {
            let mut records = Records::default();
            records.add(b"path", &vec![b'x'; size]);
            let digits = records.0.iter().position(|b| *b == b' ').unwrap();
            let length: usize = std::str::from_utf8(&records.0[..digits]).unwrap().parse().unwrap();
            assert_eq!(length, records.0.len());
        }
    }

    #[test]
    fn paths_are_cut_where_a_slash_allows_it() {
        assert_eq!(split(&[b'x'; 100]), Some(0));
        assert_eq!(split(&[b'x'; 101]), None);
        let cut = |a: usize, b: usize| split(&[vec![b'a'; a], vec![b'/'], vec![b'b'; b]].concat());
        assert_eq!(cut(155, 100), Some(155));
        assert_eq!((cut(156, 10), cut(155, 101)), (None, None));
        assert_eq!(cut(155, 0), None, "the name may not be empty");
        assert_eq!(split(format!("{}/{}/", "a".repeat(60), "b".repeat(60)).as_bytes()), Some(60));
    }
}
