#![allow(clippy::unwrap_used)]

use tar::Builder;

use super::{
    super::header::{Header as Written, Kind},
    *,
};

/// Path, link and content.
type Found = (Vec<u8>, Option<Vec<u8>>, Vec<u8>);

fn all(bytes: &[u8]) -> io::Result<Vec<Found>> {
    let mut entries = Entries::new(bytes);
    let mut found = Vec::new();
    while let Some(head) = entries.next()? {
        let mut content = Vec::new();
        entries.read_to_end(&mut content)?;
        assert_eq!(content.len() as u64, head.size);
        found.push((head.path, head.link, content));
    }
    Ok(found)
}

/// A file whose content is `x`, with these attributes.
fn packed(path: &[u8], xattrs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mode, uid, gid, mtime) = (0o644, 1, 2, 3);
    Written { path, kind: Kind::File(1), mode, uid, gid, mtime, xattrs }.encode(&mut bytes);
    bytes.push(b'x');
    bytes.resize(bytes.len() + padding(1) + 2 * BLOCK, 0);
    bytes
}

#[test]
fn values_of_records_may_have_any_bytes() {
    let path = [b"line\nbreak=".repeat(30), b"\xff".to_vec()].concat();
    let xattrs = [(b"user.a".to_vec(), b"1\n17 path=elsewhere\n\0=".to_vec())];
    let bytes = packed(&path, &xattrs);
    let mut entries = Entries::new(&bytes[..]);
    let head = entries.next().unwrap().unwrap();
    assert_eq!(head.path, path);
    assert_eq!(head.record(b"SCHILY.xattr.user.a"), Some(&xattrs[0].1[..]));
    assert!(entries.next().unwrap().is_none());
}

#[test]
fn broken_records_are_refused() {
    for good in [&b"6 a=b\n"[..], b"5 a=\n", b"6 a=b\n\0\0", b""] {
        assert!(parsed(good).is_ok(), "{good:?}");
    }
    for bad in [&b"7 a=b\n"[..], b"5 a=b\n", b"a=b\n", b"6 a-b\n", b"99999999999999999999 a=b\n", b"2 a=b\n", b"0 \n"] {
        assert!(parsed(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn long_names_of_gnu_and_sparse_files_are_read_as_the_library_reads_them() {
    let mut tar = Builder::new(Vec::new());
    let long = "n".repeat(200);
    let mut header = Header::new_gnu();
    header.set_size(3);
    tar.append_data(&mut header, &long, &b"abc"[..]).unwrap();
    let mut link = Header::new_gnu();
    link.set_entry_type(EntryType::Symlink);
    link.set_size(0);
    tar.append_link(&mut link, "l", &long).unwrap();
    let mut bytes = tar.into_inner().unwrap();
    bytes.truncate(bytes.len() - 2 * BLOCK);
    let found = all(&bytes).unwrap();
    assert_eq!(found[0], (long.clone().into_bytes(), None, b"abc".to_vec()));
    assert_eq!(found[1].1, Some(long.into_bytes()));

    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_path("sparse").unwrap();
    header.set_size(4);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.realsize[..11].copy_from_slice(b"00000000020");
    for (piece, (from, length)) in
        gnu.sparse.iter_mut().zip([(b"00000000002", b"00000000003"), (b"00000000010", b"00000000001")])
    {
        piece.offset[..11].copy_from_slice(from);
        piece.numbytes[..11].copy_from_slice(length);
    }
    header.set_cksum();
    let bytes = [header.as_bytes(), &b"abcd"[..], &[0; BLOCK - 4]].concat();
    assert_eq!(all(&bytes).unwrap()[0].2, b"\0\0abc\0\0\0d\0\0\0\0\0\0\0");
    let mut lying = header.clone();
    lying.set_size(5);
    lying.set_cksum();
    assert!(all(&[lying.as_bytes(), &[0; BLOCK][..]].concat()).is_err());
}

#[test]
fn what_is_cut_or_changed_is_an_error() {
    let bytes = packed(b"a", &[(b"user.a".to_vec(), b"b".to_vec())]);
    let whole = bytes.len() - 2 * BLOCK;
    for cut in 1..whole {
        assert!(all(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    assert_eq!(all(&bytes[..whole]).unwrap().len(), 1);
    let mut endless = Header::new_gnu();
    endless.set_size(u64::MAX);
    endless.set_cksum();
    let mut entries = Entries::new(&endless.as_bytes()[..]);
    assert_eq!(entries.next().unwrap().unwrap().size, u64::MAX);
    assert!(entries.next().is_err());
    let mut changed = bytes.clone();
    changed[0] ^= 1;
    assert!(all(&changed).is_err());
    assert!(all(&[]).unwrap().is_empty());
}

#[test]
fn nothing_a_stranger_writes_makes_it_panic_or_go_on_for_ever() {
    let path = "long/".repeat(60);
    let mut good = packed(path.as_bytes(), &[(b"user.a".to_vec(), b"b\nc".to_vec())]);
    good.truncate(good.len() - 2 * BLOCK);
    let mut sparse = Header::new_gnu();
    sparse.set_entry_type(EntryType::GNUSparse);
    sparse.as_gnu_mut().unwrap().realsize[..11].copy_from_slice(b"00000000020");
    sparse.set_size(0);
    sparse.set_cksum();
    good.extend_from_slice(sparse.as_bytes());
    let mut state: u64 = 1;
    let mut random = |most: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % most
    };
    for _ in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..=random(4) {
            let at = random(bytes.len());
            bytes[at] = *[0, b'0', b'7', b'9', b' ', b'=', b'\n', 0x80, 0xff].get(random(9)).unwrap();
        }
        // With the checksums right again, or most of it would be refused at once.
        for block in bytes.chunks_exact_mut(BLOCK) {
            let mut header = Header::new_old();
            header.as_mut_bytes().copy_from_slice(block);
            if random(4) > 0 && header.cksum().is_ok() && block[257..262] == *b"ustar" {
                header.set_cksum();
                block.copy_from_slice(header.as_bytes());
            }
        }
        let mut entries = Entries::new(&bytes[..]);
        while let Ok(Some(head)) = entries.next() {
            assert!(head.path.len() <= bytes.len());
            let _ = io::copy(&mut entries.by_ref().take(1 << 20), &mut io::sink());
        }
    }
}
