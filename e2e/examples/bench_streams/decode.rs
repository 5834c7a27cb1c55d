//! Every frame of a film through a media child and its pipe, beside `ffmpeg -f null -`, in turns.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::getpid;
use tokio::time::Instant;
use zoetrope_e2e::cpu_ms;

use crate::Tools;
use crate::film;

/// Of each side.
const TURNS: usize = 5;

/// The figures as people read them.
pub(super) fn measure(tools: &Tools, folder: &Path) -> String {
    let path = film::encode_usual(folder);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut our_cpu, mut their_cpu) = (Vec::new(), Vec::new());
    let mut frames = 0;
    for _ in 0..TURNS {
        let mut child = Command::new(&tools.decoder);
        child.arg(tools.programs.join("zoetrope-media")).arg(&path);
        let said = output(child);
        let said: Vec<u64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [count, us, cpu_us] = said[..] else {
            panic!("{said:?} should be frames and two times")
        };
        frames = count;
        ours.push(Duration::from_micros(us));
        our_cpu.push(Duration::from_micros(cpu_us));

        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg
            .args("-nostdin -v error -threads 1 -i".split(' '))
            .arg(&path)
            .args("-f null -".split(' '));
        let (begin, before) = (Instant::now(), cpu_ms(getpid()));
        output(ffmpeg);
        theirs.push(begin.elapsed());
        // What has ended counts for whoever waited for it.
        their_cpu.push(Duration::from_millis(cpu_ms(getpid()) - before));
    }
    let fps = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        frames as f64 / times[TURNS / 2].as_secs_f64()
    };
    let mut text = format!(
        "A film of 720p, {frames} frames, each decoded and judged by the gate; one thread, median of {TURNS} turns\n\n\
         | frames a second | ours | ffmpeg -f null - | ratio |\n|---|---|---|---|\n"
    );
    for (what, ours, theirs) in [
        ("of time", &mut ours, &mut theirs),
        ("of processor time", &mut our_cpu, &mut their_cpu),
    ] {
        let (ours, theirs) = (fps(ours), fps(theirs));
        text.push_str(&format!(
            "| {what} | {ours:.0} | {theirs:.0} | {:.2}x |\n",
            ours / theirs
        ));
    }
    text
}

fn output(mut command: Command) -> String {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.expect("the program should run");
    assert!(output.status.success(), "{command:?}: {}", output.status);
    String::from_utf8(output.stdout).expect("it writes text")
}
