//! `/api/v1/queue/rules` and what changes them: limits, pauses and the drain of kinds. They hold for every process, and
//! kinds serve every tenant, so that only an operator may.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_queue::{Flow, Queue, QueueError, Rate, Subject};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::{Problem, ProblemCode, RulePage, RuleView};

use crate::app::App;
use crate::auth::Identity;
use crate::http::duration::{self, Span};
use crate::http::problem::{Mistake, Mistakes, Refusal};
use crate::http::query::{self, Query};
use crate::submit::request;

const KEY: &str = "fairness_key";

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_rules))
        .routes(routes!(limit_kind))
        .routes(routes!(limit_keys))
        .routes(routes!(steer_kind))
        .routes(routes!(steer_tenant))
}

/// Limits to set; both are replaced.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the document's description of what `limits` reads")]
struct Limits {
    /// Most tasks that run at once; absent or null for no limit. Tasks that run already do not count.
    #[schema(minimum = 1, maximum = 1_000_000)]
    concurrency: Option<u64>,
    /// Most tasks begun in a period; absent or null for no limit.
    rate: Option<Rated>,
}

/// As many tasks at once, then one after each part of the period.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the document's description of what `limits` reads")]
struct Rated {
    /// Tasks.
    #[schema(minimum = 1, maximum = 1_000_000)]
    count: u64,
    /// Seconds, or text such as `"1s"` or `"5m"`; at most 30 days.
    #[schema(example = "1s")]
    period: Span,
}

