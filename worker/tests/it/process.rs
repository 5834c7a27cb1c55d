//! The worker process between a real Redis and real children.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};
use zoetrope_queue::{CancelOutcome, State, Task};
use zoetrope_shared::offload;
use zoetrope_shared::tenant::Tenant;

use crate::children::{huge_page, wait_until_gone, watch};
use crate::vocabulary::fixture;
use crate::world::World;

fn result_of(task: &Task) -> Value {
    let result = task
        .result
        .as_ref()
        .unwrap_or_else(|| panic!("a result was expected: {task:?}"));
    serde_json::from_str(result.get()).expect("a result is JSON")
}

/// Code, class and state of a task that did not succeed.
fn failure_of(task: &Task) -> (&str, &str, State) {
    let error = task
        .error
        .as_ref()
        .unwrap_or_else(|| panic!("an error was expected: {task:?}"));
    (&error.code, &error.class, task.state)
}

/// Answers of the worker's own port.
pub(crate) fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the port listens");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n"
    )
    .expect("the port reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the port answers");
    answer
}

#[tokio::test]
async fn tasks_of_each_kind_are_worked_on_and_the_port_tells_of_it() {
    let world = World::new().await;
    let worker = world.start_worker(&[]);
    let artifact = world.store(fixture("screen.png")).await;
    let echo = world.submit("echo", &json!({"message": "hello"})).await;
    let ocr = world.submit("ocr", &json!({"image": {"artifact": artifact}})).await;
    let analysis = world
        .submit(
            "image_analysis",
            &json!({"image": {"artifact": artifact}, "features": ["hash"]}),
        )
        .await;
    assert_eq!(result_of(&world.ended(echo).await), json!({"message": "hello"}));
    assert!(
        result_of(&world.ended(ocr).await)["text"]
            .as_str()
            .is_some_and(|text| text.contains("Invoice 20417"))
    );
    assert_eq!(result_of(&world.ended(analysis).await)["width"], json!(640));
    assert!(get(&worker.health, "/livez").starts_with("HTTP/1.1 200"));
    assert!(get(&worker.health, "/readyz").starts_with("HTTP/1.1 200"));
    let metrics = get(&worker.health, "/metrics");
    assert!(
        metrics.contains("zoetrope_worker_attempts_total{kind=\"ocr\",outcome=\"succeeded\"} 1"),
        "{metrics}"
    );
    assert!(metrics.contains("zoetrope_media_children_started_total 1"), "{metrics}");
}

#[tokio::test]
async fn a_result_too_large_for_the_queue_is_stored_and_pointed_at() {
    let world = World::new().await;
    let _worker = world.start_worker(&[]);
    let screen = crate::pixels::decoded(&fixture("screen.png")).into_luma8();
    let tall = image::GrayImage::from_fn(640, 2_400, |x, y| *screen.get_pixel(x, 60 + y % 80));
    let artifact = world.store(crate::pixels::tiff(&[tall])).await;
    let formats = json!(["text", "hocr", "tsv", "alto"]);
    let id = world
        .submit("ocr", &json!({"image": {"artifact": artifact}, "formats": formats}))
        .await;
    let task = world.ended(id).await;
    let pointer = task
        .result
        .clone()
        .unwrap_or_else(|| panic!("a result was expected: {task:?}"));
    assert!(
        offload::pointed_at(&pointer).is_some(),
        "the result should be a pointer"
    );
    let loaded = offload::load(&world.artifacts, &Tenant::default_tenant(), pointer)
        .await
        .expect("it is stored");
    let output: Value = serde_json::from_str(loaded.get()).expect("a result is JSON");
    assert!(output["hocr"].as_str().is_some_and(|hocr| hocr.contains("customers.")));
}

