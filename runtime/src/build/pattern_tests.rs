use proptest::prelude::*;

use super::*;

fn deep(pattern: &str, path: &str) -> bool {
    Pattern::deep(pattern.as_bytes()).unwrap().matches(path.as_bytes())
}

fn shallow(pattern: &str, name: &str) -> bool {
    Pattern::shallow(pattern.as_bytes()).unwrap().matches(name.as_bytes())
}

#[test]
fn stars_marks_and_classes() {
    for (pattern, name, wanted) in [
        ("abc", "abc", true),
        ("abc", "abcd", false),
        ("", "", true),
        ("*", "", true),
        ("*", "abc", true),
        ("*", "a/b", false),
        ("a*", "abc", true),
        ("*c", "abc", true),
        ("a*/b", "a/c/b", false),
        ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", false),
        ("a*b?c*x", "abxbbxdbxebxczzx", true),
        ("a*b?c*x", "abxbbxdbxebxczzy", false),
        ("ab[c]", "abc", true),
        ("ab[b-d]", "abc", true),
        ("ab[e-g]", "abc", false),
        ("ab[^c]", "abc", false),
        ("ab[^e-g]", "abc", true),
        ("[a-ζ]*", "α", true),
        ("a?b", "a☺b", true),
        ("a??b", "a☺b", false),
        ("a?b", "a/b", false),
        ("a\\*b", "a*b", true),
        ("a\\*b", "axb", false),
        ("[\\]a]", "]", true),
        ("[\\-]", "-", true),
        ("[x\\-]", "-", true),
        ("a***b", "axyb", true),
        ("**", "a/b", false),
    ] {
        assert_eq!(shallow(pattern, name), wanted, "{pattern} on {name}");
    }
}

#[test]
fn bad_patterns_are_refused() {
    for pattern in
        ["[]a]", "[-]", "[x-]", "[-x]", "[", "[^", "[^bc", "a[", "[a", "[a-", "a\\", "[]", "[^]", "[\\", "[a-]"]
    {
        assert_eq!(Pattern::deep(pattern.as_bytes()), Err(BadPattern), "{pattern}");
        assert_eq!(components(pattern.as_bytes()), Err(BadPattern), "{pattern}");
    }
}

#[test]
fn two_stars_span_folders() {
    for (pattern, path, wanted) in [
        ("**", "file", true),
        ("**", "a/b/c", true),
        ("**/", "a/b", true),
        ("**/x", "x", true),
        ("**/x", "a/b/x", true),
        ("**/x", "ax", false),
        ("**/x", "x/a", false),
        ("a/**", "a", false),
        ("a/**", "a/b/c", true),
        ("a/**/z", "a/z", true),
        ("a/**/z", "a/b/c/z", true),
        ("a/**/z", "a/bz", false),
        ("**/a/**/b", "x/a/y/b", true),
        ("**/**/f", "d/e/f", true),
        ("**/*.go", "x/y/z.go", true),
        ("**/*.go", "z.go", true),
        ("*/**/x", "a/x", true),
        ("*/**/x", "x", false),
        ("a**/b", "a/b", false),
        ("a**b", "ac/b", true),
    ] {
        assert_eq!(deep(pattern, path), wanted, "{pattern} on {path}");
    }
}

#[test]
fn bytes_that_are_no_characters_match_themselves() {
    let pattern = Pattern::shallow(b"a\xff?*").unwrap();
    assert!(pattern.matches(b"a\xff\xfe"));
    assert!(!pattern.matches(b"a\xfe\xff"));
    assert_eq!(Pattern::shallow(b"a\xff\xc3\xa4").unwrap().literal(), Some(b"a\xff\xc3\xa4".to_vec()));
    assert_eq!(Pattern::shallow(b"a\\*b").unwrap().literal(), Some(b"a*b".to_vec()));
    assert_eq!(Pattern::shallow(b"a*b").unwrap().literal(), None);
}

