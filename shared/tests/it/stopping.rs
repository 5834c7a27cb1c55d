//! What signals do to a process. Each test starts this test binary again as the process that gets them.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use zoetrope_shared::shutdown::Shutdown;

const PROCESS: &str = "stopping::the_process_under_test_does_nothing_unless_it_is_asked_to";
/// A filter that matches no test: it only tells the process what it is.
const ASKED: &str = "be-the-process-under-test";

/// Says on stderr what happens to it, for standard output belongs to the test harness.
#[tokio::test]
async fn the_process_under_test_does_nothing_unless_it_is_asked_to() {
    if !std::env::args().any(|argument| argument == ASKED) {
        return;
    }
    let say = |word: &str| writeln!(std::io::stderr(), "{word}").expect("a reader");
    let shutdown = Shutdown::listen().expect("signals");
    say("listening");
    shutdown.token().cancelled().await;
    say("cancelled");
    // Its parent closes standard input when it may leave; until then it is busy with its last steps.
    let leave = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    leave.await.expect("no panic").expect("a pipe");
    say("left");
}

struct Process {
    child: Child,
    says: Lines<BufReader<ChildStderr>>,
}

impl Process {
    fn that_listens() -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", PROCESS, ASKED, "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("this binary again");
        let says = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let mut process = Self { child, says };
        process.expect("listening");
        process
    }

    fn expect(&mut self, word: &str) {
        assert_eq!(self.says.next().expect("it should live").expect("text"), word);
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it should live");
    }

    /// Closes its standard input and waits.
    fn end(mut self) -> Option<i32> {
        self.child.wait().expect("an exit").code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // After a failed test only; else it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn one_signal_cancels_the_token_and_leaves_the_process_its_time() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut process = Process::that_listens();
        process.send(signal);
        process.expect("cancelled");
        drop(process.child.stdin.take());
        process.expect("left");
        assert_eq!(process.end(), Some(0), "{signal:?}");
    }
}

#[test]
fn a_second_signal_of_either_sort_ends_the_process_at_once() {
    for (first, second) in [
        (Signal::TERM, Signal::TERM),
        (Signal::INT, Signal::INT),
        (Signal::TERM, Signal::INT),
    ] {
        let mut process = Process::that_listens();
        // Held open, so that nothing but the signal can end it.
        let busy = process.child.stdin.take();
        process.send(first);
        process.expect("cancelled");
        process.send(second);
        assert_eq!(process.end(), Some(130), "{first:?} then {second:?}");
        drop(busy);
    }
}
