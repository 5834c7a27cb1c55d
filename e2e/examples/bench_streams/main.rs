//! `make bench-streams`: what live streams, their recordings and films cost, beside what one would use instead.
//!
//! The video is encoded once, 720p at 30 frames a second with a key frame a second, and replayed by `GStreamer`'s RTSP
//! server, one pipeline a client. Both sides watch at the same time. Time and memory are those of our processes, from
//! `/proc`: the api, the worker, its media children and Redis. Only ratios travel between machines. `BENCH_ROWS` names the
//! rows that are measured: `live`, `walker`, `recorded`, `sixty`, `decode`,
//! `overhead`.

mod beside;
mod clips;
mod decode;
mod film;
mod overhead;
mod site;
mod spent;

use std::path::PathBuf;

/// Where everything is that is measured, and beside what.
struct Tools {
    /// The folder of our executables.
    programs: PathBuf,
    /// A python that has `OpenCV`.
    python: PathBuf,
    /// What decodes a film through a media child.
    decoder: PathBuf,
    /// The rows that are wanted; all if there are none.
    rows: Vec<String>,
}

impl Tools {
    fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|wanted| wanted == row)
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a program that prints figures")]
async fn main() {
    let rows = variable("BENCH_ROWS").unwrap_or_default();
    let tools = Tools {
        programs: path("BENCH_PROGRAMS"),
        python: path("BENCH_OPENCV"),
        decoder: path("BENCH_DECODER"),
        rows: rows
            .split([',', ' '])
            .filter(|row| !row.is_empty())
            .map(str::to_owned)
            .collect(),
    };
    let folder = tempfile::tempdir().expect("a temporary folder should be makeable");
    let still = match ["live", "recorded", "sixty"].iter().any(|row| tools.wants(row)) {
        true => film::encode(folder.path(), "still", film::STILL),
        false => PathBuf::new(),
    };

    let mut stalls = Vec::new();
    let mut watched = Vec::new();
    if tools.wants("live") {
        watched.push(beside::measure(&tools, &still, "still", false).await);
    }
    if tools.wants("walker") {
        let walker = film::encode(folder.path(), "walker", film::WALKER);
        watched.push(beside::measure(&tools, &walker, "walker", false).await);
    }
    if tools.wants("recorded") {
        watched.push(beside::measure(&tools, &still, "still, recorded", true).await);
    }
    if !watched.is_empty() {
        println!("{}", beside::table(&watched));
        stalls.extend(watched.into_iter().flat_map(|row| row.stalls));
    }
    if tools.wants("sixty") {
        let (site, found) = site::measure(&tools, &still).await;
        println!("{site}");
        stalls.extend(found);
    }
    if tools.wants("decode") {
        println!("{}", decode::measure(&tools, folder.path()));
    }
    assert!(stalls.is_empty(), "streams stalled: {stalls:#?}");
    if tools.wants("overhead") {
        let (overhead, p95_ms) = overhead::measure(&tools, folder.path()).await;
        println!("{overhead}");
        assert!(
            p95_ms <= overhead::MOST_MS,
            "what is added to a window takes {p95_ms:.0} ms at p95"
        );
    }
}

/// Settings of a benchmark, which no process of ours reads.
fn variable(name: &str) -> Option<String> {
    std::env::vars()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value)
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(variable(name).unwrap_or_else(|| panic!("{name} should be set: use `make bench-streams`")))
}
