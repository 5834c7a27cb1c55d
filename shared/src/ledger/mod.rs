//! What tenants' calls to providers used and cost, and what they may cost, in Redis: added up by tenant, day, provider,
//! capability and model; held against a spend cap before a call is made and settled after it.
//!
//! Sums are integers: a cost is nanodollars, a billionth of a US dollar. Every key is of one tenant and expires, the cap
//! itself excepted. Who calls what, and what a call costs, is the worker's business.

mod day;
mod row;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use redis::Script;
use zoetrope_queue::{Clock, QueueError};

use crate::keys;
use crate::redis_link::{RedisLink, millis};
use crate::tenant::Tenant;

pub use day::{Day, Period};
pub use row::{Ending, Entry, Figures, Row};

/// How many days of usage are kept, today included.
pub const USAGE_DAYS: u16 = 93;
/// Fields of a tenant's day beyond which new models are counted as one: some 250 models.
pub const MAX_DAY_FIELDS: usize = 2_000;
/// Largest cap, US dollars: sums stay exact in a script's numbers.
pub const MAX_CAP_USD: f64 = 1_000_000.0;
/// Nanodollars of a US dollar.
const NANO: f64 = 1e9;
/// How long sums of a period, and holds, are kept: longer than the longest month.
const SPENT_TTL: Duration = Duration::from_hours(40 * 24);
/// Tenants of a day that this process remembers to have listed.
const MAX_NOTED: usize = 10_000;

static HOLD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("hold.lua")));
static SETTLE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("settle.lua")));

/// The most that a tenant's calls may cost in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cap {
    /// Nanodollars.
    pub nano_usd: u64,
    /// When it begins anew.
    pub period: Period,
}

impl Cap {
    /// A cap of so many US dollars.
    pub fn of_usd(usd: f64, period: Period) -> Self {
        Self {
            nano_usd: nano_of(usd),
            period,
        }
    }
}

/// How a tenant stands with its cap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spend {
    /// The cap in force; `None`: it may spend what it likes.
    pub cap: Option<Cap>,
    /// The period that `spent` is of; that of the cap, or a month.
    pub period: Period,
    /// What calls have cost in this period, nanodollars.
    pub spent_nano_usd: u64,
    /// What is held for calls under way, nanodollars.
    pub held_nano_usd: u64,
}

/// What is held for one call; [`Ledger::settle`] replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold(String);

/// Whether a call may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may, and there is no cap.
    Free,
    /// It may, and this is held for it.
    Held(Hold),
    /// The cap is reached.
    Reached(Spend),
    /// Calls under way may reach the cap: there may be room once they have ended.
    Crowded(Spend),
}

/// The ledger. Cloning is cheap.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    redis: RedisLink,
    clock: Arc<dyn Clock>,
    /// The cap of tenants that have none of their own.
    usual: Option<Cap>,
    /// Tenants that are listed with what they used on a day.
    noted: Mutex<(Option<Day>, HashSet<Tenant>)>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("usual", &self.0.usual)
            .finish_non_exhaustive()
    }
}

impl Ledger {
    /// The ledger in this Redis; `usual` is the cap of tenants that have none of their own.
    pub fn new(redis: RedisLink, clock: Arc<dyn Clock>, usual: Option<Cap>) -> Self {
        Self(Arc::new(Inner {
            redis,
            clock,
            usual,
            noted: Mutex::default(),
        }))
    }

    /// The day it is.
    pub fn today(&self) -> Day {
        Day::of(self.0.clock.now_ms())
    }

    /// Holds what a call may cost, nanodollars, unless the cap forbids it. What nobody settles within `life` counts as
    /// spent.
    ///
    /// # Errors
    /// When Redis does not answer: whether the call may be made is not known then.
    pub async fn hold(&self, tenant: &Tenant, nano_usd: u64, life: Duration) -> Result<Verdict, QueueError> {
        let mut id = [0_u8; 12];
        // Without randomness two calls could share a hold; there is no cap to guard then that Redis could guard better.
        getrandom::fill(&mut id).map_err(|error| QueueError::Other(format!("no random bytes: {error}")))?;
        let id = keys::hex(&id);
        let (verdict, spend) = self.ask(tenant, &id, nano_usd, life).await?;
        Ok(match verdict.as_str() {
            "free" => Verdict::Free,
            "held" => Verdict::Held(Hold(format!("{id}:{nano_usd}"))),
            "reached" => Verdict::Reached(spend),
            _ => Verdict::Crowded(spend),
        })
    }

