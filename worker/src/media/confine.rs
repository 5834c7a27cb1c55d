//! What the kernel takes from a child for good, and from every program that it starts: files but its inputs and the
//! system's own, sockets, and the system calls that break out of processes. Done by Landlock and seccomp, neither of which
//! needs a privilege. Where the kernel lacks one of them the child works without it, and says so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

/// What is asked of Landlock: files, TCP, signals and abstract sockets. An older kernel gives what it has.
const LANDLOCK: ABI = ABI::V6;
/// Programs, libraries and their data: Tesseract's models, fonts, tables of characters; what the processor can do, by which
/// ONNX Runtime chooses its code. Nobody's secrets.
const SYSTEM: [&str; 11] = [
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/opt/zoetrope",
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/etc/fonts",
    "/var/cache/fontconfig",
    "/proc/cpuinfo",
    "/sys/devices/system/cpu",
];
const NULL: &str = "/dev/null";

/// Confines this thread and those that it starts. `inputs` is the folder below which files may be read by who knows their
/// names; `readable` are single files of the operator's. The answer is what could not be done.
pub(crate) fn confine(inputs: Option<&Path>, readable: &[PathBuf]) -> anyhow::Result<Vec<&'static str>> {
    let mut missing = Vec::new();
    match restrict_files(inputs, readable).context("restrict files")? {
        RulesetStatus::FullyEnforced => {}
        RulesetStatus::PartiallyEnforced => missing.push("the kernel's Landlock is older than Linux 6.12"),
        RulesetStatus::NotEnforced => missing.push("the kernel has no Landlock"),
    }
    match filter().context("make the filter of system calls")? {
        None => missing.push("there is no filter of system calls for this processor"),
        Some(filter) => {
            if seccompiler::apply_filter(&filter).is_err() {
                missing.push("the kernel takes no filter of system calls");
            }
        }
    }
    Ok(missing)
}

fn restrict_files(inputs: Option<&Path>, readable: &[PathBuf]) -> Result<RulesetStatus, RulesetError> {
    let (file, null): (BitFlags<AccessFs>, BitFlags<AccessFs>) =
        (AccessFs::ReadFile.into(), AccessFs::ReadFile | AccessFs::WriteFile);
    let confined = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?
        .add_rules(path_beneath_rules(SYSTEM, AccessFs::from_read(LANDLOCK)))?
        .add_rules(path_beneath_rules([NULL], null))?
        // Without the right to list: whoever is not told a name does not find it.
        .add_rules(path_beneath_rules(inputs, file))?
        .add_rules(path_beneath_rules(readable, file))?
        .restrict_self()?;
    Ok(confined.ruleset)
}

/// Refuses what no decoder asks for. `None` where the filter's maker does not know the processor.
fn filter() -> anyhow::Result<Option<BpfProgram>> {
    let Ok(processor) = TargetArch::try_from(std::env::consts::ARCH) else {
        return Ok(None);
    };
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    // Limits of its own it may lower; those of others are none of its business.
    let other = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, 0)?;
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![other])?]);
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, processor)?;
    Ok(Some(filter.try_into()?))
}

/// System calls that fail with `EPERM`. A list of what is allowed would be stronger, and would break with the next
/// version of a library; what matters here is what leads out of the process.
const REFUSED: &[i64] = &[
    // Sockets. The one to the worker is there already.
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    // Large parts of the kernel that nothing here needs.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_personality,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
];

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::ErrorKind::PermissionDenied;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::UnixStream;
    use std::process::Command;

    use rustix::process::{Resource, getppid, prlimit, test_kill_process};
    use tempfile::TempDir;

    use super::*;

    /// Runs a test in a confined thread: the test program itself goes on as it was.
    fn confined(test: impl FnOnce(&Path, &Path) + Send + 'static) {
        let (inputs, elsewhere) = (TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
        for path in [
            inputs.path().join("film"),
            elsewhere.path().join("film"),
            elsewhere.path().join("net"),
        ] {
            std::fs::write(path, "film").expect("the folder is ours");
        }
        let body = move || {
            let readable = [elsewhere.path().join("net"), elsewhere.path().join("is not there")];
            let missing = confine(Some(inputs.path()), &readable).expect("a thread can be confined");
            assert!(
                missing.is_empty(),
                "this test needs a Linux of 6.12 or newer: {missing:?}"
            );
            test(inputs.path(), elsewhere.path());
            // The folders are removed by the thread that is not confined.
            (inputs, elsewhere)
        };
        let ended = std::thread::spawn(body).join();
        drop(ended.expect("the test should pass"));
    }

    fn refused<T>(result: std::io::Result<T>, what: &str) {
        let error = result.err().unwrap_or_else(|| panic!("{what} should be refused"));
        assert_eq!(error.kind(), PermissionDenied, "{what}: {error}");
    }

    #[test]
    fn a_child_opens_no_file_but_its_inputs_and_the_systems() {
        confined(|inputs, elsewhere| {
            let film = inputs.join("film");
            assert_eq!(std::fs::read(&film).expect("an input is readable"), b"film");
            refused(std::fs::read_dir(inputs), "listing inputs");
            refused(File::options().append(true).open(&film), "writing to an input");
            refused(File::create(inputs.join("new")), "making a file");
            refused(std::fs::remove_file(&film), "removing an input");
            refused(File::open(elsewhere.join("film")), "a file beside the inputs");
            let net = elsewhere.join("net");
            assert_eq!(std::fs::read(&net).expect("a file that was named is readable"), b"film");
            refused(
                File::options().append(true).open(&net),
                "writing to a file that was named",
            );
            refused(std::fs::read_dir("/"), "listing the root");
            let parent = format!("/proc/{}/environ", getppid().expect("a parent").as_raw_nonzero());
            for path in ["/etc/passwd", "/etc/hostname", "/proc/self/environ", &parent] {
                refused(File::open(path), path);
            }
            assert!(
                std::fs::read_dir("/usr/share").is_ok(),
                "the system's own data is readable"
            );
        });
    }

    #[test]
    fn a_child_opens_no_socket_of_any_family() {
        confined(|_, _| {
            refused(TcpStream::connect("127.0.0.1:1"), "connecting");
            refused(TcpListener::bind("127.0.0.1:0"), "listening");
            refused(UdpSocket::bind("127.0.0.1:0"), "a datagram socket");
            refused(UnixStream::pair(), "a pair of sockets");
            refused(UnixStream::connect("/run/some.sock"), "a socket of the machine");
        });
    }

    #[test]
    fn a_child_does_not_reach_other_processes() {
        confined(|_, _| {
            let parent = getppid().expect("a parent");
            refused(test_kill_process(parent).map_err(Into::into), "a signal to the parent");
            let limit = rustix::process::getrlimit(Resource::Core);
            refused(
                prlimit(Some(parent), Resource::Core, limit).map_err(Into::into),
                "limits of the parent",
            );
            assert_eq!(
                rustix::process::getrlimit(Resource::Core),
                limit,
                "its own limits are its own"
            );
        });
    }

    #[test]
    fn programs_that_a_child_starts_are_confined_with_it() {
        confined(|inputs, elsewhere| {
            let cat = |path: &Path| Command::new("/bin/cat").arg(path).output().expect("cat can be started");
            assert_eq!(cat(&inputs.join("film")).stdout, b"film");
            let denied = cat(&elsewhere.join("film"));
            assert!(!denied.status.success() && denied.stdout.is_empty(), "{denied:?}");
        });
    }
}
