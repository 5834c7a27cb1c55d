//! The API does what its `OpenAPI` document says: schemathesis makes requests from the document, valid ones and
//! invalid ones, and judges the answers of a running system.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{interval, timeout};
use zoetrope_e2e::{Http, Process, RtspServer, SCREENSHOT, Stage};

/// The document as it is committed; a test of the api holds it to what is served.
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
/// A run that hangs is ended; how long one takes is not judged.
const RUN_LIMIT: Duration = Duration::from_secs(600);
/// Far fewer requests than there are would mean that most of the document was left out.
const FEWEST_REQUESTS: u64 = 800;
/// Operations that no generated request gets into: they take a handshake.
const NOT_ENTERED: [&str; 3] = [
    "GET /api/v1/streams/{id}/live",
    "GET /api/v1/ws",
    "GET /ws/video-stream",
];
/// Operations that are entered by chance: by names that earlier answers had, by bytes that happen to be a picture.
const SELDOM_ENTERED: [&str; 5] = [
    "GET /api/v1/kinds/{kind}",
    "GET /api/v1/tasks/{id}",
    "GET /api/v1/tasks/{id}/events",
    "POST /api/v1/uploads",
    "POST /process_frame",
];

/// The tool in its own place below the target folder.
fn python() -> PathBuf {
    let own = std::env::current_exe().expect("a test should know its own path");
    let found = own
        .ancestors()
        .map(|folder| folder.join("schemathesis/bin/python"))
        .find(|path| path.exists());
    found.expect("schemathesis should be installed: `scripts/setup tests`, or `make test`")
}

/// What the run is given: credentials, and things that it may use up.
struct Supplies {
    key: String,
    spare_key: String,
    spare_worker: String,
    artifact: String,
    task: String,
    stream: String,
    kept_stream: String,
    spare_stream: String,
}

impl Supplies {
    /// Makes them, and the client that holds the run's key.
    async fn make(stage: &Stage) -> (Self, Http) {
        let admin = json!({"scopes": ["admin:*"], "requests_per_second": 10_000});
        let key = stage.http.post("/api/v1/keys", &admin).await.body["key"].clone();
        let key = key.as_str().expect("an open api should make its first key").to_owned();
        let http = stage.http.with_key(&key);
        let text = |answer: Value, name: &str| answer[name].as_str().expect("it should be made").to_owned();
        let upload = http.post_file("/api/v1/uploads", "shot.png", SCREENSHOT).await.body;
        let later = json!({"input": {"message": "later"}, "delay": "1d"});
        let camera = json!({"url": "rtsp://camera.example.com/live"});
        let stream = json!({"input": {"url": "rtsp://camera.example.com/live"}, "delay": "1d"});
        let supplies = Self {
            key,
            spare_key: text(http.post("/api/v1/keys", &json!({})).await.body, "id"),
            spare_worker: workers(&http, 2).await.remove(0),
            artifact: text(upload, "artifact"),
            task: http.submit("echo", &later).await,
            stream: http.submit("stream-ingest", &stream).await,
            kept_stream: text(http.post("/api/v1/streams", &camera).await.body, "id"),
            spare_stream: text(http.post("/api/v1/streams", &camera).await.body, "id"),
        };
        (supplies, http)
    }
}

