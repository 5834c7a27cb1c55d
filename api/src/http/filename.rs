//! File names in `Content-Disposition`. What a name may hold is `artifacts::plain_filename`'s rule.

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

#[cfg(test)]
mod tests {
    use super::*;

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
