//! Keys and tickets: what is shown, what is refused, what stops to work, and what no log ever says.

use std::io::Write;
use std::sync::{Arc, Mutex};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{Answer, Stage};

/// The administrator's key, and the words to use it.
pub(crate) struct Keys {
    pub(crate) admin: String,
}

impl Keys {
    /// Makes the first key: from now on the stage takes one.
    pub(crate) async fn first(stage: &Stage) -> Self {
        let body = json!({"name": "admin", "scopes": ["admin:*"], "requests_per_second": 1_000});
        let made = stage.post("/api/v1/keys", &body).await;
        assert_eq!(made.status, 201, "{made:?}");
        Self {
            admin: made.text("/key"),
        }
    }

    /// Makes another key.
    pub(crate) async fn make(&self, stage: &Stage, body: Value) -> String {
        let request = stage.request(Method::POST, "/api/v1/keys").json(&body);
        let made = Answer::of(request.bearer_auth(&self.admin)).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.text("/key")
    }

    pub(crate) async fn get(&self, stage: &Stage, path: &str) -> Answer {
        with(stage, path, &self.admin).await
    }

    async fn revoke(&self, stage: &Stage, key: &str) -> Answer {
        let path = format!("/api/v1/keys/{}", id_of(key));
        Answer::of(stage.request(Method::DELETE, &path).bearer_auth(&self.admin)).await
    }
}

fn id_of(key: &str) -> &str {
    key.split('_').nth(1).expect("an id")
}

async fn with(stage: &Stage, path: &str, key: &str) -> Answer {
    Answer::of(stage.request(Method::GET, path).bearer_auth(key)).await
}

fn unauthenticated(answer: &Answer, why: &str) {
    answer.is_refused(StatusCode::UNAUTHORIZED, "unauthenticated", "", why);
    assert!(answer.header("www-authenticate").starts_with("Bearer"), "{why}");
}

#[tokio::test]
async fn a_key_works_in_either_header_and_is_shown_once() {
    let stage = Stage::start().await;
    let keys = Keys::first(&stage).await;
    assert_eq!(keys.get(&stage, "/api/v1/tasks").await.status, 200);
    let bare = stage
        .request(Method::GET, "/api/v1/tasks")
        .header("x-api-key", &keys.admin);
    assert_eq!(Answer::of(bare).await.status, 200);
    let listed = keys.get(&stage, "/api/v1/keys").await;
    let secret = keys.admin.rsplit('_').next().expect("a secret");
    assert!(!listed.body.to_string().contains(secret));
    assert_eq!(
        (listed.text("/items/0/state"), listed.text("/items/0/name")),
        ("active".into(), "admin".into())
    );
    let mut redis = stage.redis_connection().await;
    let kept: std::collections::HashMap<String, String> = redis::cmd("HGETALL")
        .arg(zoetrope_shared::keys::API_KEYS)
        .query_async(&mut redis)
        .await
        .expect("the keys");
    assert!(
        kept.len() == 1 && !format!("{kept:?}").contains(secret),
        "Redis keeps a hash only"
    );
}

#[tokio::test]
async fn two_empty_malformed_and_foreign_credentials_are_refused() {
    let stage = Stage::start().await;
    let key = Keys::first(&stage).await.admin;
    let bearer = format!("Bearer {key}");
    let cut = format!("Bearer {}", &key[..key.len() - 1]);
    let wrong = format!("Bearer {}0000", &key[..key.len() - 4]);
    let unknown = format!(
        "Bearer zt_0000000000000000_{}",
        key.rsplit('_').next().expect("a secret")
    );
    let huge = format!("Bearer {}", "x".repeat(20_000));
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Basic eDp5",
        &cut,
        &wrong,
        &unknown,
        &huge,
        &key,
    ] {
        let request = stage
            .request(Method::GET, "/api/v1/tasks")
            .header("authorization", value);
        unauthenticated(&Answer::of(request).await, value);
    }
    for name in ["authorization", "x-api-key"] {
        let value = if name == "x-api-key" { &key } else { &bearer };
        let request = stage
            .request(Method::GET, "/api/v1/tasks")
            .header("authorization", &bearer);
        unauthenticated(&Answer::of(request.header(name, value)).await, "two credentials");
    }
    for name in ["api_key", "key", "token", "access_token", "ticket"] {
        unauthenticated(
            &stage.get(&format!("/api/v1/tasks?{name}={key}")).await,
            "a key in the address",
        );
    }
}

