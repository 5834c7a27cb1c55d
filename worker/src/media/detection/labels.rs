//! Names of a network's classes: from a file, or from what the exporter wrote into the network.

use std::path::Path;

use crate::fault::Fault;

/// Longest name, characters.
const MAX_NAME_CHARS: usize = 100;
/// Most names: networks of thousands of classes do not draw boxes.
const MAX_NAMES: usize = 10_000;

/// Names of a file, one a line; empty lines at its end do not count.
pub(super) fn read(file: &Path) -> Result<Vec<String>, Fault> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Fault::not_installed(format!("DETECTOR_LABELS cannot be read: {error}")))?;
    let names: Vec<String> = text.trim_end().lines().map(|line| shortened(line.trim())).collect();
    if names.is_empty() || names.len() > MAX_NAMES || names.iter().any(String::is_empty) {
        return Err(Fault::model_invalid(
            "DETECTOR_LABELS should hold the name of a class in every line".to_owned(),
        ));
    }
    Ok(names)
}

/// Names as Ultralytics' exporter writes them, a Python dictionary: `{0: 'person', 1: "kid's bike"}`. `None` for a text
/// of another form.
pub(super) fn of_metadata(text: &str) -> Option<Vec<String>> {
    let mut rest = text.trim().strip_prefix('{')?;
    let mut names = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', ',', '\n']);
        if rest.starts_with('}') {
            return (!names.is_empty()).then_some(names);
        }
        let (number, after) = rest.split_once(':')?;
        if number.trim().parse::<usize>().ok()? != names.len() || names.len() >= MAX_NAMES {
            return None;
        }
        let (name, after) = quoted(after.trim_start())?;
        names.push(shortened(&name));
        rest = after;
    }
}

/// A Python string at the beginning of a text, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let mut name = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.push(chars.next()?.1),
            c if c == quote => return Some((name, &text[at + 1..])),
            c => name.push(c),
        }
    }
    None
}

fn shortened(name: &str) -> String {
    name.chars().take(MAX_NAME_CHARS).collect()
}

/// What a class is called; one without a name by its number.
pub(super) fn name_of(labels: Option<&[String]>, class: usize) -> String {
    let known = labels.and_then(|labels| labels.get(class));
    known.cloned().unwrap_or_else(|| format!("class {class}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_exporters_write_them() {
        let names = |text| of_metadata(text);
        assert_eq!(
            names("{0: 'person', 1: \"kid's bike\", 2: 'caf\\'e'}"),
            Some(vec!["person".to_owned(), "kid's bike".to_owned(), "caf'e".to_owned()])
        );
        for text in [
            "",
            "{}",
            "person",
            "{1: 'a'}",
            "{0: 'a', 2: 'b'}",
            "{0: 'a",
            "{0: a}",
            "{0 'a'}",
        ] {
            assert_eq!(names(text), None, "{text}");
        }
    }

    #[test]
    fn a_class_without_a_name_is_told_by_its_number() {
        let labels = ["cat".to_owned()];
        assert_eq!(name_of(Some(&labels), 0), "cat");
        assert_eq!(name_of(Some(&labels), 7), "class 7");
        assert_eq!(name_of(None, 0), "class 0");
    }
}
