//! Into the queue, each task with its span: its attempts belong to the trace of the request that made it.

use zoetrope_queue::{Enqueued, NewTask, Queue, QueueError};
use zoetrope_shared::telemetry::{Span, Work};

/// Adds one task.
pub(crate) async fn one(queue: &Queue, mut task: NewTask) -> Result<Enqueued, QueueError> {
    let span = begin(&mut task);
    let answer = queue.enqueue(task).await;
    end(&span, answer.as_ref());
    answer
}

/// Adds tasks together: an answer for each, or one error for all.
pub(crate) async fn many(
    queue: &Queue,
    mut tasks: Vec<NewTask>,
) -> Result<Vec<Result<Enqueued, QueueError>>, QueueError> {
    let spans: Vec<Span> = tasks.iter_mut().map(begin).collect();
    let answers = queue.enqueue_batch(tasks).await;
    for (index, span) in spans.iter().enumerate() {
        match &answers {
            Ok(answers) => answers
                .get(index)
                .into_iter()
                .for_each(|answer| end(span, answer.as_ref())),
            Err(error) => end(span, Err(error)),
        }
    }
    answers
}

fn begin(task: &mut NewTask) -> Span {
    let span = Span::of_creation(Work {
        kind: &task.kind,
        tenant: &task.tenant,
    });
    task.traceparent = span.traceparent();
    span
}

fn end(span: &Span, answer: Result<&Enqueued, &QueueError>) {
    let (id, outcome) = match answer {
        Ok(Enqueued::Created(id)) => (id, "created"),
        Ok(Enqueued::Replayed(id)) => (id, "replayed"),
        Ok(Enqueued::Exists(id)) => (id, "exists"),
        Ok(Enqueued::Conflict(id)) => (id, "conflict"),
        Err(error) => return span.failed(code(error)),
    };
    span.outcome(outcome);
    span.about(*id);
}

fn code(error: &QueueError) -> &'static str {
    match error {
        QueueError::Unavailable(_) => "redis_unavailable",
        QueueError::Full(_) => "redis_full",
        QueueError::Backlog => "backlog_full",
        QueueError::Draining => "kind_draining",
        QueueError::Invalid { .. } => "invalid_input",
        QueueError::Unsuitable(_) => "redis_unsuitable",
        _ => "internal",
    }
}
