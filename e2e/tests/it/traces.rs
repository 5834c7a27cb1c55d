//! Traces: one from a caller's request over the task to every attempt at it, across processes; and a collector that is
//! gone or hangs, which nobody feels.

use reqwest::StatusCode;
use serde_json::{Value, json};
use zoetrope_e2e::{Collector, Provider, ProviderAnswer, SeenSpan, Stage, free_port};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";
const SUBMIT: &str = "POST /api/v1/tasks/{id}";

async fn stage(endpoint: &str) -> Stage {
    let stage = Stage::builder().env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    stage.env("LOG_FORMAT", "json").start().await
}

/// Ends the processes, which send what they have left.
async fn end(stage: &mut Stage) {
    for worker in &mut stage.workers {
        let status = worker.terminate().await;
        assert!(status.success(), "{status}");
    }
    let status = stage.api.terminate().await;
    assert!(status.success(), "{status}");
}

fn the<'a>(spans: &'a [SeenSpan], name: &str) -> &'a SeenSpan {
    let [span] = named(spans, name)[..] else {
        panic!("there should be one span {name:?} among {spans:#?}");
    };
    span
}

fn named<'a>(spans: &'a [SeenSpan], name: &str) -> Vec<&'a SeenSpan> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn shape(span: &SeenSpan) -> (&str, &str, &str, &str) {
    (&span.service, span.kind, &span.trace, &span.parent)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_trace_goes_on_over_its_request_and_task_to_the_attempt() {
    let collector = Collector::start().await;
    let mut stage = Stage::builder()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-team=media%20ai")
        .start()
        .await;
    let caller = format!("00-{TRACE}-{CALLER}-01");
    let headers = [
        ("traceparent", caller.as_str()),
        ("authorization", "Bearer zt_hunter2"),
        ("x-request-id", "r-1"),
    ];
    let body = json!({"input": {"message": "hunter2"}, "tags": ["hunter2"]});
    let answer = stage
        .http
        .post_with("/api/v1/tasks/echo?wait=60s", &headers, &body)
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    end(&mut stage).await;

    let spans = collector.spans();
    let (request, create, process) = (
        the(&spans, SUBMIT),
        the(&spans, "create echo"),
        the(&spans, "process echo"),
    );
    assert_eq!(shape(request), ("zoetrope-api", "SPAN_KIND_SERVER", TRACE, CALLER));
    assert_eq!(
        shape(create),
        ("zoetrope-api", "SPAN_KIND_PRODUCER", TRACE, request.id.as_str())
    );
    assert_eq!(
        shape(process),
        ("zoetrope-worker", "SPAN_KIND_CONSUMER", TRACE, create.id.as_str())
    );
    assert_eq!(process.links, std::slice::from_ref(&create.id));
    assert!(spans.iter().all(|span| !span.failed), "{spans:#?}");
    assert_eq!(
        spans.len(),
        3,
        "probes and anything else should not be traced: {spans:#?}"
    );

    assert_eq!(request.attributes["http.route"], "/api/v1/tasks/{id}");
    assert_eq!(request.attributes["http.response.status_code"], "200");
    assert_eq!(request.attributes["zoetrope.request.id"], "r-1");
    for (span, operation) in [(create, "create"), (process, "process")] {
        assert_eq!(span.attributes["messaging.operation.type"], operation);
        assert_eq!(span.attributes["messaging.destination.name"], "echo");
        assert_eq!(span.attributes["messaging.message.id"], answer.id());
    }
    assert_eq!(create.attributes["zoetrope.outcome"], "created");
    assert_eq!(process.attributes["zoetrope.outcome"], "succeeded");
    assert_eq!(process.attributes["zoetrope.task.attempt"], "1");
    assert!(!collector.saw("hunter2"), "what clients write stays out: {spans:#?}");
    let headers = collector.headers("x-team");
    assert!(
        headers.len() >= 2 && headers.iter().all(|value| value == "media ai"),
        "{headers:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_a_provider_is_a_span_of_its_attempt_and_says_how_much_but_not_what() {
    let collector = Collector::start().await;
    let provider = Provider::start(ProviderAnswer::text("hunter2")).await;
    let mut stage = Stage::builder()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
        .env("OPENAI_API_KEY", "k")
        .env("OPENAI_BASE_URL", &provider.url("/v1"))
        .start()
        .await;
    let input = json!({"template": "summary", "text": "hunter2", "max_output_tokens": 77, "temperature": 0.5});
    let id = stage.http.submit("content-generation", &json!({"input": input})).await;
    assert_eq!(stage.http.until_ended(&id).await["state"], "succeeded");
    end(&mut stage).await;

    let spans = collector.spans();
    let (process, call) = (
        the(&spans, "process content_generation"),
        the(&spans, "chat gpt-6-luna"),
    );
    assert_eq!(
        shape(call),
        (
            "zoetrope-worker",
            "SPAN_KIND_CLIENT",
            process.trace.as_str(),
            process.id.as_str()
        )
    );
    for (name, value) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.request.model", "gpt-6-luna"),
        ("gen_ai.request.max_tokens", "77"),
        ("gen_ai.request.temperature", "0.5"),
        ("gen_ai.request.stream", "true"),
        ("gen_ai.response.model", "gpt-6-luna"),
        ("gen_ai.usage.input_tokens", "100"),
        ("gen_ai.usage.output_tokens", "10"),
        ("server.address", "127.0.0.1"),
    ] {
        assert_eq!(
            call.attributes.get(name).map(String::as_str),
            Some(value),
            "{name}: {call:#?}"
        );
    }
    assert!(
        call.attributes.contains_key("gen_ai.response.finish_reasons"),
        "{call:#?}"
    );
    assert!(!call.failed && !collector.saw("hunter2"), "{spans:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attempt_is_a_span_of_its_own_and_its_log_lines_name_the_trace() {
    let collector = Collector::start().await;
    let mut stage = stage(collector.endpoint()).await;
    let body = json!({"input": {"message": "no", "fail": "retryable"}, "max_attempts": 2});
    let id = stage.http.submit("echo", &body).await;
    let task = stage.http.until_ended(&id).await;
    assert_eq!(
        (&task["state"], &task["attempt"]),
        (&json!("failed"), &json!(2)),
        "{task}"
    );
    end(&mut stage).await;

    let spans = collector.spans();
    let create = the(&spans, "create echo");
    let mut attempts = named(&spans, "process echo");
    attempts.sort_by_key(|span| span.attributes["zoetrope.task.attempt"].clone());
    let [first, second] = attempts[..] else {
        panic!("two attempts should be two spans: {spans:#?}");
    };
    for (span, number) in [(first, "1"), (second, "2")] {
        assert_eq!((&span.trace, &span.parent), (&create.trace, &create.id));
        assert_eq!(
            (
                span.attributes["zoetrope.task.attempt"].as_str(),
                span.attributes["zoetrope.outcome"].as_str(),
                span.attributes["error.type"].as_str(),
                span.failed
            ),
            (number, "failed", "echo_failed", true)
        );
    }
    assert_ne!(first.id, second.id);

    let log = std::fs::read_to_string(stage.dir().join("worker-0.log")).expect("the worker should log");
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let failures: Vec<&Value> = lines.iter().filter(|line| line["code"] == "echo_failed").collect();
    assert_eq!(failures.len(), 2, "{log}");
    for line in failures {
        assert_eq!(line["span"]["trace_id"], json!(create.trace), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_task_of_a_batch_has_its_own_creation() {
    let collector = Collector::start().await;
    let mut stage = stage(collector.endpoint()).await;
    let one = |message: &str| json!({"kind": "echo", "input": {"message": message}});
    let body = json!({"tasks": [one("a"), {"kind": "nonsense", "input": {}}, one("b")]});
    let answer = stage.http.post("/api/v1/tasks/batch", &body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    for item in [0, 2] {
        let id = answer.body["items"][item]["task_id"].as_str().expect("an id");
        stage.http.until_ended(id).await;
    }
    end(&mut stage).await;

    let spans = collector.spans();
    let request = the(&spans, "POST /api/v1/tasks/batch");
    let (created, processed) = (named(&spans, "create echo"), named(&spans, "process echo"));
    assert_eq!((created.len(), processed.len()), (2, 2), "{spans:#?}");
    for create in created {
        assert_eq!(create.parent, request.id);
        let process = processed.iter().find(|process| process.parent == create.id);
        let process = process.unwrap_or_else(|| panic!("{create:?} should be processed: {spans:#?}"));
        assert_eq!(
            process.attributes["messaging.message.id"],
            create.attributes["messaging.message.id"]
        );
    }
}

/// Has tasks run and ends the processes; all of it has to go as if there were no collector.
async fn works_as_ever(stage: &mut Stage) {
    for round in 0..3 {
        let task = json!({"kind": "echo", "input": {"message": format!("round {round}")}});
        let answer = stage
            .http
            .post("/api/v1/tasks/batch", &json!({"tasks": vec![task; 200]}))
            .await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
        for item in answer.body["items"].as_array().expect("items") {
            let id = item["task_id"].as_str().expect("every task should be taken");
            let task = stage.http.until_ended(id).await;
            assert_eq!(task["state"], "succeeded", "{task}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_loses_no_task_and_holds_up_no_end() {
    let mut stage = stage(&format!("http://127.0.0.1:{}", free_port())).await;
    works_as_ever(&mut stage).await;
    end(&mut stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_loses_no_task_and_holds_up_no_end() {
    let mut collector = Collector::start_hanging().await;
    let mut stage = stage(collector.endpoint()).await;
    works_as_ever(&mut stage).await;
    collector.until_called().await;
    works_as_ever(&mut stage).await;
    end(&mut stage).await;
}
