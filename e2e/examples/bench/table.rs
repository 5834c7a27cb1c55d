//! The table that is printed.

use std::fmt::Write as _;

use crate::{
    BATCH, CALLERS, Figures, HELD_TASKS, KEYS, LARGE_BYTES, LONG_QUEUE, RATE_PER_S, SHARE, SHORT_QUEUE,
    SUSTAINED_TASKS, TASKS,
};

struct Row {
    name: String,
    figure: fn(&Figures) -> Option<f64>,
    digits: usize,
}

/// Medians of the runs, ours and the peer's in each.
pub(crate) fn print(runs: &[(Figures, Figures)]) -> String {
    let mut text = format!("{:<60} {:>12} {:>14} {:>10}\n", "", "zoetrope", "best peer", "ratio");
    for Row { name, figure, digits } in rows() {
        let ours = median(runs.iter().filter_map(|(ours, _)| figure(ours)));
        let peer = median(runs.iter().filter_map(|(_, peer)| figure(peer)));
        let ratios = runs
            .iter()
            .filter_map(|(ours, peer)| Some(figure(ours)? / figure(peer)?));
        let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"));
        let ratio = median(ratios).map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}x"));
        if ours.is_some() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:<60} {:>12} {:>14} {ratio:>10}", cell(ours), cell(peer));
        }
    }
    text
}

pub(crate) fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

#[rustfmt::skip] // A table.
fn rows() -> Vec<Row> {
    let row = |name: &str, digits, figure| Row { name: name.to_owned(), figure, digits };
    vec![
        row(&format!("drain, tasks/s ({TASKS}, results kept)"), 0, |all| all.drain_per_s),
        row(&format!("drain of {KEYS} fairness keys with a limit each"), 0, |all| all.keyed_per_s),
        row("the same at most slots, in turns with the next", 0, |all| all.keyed_alone_per_s),
        row(&format!("beside {HELD_TASKS} tasks of a key at its limit"), 0, |all| all.keyed_beside_per_s),
        row("of that, times the row before", 2, |all| Some(all.keyed_beside_per_s? / all.keyed_alone_per_s?)),
        row("drain, append-only file every second", 0, |all| all.durable_per_s[0]),
        row("drain, append-only file always", 0, |all| all.durable_per_s[1]),
        row("drain, 1 ms added to each round trip", 0, |all| all.far_per_s),
        row(&format!("drain of {SHORT_QUEUE}"), 0, |all| all.length_per_s[0]),
        row(&format!("drain of {SHORT_QUEUE} of {LONG_QUEUE} queued"), 0, |all| all.length_per_s[1]),
        row("of that, times the row before", 2, |all| Some(all.length_per_s[1]? / all.length_per_s[0]?)),
        row(&format!("enqueue in batches of {BATCH}, tasks/s"), 0, |all| all.batch_per_s),
        row(&format!("enqueue one by one, {CALLERS} callers, tasks/s"), 0, |all| all.callers_per_s),
        row("enqueue one by one, 1 caller, tasks/s", 0, |all| all.single_per_s),
        row("enqueue one by one, 1 caller on the unix socket, tasks/s", 0, |all| all.socket_single_per_s),
        row(&format!("submit to start at {RATE_PER_S}/s, p50, ms"), 2, |all| all.start_ms[0]),
        row(&format!("submit to start at {RATE_PER_S}/s, p99, ms"), 2, |all| all.start_ms[1]),
        row(&format!("drain of {SUSTAINED_TASKS}, then at half that rate"), 0, |all| all.sustained_per_s),
        row("due to start at half the drain rate, p50, ms", 2, |all| all.half_load_ms[0]),
        row("due to start at half the drain rate, p99, ms", 2, |all| all.half_load_ms[1]),
        row("due to start at half the drain rate, p99.9, ms", 2, |all| all.half_load_ms[2]),
        row("the same, p99 of the median second, ms", 2, |all| all.half_load_ms[3]),
        row("Redis busy meanwhile, % of a core", 0, |all| all.half_load_busy),
        row("a Redis as busy without us, due to answered, p99, ms", 2, |all| all.bare.p99_ms),
        row("the same, p99 of the median second, ms", 2, |all| all.bare.p99_second_ms),
        row("its busy share, % of a core", 0, |all| all.bare.busy),
        row("the machine's longest stall meanwhile, ms", 2, |all| all.half_load_stall_ms),
        row(&format!("wait of {} tasks of a tenant alone, p95, ms", SHARE[1]), 1, |all| all.share_ms[0]),
        row(&format!("wait of {} behind {} of another tenant, p95, ms", SHARE[1], SHARE[0]), 1, |all| all.share_ms[1]),
        row("Redis bytes a finished task, payload of 20 bytes", 0, |all| all.bytes_a_task[0]),
        row(&format!("Redis bytes a finished task, payload of {LARGE_BYTES}"), 0, |all| all.bytes_a_task[1]),
        row("worker's resident memory, MiB", 0, |all| all.rss_mib),
    ]
}
