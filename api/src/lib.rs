#![doc = include_str!("../README.md")]

mod api;
mod app;
mod boot_stream;
mod limits;
mod server;

mod answer;
mod guard;
mod problem;
mod request_id;
mod tenant;

mod batch;
mod submit;
mod tasks;

mod artifacts;
mod uploads;

mod docs;
mod health;
mod hello;
mod kinds;
mod metrics;
mod queue_status;

mod body;
mod duration;
mod envelope;
mod etag;
mod filename;
mod fingerprint;
mod form;
mod held;
mod idempotency;
mod intake;
mod json;
mod query;
mod range;
mod submission;
mod view;
mod wait;

mod cached;
mod condition;
mod cpu;
mod link;

pub use api::{Api, serve};
pub use docs::openapi_json;
pub use tenant::Tenants;
