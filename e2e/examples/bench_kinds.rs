//! `make bench-kinds`: tasks a minute of one worker with its usual slots, kind by kind, from the first submit to the last end,
//! over REST; and what an api and a worker take of memory while nothing happens.
//!
//! Each kind has a stage of its own. Submits come from sixteen callers, each of whom waits for its task before the next one.
//! Processor time is that of the worker and its media children. Pages come from `BENCH_PAGES`, a folder of images; without it
//! the bundled screenshot is read again and again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Pid;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use zoetrope_e2e::{Http, SCREENSHOT, Stage, cpu_ms, descendants_of, resident_kib};

const CALLERS: usize = 16;
/// What another system of this sort names as its worker's rate, tasks a minute.
const NAMED_RATE: f64 = 100.0;

/// Tasks of a kind, measured together.
struct Load {
    name: &'static str,
    kind: &'static str,
    tasks: usize,
    /// One after the other, from the start again when they are used up; none for kinds without a medium.
    files: Vec<(String, Vec<u8>)>,
    input: Value,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a program that prints figures")]
async fn main() {
    let variable = |wanted: &str| std::env::vars().find(|(name, _)| name == wanted);
    let programs = variable("BENCH_PROGRAMS").expect("BENCH_PROGRAMS should be set: use `make bench-kinds`");
    let programs = PathBuf::from(programs.1);
    let pages = variable("BENCH_PAGES").map(|(_, folder)| pages(Path::new(&folder)));
    println!("| tasks of one worker | tasks | a minute | times {NAMED_RATE} | CPU a task, ms |\n|---|---|---|---|---|");
    for load in loads(pages.unwrap_or_default()) {
        println!("{}", measure(&programs, load).await);
    }
    println!("\n{}", idle(&programs).await);
}

fn loads(pages: Vec<(String, Vec<u8>)>) -> Vec<Load> {
    let shot = || vec![("shot.png".to_owned(), SCREENSHOT.to_vec())];
    let load = |name, kind, tasks, files, input| Load {
        name,
        kind,
        tasks,
        files,
        input,
    };
    let guide = json!({"template": "how_to_guide", "title": "Add a lamp", "steps": [
        {"type": "click", "target_text": "New order"}, {"type": "type", "target_text": "Name", "value": "Lamp"},
    ]});
    let sentence = json!({"text": "Click New order, and type a name."});
    let colors = json!({"features": ["colors", "quality", "hash", "codes"]});
    let pages = if pages.is_empty() { shot() } else { pages };
    vec![
        load("echo", "echo", 2_000, Vec::new(), json!({"message": "hello"})),
        load(
            "content_generation, a guide by a template",
            "content_generation",
            1_000,
            Vec::new(),
            guide,
        ),
        load(
            "voice_synthesis, a sentence by espeak-ng",
            "voice_synthesis",
            200,
            Vec::new(),
            sentence,
        ),
        load("image_analysis, a screenshot", "image_analysis", 200, shot(), colors),
        load("ocr, full pages", "ocr", 2 * pages.len().max(20), pages, json!({})),
    ]
}

/// The images of a folder.
fn pages(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).expect("BENCH_PAGES should be a folder");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (name, std::fs::read(&path).expect("a page should be readable"))
    };
    files.into_iter().map(read).collect()
}

async fn stage(programs: &Path) -> Stage {
    let stage = Stage::builder()
        .programs(programs.to_owned())
        .env("AUTH", "none")
        .start()
        .await;
    // Its end says that the worker has begun.
    let id = stage.http.submit("echo", &json!({"input": {"message": "ready"}})).await;
    stage.http.until_ended(&id).await;
    stage
}

async fn measure(programs: &Path, load: Load) -> String {
    let stage = stage(programs).await;
    let load = Arc::new(load);
    let inputs = Arc::new(inputs(&stage.http, &load).await);
    // Children start with the first task.
    run_one(&stage.http, load.kind, &inputs[0]).await;
    let (begun, before) = (Instant::now(), spent_ms(&stage));
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (http, load) = (stage.http.clone(), Arc::clone(&load));
        let (inputs, next) = (Arc::clone(&inputs), Arc::clone(&next));
        callers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= load.tasks {
                    return;
                }
                run_one(&http, load.kind, &inputs[number % inputs.len()]).await;
            }
        });
    }
    callers.join_all().await;
    let a_minute = load.tasks as f64 / begun.elapsed().as_secs_f64() * 60.0;
    let cpu = (spent_ms(&stage) - before) as f64 / load.tasks as f64;
    format!(
        "| {} | {} | {a_minute:.0} | {:.1} | {cpu:.1} |",
        load.name,
        load.tasks,
        a_minute / NAMED_RATE
    )
}

/// What is submitted in turns: one for each file, which is sent before the clock runs.
async fn inputs(http: &Http, load: &Load) -> Vec<Value> {
    if load.files.is_empty() {
        return vec![json!({"input": load.input})];
    }
    let mut inputs = Vec::new();
    for (name, bytes) in &load.files {
        let upload = http.post_file("/api/v1/uploads", name, bytes.clone()).await;
        let mut input = load.input.clone();
        input["image"] = json!({"artifact": upload.body["artifact"]});
        inputs.push(json!({"input": input}));
    }
    inputs
}

/// One task to its end, which has to be good.
async fn run_one(http: &Http, kind: &str, body: &Value) {
    let id = http.submit(kind, body).await;
    let task = http.until_ended(&id).await;
    assert_eq!(task["state"], "succeeded", "{task}");
}

/// Resident memory of an api and a worker which have done nothing but one `echo`.
async fn idle(programs: &Path) -> String {
    let stage = stage(programs).await;
    let _ = timeout(Duration::from_secs(10), std::future::pending::<()>()).await;
    let (api, worker) = (resident_mib(&[stage.api.pid()]), resident_mib(&of_worker(&stage)));
    format!(
        "Idle: api {api:.1} MiB and worker {worker:.1} MiB resident, {:.1} together.",
        api + worker
    )
}

/// Of the worker, of its children, and of those that have ended.
fn spent_ms(stage: &Stage) -> u64 {
    of_worker(stage).into_iter().map(cpu_ms).sum()
}

/// The worker and its children.
fn of_worker(stage: &Stage) -> Vec<Pid> {
    let worker = stage.workers[0].pid();
    [vec![worker], descendants_of(worker)].concat()
}

fn resident_mib(pids: &[Pid]) -> f64 {
    let kib: u64 = pids.iter().filter_map(|pid| resident_kib(*pid)).sum();
    kib as f64 / 1_024.0
}
