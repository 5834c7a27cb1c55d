#![doc = include_str!("../README.md")]

pub mod markup;
pub mod tasks;
pub mod wording;

pub mod media;
pub mod schema;
pub mod tenant;

pub mod artifacts;
pub mod offload;
pub mod recordings;

pub mod live_view;
pub mod netguard;
pub mod secrets;
pub mod stream_model;
pub mod stream_source;
pub mod streams;

pub mod keys;
pub mod ledger;
pub mod wire;

pub mod config;
pub mod probe;
pub mod provider_reports;
pub mod redis_link;
pub mod shutdown;
pub mod telemetry;
pub mod usage;
