//! What a worker counts. Labels are kinds and outcomes only: nothing that a client can multiply.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use zoetrope_shared::recordings::GapCause;

/// Upper bounds of the duration histogram, seconds: from an echo to a long document.
const DURATION_BUCKETS: [f64; 12] = [0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0];

/// The worker's metrics. Clones count into the same registry.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    attempts: IntCounterVec,
    seconds: HistogramVec,
    running: IntGaugeVec,
    children: IntGauge,
    children_started: IntCounter,
    children_crashed: IntCounter,
    leases_expired: IntCounter,
    recorded_bytes: IntCounter,
    recording_gaps: IntCounterVec,
    recording_pictures_lost: IntCounter,
    recording_sound_lost: IntCounter,
    provider_calls: IntCounterVec,
    provider_seconds: HistogramVec,
    ledger_entries_lost: IntCounter,
    provider_limits_alone: IntCounter,
    stream_windows: IntCounterVec,
    streams_watched: IntGauge,
    view_frames: IntCounterVec,
    view_pictures_dropped: IntCounter,
    /// What of the queue's count is in the counter.
    leases_taken_over: Arc<AtomicU64>,
}

impl Metrics {
    /// A registry of its own, so that tests do not share counts.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let attempts = Opts::new("zoetrope_worker_attempts_total", "Attempts ended, by kind and outcome");
        let seconds = HistogramOpts::new("zoetrope_worker_attempt_seconds", "Time an attempt took, by kind")
            .buckets(DURATION_BUCKETS.to_vec());
        let running = Opts::new("zoetrope_worker_running", "Attempts running now, by kind");
        let gaps = Opts::new("zoetrope_recording_gaps_total", "Gaps in recordings, by cause");
        let calls = Opts::new(
            "zoetrope_provider_calls_total",
            "Calls to providers, by capability and outcome",
        );
        let windows = Opts::new(
            "zoetrope_stream_windows_total",
            "Windows of streams that a model was to describe, by what became of them",
        );
        let view_frames = Opts::new(
            "zoetrope_view_frames_total",
            "Frames made for viewers, by what became of them",
        );
        let call_seconds = HistogramOpts::new("zoetrope_provider_call_seconds", "Time a call to a provider took")
            .buckets(DURATION_BUCKETS.to_vec());
        let metrics = Self {
            attempts: IntCounterVec::new(attempts, &["kind", "outcome"])?,
            seconds: HistogramVec::new(seconds, &["kind"])?,
            running: IntGaugeVec::new(running, &["kind"])?,
            children: IntGauge::new("zoetrope_media_children", "Media children alive now")?,
            children_started: IntCounter::new("zoetrope_media_children_started_total", "Media children started")?,
            children_crashed: IntCounter::new("zoetrope_media_children_crashed_total", "Media children lost at work")?,
            leases_expired: IntCounter::new(
                "zoetrope_worker_leases_expired_total",
                "Leases of any worker that ran out, as this worker found them while it had the background duties",
            )?,
            recorded_bytes: IntCounter::new("zoetrope_recorded_bytes_total", "Bytes of recordings written")?,
            recording_gaps: IntCounterVec::new(gaps, &["cause"])?,
            recording_sound_lost: IntCounter::new(
                "zoetrope_recording_sound_lost_total",
                "Pieces of sound, about a second each, not recorded because they could not be encoded",
            )?,
            recording_pictures_lost: IntCounter::new(
                "zoetrope_recording_pictures_lost_total",
                "Pictures that were not recorded because the store did not keep up",
            )?,
            provider_calls: IntCounterVec::new(calls, &["provider", "capability", "outcome"])?,
            provider_seconds: HistogramVec::new(call_seconds, &["provider", "capability"])?,
            ledger_entries_lost: IntCounter::new(
                "zoetrope_ledger_entries_lost_total",
                "Calls to providers whose usage could not be written down",
            )?,
            provider_limits_alone: IntCounter::new(
                "zoetrope_provider_limits_alone_total",
                "Calls to providers that passed by this worker's own count, for Redis was away",
            )?,
            stream_windows: IntCounterVec::new(windows, &["outcome"])?,
            streams_watched: IntGauge::new("zoetrope_streams_watched", "Streams that are shown to viewers now")?,
            view_frames: IntCounterVec::new(view_frames, &["outcome"])?,
            view_pictures_dropped: IntCounter::new(
                "zoetrope_view_pictures_dropped_total",
                "Pictures that were not shown to viewers because decoding did not keep up",
            )?,
            leases_taken_over: Arc::default(),
            registry,
        };
        metrics.registry.register(Box::new(metrics.attempts.clone()))?;
        metrics.registry.register(Box::new(metrics.seconds.clone()))?;
        metrics.registry.register(Box::new(metrics.running.clone()))?;
        metrics.registry.register(Box::new(metrics.children.clone()))?;
        metrics.registry.register(Box::new(metrics.children_started.clone()))?;
        metrics.registry.register(Box::new(metrics.children_crashed.clone()))?;
        metrics.registry.register(Box::new(metrics.leases_expired.clone()))?;
        metrics.registry.register(Box::new(metrics.provider_calls.clone()))?;
        metrics.registry.register(Box::new(metrics.provider_seconds.clone()))?;
        metrics.registry.register(Box::new(metrics.recorded_bytes.clone()))?;
        metrics.registry.register(Box::new(metrics.recording_gaps.clone()))?;
        metrics
            .registry
            .register(Box::new(metrics.recording_sound_lost.clone()))?;
        metrics
            .registry
            .register(Box::new(metrics.recording_pictures_lost.clone()))?;
        metrics
            .registry
            .register(Box::new(metrics.ledger_entries_lost.clone()))?;
        metrics
            .registry
            .register(Box::new(metrics.provider_limits_alone.clone()))?;
        metrics.registry.register(Box::new(metrics.stream_windows.clone()))?;
        metrics.registry.register(Box::new(metrics.streams_watched.clone()))?;
        metrics.registry.register(Box::new(metrics.view_frames.clone()))?;
        metrics
            .registry
            .register(Box::new(metrics.view_pictures_dropped.clone()))?;
        Ok(metrics)
    }

    /// Counts an attempt as running until the guard is dropped.
    pub(crate) fn running(&self, kind: &'static str) -> RunningGuard {
        let gauge = self.running.with_label_values(&[kind]);
        gauge.inc();
        RunningGuard(gauge)
    }

    pub(crate) fn attempt_ended(&self, kind: &'static str, outcome: &str, seconds: f64) {
        self.attempts.with_label_values(&[kind, outcome]).inc();
        self.seconds.with_label_values(&[kind]).observe(seconds);
    }

    /// Counts a call to a provider; `outcome` is `answered` or the code of its fault.
    pub(crate) fn provider_called(&self, provider: &str, capability: &str, outcome: &str, seconds: f64) {
        self.provider_calls
            .with_label_values(&[provider, capability, outcome])
            .inc();
        self.provider_seconds
            .with_label_values(&[provider, capability])
            .observe(seconds);
    }

    /// Counts a call that passed by this worker's own limits.
    pub(crate) fn provider_limited_alone(&self) {
        self.provider_limits_alone.inc();
    }

    /// Counts a window that a model was to describe; `outcome` is `described` or why it did not.
    pub(crate) fn stream_window(&self, outcome: &str) {
        self.stream_windows.with_label_values(&[outcome]).inc();
    }

    /// Counts a call whose usage is in no sum.
    pub(crate) fn ledger_entry_lost(&self) {
        self.ledger_entries_lost.inc();
    }

    /// Counts what was written of a recording.
    pub(crate) fn recorded_bytes(&self, bytes: u64) {
        self.recorded_bytes.inc_by(bytes);
    }

    /// Counts a gap in a recording.
    pub(crate) fn recording_gap(&self, cause: GapCause) {
        self.recording_gaps.with_label_values(&[cause.as_str()]).inc();
    }

    /// Counts a picture that the recorder was too slow for.
    pub(crate) fn recording_picture_lost(&self) {
        self.recording_pictures_lost.inc();
    }

    /// Counts a stream as watched until the answer is dropped.
    pub(crate) fn stream_watched(&self) -> RunningGuard {
        self.streams_watched.inc();
        RunningGuard(self.streams_watched.clone())
    }

    /// Counts a frame for viewers: whether it could be published.
    pub(crate) fn view_frame(&self, published: bool) {
        let outcome = if published { "published" } else { "lost" };
        self.view_frames.with_label_values(&[outcome]).inc();
    }

    /// Counts pictures that viewers were not shown.
    pub(crate) fn view_pictures_dropped(&self, count: u64) {
        self.view_pictures_dropped.inc_by(count);
    }

    /// Counts a piece of sound that was not recorded.
    pub(crate) fn recording_sound_lost(&self) {
        self.recording_sound_lost.inc();
    }

    pub(crate) fn media_child_started(&self) {
        self.children_started.inc();
        self.children.inc();
    }

    pub(crate) fn media_child_ended(&self) {
        self.children.dec();
    }

    pub(crate) fn media_child_crashed(&self) {
        self.children_crashed.inc();
    }

    /// Takes over the queue's own count, which only grows.
    pub(crate) fn leases_expired_so_far(&self, count: u64) {
        let before = self.leases_taken_over.fetch_max(count, Ordering::Relaxed);
        self.leases_expired.inc_by(count.saturating_sub(before));
    }

    /// Media children started so far.
    pub fn media_children_started(&self) -> u64 {
        self.children_started.get()
    }

    /// All metrics in Prometheus' text form.
    pub fn render(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Takes one out of a gauge when it is dropped, which also happens to attempts that are cancelled.
pub(crate) struct RunningGuard(IntGauge);

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    #[test]
    fn a_count_that_is_taken_over_twice_or_late_counts_once() {
        let metrics = Metrics::new().expect("the names should be valid");
        for so_far in [0, 3, 3, 2, 5] {
            metrics.leases_expired_so_far(so_far);
        }
        let text = metrics.render().expect("metrics should be text");
        assert!(text.contains("zoetrope_worker_leases_expired_total 5\n"), "{text}");
    }
}
