//! What the api promises, over real HTTP and a real Redis. One file per behaviour; `stage.rs` sets everything up.

mod artifacts;
mod bad_input;
mod bad_media;
mod bad_requests;
mod batch;
mod cancel;
mod front_door;
mod idempotency;
mod listing;
mod openapi;
mod outage;
mod pictures;
mod redis_server;
mod service;
mod stage;
mod submit;
mod tenancy;
mod uploads;
mod waiting;
mod worker;
