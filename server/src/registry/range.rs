//! Ranges: of a blob that is read (`Range`), and of a part that comes (`Content-Range`).

/// What of a blob is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it; what can't be read means this too, and several ranges at once do.
    All,
    /// From here, so many bytes.
    Part(u64, u64),
    /// Nothing that is there.
    Outside,
}

/// Reads `Range: bytes=0-99`.
pub(super) fn wanted(header: Option<&str>, size: u64) -> Wanted {
    let Some((first, last)) = header.and_then(|text| text.strip_prefix("bytes=")?.split_once('-')) else {
        return Wanted::All;
    };
    let number = |text: &str| if text.is_empty() { Some(None) } else { text.parse::<u64>().ok().map(Some) };
    let (Some(first), Some(last)) = (number(first), number(last)) else { return Wanted::All };
    match (first, last) {
        (None, None) => Wanted::All,
        (Some(first), Some(last)) if last < first => Wanted::All,
        (Some(first), _) if first >= size => Wanted::Outside,
        (Some(first), None) => Wanted::Part(first, size - first),
        (Some(first), Some(last)) => Wanted::Part(first, last.min(size - 1) - first + 1),
        (None, Some(0)) => Wanted::Outside,
        (None, Some(_)) if size == 0 => Wanted::Outside,
        (None, Some(count)) => Wanted::Part(size - count.min(size), count.min(size)),
    }
}

/// Reads `Content-Range: 100-199` (also `bytes 100-199/*`): first byte and count. `Err` when it can't be read.
pub(super) fn part(header: Option<&str>) -> Result<Option<(u64, u64)>, ()> {
    let Some(text) = header else { return Ok(None) };
    let text = text.strip_prefix("bytes").map_or(text, |rest| rest.trim_start_matches([' ', '=']));
    let text = text.split('/').next().unwrap_or_default();
    let (first, last) = text.split_once('-').ok_or(())?;
    let (first, last) = (first.trim().parse::<u64>().map_err(drop)?, last.trim().parse::<u64>().map_err(drop)?);
    let count = last.checked_sub(first).and_then(|count| count.checked_add(1)).ok_or(())?;
    Ok(Some((first, count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_says() {
        let want = |text: &str, size| wanted(Some(text), size);
        assert_eq!(wanted(None, 10), Wanted::All);
        assert_eq!(want("bytes=0-4", 10), Wanted::Part(0, 5));
        assert_eq!(want("bytes=4-", 10), Wanted::Part(4, 6));
        assert_eq!(want("bytes=4-100", 10), Wanted::Part(4, 6));
        assert_eq!(want("bytes=-3", 10), Wanted::Part(7, 3));
        assert_eq!(want("bytes=-30", 10), Wanted::Part(0, 10));
        for outside in ["bytes=10-", "bytes=10-20", "bytes=-0"] {
            assert_eq!(want(outside, 10), Wanted::Outside, "{outside}");
        }
        assert_eq!(want("bytes=-1", 0), Wanted::Outside);
        for all in ["bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,4-5", "lines=1-2", "bytes=a-b", ""] {
            assert_eq!(want(all, 10), Wanted::All, "{all}");
        }
    }

    #[test]
    fn parts_say_where_they_begin() {
        assert_eq!(part(None), Ok(None));
        assert_eq!(part(Some("0-9")), Ok(Some((0, 10))));
        assert_eq!(part(Some("bytes 10-19/*")), Ok(Some((10, 10))));
        assert_eq!(part(Some("bytes=10-19")), Ok(Some((10, 10))));
        for wrong in ["", "10", "9-3", "a-b", "0-18446744073709551615"] {
            assert_eq!(part(Some(wrong)), Err(()), "{wrong}");
        }
    }
}
