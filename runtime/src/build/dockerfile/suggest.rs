//! "Did you mean": the nearest of the words that would have been right.

/// Distance from which on a word is no slip of the other.
const TOO_FAR: usize = 3;

/// ` (did you mean x?)`, or nothing if no option is near. Case does not matter.
pub(super) fn suffix<'a>(word: &str, options: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, options).map(|option| format!(" (did you mean {option}?)")).unwrap_or_default()
}

/// The nearest option, if one is near but not the word itself.
pub(super) fn nearest<'a>(word: &str, options: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = word.to_lowercase().chars().take(64).collect();
    let mut best = None;
    for option in options {
        // No slip makes a word so much shorter or longer; a lower case letter takes no more bytes than four.
        if option.len() > 4 * (wanted.len() + TOO_FAR) {
            continue;
        }
        let option_chars: Vec<char> = option.to_lowercase().chars().collect();
        if option_chars.len().abs_diff(wanted.len()) >= TOO_FAR {
            continue;
        }
        let distance = distance(&wanted, &option_chars);
        if distance == 0 {
            return None;
        }
        if distance < best.map_or(TOO_FAR, |(least, _)| least) {
            best = Some((distance, option));
        }
    }
    best.map(|(_, option)| option)
}

/// Insertions, removals, replacements and swaps of neighbours from one to the other.
fn distance(left: &[char], right: &[char]) -> usize {
    let (mut before, mut last): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=right.len()).collect());
    for (line, a) in left.iter().enumerate() {
        let mut row = vec![line + 1];
        for (column, b) in right.iter().enumerate() {
            let replaced = last[column] + usize::from(a != b);
            let mut least = replaced.min(last[column + 1] + 1).min(row[column] + 1);
            if line > 0 && column > 0 && *a == right[column - 1] && left[line - 1] == *b {
                least = least.min(before[column - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}
