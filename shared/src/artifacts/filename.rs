//! File names from strangers, made harmless. They are labels for people, never paths; this is the only rule for them.

/// Longest file name that is kept, bytes: files of this name can be made anywhere, also with something added to it.
pub const MAX_FILENAME_BYTES: usize = 120;

/// The last component of a name, without what could hide its end, reorder or break the text around it, or name a
/// device. `None` if nothing is left.
pub fn plain_filename(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut kept = String::new();
    for c in last.chars().filter(|c| !is_deceptive(*c)) {
        if kept.len() + c.len_utf8() > MAX_FILENAME_BYTES {
            break;
        }
        kept.push(c);
    }
    let plain = kept.trim_matches(|c: char| c == '.' || c.is_whitespace());
    let stem = plain.split('.').next().unwrap_or_default();
    match plain {
        "" => None,
        _ if is_device(stem.trim_end()) => Some(format!("_{plain}")),
        _ => Some(plain.to_owned()),
    }
}

/// Control characters, and characters that nobody sees but that hide, split or reorder what is seen.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// Names that Windows gives to devices whatever their extension.
fn is_device(stem: &str) -> bool {
    let upper = stem.to_ascii_uppercase();
    let port = |prefix: &str| {
        let number = upper.strip_prefix(prefix);
        // Superscripts count as digits there.
        number.is_some_and(|number| {
            matches!(number, "¹" | "²" | "³") || (number.len() == 1 && number.as_bytes()[0].is_ascii_digit())
        })
    };
    matches!(upper.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") || port("COM") || port("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_keep_their_last_part_without_tricks() {
        let cases = [
            ("shot.png", Some("shot.png")),
            ("../../etc/cron.d/x", Some("x")),
            ("..\\..\\x", Some("x")),
            ("C:\\x.png", Some("x.png")),
            ("x\0.png\n", Some("x.png")),
            ("gpj\u{202e}.exe", Some("gpj.exe")),
            ("été 😀.png", Some("été 😀.png")),
            ("", None),
            (".", None),
            ("..", None),
            ("evil\u{202e}gnp.exe", Some("evilgnp.exe")),
            ("\u{1f600} photo.jpg", Some("\u{1f600} photo.jpg")),
            ("a/..", None),
            ("a/", None),
            ("/etc/passwd", Some("passwd")),
            ("a\r\nSet-Cookie: b", Some("aSet-Cookie: b")),
            ("in\u{200b}voi\u{200c}ce\u{200d}.p\u{2060}df", Some("invoice.pdf")),
            (
                "\u{202a}a\u{202b}b\u{202d}c\u{2066}d\u{2069}\u{61c}e\u{ad}f",
                Some("abcdef"),
            ),
            ("x.png. . ", Some("x.png")),
            (".htaccess", Some("htaccess")),
            ("\u{200b}", None),
            ("CON", Some("_CON")),
            ("com1.txt", Some("_com1.txt")),
            ("LPT\u{b9}.txt", Some("_LPT\u{b9}.txt")),
            ("console.txt", Some("console.txt")),
        ];
        for (name, expected) in cases {
            assert_eq!(plain_filename(name).as_deref(), expected, "{name:?}");
        }
        assert_eq!(plain_filename(&"é".repeat(5_000)).map(|name| name.len()), Some(120));
    }
}
