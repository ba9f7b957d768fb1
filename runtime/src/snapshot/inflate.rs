//! Layers and archives come plain, gzip, zstd, xz or bzip2; the first bytes tell. What swells out of all proportion is
//! refused.

use std::{
    io::{self, BufRead, BufReader, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::{
    bufread::XzDecoder,
    stream::{CONCATENATED, Stream},
};

/// Window a zstd frame may ask for, as a power of two: 128 MiB, what `zstd -d` allows too.
const ZSTD_WINDOW_LOG: u32 = 27;

/// Memory an xz stream may ask for: twice what `xz -9` needs.
const XZ_MEMORY: u64 = 128 << 20;

/// Plain bytes a stream may always have, and how many more times than its compressed bytes beyond that.
const FREE_PLAIN_BYTES: u64 = 4 << 30;
const MAX_RATIO: u64 = 500;

/// How bytes are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// gzip, one or many members.
    Gzip,
    /// zstd frames, skippable ones among them.
    Zstd,
    /// xz streams.
    Xz,
    /// bzip2, one or many streams.
    Bzip2,
}

/// A reader of the plain bytes, and what it undoes.
pub struct Inflate<'a> {
    /// What the first bytes said.
    pub compression: Compression,
    reader: Box<dyn Read + Send + 'a>,
    taken: Arc<AtomicU64>,
    plain: u64,
}

impl<'a> Inflate<'a> {
    /// Looks at the first bytes.
    pub fn new(from: impl Read + Send + 'a) -> io::Result<Self> {
        let taken = Arc::new(AtomicU64::new(0));
        let from = Counted { from: Chained::peek(from)?, taken: Arc::clone(&taken) };
        let mut from = BufReader::with_capacity(256 << 10, from);
        let magic = from.fill_buf()?;
        let (compression, reader): (_, Box<dyn Read + Send + 'a>) = match magic {
            [0x1f, 0x8b, ..] => (Compression::Gzip, Box::new(MultiGzDecoder::new(from))),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(from)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                (Compression::Zstd, Box::new(decoder))
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
                let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?;
                (Compression::Xz, Box::new(XzDecoder::new_stream(from, stream)))
            }
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, ..] => {
                (Compression::Bzip2, Box::new(MultiBzDecoder::new(from)))
            }
            _ => (Compression::Plain, Box::new(from)),
        };
        Ok(Self { compression, reader, taken, plain: 0 })
    }
}

impl Read for Inflate<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(into)?;
        self.plain += n as u64;
        if self.plain > FREE_PLAIN_BYTES && self.plain / MAX_RATIO > self.taken.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it inflates to far more than it should"));
        }
        Ok(n)
    }
}

/// Counts what is taken from the compressed side.
struct Counted<R> {
    from: R,
    taken: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(into)?;
        self.taken.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// The first bytes read ahead, so that a reader that gives one byte at a time can be looked at too.
struct Chained<R> {
    head: [u8; 6],
    taken: usize,
    filled: usize,
    rest: R,
}

impl<R: Read> Chained<R> {
    fn peek(mut rest: R) -> io::Result<Self> {
        let mut head = [0; 6];
        let mut filled = 0;
        while filled < head.len() {
            match rest.read(&mut head[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { head, taken: 0, filled, rest })
    }
}

impl<R: Read> Read for Chained<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.filled {
            return self.rest.read(into);
        }
        let n = into.len().min(self.filled - self.taken);
        into[..n].copy_from_slice(&self.head[self.taken..self.taken + n]);
        self.taken += n;
        Ok(n)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn xz(bytes: &[u8], level: u32) -> Vec<u8> {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), level);
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn bzip2(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn inflate(bytes: &[u8]) -> io::Result<(Compression, Vec<u8>)> {
        let mut reader = Inflate::new(bytes)?;
        let mut plain = Vec::new();
        reader.read_to_end(&mut plain)?;
        Ok((reader.compression, plain))
    }

    #[test]
    fn every_kind_is_told_and_undone() {
        assert_eq!(inflate(b"plain").unwrap(), (Compression::Plain, b"plain".to_vec()));
        assert_eq!(inflate(b"").unwrap(), (Compression::Plain, Vec::new()));
        let members = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(inflate(&members).unwrap(), (Compression::Gzip, b"one two".to_vec()));
        let streams = [bzip2(b"one "), bzip2(b"two"), bzip2(b"")].concat();
        assert_eq!(inflate(&streams).unwrap(), (Compression::Bzip2, b"one two".to_vec()));
        assert_eq!(inflate(&bzip2(b"")).unwrap(), (Compression::Bzip2, Vec::new()));
        let skippable = [0x52, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9];
        let frames =
            [zstd::encode_all(&b"one "[..], 1).unwrap(), skippable.to_vec(), zstd::encode_all(&b"two"[..], 1).unwrap()];
        assert_eq!(inflate(&frames.concat()).unwrap(), (Compression::Zstd, b"one two".to_vec()));
        let first_skippable = [skippable.to_vec(), frames[0].clone()].concat();
        assert_eq!(inflate(&first_skippable).unwrap(), (Compression::Zstd, b"one ".to_vec()));
    }

    #[test]
    fn truncated_and_trailing_bytes_are_errors() {
        let whole = gzip(&vec![5; 100_000]);
        assert!(inflate(&whole[..whole.len() - 4]).is_err());
        assert!(inflate(&[whole, b"garbage".to_vec()].concat()).is_err());
        let whole = zstd::encode_all(&vec![5; 100_000][..], 1).unwrap();
        assert!(inflate(&whole[..whole.len() - 1]).is_err());
        let whole = xz(&vec![5; 100_000], 6);
        for cut in [6, 20, whole.len() - 1] {
            assert!(inflate(&whole[..cut]).is_err(), "cut at {cut}");
        }
        assert!(inflate(&[whole, b"garbage".to_vec()].concat()).is_err());
        let whole = bzip2(&vec![5; 100_000]);
        for cut in [6, 20, whole.len() - 1] {
            assert!(inflate(&whole[..cut]).is_err(), "cut at {cut}");
        }
        assert!(inflate(&[whole, b"garbage".to_vec()].concat()).is_err());
    }

    #[test]
    fn xz_is_undone_but_not_with_any_memory() {
        assert_eq!(inflate(&xz(b"plain", 9)).unwrap(), (Compression::Xz, b"plain".to_vec()));
        let two = [xz(b"one ", 1), xz(b"two", 1)].concat();
        assert_eq!(inflate(&two).unwrap(), (Compression::Xz, b"one two".to_vec()));
        let mut options = liblzma::stream::LzmaOptions::new_preset(6).unwrap();
        options.dict_size(512 << 20);
        let mut filters = liblzma::stream::Filters::new();
        filters.lzma2(&options);
        // The header alone asks for it; nothing of that size is written.
        let stream = Stream::new_stream_encoder(&filters, liblzma::stream::Check::Crc32);
        let Ok(stream) = stream else { return };
        let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        encoder.write_all(b"small").unwrap();
        assert!(inflate(&encoder.finish().unwrap()).is_err());
    }

    #[test]
    fn a_giant_zstd_window_is_refused() {
        // Magic, frame header descriptor without single segment, window descriptor of 2^41.
        assert!(inflate(&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 0x01, 0x00, 0x00]).is_err());
    }
}
