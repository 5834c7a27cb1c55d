//! The queue's words as schemas: the queue knows nothing of `OpenAPI`, so their lists are made here from its own names.

use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use zoetrope_queue::{Priority, Reason, State};

const STATES: [State; 8] = [
    State::Scheduled,
    State::Waiting,
    State::Queued,
    State::Running,
    State::Succeeded,
    State::Failed,
    State::Canceled,
    State::Expired,
];

const REASONS: [Reason; 6] = [
    Reason::Timeout,
    Reason::WorkerLost,
    Reason::NonRetryable,
    Reason::RetriesExhausted,
    Reason::CancelRequested,
    Reason::DeadlineBeforeStart,
];

/// The schema of [`State`].
#[derive(Debug)]
pub struct TaskState;

/// The schema of [`Reason`].
#[derive(Debug)]
pub struct TaskReason;

/// The schema of [`Priority`].
#[derive(Debug)]
pub struct TaskPriority;

impl ToSchema for TaskState {}
impl ToSchema for TaskReason {}
impl ToSchema for TaskPriority {}

impl PartialSchema for TaskState {
    fn schema() -> RefOr<Schema> {
        one_of_words(&STATES, "Where a task is in its life.")
    }
}

impl PartialSchema for TaskReason {
    fn schema() -> RefOr<Schema> {
        one_of_words(
            &REASONS,
            "Why a task is in its state, where the state alone does not say.",
        )
    }
}

impl PartialSchema for TaskPriority {
    fn schema() -> RefOr<Schema> {
        one_of_words(
            &Priority::ALL,
            "How long a task may be overtaken: 0 s, 15 s, 60 s, 15 minutes.",
        )
    }
}

fn one_of_words<T: Serialize>(values: &[T], description: &str) -> RefOr<Schema> {
    let words = values
        .iter()
        .map(|value| serde_json::to_value(value).expect("a word should be JSON"));
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words))
        .description(Some(description))
        .into()
}
