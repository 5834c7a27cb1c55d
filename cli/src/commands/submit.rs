//! `zoetrope submit`: turns arguments into a task.

use std::io::Read;

use serde_json::{Map, Value, json};

use super::wait_for;
use crate::args::{Output, SubmitArgs};
use crate::client::{Client, Submission, file_part};
use crate::exit::{CliError, Exit};
use crate::plain::plain;
use crate::show;

/// Largest input that is read from a file or stdin: the API's own limit for a JSON body.
const MAX_INPUT_BYTES: u64 = 32 * 1024 * 1024;

/// Submits, and waits if asked to.
pub(crate) async fn submit(client: &Client, args: &SubmitArgs, output: Output) -> Result<Exit, CliError> {
    let mut submission = Submission {
        input: args.input.as_deref().map_or_else(|| Ok(Map::new()), read_input)?,
        envelope: envelope(args),
        idempotency_key: args.idempotency_key.clone(),
        file: None,
    };
    if let Some(url) = &args.url {
        if url.starts_with("rtsp:") {
            return Err(CliError::usage(format!(
                "--url takes a file to fetch; watch a camera with: zoetrope stream start {}",
                plain(url)
            )));
        }
        submission
            .input
            .insert(media_field(&args.kind)?.to_owned(), json!({ "url": url }));
    }
    if let Some(path) = &args.file {
        submission.file = Some(file_part(path).await?);
    }
    let task = client.submit(&args.kind, submission).await?;
    if args.follow {
        return super::follow::follow(client, &task, args.timeout, output).await;
    }
    if args.wait {
        return wait_for(client, task, args.timeout, output).await;
    }
    show::task(&task, output)?;
    Ok(Exit::Done)
}

fn envelope(args: &SubmitArgs) -> Map<String, Value> {
    let mut envelope = Map::new();
    if let Some(priority) = &args.priority {
        envelope.insert("priority".to_owned(), json!(priority));
    }
    if let Some(delay) = args.delay {
        envelope.insert("delay".to_owned(), json!(delay.as_secs_f64()));
    }
    if let Some(span) = args.expires_in {
        envelope.insert("expires_in".to_owned(), json!(span.as_secs_f64()));
    }
    if let Some(key) = &args.fairness_key {
        envelope.insert("fairness_key".to_owned(), json!(key));
    }
    if let Some(key) = &args.unique_key {
        envelope.insert("unique_key".to_owned(), json!(key));
    }
    if !args.tag.is_empty() {
        envelope.insert("tags".to_owned(), json!(args.tag));
    }
    envelope
}

/// Which field of the input the kind's medium goes into.
fn media_field(kind: &str) -> Result<&'static str, CliError> {
    let known = zoetrope_shared::tasks::find(kind).ok_or_else(|| {
        CliError::usage(format!(
            "--url: this command knows no kind `{kind}`; give --input instead"
        ))
    })?;
    let field = known.media.as_ref();
    field
        .map(|field| field.name)
        .ok_or_else(|| CliError::usage(format!("--url: kind `{kind}` takes no medium")))
}

/// Reads JSON as given, from `@FILE`, or from stdin for `-`.
fn read_input(given: &str) -> Result<Map<String, Value>, CliError> {
    let text = match (given, given.strip_prefix('@')) {
        ("-", _) => read_text("-")?,
        (_, Some(path)) => read_text(path)?,
        _ => given.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| CliError::usage(format!("--input is no JSON object: {error}")))
}

/// Reads a file, or stdin for `-`.
pub(super) fn read_text(path: &str) -> Result<String, CliError> {
    if path == "-" {
        return read_all(std::io::stdin().lock(), "stdin");
    }
    let file = std::fs::File::open(path);
    let file = file.map_err(|error| CliError::usage(format!("{} cannot be read: {error}", plain(path))))?;
    read_all(file, path)
}

fn read_all(from: impl Read, name: &str) -> Result<String, CliError> {
    let mut text = String::new();
    let read = from.take(MAX_INPUT_BYTES + 1).read_to_string(&mut text);
    let read = read.map_err(|error| CliError::usage(format!("{name} cannot be read: {error}")))?;
    if read as u64 > MAX_INPUT_BYTES {
        return Err(CliError::usage(format!(
            "{name} is larger than {MAX_INPUT_BYTES} bytes"
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_input_is_an_object_given_or_read_from_a_file() {
        assert_eq!(
            Value::from(read_input(r#"{"message": "hi"}"#).unwrap()),
            json!({"message": "hi"})
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"sleep_ms": 5}"#).unwrap();
        let named = format!("@{}", file.path().display());
        assert_eq!(Value::from(read_input(&named).unwrap()), json!({"sleep_ms": 5}));
        for wrong in ["[1]", "hello", "@/nowhere/at/all"] {
            assert_eq!(read_input(wrong).unwrap_err().exit, Exit::Usage, "{wrong}");
        }
    }

    #[test]
    fn a_url_goes_where_the_kind_takes_its_medium() {
        assert_eq!(media_field("image-analysis").unwrap(), "image");
        assert_eq!(media_field("echo").unwrap_err().exit, Exit::Usage);
        assert_eq!(media_field("no-such-kind").unwrap_err().exit, Exit::Usage);
    }
}
