//! Events of tasks over SSE and WebSocket: in order, resumable, bounded, freed.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use zoetrope_queue::{Enqueued, NewTask};

use crate::live_stage::{Puppet, Sse, Ws, metric, raw};
use crate::stage::{Answer, Stage, TENANT};

const ONE_MIB: f64 = 1024.0 * 1024.0;

#[tokio::test]
async fn states_progress_and_output_come_in_order_and_the_stream_ends_after_done() {
    let stage = Stage::start().await;
    let id = stage.echo("hi").await;
    let mut events = Sse::open(&stage, &id, None).await;
    let first = events.next().await.expect("a snapshot");
    assert_eq!((first.name.as_str(), &first.data["state"]), ("state", &json!("queued")));
    assert_eq!(first.data["task"]["id"], id);
    let mut puppet = Puppet::start(stage.queue().await, &["echo"]);
    let held = puppet.takes().await;
    let running = events.next().await.expect("a change");
    assert_eq!(
        (running.name.as_str(), &running.data["state"]),
        ("state", &json!("running"))
    );
    held.attempt.progress(50, "half");
    let half = events.next().await.expect("progress");
    assert_eq!(
        (half.name.as_str(), &half.data["progress"]),
        ("progress", &json!({"percent": 50, "message": "half"}))
    );
    held.says(7, &json!({"word": "one"})).await;
    let output = events.next().await.expect("output");
    assert_eq!(
        (output.name.as_str(), output.id, &output.data["chunk"]),
        ("output", 7, &json!({"word": "one"}))
    );
    held.succeeds(&json!({"message": "hi"}));
    let rest = events.rest().await;
    assert_eq!(
        rest.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(),
        ["done"]
    );
    assert_eq!(rest[0].data["task"]["result"], json!({"message": "hi"}));
    puppet.stop().await;
}

#[tokio::test]
async fn a_client_that_comes_back_gets_every_later_chunk_once() {
    let stage = Stage::start().await;
    let id = stage.echo("hi").await;
    let mut puppet = Puppet::start(stage.queue().await, &["echo"]);
    let held = puppet.takes().await;
    for position in 1..=30 {
        held.says(position, &json!(position)).await;
    }
    let mut events = Sse::open(&stage, &id, None).await;
    let mut seen = Vec::new();
    while seen.last() != Some(&11) {
        let event = events.next().await.expect("more output");
        if event.name == "output" {
            seen.push(event.id);
        }
    }
    drop(events);
    let mut resumed = Sse::open(&stage, &id, Some(11)).await;
    let mut socket = Ws::open(&stage, "default").await;
    socket.subscribes(&id, 11).await;
    for position in 31..=40 {
        held.says(position, &json!(position)).await;
    }
    held.succeeds(&json!(null));
    let outputs = resumed.rest().await.into_iter().filter(|event| event.name == "output");
    seen.extend(outputs.map(|event| event.id));
    assert_eq!(seen, (1..=40).collect::<Vec<_>>());
    assert_eq!(socket.outputs_until_done().await, (12..=40).collect::<Vec<_>>());
    puppet.stop().await;
}

#[tokio::test]
async fn a_position_that_is_none_is_refused_and_not_taken_for_the_beginning() {
    let stage = Stage::start().await;
    let id = stage.echo("hi").await;
    let path = format!("/api/v1/tasks/{id}/events");
    for wrong in ["x", "", "-1", "9223372036854775808"] {
        let asked = stage.request(Method::GET, &path).header("last-event-id", wrong);
        let answer = Answer::of(asked).await;
        answer.is_refused(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_input",
            "Last-Event-ID",
            wrong,
        );
    }
}

#[tokio::test]
async fn a_foreign_task_is_not_found_by_any_way() {
    let stage = Stage::start().await;
    let id = stage.echo("secret").await;
    for path in ["events", "scenes"] {
        let request = stage.request(Method::GET, &format!("/api/v1/tasks/{id}/{path}"));
        let answer = Answer::of(request.header(TENANT, "bob")).await;
        answer.is_refused(StatusCode::NOT_FOUND, "not_found", "", path);
    }
    let mut socket = Ws::open(&stage, "bob").await;
    socket.subscribes(&id, 3).await;
    let envelope = socket.next().await;
    assert_eq!(
        (&envelope["type"], &envelope["code"], &envelope["seq"]),
        (&json!("error"), &json!("not_found"), &json!(3))
    );
    assert!(!envelope.to_string().contains("secret"));
}

#[tokio::test]
async fn pages_of_other_origins_are_refused_before_the_upgrade() {
    let stage = Stage::start_with(&[("ALLOWED_ORIGINS", "https://dash.example.com")]).await;
    let own = format!("http://{}", stage.address);
    for origin in [own.as_str(), "https://dash.example.com"] {
        let connected = Ws::connect(&stage, "/api/v1/ws", &[("origin", origin)]).await;
        assert!(connected.is_ok(), "{origin}");
    }
    for origin in [
        "https://evil.example",
        "null",
        "https://dash.example.com.evil.example",
        "https://evil-dash.example.com",
        "http://dash.example.com",
    ] {
        let refused = Ws::connect(&stage, "/api/v1/ws", &[("origin", origin)]).await.err();
        assert_eq!(refused, Some(403), "{origin}");
    }
    assert_eq!(metric(&stage, "zoetrope_live_sockets").await, 0.0);
}

