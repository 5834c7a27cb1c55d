//! The steps of a recording as a guide for people: lines for a terminal, or one page that needs nothing beside itself.

use std::collections::HashMap;
use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use zoetrope_shared::tasks::step_detection::{Step, StepDetectionOutput};

use crate::plain::{escaped, one_line, plain};

const SENTENCE_WIDTH: usize = 160;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1c1e}\
                     h1{font-size:1.5rem}section{margin:2rem 0}h2{font-size:1.1rem;margin:0 0 .3rem}p{margin:.2rem 0;color:#555}\
                     img{max-width:100%;border:1px solid #ccc;border-radius:6px}";

/// A line for each step: what was done is numbered, what it led to stands below.
pub(crate) fn text(found: &StepDetectionOutput) -> String {
    if found.steps.is_empty() {
        return "No steps were found.".to_owned();
    }
    let mut text = String::new();
    let mut number = 0;
    for step in &found.steps {
        let sentence = one_line(&sentence(step), SENTENCE_WIDTH);
        let time = clock(step.t_ms);
        let _ = if step.step.is_action() {
            number += 1;
            writeln!(text, "{number:>3}. {sentence}  ({time})")
        } else {
            writeln!(text, "       {sentence}")
        };
    }
    text
}

/// A page with the screenshots in it. `pictures` are JPEGs by the ids of their artifacts; a step whose picture is
/// missing stands without.
pub(crate) fn html(title: &str, found: &StepDetectionOutput, pictures: &HashMap<String, Vec<u8>>) -> String {
    let mut page = format!("<h1>{}</h1>\n", escaped(title));
    let mut number = 0;
    let mut open = false;
    for step in &found.steps {
        let sentence = escaped(&sentence(step));
        if !step.step.is_action() && open {
            let _ = writeln!(page, "<p>{sentence}</p>");
            continue;
        }
        if open {
            page.push_str("</section>\n");
        }
        open = true;
        number += 1;
        let _ = writeln!(page, "<section><h2>{number}. {sentence}</h2>");
        if let Some(picture) = step.before.as_ref().and_then(|id| pictures.get(id)) {
            let _ = writeln!(page, "<img alt=\"{sentence}\" src=\"{}\">", embedded(picture));
        }
    }
    if open {
        page.push_str("</section>\n");
    }
    whole(title, &page)
}

/// A page of its own around what it shows.
pub(crate) fn whole(title: &str, content: &str) -> String {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{}</title><style>{STYLE}</style>\n{content}</html>\n",
        escaped(title)
    )
}

/// A picture as an address that holds it.
pub(crate) fn embedded(jpeg: &[u8]) -> String {
    format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(jpeg))
}

/// What a step says, or its type where nobody worded it.
pub(crate) fn sentence(step: &Step) -> String {
    let worded = step.description.clone();
    plain(&worded.unwrap_or_else(|| format!("{} {}", step.step.as_str(), step.target_text)))
}

/// Minutes and seconds of a time of the recording.
fn clock(ms: u64) -> String {
    format!("{}:{:02}.{}", ms / 60_000, ms / 1_000 % 60, ms / 100 % 10)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found() -> StepDetectionOutput {
        let step = |index: u32, kind: &str, t_ms: u64, description: &str, before: &str| {
            json!({"index": index, "type": kind, "t_ms": t_ms, "end_ms": t_ms, "bbox": [1, 2, 3, 4], "target_text": "",
                   "confidence": 0.9, "description": description, "before": before})
        };
        let steps = [
            step(0, "click", 4_800, "Click \"<b>Add</b>\"", "one"),
            step(1, "open", 4_900, "The dialog \"Add\" opens", "two"),
            step(2, "type", 65_200, "Type \"12\x1b[31m\" in \"Quantity\"", "gone"),
        ];
        serde_json::from_value(json!({
            "steps": steps, "width": 10, "height": 10, "recording_ms": 70_000, "frames": 700, "pointer": true,
            "provider": "local", "model": "m", "duration_ms": 1,
        }))
        .expect("steps")
    }

    #[test]
    fn what_was_done_is_numbered_and_what_it_led_to_stands_below() {
        let lines = "  1. Click \"<b>Add</b>\"  (0:04.8)\n       The dialog \"Add\" opens\n  2. Type \"12\" in \"Quantity\"  (1:05.2)\n";
        assert_eq!(text(&found()), lines);
        let nothing = StepDetectionOutput {
            steps: Vec::new(),
            ..found()
        };
        assert_eq!(text(&nothing), "No steps were found.");
    }

    #[test]
    fn the_page_holds_its_pictures_and_what_was_read_is_no_markup() {
        let pictures = HashMap::from([("one".to_owned(), b"JPEG".to_vec())]);
        let page = html("a & b", &found(), &pictures);
        assert!(page.contains("<title>a &amp; b</title>"));
        assert!(page.contains("src=\"data:image/jpeg;base64,SlBFRw==\""));
        assert!(page.contains("Click &quot;&lt;b&gt;Add&lt;/b&gt;&quot;") && !page.contains("<b>"));
        assert_eq!(
            (page.matches("<section>").count(), page.matches("<img").count()),
            (2, 1)
        );
    }
}
