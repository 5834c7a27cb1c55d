//! Calls to the API. Every answer is one of the wire's shapes or an error with its exit code.

mod events;
mod operations;
mod spending;
mod streams;
mod tasks;

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode};
use url::Url;
use zoetrope_shared::config::Secret;
use zoetrope_shared::wire::{Problem, ProblemField};

use crate::exit::{CliError, Exit};
use crate::plain::plain;

pub(crate) use self::tasks::{Reading, Submission, file_part};

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// On top of what the server was asked to wait.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
const KEY_HINT: &str =
    "\n  set ZOETROPE_API_KEY to a key of this server; who has one with admin:* makes others: zoetrope key create";

/// A server's API.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
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

    /// The server's URL.
    pub(crate) fn server(&self) -> &Url {
        &self.base
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
    let mut message = sentence(&problem);
    if status == StatusCode::UNAUTHORIZED {
        message.push_str(KEY_HINT);
    }
    CliError { exit, message }
}

fn sentence(problem: &Problem) -> String {
    let mut text = problem.title.clone();
    if !problem.detail.is_empty() {
        text = format!("{text}: {}", problem.detail);
    }
    // One mistake is told by the detail already.
    let untold = |error: &&ProblemField| !problem.detail.contains(&error.detail);
    for error in problem.errors.iter().filter(untold) {
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
