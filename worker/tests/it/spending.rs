//! What calls to providers used and cost, as the ledger has it after tasks have ended, and caps on it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use zoetrope_queue::{ConnectOptions, Enqueued, ManualClock, NewTask, State, SystemClock, Task, TaskId};
use zoetrope_shared::ledger::{Cap, Ending, Entry, Figures, Ledger, Period, Row, Verdict};
use zoetrope_shared::redis_link::RedisLink;
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::usage::Usage;

use crate::providers::mock::{Mock, Reply};
use crate::world::World;

/// A moment on 2026-11-20.
const NOW_MS: u64 = 1_795_165_200_000;
const LIFE: Duration = Duration::from_secs(60);

fn ledger(world: &World) -> Ledger {
    Ledger::new(
        RedisLink::at(ConnectOptions::new(world.redis_url())),
        Arc::new(SystemClock),
        None,
    )
}

fn tenant(name: &str) -> Tenant {
    Tenant::parse(name).expect("a tenant")
}

/// An answer that has read and written so many tokens.
fn completion(read: u64, written: u64) -> Reply {
    let delta = json!({"model": "gpt-6-luna-2026-09-22", "choices": [{"index": 0, "delta": {"content": "Done."}, "finish_reason": null}]});
    let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": read, "completion_tokens": written}});
    let body = format!("data: {delta}\n\ndata: {end}\n\ndata: [DONE]\n\n");
    Reply::new(200, "text/event-stream", body)
}

fn question(provider: &str) -> Value {
    json!({"template": "summary", "text": "The pump broke. It rained.", "provider": provider})
}

async fn submit(world: &World, tenant: &str, provider: &str) -> TaskId {
    submit_input(world, tenant, &question(provider)).await
}

async fn submit_input(world: &World, tenant: &str, input: &Value) -> TaskId {
    let input = serde_json::value::to_raw_value(input).expect("a value is JSON");
    let new = NewTask::new(tenant, "content_generation", input);
    match world.queue.enqueue(new).await {
        Ok(Enqueued::Created(id)) => id,
        other => panic!("a new task was expected, not {other:?}"),
    }
}

fn code(task: &Task) -> (&str, bool) {
    let error = task
        .error
        .as_ref()
        .unwrap_or_else(|| panic!("an error was expected: {task:?}"));
    (&error.code, error.retryable)
}