    /// How a tenant stands.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn spend(&self, tenant: &Tenant) -> Result<Spend, QueueError> {
        Ok(self.ask(tenant, "", 0, Duration::ZERO).await?.1)
    }

    /// Gives a tenant a cap of its own, or the usual one again.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn set_cap(&self, tenant: &Tenant, cap: Option<Cap>) -> Result<(), QueueError> {
        let key = keys::spend_cap(tenant);
        let command = match cap {
            Some(cap) => redis::Cmd::set(key, format!("{}:{}", cap.nano_usd, cap.period.as_str())),
            None => redis::Cmd::del(key),
        };
        Ok(command.exec_async(&mut self.0.redis.get().await?).await?)
    }

    /// Writes down a call that has ended, and settles what was held for it.
    ///
    /// # Errors
    /// When Redis does not answer: a hold then counts as spent once its time is over.
    pub async fn settle(&self, tenant: &Tenant, entry: &Entry<'_>, hold: Option<&Hold>) -> Result<(), QueueError> {
        let today = self.today();
        self.note(tenant, today).await?;
        let answered = matches!(entry.ending, Ending::Answered);
        let cost = entry.usage.cost_usd.filter(|_| answered).map_or(0, nano_of);
        let mut call = SETTLE.prepare_invoke();
        call.key(keys::spend_holds(tenant)).key(keys::spend_held(tenant));
        call.key(keys::spent(tenant, &today.to_string()));
        call.key(keys::spent(tenant, &today.month()));
        call.key(keys::usage(tenant, &today.to_string()));
        call.arg(hold.map_or("", |hold| hold.0.as_str()))
            .arg(cost)
            .arg(millis(SPENT_TTL))
            .arg(entry.row(entry.model))
            .arg(entry.row(row::OTHER_MODEL))
            .arg(MAX_DAY_FIELDS)
            .arg(millis(usage_ttl()));
        for (name, value) in entry.figures() {
            call.arg(name).arg(value);
        }
        let _: u64 = call.invoke_async(&mut self.0.redis.get().await?).await?;
        Ok(())
    }

    /// What a tenant used on these days.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn rows(&self, tenant: &Tenant, days: &[Day]) -> Result<Vec<Row>, QueueError> {
        if days.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for day in days {
            pipe.hgetall(keys::usage(tenant, &day.to_string()));
        }
        let found: Vec<BTreeMap<String, i64>> = pipe.query_async(&mut self.0.redis.get().await?).await?;
        let rows = days
            .iter()
            .zip(&found)
            .flat_map(|(day, fields)| row::rows_of(*day, fields));
        Ok(rows.collect())
    }

    /// Who used anything on a day, `most` at the most, by name.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn tenants(&self, day: Day, most: usize) -> Result<Vec<Tenant>, QueueError> {
        let last = isize::try_from(most).unwrap_or(isize::MAX) - 1;
        let command = redis::Cmd::zrange(keys::usage_tenants(&day.to_string()), 0, last);
        let names: Vec<String> = command.query_async(&mut self.0.redis.get().await?).await?;
        Ok(names.iter().filter_map(|name| Tenant::parse(name).ok()).collect())
    }

    async fn ask(
        &self,
        tenant: &Tenant,
        id: &str,
        nano_usd: u64,
        life: Duration,
    ) -> Result<(String, Spend), QueueError> {
        let today = self.today();
        let usual = self.0.usual;
        let mut call = HOLD.prepare_invoke();
        call.key(keys::spend_cap(tenant));
        call.key(keys::spend_holds(tenant)).key(keys::spend_held(tenant));
        call.key(keys::spent(tenant, &today.to_string()));
        call.key(keys::spent(tenant, &today.month()));
        call.arg(id)
            .arg(nano_usd)
            .arg(millis(life))
            .arg(usual.map(|cap| cap.nano_usd.to_string()).unwrap_or_default())
            .arg(usual.map_or(Period::Month, |cap| cap.period).as_str())
            .arg(millis(SPENT_TTL));
        let (verdict, cap, period, spent, held): (String, String, String, i64, i64) =
            call.invoke_async(&mut self.0.redis.get().await?).await?;
        let period = Period::of_word(&period).unwrap_or(Period::Month);
        let cap = cap.parse().ok().map(|nano_usd| Cap { nano_usd, period });
        let spend = Spend {
            cap,
            period,
            spent_nano_usd: u64::try_from(spent).unwrap_or(0),
            held_nano_usd: u64::try_from(held).unwrap_or(0),
        };
        Ok((verdict, spend))
    }

    /// Lists the tenant with those of the day, once a process. Its key is of another slot, so this comes first: a tenant
    /// that is listed and has used nothing does no harm.
    async fn note(&self, tenant: &Tenant, day: Day) -> Result<(), QueueError> {
        {
            let noted = self.0.noted.lock().expect("no holder panics");
            if noted.0 == Some(day) && noted.1.contains(tenant) {
                return Ok(());
            }
        }
        let key = keys::usage_tenants(&day.to_string());
        let mut pipe = redis::pipe();
        pipe.zadd(&key, tenant.as_str(), 0).ignore();
        pipe.cmd("PEXPIRE").arg(&key).arg(millis(usage_ttl())).ignore();
        pipe.exec_async(&mut self.0.redis.get().await?).await?;
        let mut noted = self.0.noted.lock().expect("no holder panics");
        if noted.0 != Some(day) || noted.1.len() >= MAX_NOTED {
            *noted = (Some(day), HashSet::new());
        }
        noted.1.insert(tenant.clone());
        Ok(())
    }
}

/// US dollars as nanodollars; nonsense and less than nothing is nothing.
pub fn nano_of(usd: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of a float saturates, and NaN becomes 0"
    )]
    let nano = (usd * NANO).round() as u64;
    nano
}

/// Nanodollars as US dollars.
pub fn usd_of(nano_usd: u64) -> f64 {
    nano_usd as f64 / NANO
}

/// A day longer than it can be asked for, for the day that is not over.
fn usage_ttl() -> Duration {
    Duration::from_hours(24) * u32::from(USAGE_DAYS + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_and_nanodollars_are_the_same_and_nonsense_is_nothing() {
        assert_eq!((nano_of(0.01), nano_of(0.000_000_1)), (10_000_000, 100));
        assert_eq!(usd_of(nano_of(1_234.567_891_234)), 1_234.567_891_234);
        assert_eq!((nano_of(-1.0), nano_of(f64::NAN)), (0, 0));
    }
}