#[tokio::test]
async fn what_only_fetching_or_decoding_shows_fails_the_task_for_good_with_its_code() {
    let world = World::new().await;
    let _worker = world.start_worker(&[("NETGUARD_ALLOW_CIDRS", "127.0.0.1/32")]);
    let server = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = server.local_addr().expect("it is bound");
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().expect("the worker connects");
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).expect("the worker asks");
        stream
            .write_all(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:80/\r\nContent-Length: 0\r\n\r\n")
            .expect("the worker reads");
    });
    let redirected = world
        .submit("ocr", &json!({"image": {"url": format!("http://{address}/a.png")}}))
        .await;
    assert_eq!(
        failure_of(&world.ended(redirected).await),
        ("url_forbidden", "non_retryable", State::Failed)
    );
    serving.join().expect("the server was asked once");

    let screen = fixture("screen.png");
    let cut_off = world.store(screen[..screen.len() / 2].to_vec()).await;
    let truncated = world
        .submit("image_analysis", &json!({"image": {"artifact": cut_off}}))
        .await;
    assert_eq!(
        failure_of(&world.ended(truncated).await),
        ("media_invalid", "non_retryable", State::Failed)
    );
    let missing = world
        .submit("ocr", &json!({"image": {"artifact": "aaaaaaaaaaaaaaaaaaaaaaaaaa"}}))
        .await;
    assert_eq!(
        failure_of(&world.ended(missing).await),
        ("media_missing", "non_retryable", State::Failed)
    );
    let unknown_field = world.submit("echo", &json!({"message": "hi", "mesage": 1})).await;
    assert_eq!(
        failure_of(&world.ended(unknown_field).await),
        ("input_invalid", "non_retryable", State::Failed)
    );
    let refused = world
        .submit("echo", &json!({"message": "hi", "fail": "non_retryable"}))
        .await;
    assert_eq!(
        failure_of(&world.ended(refused).await),
        ("echo_failed", "non_retryable", State::Failed)
    );
}

#[tokio::test]
async fn cancelling_a_running_recognition_ends_its_child() {
    let world = World::new().await;
    let worker = world.start_worker(&[]);
    let artifact = world.store(huge_page()).await;
    let id = world.submit("ocr", &json!({"image": {"artifact": artifact}})).await;
    // The child reports pages once it has begun.
    world
        .until(id, |task| {
            task.progress
                .as_ref()
                .is_some_and(|progress| progress.message.starts_with("page"))
        })
        .await;
    let [child] = worker.children()[..] else {
        panic!("one child should be at work")
    };
    let child = watch(child);
    assert_eq!(
        world.queue.cancel("default", id).await.expect("redis answers"),
        CancelOutcome::Requested
    );
    wait_until_gone(&child);
    assert_eq!(world.ended(id).await.state, State::Canceled);
    let next = world.submit("echo", &json!({"message": "still here"})).await;
    assert_eq!(world.ended(next).await.state, State::Succeeded);
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_ends_with_its_child_and_as_a_timeout() {
    let world = World::new().await;
    let worker = world.start_worker(&[]);
    let artifact = world.store(huge_page()).await;
    let input = serde_json::value::to_raw_value(&json!({"image": {"artifact": artifact}})).expect("a value is JSON");
    let mut task = zoetrope_queue::NewTask::new("default", "ocr", input);
    task.timeout = Some(std::time::Duration::from_secs(2));
    task.max_attempts = 1;
    let zoetrope_queue::Enqueued::Created(id) = world.queue.enqueue(task).await.expect("redis answers") else {
        panic!("the task is new")
    };
    assert_eq!(failure_of(&world.ended(id).await).0, "timeout");
    for child in worker.children() {
        wait_until_gone(&watch(child));
    }
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_finishes_what_runs_ends_its_children_and_exits_well() {
    let world = World::new().await;
    let worker = world.start_worker(&[]);
    let artifact = world.store(fixture("screen.png")).await;
    let ocr = world.submit("ocr", &json!({"image": {"artifact": artifact}})).await;
    assert_eq!(world.ended(ocr).await.state, State::Succeeded);
    let child = watch(worker.children()[0]);
    let echo = world
        .submit("echo", &json!({"message": "last words", "sleep_ms": 700}))
        .await;
    world.until(echo, |task| task.state == State::Running).await;
    let status = tokio::task::spawn_blocking(move || worker.terminate())
        .await
        .expect("the wait ends");
    assert!(status.success(), "{status}");
    assert_eq!(result_of(&world.ended(echo).await), json!({"message": "last words"}));
    wait_until_gone(&child);
}

#[tokio::test]
async fn children_do_not_outlive_a_worker_that_is_killed() {
    let world = World::new().await;
    let worker = world.start_worker(&[]);
    let artifact = world.store(huge_page()).await;
    let id = world.submit("ocr", &json!({"image": {"artifact": artifact}})).await;
    world
        .until(id, |task| {
            task.progress
                .as_ref()
                .is_some_and(|progress| progress.message.starts_with("page"))
        })
        .await;
    let child = watch(worker.children()[0]);
    drop(worker);
    wait_until_gone(&child);
}
