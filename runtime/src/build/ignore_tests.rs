use proptest::prelude::*;

use super::*;

fn excluded(file: &str, path: &str) -> bool {
    Ignore::parse(file.as_bytes()).unwrap().excludes(path.as_bytes())
}

#[test]
fn the_reference_s_examples() {
    let file = "# comment\n*/temp*\n*/*/temp*\ntemp?\n";
    for (path, wanted) in [
        ("somedir/temporary.txt", true),
        ("somedir/temp", true),
        ("somedir/subdir/temporary.txt", true),
        ("tempa", true),
        ("temp", false),
        ("temporary.txt", false),
        ("a/b/c/temp", false),
        ("# comment", false),
    ] {
        assert_eq!(excluded(file, path), wanted, "{path}");
    }
    assert!(excluded("**/*.go", "a/b.go"));
    assert!(excluded("**/*.go", "b.go"));
    assert!(excluded("*.md\n!README.md\n", "CHANGES.md"));
    assert!(!excluded("*.md\n!README.md\n", "README.md"));
    let last_wins = "*.md\n!README*.md\nREADME-secret.md\n";
    assert!(!excluded(last_wins, "README-public.md"));
    assert!(excluded(last_wins, "README-secret.md"));
    let no_effect = "*.md\nREADME-secret.md\n!README*.md\n";
    assert!(!excluded(no_effect, "README-secret.md"));
}

#[test]
fn lines_are_trimmed_and_cleaned() {
    for (line, path) in [
        ("  foo  ", "foo"),
        ("/foo", "foo"),
        ("foo/", "foo"),
        ("./foo", "foo"),
        ("a//b", "a/b"),
        ("a/./b/../c", "a/c"),
        ("/../foo", "foo"),
        ("foo\r", "foo"),
        ("\u{feff}foo", "foo"),
        ("foo", "foo/bar/baz"),
        ("a\\*b", "a*b"),
    ] {
        assert!(excluded(line, path), "{line:?} on {path}");
    }
    for line in ["", "  ", ".", "./", "/", "#foo", "../foo", "\r"] {
        assert!(!excluded(line, "foo"), "{line:?}");
    }
    // A comment is one at the very beginning only.
    assert!(excluded("  #foo", "#foo"));
    assert!(!excluded("foo\n! foo", "foo"));
    assert!(!excluded("foo\n!/foo", "foo"));
}

#[test]
fn children_of_an_excluded_folder_come_back() {
    let ignore = Ignore::parse(b"docs\n!docs/README.md\n!src/**/keep\n").unwrap();
    assert!(ignore.excludes(b"docs"));
    assert!(ignore.excludes(b"docs/other"));
    assert!(!ignore.excludes(b"docs/README.md"));
    assert!(!ignore.excludes(b"docs/README.md/below"));
    assert!(ignore.may_keep_below(b"docs"));
    assert!(!ignore.may_keep_below(b"docs/other"));
    assert!(ignore.may_keep_below(b"src/a/b"));
    let all = Ignore::parse(b"**\n!a/b").unwrap();
    assert!(all.excludes(b"a"));
    assert!(!all.excludes(b"a/b"));
    assert!(!all.excludes(b"a/b/c"));
    assert!(all.excludes(b"c"));
    assert!(Ignore::parse(b"!a\n#\n").unwrap().is_empty());
}

#[test]
fn bad_lines_are_errors() {
    let error = |file: &[u8]| Ignore::parse(file).unwrap_err().to_string();
    assert_eq!(error(b"a\n!\n"), "illegal exclusion pattern: \"!\"");
    assert_eq!(error(b"a[\n"), "error from parsing pattern \"a[\": syntax error in pattern");
}

#[test]
fn the_dockerfile_s_own_ignore_file_comes_first() {
    assert_eq!(candidates("build/prod.Dockerfile"), ["build/prod.Dockerfile.dockerignore", ".dockerignore"]);
}

#[test]
fn paths_are_cleaned() {
    for (path, wanted) in [
        ("", "."),
        ("a/..", "."),
        ("../../a", "../../a"),
        ("/..", "/"),
        ("/a/../../b", "/b"),
        ("a/b/../../..", ".."),
        ("//a", "/a"),
    ] {
        assert_eq!(clean(path.as_bytes()), wanted.as_bytes(), "{path}");
    }
}

proptest! {
    /// The last pattern that matches the path or a folder above it decides.
    #[test]
    fn agrees_with_looking_at_every_rule(
        rules in prop::collection::vec(("(!)?", "(a|b|\\*|\\?|\\*\\*/)(/(a|b|\\*|\\*\\*)){0,2}"), 0..5),
        path in "[ab]{1,2}(/[ab]{1,2}){0,3}",
    ) {
        let file: Vec<String> = rules.iter().map(|(keeps, pattern)| format!("{keeps}{pattern}")).collect();
        let ignore = Ignore::parse(file.join("\n").as_bytes()).unwrap();
        let mut paths: Vec<&str> = path.match_indices('/').map(|(at, _)| &path[..at]).collect();
        paths.push(&path);
        let mut wanted = false;
        for (keeps, pattern) in &rules {
            let pattern = Pattern::deep(&clean(pattern.as_bytes())).unwrap();
            if paths.iter().any(|path| pattern.matches(path.as_bytes())) {
                wanted = keeps.is_empty();
            }
        }
        prop_assert_eq!(ignore.excludes(path.as_bytes()), wanted);
        if !wanted {
            for folder in &paths[..paths.len() - 1] {
                prop_assert!(!ignore.excludes(folder.as_bytes()) || ignore.may_keep_below(folder.as_bytes()));
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(file: Vec<u8>, path: Vec<u8>) {
        if let Ok(ignore) = Ignore::parse(&file) {
            prop_assert!(!(ignore.is_empty() && ignore.excludes(&path)));
        }
    }
}
