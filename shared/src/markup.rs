//! Markdown: strangers' text made plain in it, and HTML made of it that holds no script, no style and no address but
//! web pages, mail and our own artifacts.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

/// Characters that mean something in Markdown.
const SPECIAL: &[char] = &[
    '\\', '`', '*', '_', '{', '}', '[', ']', '<', '>', '(', ')', '#', '+', '!', '|', '~', '&', '$',
];
/// Longest title, characters.
const MAX_TITLE_CHARS: usize = 200;

/// Text that stands in Markdown as it is, on one line.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for word in text.split_whitespace() {
        if !escaped.is_empty() {
            escaped.push(' ');
        }
        let begins_line = escaped.is_empty();
        for (index, c) in word.char_indices() {
            let begins_list = begins_line && index == 0 && matches!(c, '-' | '=');
            // "1." and "1)" begin a list as well.
            let ends_number = begins_line && c == '.' && word[..index].bytes().all(|byte| byte.is_ascii_digit());
            if SPECIAL.contains(&c) || begins_list || ends_number {
                escaped.push('\\');
            }
            escaped.push(c);
        }
    }
    escaped
}

/// Text as code in a line.
pub fn code(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Markdown as an HTML fragment. Raw HTML in it becomes text.
pub fn to_html(markdown: &str) -> String {
    let mut out = String::with_capacity(markdown.len() * 5 / 4);
    html::push_html(&mut out, Parser::new_ext(markdown, options()).map(harmless));
    out
}

/// The first heading, as text.
pub fn title_of(markdown: &str) -> Option<String> {
    let mut title: Option<String> = None;
    for event in Parser::new_ext(markdown, options()) {
        match (event, &mut title) {
            (Event::Start(Tag::Heading { .. }), title @ None) => *title = Some(String::new()),
            (Event::Text(text) | Event::Code(text), Some(title)) => *title += &text,
            (Event::End(TagEnd::Heading(_)), Some(_)) => break,
            _ => {}
        }
    }
    let title = title?.chars().take(MAX_TITLE_CHARS).collect::<String>();
    let title = title.trim();
    (!title.is_empty()).then(|| title.to_owned())
}

fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH
}

fn harmless(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        Event::Start(Tag::Link {
            link_type,
            dest_url,
            title,
            id,
        }) => Event::Start(Tag::Link {
            link_type,
            dest_url: if is_linkable(&dest_url) { dest_url } else { "".into() },
            title,
            id,
        }),
        Event::Start(Tag::Image {
            link_type,
            dest_url,
            title,
            id,
        }) => Event::Start(Tag::Image {
            link_type,
            // A picture from elsewhere would tell its server who reads this.
            dest_url: if is_ours(&dest_url) { dest_url } else { "".into() },
            title,
            id,
        }),
        other => other,
    }
}

fn is_linkable(target: &str) -> bool {
    let schemes = ["https://", "http://", "mailto:"];
    is_ours(target) || target.starts_with('#') || schemes.iter().any(|scheme| target.starts_with(scheme))
}

fn is_ours(target: &str) -> bool {
    target.starts_with("/api/v1/artifacts/") && !target.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_text_stays_text() {
        for text in [
            "# no heading",
            "- no list",
            "1. no list",
            "[a](javascript:alert)",
            "<b>&amp;",
            "*a* _b_ `c`",
            "a | b",
            "![x](y)",
            "=== x",
        ] {
            let html = to_html(&escape(text));
            let shown = html.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            assert_eq!(shown.trim(), format!("<p>{text}</p>"), "{html}");
        }
        assert_eq!(escape("two\nlines\t of"), "two lines of");
    }

    #[test]
    fn code_may_hold_backquotes() {
        assert_eq!(to_html(&code("a `b` c")).trim(), "<p><code>a `b` c</code></p>");
        assert_eq!(to_html(&code("`")).trim(), "<p><code>`</code></p>");
    }

    #[test]
    fn html_of_a_model_holds_no_script_and_leads_nowhere_strange() {
        let html = to_html(
            "<script>alert(1)</script>\n\n[a](javascript:alert(1)) [b](https://example.com) ![c](https://spy.example/x.png) \
             ![d](/api/v1/artifacts/abc) <img src=x onerror=alert(1)>",
        );
        assert!(!html.contains("<script") && !html.contains("javascript:"), "{html}");
        assert!(
            !html.contains("spy.example") && !html.contains("<img src=\"x"),
            "{html}"
        );
        assert!(!html.contains("<img src=x"), "{html}");
        assert!(
            html.contains("href=\"https://example.com\"") && html.contains("src=\"/api/v1/artifacts/abc\""),
            "{html}"
        );
    }

    #[test]
    fn the_title_is_the_first_heading() {
        assert_eq!(
            title_of("intro\n\n## The `big` *plan*\n\n# Next").as_deref(),
            Some("The big plan")
        );
        assert_eq!(title_of("no heading"), None);
    }
}
