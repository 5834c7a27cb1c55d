//! What calls to providers used and cost, as tenants and operators may see and cap it.

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use zoetrope_queue::{ConnectOptions, ManualClock, SystemClock};
use zoetrope_shared::ledger::{Day, Ending, Entry, Ledger};
use zoetrope_shared::redis_link::RedisLink;
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::usage::Usage;

use crate::stage::{Answer, Stage, TENANT};

const DAY_MS: u64 = 86_400_000;

async fn of(tenant: &str, stage: &Stage, path: &str) -> Answer {
    Answer::of(stage.request(Method::GET, path).header(TENANT, tenant)).await
}

/// A ledger whose today is so many days ago.
fn ledger(stage: &Stage, days_ago: u64) -> Ledger {
    use zoetrope_queue::Clock;
    let clock = ManualClock::at(SystemClock.now_ms() - days_ago * DAY_MS);
    Ledger::new(
        RedisLink::at(ConnectOptions::new(stage.redis_url())),
        Arc::new(clock),
        None,
    )
}

async fn used(ledger: &Ledger, tenant: &str, model: &str, cost_usd: f64) {
    let usage = Usage {
        input_tokens: Some(10),
        cost_usd: Some(cost_usd),
        ..Usage::default()
    };
    let entry = Entry {
        provider: "openai",
        capability: "text",
        model,
        ending: Ending::Answered,
        usage: &usage,
    };
    let tenant = Tenant::parse(tenant).expect("a tenant");
    ledger.settle(&tenant, &entry, None).await.expect("redis answers");
}

/// Tenant, model and cost of the items.
fn told(answer: &Answer) -> Vec<(Value, Value, f64)> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let items = answer.body["items"].as_array().expect("items").iter();
    let cost = |item: &Value| item["figures"]["cost_usd"].as_f64().expect("a cost");
    items
        .map(|item| (item["tenant"].clone(), item["model"].clone(), cost(item)))
        .collect()
}

#[tokio::test]
async fn a_tenant_sees_its_own_usage_and_an_operator_everybodys() {
    let stage = Stage::start().await;
    let today = ledger(&stage, 0);
    used(&today, "alice", "small", 0.25).await;
    used(&today, "alice", "large", 0.5).await;
    used(&ledger(&stage, 3), "alice", "small", 0.125).await;
    used(&ledger(&stage, 40), "alice", "small", 8.0).await;
    used(&today, "bob", "small", 1.0).await;

    let own = of("alice", &stage, "/api/v1/usage").await;
    let null = Value::Null;
    assert_eq!(
        told(&own),
        [
            (null.clone(), json!("large"), 0.5),
            (null.clone(), json!("small"), 0.375)
        ]
    );
    assert_eq!(
        (&own.body["total"]["calls"], &own.body["total"]["cost_usd"]),
        (&json!(3), &json!(0.875))
    );
    let foreign = of("bob", &stage, "/api/v1/usage?tenant=alice").await;
    foreign.is_refused(StatusCode::FORBIDDEN, "forbidden", "", "a foreign tenant");
    assert_eq!(told(&of("carol", &stage, "/api/v1/usage").await), []);

    let all = stage.get("/api/v1/usage?group=tenant").await;
    assert_eq!(
        told(&all),
        [(json!("bob"), null.clone(), 1.0), (json!("alice"), null.clone(), 0.875)]
    );
    let one = stage.get("/api/v1/usage?group=model,day&tenant=alice").await;
    assert_eq!(one.body["group"], json!(["day", "model"]));
    let days: Vec<String> = (0..3).map(|item| one.text(&format!("/items/{item}/day"))).collect();
    let day = today.today();
    assert_eq!(days, [day.earlier(3).to_string(), day.to_string(), day.to_string()]);
    let (from, to) = (day.earlier(60), day.earlier(4));
    let earlier = stage
        .get(&format!("/api/v1/usage?from={from}&to={to}&tenant=alice"))
        .await;
    assert_eq!(told(&earlier), [(null.clone(), json!("small"), 8.0)]);
}

#[tokio::test]
async fn what_cannot_be_told_of_usage_is_refused_by_its_parameter() {
    let stage = Stage::start().await;
    let today = Day::of(zoetrope_queue::Clock::now_ms(&SystemClock));
    let (long_ago, before) = (today.earlier(200), today.earlier(1));
    for (query, pointer) in [
        ("from=yesterday".to_owned(), "?from"),
        ("to=2026-02-30".to_owned(), "?to"),
        (format!("from={long_ago}"), "?from"),
        (format!("from={today}&to={before}"), "?from"),
        ("group=day,colour".to_owned(), "?group"),
    ] {
        let answer = stage.get(&format!("/api/v1/usage?{query}")).await;
        answer.is_refused(StatusCode::UNPROCESSABLE_ENTITY, "invalid_input", pointer, &query);
    }
    let nobody = stage.get("/api/v1/usage?tenant=../x").await;
    nobody.is_refused(StatusCode::NOT_FOUND, "not_found", "", "no tenant's name");
    let unknown = stage.get("/api/v1/usage?since=1").await;
    unknown.is_refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        "unknown_field",
        "?since",
        "an unknown parameter",
    );
}

#[tokio::test]
async fn an_operator_caps_what_a_tenant_spends_and_the_tenant_sees_it() {
    let stage = Stage::start_with(&[("SPEND_CAP_USD", "2.5")]).await;
    used(&ledger(&stage, 0), "alice", "small", 0.25).await;
    let path = "/api/v1/tenants/alice/spend";
    let own = of("alice", &stage, path).await;
    assert_eq!(
        (
            &own.body["cap_usd"],
            &own.body["period"],
            &own.body["spent_usd"],
            &own.body["held_usd"]
        ),
        (&json!(2.5), &json!("month"), &json!(0.25), &json!(0.0))
    );
    let put = async |tenant: &str, body: &Value| {
        let request = stage.request(Method::PUT, path).header(TENANT, tenant);
        Answer::of(request.json(body)).await
    };
    let capped = put("default", &json!({"cap_usd": 0.5, "period": "day"})).await;
    assert_eq!(
        (&capped.body["cap_usd"], &capped.body["period"]),
        (&json!(0.5), &json!("day")),
        "{capped:?}"
    );
    assert!(capped.text("/renews_at").ends_with("T00:00:00.000Z"), "{capped:?}");
    let usual = put("default", &json!({"cap_usd": null})).await;
    assert_eq!(
        (&usual.body["cap_usd"], &usual.body["period"]),
        (&json!(2.5), &json!("month")),
        "{usual:?}"
    );

    put("alice", &json!({"cap_usd": 9}))
        .await
        .is_refused(StatusCode::FORBIDDEN, "forbidden", "", "a tenant's own cap");
    of("bob", &stage, path)
        .await
        .is_refused(StatusCode::FORBIDDEN, "forbidden", "", "a foreign tenant");
    for (body, pointer) in [
        (json!({"cap_usd": -1}), "/cap_usd"),
        (json!({"cap_usd": "5"}), "/cap_usd"),
        (json!({"cap_usd": 1e12}), "/cap_usd"),
        (json!({"cap_usd": 1, "period": "year"}), "/period"),
        (json!([]), ""),
    ] {
        let answer = put("default", &body).await;
        answer.is_refused(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_input",
            pointer,
            &body.to_string(),
        );
    }
    let unknown = put("default", &json!({"cap": 1})).await;
    unknown.is_refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        "unknown_field",
        "/cap",
        "an unknown field",
    );
}