/// List the rules
///
/// Limits and pauses in force. Takes an admin of the tenant `default`, as whatever changes them does.
#[utoipa::path(get, path = "/api/v1/queue/rules", tag = "operations",
    responses(
        (status = 200, description = "The rules", body = RulePage),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn list_rules(State(app): State<App>, identity: Identity, uri: Uri) -> Result<Json<RulePage>, Refusal> {
    Query::of(&uri, &[])?;
    operator(&identity)?;
    let rules = app.link.queue()?.rules().await?;
    let items = rules
        .iter()
        .map(|(subject, rule)| RuleView::of(subject, rule))
        .collect();
    Ok(Json(RulePage { items }))
}

/// Limit a kind
///
/// Over all workers and tenants, from the next claim on. Both limits are replaced. A queue of several shards keeps the
/// limits in each of them: tenants of one shard share them, and as many run in every other.
#[utoipa::path(put, path = "/api/v1/queue/{kind}/limits", tag = "operations", request_body = Limits,
    params(("kind" = String, Path, description = "The kind")),
    responses(
        (status = 200, description = "The rule in force", body = RuleView),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn limit_kind(
    State(app): State<App>,
    identity: Identity,
    Path(kind): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<RuleView>, Refusal> {
    Query::of(&uri, &[])?;
    operator(&identity)?;
    let subject = Subject::Kind(request::find_kind(&kind)?.name.to_owned());
    limit(&app, &identity, subject, &headers, body).await
}

/// Limit a fairness key, or each
///
/// Over all kinds, from the next claim on. Both limits are replaced. Without `fairness_key` they are those of each key of
/// the tenant for itself, as far as the key's own say nothing.
#[utoipa::path(put, path = "/api/v1/tenants/{tenant}/limits", tag = "operations", request_body = Limits,
    params(("tenant" = String, Path, description = "The tenant"),
        ("fairness_key" = Option<String>, Query, description = "Only this key")),
    responses(
        (status = 200, description = "The rule in force", body = RuleView),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn limit_keys(
    State(app): State<App>,
    identity: Identity,
    Path(tenant): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<RuleView>, Refusal> {
    let key = fairness_key(&uri)?;
    operator(&identity)?;
    let tenant = known_tenant(&tenant)?.to_string();
    let subject = match key {
        Some(key) => Subject::Key { tenant, key },
        None => Subject::EachKey(tenant),
    };
    limit(&app, &identity, subject, &headers, body).await
}

/// Pause, resume or drain a kind
///
/// Paused, it takes new tasks and begins none; draining, it refuses new ones with `queue_full` and runs the others.
/// `resume` ends both. Tasks that run go on. Repeating it changes nothing.
#[utoipa::path(post, path = "/api/v1/queue/{kind}/{action}", tag = "operations",
    params(("kind" = String, Path, description = "The kind"),
        ("action" = String, Path, description = "`pause`, `resume` or `drain`")),
    responses(
        (status = 200, description = "The rule in force", body = RuleView),
        (status = 404, description = "No such kind or action", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn steer_kind(
    State(app): State<App>,
    identity: Identity,
    Path((kind, action)): Path<(String, String)>,
    uri: Uri,
) -> Result<Json<RuleView>, Refusal> {
    Query::of(&uri, &[])?;
    operator(&identity)?;
    let subject = Subject::Kind(request::find_kind(&kind)?.name.to_owned());
    steer(&app, &identity, subject, &action).await
}

/// Pause or resume a tenant, or one of its fairness keys
///
/// Paused, new tasks are taken and none is begun. Tasks that run go on. Repeating it changes nothing.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/{action}", tag = "operations",
    params(("tenant" = String, Path, description = "The tenant"),
        ("action" = String, Path, description = "`pause` or `resume`"),
        ("fairness_key" = Option<String>, Query, description = "Only this key")),
    responses(
        (status = 200, description = "The rule in force", body = RuleView),
        (status = 404, description = "No such tenant or action", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn steer_tenant(
    State(app): State<App>,
    identity: Identity,
    Path((tenant, action)): Path<(String, String)>,
    uri: Uri,
) -> Result<Json<RuleView>, Refusal> {
    let key = fairness_key(&uri)?;
    operator(&identity)?;
    let tenant = known_tenant(&tenant)?.to_string();
    let subject = match key {
        Some(key) => Subject::Key { tenant, key },
        None => Subject::Tenant(tenant),
    };
    steer(&app, &identity, subject, &action).await
}

async fn limit(
    app: &App,
    identity: &Identity,
    subject: Subject,
    headers: &HeaderMap,
    body: Body,
) -> Result<Json<RuleView>, Refusal> {
    let (concurrency, rate) = limits(request::read_fields(app, headers, body).await?)?;
    let queue = app.link.queue()?;
    queue.set_limits(&subject, concurrency, rate).await.map_err(refused)?;
    tracing::info!(?subject, concurrency, ?rate, key_id = identity.key, "api.queue.limits");
    in_force(queue, &subject).await
}

async fn steer(app: &App, identity: &Identity, subject: Subject, action: &str) -> Result<Json<RuleView>, Refusal> {
    let flow = match (action, &subject) {
        ("pause", _) => Flow::Paused,
        ("resume", _) => Flow::Open,
        ("drain", Subject::Kind(_)) => Flow::Draining,
        _ => return Err(Refusal::not_found("action")),
    };
    let queue = app.link.queue()?;
    queue.set_flow(&subject, flow).await.map_err(refused)?;
    tracing::info!(?subject, ?flow, key_id = identity.key, "api.queue.flow");
    in_force(queue, &subject).await
}

async fn in_force(queue: &Queue, subject: &Subject) -> Result<Json<RuleView>, Refusal> {
    let rules = queue.rules().await?;
    let rule = rules.get(subject).copied().unwrap_or_default();
    Ok(Json(RuleView::of(subject, &rule)))
}

fn limits(mut fields: Map<String, Value>) -> Result<(Option<u64>, Option<Rate>), Refusal> {
    let mut mistakes = Mistakes::at("");
    let mut take = |name: &str| fields.remove(name).filter(|value| !value.is_null());
    let (concurrency, rate) = (take("concurrency"), take("rate"));
    for name in fields.keys() {
        mistakes.unknown(name, "limits have the fields concurrency and rate");
    }
    let count = |value: &Value| value.as_u64().ok_or("use an integer from 1 to 1000000");
    let concurrency = concurrency
        .map(|value| count(&value))
        .transpose()
        .unwrap_or_else(|detail| {
            mistakes.push(Mistake::invalid("/concurrency", detail));
            None
        });
    let rate = rate.and_then(|value| read_rate(value, &mut mistakes));
    mistakes.into_result()?;
    Ok((concurrency, rate))
}

fn read_rate(value: Value, mistakes: &mut Mistakes) -> Option<Rate> {
    let Value::Object(mut fields) = value else {
        mistakes.push(Mistake::invalid("/rate", "use an object with count and period"));
        return None;
    };
    let (count, period) = (fields.remove("count"), fields.remove("period"));
    for name in fields.keys() {
        mistakes.push(Mistake::new(
            ProblemCode::UnknownField,
            format!("/rate/{name}"),
            "a rate has the fields count and period",
        ));
    }
    let count = count.and_then(|count| count.as_u64());
    let period = duration::from_json(&period.unwrap_or_default());
    match (count, period) {
        (Some(count), Ok(period)) => Some(Rate {
            count,
            period_ms: u64::try_from(period.as_millis()).unwrap_or(u64::MAX),
        }),
        (None, _) => {
            mistakes.push(Mistake::invalid("/rate/count", "use an integer from 1 to 1000000"));
            None
        }
        (_, Err(detail)) => {
            mistakes.push(Mistake::invalid("/rate/period", detail));
            None
        }
    }
}

fn fairness_key(uri: &Uri) -> Result<Option<String>, Refusal> {
    let query = Query::of(uri, &[KEY])?;
    let fits = |text: &str| match zoetrope_queue::is_fairness_key(text) {
        true => Ok(text.to_owned()),
        false => Err("use 1 to 64 letters, digits and _ . : @ / + -".to_owned()),
    };
    query.read(KEY, fits)
}

/// Tenants are not registered anywhere: each name that could be one is.
pub(super) fn known_tenant(name: &str) -> Result<Tenant, Refusal> {
    Tenant::parse(name).map_err(|_| Refusal::not_found("tenant"))
}

/// A tenant whose figures are its own or an operator's to see.
pub(super) fn visible_tenant(identity: &Identity, name: &str) -> Result<Tenant, Refusal> {
    let tenant = known_tenant(name)?;
    if tenant != identity.tenant {
        operator(identity)?;
    }
    Ok(tenant)
}

fn refused(error: QueueError) -> Refusal {
    match error {
        QueueError::Invalid { field: KEY, detail } => Refusal::invalid(query::pointer(KEY), detail),
        other => other.into(),
    }
}

pub(super) fn operator(identity: &Identity) -> Result<(), Refusal> {
    identity.must_be_operator("rules hold for every tenant")
}
