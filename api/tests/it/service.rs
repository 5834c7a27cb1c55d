//! The service about itself: hello, kinds, health, load, metrics, documentation.

use serde_json::json;

use crate::stage::Stage;

const README: &str = include_str!("../../README.md");

#[tokio::test]
async fn the_front_page_leads_to_everything() {
    let stage = Stage::start().await;
    let hello = stage.get("/").await;
    assert_eq!((hello.status, hello.text("/name").as_str()), (200, "zoetrope"));
    for (name, link) in hello.body["links"].as_object().expect("links") {
        let link = link.as_str().expect("a link");
        assert_eq!(stage.get(link).await.status, 200, "{name} at {link}");
    }
}

#[tokio::test]
async fn every_kind_shows_its_schemas_and_an_example_that_it_takes() {
    let stage = Stage::start().await;
    let list = stage.get("/api/v1/kinds").await;
    let kinds = list.body["items"].as_array().expect("items");
    assert!(kinds.len() >= 3);
    for kind in kinds {
        let name = kind["kind"].as_str().expect("a name");
        let one = stage.get(&format!("/api/v1/kinds/{}", name.replace('_', "-"))).await;
        assert_eq!(&one.body, kind);
        assert!(
            kind["input_schema"]["properties"].is_object() && kind["output_schema"].is_object(),
            "{name}"
        );
        let submitted = stage
            .post(&format!("/api/v1/tasks/{name}"), &json!({"input": kind["example"]}))
            .await;
        assert_eq!(submitted.status, 202, "{submitted:?}");
    }
    assert_eq!(
        stage.get("/api/v1/kinds/sing").await.refusal(),
        (404, "unknown_kind".into(), String::new())
    );
}

#[tokio::test]
async fn health_names_each_dependency_and_the_workers_by_kind() {
    let stage = Stage::start().await;
    for path in ["/health", "/livez", "/readyz"] {
        let answer = stage.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body["version"].is_string());
    }
    let detailed = stage.get("/api/v1/health/detailed").await;
    let names: Vec<_> = detailed.body["checks"]
        .as_array()
        .expect("checks")
        .iter()
        .map(|check| check["name"].clone())
        .collect();
    assert_eq!(names, ["redis", "artifacts", "workers"]);
    assert_eq!(
        (detailed.status, detailed.text("/status").as_str()),
        (200, "degraded"),
        "without workers and an append-only file"
    );
    assert!(detailed.text("/checks/2/detail").contains("echo: 0"), "{detailed:?}");
}

#[tokio::test]
async fn the_queues_load_is_told_by_kind_idle_ones_too() {
    let stage = Stage::start().await;
    stage.echo("hi").await;
    stage
        .post("/api/v1/tasks/echo", &json!({"message": "hi", "delay": "1h"}))
        .await;
    let status = stage.get("/api/v1/queue/status").await;
    let kind = |name: &str| {
        let kinds = status.body["kinds"].as_array().expect("kinds");
        kinds
            .iter()
            .find(|kind| kind["kind"] == name)
            .cloned()
            .unwrap_or_else(|| panic!("{name} in {status:?}"))
    };
    assert_eq!(
        (&kind("echo")["queued"], &kind("echo")["scheduled"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        (&kind("ocr")["queued"], &kind("ocr")["oldest_age_ms"]),
        (&json!(0), &json!(null))
    );
    assert_eq!(
        (&status.body["workers"], status.text("/redis/durability").as_str()),
        (&json!(0), "none")
    );
}

#[tokio::test]
async fn metrics_count_what_happens_by_closed_labels() {
    let stage = Stage::start().await;
    stage.echo("hi").await;
    stage.post("/api/v1/tasks/echo", &json!({})).await;
    stage.get("/nowhere/secret-id").await;
    let answer = stage.get("/metrics").await;
    let text = String::from_utf8(answer.bytes).expect("text");
    for line in [
        "zoetrope_tasks_submitted_total{kind=\"echo\",outcome=\"created\"} 1",
        "zoetrope_tasks_submitted_total{kind=\"echo\",outcome=\"refused\"} 1",
        "zoetrope_http_refusals_total{code=\"invalid_input\"} 1",
        "zoetrope_http_requests_total{method=\"POST\",route=\"/api/v1/tasks/{id}\",status=\"202\"} 1",
        "zoetrope_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 1",
        "zoetrope_queue_tasks{kind=\"echo\",state=\"queued\"} 1",
        "zoetrope_redis_up 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("secret-id"));
    let series: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    assert!(series.iter().all(|name| name.starts_with("zoetrope_")), "{series:?}");
    for name in series {
        assert!(README.contains(&format!("| `{name}` |")), "{name} is in the README");
        assert!(text.contains(&format!("# HELP {name} ")), "{name} says what it is");
    }
}

#[tokio::test]
async fn the_documentations_page_runs_only_its_own_scripts() {
    let stage = Stage::start().await;
    let page = stage.get("/docs/").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").contains("script-src 'self'"));
    assert!(String::from_utf8_lossy(&page.bytes).contains("swagger-ui"));
    let initializer = stage.get("/docs/swagger-initializer.js").await;
    assert!(String::from_utf8_lossy(&initializer.bytes).contains("/api/v1/openapi.json"));
}
