//! `/api/v1/providers`: which providers live workers have, and how they are. Workers report them; the api knows none.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::provider_reports::{EngineReport, ProviderReport};
use zoetrope_shared::wire::{CircuitCounts, Problem, ProviderPage, ProviderView};

use crate::app::App;
use crate::http::problem::Refusal;
use crate::http::query::Query;

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_providers))
}

/// List the providers
///
/// Those that live workers have, with their models, prices and limits, and how many workers leave them alone because they
/// fail. Engines of the workers' own machines are not among them: they are always there.
#[utoipa::path(get, path = "/api/v1/providers", tag = "operations",
    responses(
        (status = 200, description = "The providers", body = ProviderPage),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn list_providers(State(app): State<App>, uri: Uri) -> Result<Json<ProviderPage>, Refusal> {
    Query::of(&uri, &[])?;
    let reports = app.provider_reports.all().await?;
    Ok(Json(ProviderPage {
        items: together(reports),
    }))
}

/// The workers' reports as one. Where they differ, as while settings are rolled out, models and limits are the first's.
pub(super) fn together(reports: Vec<ProviderReport>) -> Vec<ProviderView> {
    let mut items: Vec<ProviderView> = Vec::new();
    for engine in reports.into_iter().flat_map(|report| report.engines) {
        let circuit = engine.circuit;
        let is_same = |known: &ProviderView| known.provider == engine.provider && known.capability == engine.capability;
        let at = items.iter().position(is_same).unwrap_or_else(|| {
            items.push(view(engine));
            items.len() - 1
        });
        let item = &mut items[at];
        item.workers += 1;
        item.circuits.add(circuit);
    }
    items
}

fn view(engine: EngineReport) -> ProviderView {
    ProviderView {
        provider: engine.provider,
        capability: engine.capability,
        workers: 0,
        circuits: CircuitCounts::default(),
        limits: engine.limits,
        models: engine.models,
    }
}

#[cfg(test)]
mod tests {
    use zoetrope_shared::wire::CircuitName;

    use super::*;

    fn engine(provider: &str, circuit: CircuitName) -> EngineReport {
        EngineReport {
            provider: provider.to_owned(),
            capability: "text".to_owned(),
            models: Vec::new(),
            circuit,
            limits: None,
        }
    }

    #[test]
    fn workers_that_have_the_same_provider_are_counted_with_their_circuits() {
        let first = ProviderReport {
            engines: vec![
                engine("openai", CircuitName::Open),
                engine("gemini", CircuitName::Closed),
            ],
        };
        let second = ProviderReport {
            engines: vec![engine("openai", CircuitName::Closed)],
        };
        let told = together(vec![first, second]);
        let counts: Vec<_> = told
            .iter()
            .map(|item| (item.provider.as_str(), item.workers, item.circuits))
            .collect();
        let circuits = |closed, open| CircuitCounts {
            closed,
            half_open: 0,
            open,
        };
        assert_eq!(counts, [("openai", 2, circuits(1, 1)), ("gemini", 1, circuits(1, 0))]);
    }
}
