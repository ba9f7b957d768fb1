//! Command lines as shells write them.

/// Splits as a shell would: blanks, `'…'`, `"…"` with `\`, `\x`. `None` when a quote stays open. Nothing is expanded.
pub fn split_line(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '\'' => break,
                        other => word.push(other),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '"' => break,
                        '\\' => match letters.next()? {
                            special @ ('"' | '\\' | '$' | '`') => word.push(special),
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(letters.next()?),
            blank if blank.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

/// One word for a shell.
pub fn quote(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Words as a line that [`split_line`] takes apart again.
pub fn shell_line(words: &[String]) -> String {
    words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_a_shell_does() {
        let words = |text: &str| split_line(text).map(|words| words.join("|"));
        assert_eq!(words(r#"a  'b c' "d \"e\" \n" f\ g ''"#).as_deref(), Some(r#"a|b c|d "e" \n|f g|"#));
        assert_eq!(words("'open"), None);
        assert_eq!(words("open\\"), None);
        let hard = vec!["it's".to_owned(), String::new(), "a b".to_owned(), "ñ;$x".to_owned()];
        assert_eq!(split_line(&shell_line(&hard)), Some(hard));
    }
}
