//! `/api/v1/usage`: what calls to providers used and cost, by day, tenant, provider, capability and model.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::ledger::{Day, Figures, Ledger, Row, USAGE_DAYS};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::{Problem, UsageFigures, UsageItem, UsageView};

use crate::app::App;
use crate::auth::Identity;
use crate::http::problem::Refusal;
use crate::http::query::{self, Query};
use crate::limits::{MAX_USAGE_ITEMS, MAX_USAGE_READS, USAGE_READS_AT_ONCE, USUAL_USAGE_DAYS};
use crate::service::rules::visible_tenant;

/// What figures may be told apart by, in the order in which a group is told.
const DIMENSIONS: [&str; 5] = ["day", "tenant", "provider", "capability", "model"];
const USUAL_GROUP: &str = "provider,model";

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show_usage))
}

/// Show what calls to providers used
///
/// Days are those of UTC; 93 of them are kept. A tenant's own calls; those of all tenants for an admin of the tenant
/// `default` who names none.
#[utoipa::path(get, path = "/api/v1/usage", tag = "operations",
    params(
        ("from" = Option<String>, Query, description = "First day, as `2026-11-01`; default 29 days before the last"),
        ("to" = Option<String>, Query, description = "Last day, included; default today"),
        ("group" = Option<String>, Query, description = "Any of `day`, `tenant`, `provider`, `capability`, `model`, between commas; default `provider,model`"),
        ("tenant" = Option<String>, Query, description = "Only this tenant"),
    ),
    responses(
        (status = 200, description = "What was used", body = UsageView),
        (status = 422, description = "A parameter is wrong, or this would be too much to read at a time", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn show_usage(State(app): State<App>, identity: Identity, uri: Uri) -> Result<Json<UsageView>, Refusal> {
    let query = Query::of(&uri, &["from", "to", "group", "tenant"])?;
    let group = group_of(query.get("group").unwrap_or(USUAL_GROUP))?;
    let days = days_of(&query, app.ledger.today())?;
    let (Some(from), Some(to)) = (days.first(), days.last()) else {
        return Err(Refusal::invalid(
            query::pointer("from"),
            "it is later than the last day",
        ));
    };
    let whose = match query.get("tenant") {
        Some(name) => Some(visible_tenant(&identity, name)?),
        None if identity.is_operator() => None,
        None => Some(identity.tenant),
    };
    let reads = match whose {
        Some(tenant) => BTreeMap::from([(tenant, days.clone())]),
        None => reads_of_all(&app.ledger, &days).await?,
    };
    let ledger = &app.ledger;
    let rows = stream::iter(reads)
        .map(|(tenant, days)| async move {
            let rows = ledger.rows(&tenant, &days).await?;
            Ok::<_, Refusal>((tenant, rows))
        })
        .buffered(USAGE_READS_AT_ONCE);
    let mut sums = Sums::by(&group);
    let mut rows = std::pin::pin!(rows);
    while let Some((tenant, rows)) = rows.try_next().await? {
        sums.add(&tenant, rows)?;
    }
    Ok(Json(UsageView {
        from: from.to_string(),
        to: to.to_string(),
        group: group.iter().map(|name| (*name).to_owned()).collect(),
        total: sums.total.into(),
        items: sums.into_items(),
    }))
}

/// Every tenant with the days on which it used anything.
async fn reads_of_all(ledger: &Ledger, days: &[Day]) -> Result<BTreeMap<Tenant, Vec<Day>>, Refusal> {
    let listed = stream::iter(days.iter().copied())
        .map(|day| async move {
            ledger
                .tenants(day, MAX_USAGE_READS + 1)
                .await
                .map(|tenants| (day, tenants))
        })
        .buffered(USAGE_READS_AT_ONCE);
    let mut listed = std::pin::pin!(listed);
    let (mut reads, mut count) = (BTreeMap::<Tenant, Vec<Day>>::new(), 0);
    while let Some((day, tenants)) = listed.try_next().await? {
        count += tenants.len();
        if count > MAX_USAGE_READS {
            let detail =
                format!("that is more than {MAX_USAGE_READS} days of tenants: ask for fewer days, or one tenant");
            return Err(Refusal::invalid(query::pointer("from"), detail));
        }
        for tenant in tenants {
            reads.entry(tenant).or_default().push(day);
        }
    }
    Ok(reads)
}

fn group_of(text: &str) -> Result<Vec<&'static str>, Refusal> {
    let wanted: Vec<&str> = text.split(',').map(str::trim).collect();
    if let Some(unknown) = wanted.iter().find(|name| !DIMENSIONS.contains(*name)) {
        let unknown: String = unknown.chars().take(32).collect();
        let detail = format!("`{unknown}` is none of {}", DIMENSIONS.join(", "));
        return Err(Refusal::invalid(query::pointer("group"), detail));
    }
    Ok(DIMENSIONS.into_iter().filter(|name| wanted.contains(name)).collect())
}

/// The days asked for, oldest first; none if the first is later than the last.
fn days_of(query: &Query, today: Day) -> Result<Vec<Day>, Refusal> {
    let day = |text: &str| Day::parse(text).ok_or_else(|| "write a day such as 2026-11-01".to_owned());
    let to = query.read("to", day)?.unwrap_or(today);
    let from = query.read("from", day)?.unwrap_or(to.earlier(USUAL_USAGE_DAYS - 1));
    if from < to.earlier(USAGE_DAYS - 1) {
        let detail = format!("ask for at most {USAGE_DAYS} days: no more are kept");
        return Err(Refusal::invalid(query::pointer("from"), detail));
    }
    Ok(from.until(to).collect())
}

/// Figures by group.
struct Sums<'a> {
    group: &'a [&'static str],
    by: BTreeMap<Vec<String>, Figures>,
    total: Figures,
}

impl<'a> Sums<'a> {
    fn by(group: &'a [&'static str]) -> Self {
        Self {
            group,
            by: BTreeMap::new(),
            total: Figures::default(),
        }
    }

    fn add(&mut self, tenant: &Tenant, rows: Vec<Row>) -> Result<(), Refusal> {
        for row in rows {
            let key = self.group.iter().map(|name| match *name {
                "day" => row.day.to_string(),
                "tenant" => tenant.to_string(),
                "provider" => row.provider.clone(),
                "capability" => row.capability.clone(),
                _ => row.model.clone(),
            });
            self.by.entry(key.collect()).or_default().add(&row.figures);
            self.total.add(&row.figures);
            if self.by.len() > MAX_USAGE_ITEMS {
                let detail =
                    format!("that makes more than {MAX_USAGE_ITEMS} items: group by less, or ask for fewer days");
                return Err(Refusal::invalid(query::pointer("group"), detail));
            }
        }
        Ok(())
    }

    fn into_items(self) -> Vec<UsageItem> {
        let by_day = self.group.contains(&"day");
        let mut sums: Vec<(Vec<String>, Figures)> = self.by.into_iter().collect();
        if !by_day {
            sums.sort_by_key(|(_, figures)| std::cmp::Reverse((figures.cost_nano_usd, figures.calls)));
        }
        let item = |(key, figures): (Vec<String>, Figures)| {
            let of = |name: &str| {
                let at = self.group.iter().position(|known| *known == name)?;
                key.get(at).cloned()
            };
            UsageItem {
                day: of("day"),
                tenant: of("tenant"),
                provider: of("provider"),
                capability: of("capability"),
                model: of("model"),
                figures: UsageFigures::from(figures),
            }
        };
        sums.into_iter().map(item).collect()
    }
}
