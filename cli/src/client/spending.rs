//! Calls about providers, and what calls to them used and cost.

use serde_json::Value;
use zoetrope_shared::wire::{ProviderPage, SpendView, UsageView};

use super::{ANSWER_LIMIT, Client, body};
use crate::args::UsageArgs;
use crate::exit::CliError;

impl Client {
    /// The providers that workers have.
    pub(crate) async fn providers(&self) -> Result<ProviderPage, CliError> {
        let request = self.http.get(self.url(&["api", "v1", "providers"]));
        body(self.send(request.timeout(ANSWER_LIMIT)).await?).await
    }

    /// What calls to providers used.
    pub(crate) async fn usage(&self, wanted: &UsageArgs) -> Result<UsageView, CliError> {
        let mut query = vec![("group", wanted.group.as_str())];
        let given = [("from", &wanted.from), ("to", &wanted.to), ("tenant", &wanted.tenant)];
        query.extend(
            given
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.as_deref()?))),
        );
        let mut url = self.url(&["api", "v1", "usage"]);
        url.query_pairs_mut().extend_pairs(query);
        body(self.send(self.http.get(url).timeout(ANSWER_LIMIT)).await?).await
    }

    /// What a tenant's calls to providers cost in this period.
    pub(crate) async fn spend(&self, tenant: &str) -> Result<SpendView, CliError> {
        let request = self.http.get(self.url(&["api", "v1", "tenants", tenant, "spend"]));
        body(self.send(request.timeout(ANSWER_LIMIT)).await?).await
    }

    /// Caps what they cost.
    pub(crate) async fn cap_spend(&self, tenant: &str, cap: &Value) -> Result<SpendView, CliError> {
        let url = self.url(&["api", "v1", "tenants", tenant, "spend"]);
        body(self.send(self.http.put(url).json(cap).timeout(ANSWER_LIMIT)).await?).await
    }
}
