//! Whether the index of a recording and what is stored of it agree, looked at while it is written, and what mends it. What
//! an object's name says is believed; what an index says of an object that is gone is not.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

use serde::Serialize;
use zoetrope_queue::{JournalHead, Queue};

use super::index::{HOUR_MS, Page, Recording, StoredRecording, adopted_hours};
use super::keep::Keep;
use super::name::{InitName, SegmentName};
use super::rebuild::{Rebuilt, rebuild, segments_of};
use super::row::{Gap, GapCause, ROW_BYTES, Row, Segment};
use super::store::Recordings;
use crate::tenant::Tenant;

/// Findings that a report shows; all are counted.
pub const MAX_SHOWN: usize = 1_000;

/// What is wrong with a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RecordingFault {
    /// Segments are stored and there is no index: nobody can play them, and retention does not see them.
    IndexGone,
    /// Segments of a later claim are stored than the index knows of: two workers could number theirs alike.
    EpochBehind,
    /// The rows of a sealed hour are not in the store.
    HourLost,
    /// A row that cannot be read.
    UnreadableRow,
    /// A segment has no row: nobody can play it, and retention does not see it.
    SegmentWithoutRow,
    /// A segment of a worker that was given up, of a time that another one has recorded.
    SegmentOfNobody,
    /// A row names a segment that is not stored: players would ask for it.
    RowWithoutSegment,
    /// An init segment is not stored: what needs it cannot be played.
    InitGone,
}

impl RecordingFault {
    /// Whether it can be mended.
    pub fn is_mendable(self) -> bool {
        self != Self::InitGone
    }
}

impl fmt::Display for RecordingFault {
    /// As in JSON: `segment_without_row`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordingFinding {
    /// What is wrong.
    pub fault: RecordingFault,
    /// `<tenant>/<stream>`, and the segment, the hour or the init segment.
    pub subject: String,
    /// Whether it was mended.
    pub mended: bool,
}

/// What a look at all recordings found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct RecordingsReport {
    /// Recordings looked at.
    pub recordings: u64,
    /// Segments in the store.
    pub segments: u64,
    /// Faults found.
    pub found: u64,
    /// Faults mended.
    pub mended: u64,
    /// The first 1,000 of them.
    pub findings: Vec<RecordingFinding>,
}

/// Holds the store against the index of every recording. With `mend` the index is made to say what is stored; one that
/// somebody changes meanwhile is left for the next time. A recording whose index is gone gets the bounds `usual`.
///
/// # Errors
/// When the queue or the store does not answer; what was mended until then stays mended.
pub async fn check(
    queue: &Queue,
    store: &Recordings,
    usual: Keep,
    now_ms: u64,
    mend: bool,
) -> anyhow::Result<RecordingsReport> {
    let mut all: BTreeSet<(String, String)> = BTreeSet::new();
    let stored = store.all().await?.into_iter();
    all.extend(stored.map(|(tenant, stream)| (tenant.to_string(), stream)));
    let indexed = StoredRecording::all(queue).await?.into_iter();
    all.extend(indexed.map(|known| (known.tenant.to_string(), known.stream)));
    let mut report = RecordingsReport::default();
    for (tenant, stream) in all {
        let Ok(tenant) = Tenant::parse(&tenant) else { continue };
        let recording = Recording {
            queue,
            store,
            tenant: &tenant,
            stream: &stream,
        };
        let seen = Seen::look(&recording, now_ms).await?;
        report.recordings += 1;
        report.segments += seen.segments as u64;
        let is_mended = mend && seen.is_faulty() && seen.mend(&recording, usual).await?;
        for (fault, subject) in seen.findings {
            let mended = is_mended && fault.is_mendable();
            report.found += 1;
            report.mended += u64::from(mended);
            if report.findings.len() < MAX_SHOWN {
                report.findings.push(RecordingFinding { fault, subject, mended });
            }
        }
    }
    Ok(report)
}

/// One recording, on both sides.
struct Seen {
    findings: Vec<(RecordingFault, String)>,
    head: Option<JournalHead>,
    pages: BTreeMap<u64, Page>,
    /// Segments in the store.
    segments: usize,
    /// Highest epoch in their names.
    epoch: u32,
    rebuilt: Rebuilt,
}

