#![doc = include_str!("../README.md")]

pub mod fuzz;
pub mod process;

pub mod dispatch;
pub mod handlers;
pub mod providers;
pub mod recording;
pub mod services;
pub mod speech;
pub mod streams;
pub mod writing;

pub mod media_file;
pub mod media_pool;
pub mod media_source;
pub mod protocol;
pub mod protocol_audio;
pub mod protocol_images;
pub mod protocol_sources;
pub mod protocol_steps;
pub mod protocol_stills;
pub mod protocol_streams;
pub mod protocol_view;

pub mod health;
pub mod metrics;
