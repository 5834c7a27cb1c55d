//! The life of media children: reused when well, replaced when lost, gone with the work they did.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};
use serde_json::json;
use tokio::sync::oneshot;
use zoetrope_queue::{ErrorClass, Failure};
use zoetrope_worker::media_pool::{MediaError, MediaPool, MediaPoolConfig};
use zoetrope_worker::protocol::{self, MAX_MEDIA_BYTES, Request};

use crate::pixels::{decoded, tiff};
use crate::vocabulary::{fixture, ocr, pool, pool_of, pool_with};

/// A page of 49 million pixels full of text: minutes of work.
pub(crate) fn huge_page() -> Vec<u8> {
    let screen = decoded(&fixture("screen.png")).into_luma8();
    tiff(&[image::GrayImage::from_fn(7_000, 7_000, |x, y| {
        *screen.get_pixel(x % 640, 60 + y % 80)
    })])
}

fn ocr_request() -> Request {
    let input = json!({"image": {"artifact": "aaaaaaaaaaaaaaaaaaaaaaaaaa"}});
    Request {
        kind: "ocr".into(),
        input: serde_json::value::to_raw_value(&input).expect("a value is JSON"),
    }
}

/// Names the pool's one child.
async fn warm(pool: &MediaPool) -> Pid {
    ocr(pool, fixture("screen.png"), json!({}))
        .await
        .expect("the screen is readable");
    let [pid] = pool.idle_pids()[..] else {
        panic!("one child should be idle")
    };
    Pid::from_raw(i32::try_from(pid).expect("a pid is small")).expect("a pid is not 0")
}

/// Waits until a process has ended, however it did.
pub(crate) fn wait_until_gone(pidfd: &OwnedFd) {
    let mut ended = [PollFd::new(pidfd, PollFlags::IN)];
    let patience = Timespec { tv_sec: 10, tv_nsec: 0 };
    let ready = rustix::event::poll(&mut ended, Some(&patience)).expect("a pidfd can be polled");
    assert_eq!(ready, 1, "the child still runs after 10 s");
}

pub(crate) fn watch(pid: Pid) -> OwnedFd {
    rustix::process::pidfd_open(pid, PidfdFlags::empty()).expect("the child is alive")
}

/// Starts work on a huge page and returns once the child says that it has begun.
async fn begin(pool: &MediaPool) -> tokio::task::JoinHandle<Result<Vec<u8>, MediaError>> {
    let (begun, has_begun) = oneshot::channel();
    let mut begun = Some(begun);
    let pool = pool.clone();
    #[expect(clippy::disallowed_methods, reason = "the test awaits or aborts it")]
    let work = tokio::spawn(async move {
        let on_progress = |_, _: &str| {
            // Only the first is waited for.
            let _ = begun.take().map(|begun| begun.send(()));
        };
        pool.run(&ocr_request(), huge_page().into(), on_progress).await
    });
    has_begun.await.expect("the child reports progress");
    work
}

#[tokio::test]
async fn one_child_serves_many_requests_of_either_kind() {
    let (pool, metrics) = pool();
    let pid = warm(&pool).await;
    for kind in ["image_analysis", "ocr", "ocr"] {
        crate::vocabulary::work(&pool, kind, fixture("dark.png"), json!({}))
            .await
            .expect("the screen is sound");
    }
    assert_eq!((warm(&pool).await, metrics.media_children_started()), (pid, 1));
}

#[tokio::test]
async fn a_child_is_replaced_after_its_share_of_requests_or_when_it_has_grown() {
    let child = PathBuf::from(env!("CARGO_BIN_EXE_zoetrope-media"));
    for config in [
        MediaPoolConfig {
            recycle_after_requests: 2,
            ..MediaPoolConfig::of(child.clone(), 1)
        },
        MediaPoolConfig {
            recycle_resident_bytes: 1,
            ..MediaPoolConfig::of(child.clone(), 1)
        },
    ] {
        let (pool, metrics) = pool_with(config.clone());
        for _ in 0..3 {
            ocr(&pool, fixture("screen.png"), json!({}))
                .await
                .expect("the screen is readable");
        }
        let expected = if config.recycle_after_requests == 2 { 2 } else { 3 };
        assert_eq!(metrics.media_children_started(), expected, "{config:?}");
    }
}

#[tokio::test]
async fn work_that_nobody_waits_for_any_more_takes_its_child_with_it() {
    let (pool, _) = pool();
    let child = watch(warm(&pool).await);
    let work = begin(&pool).await;
    work.abort();
    assert!(work.await.is_err_and(|error| error.is_cancelled()));
    wait_until_gone(&child);
    assert_eq!(pool.idle_pids(), Vec::<u32>::new());
    warm(&pool).await;
}

