//! HTTP as such: connections, bodies, parameters, problems. Nothing here knows what a task is.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod duration;
pub(crate) mod etag;
pub(crate) mod filename;
pub(crate) mod form;
pub(crate) mod guard;
pub(crate) mod json;
pub(crate) mod problem;
pub(crate) mod query;
pub(crate) mod range;
pub(crate) mod request_id;
pub(crate) mod server;
