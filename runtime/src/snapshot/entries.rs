//! Reads a tar stream entry by entry: ustar, GNU long names and sparse files, PAX records with any bytes in their values.
//!
//! Global PAX headers are entries of their own, as Docker has them. What follows the first block of zeros is left unread.

use std::io::{self, Read};

use tar::{EntryType, GnuExtSparseHeader, GnuSparseHeader, Header};

use super::header::{BLOCK, padding};

/// What is known of an entry before its content.
pub struct Head {
    /// Its header, with what PAX says of owner and group elsewhere: see [`Head::record`].
    pub header: Header,
    /// Its path as written.
    pub path: Vec<u8>,
    /// Where it links to, as written.
    pub link: Option<Vec<u8>>,
    /// Bytes of its content, holes included.
    pub size: u64,
    /// PAX records, in order.
    pub records: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Head {
    /// The last record of that key that says something.
    pub fn record(&self, key: &[u8]) -> Option<&[u8]> {
        last(&self.records, key)
    }
}

/// A tar stream. As a reader it gives the content of the entry that came last.
pub struct Entries<R> {
    from: R,
    /// Bytes of the entry that are still in the stream, and what fills them up to a block.
    left: u64,
    padding: u64,
    /// Pieces of a sparse file that are there, and where its content is at.
    pieces: Option<Vec<(u64, u64)>>,
    piece: usize,
    at: u64,
    size: u64,
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

impl<R: Read> Entries<R> {
    /// Of this stream.
    pub fn new(from: R) -> Self {
        Self { from, left: 0, padding: 0, pieces: None, piece: 0, at: 0, size: 0 }
    }

    /// Goes on behind the content of the entry that came last.
    pub fn skip(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.left).saturating_add(std::mem::take(&mut self.padding));
        let skipped = io::copy(&mut self.from.by_ref().take(rest), &mut io::sink())?;
        if skipped < rest {
            Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends within an entry"))
        } else {
            Ok(())
        }
    }

    /// The next entry, with all headers that belong to it.
    pub fn next(&mut self) -> io::Result<Option<Head>> {
        let (mut long_path, mut long_link, mut records) = (None, None, Vec::new());
        loop {
            self.skip()?;
            let Some(header) = self.header()? else {
                let alone = long_path.is_some() || long_link.is_some() || !records.is_empty();
                return if alone { Err(invalid("it ends after the header of an entry")) } else { Ok(None) };
            };
            let kind = header.entry_type();
            let is_about_next = matches!(kind, EntryType::GNULongName | EntryType::GNULongLink | EntryType::XHeader);
            let size = match last(&records, b"size").filter(|_| !is_about_next) {
                Some(text) => number(text).ok_or_else(|| invalid("a PAX record \"size\" that is no number"))?,
                None => header.entry_size()?,
            };
            self.begin(size);
            match kind {
                EntryType::GNULongName => long_path = Some(self.text()?),
                EntryType::GNULongLink => long_link = Some(self.text()?),
                EntryType::XHeader => {
                    let bytes = self.rest()?;
                    records.extend(parsed(&bytes)?);
                }
                _ => {
                    let own =
                        |long: Option<Vec<u8>>, key: &[u8]| long.or_else(|| last(&records, key).map(<[u8]>::to_vec));
                    let path = own(long_path, b"path").unwrap_or_else(|| header.path_bytes().into_owned());
                    let link = own(long_link, b"linkpath").or_else(|| header.link_name_bytes().map(Into::into));
                    if kind.is_gnu_sparse() {
                        self.sparse(&header)?;
                    }
                    return Ok(Some(Head { header, path, link, size: self.size, records }));
                }
            }
        }
    }

    fn begin(&mut self, size: u64) {
        (self.left, self.size, self.at, self.pieces, self.piece) = (size, size, 0, None, 0);
        self.padding = padding(size) as u64;
    }

