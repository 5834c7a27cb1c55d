//! What the walk counts of each tenant, to be compared with what the scripts have counted.

use std::collections::{BTreeMap, HashSet};

use crate::id::TaskId;

/// Tasks that have not ended, each once.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    /// By Redis' clock, when the walk began.
    pub(super) since_ms: u64,
    seen: HashSet<TaskId>,
    tenants: BTreeMap<String, (u64, u64)>,
}

impl Tallies {
    /// A tenant that is said to have tasks.
    pub(super) fn expect(&mut self, tenant: &str) {
        self.tenants.entry(tenant.to_owned()).or_default();
    }

    /// A task that has not ended, by `<tenant>/<bytes>`.
    pub(super) fn add(&mut self, id: TaskId, told: &str) {
        let Some((tenant, bytes)) = told.split_once('/') else {
            return;
        };
        if self.seen.insert(id) {
            let tally = self.tenants.entry(tenant.to_owned()).or_default();
            tally.0 += 1;
            tally.1 += bytes.parse::<u64>().unwrap_or_default();
        }
    }

    /// Tenant, tasks and bytes, as arguments of the script.
    pub(super) fn into_args(self) -> Vec<[String; 3]> {
        let tenants = self.tenants.into_iter();
        tenants
            .map(|(tenant, (tasks, bytes))| [tenant, tasks.to_string(), bytes.to_string()])
            .collect()
    }
}
