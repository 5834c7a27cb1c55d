//! What the queue promises, against a real Redis. One file per behaviour; the harness is in `stage.rs`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![expect(clippy::disallowed_methods, reason = "tests await the tasks that they spawn")]

mod lifecycle;
mod output;
mod redis_server;
mod stage;
