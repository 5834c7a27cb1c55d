//! Texts without a provider: templates over the steps, sentences taken out of the text. Nothing is made up, and what
//! only a model could have done is said.

use serde_json::{Value, json};
use zoetrope_queue::Failure;
use zoetrope_shared::markup;
use zoetrope_shared::tasks::content_generation::{ContentFormat, ContentGenerationInput, ContentTemplate};

use super::extract;
use super::material::Material;
use super::templates::Templates;

/// Who writes, as in results.
pub const PROVIDER: &str = "template";

/// A text, and what it lacks.
#[derive(Debug, PartialEq)]
pub struct LocalText {
    /// In the form asked for.
    pub content: String,
    /// The same as JSON, where that was asked for.
    pub structured: Option<Value>,
    /// Which engine made it.
    pub model: String,
    /// What was asked for and not done.
    pub notes: Vec<String>,
}

/// Whether the templates alone can do what is asked for.
pub fn can_write(input: &ContentGenerationInput) -> bool {
    let has_words = input.steps.is_some() || input.steps_task.is_some() || input.text.is_some();
    has_words && input.template != ContentTemplate::Custom && input.schema.is_none()
}

/// Writes the text.
pub fn write(templates: &Templates, input: &ContentGenerationInput, material: &Material) -> Result<LocalText, Failure> {
    let mut material = material.clone();
    if input.template == ContentTemplate::HowToGuide && material.steps.is_empty() {
        // A procedure in words: what each sentence says to do, in its order.
        let sentences = extract::sentences(&material.text);
        material.steps = sentences
            .into_iter()
            .map(|sentence| super::material::StepText {
                sentence: markup::escape(&sentence),
                picture: String::new(),
            })
            .collect();
    }
    let is_extract = material.steps.is_empty();
    let model = if is_extract {
        "extractive".to_owned()
    } else {
        format!("template:{}", input.template.as_str())
    };
    let markdown = templates.render(&format!("{}.md", input.template.as_str()), &material)?;
    let markdown = evened_out(&markdown);
    let (content, structured) = match input.format {
        ContentFormat::Markdown => (markdown, None),
        ContentFormat::Html => (markup::to_html(&markdown), None),
        ContentFormat::Json => {
            let value = as_json(&material);
            (value.to_string(), Some(value))
        }
    };
    Ok(LocalText {
        content,
        structured,
        model,
        notes: notes(input),
    })
}

fn notes(input: &ContentGenerationInput) -> Vec<String> {
    let ignored = [
        (input.prompt.is_some(), "prompt"),
        (input.tone.is_some(), "tone"),
        (input.audience.is_some(), "audience"),
        (input.language.is_some(), "language"),
        (input.media.is_some(), "media"),
        (input.model.is_some(), "model"),
        (input.temperature.is_some(), "temperature"),
    ];
    let note = |(_, name): &(bool, &str)| format!("`{name}` had no effect: it needs a provider, and none wrote this");
    ignored.iter().filter(|(given, _)| *given).map(note).collect()
}

fn as_json(material: &Material) -> Value {
    let section = |heading: String, text: &str| json!({"heading": heading, "text": text});
    let steps = material
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| section(format!("Step {}", index + 1), &step.sentence));
    let points = material.points.iter().map(|point| section(String::new(), point));
    let sections: Vec<Value> = if material.steps.is_empty() {
        points.collect()
    } else {
        steps.collect()
    };
    json!({"title": material.title, "sections": sections})
}

/// At most one empty line in a row, none at the ends.
fn evened_out(markdown: &str) -> String {
    let mut out = String::with_capacity(markdown.len());
    let mut empty = 0;
    for line in markdown.trim().lines() {
        empty = if line.trim().is_empty() { empty + 1 } else { 0 };
        if empty <= 1 {
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(input: Value) -> LocalText {
        let input: ContentGenerationInput = serde_json::from_value(input).expect("an input");
        let material = Material::of(&input, input.steps.as_deref().unwrap_or_default());
        let templates = Templates::open(None).expect("the built-in templates are valid");
        assert!(can_write(&input));
        write(&templates, &input, &material).expect("it is written")
    }

    #[test]
    fn a_guide_is_written_from_steps_with_their_pictures() {
        let steps = json!([
            {"type": "click", "target_text": "New project", "before": "abc123"},
            {"type": "type", "target_text": "Name", "value": "Apollo"},
        ]);
        let guide = written(json!({"template": "how_to_guide", "title": "Start", "steps": steps}));
        assert_eq!(
            guide.content,
            "# Start\n\n1. Click **New project**.\n\n   ![Step 1](/api/v1/artifacts/abc123)\n\n2. Type `Apollo` into **Name**.\n"
        );
        assert_eq!((guide.model.as_str(), guide.notes.len()), ("template:how_to_guide", 0));
        let html = written(json!({"template": "how_to_guide", "steps": steps, "format": "html"})).content;
        assert!(
            html.contains("<ol>") && html.contains("<img src=\"/api/v1/artifacts/abc123\""),
            "{html}"
        );
    }

    #[test]
    fn every_template_writes_from_text_and_from_steps_alone() {
        let steps = json!([{"type": "click", "target_text": "Save"}]);
        let text = "The pump of the reactor broke. It was repaired at night. The reactor runs again.";
        for template in [
            "how_to_guide",
            "summary",
            "article",
            "email",
            "social_post",
            "release_notes",
        ] {
            let of_steps = written(json!({"template": template, "steps": steps}));
            assert!(of_steps.content.contains("Save"), "{template}: {}", of_steps.content);
            let of_text = written(json!({"template": template, "text": text}));
            assert!(
                of_text.content.contains("The pump of the reactor broke"),
                "{template}: {}",
                of_text.content
            );
        }
    }

    #[test]
    fn what_was_not_done_is_said() {
        let text = written(json!({"template": "summary", "text": "One. Two.", "tone": "dry", "language": "de"}));
        assert_eq!(text.notes.len(), 2);
        assert_eq!(text.model, "extractive");
        let refused = [
            json!({"template": "custom", "text": "x", "prompt": "y"}),
            json!({"template": "summary", "text": "x", "schema": {"type": "object"}}),
            json!({"template": "summary", "media": {"artifact": "x"}}),
        ];
        for input in refused {
            let input: ContentGenerationInput = serde_json::from_value(input).expect("an input");
            assert!(!can_write(&input));
        }
    }

    #[test]
    fn json_holds_the_steps_as_sections() {
        let made =
            written(json!({"template": "how_to_guide", "title": "T", "format": "json", "steps": [{"type": "click"}]}));
        let expected = json!({"title": "T", "sections": [{"heading": "Step 1", "text": "Click the marked place."}]});
        assert_eq!(made.structured, Some(expected));
    }
}
