//! The table that is printed.

use std::fmt::Write as _;

use crate::{BATCH, CALLERS, Figures, KEYS, LARGE_BYTES, LONG_QUEUE, RATE_PER_S, SHORT_QUEUE, TASKS};

struct Row {
    name: String,
    ours: Option<f64>,
    peer: Option<f64>,
    digits: usize,
}

pub(crate) fn print(ours: &Figures, peer: &Figures) -> String {
    let mut text = format!("{:<56} {:>12} {:>14} {:>10}\n", "", "zoetrope", "BullMQ Rust", "ratio");
    for row in rows(ours, peer).into_iter().filter(|row| row.ours.is_some()) {
        let digits = row.digits;
        let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"));
        let ratio = row
            .ours
            .zip(row.peer)
            .map_or_else(|| "-".to_owned(), |(ours, peer)| format!("{:.2}x", ours / peer));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:<56} {:>12} {:>14} {ratio:>10}",
            row.name,
            cell(row.ours),
            cell(row.peer)
        );
    }
    text
}

fn rows(ours: &Figures, peer: &Figures) -> Vec<Row> {
    let row = |name: String, figure: &dyn Fn(&Figures) -> Option<f64>, digits: usize| Row {
        name,
        ours: figure(ours),
        peer: figure(peer),
        digits,
    };
    let named = |name: &str| name.to_owned();
    vec![
        row(
            format!("drain, tasks/s ({TASKS}, results kept)"),
            &|all| all.drain_per_s,
            0,
        ),
        row(
            format!("drain of {KEYS} fairness keys with a limit each"),
            &|all| all.keyed_per_s,
            0,
        ),
        row(
            named("drain, append-only file every second"),
            &|all| all.durable_per_s[0],
            0,
        ),
        row(named("drain, append-only file always"), &|all| all.durable_per_s[1], 0),
        row(format!("drain of {SHORT_QUEUE}"), &|all| all.length_per_s[0], 0),
        row(
            format!("drain of {SHORT_QUEUE} of {LONG_QUEUE} queued"),
            &|all| all.length_per_s[1],
            0,
        ),
        row(
            format!("enqueue in batches of {BATCH}, tasks/s"),
            &|all| all.batch_per_s,
            0,
        ),
        row(
            format!("enqueue one by one, {CALLERS} callers, tasks/s"),
            &|all| all.single_per_s[0],
            0,
        ),
        row(
            named("enqueue one by one, 1 caller, tasks/s"),
            &|all| all.single_per_s[1],
            0,
        ),
        row(
            format!("submit to start at {RATE_PER_S}/s, p50, ms"),
            &|all| all.start_ms[0],
            2,
        ),
        row(
            format!("submit to start at {RATE_PER_S}/s, p99, ms"),
            &|all| all.start_ms[1],
            2,
        ),
        row(
            named("due to start at half the drain rate, p50, ms"),
            &|all| all.half_load_ms[0],
            2,
        ),
        row(
            named("due to start at half the drain rate, p99, ms"),
            &|all| all.half_load_ms[1],
            2,
        ),
        row(
            named("due to start at half the drain rate, p99.9, ms"),
            &|all| all.half_load_ms[2],
            2,
        ),
        row(
            named("Redis bytes a finished task, payload of 20 bytes"),
            &|all| all.bytes_a_task[0],
            0,
        ),
        row(
            format!("Redis bytes a finished task, payload of {LARGE_BYTES}"),
            &|all| all.bytes_a_task[1],
            0,
        ),
        row(named("worker's resident memory, MiB"), &|all| all.rss_mib, 0),
    ]
}
