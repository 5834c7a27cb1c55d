//! The API as a stranger calls it: URLs, JSON and headers, none of our types.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::multipart::{Form, Part};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// On top of what the server was asked to wait.
const ANSWER_LIMIT: Duration = Duration::from_secs(90);
/// Longest wait for a server that starts, or for a task to end.
const PATIENCE: Duration = Duration::from_secs(180);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A client of one server.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    base: String,
}

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, `null` if it is no JSON.
    pub body: Value,
}

impl Http {
    /// A client of the server on this port.
    pub fn on_port(port: u16) -> Self {
        Self {
            client: client(HeaderMap::new()),
            base: format!("http://127.0.0.1:{port}"),
        }
    }

    /// The server's URL, without a path.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A client of the same server that shows this API key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        let bearer = HeaderValue::from_str(&format!("Bearer {key}")).expect("keys are ASCII");
        Self {
            client: client(HeaderMap::from_iter([(AUTHORIZATION, bearer)])),
            base: self.base.clone(),
        }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.client.get(self.url(path))).await
    }

    /// GET of text.
    pub async fn text(&self, path: &str) -> String {
        let response = self.client.get(self.url(path)).send().await;
        let response = response.expect("the server should answer");
        response.text().await.expect("an answer should arrive whole")
    }

    /// GET of bytes, with these headers.
    pub async fn bytes(&self, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Vec<u8>) {
        let request = self.client.get(self.url(path));
        let request = headers
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value));
        let response = request.send().await.expect("the server should answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.expect("an answer should arrive whole");
        (status, headers, bytes.to_vec())
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.client.post(self.url(path)).json(body)).await
    }

    /// POST of JSON with these headers.
    pub async fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let request = self.client.post(self.url(path)).json(body);
        let request = headers
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request).await
    }

    /// POST with headers of a server that may be away: `None` if no answer comes, or only a part of one.
    pub async fn try_post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Option<Answer> {
        let mut request = self.client.post(self.url(path)).json(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.ok()?;
        Some(Answer {
            status,
            headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        })
    }

    /// POST of a file as multipart part `file`, as `curl -F file=@NAME` does it.
    pub async fn post_file(&self, path: &str, name: &str, bytes: impl Into<Vec<u8>>) -> Answer {
        let form = Form::new().part("file", Part::bytes(bytes.into()).file_name(name.to_owned()));
        self.send(self.client.post(self.url(path)).multipart(form)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.client.delete(self.url(path))).await
    }

    /// Submits a task that has to be accepted, and answers its id.
    pub async fn submit(&self, kind: &str, body: &Value) -> String {
        let answer = self.post(&format!("/api/v1/tasks/{kind}"), body).await;
        // A short task may have ended before its submit is answered; then the answer is 200.
        assert!(
            matches!(answer.status, StatusCode::ACCEPTED | StatusCode::OK),
            "{} {}",
            answer.status,
            answer.body
        );
        answer.id()
    }

    /// Waits until a task has ended and answers it.
    pub async fn until_ended(&self, id: &str) -> Value {
        self.until(id, |task| {
            matches!(
                task["state"].as_str(),
                Some("succeeded" | "failed" | "canceled" | "expired")
            )
        })
        .await
    }

    /// Waits until a task is as `done` wants it, by long polls for changes.
    pub async fn until(&self, id: &str, done: impl Fn(&Value) -> bool) -> Value {
        let look = async {
            let mut version: Option<String> = None;
            loop {
                let mut request = self.client.get(self.url(&format!("/api/v1/tasks/{id}?wait=20s")));
                if let Some(known) = &version {
                    request = request.header("If-None-Match", known);
                } else {
                    request = self.client.get(self.url(&format!("/api/v1/tasks/{id}")));
                }
                let answer = self.send(request).await;
                if answer.status == StatusCode::NOT_MODIFIED {
                    continue;
                }
                assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
                if done(&answer.body) {
                    return answer.body;
                }
                version = answer
                    .headers
                    .get("etag")
                    .map(|etag| etag.to_str().expect("an ETag is ASCII").to_owned());
            }
        };
        let looked = timeout(PATIENCE, look).await;
        looked.unwrap_or_else(|_| panic!("task {id} should get there within {PATIENCE:?}"))
    }

    /// Waits until the answer of a GET, whatever its status, is as `done` wants it.
    pub async fn until_body(&self, path: &str, done: impl Fn(&Value) -> bool) -> Value {
        let give_up = Instant::now() + PATIENCE;
        let mut ticks = interval(LOOK_AGAIN * 10);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let answer = self.get(path).await;
            if done(&answer.body) {
                return answer.body;
            }
            assert!(
                Instant::now() < give_up,
                "{path} should get there within {PATIENCE:?}: {}",
                answer.body
            );
        }
    }

    /// Waits until the server takes requests.
    pub async fn until_ready(&self) {
        self.until_answers("/readyz").await;
    }

    /// Waits until a GET of this path succeeds.
    pub async fn until_answers(&self, path: &str) {
        let give_up = Instant::now() + PATIENCE;
        let mut ticks = interval(LOOK_AGAIN);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let answer = self.client.get(self.url(path)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            assert!(Instant::now() < give_up, "{path} should answer within {PATIENCE:?}");
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.expect("the server should answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.expect("an answer should arrive whole");
        Answer {
            status,
            headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }
}

fn client(headers: HeaderMap) -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_LIMIT);
    let client = client.default_headers(headers).build();
    client.expect("a client should be buildable")
}

impl Answer {
    /// The id of the task it is about.
    pub fn id(&self) -> String {
        self.body["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{} should be a task", self.body))
            .to_owned()
    }
}