#[tokio::test]
async fn what_tasks_used_is_added_up_by_tenant_provider_and_model_failed_calls_too() {
    let world = World::new().await;
    let mock = Mock::start(|number| match number {
        0 | 1 => completion(1_000, 100),
        _ => Reply::json(401, r#"{"error":{"message":"no"}}"#),
    })
    .await;
    let _worker = world.start_worker(&[("OPENAI_API_KEY", "k"), ("OPENAI_BASE_URL", &mock.url("/v1"))]);
    for (provider, state) in [
        ("openai", State::Succeeded),
        ("openai", State::Succeeded),
        ("openai", State::Failed),
        ("template", State::Succeeded),
    ] {
        let id = world.submit("content_generation", &question(provider)).await;
        assert_eq!(world.ended(id).await.state, state);
    }
    let ledger = ledger(&world);
    let today = ledger.today();
    let rows = ledger
        .rows(&Tenant::default_tenant(), &[today.earlier(1), today])
        .await
        .expect("redis answers");
    let row = |model: &str, figures| Row {
        day: today,
        provider: "openai".to_owned(),
        capability: "text".to_owned(),
        model: model.to_owned(),
        figures,
    };
    let failed = Figures {
        failed: 1,
        ..Figures::default()
    };
    let answered = Figures {
        calls: 2,
        input_tokens: 2_000,
        output_tokens: 200,
        // 1,000 at 0.10 and 100 at 0.50 a million, twice.
        cost_nano_usd: 300_000,
        ..Figures::default()
    };
    assert_eq!(
        rows,
        [row("gpt-6-luna", failed), row("gpt-6-luna-2026-09-22", answered)]
    );
    let listed = ledger.tenants(today, 10).await.expect("redis answers");
    assert_eq!(listed, [Tenant::default_tenant()]);
    assert_eq!(
        ledger.rows(&tenant("other"), &[today]).await.expect("redis answers"),
        []
    );
    let spend = ledger.spend(&Tenant::default_tenant()).await.expect("redis answers");
    assert_eq!(
        (spend.spent_nano_usd, spend.held_nano_usd, spend.cap),
        (300_000, 0, None)
    );
}

#[tokio::test]
async fn a_cap_of_a_cent_stops_concurrent_tasks_at_it_and_no_other_tenants() {
    let world = World::new().await;
    // 0.003 dollars a call; 0.002 are held for it.
    let mock = Mock::always(completion(20_000, 2_000)).await;
    let _worker = world.start_worker(&[
        ("OPENAI_API_KEY", "k"),
        ("OPENAI_BASE_URL", &mock.url("/v1")),
        ("SPEND_CAP_USD", "0.01"),
    ]);
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(submit(&world, "default", "auto").await);
    }
    let mut answered = 0;
    for id in ids {
        let task = world.ended(id).await;
        match task.state {
            State::Succeeded => answered += 1,
            _ => assert_eq!(code(&task), ("spend_cap_reached", false), "{task:?}"),
        }
    }
    // Three cost less than a cent; five holds are more than one.
    assert!((4..=5).contains(&answered), "{answered} were answered");
    assert_eq!(mock.requests().len(), answered);
    let (ledger, whose) = (ledger(&world), Tenant::default_tenant());
    let spend = ledger.spend(&whose).await.expect("redis answers");
    assert_eq!(
        (spend.spent_nano_usd, spend.held_nano_usd),
        (answered as u64 * 3_000_000, 0)
    );

    let free = submit(&world, "default", "template").await;
    assert_eq!(world.ended(free).await.state, State::Succeeded);
    let others = submit(&world, "other", "openai").await;
    let others = world.ended_of("other", others).await;
    assert_eq!(others.state, State::Succeeded, "{others:?}");
    let more = Some(Cap::of_usd(1.0, Period::Day));
    ledger.set_cap(&whose, more).await.expect("redis answers");
    let id = submit(&world, "default", "openai").await;
    assert_eq!(world.ended(id).await.state, State::Succeeded);
}

#[tokio::test]
async fn under_a_cap_no_model_is_called_whose_price_nobody_knows() {
    let world = World::new().await;
    let mock = Mock::always(completion(1_000, 100)).await;
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let models = folder.path().join("models.toml");
    let free = "[[model]]\nname = \"own\"\nprovider = \"openai\"\ncan = [\"text\"]\noutput_usd = 0.0\n";
    std::fs::write(&models, free).expect("there is room for a file");
    let _worker = world.start_worker(&[
        ("OPENAI_API_KEY", "k"),
        ("OPENAI_BASE_URL", &mock.url("/v1")),
        ("MODELS_FILE", models.to_str().expect("a path of ours")),
    ]);
    let (ledger, capped) = (ledger(&world), tenant("capped"));
    let cap = Some(Cap::of_usd(1.0, Period::Day));
    ledger.set_cap(&capped, cap).await.expect("redis answers");
    let with = |model: &str| {
        let mut input = question("openai");
        input["model"] = json!(model);
        input
    };
    let unknown = submit_input(&world, "capped", &with("somebodys")).await;
    let unknown = world.ended_of("capped", unknown).await;
    assert_eq!(code(&unknown), ("model_unpriced", false), "{unknown:?}");
    assert!(mock.requests().is_empty(), "nobody was asked");
    for (tenant, model) in [("capped", "own"), ("default", "somebodys")] {
        let id = submit_input(&world, tenant, &with(model)).await;
        let task = world.ended_of(tenant, id).await;
        assert_eq!(task.state, State::Succeeded, "{tenant}, {model}: {task:?}");
    }
}

