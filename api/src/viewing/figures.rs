//! What viewers of streams hold of this process.

use prometheus::{IntCounter, IntGauge, Registry};

/// The figures of viewers.
#[derive(Debug, Clone)]
pub(crate) struct ViewMetrics {
    /// Viewers that are connected.
    pub(crate) viewers: IntGauge,
    /// Streams that they watch.
    pub(crate) streams: IntGauge,
    /// Frames that viewers have taken.
    pub(crate) sent: IntCounter,
    /// Frames that went by while a viewer took another.
    pub(crate) missed: IntCounter,
}

impl ViewMetrics {
    /// All at zero, registered.
    pub(crate) fn new(registry: &Registry) -> Self {
        let gauge = |name: &str, help: &str| IntGauge::new(name, help).expect("the name should be valid");
        let counter = |name: &str, help: &str| IntCounter::new(name, help).expect("the name should be valid");
        let metrics = Self {
            viewers: gauge("zoetrope_viewers", "Viewers of streams"),
            streams: gauge("zoetrope_viewed_streams", "Streams that somebody watches here"),
            sent: counter("zoetrope_viewer_frames_total", "Frames that viewers have taken"),
            missed: counter(
                "zoetrope_viewer_frames_missed_total",
                "Frames that went by while a viewer took another",
            ),
        };
        let all: [Box<dyn prometheus::core::Collector>; 4] = [
            Box::new(metrics.viewers.clone()),
            Box::new(metrics.streams.clone()),
            Box::new(metrics.sent.clone()),
            Box::new(metrics.missed.clone()),
        ];
        for collector in all {
            registry
                .register(collector)
                .expect("every metric should be registered once");
        }
        metrics
    }
}
