//! What holds of a stream's clock whatever its sender does: crystals that are off, reports that are missing, counters that
//! wrap or are set, networks that hold packets back.

use proptest::collection::vec;
use proptest::prelude::*;
use zoetrope_worker::streams::clocks::{MAX_APART_MS, StreamClock};

/// A date of these years, Unix milliseconds.
const BEGIN_MS: u64 = 1_760_000_000_000;
/// RTP's counter of 32 bits at 90 kHz turns over after this long, seconds. What unwraps it may be told wrong by a restart.
const WRAP_S: f64 = 4_294_967_296.0 / 90_000.0;

/// Something that arrives: seconds since what came before, by the sender's counter and by our clock, and whether it is a report.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    media_s: f64,
    later_ms: i64,
    report: Option<f64>,
}

fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let step = prop_oneof![
        12 => 0.0..0.2,
        2 => -0.2..3.0,
        1 => -100_000.0..100_000.0,
        1 => Just(-WRAP_S),
        1 => Just(WRAP_S),
    ];
    // Our own clock is set, too.
    let later = prop_oneof![12 => 0_i64..200, 2 => 0_i64..20_000, 1 => -10_000_000_i64..10_000_000];
    let report = proptest::option::weighted(0.1, -1e9..1e9);
    let arrival = (step, later, report).prop_map(|(media_s, later_ms, report)| Arrival {
        media_s,
        later_ms,
        report,
    });
    vec(arrival, 1..300)
}

proptest! {
    #[test]
    fn times_are_near_their_arrival_or_right_after_the_newest(arrivals in arrivals()) {
        let mut clock = StreamClock::new(BEGIN_MS);
        let (mut media_s, mut now_ms, mut newest) = (0.0, BEGIN_MS, BEGIN_MS);
        for arrival in arrivals {
            media_s += arrival.media_s;
            now_ms = now_ms.saturating_add_signed(arrival.later_ms);
            if let Some(sender_s) = arrival.report {
                clock.report(media_s, sender_s);
            }
            let placed = clock.place(media_s, now_ms);
            let near = placed.abs_diff(now_ms) as f64 <= MAX_APART_MS + 1.0;
            prop_assert!(near || placed == newest + 1, "{placed} at {now_ms} after {newest}");
            prop_assert_eq!(clock.newest_ms(), newest.max(placed));
            newest = clock.newest_ms();
        }
    }

    #[test]
    fn a_crystal_that_is_off_is_followed_by_the_reports_that_arrive(ppm in -400_i32..=400, missing in vec(any::<bool>(), 60), jitter in vec(0_u64..400, 60)) {
        // An hour with a report each minute, but for those that are missing.
        let rate = 1.0 + f64::from(ppm) / 1e6;
        let mut clock = StreamClock::new(0);
        let (mut reports, mut worst) = (0, 0.0_f64);
        for (minute, (missing, jitter)) in missing.into_iter().zip(jitter).enumerate() {
            let true_s = minute as f64 * 60.0;
            // What the sender counts as seconds, and what its clock, which is right, shows then.
            let media_s = true_s / rate;
            let placed = clock.place(media_s, BEGIN_MS + (true_s * 1_000.0) as u64 + jitter);
            let apart = placed as f64 - (BEGIN_MS as f64 + true_s * 1_000.0);
            if reports >= 2 {
                worst = worst.max(apart.abs());
            }
            if !missing {
                clock.report(media_s, 5e8 + true_s);
                reports += 1;
            }
        }
        // What is off before two reports came stays: at most the hour's whole drift, and the jitter of the first picture.
        prop_assert!(worst <= 400.0 + 400e-6 * 3_600_000.0 + 2.0, "{worst} ms");
        prop_assert_eq!(clock.resets(), 0);
    }

    #[test]
    fn with_every_report_there_no_drift_is_left_over(ppm in -400_i32..=400) {
        let rate = 1.0 + f64::from(ppm) / 1e6;
        let mut clock = StreamClock::new(0);
        let mut apart = 0.0;
        for second in (0_u32..86_400).step_by(20) {
            let (true_s, media_s) = (f64::from(second), f64::from(second) / rate);
            let placed = clock.place(media_s, BEGIN_MS + u64::from(second) * 1_000);
            apart = placed as f64 - (BEGIN_MS as f64 + true_s * 1_000.0);
            clock.report(media_s, true_s);
        }
        // The first twenty seconds are not corrected: 400 ppm of them are 8 ms.
        prop_assert!(f64::abs(apart) <= 10.0, "{apart} ms after a day");
        prop_assert_eq!(clock.resets(), 0);
    }

    #[test]
    fn without_any_report_a_stream_never_leaves_its_arrival_behind(ppm in -900_i32..=900, hours in 1_u32..200) {
        let rate = 1.0 + f64::from(ppm) / 1e6;
        let mut clock = StreamClock::new(0);
        for minute in 0..hours * 60 {
            let true_ms = u64::from(minute) * 60_000;
            let placed = clock.place(true_ms as f64 / 1_000.0 / rate, BEGIN_MS + true_ms);
            prop_assert!(placed.abs_diff(BEGIN_MS + true_ms) as f64 <= MAX_APART_MS + 60.0);
        }
        // 5 s of drift at 900 ppm are an hour and a half.
        prop_assert!(clock.resets() <= u64::from(hours));
    }

    #[test]
    fn a_counter_that_wraps_costs_one_reset_and_no_time(before in 1_u32..2_000, after in 1_u32..2_000, forward: bool) {
        let mut clock = StreamClock::new(0);
        let (mut last, wrap) = (0, if forward { WRAP_S } else { -WRAP_S });
        for picture in 0..before + after {
            let at_s = f64::from(picture) / 15.0;
            let media_s = if picture < before { at_s } else { at_s + wrap };
            let placed = clock.place(media_s, BEGIN_MS + u64::from(picture) * 1_000 / 15);
            prop_assert!(placed > last && placed.abs_diff(BEGIN_MS + u64::from(picture) * 1_000 / 15) <= 2);
            last = placed;
        }
        prop_assert_eq!(clock.resets(), 1);
    }
}
