//! Long lists, a page at a time: `n` and `last`, and the `Link` to the next page.

use super::error::Failure;

/// Entries of one page where the client doesn't say; and at most.
const MOST: usize = 1000;

/// Cuts a sorted list. Answers the page, and the last entry on it when there are more.
pub(super) fn page(
    all: Vec<String>,
    n: Option<&str>,
    last: Option<&str>,
) -> Result<(Vec<String>, Option<String>), Failure> {
    let n = match n {
        None => MOST,
        Some(n) => n.parse::<usize>().map_err(|_| Failure::page_invalid(n))?.min(MOST),
    };
    let mut rest = all.into_iter().filter(|entry| last.is_none_or(|last| entry.as_str() > last));
    let page: Vec<String> = rest.by_ref().take(n).collect();
    let more = if rest.next().is_some() { page.last().cloned() } else { None };
    Ok((page, more))
}

/// The `Link` to the page after this entry.
pub(super) fn link(path: &str, n: Option<&str>, last: &str) -> String {
    let n = n.map_or(MOST, |n| n.parse().unwrap_or(MOST));
    format!("<{path}?n={n}&last={last}>; rel=\"next\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> Vec<String> {
        ["a", "b", "c", "d"].map(str::to_owned).to_vec()
    }

    #[test]
    fn every_entry_is_on_one_page() {
        let (first, more) = page(list(), Some("3"), None).expect("a page");
        assert_eq!((first.join(""), more.as_deref()), ("abc".to_owned(), Some("c")));
        let (second, more) = page(list(), Some("3"), more.as_deref()).expect("a page");
        assert_eq!((second.join(""), more), ("d".to_owned(), None));
        assert_eq!(page(list(), None, None).expect("a page").0.len(), 4);
        assert_eq!(page(list(), Some("4"), None).expect("a page").1, None, "nothing comes after");
        assert_eq!(page(list(), Some("0"), None).expect("a page"), (Vec::new(), None));
        assert_eq!(page(list(), Some("2"), Some("bb")).expect("a page").0.join(""), "cd", "it needn't be there");
        assert!(page(list(), Some("-1"), None).is_err());
        assert_eq!(link("/v2/_catalog", Some("3"), "c"), "</v2/_catalog?n=3&last=c>; rel=\"next\"");
    }
}
