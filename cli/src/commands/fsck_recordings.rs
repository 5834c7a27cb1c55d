//! `zoetrope fsck --recordings`: whether the index of every recording and what is stored of it agree, and what mends it.

use std::sync::Arc;

use zoetrope_queue::{Clock, ConnectOptions, Queue, SystemClock};
use zoetrope_shared::artifacts::Artifacts;
use zoetrope_shared::recordings::{Keep, Recordings, RecordingsReport, check};

use super::fsck::{counted, done};
use crate::args::{FsckArgs, Output};
use crate::configuration::Configuration;
use crate::exit::{CliError, Exit};
use crate::plain::plain;
use crate::{out, show};

/// Checks, mends if told so, prints what was found. Ends with `Failed` if anything was.
pub(super) async fn fsck_recordings(
    args: &FsckArgs,
    configuration: &Configuration,
    redis: ConnectOptions,
    output: Output,
) -> Result<Exit, CliError> {
    let settings = &configuration.settings;
    let artifacts = Artifacts::open(&settings.artifacts_url, Arc::new(SystemClock));
    let store = Recordings::beside(&artifacts.map_err(|error| CliError::unavailable(format!("{error:#}")))?);
    let queue = Queue::connect(redis).await.map_err(CliError::unavailable)?;
    let usual = Keep::of(settings.recording_max_hours, settings.recording_max_bytes);
    let report = check(&queue, &store, usual, SystemClock.now_ms(), args.fix).await;
    let report = report.map_err(|error| CliError::unavailable(format!("{error:#}")))?;
    match output {
        Output::Json => out::json(&report)?,
        Output::Id => {
            let subjects: Vec<String> = report.findings.iter().map(|found| plain(&found.subject)).collect();
            if !subjects.is_empty() {
                out::data(&subjects.join("\n"))?;
            }
        }
        Output::Table => {
            if report.found > 0 {
                out::data(&table(&report))?;
            }
            let looked = format!(
                "{} recordings of {} segments looked at",
                report.recordings, report.segments
            );
            out::note(&counted(&looked, report.found, report.mended));
        }
    }
    Ok(if report.found == 0 { Exit::Done } else { Exit::Failed })
}

fn table(report: &RecordingsReport) -> String {
    let mut table = show::table(&["fault", "recording and segment", ""]);
    for finding in &report.findings {
        table.add_row([
            finding.fault.to_string(),
            plain(&finding.subject),
            done(finding.mended, finding.fault.is_mendable()),
        ]);
    }
    table.to_string()
}
