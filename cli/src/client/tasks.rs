//! Calls about tasks.

use std::path::Path;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{ETAG, IF_NONE_MATCH};
use reqwest::multipart::{Form, Part};
use serde_json::{Map, Value};
use zoetrope_shared::wire::{TaskPage, TaskView};

use super::{ANSWER_LIMIT, Client, body};
use crate::args::PageArgs;
use crate::exit::CliError;

/// A large file on a slow line.
const UPLOAD_LIMIT: Duration = Duration::from_secs(3_600);

/// A task to submit.
#[derive(Debug, Default)]
pub(crate) struct Submission {
    /// The kind's input, without the medium that `file` brings.
    pub(crate) input: Map<String, Value>,
    /// Everything beside the input.
    pub(crate) envelope: Map<String, Value>,
    /// Makes repeated submits one task.
    pub(crate) idempotency_key: Option<String>,
    /// The medium, as a multipart part.
    pub(crate) file: Option<Part>,
}

/// A task as read, or that it has not changed.
#[derive(Debug)]
pub(crate) enum Reading {
    /// It differs from the version asked about.
    Changed {
        /// The task.
        task: Box<TaskView>,
        /// Its version.
        etag: Option<String>,
    },
    /// It is still the same.
    Same,
}

impl Client {
    /// Submits a task and answers it as it stands.
    pub(crate) async fn submit(&self, kind: &str, submission: Submission) -> Result<TaskView, CliError> {
        let Submission {
            input,
            mut envelope,
            idempotency_key,
            file,
        } = submission;
        let mut request = self
            .http
            .post(self.url(&["api", "v1", "tasks", kind]))
            .timeout(UPLOAD_LIMIT);
        if let Some(key) = idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        let request = match file {
            None => {
                envelope.insert("input".to_owned(), Value::Object(input));
                request.json(&envelope)
            }
            Some(file) => request.multipart(
                Form::new()
                    .text("input", Value::Object(input).to_string())
                    .text("task", Value::Object(envelope).to_string())
                    .part("file", file),
            ),
        };
        body(self.send(request).await?).await
    }

    /// Reads a task: once it has ended or `wait` is over, or as soon as it is no longer at version `known`.
    pub(crate) async fn task(&self, id: &str, wait: Duration, known: Option<&str>) -> Result<Reading, CliError> {
        let mut url = self.url(&["api", "v1", "tasks", id]);
        if !wait.is_zero() {
            url.query_pairs_mut()
                .append_pair("wait", &format!("{}s", wait.as_secs().max(1)));
        }
        let mut request = self.http.get(url).timeout(wait + ANSWER_LIMIT);
        if let Some(etag) = known {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let response = self.send(request).await?;
        if response.status() == StatusCode::NOT_MODIFIED {
            return Ok(Reading::Same);
        }
        let etag = response
            .headers()
            .get(ETAG)
            .and_then(|etag| etag.to_str().ok())
            .map(str::to_owned);
        Ok(Reading::Changed {
            task: Box::new(body(response).await?),
            etag,
        })
    }

    /// Reads a task as it stands now.
    pub(crate) async fn task_now(&self, id: &str) -> Result<TaskView, CliError> {
        match self.task(id, Duration::ZERO, None).await? {
            Reading::Changed { task, .. } => Ok(*task),
            Reading::Same => Err(CliError::failed(
                "the server answered 304 to a request without a version",
            )),
        }
    }

    /// The bytes of an artifact.
    pub(crate) async fn artifact(&self, id: &str) -> Result<Vec<u8>, CliError> {
        let url = self.url(&["api", "v1", "artifacts", id]);
        let response = self.send(self.http.get(url).timeout(ANSWER_LIMIT)).await?;
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        Ok(bytes.to_vec())
    }

    /// Asks to cancel a task.
    pub(crate) async fn cancel(&self, id: &str) -> Result<TaskView, CliError> {
        let request = self
            .http
            .delete(self.url(&["api", "v1", "tasks", id]))
            .timeout(ANSWER_LIMIT);
        body(self.send(request).await?).await
    }

    /// One page of tasks, of one kind or of all.
    pub(crate) async fn list(&self, kind: Option<&str>, page: &PageArgs) -> Result<TaskPage, CliError> {
        let mut url = self.url(&["api", "v1", "tasks"]);
        let filters = [
            ("state", page.state.as_deref()),
            ("kind", kind),
            ("tag", page.tag.as_deref()),
            ("cursor", page.cursor.as_deref()),
        ];
        let given = filters.into_iter().filter_map(|(name, value)| Some((name, value?)));
        url.query_pairs_mut()
            .append_pair("limit", &page.limit.to_string())
            .extend_pairs(given);
        body(self.send(self.http.get(url).timeout(ANSWER_LIMIT)).await?).await
    }
}

/// Reads a file as a part of a form, without loading it.
pub(crate) async fn file_part(path: &Path) -> Result<Part, CliError> {
    let part = Part::file(path).await;
    part.map_err(|error| CliError::usage(format!("{} cannot be read: {error}", path.display())))
}