#[tokio::test]
async fn holds_count_until_they_are_settled_and_as_spent_if_nobody_does() {
    let world = World::new().await;
    let clock = ManualClock::at(NOW_MS);
    let cap = Some(Cap::of_usd(0.000_001, Period::Day));
    let ledger = Ledger::new(
        RedisLink::at(ConnectOptions::new(world.redis_url())),
        Arc::new(clock.clone()),
        cap,
    );
    let (alice, bob) = (tenant("alice"), tenant("bob"));
    let hold = async |nano, life| ledger.hold(&alice, nano, life).await.expect("redis answers");
    let used = Usage {
        cost_usd: Some(0.000_000_3),
        ..Usage::default()
    };
    let entry = Entry {
        provider: "openai",
        capability: "text",
        model: "m",
        ending: Ending::Answered,
        usage: &used,
    };
    let Verdict::Held(first) = hold(600, LIFE).await else {
        panic!("there is room")
    };
    let Verdict::Held(second) = hold(600, LIFE).await else {
        panic!("the first may pass the cap")
    };
    let Verdict::Crowded(spend) = hold(600, LIFE).await else {
        panic!("both together are the cap")
    };
    assert_eq!((spend.spent_nano_usd, spend.held_nano_usd), (0, 1_200));
    assert!(
        matches!(ledger.hold(&bob, 1, LIFE).await, Ok(Verdict::Held(_))),
        "the cap is each tenant's"
    );

    ledger
        .settle(&alice, &entry, Some(&first))
        .await
        .expect("redis answers");
    let failed = Entry {
        ending: Ending::Failed,
        ..entry
    };
    ledger
        .settle(&alice, &failed, Some(&second))
        .await
        .expect("redis answers");
    let spend = ledger.spend(&alice).await.expect("redis answers");
    assert_eq!((spend.spent_nano_usd, spend.held_nano_usd), (300, 0));

    // Its time is over at once: the next one to ask counts it.
    let Verdict::Held(lost) = hold(500, Duration::ZERO).await else {
        panic!("there is room")
    };
    let Verdict::Held(last) = hold(100, LIFE).await else {
        panic!("300 and 500 are less than the cap")
    };
    let spend = ledger.spend(&alice).await.expect("redis answers");
    assert_eq!((spend.spent_nano_usd, spend.held_nano_usd), (800, 100));
    // It ended after all: what it cost takes the place of what was counted.
    ledger.settle(&alice, &entry, Some(&lost)).await.expect("redis answers");
    ledger.settle(&alice, &entry, Some(&last)).await.expect("redis answers");
    let spend = ledger.spend(&alice).await.expect("redis answers");
    assert_eq!((spend.spent_nano_usd, spend.held_nano_usd), (900, 0));
    let Verdict::Held(_) = hold(100, LIFE).await else {
        panic!("900 are less than the cap")
    };
    ledger.settle(&alice, &entry, None).await.expect("redis answers");
    assert!(matches!(hold(1, LIFE).await, Verdict::Reached(_)));

    clock.advance_ms(24 * 3_600_000);
    assert!(
        matches!(hold(1, LIFE).await, Verdict::Held(_)),
        "the next day begins anew"
    );
    ledger
        .set_cap(&alice, Some(Cap::of_usd(0.000_001, Period::Month)))
        .await
        .expect("redis answers");
    assert!(
        matches!(hold(1, LIFE).await, Verdict::Reached(_)),
        "its month has seen more"
    );
    ledger.set_cap(&alice, None).await.expect("redis answers");
    assert!(matches!(hold(1, LIFE).await, Verdict::Held(_)));
}

#[tokio::test]
async fn a_day_with_very_many_models_counts_the_later_ones_together() {
    let world = World::new().await;
    let (ledger, whose) = (ledger(&world), tenant("alice"));
    let names: Vec<String> = (0..zoetrope_shared::ledger::MAX_DAY_FIELDS / 2 + 20)
        .map(|n| format!("m{n}"))
        .collect();
    for model in names.iter().chain(&names[..1]) {
        let entry = Entry {
            provider: "openai",
            capability: "text",
            model,
            ending: Ending::Answered,
            usage: &Usage::default(),
        };
        ledger.settle(&whose, &entry, None).await.expect("redis answers");
    }
    let rows = ledger.rows(&whose, &[ledger.today()]).await.expect("redis answers");
    let calls = |model: &str| rows.iter().find(|row| row.model == model).map(|row| row.figures.calls);
    assert_eq!(
        (calls("m0"), calls("(other)"), calls("m1019")),
        (Some(2), Some(20), None)
    );
}

