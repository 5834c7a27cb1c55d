//! Calls to the API. Every answer is one of the wire's shapes or an error with its exit code.

mod events;

use std::path::Path;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use reqwest::multipart::{Form, Part};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Map, Value};
use url::Url;
use zoetrope_shared::config::Secret;
use zoetrope_shared::wire::{KeyMade, KeyPage, KeyView, Problem, TaskPage, TaskView};

use crate::args::ListArgs;
use crate::exit::{CliError, Exit};
use crate::plain::plain;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// On top of what the server was asked to wait.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// A large file on a slow line.
const UPLOAD_LIMIT: Duration = Duration::from_secs(3_600);

/// A server's API.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
}

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
    /// A client of the server at this URL that shows this key; connects when first used.
    pub(crate) fn new(server: &str, key: Option<&Secret>) -> Result<Self, CliError> {
        let base = Url::parse(server)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let base = base.ok_or_else(|| {
            CliError::usage(format!(
                "`{}` is no server URL such as http://127.0.0.1:8000",
                plain(server)
            ))
        })?;
        let mut builder = reqwest::Client::builder()
            .default_headers(credentials(key)?)
            .connect_timeout(CONNECT_LIMIT)
            .user_agent(concat!("zoetrope-cli/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&base) {
            // A proxy elsewhere cannot reach this machine's own addresses.
            builder = builder.no_proxy();
        }
        Ok(Self {
            http: builder.build().map_err(CliError::failed)?,
            base,
        })
    }

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

    /// Asks to cancel a task.
    pub(crate) async fn cancel(&self, id: &str) -> Result<TaskView, CliError> {
        let request = self
            .http
            .delete(self.url(&["api", "v1", "tasks", id]))
            .timeout(ANSWER_LIMIT);
        body(self.send(request).await?).await
    }

    /// One page of tasks.
    pub(crate) async fn list(&self, args: &ListArgs) -> Result<TaskPage, CliError> {
        let mut url = self.url(&["api", "v1", "tasks"]);
        let filters = [
            ("state", &args.state),
            ("kind", &args.kind),
            ("tag", &args.tag),
            ("cursor", &args.cursor),
        ];
        let given = filters
            .iter()
            .filter_map(|(name, value)| Some((*name, value.as_deref()?)));
        url.query_pairs_mut()
            .append_pair("limit", &args.limit.to_string())
            .extend_pairs(given);
        body(self.send(self.http.get(url).timeout(ANSWER_LIMIT)).await?).await
    }

    /// Makes an API key.
    pub(crate) async fn make_key(&self, wanted: &Value) -> Result<KeyMade, CliError> {
        let request = self.http.post(self.url(&["api", "v1", "keys"])).json(wanted);
        body(self.send(request.timeout(ANSWER_LIMIT)).await?).await
    }

    /// The API keys.
    pub(crate) async fn keys(&self) -> Result<KeyPage, CliError> {
        let request = self.http.get(self.url(&["api", "v1", "keys"]));
        body(self.send(request.timeout(ANSWER_LIMIT)).await?).await
    }

    /// Revokes an API key.
    pub(crate) async fn revoke_key(&self, id: &str) -> Result<KeyView, CliError> {
        let request = self.http.delete(self.url(&["api", "v1", "keys", id]));
        body(self.send(request.timeout(ANSWER_LIMIT)).await?).await
    }

    /// Whether the server takes requests.
    pub(crate) async fn is_ready(&self) -> bool {
        let request = self.http.get(self.url(&["readyz"])).timeout(CONNECT_LIMIT);
        request
            .send()
            .await
            .is_ok_and(|response| response.status().is_success())
    }

    /// Whether one of our servers listens there, ready or not.
    pub(crate) async fn is_alive(&self) -> bool {
        let request = self.http.get(self.url(&["livez"])).timeout(CONNECT_LIMIT);
        request
            .send()
            .await
            .is_ok_and(|response| response.status().is_success())
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            // Segments are escaped, so that an id cannot become another path.
            segments.pop_if_empty().extend(path);
        }
        url
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, CliError> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        Err(refusal(status, &text))
    }

    fn unreachable(&self, error: &reqwest::Error) -> CliError {
        if error.is_timeout() {
            return CliError::unavailable(format!("{} did not answer in time", self.base));
        }
        CliError::unavailable(format!(
            "{} cannot be reached ({}); is it running? `zoetrope up` starts a server here, --server names another",
            self.base,
            root_cause(error)
        ))
    }
}

/// The header that shows the key. Redirects to another host do not take it along.
fn credentials(key: Option<&Secret>) -> Result<HeaderMap, CliError> {
    let mut headers = HeaderMap::new();
    if let Some(key) = key {
        let value = HeaderValue::try_from(format!("Bearer {}", key.expose()));
        let mut value = value.map_err(|_| CliError::usage("ZOETROPE_API_KEY is no API key: zt_<id>_<secret>"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

/// Reads a file as a part of a form, without loading it.
pub(crate) async fn file_part(path: &Path) -> Result<Part, CliError> {
    let part = Part::file(path).await;
    part.map_err(|error| CliError::usage(format!("{} cannot be read: {error}", path.display())))
}

async fn body<T: serde::de::DeserializeOwned>(response: Response) -> Result<T, CliError> {
    let url = response.url().clone();
    let error = |error: reqwest::Error| {
        CliError::unavailable(format!(
            "{url} gave an answer that is none of Zoetrope's ({})",
            root_cause(&error)
        ))
    };
    response.json().await.map_err(error)
}

/// The sentence and exit code of an answer that is not a success.
fn refusal(status: StatusCode, text: &str) -> CliError {
    let exit = match status.as_u16() {
        404 => Exit::NotFound,
        401 | 403 => Exit::Auth,
        409 => Exit::Failed,
        429 | 502 | 503 | 504 => Exit::Unavailable,
        400..500 => Exit::Usage,
        _ => Exit::Unavailable,
    };
    let Ok(problem) = serde_json::from_str::<Problem>(text) else {
        return CliError {
            exit,
            message: format!("the server answered {status}"),
        };
    };
    CliError {
        exit,
        message: sentence(&problem),
    }
}

fn sentence(problem: &Problem) -> String {
    let mut text = problem.title.clone();
    if !problem.detail.is_empty() {
        text = format!("{text}: {}", problem.detail);
    }
    for error in &problem.errors {
        text = format!("{text}\n  {} {}", error.pointer, error.detail);
    }
    plain(&text)
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_become_another_path() {
        let client = Client::new("http://127.0.0.1:8000/below/", None).unwrap();
        let url = client.url(&["api", "v1", "tasks", "../../x?y#z"]);
        assert_eq!(
            url.as_str(),
            "http://127.0.0.1:8000/below/api/v1/tasks/..%2F..%2Fx%3Fy%23z"
        );
    }

    #[test]
    fn what_is_no_server_url_is_a_usage_error() {
        for text in ["", "localhost:8000", "ftp://example.com", "http://"] {
            assert_eq!(Client::new(text, None).unwrap_err().exit, Exit::Usage, "{text}");
        }
    }

    #[test]
    fn refusals_carry_the_documented_exit_codes() {
        let exit = |code| refusal(StatusCode::from_u16(code).unwrap(), "").exit;
        let codes = [400, 401, 403, 404, 409, 413, 422, 429, 500, 503].map(exit);
        use Exit::{Auth, Failed, NotFound, Unavailable, Usage};
        assert_eq!(
            codes,
            [
                Usage,
                Auth,
                Auth,
                NotFound,
                Failed,
                Usage,
                Usage,
                Unavailable,
                Unavailable,
                Unavailable
            ]
        );
    }
}
