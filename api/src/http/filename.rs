//! File names from strangers, made harmless: used only as labels and in `Content-Disposition`, never as paths.

use crate::limits::MAX_FILENAME_BYTES;

/// The last component of a name without what could hide its end, break a header or name a device. `None` if nothing
/// is left.
pub(crate) fn clean(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut kept = String::new();
    for c in last.chars().filter(|c| !is_deceptive(*c)) {
        if kept.len() + c.len_utf8() > MAX_FILENAME_BYTES {
            break;
        }
        kept.push(c);
    }
    let kept = kept.trim_matches(|c: char| c == '.' || c.is_whitespace());
    let stem = kept.split('.').next().unwrap_or_default();
    match kept {
        "" => None,
        _ if is_device(stem) => Some(format!("_{kept}")),
        _ => Some(kept.to_owned()),
    }
}

/// A `Content-Disposition` that makes browsers save the body under `name`.
pub(crate) fn attachment(name: &str) -> String {
    let ascii: String = name
        .chars()
        .map(|c| {
            if c.is_ascii() && c != '"' && c != '\\' && !c.is_ascii_control() {
                c
            } else {
                '_'
            }
        })
        .collect();
    let mut header = format!("attachment; filename=\"{ascii}\"");
    if ascii != name {
        header.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => header.push(char::from(byte)),
                _ => header.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    header
}

/// Control characters, and the marks that reorder or hide text on a screen.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Names that Windows gives to devices whatever their extension.
fn is_device(stem: &str) -> bool {
    let upper = stem.to_ascii_uppercase();
    let numbered = |prefix: &str| {
        upper
            .strip_prefix(prefix)
            .is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit())
    };
    matches!(upper.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_folders_and_tricks() {
        let cases = [
            ("shot.png", Some("shot.png")),
            ("../../etc/cron.d/x", Some("x")),
            ("..\\..\\x", Some("x")),
            ("/etc/passwd", Some("passwd")),
            ("C:\\x", Some("x")),
            ("x\0.png", Some("x.png")),
            (".", None),
            ("..", None),
            ("", None),
            ("a/", None),
            ("CON", Some("_CON")),
            ("com1.txt", Some("_com1.txt")),
            ("evil\u{202e}gnp.exe", Some("evilgnp.exe")),
            ("a\r\nSet-Cookie: b", Some("aSet-Cookie: b")),
            (".htaccess", Some("htaccess")),
            ("\u{1f600} photo.jpg", Some("\u{1f600} photo.jpg")),
        ];
        for (name, expected) in cases {
            assert_eq!(clean(name).as_deref(), expected, "{name:?}");
        }
        assert_eq!(
            clean(&"é".repeat(5_000)).map(|name| name.len()),
            Some(MAX_FILENAME_BYTES)
        );
    }

    #[test]
    fn a_disposition_is_one_header_value_whatever_the_name() {
        assert_eq!(attachment("shot.png"), "attachment; filename=\"shot.png\"");
        assert_eq!(
            attachment("a\"b\\c.png"),
            "attachment; filename=\"a_b_c.png\"; filename*=UTF-8''a%22b%5Cc.png"
        );
        assert_eq!(
            attachment("é.png"),
            "attachment; filename=\"_.png\"; filename*=UTF-8''%C3%A9.png"
        );
    }
}
