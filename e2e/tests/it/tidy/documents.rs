//! Rules for documents: they name what exists, all of it, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;

use zoetrope_shared::config::Settings;
use zoetrope_shared::tasks::KINDS;
use zoetrope_shared::wire::ProblemCode;

use super::assert_none;
use super::files::{self, read, root};

const CRATES: [&str; 6] = ["queue", "shared", "api", "worker", "cli", "e2e"];
const REQUIRED: [&str; 9] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
    "NOTICE",
    "deny.toml",
    ".env.example",
    "docs/src/SUMMARY.md",
];

#[test]
fn every_document_that_people_look_for_is_there() {
    let missing = REQUIRED.iter().filter(|path| !root().join(path).is_file());
    let findings: Vec<String> = missing.map(|path| (*path).to_owned()).collect();
    assert_none("write it", &findings);
}

#[test]
fn the_readme_names_both_commands_and_every_kind() {
    let readme = read("README.md");
    let expected = ["make run", "make test"]
        .into_iter()
        .map(str::to_owned)
        .chain(KINDS.iter().map(|kind| format!("`{}`", kind.name)));
    let findings: Vec<String> = expected.filter(|expected| !readme.contains(expected)).collect();
    assert_none("README.md should name it", &findings);
}

#[test]
fn the_settings_are_documented_and_shown() {
    let (guide, example) = (read("docs/src/configuration.md"), read(".env.example"));
    let shown = |name: &str| {
        example
            .lines()
            .any(|line| line.trim_start_matches(['#', ' ']).starts_with(&format!("{name}=")))
    };
    let mut findings = Vec::new();
    for name in Settings::names() {
        if !guide.contains(&format!("`{name}`")) {
            findings.push(format!("docs/src/configuration.md lacks {name}"));
        }
        if !shown(name) {
            findings.push(format!(".env.example lacks {name}"));
        }
    }
    assert_none("every setting is documented and shown", &findings);
}

#[test]
fn the_problem_codes_are_documented_with_their_status() {
    let guide = read("docs/src/errors.md");
    let rows = ProblemCode::ALL.iter().map(|code| {
        let retryable = if code.is_retryable() { "yes" } else { "no" };
        format!("| `{}` | {} | {retryable} |", code.as_str(), code.status())
    });
    let findings: Vec<String> = rows.filter(|row| !guide.contains(row)).collect();
    assert_none("docs/src/errors.md lacks the row", &findings);
    let documented = guide
        .lines()
        .filter(|line| line.starts_with("| `") && line.contains("| yes |") | line.contains("| no |"))
        .count();
    assert_eq!(
        documented,
        ProblemCode::ALL.len(),
        "docs/src/errors.md lists a code that does not exist"
    );
}

#[test]
fn the_kinds_are_documented() {
    let guide = read("docs/src/api.md");
    let missing = KINDS
        .iter()
        .filter(|kind| !guide.contains(&format!("### {}\n", kind.name)));
    let findings: Vec<String> = missing.map(|kind| kind.name.to_owned()).collect();
    assert_none("docs/src/api.md needs a section for it", &findings);
}

/// The map has a section `### name/` for each crate, and in it a row `` | `module` | `` for each top-level module.
#[test]
fn the_architectures_map_is_the_tree() {
    let map = read("ARCHITECTURE.md");
    let mut findings = Vec::new();
    for name in CRATES {
        let heading = format!("### `{name}/`");
        let Some(section) = map.split(&heading).nth(1).and_then(|rest| rest.split("\n#").next()) else {
            findings.push(format!("ARCHITECTURE.md lacks the section {heading}"));
            continue;
        };
        let (named, real) = (modules_named_in(section), modules_of(name));
        findings.extend(
            real.difference(&named)
                .map(|module| format!("ARCHITECTURE.md lacks {name}: {module}")),
        );
        findings.extend(
            named
                .difference(&real)
                .map(|module| format!("ARCHITECTURE.md names {name}: {module}, which is not there")),
        );
    }
    assert_none("the map is the tree", &findings);
}

/// The first cells of the rows: names in backticks.
fn modules_named_in(section: &str) -> BTreeSet<String> {
    let cells = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `").and_then(|row| row.split(" |").next()));
    let cells = cells.flat_map(|cell| cell.split(',').map(|name| name.trim().trim_matches('`').to_owned()));
    cells.collect()
}

/// Top-level modules and folders of a crate's `src`; the face of the crate itself needs no row.
fn modules_of(name: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(name).join("src"))
        .expect("a crate should have sources")
        .flatten();
    let modules = entries.filter_map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            Some(name)
        } else {
            name.strip_suffix(".rs").map(str::to_owned)
        }
    });
    modules
        .filter(|name| !matches!(name.as_str(), "lib" | "main"))
        .collect()
}

#[test]
fn every_member_of_the_workspace_is_on_the_map() {
    let manifest = read("Cargo.toml");
    let members = manifest
        .lines()
        .find(|line| line.starts_with("members"))
        .expect("a workspace should have members");
    for name in CRATES {
        assert!(members.contains(&format!("\"{name}\"")), "{name} should be a member");
    }
    assert_eq!(
        members.matches('"').count(),
        2 * CRATES.len(),
        "a new crate needs its place in ARCHITECTURE.md and here"
    );
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut findings = Vec::new();
    for file in files::with_extension("md") {
        let folder = root().join(&file.path).parent().map(Path::to_owned).unwrap_or_default();
        for link in file.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            let local = !target.is_empty() && !target.contains(':') && !target.contains(' ');
            if local && !folder.join(target).exists() {
                findings.push(format!("{}: {link}", file.path));
            }
        }
    }
    assert_none("the link leads nowhere", &findings);
}

#[test]
fn every_page_of_the_book_is_in_its_summary() {
    let summary = read("docs/src/SUMMARY.md");
    let pages = files::with_extension("md")
        .into_iter()
        .filter_map(|file| file.path.strip_prefix("docs/src/").map(str::to_owned));
    let lost = pages.filter(|page| page != "SUMMARY.md" && !summary.contains(&format!("({page})")));
    let findings: Vec<String> = lost.collect();
    assert_none("docs/src/SUMMARY.md lacks the page", &findings);
}
