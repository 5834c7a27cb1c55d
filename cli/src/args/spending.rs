//! What calls to providers used, and may cost.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct UsageArgs {
    /// First day in UTC, such as 2026-11-01 [default: 29 days before the last]
    #[arg(long, value_name = "DAY")]
    pub(crate) from: Option<String>,
    /// Last day, included [default: today]
    #[arg(long, value_name = "DAY")]
    pub(crate) to: Option<String>,
    /// What to tell apart: day, tenant, provider, capability, model, between commas
    #[arg(long, value_name = "NAMES", default_value = "provider,model")]
    pub(crate) group: String,
    /// Only this tenant [default: the key's own; of an operator's key all]
    #[arg(long)]
    pub(crate) tenant: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SpendArgs {
    /// The tenant
    #[arg(long, default_value = "default")]
    pub(crate) tenant: String,
    /// The most that its calls may cost in a period, US dollars
    #[arg(long, value_name = "USD")]
    pub(crate) cap: Option<f64>,
    /// When the cap begins anew, in UTC
    #[arg(long, value_parser = ["day", "month"], default_value = "month", requires = "cap")]
    pub(crate) per: String,
    /// Go by the usual cap again: `SPEND_CAP_USD`, or none
    #[arg(long, conflicts_with = "cap")]
    pub(crate) usual: bool,
}
