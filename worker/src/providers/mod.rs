//! Providers of AI services behind small traits. One file an adapter; one client, one error classifier, one reader of
//! events, one way of calling for all of them. Knows no task: what is asked for belongs to the handlers.

pub mod account;
pub mod answers;
pub mod calls;
pub mod capability;
pub mod catalogue;
pub mod circuit;
pub mod configured;
pub mod detection;
pub mod fault;
pub mod http;
pub mod limits;
pub mod report;
pub mod seats;
pub mod sse;

pub mod anthropic;
pub mod deepgram;
pub mod elevenlabs;
pub mod gemini;
pub mod openai_chat;
pub mod openai_speech;
pub mod openai_transcription;
pub mod roboflow;

mod classify;
mod error_body;
mod pace;
mod pause;
mod strict_schema;

pub use strict_schema::fits as enforces;
