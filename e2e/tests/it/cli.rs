//! The command line against a real server: streams, the queue, workers, and who may.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use zoetrope_e2e::{RtspServer, Stage, executable};

use crate::streams::stage;

/// Longest until workers that were started are listed.
const START_LIMIT: Duration = Duration::from_secs(120);

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub(crate) fn command(stage: &Stage, arguments: &[&str]) -> Command {
    let mut command = Command::new(executable("zoetrope"));
    command
        .env_clear()
        .env("SERVER_URL", stage.http.base())
        .current_dir(stage.dir())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

pub(crate) async fn zoetrope(stage: &Stage, arguments: &[&str]) -> Ran {
    let output = command(stage, arguments).output().await.expect("zoetrope should run");
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A running `zoetrope stream watch`.
struct Watch {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watch {
    fn start(stage: &Stage, id: &str) -> Self {
        let mut child = command(stage, &["stream", "watch", id])
            .spawn()
            .expect("zoetrope should start");
        let stdout = child.stdout.take().expect("stdout should be a pipe");
        Self {
            child,
            lines: BufReader::new(stdout).lines(),
        }
    }

    /// The next scene's `seq`.
    async fn seq(&mut self) -> u64 {
        let line = self.lines.next_line().await.expect("its output should be text");
        let scene: Value =
            serde_json::from_str(&line.expect("it should not end by itself")).expect("a line is a scene");
        scene["seq"]
            .as_u64()
            .unwrap_or_else(|| panic!("{scene} should be a scene"))
    }

    async fn interrupt(self) -> Ran {
        let id = self.child.id().expect("it should be running").cast_signed();
        let pid = Pid::from_raw(id).expect("process ids should not be 0");
        kill_process(pid, Signal::INT).expect("a running child should take signals");
        let output = self.child.wait_with_output().await.expect("a child can be awaited");
        Ran {
            code: output.status.code(),
            stdout: String::new(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_started_watched_over_a_restart_of_the_api_listed_and_stopped() {
    let server = RtspServer::start(&[]).await;
    let mut stage = stage().start().await;
    let url = server.url("/h264");
    let started = zoetrope(
        &stage,
        &["stream", "start", &url, "--window", "1s", "--tag", "gate", "-o", "id"],
    )
    .await;
    assert!(
        started.code == Some(0) && started.stderr.contains("zoetrope stream watch"),
        "{started:?}"
    );
    let id = started.stdout.trim();

    let mut watch = Watch::start(&stage, id);
    let mut seen = vec![watch.seq().await, watch.seq().await];
    stage.api.kill().await;
    stage.api.restart();
    for _ in 0..4 {
        seen.push(watch.seq().await);
    }
    assert!(seen.is_sorted_by(|a, b| a < b), "each scene once, in order: {seen:?}");
    let left = watch.interrupt().await;
    let resume = format!("zoetrope stream watch {id} --since ");
    assert!(left.code == Some(130) && left.stderr.contains(&resume), "{left:?}");

    stage.http.until_ready().await;
    let listed = zoetrope(
        &stage,
        &["stream", "list", "--state", "connected", "--tag", "gate", "-o", "table"],
    )
    .await;
    assert!(
        listed.code == Some(0) && listed.stdout.contains(id) && listed.stdout.contains("connected"),
        "{listed:?}"
    );
    let soon = zoetrope(&stage, &["stream", "watch", id, "--timeout", "10ms"]).await;
    assert_eq!(soon.code, Some(124), "{soon:?}");
    let stopped = zoetrope(&stage, &["stream", "stop", id, "-o", "id"]).await;
    assert_eq!((stopped.code, stopped.stdout.trim()), (Some(0), id), "{stopped:?}");
    // Whoever watches it is told the end, and gets what there was.
    let over = zoetrope(&stage, &["stream", "watch", id, "-o", "table"]).await;
    assert!(over.code == Some(1) && over.stderr.contains("canceled"), "{over:?}");
    assert!(over.stdout.lines().count() >= seen.len(), "{over:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_with_an_end_is_started_and_watched_to_it() {
    let server = RtspServer::start(&[]).await;
    let stage = stage().start().await;
    let url = server.url("/h264");
    let mut arguments = vec!["stream", "start", &url, "--duration", "4s", "--window", "1s"];
    arguments.extend(["--fps", "2", "--watch", "--json"]);
    let watched = zoetrope(&stage, &arguments).await;
    assert_eq!(watched.code, Some(0), "{watched:?}");
    let scenes: Vec<Value> = watched
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert!(
        !scenes.is_empty() && scenes.iter().all(|scene| scene["description"].is_string()),
        "{watched:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_stream_is_neither_started_nor_watched_nor_stopped() {
    let stage = stage().start().await;
    let body = json!({"input": {"message": "no stream", "sleep_ms": 60_000}});
    let echo = stage.http.submit("echo", &body).await;
    for arguments in [
        ["stream", "stop", &echo],
        ["stream", "watch", &echo],
        ["stream", "watch", "nothing"],
    ] {
        let ran = zoetrope(&stage, &arguments).await;
        assert_eq!(ran.code, Some(3), "{arguments:?} {ran:?}");
    }
    let task = stage.http.get(&format!("/api/v1/tasks/{echo}")).await.body;
    assert!(
        task["state"] != "canceled" && task["cancel_requested"] == false,
        "{task}"
    );

    for url in ["ftp://camera.example.com/live", "rtsp://10.0.0.1/live", "camera"] {
        let ran = zoetrope(&stage, &["stream", "start", url]).await;
        assert!(ran.code == Some(2) && ran.stderr.contains("/url"), "{url}: {ran:?}");
    }
    let ran = zoetrope(
        &stage,
        &["stream", "start", "rtsp://camera.example.com/", "--username", "u"],
    )
    .await;
    assert!(ran.code == Some(2) && ran.stderr.contains("--password-file"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_listed_drained_and_waited_for_and_the_queue_tells_how_many_are_left() {
    let stage = Stage::builder().workers(2).start().await;
    let both = async {
        loop {
            let listed = zoetrope(&stage, &["worker", "list", "-o", "id"]).await;
            assert_eq!(listed.code, Some(0), "{listed:?}");
            let names: Vec<String> = listed.stdout.lines().map(str::to_owned).collect();
            if names.len() == 2 {
                return names;
            }
        }
    };
    let names = timeout(START_LIMIT, both)
        .await
        .expect("both workers should be listed in time");
    let drained = zoetrope(
        &stage,
        &["worker", "drain", &names[0], "--wait", "--timeout", "60s", "--json"],
    )
    .await;
    assert_eq!(drained.code, Some(0), "{drained:?}");
    assert_eq!(
        (&drained.json()[0]["name"], &drained.json()[0]["draining"]),
        (&json!(names[0]), &json!(true))
    );

    let listed = zoetrope(&stage, &["worker", "list", "-o", "table"]).await;
    assert!(
        listed.stdout.contains(&names[1]) && !listed.stdout.contains(&names[0]),
        "{listed:?}"
    );
    let status = zoetrope(&stage, &["queue", "status"]).await;
    assert_eq!(
        (status.code, &status.json()["workers"]),
        (Some(0), &json!(1)),
        "{status:?}"
    );
    let shown = zoetrope(&stage, &["queue", "status", "-o", "table"]).await;
    assert!(
        shown.stdout.contains("stream_ingest") && shown.stderr.contains("1 live worker;"),
        "{shown:?}"
    );
    let again = zoetrope(&stage, &["worker", "drain", &names[0]]).await;
    assert_eq!(again.code, Some(3), "{again:?}");

    let id = stage
        .http
        .submit("echo", &json!({"input": {"message": "still worked on"}}))
        .await;
    assert_eq!(stage.http.until_ended(&id).await["state"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_a_wrong_and_a_narrow_key_are_told_by_exit_code_4_and_what_would_help() {
    let stage = Stage::builder().workers(0).start().await;
    let admin = zoetrope(&stage, &["key", "create", "--scope", "admin:*", "-o", "table"]).await;
    assert_eq!(admin.code, Some(0), "{admin:?}");
    let with = async |key: &str, arguments: &[&str]| {
        let mut command = command(&stage, arguments);
        let output = command
            .env("ZOETROPE_API_KEY", key)
            .output()
            .await
            .expect("zoetrope should run");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let admin = admin.stdout.trim();
    let (code, words) = with("zt_none_wrong", &["list"]).await;
    assert!(code == Some(4) && !words.contains("zt_none_wrong"), "{words}");
    let none = zoetrope(&stage, &["queue", "status"]).await;
    assert!(
        none.code == Some(4) && none.stderr.contains("ZOETROPE_API_KEY"),
        "{none:?}"
    );

    let mut create = command(&stage, &["key", "create", "--scope", "tasks:read", "-o", "table"]);
    let made = create
        .env("ZOETROPE_API_KEY", admin)
        .output()
        .await
        .expect("zoetrope should run");
    let narrow = String::from_utf8_lossy(&made.stdout).trim().to_owned();
    assert_eq!(with(&narrow, &["queue", "status"]).await.0, Some(0));
    for arguments in [
        ["worker", "list"].as_slice(),
        &["stream", "start", "rtsp://camera.example.com/"],
    ] {
        let (code, words) = with(&narrow, arguments).await;
        assert!(code == Some(4) && !words.contains(&narrow), "{arguments:?}: {words}");
    }
    assert_eq!(with(admin, &["worker", "list"]).await.0, Some(0));
    assert_eq!(with("zt_none_wrong", &["doctor"]).await.0, Some(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_is_told_the_kinds_that_nobody_works_and_what_the_doctor_finds() {
    let stage = Stage::builder().workers(0).start().await;
    let kinds = zoetrope(&stage, &["kinds", "-o", "id"]).await;
    assert!(
        kinds.code == Some(0) && kinds.stdout.lines().any(|kind| kind == "stream_ingest"),
        "{kinds:?}"
    );
    let ocr = zoetrope(&stage, &["kinds", "ocr", "-o", "table"]).await;
    assert!(
        ocr.stdout.contains("languages") && ocr.stdout.contains("--file"),
        "{ocr:?}"
    );
    assert_eq!(zoetrope(&stage, &["kinds", "nothing"]).await.code, Some(3));
    let camera = zoetrope(
        &stage,
        &["submit", "stream-ingest", "--url", "rtsp://camera.example.com/"],
    )
    .await;
    assert!(
        camera.code == Some(2) && camera.stderr.contains("zoetrope stream start"),
        "{camera:?}"
    );

    let mut arguments = vec!["submit", "echo", "--input", r#"{"message": "anybody?"}"#];
    arguments.extend(["--wait", "--timeout", "1s"]);
    let waited = zoetrope(&stage, &arguments).await;
    assert!(
        waited.code == Some(124) && waited.stderr.contains("no worker is running"),
        "{waited:?}"
    );

    // Where the Redis and the artifacts of the stage are, it was not told.
    let report = zoetrope(&stage, &["doctor"]).await.json();
    let checks = report["checks"].as_array().expect("a report has checks");
    let status = |name: &str| {
        let check = checks.iter().find(|check| check["name"] == name);
        check.unwrap_or_else(|| panic!("{name} should be checked: {report}"))["status"].clone()
    };
    for name in ["server", "redis", "artifacts", "zoetrope-media", "tesseract"] {
        assert_eq!(status(name), "ok", "{name}: {report}");
    }
    assert_eq!(status("workers"), "warning", "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fsck_finds_a_task_that_nobody_would_run_and_mends_it() {
    let mut stage = Stage::builder().workers(0).env("WORKER_KINDS", "echo").start().await;
    let id = stage
        .http
        .submit("echo", &json!({"input": {"message": "forgotten"}}))
        .await;
    let fsck = async |arguments: &[&str]| {
        let ended = command(&stage, arguments)
            .env("REDIS_URL", stage.redis.url())
            .output()
            .await;
        let output = ended.expect("zoetrope should run");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text)
    };
    let (code, text) = fsck(&["fsck"]).await;
    assert_eq!(code, Some(0), "{text}");
    stage.redis.run(&["ZREM", "z:{s00}:q:echo", &id]).await;
    for (arguments, mended) in [(["fsck", "--json"], 0), (["fsck", "--fix"], 1)] {
        let (code, text) = fsck(&arguments).await;
        let report: Value = serde_json::from_str(&text).expect("a report is JSON");
        let finding = &report["findings"][0];
        assert_eq!(
            (code, &report["found"], &report["mended"]),
            (Some(1), &json!(1), &json!(mended))
        );
        assert_eq!(
            (&finding["fault"], &finding["subject"]),
            (&json!("in_no_index"), &json!(id))
        );
    }
    let (code, text) = fsck(&["fsck", "-o", "table"]).await;
    assert_eq!((code, text.as_str()), (Some(0), ""));
    stage.add_worker();
    let task = stage.http.until_ended(&id).await;
    assert_eq!(task["state"], "succeeded", "{task}");
}
