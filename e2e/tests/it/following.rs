//! `zoetrope submit --follow` and `wait --follow`: text is printed while a model still writes it.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use zoetrope_e2e::Stage;

use crate::cli::{command, zoetrope};

/// A model that writes what the test tells it to, when it tells it to.
struct Model {
    url: String,
    says: mpsc::Sender<String>,
    _server: JoinSet<()>,
}

impl Model {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port should be free");
        let address = listener.local_addr().expect("it should be bound");
        let (says, said) = mpsc::channel::<String>(8);
        let said = std::sync::Arc::new(tokio::sync::Mutex::new(Some(said)));
        let answer = async move || {
            let said = said.lock().await.take().expect("it should be asked once");
            let pieces = stream::unfold(said, |mut said| async {
                let piece = said.recv().await?;
                Some((Ok::<_, Infallible>(piece), said))
            });
            ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(pieces))
        };
        let routes = Router::new().route("/v1/chat/completions", post(answer));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.expect("the model should serve") });
        Self {
            url: format!("http://{address}/v1"),
            says,
            _server: server,
        }
    }

    async fn say(&self, choice: Value, rest: &str) {
        let event = json!({"model": "gpt-6-luna", "choices": [choice]});
        let said = self.says.send(format!("data: {event}\n\n{rest}")).await;
        said.expect("somebody should listen");
    }

    async fn write(&self, text: &str) {
        self.say(
            json!({"index": 0, "delta": {"content": text}, "finish_reason": null}),
            "",
        )
        .await;
    }

    async fn end(&self) {
        let end = json!({"index": 0, "delta": {}, "finish_reason": "stop"});
        self.say(end, "data: [DONE]\n\n").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_printed_while_it_is_written_and_then_who_wrote_it() {
    let model = Model::start().await;
    let stage = Stage::builder()
        .env("OPENAI_API_KEY", "sk-test")
        .env("OPENAI_BASE_URL", &model.url)
        .start()
        .await;
    let input = json!({"template": "summary", "text": "The pump broke."}).to_string();
    let arguments = [
        "submit",
        "content_generation",
        "--input",
        &input,
        "--follow",
        "-o",
        "table",
    ];
    let mut child = command(&stage, &arguments).spawn().expect("zoetrope should start");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout should be a pipe")).lines();
    let mut line = async || lines.next_line().await.expect("its output should be text");

    model.write("# The pump\n").await;
    assert_eq!(
        line().await.as_deref(),
        Some("# The pump"),
        "before the rest is written"
    );
    model.write("\nIt ").await;
    model.write("broke.\u{1b}[31m").await;
    model.end().await;
    assert_eq!(line().await.as_deref(), Some(""));
    assert_eq!(line().await.as_deref(), Some("It broke."));
    assert_eq!(line().await, None);
    let output = child.wait_with_output().await.expect("a child can be awaited");
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && talk.contains("succeeded, by openai (gpt-6-luna)"),
        "{talk}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_tells_nothing_on_its_way_is_followed_to_its_result() {
    let stage = Stage::builder().start().await;
    let input = json!({"template": "summary", "text": "One. Two."});
    let id = stage.http.submit("content_generation", &json!({"input": input})).await;
    let table = zoetrope(&stage, &["wait", &id, "--follow", "-o", "table"]).await;
    assert!(
        table.code == Some(0) && table.stdout.contains("extractive"),
        "{table:?}"
    );
    let lines = zoetrope(&stage, &["wait", &id, "--follow", "--json"]).await;
    assert_eq!(
        (lines.json()["id"].as_str(), lines.stdout.lines().count()),
        (Some(id.as_str()), 1)
    );

    let failing = json!({"input": {"message": "x", "fail": "non_retryable"}});
    let failing = stage.http.submit("echo", &failing).await;
    let failed = zoetrope(&stage, &["wait", &failing, "--follow"]).await;
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let late = json!({"input": {"message": "x", "sleep_ms": 60_000}});
    let late = stage.http.submit("echo", &late).await;
    let late = zoetrope(&stage, &["wait", &late, "--follow", "--timeout", "10ms"]).await;
    assert!(
        late.code == Some(124) && late.stderr.contains("zoetrope wait"),
        "{late:?}"
    );
}
