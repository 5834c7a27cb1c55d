//! Stream records: created, read, listed, changed, deleted, and refused.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{Answer, Stage, TENANT};

const STREAMS: &str = "/api/v1/streams";
/// A key of 32 bytes, for tests only.
const KEYS: (&str, &str) = ("SECRETS_KEYS", "test:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=");
const CAMERA: &str = "rtsp://camera.example.com/live";

pub(crate) async fn created(stage: &Stage, body: Value) -> Answer {
    let answer = stage.post(STREAMS, &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer
}

pub(crate) async fn patched(stage: &Stage, path: &str, patch: Value) -> Answer {
    Answer::of(stage.request(Method::PATCH, path).json(&patch)).await
}

fn ids(page: &Answer) -> Vec<String> {
    let items = page.body["items"].as_array().unwrap_or_else(|| panic!("{page:?}"));
    let ids = items.iter().map(|item| item["id"].as_str().expect("streams have ids"));
    ids.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_stream_is_created_read_changed_and_deleted() {
    let stage = Stage::start().await;
    let wanted = json!({"name": "front door", "url": CAMERA, "fps": 2, "tags": ["night"], "metadata": {"floor": 1}});
    let made = created(&stage, wanted).await;
    let path = format!("{STREAMS}/{}", made.text("/id"));
    assert_eq!(made.header("location"), path);
    assert!(made.text("/id").starts_with("st_"), "{made:?}");
    assert_eq!(made.body["state"], "stopped");
    assert_eq!(made.body["window"], json!({"size_s": 10.0}));
    assert_eq!(made.body["media_types"], json!(["video", "audio"]));
    let read = stage.get(&path).await;
    assert_eq!((read.status, &read.body), (200, &made.body));

    let changed = patched(
        &stage,
        &path,
        json!({"name": "back door", "fps": null, "window": {"hop_s": 5}}),
    )
    .await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(
        (&changed.body["name"], &changed.body["fps"]),
        (&json!("back door"), &json!(1.0))
    );
    assert_eq!(changed.body["window"], json!({"size_s": 10.0, "hop_s": 5.0}));
    assert_eq!(
        (&changed.body["tags"], &changed.body["metadata"]),
        (&json!(["night"]), &json!({"floor": 1}))
    );
    assert_eq!(stage.get(&path).await.body, changed.body);

    let gone = stage.delete(&path).await;
    assert_eq!((gone.status, gone.bytes.len()), (204, 0));
    for method in [Method::GET, Method::DELETE] {
        let answer = Answer::of(stage.request(method, &path)).await;
        answer.is_refused(StatusCode::NOT_FOUND, "not_found", "", &path);
    }
    assert_eq!(ids(&stage.get(STREAMS).await), Vec::<String>::new());
}

#[tokio::test]
async fn credentials_are_kept_sealed_and_shown_nowhere() {
    let stage = Stage::start_with(&[KEYS]).await;
    let made = created(&stage, json!({"url": "rtsp://alice:s3cret@camera.example.com/live"})).await;
    let path = format!("{STREAMS}/{}", made.text("/id"));
    assert_eq!(
        (&made.body["url"], &made.body["has_credentials"]),
        (&json!(CAMERA), &json!(true))
    );
    let moved = patched(&stage, &path, json!({"url": "rtsp://elsewhere.example.com/live"})).await;
    assert_eq!(
        moved.body["has_credentials"], false,
        "they were for the other URL: {moved:?}"
    );
    let body = json!({"username": "bob", "password": "hunter2"});
    assert_eq!(patched(&stage, &path, body).await.body["has_credentials"], true);
    let mut redis = stage.redis_connection().await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut redis).await.expect("keys");
    let mut looked_at = 0;
    for key in keys.iter().filter(|key| key.contains(":stream:")) {
        let held: Vec<String> = redis::cmd("HVALS")
            .arg(key)
            .query_async(&mut redis)
            .await
            .expect("a hash");
        let held = held.join(" ");
        looked_at += 1;
        for secret in ["alice", "s3cret", "bob", "hunter2"] {
            assert!(!held.contains(secret), "{key} holds {secret}: {held}");
        }
    }
    assert_eq!(looked_at, 1);
    assert_eq!(
        patched(&stage, &path, json!({"username": null})).await.body["has_credentials"],
        false
    );
}

#[tokio::test]
async fn credentials_are_refused_where_they_cannot_be_sealed() {
    let stage = Stage::start().await;
    let answer = stage
        .post(STREAMS, &json!({"url": CAMERA, "username": "u", "password": "p"}))
        .await;
    let refused = StatusCode::SERVICE_UNAVAILABLE;
    answer.is_refused(refused, "secrets_not_configured", "", "no keys");
    assert_eq!(ids(&stage.get(STREAMS).await), Vec::<String>::new());
}

#[tokio::test]
async fn what_does_not_fit_is_refused_at_its_place() {
    let stage = Stage::start().await;
    let made = created(&stage, json!({"url": CAMERA})).await;
    let path = format!("{STREAMS}/{}", made.text("/id"));
    let cases = [
        (json!([]), "invalid_input", ""),
        (json!({}), "invalid_input", "/url"),
        (json!({"url": 5}), "invalid_input", "/url"),
        (json!({"url": "camera"}), "url_forbidden", "/url"),
        (json!({"url": "ftp://camera.example.com/"}), "url_forbidden", "/url"),
        (json!({"url": "rtsp://127.0.0.1/live"}), "url_forbidden", "/url"),
        (
            json!({"url": CAMERA, "detect_url": "rtsp://10.0.0.1/"}),
            "url_forbidden",
            "/detect_url",
        ),
        (
            json!({"url": CAMERA, "name": "x".repeat(101)}),
            "invalid_input",
            "/name",
        ),
        (json!({"url": CAMERA, "fps": 31}), "invalid_input", "/fps"),
        (
            json!({"url": CAMERA, "window": {"size_s": 60, "hop_s": 1}}),
            "invalid_input",
            "/window/hop_s",
        ),
        (json!({"url": CAMERA, "store": "yes"}), "invalid_input", "/store"),
        (
            json!({"url": CAMERA, "media_types": ["smell"]}),
            "invalid_input",
            "/media_types/0",
        ),
        (
            json!({"url": CAMERA, "media_types": ["audio"]}),
            "invalid_input",
            "/media_types",
        ),
        (
            json!({"url": CAMERA, "tags": ["x".repeat(65)]}),
            "invalid_input",
            "/tags/0",
        ),
        (json!({"url": CAMERA, "priority": "high"}), "unknown_field", "/priority"),
        (json!({"url": CAMERA, "sealed": "x"}), "unknown_field", "/sealed"),
        (json!({"url": CAMERA, "id": "st_x"}), "unknown_field", "/id"),
    ];
    for (body, code, pointer) in cases {
        let answer = stage.post(STREAMS, &body).await;
        answer.is_refused(StatusCode::UNPROCESSABLE_ENTITY, code, pointer, &body.to_string());
        if body.is_object() && body != json!({}) {
            let answer = patched(&stage, &path, body.clone()).await;
            answer.is_refused(
                StatusCode::UNPROCESSABLE_ENTITY,
                code,
                pointer,
                &format!("as a change: {body}"),
            );
        }
    }
    let tried = stage
        .post("/api/v1/streams/test", &json!({"url": CAMERA, "priority": "high"}))
        .await;
    tried.is_refused(StatusCode::UNPROCESSABLE_ENTITY, "unknown_field", "/priority", "a test");
    for (path, query) in [
        (STREAMS, "state=broken"),
        (STREAMS, "order=name"),
        (STREAMS, "cursor=x"),
        (STREAMS, "limit=0"),
    ] {
        let answer = stage.get(&format!("{path}?{query}")).await;
        let name = query.split('=').next().unwrap_or_default();
        answer.is_refused(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_input",
            &format!("?{name}"),
            query,
        );
    }
    assert_eq!(stage.get(&path).await.body, made.body, "nothing was changed");
    assert_eq!(ids(&stage.get(STREAMS).await).len(), 1, "nothing was made");
}

#[tokio::test]
async fn a_repeated_creation_answers_the_same_stream() {
    let stage = Stage::start().await;
    let send = |url: &str| {
        let request = stage.request(Method::POST, STREAMS).header("idempotency-key", "k-1");
        Answer::of(request.json(&json!({"url": url})))
    };
    let first = send(CAMERA).await;
    let (one, other) = tokio::join!(send(CAMERA), send(CAMERA));
    for again in [&one, &other] {
        assert_eq!(
            (again.status, again.header("idempotent-replayed")),
            (201, "true"),
            "{again:?}"
        );
        assert_eq!(again.body, first.body);
    }
    let other = send("rtsp://other.example.com/").await;
    other.is_refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency_conflict",
        "",
        "another body",
    );
    assert_eq!(ids(&stage.get(STREAMS).await).len(), 1);
    stage.delete(&format!("{STREAMS}/{}", first.text("/id"))).await;
    send(CAMERA)
        .await
        .is_refused(StatusCode::NOT_FOUND, "not_found", "", "it was deleted");
}

