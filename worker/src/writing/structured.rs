//! Answers that have to be JSON of a schema: found in what a model says, checked, and what it is told when they are not.

use jsonschema::{PatternOptions, Validator};
use serde_json::{Value, json};
use zoetrope_queue::Failure;

/// Most mistakes that a model is told of.
const MAX_MISTAKES: usize = 12;
/// Longest mistake, characters.
const MAX_MISTAKE_CHARS: usize = 240;
/// Memory that a pattern of a schema may compile to, bytes.
const MAX_PATTERN_BYTES: usize = 1024 * 1024;

/// A schema that answers are held against.
#[derive(Debug)]
pub struct Form {
    schema: Value,
    validator: Validator,
}

impl Form {
    /// Compiles a schema. Nothing outside of it is read, and its patterns cannot run away.
    ///
    /// # Errors
    /// `input_invalid` for what is no JSON Schema.
    pub fn new(schema: &Value) -> Result<Self, Failure> {
        let patterns = PatternOptions::regex()
            .size_limit(MAX_PATTERN_BYTES)
            .dfa_size_limit(MAX_PATTERN_BYTES);
        let validator = jsonschema::options().with_pattern_options(patterns).build(schema);
        let validator = validator.map_err(|error| {
            Failure::non_retryable(
                "input_invalid",
                format!("`schema` is no JSON Schema that can be used: {error}"),
            )
        })?;
        Ok(Self {
            schema: schema.clone(),
            validator,
        })
    }

    /// The schema.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// The JSON in an answer, or what is wrong with it, one sentence a mistake.
    pub fn read(&self, answer: &str) -> Result<Value, Vec<String>> {
        let Some(value) = json_in(answer) else {
            return Err(vec!["the answer holds no JSON object".to_owned()]);
        };
        let mistakes = self.validator.iter_errors(&value).take(MAX_MISTAKES);
        let mistakes: Vec<String> = mistakes
            .map(|error| {
                let sentence = format!("at \"{}\": {error}", error.instance_path());
                sentence.chars().take(MAX_MISTAKE_CHARS).collect()
            })
            .collect();
        if mistakes.is_empty() { Ok(value) } else { Err(mistakes) }
    }
}

/// What a model is told when its answer was wrong.
pub fn repair(mistakes: &[String]) -> String {
    let listed: String = mistakes.iter().map(|mistake| format!("- {mistake}\n")).collect();
    format!("Your answer does not match the JSON Schema:\n{listed}Answer again with the corrected JSON object alone.")
}

/// The form where JSON is wanted and nobody says which.
pub fn usual_schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["title", "sections"],
        "properties": {
            "title": {"type": "string", "description": "The title"},
            "sections": {"type": "array", "items": {
                "type": "object",
                "additionalProperties": false,
                "required": ["heading", "text"],
                "properties": {
                    "heading": {"type": "string", "description": "Heading of the section"},
                    "text": {"type": "string", "description": "Its text as Markdown"},
                },
            }},
        },
    })
}

/// The object in an answer: alone, in a fence, or between words.
fn json_in(answer: &str) -> Option<Value> {
    let whole = |text: &str| serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
    if let Some(value) = whole(answer.trim()) {
        return Some(value);
    }
    let (first, last) = (answer.find('{')?, answer.rfind('}')?);
    whole(answer.get(first..=last)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_is_found_alone_in_a_fence_and_between_words() {
        let form = Form::new(&json!({"type": "object", "required": ["a"]})).expect("a schema");
        for answer in [
            "{\"a\": 1}",
            "```json\n{\"a\": 1}\n```",
            "Here you are: {\"a\": 1}. Anything else?",
        ] {
            assert_eq!(form.read(answer), Ok(json!({"a": 1})), "{answer}");
        }
        assert_eq!(form.read("no"), Err(vec!["the answer holds no JSON object".to_owned()]));
        assert_eq!(form.read("[1]").expect_err("a list is no object").len(), 1);
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let schema =
            json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]});
        let form = Form::new(&schema).expect("a schema");
        let mistakes = form.read("{\"n\": 1}").expect_err("1 is too small");
        assert!(mistakes[0].starts_with("at \"/n\": "), "{mistakes:?}");
        assert!(repair(&mistakes).contains("- at \"/n\": "));
    }

    #[test]
    fn what_is_no_schema_is_the_tasks_own_mistake() {
        for schema in [
            json!({"type": "object", "properties": 5}),
            json!({"type": "object", "$ref": "#/nowhere"}),
            json!({"type": "object", "properties": {"a": {"pattern": "(?=x)"}}}),
        ] {
            assert_eq!(
                Form::new(&schema).expect_err("no schema").code,
                "input_invalid",
                "{schema}"
            );
        }
    }

    #[test]
    fn the_usual_form_is_one_that_providers_enforce() {
        assert!(crate::providers::enforces(&usual_schema()));
    }
}
