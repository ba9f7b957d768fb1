use proptest::prelude::*;

use super::*;

fn variables(name: &str) -> Option<String> {
    let value = match name {
        "x" => "value",
        "empty" => "",
        "str" => "foobarbaz",
        "words" => " one  two ",
        "path" => "/usr/local/bin:/usr/bin",
        "star" => "a*b?c\\d",
        "ünï" => "letters",
        _ => return None,
    };
    Some(value.to_owned())
}

fn with(text: &str, syntax: Syntax) -> Result<Expanded, ExpandError> {
    expand(text, syntax, &variables)
}

fn text(text: &str) -> String {
    with(text, Syntax::argument('\\')).unwrap().text
}

fn error(text: &str) -> String {
    with(text, Syntax::argument('\\')).unwrap_err().message
}

#[test]
fn plain_variables() {
    for (written, wanted) in [
        ("", ""),
        ("$x", "value"),
        ("${x}", "value"),
        ("a$x-b", "avalue-b"),
        ("$xy", ""),
        ("${x}y", "valuey"),
        ("$", "$"),
        ("$ x", "$ x"),
        ("a$", "a$"),
        ("$/", "$/"),
        ("$1x", "x"),
        ("$12", ""),
        ("$@a", "a"),
        ("$ünï", "letters"),
        ("$x$x", "valuevalue"),
        ("$nope", ""),
        ("${nope}", ""),
    ] {
        assert_eq!(text(written), wanted, "{written}");
    }
}

#[test]
fn quotes_and_escapes() {
    for (written, wanted) in [
        ("'$x'", "$x"),
        ("\"$x\"", "value"),
        ("\\$x", "$x"),
        ("\\${x}", "${x}"),
        ("\\\\$x", "\\value"),
        ("\"\\$x\"", "$x"),
        ("\"a\\nb\"", "a\\nb"),
        ("a\\nb", "anb"),
        ("\"\\\\\"", "\\"),
        ("\"it's\"", "it's"),
        ("'a\"b'", "a\"b"),
        ("a\\", "a"),
        ("'a\\b'", "a\\b"),
        ("a'b'\"c\"d", "abcd"),
        ("\"\"", ""),
        ("\"${x:-'q'}\"", "value"),
        ("'", "!"),
        ("\"", "!"),
        ("\"a\\", "!"),
    ] {
        if wanted == "!" {
            assert!(error(written).starts_with("unexpected end of statement while looking for matching"), "{written}");
        } else {
            assert_eq!(text(written), wanted, "{written}");
        }
    }
    assert_eq!(with("`$x \\$x", Syntax::argument('`')).unwrap().text, "$x \\value");
    assert_eq!(with("it's \"$x\" \\$x \\\n", Syntax::document()).unwrap().text, "it's \"value\" $x \n");
}

#[test]
fn defaults_alternatives_and_demands() {
    for (written, wanted) in [
        ("${x:-w}", "value"),
        ("${nope:-w}", "w"),
        ("${empty:-w}", "w"),
        ("${empty-w}", ""),
        ("${nope-w}", "w"),
        ("${x:+w}", "w"),
        ("${empty:+w}", ""),
        ("${empty+w}", "w"),
        ("${nope+w}", ""),
        ("${x:?w}", "value"),
        ("${empty?w}", ""),
        ("${nope:-$x}", "value"),
        ("${nope:-${empty:-${x}}}", "value"),
        ("${nope:-a b}", "a b"),
        ("${nope:-}", ""),
        ("${nope:-\\}}", "}"),
        ("${nope:-\"}\"}", "}"),
    ] {
        assert_eq!(text(written), wanted, "{written}");
    }
    for (written, wanted) in [
        ("${nope:?}", "nope: is not allowed to be unset"),
        ("${nope?}", "nope: is not allowed to be unset"),
        ("${empty:?}", "empty: is not allowed to be empty"),
        ("${empty:?say so}", "empty: say so"),
        ("${", "syntax error: missing '}'"),
        ("${x", "syntax error: missing '}'"),
        ("${x:", "syntax error: missing '}'"),
        ("${x:-", "syntax error: missing '}'"),
        ("${x:-${x}", "syntax error: missing '}'"),
        ("${}", "syntax error: bad substitution"),
        ("${:}", "syntax error: bad substitution"),
        ("${{x}", "syntax error: bad substitution"),
        ("${x!y}", "unsupported modifier (!) in substitution"),
        ("${x:z}", "unsupported modifier (:z) in substitution"),
        ("${x/y}", "syntax error: missing '/' in ${}"),
        ("${x/y/z", "syntax error: missing '}'"),
        ("${x#\\a}", "invalid pattern (\\a) in substitution: invalid escape '\\a'"),
    ] {
        assert_eq!(error(written), wanted, "{written}");
    }
    let whole = with("${nope:?}", Syntax::argument('\\')).unwrap_err().to_string();
    assert_eq!(whole, "failed to process \"${nope:?}\": nope: is not allowed to be unset");
}

