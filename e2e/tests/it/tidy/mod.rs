//! The house rules that a machine can check, over every file of the project. One sentence says what is wrong where.

mod code;
mod documents;
mod files;
mod metrics;

use self::files::File;

/// Fails with one line for each finding.
fn assert_none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

/// The lines of a file with their numbers, for findings.
fn numbered(file: &File) -> impl Iterator<Item = (String, &str)> {
    file.text
        .lines()
        .enumerate()
        .map(|(index, line)| (format!("{}:{}", file.path, index + 1), line))
}
