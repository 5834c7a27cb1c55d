//! What may run: limits and pauses, as they are shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zoetrope_queue::{Flow, Rate, Rule, Subject};

/// A rule, and whom it is about: a kind, a tenant, a fairness key of a tenant, or each key of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleView {
    /// The kind, if it is about one.
    pub kind: Option<String>,
    /// The tenant, if it is about one or its keys.
    pub tenant: Option<String>,
    /// The fairness key, if it is about one; empty for tasks without.
    pub fairness_key: Option<String>,
    /// Whether it is about each key of the tenant for itself, as far as the key's own rule says nothing.
    pub each_key: bool,
    /// Whether tasks run, and new ones are taken.
    #[schema(value_type = FlowName)]
    pub flow: Flow,
    /// Most tasks that run at once.
    pub concurrency: Option<u64>,
    /// Most tasks begun in a period.
    pub rate: Option<RateView>,
}

/// Most tasks begun in a period: as many at once, then one after each part of the period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RateView {
    /// Tasks.
    pub count: u64,
    /// Milliseconds.
    pub period_ms: u64,
}

/// All rules in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RulePage {
    /// Kinds, then tenants, then keys.
    pub items: Vec<RuleView>,
}

/// What a tenant has in the queue, and what it may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BacklogView {
    /// The tenant; null for each that has no bound of its own.
    pub tenant: Option<String>,
    /// Its tasks that have not ended.
    pub tasks: Option<u64>,
    /// Bytes of them as they are stored.
    pub bytes: Option<u64>,
    /// Tasks that it may have: beyond it submits are refused with `queue_full`.
    pub most_tasks: u64,
    /// Bytes that it may have.
    pub most_bytes: u64,
}

/// Names of flows.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Flow)]
#[serde(rename_all = "snake_case")]
pub enum FlowName {
    /// Tasks run, new ones are taken.
    Open,
    /// New ones are taken, none is begun.
    Paused,
    /// New ones are refused, the others run.
    Draining,
}

impl RuleView {
    /// The view of a rule.
    pub fn of(subject: &Subject, rule: &Rule) -> Self {
        let (mut kind, mut tenant, mut fairness_key) = (None, None, None);
        match subject {
            Subject::Kind(name) => kind = Some(name.clone()),
            Subject::Tenant(name) | Subject::EachKey(name) => tenant = Some(name.clone()),
            Subject::Key { tenant: owner, key } => (tenant, fairness_key) = (Some(owner.clone()), Some(key.clone())),
        }
        Self {
            kind,
            tenant,
            fairness_key,
            each_key: matches!(subject, Subject::EachKey(_)),
            flow: rule.flow,
            concurrency: rule.concurrency,
            rate: rule.rate.map(|Rate { count, period_ms }| RateView { count, period_ms }),
        }
    }
}
