//! The service about itself: one resource per file.

pub(crate) mod backlog;
pub(crate) mod docs;
pub(crate) mod every_operation;
pub(crate) mod health;
pub(crate) mod hello;
pub(crate) mod kinds;
pub(crate) mod metrics;
pub(crate) mod providers;
pub(crate) mod queue_status;
pub(crate) mod rules;
pub(crate) mod spend;
pub(crate) mod usage;
pub(crate) mod voices;
pub(crate) mod workers;
