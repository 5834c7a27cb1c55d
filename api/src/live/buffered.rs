//! What live clients hold of this process: how many there are, and the bytes that wait for them.

use std::collections::VecDeque;

use prometheus::{IntCounter, IntGauge, Registry};

use crate::live::feed::Event;

/// The figures of live clients.
#[derive(Debug, Clone)]
pub(crate) struct LiveMetrics {
    /// Open event streams (SSE).
    pub(crate) streams: IntGauge,
    /// Open web sockets.
    pub(crate) sockets: IntGauge,
    /// Subscriptions of both.
    pub(crate) subscriptions: IntGauge,
    /// Bytes of events that were read for clients and not yet taken.
    pub(crate) buffered_bytes: IntGauge,
    /// Reports of progress that clients were too slow for.
    pub(crate) dropped: IntCounter,
    /// Clients that were cut off because they took nothing.
    pub(crate) stalled: IntCounter,
}

impl LiveMetrics {
    /// All at zero, registered.
    pub(crate) fn new(registry: &Registry) -> Self {
        let gauge = |name: &str, help: &str| IntGauge::new(name, help).expect("the name should be valid");
        let counter = |name: &str, help: &str| IntCounter::new(name, help).expect("the name should be valid");
        let metrics = Self {
            streams: gauge("zoetrope_live_streams", "Open event streams"),
            sockets: gauge("zoetrope_live_sockets", "Open WebSockets"),
            subscriptions: gauge("zoetrope_live_subscriptions", "Tasks followed by live clients"),
            buffered_bytes: gauge("zoetrope_live_buffered_bytes", "Bytes that wait for live clients"),
            dropped: counter(
                "zoetrope_live_progress_dropped_total",
                "Reports of progress left out for live clients",
            ),
            stalled: counter(
                "zoetrope_live_stalled_total",
                "WebSockets cut off because they took nothing",
            ),
        };
        let all: [Box<dyn prometheus::core::Collector>; 6] = [
            Box::new(metrics.streams.clone()),
            Box::new(metrics.sockets.clone()),
            Box::new(metrics.subscriptions.clone()),
            Box::new(metrics.buffered_bytes.clone()),
            Box::new(metrics.dropped.clone()),
            Box::new(metrics.stalled.clone()),
        ];
        for collector in all {
            registry
                .register(collector)
                .expect("every metric should be registered once");
        }
        metrics
    }
}

/// One more in a gauge, until dropped.
#[derive(Debug)]
pub(crate) struct Counted(IntGauge);

impl Counted {
    pub(crate) fn one(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Events that one client has not taken yet: at most one page of one task.
#[derive(Debug)]
pub(crate) struct Buffer {
    events: VecDeque<Event>,
    bytes: IntGauge,
}

impl Buffer {
    /// Empty, counted in `bytes`.
    pub(crate) fn new(bytes: &IntGauge) -> Self {
        Self {
            events: VecDeque::new(),
            bytes: bytes.clone(),
        }
    }

    /// Takes a page.
    pub(crate) fn fill(&mut self, events: Vec<Event>) {
        self.bytes.add(events.iter().map(size).sum());
        self.events.extend(events);
    }

    /// The next event, still counted until [`Buffer::taken`].
    pub(crate) fn front(&self) -> Option<&Event> {
        self.events.front()
    }

    /// The client has the first event.
    pub(crate) fn taken(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.bytes.sub(size(&event));
        Some(event)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.bytes.sub(self.events.iter().map(size).sum());
    }
}

fn size(event: &Event) -> i64 {
    i64::try_from(event.data.len()).unwrap_or(i64::MAX)
}