#[test]
fn paths_split_into_components() {
    let glob = |text: &[u8]| Component::Glob(Pattern::shallow(text).unwrap());
    let parts = components(b"/src//*.rs/**/a\\?").unwrap();
    let wanted =
        vec![Component::Name(b"src".to_vec()), glob(b"*.rs"), Component::AnyDepth, Component::Name(b"a?".to_vec())];
    assert_eq!(parts, wanted);
}

#[test]
fn folders_that_may_hold_a_match() {
    let below =
        |pattern: &str, folder: &str| Pattern::deep(pattern.as_bytes()).unwrap().could_match_below(folder.as_bytes());
    assert!(below("a/b", "a"));
    assert!(!below("a/b", "a/b"));
    assert!(!below("a/b", "b"));
    assert!(below("**/b", "x/y"));
    assert!(below("*/c", "x"));
    assert!(!below("*/c", "x/y"));
    assert!(below("a/**", "a/b/c"));
}

#[test]
fn hostile_patterns_take_no_time() {
    let pattern = format!("{}b", "*a".repeat(2000));
    assert!(!deep(&pattern, &"a".repeat(4000)));
    let pattern = format!("{}b", "**/".repeat(500));
    assert!(!deep(&pattern, &"a/".repeat(2000)));
}

/// The same by trying everything, for characters of one byte.
fn naive(pattern: &[u8], path: &[u8]) -> bool {
    match pattern {
        [] => path.is_empty(),
        [b'*', b'*'] | [b'*', b'*', b'/'] => true,
        [b'*', b'*', rest @ ..] => {
            let rest = rest.strip_prefix(b"/").unwrap_or(rest);
            naive(rest, path) || (0..path.len()).filter(|at| path[*at] == b'/').any(|at| naive(rest, &path[at + 1..]))
        }
        [b'*', rest @ ..] => {
            naive(rest, path) || path.first().is_some_and(|byte| *byte != b'/' && naive(pattern, &path[1..]))
        }
        [b'?', rest @ ..] => path.first().is_some_and(|byte| *byte != b'/') && naive(rest, &path[1..]),
        [byte, rest @ ..] => path.first() == Some(byte) && naive(rest, &path[1..]),
    }
}

proptest! {
    #[test]
    fn agrees_with_trying_everything(pattern in "(a|b|/|\\*|\\*\\*|\\*\\*/|\\?){0,7}", path in "[ab/]{0,9}") {
        let parsed = Pattern::deep(pattern.as_bytes()).unwrap();
        prop_assert_eq!(parsed.matches(path.as_bytes()), naive(pattern.as_bytes(), path.as_bytes()));
        let above = (1..path.len())
            .filter(|at| path.as_bytes()[*at] == b'/')
            .any(|at| naive(pattern.as_bytes(), &path.as_bytes()[..at]));
        let wanted = above || naive(pattern.as_bytes(), path.as_bytes());
        prop_assert_eq!(parsed.matches_or_above(path.as_bytes()), wanted);
    }

    #[test]
    fn below_is_never_missed(pattern in "(a|b|/|\\*|\\*\\*/|\\?){0,6}", folder in "[ab]{1,2}(/[ab]{1,2}){0,2}", rest in "[ab/]{1,4}") {
        let parsed = Pattern::deep(pattern.as_bytes()).unwrap();
        let path = format!("{folder}/{rest}");
        if parsed.matches(path.as_bytes()) {
            prop_assert!(parsed.could_match_below(folder.as_bytes()));
        }
    }

    #[test]
    fn any_bytes_are_a_pattern_or_a_bad_one(pattern: Vec<u8>, path: Vec<u8>) {
        for parsed in [Pattern::deep(&pattern), Pattern::shallow(&pattern)].into_iter().flatten() {
            let above = parsed.matches_or_above(&path);
            prop_assert!(above || !parsed.matches(&path));
            if let Some(literal) = parsed.literal() {
                prop_assert!(parsed.matches(&literal));
            }
        }
    }
}
