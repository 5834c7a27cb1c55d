//! Zoetrope from outside: real processes, a real Redis, HTTP. And the house rules, over every file of the project.

mod acl;
mod chaos;
mod chaos_cases;
mod cli;
mod cli_media;
mod contract;
mod drain;
mod every_kind;
mod failures;
mod following;
mod live_readers;
mod live_redis;
mod live_view;
mod media_children;
#[path = "../../../worker/tests/it/onnx_network.rs"]
mod onnx_network;
mod playback;
mod priority;
mod provider_secrets;
mod provider_ways;
mod providers;
mod readme;
mod recordings;
mod recordings_kept;
mod steps;
mod stream_records;
mod stream_substreams;
mod streams;
mod streams_described;
mod streams_failover;
mod streams_hls;
mod streams_matrix;
mod streams_rtmp;
mod tidy;
mod traces;
mod up;
