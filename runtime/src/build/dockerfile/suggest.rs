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
        let option_chars: Vec<char> = option.to_lowercase().chars().collect();
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

/// Insertions, removals and replacements from one to the other.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, a) in left.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}
