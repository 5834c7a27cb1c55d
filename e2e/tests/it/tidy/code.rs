//! Rules for code: sizes, words, leftovers.

use super::files::{self, File};
use super::{assert_none, numbered};

const MAX_RUST_LINES: usize = 500;
const MAX_LUA_LINES: usize = 60;
/// The word is assembled, or this file would break the rule itself.
const FORBIDDEN_WORD: &str = concat!("j", "ob");
/// Other systems' own words.
const OTHERS_WORDS: [&str; 3] = ["faktory", "sidekiq", concat!("j", "ob_name:")];
/// Unfinished work. Assembled for the same reason.
const LEFTOVERS: [&str; 5] = [
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("#[ig", "nore"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];
const SLEEP: &str = concat!("sleep", "(");
/// Module names that collect whatever fits nowhere.
const VAGUE_MODULES: [&str; 6] = ["utils", "helpers", "common", "manager", "types", "models"];

#[test]
fn no_rust_file_is_longer_than_500_lines() {
    assert_short(&files::with_extension("rs"), MAX_RUST_LINES);
}

#[test]
fn no_part_of_a_script_is_longer_than_60_lines() {
    assert_short(&files::with_extension("lua"), MAX_LUA_LINES);
}

fn assert_short(files: &[File], limit: usize) {
    let long = files
        .iter()
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| *lines > limit);
    let findings: Vec<String> = long
        .map(|(file, lines)| format!("{}: {lines} lines", file.path))
        .collect();
    assert_none(
        &format!("split by responsibility, the limit is {limit} lines"),
        &findings,
    );
}

#[test]
fn a_requested_unit_of_work_is_called_a_task() {
    let files = files::all().into_iter().filter(|file| !file.path.ends_with(".toml"));
    let findings: Vec<String> = files.flat_map(|file| lines_with_forbidden_word(&file)).collect();
    assert_none(&format!("say task, not {FORBIDDEN_WORD}"), &findings);
}

fn lines_with_forbidden_word(file: &File) -> Vec<String> {
    let plural = format!("{FORBIDDEN_WORD}s");
    let breaks = |line: &str| {
        let line = line.to_lowercase();
        let words = line.split(|c: char| !c.is_ascii_alphanumeric());
        let found = words.into_iter().any(|word| word == FORBIDDEN_WORD || word == plural);
        found && !OTHERS_WORDS.iter().any(|other| line.contains(other))
    };
    numbered(file)
        .filter(|(_, line)| breaks(line))
        .map(|(place, line)| format!("{place}: {}", line.trim()))
        .collect()
}

#[test]
fn nothing_is_left_unfinished() {
    let mut findings = Vec::new();
    for file in files::with_extension("rs").iter().chain(&files::with_extension("lua")) {
        let left = |line: &str| LEFTOVERS.iter().any(|leftover| line.contains(leftover));
        findings.extend(
            numbered(file)
                .filter(|(_, line)| left(line))
                .map(|(place, line)| format!("{place}: {}", line.trim())),
        );
    }
    assert_none("finish it", &findings);
}

#[test]
fn no_test_sleeps() {
    let in_tests = |file: &File| file.path.contains("/tests/") || file.path.starts_with("e2e/");
    let mut findings = Vec::new();
    for file in files::with_extension("rs").iter().filter(|file| in_tests(file)) {
        findings.extend(
            numbered(file)
                .filter(|(_, line)| line.contains(SLEEP))
                .map(|(place, _)| place),
        );
    }
    assert_none("wait for what you wait for, not for time to pass", &findings);
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    let vague = |file: &File| {
        let stem = file.path.trim_end_matches("/mod.rs").trim_end_matches(".rs");
        VAGUE_MODULES.iter().any(|name| stem.rsplit('/').next() == Some(name))
    };
    let findings: Vec<String> = files::with_extension("rs")
        .into_iter()
        .filter(vague)
        .map(|file| file.path)
        .collect();
    assert_none("name it after what belongs in it", &findings);
}

#[test]
fn every_rust_file_says_what_belongs_in_it() {
    let silent = files::with_extension("rs").into_iter().filter(|file| {
        let first = file.text.lines().next().unwrap_or_default();
        !first.starts_with("//!") && !first.starts_with("#![doc")
    });
    let findings: Vec<String> = silent.map(|file| file.path).collect();
    assert_none("begin with module documentation", &findings);
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let homes = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
    ];
    let mut findings = Vec::new();
    for file in files::all() {
        let local = |line: &str| homes.iter().any(|home| line.contains(home));
        findings.extend(
            numbered(&file)
                .filter(|(_, line)| local(line))
                .map(|(place, line)| format!("{place}: {}", line.trim())),
        );
    }
    assert_none("paths are relative or come from settings", &findings);
}
