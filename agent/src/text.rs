//! Text from elsewhere, made harmless for a terminal and a log.

/// Replaces what could move the cursor, break the line or turn the direction of writing.
///
/// Control characters, line and paragraph separators and Unicode's directional controls become `U+FFFD`, so that
/// a name or a reason that a peer chose stays one line and shows as what it is.
pub fn single_line(text: &str) -> String {
    text.chars().map(|char| if is_harmful(char) { char::REPLACEMENT_CHARACTER } else { char }).collect()
}

/// What is wrong with a TOML text, in one line and without repeating the text.
pub(crate) fn toml_reason(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(1, |before| before.matches('\n').count() + 1);
    format!("line {line}: {}", single_line(error.message()))
}

fn is_harmful(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{061c}'
                | '\u{200e}' | '\u{200f}'
                | '\u{2028}' | '\u{2029}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_steer_a_terminal() {
        assert_eq!(single_line("pump-7 äß 日本 🚰"), "pump-7 äß 日本 🚰");
        assert_eq!(single_line("a\x1b[2Jb\r\nc\u{9b}31m"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c\u{fffd}31m");
        assert_eq!(single_line("txt.\u{202e}exe\u{2028}"), "txt.\u{fffd}exe\u{fffd}");
    }
}
