//! What models may cost a stream: dollars that come in with the stream's time and go out with each answer. Somebody who
//! cannot pay is not asked, so that a model describes as often as there is money for, and the rest is described locally.

/// What may be saved up while nothing is spent, milliseconds of the stream.
const MOST_SAVED_MS: f64 = 360_000.0;
const HOUR_MS: f64 = 3_600_000.0;

/// The money of one stream.
#[derive(Debug, Clone, Copy)]
pub struct Purse {
    usd_a_ms: f64,
    usd: f64,
    at_ms: u64,
}

impl Purse {
    /// Of a stream that may cost so many dollars an hour and has cost `spent` by this time of it: a worker that takes it
    /// over pays what the one before has spent too much, and inherits no savings.
    pub fn new(usd_per_hour: f64, at_ms: u64, spent: f64) -> Self {
        let usd_a_ms = usd_per_hour / HOUR_MS;
        Self {
            usd_a_ms,
            usd: (usd_a_ms * at_ms as f64 - spent).min(0.0),
            at_ms,
        }
    }

    /// Whether an answer may be paid for at this time of the stream. What it costs is known afterwards, so that one may
    /// cost more than there is; the next one waits longer then.
    pub fn may_pay(&mut self, t_ms: u64) -> bool {
        let passed = t_ms.saturating_sub(self.at_ms);
        self.at_ms = self.at_ms.max(t_ms);
        self.usd = (self.usd + passed as f64 * self.usd_a_ms).min(MOST_SAVED_MS * self.usd_a_ms);
        self.usd > 0.0
    }

    /// Pays for an answer, US dollars.
    pub fn pay(&mut self, usd: f64) {
        self.usd -= usd;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers that a stream of hours with a window of 10 s gets, and what they cost.
    fn watch(purse: &mut Purse, from_ms: u64, hours: u64, usd_an_answer: f64) -> (usize, f64) {
        let windows = (1..=hours * 360).map(|n| from_ms + n * 10_000);
        let answers = windows.filter(|t_ms| {
            let may_pay = purse.may_pay(*t_ms);
            if may_pay {
                purse.pay(usd_an_answer);
            }
            may_pay
        });
        let answers = answers.count();
        (answers, answers as f64 * usd_an_answer)
    }

    #[test]
    fn a_model_is_asked_as_often_as_there_is_money_for() {
        let (answers, _) = watch(&mut Purse::new(1.0, 0, 0.0), 0, 1, 0.000_1);
        assert_eq!(answers, 360, "there is money for each window");
        let (answers, cost) = watch(&mut Purse::new(1.0, 0, 0.0), 0, 10, 0.01);
        assert!(
            (995..=1_001).contains(&answers) && cost <= 10.01,
            "one in 36 s: {answers}"
        );
        let (answers, _) = watch(&mut Purse::new(0.01, 0, 0.0), 0, 5, 1.0);
        assert_eq!(answers, 1, "an answer that costs 100 h is paid before there is another");
    }

    #[test]
    fn a_pause_saves_up_a_tenth_of_an_hour_and_no_more() {
        let mut purse = Purse::new(1.0, 0, 0.0);
        let mut answers = 0;
        while purse.may_pay(100 * 3_600_000) {
            purse.pay(0.01);
            answers += 1;
        }
        assert_eq!(answers, 10);
    }

    #[test]
    fn workers_that_take_over_again_and_again_spend_no_more_than_one() {
        let mut spent = 0.0;
        for minute in 0..600 {
            let at_ms = minute * 60_000;
            let mut purse = Purse::new(0.1, at_ms, spent);
            for window in 1..=6 {
                if purse.may_pay(at_ms + window * 10_000) {
                    purse.pay(0.01);
                    spent += 0.01;
                }
            }
        }
        assert!(spent <= 1.0 + 0.01 + 1e-9, "ten hours: {spent}");
    }
}