    /// A header whose checksum is right; `None` at the end.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut header = Header::new_old();
        let mut filled = 0;
        while filled < BLOCK {
            match self.from.read(&mut header.as_mut_bytes()[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends within a header")),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let bytes = header.as_bytes();
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let blanks = 8 * u32::from(b' ');
        let sum: u32 = bytes[..148].iter().chain(&bytes[156..]).map(|byte| u32::from(*byte)).sum::<u32>() + blanks;
        if header.cksum()? != sum {
            return Err(invalid("the checksum of a header is wrong"));
        }
        Ok(Some(header))
    }

    /// The content that is left, whole. How much a header may be is the stream's matter.
    fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// A long name: all up to a NUL.
    fn text(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = self.rest()?;
        if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
            bytes.truncate(end);
        }
        Ok(bytes)
    }

    /// The pieces of a GNU sparse file; more of them may follow its header.
    fn sparse(&mut self, header: &Header) -> io::Result<()> {
        let gnu = header.as_gnu().ok_or_else(|| invalid("a sparse file without a GNU header"))?;
        let real = gnu.real_size()?;
        let mut pieces = Vec::new();
        let mut end = 0;
        let mut add = |list: &[GnuSparseHeader]| -> io::Result<()> {
            for piece in list.iter().filter(|piece| !piece.is_empty()) {
                let (from, length) = (piece.offset()?, piece.length()?);
                let to = from.checked_add(length).filter(|to| from >= end && *to <= real);
                end = to.ok_or_else(|| invalid("the pieces of a sparse file don't fit"))?;
                pieces.push((from, end));
            }
            Ok(())
        };
        add(&gnu.sparse)?;
        let mut more = gnu.is_extended();
        while more {
            let mut extension = GnuExtSparseHeader::new();
            self.from.read_exact(extension.as_mut_bytes())?;
            add(&extension.sparse)?;
            more = extension.is_extended();
        }
        if pieces.iter().map(|(from, to)| to - from).sum::<u64>() != self.left {
            return Err(invalid("the pieces of a sparse file are not what follows"));
        }
        (self.pieces, self.size) = (Some(pieces), real);
        Ok(())
    }
}

impl<R: Read> Read for Entries<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut most = self.size - self.at;
        let mut hole = false;
        if let Some(pieces) = &self.pieces {
            while pieces.get(self.piece).is_some_and(|(_, to)| *to <= self.at) {
                self.piece += 1;
            }
            match pieces.get(self.piece) {
                Some((from, _)) if *from > self.at => (hole, most) = (true, from - self.at),
                Some((_, to)) => most = to - self.at,
                None => hole = true,
            }
        }
        let count = usize::try_from(most).unwrap_or(usize::MAX).min(into.len());
        if count == 0 {
            return Ok(0);
        }
        if hole {
            into[..count].fill(0);
            self.at += count as u64;
            return Ok(count);
        }
        let count = self.from.read(&mut into[..count])?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends within an entry"));
        }
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

fn last<'a>(records: &'a [(Vec<u8>, Vec<u8>)], key: &[u8]) -> Option<&'a [u8]> {
    let found = records.iter().rev().find(|(name, _)| name == key).map(|(_, value)| &value[..]);
    found.filter(|value| !value.is_empty())
}

/// A number of a PAX record.
pub fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `12 key=value\n`, with the length of all of it in front: so a value may have any bytes.
fn parsed(mut bytes: &[u8]) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let broken = || invalid("malformed pax extension");
    let mut records = Vec::new();
    while bytes.iter().any(|byte| *byte != 0) {
        let blank = bytes.iter().position(|byte| *byte == b' ').ok_or_else(broken)?;
        let length = number(&bytes[..blank]).and_then(|length| usize::try_from(length).ok()).ok_or_else(broken)?;
        let record = bytes.get(blank + 1..length).and_then(|record| record.strip_suffix(b"\n")).ok_or_else(broken)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(broken)?;
        records.push((record[..equals].to_vec(), record[equals + 1..].to_vec()));
        bytes = &bytes[length..];
    }
    Ok(records)
}

#[cfg(test)]
#[path = "entries_tests.rs"]
mod tests;
