//! `zoetrope up`: one command starts everything, shows it, and leaves nothing behind however it ends.

use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use zoetrope_e2e::{Http, children_of, descendants_of, ended, executable, free_port};

/// A running `zoetrope up`.
struct Up {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: u16,
}

impl Up {
    async fn start(data_dir: &Path, arguments: &[&str]) -> Self {
        let port = free_port();
        let mut child = command(data_dir, port)
            .args(["up", "--workers", "2"])
            .args(arguments)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("zoetrope should start");
        let lines = BufReader::new(child.stdout.take().expect("stdout should be a pipe")).lines();
        let mut up = Self { child, lines, port };
        let line = up.line().await;
        assert!(
            line.contains(&format!("http://localhost:{port}")),
            "the first line should be the URL: {line}"
        );
        up
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().expect("it should be running").cast_signed())
            .expect("process ids should not be 0")
    }

    async fn line(&mut self) -> String {
        self.lines
            .next_line()
            .await
            .expect("its output should be text")
            .expect("it should not end by itself")
    }

    async fn end_with(&mut self, signal: Signal) -> Option<i32> {
        let all = descendants_of(self.pid());
        kill_process(self.pid(), signal).expect("a running child should take signals");
        let status = self.child.wait().await.expect("a child can be awaited");
        for process in all {
            ended(process).await;
        }
        status.code()
    }
}

fn command(data_dir: &Path, port: u16) -> Command {
    let path = std::env::vars_os()
        .find(|(name, _)| name == "PATH")
        .map(|(_, path)| path)
        .unwrap_or_default();
    let mut command = Command::new(executable("zoetrope"));
    command
        .env_clear()
        .envs([("PATH", path)])
        .env("PORT", port.to_string())
        .env("SERVER_URL", format!("http://127.0.0.1:{port}"))
        .env("DATA_DIR", data_dir)
        .env("RUST_LOG", "warn")
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null());
    command
}