#[tokio::test]
async fn a_revoked_key_stops_at_once_here_and_within_five_seconds_elsewhere() {
    let mut stage = Stage::start().await;
    let keys = Keys::first(&stage).await;
    let key = keys.make(&stage, json!({"requests_per_second": 1_000})).await;
    let other = stage.second_api().await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let elsewhere = async || {
        let url = format!("http://{other}/api/v1/kinds");
        let answer = client.get(url).bearer_auth(&key).send().await;
        answer.expect("an answer").status().as_u16()
    };
    while elsewhere().await != 200 {}
    let revoked = keys.revoke(&stage, &key).await;
    assert_eq!((revoked.status, revoked.text("/state")), (200, "revoked".to_owned()));
    unauthenticated(&with(&stage, "/api/v1/tasks", &key).await, "a revoked key");
    let felt = async { while elsewhere().await != 401 {} };
    tokio::time::timeout(std::time::Duration::from_secs(5), felt)
        .await
        .expect("the other api should know within 5 s");
    assert_eq!(
        keys.revoke(&stage, &key).await.status,
        200,
        "revoking again changes nothing"
    );
    assert_eq!(keys.revoke(&stage, "zt_nobody_x").await.status, 404);
}

#[tokio::test]
async fn an_expired_key_does_not_work() {
    let stage = Stage::start().await;
    let keys = Keys::first(&stage).await;
    let key = keys
        .make(&stage, json!({"expires_in": 1, "requests_per_second": 10_000}))
        .await;
    while with(&stage, "/api/v1/kinds", &key).await.status == 200 {}
    unauthenticated(&with(&stage, "/api/v1/kinds", &key).await, "an expired key");
    let listed = keys.get(&stage, "/api/v1/keys").await;
    assert_eq!(listed.text("/items/0/state"), "expired");
}

#[tokio::test]
async fn a_key_that_asks_too_often_is_told_to_wait_and_others_are_not() {
    let stage = Stage::start().await;
    let keys = Keys::first(&stage).await;
    let key = keys.make(&stage, json!({"requests_per_second": 1})).await;
    let first = with(&stage, "/api/v1/kinds", &key).await;
    assert_eq!(
        (
            first.status,
            first.header("ratelimit-policy"),
            first.header("ratelimit")
        ),
        (200, "\"key\";q=2;w=2", "\"key\";r=1;t=0")
    );
    let mut last = with(&stage, "/api/v1/kinds", &key).await;
    while last.status == 200 {
        last = with(&stage, "/api/v1/kinds", &key).await;
    }
    last.is_refused(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "", "too often");
    assert_eq!(
        (last.header("retry-after"), last.header("ratelimit")),
        ("1", "\"key\";r=0;t=1")
    );
    assert_eq!(keys.get(&stage, "/api/v1/kinds").await.status, 200);
}

#[tokio::test]
async fn wrong_secrets_are_slowed_down_and_right_ones_are_not() {
    let stage = Stage::start().await;
    let keys = Keys::first(&stage).await;
    let wrong = format!("zt_{}_{}", id_of(&keys.admin), "0".repeat(64));
    let mut last = 401;
    while last == 401 {
        last = with(&stage, "/api/v1/kinds", &wrong).await.status;
    }
    assert_eq!(last, 429);
    assert_eq!(keys.get(&stage, "/api/v1/kinds").await.status, 200);
}