#[tokio::test]
async fn a_child_that_is_killed_at_work_fails_that_request_alone_and_another_attempt_may_help() {
    let (pool, metrics) = pool();
    let pid = warm(&pool).await;
    let work = begin(&pool).await;
    rustix::process::kill_process(pid, Signal::KILL).expect("the child is ours");
    let error = work
        .await
        .expect("the work ends by itself")
        .expect_err("its child is gone");
    assert!(
        matches!(&error, MediaError::Crashed(how) if how.contains("signal 9")),
        "{error}"
    );
    let failure = Failure::from(error);
    assert_eq!(
        (failure.code.as_str(), failure.class),
        ("media_crashed", ErrorClass::Retryable)
    );
    warm(&pool).await;
    assert_eq!(metrics.media_children_started(), 2);
}

#[tokio::test]
async fn a_child_that_dies_idle_costs_nobody_anything() {
    let (pool, _) = pool();
    let pid = warm(&pool).await;
    let child = watch(pid);
    rustix::process::kill_process(pid, Signal::KILL).expect("the child is ours");
    wait_until_gone(&child);
    assert_ne!(warm(&pool).await, pid);
}

#[tokio::test]
async fn closing_the_pool_ends_idle_children_and_refuses_work() {
    let (pool, _) = pool();
    let child = watch(warm(&pool).await);
    pool.close();
    wait_until_gone(&child);
    let refused = ocr(&pool, fixture("screen.png"), json!({})).await;
    assert!(matches!(refused, Err(MediaError::Unavailable(_))), "{refused:?}");
}

#[tokio::test]
async fn programs_that_are_no_media_child_are_crashes_and_not_hangs() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    for (name, script) in [
        ("quits", "exit 3"),
        ("babbles", "printf 'this is no frame at all' >&0; exit 0"),
        (
            "lies",
            "printf '\\002\\000\\000\\000\\377\\377\\377\\377{}' >&0; cat >/dev/null",
        ),
    ] {
        let program = folder.path().join(name);
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("the folder is ours");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("the file is ours");
        let answer = ocr(&pool_of(&program).0, fixture("screen.png"), json!({})).await;
        assert!(matches!(answer, Err(MediaError::Crashed(_))), "{name}: {answer:?}");
    }
    let missing = ocr(&pool_of(&folder.path().join("missing")).0, Vec::new(), json!({})).await;
    assert!(
        matches!(&missing, Err(MediaError::Unavailable(why)) if why.contains("missing")),
        "{missing:?}"
    );
}

#[tokio::test]
async fn a_child_has_limits_no_secrets_and_a_folder_of_its_own() {
    let (pool, _) = pool();
    let pid = warm(&pool).await.as_raw_nonzero();
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).expect("the child is alive");
    let limits = read("limits");
    for (limit, most) in [
        ("Max address space", "2147483648"),
        ("Max core file size", "0"),
        ("Max open files", "64"),
        ("Max file size", "67108864"),
    ] {
        let line = limits.lines().find(|line| line.starts_with(limit)).unwrap_or_default();
        assert!(
            line.split_whitespace().any(|word| word == most),
            "{limit} should be {most}: {line}"
        );
    }
    assert!(read("status").contains("NoNewPrivs:\t1"));
    let mut variables: Vec<String> = read("environ").split_terminator('\0').map(str::to_owned).collect();
    variables.sort();
    assert_eq!(variables, ["LANG=C.UTF-8", "OMP_THREAD_LIMIT=1"]);
    let folder = std::fs::read_link(format!("/proc/{pid}/cwd")).expect("the child is alive");
    assert!(
        folder.to_string_lossy().contains("zoetrope-media-"),
        "{}",
        folder.display()
    );
    assert!(
        folder.to_string_lossy().ends_with(" (deleted)"),
        "{} should be unlinked",
        folder.display()
    );
}

#[test]
fn a_child_whose_worker_is_gone_ends_in_the_middle_of_its_work() {
    let (ours, theirs) = UnixStream::pair().expect("sockets can be made");
    let mut child = Command::new(env!("CARGO_BIN_EXE_zoetrope-media"))
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .process_group(0)
        .spawn()
        .expect("the child starts");
    let mut socket = ours
        .as_fd()
        .try_clone_to_owned()
        .map(UnixStream::from)
        .expect("sockets can be cloned");
    let page = huge_page();
    let head = protocol::head(&ocr_request(), page.len(), MAX_MEDIA_BYTES).expect("the page is within the limit");
    std::io::Write::write_all(&mut socket, &[head, page].concat()).expect("the child reads");
    let first = protocol::read(&mut socket, 0).expect("the child speaks the protocol");
    assert!(first.is_some(), "the child should report that it has begun");
    drop((socket, ours));
    let status = child.wait().expect("the child is ours");
    assert!(!status.success(), "{status}");
}

#[tokio::test]
async fn a_child_works_under_a_filter_of_system_calls_and_without_new_privileges() {
    let (pool, _) = pool();
    let pid = warm(&pool).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).expect("the child lives");
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.lines().any(|told| told == line), "{line}: {status}");
    }
}
