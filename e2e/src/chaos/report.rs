//! The report that is published: one line for each case, each promise with the figure that was measured.

use std::fmt::Write;
use std::time::Duration;

use super::{Played, Scale};

/// What is written about all that was played, in so much time, as Markdown.
pub fn markdown(played: &[Played], took: Duration, seed: u64, scale: Scale, machine: &str) -> String {
    let broken = played.iter().filter(|case| !holds(case, scale)).count();
    let skipped = played.iter().filter(|case| case.verdict.skipped.is_some()).count();
    let sum = |count: fn(&Played) -> usize| played.iter().map(count).sum::<usize>();
    let mut recovery: Vec<u64> = played
        .iter()
        .flat_map(|case| case.verdict.recovery_ms.clone())
        .collect();
    recovery.sort_unstable();
    let mut text = format!(
        "# Chaos, seed {seed}\n\n{} cases in {} s on {machine}; {broken} broken, {skipped} not played here. Replay: \
         `CHAOS_SEED={seed} make chaos`; one case: `CHAOS_CASES=C01`.\n\n",
        played.len(),
        took.as_secs()
    );
    let _ = write!(
        text,
        "| promise | all cases |\n|---|---|\n| tasks acknowledged | {} |\n| lost | {} |\n| committed twice | {} |\n\
         | stale writes refused, accepted | {}, {} |\n| recovery p50, p99, max | {} |\n| stuck | {} |\n\
         | ended as they should not | {} |\n| found by fsck | {} |\n\n",
        sum(|case| case.verdict.tasks),
        sum(|case| case.verdict.lost),
        sum(|case| case.verdict.twice),
        sum(|case| case.verdict.refused),
        sum(|case| case.verdict.accepted),
        percentiles(&recovery),
        sum(|case| case.verdict.stuck),
        sum(|case| case.verdict.failed),
        sum(|case| usize::try_from(case.verdict.fsck).unwrap_or(usize::MAX)),
    );
    text.push_str(
        "Recovery: from the kill of a worker to the next start of what it held, first losses; leases of 2 s. \
         The machine's stall: the longest that a thread which could run had to wait for a core.\n\n",
    );
    text.push_str(
        "| case | what is done | tasks | lost | twice | stale refused | re-runs | recovery ms p50, p99, max | stuck | fsck | \
         machine's stall ms | |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for case in played {
        text.push_str(&row(case, scale));
    }
    text.push('\n');
    for case in played {
        text.push_str(&details(case));
    }
    text
}

/// Whether the case kept every promise that is judged at this scale.
pub(super) fn holds(case: &Played, scale: Scale) -> bool {
    case.verdict.holds(scale == Scale::Full)
}

fn row(played: &Played, scale: Scale) -> String {
    let (case, verdict) = (played.case, &played.verdict);
    let word = match (&verdict.skipped, holds(played, scale)) {
        (Some(_), _) => "not played",
        (None, true) => "kept",
        (None, false) => "BROKEN",
    };
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {word} |\n",
        case.id,
        case.fault,
        verdict.tasks,
        verdict.lost,
        verdict.twice,
        verdict.refused,
        verdict.reruns,
        percentiles(&verdict.recovery_ms),
        verdict.stuck,
        verdict.fsck,
        played.stalled.as_millis()
    )
}

/// A case in a few sentences: its promise, every figure that was held against it.
pub fn details(played: &Played) -> String {
    let verdict = &played.verdict;
    let mut text = format!(
        "**{}** ({:.1} s, stall {} ms): {}.",
        played.case.id,
        played.took.as_secs_f64(),
        played.stalled.as_millis(),
        played.case.promise
    );
    for promise in &verdict.promises {
        let mark = if promise.kept { "" } else { " **NOT KEPT**" };
        let _ = write!(text, " {}{mark}.", promise.text);
    }
    for (count, what) in [
        (verdict.lost, "lost"),
        (verdict.twice, "committed twice"),
        (verdict.accepted, "written with a stale token"),
        (verdict.stuck, "stuck"),
        (verdict.failed, "ended as they should not"),
    ] {
        if count > 0 {
            let _ = write!(text, " **{count} {what}**.");
        }
    }
    if verdict.dead_by_rule > 0 {
        let _ = write!(text, " Dead letters after three workers: {}.", verdict.dead_by_rule);
    }
    if let Some(why) = &verdict.skipped {
        let _ = write!(text, " Not played here: {why}.");
    }
    text + "\n\n"
}

fn percentiles(sorted: &[u64]) -> String {
    let Some(last) = sorted.len().checked_sub(1) else {
        return "-".to_owned();
    };
    format!("{}, {}, {}", sorted[last / 2], sorted[last * 99 / 100], sorted[last])
}
