#![doc = include_str!("../README.md")]

mod api;
mod app;
mod auth;
mod boot_stream;
mod limits;
mod link;
mod tenant;

mod artifacts;
mod live;
mod recordings;
mod service;
mod streams;
mod submit;
mod tasks;
mod viewing;

mod cached;
mod condition;
mod cpu;
mod http;

pub use api::{Api, serve};
pub use service::docs::openapi_json;
pub use tenant::Tenants;
