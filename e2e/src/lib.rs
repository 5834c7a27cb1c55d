//! Zoetrope's real processes in the hands of a test: a Redis, the api and workers that can be killed, a client that
//! knows nothing but HTTP, and witnesses that stand outside of what they watch.
//!
//! Tests are in `tests/it`; the benchmark's driver is `examples/bench/`. A harness may panic: it runs in tests only.

pub mod ai_services;
mod announced;
mod browser;
pub mod chaos;
#[allow(clippy::unwrap_used, reason = "the tests of the queue have it, too")]
#[path = "../../queue/tests/it/cluster_servers.rs"]
mod cluster_servers;
mod collector;
mod cost;
mod damage;
mod events;
mod ffmpeg;
mod footage;
mod hls;
mod http;
mod ledger;
pub mod numbered;
mod orphan;
mod page;
#[path = "../../queue/tests/it/ports.rs"]
mod ports;
mod process;
mod provider;
#[allow(dead_code, reason = "the tests of the queue use the rest")]
#[path = "../../queue/tests/it/proxy.rs"]
mod proxy;
pub mod recording;
mod redis;
mod rtmp;
mod rtsp;
mod s3;
mod sender;
#[allow(dead_code, clippy::unwrap_used, reason = "the tests of the queue have it, too")]
#[path = "../../queue/tests/it/servers.rs"]
mod servers;
mod several;
mod site;
mod stage;
mod tree;
mod viewer;

pub use browser::Browser;
pub use collector::{Collector, SeenSpan};
pub use cost::{cpu_ms, pss_kib, resident_kib};
pub use damage::{Damage, Damaging};
pub use events::{Event, Events};
pub use footage::{Compression, Footage};
pub use hls::HlsServer;
pub use http::{Answer, Http};
pub use ledger::{Deed, Diary, Entry, Ledger};
pub use orphan::ends_with_its_test;
pub use page::huge_page;
pub use ports::free_port;
pub use process::{Process, executable};
pub use provider::{Provider, ProviderAnswer};
pub use redis::{Durability, Redis};
pub use rtmp::RtmpServer;
pub use rtsp::RtspServer;
pub use s3::S3Server;
pub use sender::Sender;
pub use several::SeveralRedis;
pub use site::Site;
pub use stage::{Stage, StageBuilder};
pub use tree::{children_of, descendants_of, ended, open_files, until_children_of};
pub use viewer::{Sight, Viewer};

/// The picture that `zoetrope up --demo` shows: text in several sizes and a QR code.
pub const SCREENSHOT: &[u8] = include_bytes!("../../cli/assets/demo.png");