#[tokio::test]
async fn a_ticket_is_short_lived_and_opens_no_ordinary_route() {
    let stage = Stage::start().await;
    let keys = Keys::first(&stage).await;
    let made = Answer::of(stage.request(Method::POST, "/api/v1/tickets").bearer_auth(&keys.admin)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let ticket = made.text("/ticket");
    unauthenticated(
        &stage.get(&format!("/api/v1/tasks?ticket={ticket}")).await,
        "a ticket for a task list",
    );
    let mut redis = stage.redis_connection().await;
    let lives_ms: i64 = redis::cmd("PTTL")
        .arg(zoetrope_shared::keys::ticket(&ticket))
        .query_async(&mut redis)
        .await
        .expect("its time");
    assert!((1..=60_000).contains(&lives_ms), "{lives_ms}");
}

#[tokio::test]
async fn a_ticket_opens_one_websocket_and_only_while_its_key_is_good() {
    let stage = Stage::start().await;
    let keys = Keys::first(&stage).await;
    let reader = keys.make(&stage, json!({"scopes": ["tasks:read"]})).await;
    let ticket = async || {
        let made = Answer::of(stage.request(Method::POST, "/api/v1/tickets").bearer_auth(&reader)).await;
        made.text("/ticket")
    };
    let shake_hands = async |ticket: &str| {
        let request = stage
            .request(Method::GET, &format!("/api/v1/ws?ticket={ticket}"))
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        request.send().await.expect("an answer").status().as_u16()
    };
    let first = ticket().await;
    assert_eq!((shake_hands(&first).await, shake_hands(&first).await), (101, 401));
    assert_eq!((shake_hands("").await, shake_hands("zt_ticket_0").await), (401, 401));
    let late = ticket().await;
    assert_eq!(keys.revoke(&stage, &reader).await.status, 200);
    assert_eq!(shake_hands(&late).await, 401, "its key was revoked meanwhile");
}

/// Everything that is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no holder should panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_log_says_a_key_or_a_ticket() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _listening = tracing::subscriber::set_default(subscriber);
    let stage = Stage::start().await;
    let keys = Keys::first(&stage).await;
    let ticket = Answer::of(stage.request(Method::POST, "/api/v1/tickets").bearer_auth(&keys.admin)).await;
    let key = keys.make(&stage, json!({})).await;
    with(&stage, "/api/v1/tasks", &key).await;
    stage.get(&format!("/api/v1/tasks?api_key={key}")).await;
    stage
        .get(&format!("/api/v1/ws?ticket={}", ticket.text("/ticket")))
        .await;
    keys.revoke(&stage, &key).await;
    with(&stage, "/api/v1/tasks", &key).await;
    let log = String::from_utf8_lossy(&log.0.lock().expect("no holder should panic")).into_owned();
    assert!(
        log.contains("api.auth.key_made") && log.contains("api.auth.key_revoked"),
        "it listened"
    );
    for secret in [&keys.admin, &key, &ticket.text("/ticket")] {
        let secret = secret.rsplit('_').next().expect("a secret");
        assert!(!log.contains(secret), "a secret is in the log");
    }
}

#[tokio::test]
async fn a_request_for_a_key_that_is_sent_again_makes_no_second_one() {
    let stage = Stage::start().await;
    let keys = Keys::first(&stage).await;
    let ask = async |name: &str| {
        let request = stage.request(Method::POST, "/api/v1/keys").json(&json!({"name": name}));
        let request = request.header("idempotency-key", "again").bearer_auth(&keys.admin);
        Answer::of(request).await
    };
    let made = ask("one").await;
    assert_eq!(made.status, 201, "{made:?}");
    let again = ask("one").await;
    again.is_refused(StatusCode::CONFLICT, "idempotency_conflict", "", "it is made");
    assert!(again.text("/detail").contains(&made.text("/id")), "{again:?}");
    let other = ask("two").await;
    other.is_refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency_conflict",
        "",
        "another request",
    );
    let listed = keys.get(&stage, "/api/v1/keys").await;
    assert_eq!(listed.body["items"].as_array().map(Vec::len), Some(2), "{listed:?}");
}