#[tokio::test]
async fn a_client_that_reads_nothing_costs_one_page_and_delays_nobody() {
    let stage = Stage::start().await;
    let id = stage.echo("hi").await;
    let mut puppet = Puppet::start(stage.queue().await, &["echo"]);
    let held = puppet.takes().await;
    let mut slow = Ws::open(&stage, "default").await;
    slow.subscribes(&id, 0).await;
    assert_eq!(slow.next().await["type"], "state");
    let mut quick = Ws::open(&stage, "default").await;
    quick.subscribes(&id, 0).await;
    assert_eq!(quick.next().await["type"], "state");
    let large = "x".repeat(60 * 1024);
    for position in 1..=150 {
        held.says(position, &json!(large)).await;
        loop {
            let envelope = quick.next().await;
            if envelope["type"] == "output" {
                assert_eq!(envelope["seq"], position);
                break;
            }
        }
        if position % 25 == 0 {
            let waiting = metric(&stage, "zoetrope_live_buffered_bytes").await;
            assert!((0.0..=ONE_MIB).contains(&waiting), "{waiting} bytes wait");
        }
    }
    assert!(metric(&stage, "zoetrope_live_buffered_bytes").await > 0.0);
    held.succeeds(&json!(null));
    assert_eq!(slow.outputs_until_done().await, (1..=150).collect::<Vec<_>>());
    puppet.stop().await;
}

#[tokio::test]
async fn many_subscribers_share_one_reader_and_leave_nothing_behind() {
    let stage = Stage::start().await;
    let id = stage.echo("hi").await;
    let mut puppet = Puppet::start(stage.queue().await, &["echo"]);
    let held = puppet.takes().await;
    let mut streams = Vec::new();
    let mut sockets = Vec::new();
    for _ in 0..20 {
        streams.push(Sse::open(&stage, &id, None).await);
        let mut socket = Ws::open(&stage, "default").await;
        socket.subscribes(&id, 0).await;
        assert_eq!(socket.next().await["type"], "state");
        sockets.push(socket);
    }
    held.says(1, &json!("news")).await;
    for stream in &mut streams {
        while stream.next().await.expect("an event").name != "output" {}
    }
    for socket in &mut sockets {
        while socket.next().await["type"] != "output" {}
    }
    let mut redis = stage.redis_connection().await;
    let clients: String = redis::cmd("CLIENT")
        .arg("LIST")
        .query_async(&mut redis)
        .await
        .expect("Redis");
    let readers = clients.lines().filter(|line| line.contains("cmd=xread")).count();
    assert_eq!(readers, 1, "{clients}");
    assert_eq!(metric(&stage, "zoetrope_live_subscriptions").await, 40.0);
    drop((streams, sockets));
    for gauge in [
        "zoetrope_live_streams",
        "zoetrope_live_sockets",
        "zoetrope_live_subscriptions",
        "zoetrope_live_buffered_bytes",
    ] {
        while metric(&stage, gauge).await != 0.0 {
            tokio::task::yield_now().await;
        }
    }
    held.succeeds(&json!(null));
    puppet.stop().await;
}

#[tokio::test]
async fn messages_are_answered_and_too_large_ones_end_the_connection() {
    let stage = Stage::start().await;
    let id = stage.echo("hi").await;
    let mut socket = Ws::open(&stage, "default").await;
    socket.says(&json!({"type": "ping"})).await;
    assert_eq!(socket.next().await["type"], "pong");
    socket.says(&json!({"type": "dance"})).await;
    assert_eq!(socket.next().await["code"], "invalid_input");
    socket.subscribes(&id, 0).await;
    assert_eq!(socket.next().await["type"], "state");
    socket.says(&json!({"type": "unsubscribe", "task_id": id})).await;
    assert_eq!(socket.next().await["type"], "unsubscribed");
    assert_eq!(metric(&stage, "zoetrope_live_subscriptions").await, 0.0);
    socket.says(&json!({"type": "x".repeat(65 * 1024)})).await;
    while metric(&stage, "zoetrope_live_sockets").await != 0.0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn scenes_are_read_page_by_page_while_the_stream_runs() {
    let stage = Stage::start().await;
    let queue = stage.queue().await;
    let task = NewTask::new("default", "stream_ingest", raw(&json!({})));
    let Enqueued::Created(id) = queue.enqueue(task).await.expect("Redis") else {
        panic!("it should be new");
    };
    let mut puppet = Puppet::start(queue, &["stream_ingest"]);
    let held = puppet.takes().await;
    for seq in 1..=5 {
        held.says(seq, &json!({"seq": seq, "description": "Nothing moves."}))
            .await;
    }
    let path = format!("/api/v1/tasks/{id}/scenes");
    let first = stage.get(&format!("{path}?limit=3")).await;
    let seqs = |answer: &Answer| {
        let items = answer.body["items"].as_array().expect("items");
        items.iter().map(|scene| scene["seq"].clone()).collect::<Vec<Value>>()
    };
    assert_eq!((first.status, seqs(&first)), (200, vec![json!(1), json!(2), json!(3)]));
    assert_eq!(first.body["next_cursor"], "3");
    let second = stage.get(&format!("{path}?limit=3&after=3")).await;
    assert_eq!(
        (seqs(&second), &second.body["next_cursor"]),
        (vec![json!(4), json!(5)], &Value::Null)
    );
    let wrong = stage.get(&format!("{path}?limit=0")).await;
    wrong.is_refused(StatusCode::UNPROCESSABLE_ENTITY, "invalid_input", "?limit", "no page");
    let other = stage.echo("hi").await;
    let none = stage.get(&format!("/api/v1/tasks/{other}/scenes")).await;
    none.is_refused(StatusCode::NOT_FOUND, "not_found", "", "not a stream");
    held.succeeds(&json!(null));
    puppet.stop().await;
}
