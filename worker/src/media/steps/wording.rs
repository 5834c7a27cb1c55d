//! One sentence for a step, from a template.

use zoetrope_shared::tasks::step_detection::{StepDetail, StepType};

use super::find::Draft;

/// Longest text that is quoted, characters.
const MOST_QUOTED: usize = 80;

/// The sentence.
pub(super) fn sentence(draft: &Draft, target: &str, value: Option<&str>) -> String {
    let target = quoted(target);
    let value = quoted(value.unwrap_or_default());
    let on = |verb: &str| {
        target
            .as_ref()
            .map_or_else(|| format!("{verb} here"), |target| format!("{verb} {target}"))
    };
    match draft.step {
        StepType::Click => on("Click"),
        StepType::DoubleClick => on("Double-click"),
        StepType::RightClick => on("Right-click"),
        StepType::Drag => on("Drag"),
        StepType::Key => value.map_or_else(
            || "Press a key".to_owned(),
            |key| format!("Press {}", key.trim_matches('"')),
        ),
        StepType::Scroll => format!("Scroll {}", direction(draft.amount.unwrap_or(0), draft.across)),
        StepType::Type => match (value, target) {
            (Some(value), Some(target)) => format!("Type {value} in {target}"),
            (Some(value), None) => format!("Type {value}"),
            (None, Some(target)) => format!("Type in {target}"),
            (None, None) => "Type".to_owned(),
        },
        StepType::Select => match (draft.detail, target) {
            (Some(StepDetail::Text), Some(target)) => format!("Select the text {target}"),
            (_, Some(target)) => format!("Select {target}"),
            (_, None) => "Select the text".to_owned(),
        },
        StepType::Navigate => target.map_or_else(
            || "Another page opens".to_owned(),
            |target| format!("The page {target} opens"),
        ),
        StepType::Open => format!("The {} opens", named(draft.detail, target)),
        StepType::Close => format!("The {} closes", named(draft.detail, target)),
    }
}

fn direction(amount: i32, across: bool) -> &'static str {
    match (across, amount >= 0) {
        (false, true) => "down",
        (false, false) => "up",
        (true, true) => "right",
        (true, false) => "left",
    }
}

fn named(detail: Option<StepDetail>, name: Option<String>) -> String {
    let thing = match detail {
        Some(StepDetail::Drawer) => "drawer",
        Some(StepDetail::Menu) => "menu",
        Some(StepDetail::Dropdown) => "list",
        Some(StepDetail::Dialog | StepDetail::Text) | None => "dialog",
    };
    name.map_or_else(|| thing.to_owned(), |name| format!("{thing} {name}"))
}

/// In quotation marks, shortened; `None` for nothing.
fn quoted(text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let short: String = text.chars().take(MOST_QUOTED).collect();
    let more = if short.len() < text.len() { "..." } else { "" };
    Some(format!("\"{short}{more}\""))
}

#[cfg(test)]
mod tests {
    use super::super::find::Label;
    use super::super::geometry::Rect;
    use super::*;

    fn draft(step: StepType, detail: Option<StepDetail>, amount: Option<i32>) -> Draft {
        Draft {
            step,
            detail,
            start: 0,
            end: 0,
            rect: Rect::new(0, 0, 1, 1),
            label: Label::None,
            amount,
            across: false,
            surface: None,
            confidence: 1.0,
        }
    }

    #[test]
    fn sentences_quote_labels_and_do_without_them() {
        let say = |step, detail, target, value| sentence(&draft(step, detail, Some(-40)), target, value);
        assert_eq!(say(StepType::Click, None, "Save", None), "Click \"Save\"");
        assert_eq!(say(StepType::Click, None, "  ", None), "Click here");
        assert_eq!(
            say(StepType::Type, None, "City", Some("Leeds")),
            "Type \"Leeds\" in \"City\""
        );
        assert_eq!(say(StepType::Scroll, None, "", Some("-40")), "Scroll up");
        assert_eq!(
            say(StepType::Open, Some(StepDetail::Menu), "View", None),
            "The menu \"View\" opens"
        );
    }

    #[test]
    fn long_labels_are_shortened() {
        let sentence = sentence(&draft(StepType::Click, None, None), &"ä".repeat(200), None);
        assert_eq!(sentence.chars().count(), "Click \"\"...".chars().count() + MOST_QUOTED);
    }
}
