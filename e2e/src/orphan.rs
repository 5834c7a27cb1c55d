//! Children that end with their test, however it ends: a test run that is killed leaves nothing running.

use std::io;

use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::process::Command;

/// Has the kernel kill the child when the thread that starts it ends: the thread of the test.
pub fn ends_with_its_test(command: &mut Command) -> &mut Command {
    let in_child = || set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from);
    #[expect(
        unsafe_code,
        reason = "between fork and exec it makes one system call, which neither allocates nor locks"
    )]
    unsafe {
        command.pre_exec(in_child)
    }
}