#[tokio::test]
async fn a_limit_of_requests_holds_for_all_workers_and_costs_those_who_wait_no_attempt() {
    let world = World::new().await;
    let mock = Mock::always(completion(10, 10)).await;
    let url = mock.url("/v1");
    // One a minute: the second call's place is further off than anybody waits.
    let settings = [
        ("OPENAI_API_KEY", "k"),
        ("OPENAI_BASE_URL", url.as_str()),
        ("PROVIDER_LIMITS", "openai:requests=1"),
    ];
    let first = world.start_worker(&settings);
    let id = world.submit("content_generation", &question("openai")).await;
    assert_eq!(world.ended(id).await.state, State::Succeeded);
    drop(first);
    let _second = world.start_worker(&settings);
    let id = world.submit("content_generation", &question("auto")).await;
    let task = world.ended(id).await;
    let result: Value = serde_json::from_str(task.result.as_ref().expect("a result").get()).expect("a result is JSON");
    assert_eq!(
        (&result["provider"], &result["fell_back"]),
        (
            &json!("template"),
            &json!([{"provider": "openai", "code": "provider_limit_reached"}])
        )
    );
    let id = world.submit("content_generation", &question("openai")).await;
    let put_off = world.until(id, |task| task.state == State::Scheduled).await;
    assert_eq!((put_off.attempt, mock.requests().len()), (0, 1));
}

#[tokio::test]
async fn a_remembered_answer_is_taken_only_by_who_asks_for_it_and_costs_nothing() {
    let world = World::new().await;
    let mock = Mock::always(completion(1_000, 100)).await;
    let _worker = world.start_worker(&[("OPENAI_API_KEY", "k"), ("OPENAI_BASE_URL", &mock.url("/v1"))]);
    let asked = |cache, text: &str| json!({"template": "summary", "text": text, "provider": "openai", "cache": cache});
    let mut told = Vec::new();
    for (tenant, input) in [
        ("default", asked(true, "One.")),
        ("default", asked(true, "One.")),
        ("default", asked(false, "One.")),
        ("default", asked(true, "One!")),
        ("other", asked(true, "One.")),
    ] {
        let input = serde_json::value::to_raw_value(&input).expect("a value is JSON");
        let enqueued = world
            .queue
            .enqueue(NewTask::new(tenant, "content_generation", input))
            .await;
        let Ok(Enqueued::Created(id)) = enqueued else {
            panic!("the task is new")
        };
        let task = world.ended_of(tenant, id).await;
        let result = task
            .result
            .as_ref()
            .unwrap_or_else(|| panic!("a result was expected: {task:?}"));
        let result: Value = serde_json::from_str(result.get()).expect("a result is JSON");
        assert_eq!(result["content"], "Done.");
        told.push((result["usage"]["cached"] == true, mock.requests().len()));
        let chunks = world.queue.read_output(tenant, id, 0, 10).await.expect("redis answers");
        assert_eq!(
            chunks.expect("the task exists").len(),
            1,
            "a remembered text is told as well"
        );
    }
    assert_eq!(told, [(false, 1), (true, 1), (false, 2), (false, 3), (false, 4)]);
    let ledger = ledger(&world);
    let rows = ledger
        .rows(&Tenant::default_tenant(), &[ledger.today()])
        .await
        .expect("redis answers");
    let counts: Vec<_> = rows.iter().map(|row| (row.figures.calls, row.figures.cached)).collect();
    assert_eq!(
        counts,
        [(0, 1), (3, 0)],
        "under the model that was asked, and the one that answered"
    );
}
