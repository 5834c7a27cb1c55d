//! What the api promises, over real HTTP and a real Redis. One file per behaviour; `stage.rs` sets everything up.

mod artifacts;
mod auth_keys;
mod auth_open;
mod auth_walk;
mod bad_input;
mod bad_media;
mod bad_requests;
mod batch;
mod cancel;
mod front_door;
mod idempotency;
mod listing;
mod live;
mod live_frame;
mod live_stage;
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
