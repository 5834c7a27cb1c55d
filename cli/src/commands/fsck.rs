//! `zoetrope fsck`: whether what Redis holds obeys the queue's layout, and what mends it.

use zoetrope_queue::{FsckMode, FsckReport, Queue};

use super::fsck_recordings::fsck_recordings;
use crate::args::{FsckArgs, Output};
use crate::configuration::Configuration;
use crate::exit::{CliError, Exit};
use crate::plain::plain;
use crate::{out, show};

/// Checks, mends if told so, prints what was found. Ends with `Failed` if anything was, as `fsck` of a disk does.
pub(crate) async fn fsck(args: &FsckArgs, configuration: &Configuration, output: Output) -> Result<Exit, CliError> {
    let options = configuration.redis().ok_or_else(|| {
        CliError::unavailable("no redis is running here: set REDIS_URL or start `zoetrope up`, and try again")
    })?;
    if args.recordings {
        return fsck_recordings(args, configuration, options, output).await;
    }
    let mode = if args.fix { FsckMode::Fix } else { FsckMode::Check };
    let report = async { Queue::connect(options).await?.fsck(mode).await };
    let report = report.await.map_err(CliError::unavailable)?;
    match output {
        Output::Json => out::json(&report)?,
        Output::Id => {
            let subjects: Vec<String> = report.findings.iter().map(|found| plain(&found.subject)).collect();
            if !subjects.is_empty() {
                out::data(&subjects.join("\n"))?;
            }
        }
        Output::Table => {
            if !report.is_clean() {
                out::data(&table(&report))?;
            }
            out::note(&summary(&report));
        }
    }
    Ok(if report.is_clean() { Exit::Done } else { Exit::Failed })
}

/// What became of a finding, or can.
pub(super) fn done(mended: bool, is_mendable: bool) -> String {
    let words = match (mended, is_mendable) {
        (true, _) => "mended",
        (false, true) => "--fix mends it",
        (false, false) => "to be looked at",
    };
    words.to_owned()
}

fn table(report: &FsckReport) -> String {
    let mut table = show::table(&["fault", "task or key", "found in", ""]);
    for finding in &report.findings {
        table.add_row([
            finding.fault.to_string(),
            plain(&finding.subject),
            plain(finding.index.as_deref().unwrap_or_default()),
            done(finding.mended, finding.fault.is_mendable()),
        ]);
    }
    table.to_string()
}

fn summary(report: &FsckReport) -> String {
    let looked = format!("{} tasks and {} keys looked at", report.tasks, report.keys);
    counted(&looked, report.found, report.mended)
}

/// One line of what was found.
pub(super) fn counted(looked: &str, found: u64, mended: u64) -> String {
    match (found, mended) {
        (0, _) => format!("{looked}: clean"),
        (found, 0) => format!("{looked}: {found} faults"),
        (found, mended) => format!("{looked}: {found} faults, {mended} of them mended"),
    }
}