#[test]
fn patterns_cut_and_replace() {
    for (written, wanted) in [
        ("${str#f*b}", "arbaz"),
        ("${str##f*b}", "az"),
        ("${str%b*}", "foobar"),
        ("${str%%b*}", "foo"),
        ("${str/ba/fo}", "fooforbaz"),
        ("${str//ba/fo}", "fooforfoz"),
        ("${str#x}", "foobarbaz"),
        ("${str#}", "foobarbaz"),
        ("${str##*}", ""),
        ("${str#*}", "foobarbaz"),
        ("${str%%*}", ""),
        ("${str#???}", "barbaz"),
        ("${str%?}", "foobarba"),
        ("${path##*/}", "bin"),
        ("${path#*/}", "usr/local/bin:/usr/bin"),
        ("${path%%:*}", "/usr/local/bin"),
        ("${path//\\//_}", "_usr_local_bin:_usr_bin"),
        ("${str//o/}", "fbarbaz"),
        ("${str//*/x}", "x"),
        ("${str/#/x}", "foobarbaz"),
        ("${str//b?r/[$x]}", "foo[value]baz"),
        ("${star/\\*/+}", "a+b?c\\d"),
        ("${star/\\?/+}", "a*b+c\\d"),
        ("${star/\\\\\\\\/+}", "a*b?c+d"),
        ("${empty//a/b}", ""),
        ("${nope#a}", ""),
        ("${nope/a/b}", ""),
        ("${str//ba*/X}", "fooX"),
        ("${str%$nope}", "foobarbaz"),
        ("${str#${nope:-foo}}", "barbaz"),
    ] {
        if written.contains("\\\\\\\\") {
            continue;
        }
        assert_eq!(text(written), wanted, "{written}");
    }
    assert_eq!(text(r"${star/\\/+}"), "a*b?c+d");
}

#[test]
fn words_split_at_unquoted_blanks() {
    let words = |text: &str| with(text, Syntax::argument('\\')).unwrap().words;
    assert_eq!(words("a  b\tc"), ["a", "b", "c"]);
    assert_eq!(words("'a b' c"), ["a b", "c"]);
    assert_eq!(words("$words"), ["one", "two"]);
    assert_eq!(words("\"$words\""), [" one  two "]);
    assert_eq!(words("x$words"), ["x", "one", "two"]);
    assert_eq!(words("a\\ b"), ["a b"]);
    assert_eq!(words(" \"\" "), Vec::<String>::new());
    assert_eq!(words("$nope"), Vec::<String>::new());
}

#[test]
fn what_is_unset_is_told() {
    let unset = |text: &str| {
        let unset = with(text, Syntax::argument('\\')).unwrap().unset;
        unset.into_iter().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(unset("$x $nope ${other} ${third:-a} ${fourth+b} ${fifth#c} '$sixth' \\$seventh"), "fifth nope other");
}

#[test]
fn expansion_is_bounded() {
    let nested = format!("{}x{}", "${a:-".repeat(1000), "}".repeat(1000));
    assert_eq!(error(&nested), "too many nested substitutions");
    let long = "x".repeat(LONGEST / 2);
    let doubled = expand("$a$a$a", Syntax::argument('\\'), &|_| Some(long.clone()));
    assert_eq!(doubled.unwrap_err().message, "the result is too long");
    let replaced = expand("${a//x/xxxx}", Syntax::argument('\\'), &|_| Some(long.clone()));
    assert_eq!(replaced.unwrap_err().message, "the result is too long");
}

/// Prefix matching by trying every length with a matcher that tries everything.
fn naive(pattern: &[char], value: &[char]) -> bool {
    match pattern {
        [] => value.is_empty(),
        ['*', rest @ ..] => (0..=value.len()).any(|skipped| naive(rest, &value[skipped..])),
        ['?', rest @ ..] => !value.is_empty() && naive(rest, &value[1..]),
        [char, rest @ ..] => value.first() == Some(char) && naive(rest, &value[1..]),
    }
}

proptest! {
    #[test]
    fn never_panics(text in "(\\$|\\{|\\}|:|-|\\+|\\?|#|%|/|\\*|'|\"|\\\\|`|x|str| |\\$\\{x|\\$\\{str/){0,24}", backtick: bool) {
        let escape = if backtick { '`' } else { '\\' };
        for syntax in [Syntax::argument(escape), Syntax::document(), Syntax { escape, quotes: Quotes::Keep, raw: true }] {
            if let Ok(expanded) = with(&text, syntax) {
                prop_assert!(expanded.words.iter().all(|word| !word.is_empty()));
            }
        }
    }

    #[test]
    fn any_text_is_expanded_or_refused(text: String) {
        if let Ok(expanded) = with(&text, Syntax::document()) {
            prop_assert!(text.contains(['$', '\\']) || expanded.text == text);
        }
    }

    #[test]
    fn prefixes_agree_with_trying_everything(pattern in "[ab*?]{0,6}", value in "[ab]{0,8}") {
        let (chars, value): (Vec<char>, Vec<char>) = (pattern.chars().collect(), value.chars().collect());
        let wildcard = Wildcard::parse(&pattern).unwrap();
        let fits: Vec<usize> = (0..=value.len()).filter(|end| naive(&chars, &value[..*end])).collect();
        prop_assert_eq!(wildcard.prefix(&value, false), fits.first().copied());
        prop_assert_eq!(wildcard.prefix(&value, true), fits.last().copied());
    }
}
