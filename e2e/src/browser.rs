//! Debian's Chromium without a screen, driven over its debugging protocol: one page, what its scripts answer, and nothing of
//! ours in between.

use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::orphan::ends_with_its_test;

/// Longest wait for the browser to start, for an answer, and for a page to get somewhere; a busy machine takes a while.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Beside what a sandbox inside of a container would refuse, and a screen.
const ARGUMENTS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-port=0",
];

/// A browser with one page. Ended when dropped.
#[derive(Debug)]
pub struct Browser {
    page: WebSocketStream<MaybeTlsStream<TcpStream>>,
    asked: u64,
    _child: Child,
    /// Drains what it complains of, so that it never blocks on a full pipe.
    _log: JoinSet<()>,
    _profile: TempDir,
}

impl Browser {
    /// Starts it on an empty page.
    pub async fn start() -> Self {
        let profile = tempfile::Builder::new()
            .prefix("zt-browser-")
            .tempdir()
            .expect("a temporary folder should be makeable");
        let mut command = Command::new("chromium");
        command
            .args(ARGUMENTS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let started = ends_with_its_test(&mut command).spawn();
        let mut child = started.expect("chromium should be installed: `make test` does it");
        let mut lines = BufReader::new(child.stderr.take().expect("stderr should be a pipe")).lines();
        let announced = async {
            loop {
                let line = lines.next_line().await.expect("its log should be text");
                let line = line.expect("chromium should not end before it listens");
                if let Some(at) = line.find("ws://") {
                    return line[at..].to_owned();
                }
            }
        };
        let browser = timeout(PATIENCE, announced)
            .await
            .expect("chromium should listen in time");
        let mut log = JoinSet::new();
        log.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            page: connected(&browser).await,
            asked: 0,
            _child: child,
            _log: log,
            _profile: profile,
        }
    }

    /// Opens a page; what it loads may still be on its way.
    pub async fn open(&mut self, url: &str) {
        let opened = self.ask("Page.navigate", json!({"url": url})).await;
        assert!(opened["errorText"].is_null(), "{url}: {opened}");
    }

    /// What an expression of the page is, once it is settled. `None` while there is no page to ask.
    pub async fn evaluate(&mut self, expression: &str) -> Option<Value> {
        let asked = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.ask("Runtime.evaluate", asked).await;
        if answer["exceptionDetails"].is_object() || answer["result"].is_null() {
            return None;
        }
        Some(answer["result"]["value"].clone())
    }

    /// Asks the page again and again, until it answers what is wanted.
    pub async fn until(&mut self, expression: &str, done: impl Fn(&Value) -> bool) -> Value {
        let give_up = Instant::now() + PATIENCE;
        let mut ticks = interval(LOOK_AGAIN);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let found = self.evaluate(expression).await;
            if let Some(found) = found.as_ref().filter(|found| done(found)) {
                return found.clone();
            }
            assert!(
                Instant::now() < give_up,
                "`{expression}` should get there within {PATIENCE:?}: {found:?}"
            );
        }
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let ask = json!({"id": self.asked, "method": method, "params": params});
        let sent = self.page.send(Message::text(ask.to_string())).await;
        sent.expect("chromium should listen");
        let answer = async {
            loop {
                let message = self.page.next().await.expect("chromium should not end");
                let Message::Text(text) = message.expect("its answers should arrive") else {
                    continue;
                };
                let mut said: Value = serde_json::from_str(&text).expect("it speaks JSON");
                // The rest is what it tells by itself.
                if said["id"] == self.asked {
                    return said["result"].take();
                }
            }
        };
        let answered = timeout(PATIENCE, answer).await;
        answered.unwrap_or_else(|_| panic!("chromium should answer {method}"))
    }
}

/// The connection to the page of a browser that listens here.
async fn connected(browser: &str) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let address = browser
        .trim_start_matches("ws://")
        .split('/')
        .next()
        .expect("an address");
    let client = reqwest::Client::builder().no_proxy().build();
    let list = client
        .expect("a client should be buildable")
        .get(format!("http://{address}/json/list"));
    let give_up = Instant::now() + PATIENCE;
    let mut ticks = interval(LOOK_AGAIN);
    loop {
        ticks.tick().await;
        let answer = list.try_clone().expect("it has no body").send().await;
        let targets: Value = match answer {
            Ok(answer) => answer.json().await.unwrap_or_default(),
            Err(_) => Value::Null,
        };
        let pages = targets.as_array().into_iter().flatten();
        let page = pages
            .filter(|target| target["type"] == "page")
            .find_map(|page| page["webSocketDebuggerUrl"].as_str());
        if let Some(page) = page {
            let (socket, _) = connect_async(page).await.expect("chromium should take a connection");
            return socket;
        }
        assert!(Instant::now() < give_up, "chromium should have a page: {targets}");
    }
}
