//! What the queue promises, against a real Redis. One file per behaviour; the harness is in `stage.rs`.

mod lifecycle;
mod redis_server;
mod stage;