/// What the run is told of a recording.
type Recording = [(&'static str, String); 6];

/// Records some seconds of a camera.
async fn record(camera: &RtspServer, http: &Http) -> Recording {
    let input = json!({"url": camera.url("/h264"), "store": true, "duration": 7});
    let id = http.submit("stream_ingest", &json!({"input": input})).await;
    http.until_ended(&id).await;
    let found = http.get(&format!("/api/v1/streams/{id}/recordings")).await.body;
    let range = &found["ranges"][0];
    let path = range["playlist"]
        .as_str()
        .unwrap_or_else(|| panic!("{found} should have a range"));
    let playlist = http.text(path).await;
    let between = |before: &str, after: &[char]| {
        let rest = playlist
            .split_once(before)
            .unwrap_or_else(|| panic!("{playlist} should have {before}"))
            .1;
        rest.split(after).next().unwrap_or_default().to_owned()
    };
    [
        ("ZT_RECORDING", id),
        ("ZT_RECORDING_START", range["start"].to_string()),
        ("ZT_RECORDING_END", range["end"].to_string()),
        ("ZT_RECORDING_GRANT", between("grant=", &['"', '\n'])),
        ("ZT_SEGMENT", between("\nsegments/", &['?'])),
        ("ZT_INIT", between("\"init/", &['?'])),
    ]
}

/// The names of the workers, once there are this many.
async fn workers(http: &Http, count: usize) -> Vec<String> {
    loop {
        let page = http.get("/api/v1/workers").await.body;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        if items.len() >= count {
            let names = items.iter().filter_map(|worker| worker["name"].as_str());
            return names.map(str::to_owned).collect();
        }
    }
}

/// Runs it and answers its report; what it printed goes to `log`.
async fn run(supplies: &Supplies, recording: Recording, http: &Http, folder: &Path, log: &Path) -> Value {
    let report = folder.join("report.json");
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis.toml");
    let output = std::fs::File::create(log).expect("the log should be writable");
    let mut child = Command::new(python())
        .args(["-m", "schemathesis.cli", "--no-color", "--config-file"])
        .arg(settings)
        .arg("run")
        .arg(DOCUMENT)
        .args(["--url", http.base()])
        .args(["--report", "json", "--report-json-path"])
        .arg(&report)
        .env("ZT_KEY", &supplies.key)
        .env("ZT_SPARE_KEY", &supplies.spare_key)
        .env("ZT_SPARE_WORKER", &supplies.spare_worker)
        .env("ZT_ARTIFACT", &supplies.artifact)
        .env("ZT_TASK", &supplies.task)
        .env("ZT_STREAM", &supplies.stream)
        .env("ZT_KEPT_STREAM", &supplies.kept_stream)
        .env("ZT_SPARE_STREAM", &supplies.spare_stream)
        .envs(recording)
        .env("PYTHONHASHSEED", "0")
        .env("NO_PROXY", "127.0.0.1")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(output.try_clone().expect("a file can be shared"))
        .stderr(output)
        .kill_on_drop(true)
        .spawn()
        .expect("python should start");
    let ended = timeout(RUN_LIMIT, child.wait()).await;
    ended.expect("the run should end").expect("a child can be awaited");
    let report = std::fs::read(&report).unwrap_or_else(|error| panic!("no report: {error}\n{}", read(log)));
    serde_json::from_slice(&report).expect("the report should be JSON")
}

fn read(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}

/// Operations of the document, as the report names them.
fn operations(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().expect("a document should have paths");
    let named = paths.iter().flat_map(|(path, operations)| {
        let methods = operations.as_object().expect("a path should have operations").keys();
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    named.collect()
}

/// Operations that some generated request got into.
fn entered(report: &Value) -> BTreeSet<String> {
    let rates = report["valid_rates"].as_object().expect("the report should have rates");
    let entered = rates.iter().filter(|(_, phases)| {
        let phases = phases.as_object().expect("a rate should have phases");
        phases.values().any(|phase| phase["accepted"].as_u64() > Some(0))
    });
    entered.map(|(name, _)| name.clone()).collect()
}

/// Starts workers again that have ended, as a supervisor would: an `echo` may ask for a crash, and gets three.
async fn revive(workers: &mut [Process]) {
    let mut ticks = interval(Duration::from_millis(200));
    loop {
        ticks.tick().await;
        for worker in workers.iter_mut() {
            if worker.has_ended().is_some() {
                worker.restart();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_answers_as_the_document_says() {
    let camera = RtspServer::start(&[]).await;
    let stage = Stage::builder()
        .workers(2)
        .env("NETGUARD_ALLOW_CIDRS", RtspServer::ALLOWED)
        .env("MEDIA_SIGNING_KEY", "a long random key")
        .env("RECORDING_MAX_DISK_PERCENT", "101")
        .start()
        .await;
    let (supplies, http) = Supplies::make(&stage).await;
    let recording = record(&camera, &http).await;
    let log = stage.dir().join("schemathesis.log");
    let report = run(&supplies, recording, &http, stage.dir(), &log).await;

    let found = (&report["failures"], &report["errors"]);
    assert_eq!(found, (&json!([]), &json!([])), "{}", read(&log));
    let all = operations(&http.get("/api/v1/openapi.json").await.body);
    assert_eq!(report["operations"]["tested"], all.len(), "{}", report["operations"]);
    let requests = report["test_cases"]["generated"].as_u64().unwrap_or_default();
    assert!(requests >= FEWEST_REQUESTS, "{requests} requests");
    let entered = entered(&report);
    let missed: Vec<&str> = all.difference(&entered).map(String::as_str).collect();
    let missed: Vec<&str> = missed
        .into_iter()
        .filter(|name| !SELDOM_ENTERED.contains(name))
        .collect();
    assert_eq!(missed, NOT_ENTERED, "{}", read(&log));

    // It did not close the door behind itself, nor send everybody home.
    let mut stage = stage;
    let after = http.submit("echo", &json!({"input": {"message": "after"}})).await;
    let task = tokio::select! {
        task = http.until_ended(&after) => task,
        () = revive(&mut stage.workers) => unreachable!("workers are looked after for ever"),
    };
    assert_eq!(task["state"], "succeeded", "{task}");
    let left = workers(&http, 1).await;
    assert!(left.iter().any(|name| *name != supplies.spare_worker), "{left:?}");
}
