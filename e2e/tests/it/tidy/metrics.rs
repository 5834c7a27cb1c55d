//! The metrics that the code exports, the page that lists them, and the alerts and the dashboard that go by them.

use std::collections::BTreeSet;

use super::assert_none;
use super::files::{self, read};

const PAGE: &str = "docs/src/metrics.md";
const PREFIX: &str = "zoetrope_";
/// What Prometheus makes of one histogram.
const OF_A_HISTOGRAM: [&str; 3] = ["_bucket", "_sum", "_count"];
/// Whoever goes by metrics.
const READERS: [&str; 3] = [
    "deploy/prometheus/alerts.yml",
    "deploy/prometheus/alerts_test.yml",
    "deploy/grafana/zoetrope.json",
];

/// Words that begin with the prefix, where `before` stands in front of them.
fn names<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    let begins = move |(at, _): &(usize, &str)| text[..*at].ends_with(before);
    text.match_indices(PREFIX).filter(begins).map(|(at, _)| {
        let rest = &text[at..];
        let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        &rest[..rest.find(ends).unwrap_or(rest.len())]
    })
}

/// Names in quotes in the sources of the processes that export metrics.
fn exported() -> BTreeSet<String> {
    let sources = files::with_extension("rs");
    let ours = sources
        .iter()
        .filter(|file| file.path.starts_with("api/src/") || file.path.starts_with("worker/src/"));
    let mut found = BTreeSet::new();
    for file in ours {
        let quoted = |name: &&str| file.text.contains(&format!("\"{name}\""));
        found.extend(names(&file.text, "\"").filter(quoted).map(str::to_owned));
    }
    found
}

/// First cells of the page's rows.
fn documented() -> BTreeSet<String> {
    names(&read(PAGE), "| `").map(str::to_owned).collect()
}

#[test]
fn every_metric_is_on_the_page_and_every_row_is_a_metric() {
    let (exported, documented) = (exported(), documented());
    assert!(!exported.is_empty(), "the processes should export metrics");
    let lacking = exported
        .difference(&documented)
        .map(|name| format!("{PAGE} lacks {name}"));
    let invented = documented
        .difference(&exported)
        .map(|name| format!("{PAGE} lists {name}, which nobody exports"));
    let findings: Vec<String> = lacking.chain(invented).collect();
    assert_none("the page lists what is exported", &findings);
}

#[test]
fn names_of_metrics_say_their_unit() {
    let listed = read(PAGE);
    let counters = listed
        .lines()
        .filter(|line| line.contains("| counter |"))
        .flat_map(|line| names(line, "| `"));
    let mut findings: Vec<String> = counters
        .filter(|name| !name.ends_with("_total"))
        .map(|name| format!("the counter {name} should end in _total"))
        .collect();
    let unclear = |name: &String| {
        ["_ms", "_millis", "_mb", "_percent"]
            .iter()
            .any(|end| name.ends_with(end))
    };
    let exported = exported().into_iter().filter(unclear);
    findings.extend(exported.map(|name| format!("{name}: use seconds, bytes and ratios")));
    assert_none("Prometheus' conventions", &findings);
}

#[test]
fn alerts_and_dashboard_go_by_metrics_that_exist() {
    let documented = documented();
    let mut findings = Vec::new();
    for path in READERS {
        let text = read(path);
        for name in names(&text, "") {
            let of_a_histogram = OF_A_HISTOGRAM
                .iter()
                .filter_map(|end| name.strip_suffix(end))
                .any(|name| documented.contains(name));
            if !documented.contains(name) && !of_a_histogram {
                findings.push(format!("{path}: {name}"));
            }
        }
    }
    assert_none("nobody exports it", &findings);
}