impl Seen {
    /// The store first: what gets its row meanwhile has one when it is looked for.
    async fn look(recording: &Recording<'_>, now_ms: u64) -> anyhow::Result<Self> {
        let (tenant, stream) = (recording.tenant, recording.stream);
        let (stored, inits) = recording.store.stored(tenant, stream).await?;
        let head = recording.queue.journal(tenant.as_str(), stream).await?;
        let mut pages = BTreeMap::new();
        for page in recording
            .queue
            .journal_pages(tenant.as_str(), stream)
            .await?
            .into_keys()
        {
            pages.insert(page, recording.page(page).await?);
        }
        let mut findings = Vec::new();
        let known = known_rows(recording, &pages, &stored, &mut findings).await?;
        let indexed: HashSet<Segment> = segments_of(&known).collect();
        let epoch = stored.iter().map(|segment| segment.epoch).max().unwrap_or_default();
        let about = format!("{tenant}/{stream}");
        match &head {
            None if !stored.is_empty() => findings.push((RecordingFault::IndexGone, about.clone())),
            Some(head) if head.epoch < epoch => findings.push((RecordingFault::EpochBehind, about.clone())),
            _ => {}
        }
        findings
            .extend(missing_inits(&stored, &inits).map(|init| (RecordingFault::InitGone, format!("{about}/{init}"))));
        // What lies behind the last row is looked for by the next recorder, or about to get its row.
        let (last, hours) = (known.last(), adopted_hours(known.last(), now_ms));
        let is_expected = |segment: &Segment| {
            let (is_next, hour) = (
                segment.start_ms >= last.map_or(0, Row::end_ms),
                segment.start_ms / HOUR_MS,
            );
            let is_lost = pages.get(&hour).is_some_and(|page| page.is_lost);
            head.is_some() && is_next && !is_lost && hours.contains(&hour)
        };
        let segments = stored.len();
        let unlisted = stored.into_iter().filter(|segment| !indexed.contains(segment));
        let rebuilt = rebuild(&known, unlisted.filter(|segment| !is_expected(segment)).collect());
        let named = |fault, segment: &Segment| (fault, format!("{about}/{}", SegmentName(*segment)));
        let added = rebuilt.adopted.iter().filter(|_| head.is_some());
        findings.extend(added.map(|segment| named(RecordingFault::SegmentWithoutRow, segment)));
        let nobodys = rebuilt.nobodys.iter();
        findings.extend(nobodys.map(|segment| named(RecordingFault::SegmentOfNobody, segment)));
        Ok(Self {
            findings,
            head,
            pages,
            segments,
            epoch,
            rebuilt,
        })
    }

    fn is_faulty(&self) -> bool {
        self.findings.iter().any(|(fault, _)| fault.is_mendable())
    }

    /// Writes the index as it has to be. Answers whether nobody came between.
    async fn mend(&self, recording: &Recording<'_>, usual: Keep) -> anyhow::Result<bool> {
        let Recording {
            queue,
            store,
            tenant,
            stream,
        } = *recording;
        let at = (tenant.as_str(), stream);
        if self.head.as_ref().is_none_or(|head| head.epoch < self.epoch) {
            let note = self
                .head
                .as_ref()
                .map_or_else(|| usual.note(), |head| head.note.clone());
            queue.restore_journal(at, self.epoch, &note).await?;
        }
        let mut wanted: BTreeMap<u64, Vec<Row>> = self.pages.keys().map(|page| (*page, Vec::new())).collect();
        for row in &self.rebuilt.rows {
            wanted.entry(row.start_ms() / HOUR_MS).or_default().push(*row);
        }
        let mut is_done = true;
        for (page, rows) in wanted {
            let bytes: Vec<u8> = rows.iter().flat_map(Row::encode).collect();
            let known = self.pages.get(&page);
            if known.is_some_and(|known| known.rows == bytes && !known.is_lost) {
                continue;
            }
            let raw = known.map_or(&[][..], |known| &known.raw);
            let weight = rows.iter().map(Row::bytes).sum();
            let exchanged = queue.rewrite_journal_page(at, page, raw, &bytes, weight).await?;
            if let Some(sealed) = known.and_then(|known| known.sealed).filter(|_| exchanged) {
                store.delete_sealed(tenant, stream, page, sealed).await?;
            }
            is_done &= exchanged;
        }
        for segment in self.rebuilt.nobodys.iter().filter(|_| is_done) {
            store.delete(tenant, stream, SegmentName(*segment)).await?;
        }
        Ok(is_done)
    }
}

/// The rows that read. Of a segment that is gone a gap is left.
async fn known_rows(
    recording: &Recording<'_>,
    pages: &BTreeMap<u64, Page>,
    stored: &[Segment],
    findings: &mut Vec<(RecordingFault, String)>,
) -> anyhow::Result<Vec<Row>> {
    let (tenant, stream) = (recording.tenant, recording.stream);
    let stored: HashSet<Segment> = stored.iter().copied().collect();
    let mut known = Vec::new();
    for (page, seen) in pages {
        if seen.is_lost {
            findings.push((RecordingFault::HourLost, format!("{tenant}/{stream}/{page:08}")));
        }
        let (chunks, _) = seen.rows.as_chunks::<ROW_BYTES>();
        for (place, chunk) in chunks.iter().enumerate() {
            let Some(row) = Row::decode(chunk) else {
                findings.push((
                    RecordingFault::UnreadableRow,
                    format!("{tenant}/{stream}/{page:08}/{place}"),
                ));
                continue;
            };
            let Row::Segment(segment) = row else {
                known.push(row);
                continue;
            };
            // One that was stored after the store was listed is there now; one that went meanwhile has no row any more.
            let name = SegmentName(segment);
            if stored.contains(&segment) || recording.store.has(tenant, stream, name).await? {
                known.push(row);
            } else if recording
                .page(*page)
                .await?
                .rows
                .as_chunks::<ROW_BYTES>()
                .0
                .contains(chunk)
            {
                findings.push((RecordingFault::RowWithoutSegment, format!("{tenant}/{stream}/{name}")));
                known.push(Row::Gap(Gap {
                    start_ms: segment.start_ms,
                    duration_ms: segment.duration_ms,
                    cause: GapCause::Lost,
                    epoch: segment.epoch,
                    seq: segment.seq,
                }));
            }
        }
    }
    Ok(known)
}

fn missing_inits(stored: &[Segment], inits: &BTreeSet<InitName>) -> impl Iterator<Item = InitName> {
    let needed: BTreeSet<InitName> = stored.iter().map(|segment| segment.init).collect();
    let missing: Vec<InitName> = needed.difference(inits).copied().collect();
    missing.into_iter()
}
