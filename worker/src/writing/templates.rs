//! The templates by name: built in, or a file of the same name in `TEMPLATES_DIR`. They are the operator's, never a
//! user's: a template can use up memory.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;
use zoetrope_queue::Failure;
use zoetrope_shared::markup;

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../templates/", $name, ".jinja")))),*]
    };
}

/// Name and text of every template. `*.md` are written without a provider, `*.prompt` are told to a model.
const BUILT_IN: &[(&str, &str)] = built_in![
    "how_to_guide.md",
    "summary.md",
    "article.md",
    "email.md",
    "social_post.md",
    "release_notes.md",
    "system.prompt",
    "material.prompt",
    "how_to_guide.prompt",
    "summary.prompt",
    "article.prompt",
    "email.prompt",
    "social_post.prompt",
    "release_notes.prompt",
    "custom.prompt",
    "scene_system.prompt",
    "scene.prompt",
];
/// Largest template of an operator, bytes.
const MAX_TEMPLATE_BYTES: u64 = 256 * 1024;

/// All templates, parsed. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Templates(Arc<Environment<'static>>);

impl Templates {
    /// The built-in templates, with those of the folder in their places.
    ///
    /// # Errors
    /// When the folder cannot be read, holds a template that is none of ours, or one that does not parse.
    pub fn open(folder: Option<&Path>) -> anyhow::Result<Self> {
        let mut environment = Environment::new();
        // Markdown is escaped by the filter `md` where text is a stranger's; HTML is made of Markdown later.
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.add_filter("md", |text: &str| markup::escape(text));
        for (name, text) in BUILT_IN {
            environment.add_template(name, text)?;
        }
        if let Some(folder) = folder {
            read_folder(&mut environment, folder)
                .with_context(|| format!("read templates from TEMPLATES_DIR {}", folder.display()))?;
        }
        Ok(Self(Arc::new(environment)))
    }

    /// Fills a template in.
    ///
    /// # Errors
    /// `template_invalid` where a template of the operator asks for what is not there.
    pub fn render(&self, name: &str, fields: &impl Serialize) -> Result<String, Failure> {
        let rendered = self.0.get_template(name).and_then(|template| template.render(fields));
        rendered.map_err(|error| {
            Failure::non_retryable(
                "template_invalid",
                format!("the template {name} cannot be filled in: {error}"),
            )
        })
    }
}

fn read_folder(environment: &mut Environment<'static>, folder: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.file_name().to_string_lossy().into_owned();
        let Some(name) = file.strip_suffix(".jinja") else {
            continue;
        };
        let known: Vec<&str> = BUILT_IN.iter().map(|(known, _)| *known).collect();
        anyhow::ensure!(
            known.contains(&name),
            "{file} is none of the templates: {}",
            known.join(", ")
        );
        anyhow::ensure!(
            entry.metadata()?.len() <= MAX_TEMPLATE_BYTES,
            "{file} has more than {MAX_TEMPLATE_BYTES} bytes"
        );
        let text = std::fs::read_to_string(entry.path()).with_context(|| file.clone())?;
        environment.add_template_owned(name.to_owned(), text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_of_the_same_name_takes_the_place_of_a_built_in_template() {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        std::fs::write(folder.path().join("summary.md.jinja"), "Ours: {{ title | md }}").expect("it is ours");
        let templates = Templates::open(Some(folder.path())).expect("the templates are valid");
        let written = templates
            .render("summary.md", &json!({"title": "a*b"}))
            .expect("it is filled in");
        assert_eq!(written, "Ours: a\\*b");
    }

    #[test]
    fn a_template_that_is_none_of_ours_or_does_not_parse_stops_the_start() {
        for (file, text) in [("sumary.md.jinja", "x"), ("summary.md.jinja", "{% if %}")] {
            let folder = tempfile::tempdir().expect("there is room for a folder");
            std::fs::write(folder.path().join(file), text).expect("it is ours");
            let refused = Templates::open(Some(folder.path())).expect_err("it is wrong");
            assert!(format!("{refused:#}").contains("TEMPLATES_DIR"), "{refused:#}");
        }
    }

    #[test]
    fn a_template_that_asks_for_what_is_not_there_fails_its_task_and_says_which() {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        std::fs::write(folder.path().join("summary.md.jinja"), "{{ nothing }}").expect("it is ours");
        let templates = Templates::open(Some(folder.path())).expect("the templates parse");
        let failure = templates
            .render("summary.md", &json!({}))
            .expect_err("it asks for nothing");
        assert!(
            failure.code == "template_invalid" && failure.message.contains("summary.md"),
            "{failure}"
        );
    }
}
