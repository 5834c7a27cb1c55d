//! What a worker tells of its providers, from its start to its end.

use serde_json::json;
use zoetrope_queue::{ConnectOptions, State};
use zoetrope_shared::provider_reports::{ProviderReport, ProviderReports};
use zoetrope_shared::redis_link::RedisLink;
use zoetrope_shared::wire::CircuitName;

use crate::providers::mock::{Mock, Reply};
use crate::world::World;

const KEY: &str = "sk-test-55-never-shown";

/// The reports once they are as wanted; each question waits for Redis.
async fn until(reports: &ProviderReports, wanted: impl Fn(&[ProviderReport]) -> bool) -> Vec<ProviderReport> {
    loop {
        let all = reports.all().await.expect("redis answers");
        if wanted(&all) {
            return all;
        }
        tokio::task::yield_now().await;
    }
}

fn circuit(all: &[ProviderReport]) -> Option<CircuitName> {
    let text = all.first()?.engines.iter().find(|engine| engine.capability == "text")?;
    Some(text.circuit)
}

#[tokio::test]
async fn a_worker_reports_its_providers_when_a_circuit_opens_and_takes_the_report_back() {
    let world = World::new().await;
    let down = Mock::always(Reply::json(503, "{}")).await;
    let reports = ProviderReports::new(RedisLink::at(ConnectOptions::new(world.redis_url())));
    let worker = world.start_worker(&[
        ("OPENAI_API_KEY", KEY),
        ("OPENAI_BASE_URL", &down.url("/v1")),
        ("ROBOFLOW_API_KEY", KEY),
    ]);
    let all = until(&reports, |all| !all.is_empty()).await;
    let told: Vec<_> = all[0]
        .engines
        .iter()
        .map(|engine| (engine.provider.as_str(), engine.capability.as_str()))
        .collect();
    assert_eq!(
        told,
        [("openai", "text"), ("openai", "vision"), ("roboflow", "detection")]
    );
    assert_eq!(circuit(&all), Some(CircuitName::Closed));
    assert!(!format!("{all:?}").contains(KEY), "{all:?}");
    for _ in 0..2 {
        let input = json!({"template": "summary", "text": "One.", "provider": "auto"});
        let id = world.submit("content_generation", &input).await;
        assert_eq!(world.ended(id).await.state, State::Succeeded);
    }
    until(&reports, |all| circuit(all) == Some(CircuitName::Open)).await;
    let ended = tokio::task::spawn_blocking(move || worker.terminate())
        .await
        .expect("the wait ends");
    assert!(ended.success(), "{ended}");
    assert_eq!(reports.all().await.expect("redis answers"), []);
}
