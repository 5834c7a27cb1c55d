//! Makes text that others wrote safe to print and to put on a page: what was read in a picture may hold terminal
//! commands, or markup.

/// The text without terminal escape sequences and control characters; newlines and tabs stay.
pub(crate) fn plain(text: &str) -> String {
    console::strip_ansi_codes(text)
        .chars()
        .filter(|c| matches!(c, '\n' | '\t') || !(c.is_control() || reorders(*c)))
        .collect()
}

/// The text on one line of at most `width` characters.
pub(crate) fn one_line(text: &str, width: usize) -> String {
    let joined = plain(text).split_whitespace().collect::<Vec<_>>().join(" ");
    match joined.char_indices().nth(width) {
        None => joined,
        Some(_) => joined.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Text that means nothing but itself in a page.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(letter),
        }
    }
    safe
}

/// Characters that let text show in another order than it is written in.
fn reorders(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_commands_in_a_picture_are_not_obeyed() {
        assert_eq!(
            plain("a\x1b[31mred\x1b[0m \x1b]0;title\x07b\x08\u{9b}2J\r\n\tc"),
            "ared b\n\tc"
        );
        assert_eq!(plain("abc\u{202e}fdp.exe"), "abcfdp.exe");
    }

    #[test]
    fn long_text_is_cut_with_a_sign() {
        assert_eq!(one_line(" two\nlines  ", 20), "two lines");
        assert_eq!(one_line("abcdef", 4), "abc…");
    }
}
