//! Providers as operators see them: who is there, what it used, what it may cost; and what one that hangs leaves alone.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use zoetrope_e2e::{Provider, ProviderAnswer, SCREENSHOT, Stage};

use crate::cli::{command, zoetrope};

fn builder(provider: &Provider) -> zoetrope_e2e::StageBuilder {
    Stage::builder()
        .env("OPENAI_API_KEY", "sk-e2e")
        .env("OPENAI_BASE_URL", &provider.url("/v1"))
}

fn question() -> Value {
    json!({"input": {"template": "summary", "text": "The pump broke.", "provider": "openai"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_tells_who_is_configured_what_was_used_and_caps_what_is_spent() {
    let provider = Provider::start(ProviderAnswer::text("Done.")).await;
    let stage = builder(&provider)
        .env("PROVIDER_LIMITS", "openai:requests=600")
        .start()
        .await;
    let id = stage.http.submit("content-generation", &question()).await;
    assert_eq!(stage.http.until_ended(&id).await["state"], "succeeded");

    let listed = zoetrope(&stage, &["providers", "--json"]).await.json();
    let item = &listed["items"][0];
    assert_eq!(
        (
            &item["provider"],
            &item["capability"],
            &item["workers"],
            &item["circuits"]["closed"]
        ),
        (&json!("openai"), &json!("text"), &json!(1), &json!(1)),
        "{listed}"
    );
    assert_eq!(item["limits"]["requests_a_minute"], 600);
    assert_eq!(item["models"][0]["name"], "gpt-6-luna");
    assert!(
        !listed.to_string().contains("sk-e2e") && !listed.to_string().contains("127.0.0.1"),
        "{listed}"
    );
    let table = zoetrope(&stage, &["providers", "--output", "table"]).await;
    assert!(
        table.stdout.contains("1 closed") && table.stdout.contains("600 requests/min"),
        "{table:?}"
    );

    let health = stage.http.get("/api/v1/health/detailed").await.body;
    let checks = health["checks"].as_array().expect("checks");
    let check = checks.iter().find(|check| check["name"] == "provider:openai");
    assert_eq!(check.map(|check| &check["status"]), Some(&json!("ok")), "{health}");

    let used = zoetrope(&stage, &["usage", "--json", "--group", "model"]).await.json();
    assert_eq!(
        (
            &used["items"][0]["model"],
            &used["total"]["calls"],
            &used["total"]["input_tokens"]
        ),
        (&json!("gpt-6-luna"), &json!(1), &json!(100)),
        "{used}"
    );
    let table = zoetrope(&stage, &["usage", "--output", "table"]).await;
    assert!(
        table.stdout.contains("gpt-6-luna") && table.stderr.contains("1 calls, $0.0000"),
        "{table:?}"
    );
    let refused = zoetrope(&stage, &["usage", "--from", "yesterday"]).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");

    let capped = zoetrope(&stage, &["spend", "--cap", "0", "--per", "day", "--json"])
        .await
        .json();
    assert_eq!(
        (&capped["cap_usd"], &capped["period"]),
        (&json!(0.0), &json!("day")),
        "{capped}"
    );
    let id = stage.http.submit("content-generation", &question()).await;
    let task = stage.http.until_ended(&id).await;
    assert_eq!(
        (&task["error"]["code"], &task["error"]["retryable"]),
        (&json!("spend_cap_reached"), &json!(false)),
        "{task}"
    );
    let shown = zoetrope(&stage, &["spend", "--output", "table"]).await;
    assert!(shown.stdout.contains("$0.0000 a day"), "{shown:?}");
    zoetrope(&stage, &["spend", "--usual"]).await;
    let waited = command(&stage, &["submit", "content-generation", "--wait", "--input"])
        .arg(question()["input"].to_string())
        .output()
        .await
        .expect("zoetrope should run");
    assert_eq!(waited.status.code(), Some(0), "{waited:?}");
    assert_eq!(provider.calls(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_that_wait_for_a_description_keep_no_other_picture_waiting() {
    let hanging = ProviderAnswer::text("Too late.").after(Duration::from_secs(3_600));
    let provider = Provider::start(hanging).await;
    let stage = builder(&provider).env("MAX_WORKERS", "1").start().await;
    let picture = json!({"base64": BASE64_STANDARD.encode(SCREENSHOT)});
    let described = json!({"input": {"image": picture, "features": ["description"], "provider": "openai"}});
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(stage.http.submit("image_analysis", &described).await);
    }
    stage
        .http
        .until(&ids[0], |task| task["progress"]["message"] == "description")
        .await;
    let id = stage.http.submit("ocr", &json!({"input": {"image": picture}})).await;
    assert_eq!(stage.http.until_ended(&id).await["state"], "succeeded");
    // Had it waited for the one processor, the provider's silence would be over.
    let task = stage.http.get(&format!("/api/v1/tasks/{}", ids[0])).await.body;
    assert_eq!(
        (&task["state"], &task["error"]),
        (&json!("running"), &Value::Null),
        "{task}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_hangs_holds_no_task_of_another_kind_up() {
    let hanging = ProviderAnswer::text("Too late.").after(Duration::from_secs(3_600));
    let provider = Provider::start(hanging).await;
    let stage = builder(&provider).env("WORKER_IO_SLOTS", "8").start().await;
    let mut ids = Vec::new();
    for _ in 0..24 {
        ids.push(stage.http.submit("content-generation", &question()).await);
    }
    stage.http.until(&ids[0], |task| task["state"] == "running").await;
    for message in ["one", "two"] {
        let id = stage.http.submit("echo", &json!({"input": {"message": message}})).await;
        assert_eq!(stage.http.until_ended(&id).await["state"], "succeeded");
    }
    // Had they waited for a slot, the provider's silence of a minute would be over, and with it these tasks' first calls.
    let mut states = Vec::new();
    for id in &ids {
        let task = stage.http.get(&format!("/api/v1/tasks/{id}")).await.body;
        assert_eq!(task["error"], Value::Null, "{task}");
        states.push(task["state"].as_str().expect("a state").to_owned());
    }
    assert!(
        states
            .iter()
            .all(|state| ["queued", "running", "scheduled"].contains(&state.as_str())),
        "{states:?}"
    );
    assert!(provider.calls() <= 7, "{} calls", provider.calls());
}
