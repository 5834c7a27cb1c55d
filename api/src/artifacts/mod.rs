//! Stored bytes: in by `uploads`, out by `download`.

pub(crate) mod download;
pub(crate) mod uploads;
