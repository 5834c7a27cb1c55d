//! Three clocks: media time (counted by the sender, in RTP's ticks), receive time (monotonic, ours) and wall time.
//!
//! Pictures are placed on the wall clock by their media time, because arrival jitters and media time does not. The
//! sender's crystal may be off; its own reports say by how much, and it is believed up to [`MAX_PPM`]. When media time
//! and arrival disagree by more than [`MAX_APART_MS`], the sender has jumped, and the two are tied together anew.

/// Most that the sender's rate is corrected, parts per million: no crystal is worse.
pub const MAX_PPM: f64 = 500.0;
/// Largest disagreement of media time and arrival before they are tied together anew, milliseconds.
pub const MAX_APART_MS: f64 = 5_000.0;
/// Reports closer together than this say nothing about the rate, seconds.
const MIN_REPORT_SPAN_S: f64 = 10.0;

/// Where a connection's media time lies on the wall clock.
#[derive(Debug, Clone)]
pub struct StreamClock {
    anchor: Option<Anchor>,
    first_report: Option<Report>,
    rate: f64,
    newest_ms: f64,
    resets: u64,
}

#[derive(Debug, Clone, Copy)]
struct Anchor {
    media_s: f64,
    wall_ms: f64,
}

/// What a sender report says: its wall clock, which may be wrong by years, at a media time.
#[derive(Debug, Clone, Copy)]
struct Report {
    media_s: f64,
    sender_s: f64,
}

impl StreamClock {
    /// A clock for a new connection. Times that it gives are later than `after_ms`: the last of the connection before.
    pub fn new(after_ms: u64) -> Self {
        Self {
            anchor: None,
            first_report: None,
            rate: 1.0,
            newest_ms: after_ms as f64,
            resets: 0,
        }
    }

    /// Takes a sender report.
    pub fn report(&mut self, media_s: f64, sender_s: f64) {
        let report = Report { media_s, sender_s };
        let Some(first) = self.first_report else {
            self.first_report = Some(report);
            return;
        };
        let (media, sender) = (media_s - first.media_s, sender_s - first.sender_s);
        if media < 0.0 || sender < 0.0 {
            self.first_report = Some(report);
        } else if media >= MIN_REPORT_SPAN_S {
            let limit = MAX_PPM / 1e6;
            self.set_rate((sender / media).clamp(1.0 - limit, 1.0 + limit), media_s);
        }
    }

    /// The wall time of a picture with this media time that arrived at `arrived_ms`, Unix milliseconds. Never before
    /// an earlier key frame's; pictures out of order may lie a little before the newest.
    pub fn place(&mut self, media_s: f64, arrived_ms: u64) -> u64 {
        let arrived = arrived_ms as f64;
        let placed = self.anchor.map(|anchor| self.wall_ms(anchor, media_s));
        let placed = match placed {
            Some(placed) if (placed - arrived).abs() <= MAX_APART_MS => placed,
            other => {
                self.resets += u64::from(other.is_some());
                let wall_ms = arrived.max(self.newest_ms + 1.0);
                self.anchor = Some(Anchor { media_s, wall_ms });
                wall_ms
            }
        };
        self.newest_ms = self.newest_ms.max(placed);
        placed.max(0.0).round() as u64
    }

    /// The newest wall time that was given.
    pub fn newest_ms(&self) -> u64 {
        self.newest_ms.round() as u64
    }

    /// How often the sender jumped.
    pub fn resets(&self) -> u64 {
        self.resets
    }

    fn wall_ms(&self, anchor: Anchor, media_s: f64) -> f64 {
        anchor.wall_ms + (media_s - anchor.media_s) * 1_000.0 * self.rate
    }

    /// Changes the rate from here on: what was placed before stays where it is.
    fn set_rate(&mut self, rate: f64, media_s: f64) {
        if let Some(anchor) = self.anchor {
            let wall_ms = self.wall_ms(anchor, media_s);
            self.anchor = Some(Anchor { media_s, wall_ms });
        }
        self.rate = rate;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_lie_where_media_time_puts_them_however_they_arrive() {
        let mut clock = StreamClock::new(0);
        let arrivals = [(0.0, 1_000), (0.5, 1_900), (1.0, 2_001), (1.5, 2_490)];
        let placed: Vec<_> = arrivals.iter().map(|(media, at)| clock.place(*media, *at)).collect();
        assert_eq!(placed, [1_000, 1_500, 2_000, 2_500]);
    }

    #[test]
    fn the_senders_crystal_is_corrected_by_its_reports() {
        let mut clock = StreamClock::new(0);
        clock.place(0.0, 1_000);
        clock.report(0.0, 9_000_000.0);
        clock.report(100.0, 9_000_100.02);
        assert_eq!(clock.place(100.0, 101_020), 101_000, "what was placed stays");
        assert_eq!(clock.place(1_100.0, 1_101_200), 1_101_200, "200 ppm from then on");
    }

    #[test]
    fn a_sender_whose_clock_is_set_is_not_believed() {
        let mut clock = StreamClock::new(0);
        clock.place(0.0, 1_000);
        clock.report(0.0, 0.0);
        clock.report(20.0, 86_420.0);
        assert_eq!(clock.place(120.0, 121_000), 121_050, "500 ppm and no more");
        clock.report(140.0, 20.0);
        assert_eq!(clock.place(142.0, 143_000), 143_059, "and as much the other way");
    }

    #[test]
    fn a_jump_of_media_time_ties_the_clocks_together_anew() {
        let mut clock = StreamClock::new(0);
        clock.place(0.0, 10_000);
        assert_eq!(clock.place(50_000.0, 10_100), 10_100);
        assert_eq!((clock.place(50_001.0, 11_100), clock.resets()), (11_100, 1));
    }

    #[test]
    fn a_new_connection_continues_after_the_last_one() {
        let mut clock = StreamClock::new(20_000);
        assert_eq!(clock.place(0.0, 15_000), 20_001);
        assert_eq!(clock.newest_ms(), 20_001);
    }
}
