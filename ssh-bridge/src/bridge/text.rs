//! Words of a server, made fit to be shown.

/// Bytes with everything that is not printable ASCII escaped.
pub(super) fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// At most `max_bytes` of `text`, without control characters except newlines and tabs: nothing that a terminal would obey.
pub(super) fn printable(text: &str, max_bytes: usize) -> String {
    let mut printable = String::new();
    for character in text.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()) {
        if printable.len() + character.len_utf8() > max_bytes {
            break;
        }
        printable.push(character);
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_comes_through() {
        assert_eq!(printable("a\u{1b}[31mb\u{9b}0c\r\n\tü\0", 100), "a[31mb0c\n\tü");
    }

    #[test]
    fn a_long_text_ends_between_characters() {
        assert_eq!(printable("üüü", 5), "üü");
    }
}
