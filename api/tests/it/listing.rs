//! Listing: filters and pages.

use serde_json::{Value, json};

use crate::stage::{Answer, Stage};

fn messages(answer: &Answer) -> Vec<String> {
    let items = answer.body["items"].as_array().expect("items");
    items.iter().map(|item| item["metadata"]["n"].to_string()).collect()
}

async fn submit(stage: &Stage, n: usize, more: Value) {
    let mut body = json!({"message": "hi", "metadata": {"n": n}});
    body.as_object_mut()
        .expect("an object")
        .extend(more.as_object().expect("an object").clone());
    let answer = stage.post("/api/v1/tasks/echo", &body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
}

#[tokio::test]
async fn pages_lead_through_every_task_newest_first() {
    let stage = Stage::start().await;
    for n in 0..7 {
        submit(&stage, n, json!({})).await;
    }
    let (mut seen, mut path) = (Vec::new(), "/api/v1/tasks?limit=3".to_owned());
    loop {
        let page = stage.get(&path).await;
        assert_eq!(page.status, 200, "{page:?}");
        seen.extend(messages(&page));
        let Some(cursor) = page.body["next_cursor"].as_str() else {
            break;
        };
        path = format!("/api/v1/tasks?limit=3&cursor={cursor}");
    }
    assert_eq!(seen, ["6", "5", "4", "3", "2", "1", "0"]);
}

#[tokio::test]
async fn filters_choose_tasks() {
    let stage = Stage::start().await;
    submit(&stage, 0, json!({"tags": ["red"]})).await;
    submit(&stage, 1, json!({"tags": ["blue"], "delay": "1h"})).await;
    submit(&stage, 2, json!({"tags": ["red", "blue"]})).await;
    let image = json!({"url": "https://example.com/a.png"});
    stage
        .post(
            "/api/v1/tasks/image-analysis",
            &json!({"image": image, "metadata": {"n": 3}}),
        )
        .await;
    let cases = [
        ("tag=red", vec!["2", "0"]),
        ("state=scheduled", vec!["1"]),
        ("state=queued&tag=blue", vec!["2"]),
        ("kind=image-analysis", vec!["3"]),
        ("kind=nothing", vec![]),
        ("created_after=2020-01-01T00:00:00Z", vec!["3", "2", "1", "0"]),
        ("created_after=2099-01-01T00:00:00Z", vec![]),
        ("q=RED", vec!["2", "0"]),
    ];
    for (query, expected) in cases {
        assert_eq!(
            messages(&stage.get(&format!("/api/v1/tasks?{query}")).await),
            expected,
            "{query}"
        );
    }
}
