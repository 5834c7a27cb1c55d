//! What a process takes of the machine, from `/proc`. Linux only.

use rustix::process::Pid;

/// Ticks of `/proc/<pid>/stat`, milliseconds; Linux has no others.
const TICK_MS: u64 = 10;

/// Processor time of a process and of its children that have ended, milliseconds. 0 if it has ended meanwhile: its parent
/// counts it then.
pub fn cpu_ms(pid: Pid) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    // utime, stime, cutime, cstime
    let ticks = fields.split_whitespace().skip(11).take(4);
    ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * TICK_MS
}

/// Memory of a process, what it shares with others by its share, KiB; `None` if it has ended.
pub fn pss_kib(pid: Pid) -> Option<u64> {
    let sizes = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = sizes.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Resident memory of a process, KiB; `None` if it has ended.
pub fn resident_kib(pid: Pid) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
