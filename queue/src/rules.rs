//! What may run, changeable at any time: limits of concurrency and rate, pauses, the drain of a kind. The scripts keep to
//! them when they claim; `lua/rule.lua` has the stored form.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::client::Queue;
use crate::error::QueueError;
use crate::keys::Keys;
use crate::limits::{check_fairness_key, check_kind, check_tenant};
use crate::record::{digits, millis};

/// Most tasks of a limit: at once, or in a period.
pub const MAX_LIMIT: u64 = 1_000_000;
/// Longest period of a rate.
pub const MAX_RATE_PERIOD: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Whom a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// All tasks of a kind, over all workers and tenants. A queue of several shards keeps its limits in each of them.
    Kind(String),
    /// All tasks of a tenant. It can be paused; limits are a matter of kinds and keys.
    Tenant(String),
    /// Tasks of a tenant with this fairness key, over all kinds; the empty key is that of tasks without one.
    Key {
        /// Tenant.
        tenant: String,
        /// Fairness key, or nothing.
        key: String,
    },
    /// Each key of a tenant for itself, as far as the key's own rule says nothing. Not to be paused.
    EachKey(String),
}

/// Whether tasks run, and new ones are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// Both.
    #[default]
    Open,
    /// New ones are taken, none is begun; those that run go on.
    Paused,
    /// New ones are refused, the others run: for kinds alone.
    Draining,
}

/// Tasks begun in a period; all of them may be begun at once, then one after each part of the period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// Tasks, 1 to `MAX_LIMIT`.
    pub count: u64,
    /// Milliseconds, 1 to `MAX_RATE_PERIOD`.
    pub period_ms: u64,
}

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Rule {
    /// Whether tasks run.
    pub flow: Flow,
    /// Most tasks that run at once, 1 to `MAX_LIMIT`; tasks that ran before there was such a limit do not count.
    pub concurrency: Option<u64>,
    /// Most tasks begun in a period.
    pub rate: Option<Rate>,
}

impl Subject {
    fn check(&self) -> Result<(), QueueError> {
        match self {
            Self::Kind(kind) => check_kind(kind),
            Self::Tenant(tenant) | Self::EachKey(tenant) => check_tenant(tenant),
            Self::Key { tenant, key } => {
                check_tenant(tenant)?;
                if key.is_empty() {
                    Ok(())
                } else {
                    check_fairness_key("key", key)
                }
            }
        }
    }

    /// Whose it is; none's for a kind.
    fn tenant(&self) -> Option<&str> {
        match self {
            Self::Kind(_) => None,
            Self::Tenant(tenant) | Self::EachKey(tenant) | Self::Key { tenant, .. } => Some(tenant),
        }
    }

    /// The field of `rules`.
    pub(crate) fn field(&self) -> String {
        match self {
            Self::Kind(kind) => format!("kind/{kind}"),
            Self::Tenant(tenant) => format!("tenant/{tenant}"),
            Self::Key { tenant, key } => format!("key/{tenant}:{key}"),
            Self::EachKey(tenant) => format!("keys/{tenant}"),
        }
    }

    fn from_field(field: &str) -> Option<Self> {
        let (scope, name) = field.split_once('/')?;
        Some(match scope {
            "kind" => Self::Kind(name.to_owned()),
            "tenant" => Self::Tenant(name.to_owned()),
            "keys" => Self::EachKey(name.to_owned()),
            _ => {
                let (tenant, key) = name.split_once(':')?;
                Self::Key {
                    tenant: tenant.to_owned(),
                    key: key.to_owned(),
                }
            }
        })
    }
}

impl Flow {
    const fn letter(self) -> &'static str {
        match self {
            Self::Open => "",
            Self::Paused => "p",
            Self::Draining => "d",
        }
    }
}

impl Rule {
    /// As `rules` has it.
    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        let (count, period_ms) = (self.rate.map(|rate| rate.count), self.rate.map(|rate| rate.period_ms));
        let (most, count, period) = (digits(self.concurrency), digits(count), digits(period_ms));
        format!("{}|{most}|{count}|{period}", self.flow.letter())
    }

    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split('|').collect();
        let [state, most, count, period] = fields[..] else {
            return None;
        };
        Some(Self {
            flow: match state {
                "p" => Flow::Paused,
                "d" => Flow::Draining,
                _ => Flow::Open,
            },
            concurrency: most.parse().ok(),
            rate: count
                .parse()
                .ok()
                .zip(period.parse().ok())
                .map(|(count, period_ms)| Rate { count, period_ms }),
        })
    }
}

impl Queue {
    /// Sets both limits of a kind, a key or each key of a tenant; `None` lifts one. Holds from the next claim on.
    ///
    /// # Errors
    /// `Invalid` for a name or a number out of range, and for a tenant; `Unavailable`.
    pub async fn set_limits(
        &self,
        subject: &Subject,
        concurrency: Option<u64>,
        rate: Option<Rate>,
    ) -> Result<(), QueueError> {
        subject.check()?;
        if matches!(subject, Subject::Tenant(_)) {
            return Err(QueueError::invalid("tenant", "limits are for kinds and keys"));
        }
        let within = |number: u64| (1..=MAX_LIMIT).contains(&number);
        if !concurrency.is_none_or(within) {
            return Err(QueueError::invalid("concurrency", format!("must be 1 to {MAX_LIMIT}")));
        }
        let longest = millis(MAX_RATE_PERIOD);
        if rate.is_some_and(|rate| !within(rate.count) || !(1..=longest).contains(&rate.period_ms)) {
            return Err(QueueError::invalid(
                "rate",
                format!("must be 1 to {MAX_LIMIT} tasks in at most 30 days"),
            ));
        }
        let args = [
            subject.field(),
            "limits".to_owned(),
            digits(concurrency),
            digits(rate.map(|rate| rate.count)),
            digits(rate.map(|rate| rate.period_ms)),
        ];
        self.set_rule(subject, &args).await
    }

    /// Pauses, drains or opens. Tasks that run are not touched.
    ///
    /// # Errors
    /// `Invalid` for a name, for the drain of anything but a kind, and for each key of a tenant; `Unavailable`.
    pub async fn set_flow(&self, subject: &Subject, flow: Flow) -> Result<(), QueueError> {
        subject.check()?;
        if matches!(subject, Subject::EachKey(_)) {
            return Err(QueueError::invalid("key", "pause the tenant, or one key"));
        }
        if flow == Flow::Draining && !matches!(subject, Subject::Kind(_)) {
            return Err(QueueError::invalid("kind", "only kinds can be drained"));
        }
        let args = [subject.field(), "state".to_owned(), flow.letter().to_owned()];
        self.set_rule(subject, &args).await
    }

    /// A tenant's rules stand in its shard, those of a kind in every one.
    async fn set_rule(&self, subject: &Subject, args: &[String]) -> Result<(), QueueError> {
        for shard in self.link.shards_of(subject.tenant()) {
            let _: u32 = self.link.call(shard, &self.link.scripts.set_rule, args).await?;
        }
        Ok(())
    }

    /// All rules in force.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn rules(&self) -> Result<BTreeMap<Subject, Rule>, QueueError> {
        let fields = self.link.read_hashes(Keys::rules).await?;
        let rule = |(field, text): (&String, &String)| Some((Subject::from_field(field)?, Rule::parse(text)?));
        Ok(fields.iter().filter_map(rule).collect())
    }
}
