//! Whether there is room to record.

use std::io;
use std::path::Path;

/// How much of the disk of a folder is used, percent, as `df` tells it.
pub(super) fn used_percent(folder: &Path) -> io::Result<f64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(percent(disk.f_blocks.saturating_sub(disk.f_bfree), disk.f_bavail))
}

/// What is kept for the administrator alone is neither used nor available.
fn percent(used: u64, available: u64) -> f64 {
    // Some file systems count nothing.
    let all = used.saturating_add(available).max(1);
    100.0 * used as f64 / all as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_for_others_than_the_administrator_counts() {
        assert!((percent(950, 50) - 95.0).abs() < 1e-9);
        assert!(percent(0, 0).abs() < 1e-9, "nothing is counted there");
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(used_percent(&folder.path().join("nothing")).is_err());
    }
}