fn data_dir() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("zt-up-")
        .tempdir()
        .expect("a temporary folder should be makeable")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demonstration_watches_a_camera_and_reads_a_screenshot_and_everything_ends_on_sigterm() {
    let data = data_dir();
    let mut up = Up::start(data.path(), &["--demo"]).await;
    // The stream's table is the last, and the model its last row.
    let (mut lines, mut in_last) = (Vec::new(), false);
    loop {
        let line = up.line().await;
        in_last |= line.contains("stream_ingest");
        let is_end = in_last && line.trim_start().starts_with("model ");
        lines.push(line);
        if is_end {
            break;
        }
    }
    let shown = lines.join("\n");
    for expected in [
        "Order ZT-1042",
        "Walnut desk lamp",
        "succeeded",
        "https://shop.example/orders/ZT-1042",
        "qr_code",
    ] {
        assert!(shown.contains(expected), "`{expected}` should be in:\n{shown}");
    }
    let is_scene = |line: &&String| line.starts_with("0:00:") && line.contains(" to 0:00:");
    let scenes = lines
        .iter()
        .take_while(|line| !line.contains("ocr"))
        .filter(is_scene)
        .count();
    assert!(scenes >= 1, "scenes should be shown before the tables:\n{shown}");
    let table = shown.split("stream_ingest").last().unwrap_or_default();
    let table = table.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        table.contains(&format!("scenes: {scenes}")),
        "the table should count {scenes} scenes:\n{shown}"
    );

    let below = descendants_of(up.pid());
    assert!(
        below.len() >= 5,
        "a camera, redis, an api and two workers should run: {below:?}"
    );
    assert_eq!(up.end_with(Signal::TERM).await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_up_takes_its_children_along_and_comes_back_with_its_tasks() {
    let data = data_dir();
    let mut up = Up::start(data.path(), &[]).await;
    let body = json!({"input": {"message": "kept"}, "delay": "2s"});
    let id = Http::on_port(up.port).submit("echo", &body).await;
    assert_eq!(up.end_with(Signal::KILL).await, None, "it should die of the signal");

    let mut up = Up::start(data.path(), &[]).await;
    let task = Http::on_port(up.port).until_ended(&id).await;
    assert_eq!(
        (&task["state"], &task["result"]["message"]),
        (&json!("succeeded"), &json!("kept")),
        "{task}"
    );
    assert_eq!(up.end_with(Signal::INT).await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_of_which_redis_log_has_only_the_beginning_never_takes_place() {
    let data = data_dir();
    let mut up = Up::start(data.path(), &[]).await;
    let http = Http::on_port(up.port);
    let later = json!({"input": {"message": "later"}, "delay": "1h"});
    let (whole, torn) = (http.submit("echo", &later).await, http.submit("echo", &later).await);
    assert_eq!(up.end_with(Signal::TERM).await, Some(0));
    cut_within_the_script_of(data.path(), &torn);

    // The start after the next would carry out what is left of a script, behind what was written since.
    for start in 1..=3 {
        let mut up = Up::start(data.path(), &[]).await;
        let http = Http::on_port(up.port);
        let id = http.submit("echo", &json!({"input": {"message": "since"}})).await;
        assert_eq!(http.until_ended(&id).await["state"], "succeeded", "start {start}");
        let found = async |id: &str| http.get(&format!("/api/v1/tasks/{id}")).await.status.as_u16();
        assert_eq!((found(&whole).await, found(&torn).await), (200, 404), "start {start}");
        assert_eq!(up.end_with(Signal::TERM).await, Some(0));
    }
}

/// Cuts the log of Redis in the middle of the transaction that made this task, as a death of Redis in the middle of its write does.
fn cut_within_the_script_of(data_dir: &Path, task: &str) {
    let folder = std::fs::read_dir(data_dir.join("redis/appendonlydir")).expect("redis has a log");
    let log = folder
        .flatten()
        .find(|file| file.file_name().to_string_lossy().contains(".incr."));
    let log = log.expect("redis has a log of changes").path();
    let bytes = std::fs::read(&log).expect("the log should be readable");
    let at = |word: &str, from: usize| {
        let found = bytes[from..]
            .windows(word.len())
            .position(|part| part == word.as_bytes());
        from + found.unwrap_or_else(|| panic!("{word} should be in the log"))
    };
    let end = at("\r\nEXEC\r\n", at(task, 0));
    let log = std::fs::File::options()
        .write(true)
        .open(&log)
        .expect("the log should be writable");
    // The last command before the end is cut as well.
    log.set_len(end as u64 - 20).expect("the log should be writable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_dies_is_started_again() {
    let data = data_dir();
    let mut up = Up::start(data.path(), &[]).await;
    for name in ["zoetrope-api", "redis-server"] {
        let child = children_of(up.pid(), name)[0];
        kill_process(child, Signal::KILL).expect("a running child should take signals");
        ended(child).await;
    }
    let http = Http::on_port(up.port);
    http.until_ready().await;
    let id = http.submit("echo", &json!({"input": {"message": "still here"}})).await;
    assert_eq!(http.until_ended(&id).await["state"], "succeeded");
    assert_eq!(up.end_with(Signal::TERM).await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_up_is_told_what_is_in_its_way() {
    let data = data_dir();
    let mut up = Up::start(data.path(), &[]).await;
    let refused = async |data: &Path, port| {
        let output = command(data, port)
            .arg("up")
            .output()
            .await
            .expect("zoetrope should run");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, words) = refused(data.path(), free_port()).await;
    assert!(
        code == Some(5) && words.contains("in use by another `zoetrope up`"),
        "{code:?} {words}"
    );
    let other = data_dir();
    let (code, words) = refused(other.path(), up.port).await;
    assert!(
        code == Some(5) && words.contains(&format!("port {}", up.port)),
        "{code:?} {words}"
    );
    assert_eq!(up.end_with(Signal::TERM).await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_submits_waits_lists_and_says_by_its_exit_code_how_it_went() {
    let data = data_dir();
    let mut up = Up::start(data.path(), &[]).await;
    let zoetrope = async |arguments: &[&str]| {
        let output = command(data.path(), up.port)
            .args(arguments)
            .output()
            .await
            .expect("zoetrope should run");
        let words = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        (output.status.code(), words)
    };

    let (code, words) = zoetrope(&["submit", "echo", "--input", r#"{"message": "hi"}"#, "--wait"]).await;
    let task: serde_json::Value = serde_json::from_str(&words).expect("a pipe gets JSON");
    assert_eq!((code, &task["result"]["message"]), (Some(0), &json!("hi")));

    let failing = r#"{"message": "no", "fail": "non_retryable"}"#;
    let (code, words) = zoetrope(&["submit", "echo", "-i", failing, "--wait", "-o", "id"]).await;
    assert_eq!(code, Some(1), "{words}");
    let (code, table) = zoetrope(&["get", words.trim(), "-o", "table"]).await;
    assert!(code == Some(0) && table.contains("failed"), "{code:?} {table}");

    let slow = r#"{"message": "slow", "sleep_ms": 60000}"#;
    let (code, words) = zoetrope(&["submit", "echo", "-i", slow, "--wait", "--timeout", "300ms"]).await;
    assert!(
        code == Some(124) && words.contains("resume with: zoetrope wait"),
        "{code:?} {words}"
    );
    let (code, words) = zoetrope(&["list", "--state", "running", "-o", "id"]).await;
    assert_eq!(code, Some(0), "{words}");
    assert_eq!(zoetrope(&["cancel", words.trim()]).await.0, Some(0));

    let (code, words) = zoetrope(&["submit", "echo", "--input", r#"{"massage": 1}"#]).await;
    assert!(code == Some(2) && words.contains("massage"), "{code:?} {words}");
    assert_eq!(zoetrope(&["get", "no-such-task"]).await.0, Some(3));
    assert_eq!(
        zoetrope(&["get", "x", "--server", "http://127.0.0.1:9"]).await.0,
        Some(5)
    );
    let (code, words) = zoetrope(&["doctor"]).await;
    assert_eq!(code, Some(0), "{words}");
    assert_eq!(up.end_with(Signal::TERM).await, Some(0));
}