#[tokio::test]
async fn a_tenant_has_at_most_max_streams() {
    let stage = Stage::start_with(&[("MAX_STREAMS", "2")]).await;
    let body = json!({"url": CAMERA});
    let first = created(&stage, body.clone()).await.text("/id");
    let racing = (0..8).map(|_| stage.post(STREAMS, &body));
    let answers = futures_util::future::join_all(racing).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 1, "{answers:?}");
    let refused = answers
        .iter()
        .find(|answer| answer.status != 201)
        .expect("seven are refused");
    refused.is_refused(StatusCode::CONFLICT, "stream_limit_reached", "", "the third");
    let theirs = Answer::of(stage.request(Method::POST, STREAMS).header(TENANT, "other").json(&body)).await;
    assert_eq!(theirs.status, 201, "another tenant has its own: {theirs:?}");
    stage.delete(&format!("{STREAMS}/{first}")).await;
    created(&stage, body).await;
}

#[tokio::test]
async fn streams_are_listed_by_state_name_and_tag_in_either_order_page_by_page() {
    let stage = Stage::start().await;
    let mut all = Vec::new();
    for (name, tag) in [
        ("Gate north", "a"),
        ("gate south", "b"),
        ("hall", "a"),
        ("Großer Hof", "b"),
        ("roof", "a"),
    ] {
        all.push(
            created(&stage, json!({"name": name, "tags": [tag], "url": CAMERA}))
                .await
                .text("/id"),
        );
    }
    let pick = |wanted: &[usize]| wanted.iter().map(|at| all[*at].clone()).collect::<Vec<_>>();
    let started = stage.post(&format!("{STREAMS}/{}/start", all[2]), &json!({})).await;
    assert_eq!(
        (started.status, &started.body["state"]),
        (200, &json!("connecting")),
        "{started:?}"
    );
    for (query, wanted) in [
        ("", &[4, 3, 2, 1, 0][..]),
        ("order=oldest", &[0, 1, 2, 3, 4]),
        ("name=GATE", &[1, 0]),
        ("name=gro%C3%9Fer", &[3]),
        ("tag=a", &[4, 2, 0]),
        ("tag=a&order=oldest&name=gate", &[0]),
        ("state=connecting", &[2]),
        ("state=stopped&tag=a", &[4, 0]),
        ("state=error", &[]),
    ] {
        let mut path = format!("{STREAMS}?{query}&limit=2");
        let mut found = Vec::new();
        loop {
            let page = stage.get(&path).await;
            assert!(ids(&page).len() <= 2, "{page:?}");
            found.extend(ids(&page));
            let Some(cursor) = page.body["next_cursor"].as_str() else {
                break;
            };
            path = format!("{STREAMS}?{query}&limit=2&cursor={cursor}");
        }
        assert_eq!(found, pick(wanted), "{query}");
    }
    let theirs = Answer::of(stage.request(Method::GET, STREAMS).header(TENANT, "other")).await;
    assert_eq!(ids(&theirs), Vec::<String>::new());
}
