//! What a child gives up before it reads its first byte; `confine` has what the kernel does about it. The worker adds the
//! rest from outside: an environment without secrets, a private working folder, its own process group, and the kill.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use zoetrope_worker::protocol::{FOLDER_PREFIX, SANDBOX_NOTE};

/// Address space, bytes. A 50 megapixel image at 16 bits a channel, its grey copy and Tesseract's own copies fit; what
/// slips past the decoder's limits ends here, as a crash of this child alone.
const MAX_ADDRESS_SPACE: u64 = 2 * 1024 * 1024 * 1024;
/// Largest file, bytes. Nothing here writes files, but espeak-ng, which inherits this, opens a sound library that takes
/// 64 MiB of shared memory even where it plays nothing.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// Open files: the socket, the pipe, and Tesseract's data while it loads.
const MAX_OPEN_FILES: u64 = 64;
/// Chosen before everything else when the machine runs out of memory.
#[cfg(target_os = "linux")]
const OOM_SCORE: &[u8] = b"800";

/// Restricts this process, which has one thread by now, and tells the worker what could not be restricted. Files below
/// `inputs` and the `readable` ones stay readable. `NPROC` is left alone: it counts all processes of the user, the worker's included.
pub(crate) fn enter(inputs: Option<&Path>, readable: &[PathBuf]) -> anyhow::Result<()> {
    #[cfg(target_os = "linux")]
    enter_linux()?;
    leave_no_folder()?;
    limit(Resource::Core, 0)?;
    limit(Resource::Nofile, MAX_OPEN_FILES)?;
    limit(Resource::Fsize, MAX_FILE_BYTES)?;
    limit(Resource::As, MAX_ADDRESS_SPACE)?;
    #[cfg(target_os = "linux")]
    let missing = crate::confine::confine(inputs, readable)?;
    #[cfg(not(target_os = "linux"))]
    let missing = {
        let _ = (inputs, readable);
        ["the system is not Linux"]
    };
    if !missing.is_empty() {
        use std::io::Write;
        // A worker that does not listen is no reason to stop.
        let _ = writeln!(std::io::stderr(), "{SANDBOX_NOTE}{}", missing.join("; "));
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn enter_linux() -> anyhow::Result<()> {
    // The end of the socket says the same; this also holds if another process inherited the worker's end of it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).context("bind to the worker's life")?;
    rustix::thread::set_no_new_privs(true).context("give up new privileges")?;
    // Raising the score needs no privilege, but a hardened container may hide the file.
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    Ok(())
}

/// Unlinks the working folder, if it is the one that a worker made for this process.
fn leave_no_folder() -> anyhow::Result<()> {
    let folder = std::env::current_dir().context("find the working folder")?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with(FOLDER_PREFIX) {
        std::fs::remove_dir(&folder).context("unlink the working folder")?;
    }
    Ok(())
}

fn limit(resource: Resource, most: u64) -> anyhow::Result<()> {
    // A hard limit can only be lowered: an administrator's lower one stays.
    let hard = rustix::process::getrlimit(resource)
        .maximum
        .map_or(most, |hard| hard.min(most));
    setrlimit(
        resource,
        Rlimit {
            current: Some(hard),
            maximum: Some(hard),
        },
    )
    .with_context(|| format!("limit {resource:?} to {hard}"))
}
