//! What the api answers and its clients read. Routes, status codes and headers belong to the api; how a task looks in
//! Redis belongs to the queue.

mod access;
mod problem;
mod providers;
mod rules;
mod service;
mod stored;
mod streams;
mod task;
mod time;
mod usage;
mod why;
mod words;

pub use access::{KeyMade, KeyPage, KeyState, KeyView, Scope, TicketView};
pub use problem::{Problem, ProblemCode, ProblemField};
pub use providers::{CircuitCounts, CircuitName, ModelView, ProviderLimitView, ProviderPage, ProviderView};
pub use rules::{BacklogView, FlowName, RateView, RulePage, RuleView};
pub use service::{
    HealthCheck, HealthStatus, HealthView, KeyStatusView, KindStatusView, KindView, MediaFieldView, QueueStatusView,
    RedisStatusView, WorkerPage, WorkerView,
};
pub use stored::{UploadUrls, UploadView};
pub use streams::{
    StreamCause, StreamPage, StreamSource, StreamSourceView, StreamState, StreamStatusView, StreamUrls, StreamView,
};
pub use task::{
    BatchItem, BatchItemError, BatchState, BatchUrls, BatchView, ErrorView, ProgressView, TaskPage, TaskUrls, TaskView,
};
pub use time::{parse_rfc3339_ms, rfc3339_ms};
pub use usage::{SpendView, UsageFigures, UsageItem, UsageView};
pub use why::{CauseView, WhyView};
pub use words::{TaskPriority, TaskReason, TaskState};
