//! What was typed about a stream, as the body that says it. The server judges it.

use serde_json::{Map, Value, json};

use crate::args::{LoginArgs, StreamCreateArgs, StreamSettings, StreamTestArgs, StreamUpdateArgs};
use crate::commands::submit::read_text;
use crate::exit::CliError;

/// The body that creates a stream.
pub(super) fn new(args: &StreamCreateArgs) -> Result<Value, CliError> {
    of(&args.url, &args.settings)
}

/// The same of a URL with these settings.
pub(super) fn of(url: &str, settings: &StreamSettings) -> Result<Value, CliError> {
    let mut fields = fields(settings)?;
    fields.insert("url".to_owned(), json!(url));
    Ok(Value::Object(fields))
}

/// The merge patch that changes a stream.
pub(super) fn patch(args: &StreamUpdateArgs) -> Result<Value, CliError> {
    let mut fields = fields(&args.settings)?;
    if let Some(url) = &args.url {
        fields.insert("url".to_owned(), json!(url));
    }
    if args.no_credentials {
        fields.insert("username".to_owned(), Value::Null);
    }
    if fields.is_empty() {
        return Err(CliError::usage(
            "nothing is to be changed; see: zoetrope stream update --help",
        ));
    }
    Ok(Value::Object(fields))
}

/// The body that has a source tried.
pub(super) fn source(args: &StreamTestArgs) -> Result<Value, CliError> {
    let mut fields = login(&args.login)?;
    fields.insert("url".to_owned(), json!(args.source));
    if args.udp {
        fields.insert("transport".to_owned(), json!("udp"));
    }
    Ok(Value::Object(fields))
}

/// Only what was given, so that everything else stays, or is as usual.
pub(super) fn fields(settings: &StreamSettings) -> Result<Map<String, Value>, CliError> {
    let mut window = Map::new();
    if let Some(size) = settings.window {
        window.insert("size_s".to_owned(), json!(size.as_secs_f64()));
    }
    if let Some(hop) = settings.hop {
        window.insert("hop_s".to_owned(), json!(hop.as_secs_f64()));
    }
    let transport = match (settings.udp, settings.tcp) {
        (true, _) => Some(json!("udp")),
        (_, true) => Some(json!("tcp")),
        _ => None,
    };
    let given = [
        ("name", settings.name.as_ref().map(|name| json!(name))),
        ("fps", settings.fps.map(|fps| json!(fps))),
        ("duration", settings.duration.map(|span| json!(span.as_secs_f64()))),
        ("window", (!window.is_empty()).then_some(Value::Object(window))),
        ("prompt", settings.prompt.as_ref().map(|prompt| json!(prompt))),
        ("provider", settings.provider.as_ref().map(|name| json!(name))),
        ("model", settings.model.as_ref().map(|name| json!(name))),
        ("budget_usd_per_hour", settings.budget.map(|usd| json!(usd))),
        ("detect_url", settings.detect_url.as_ref().map(|url| json!(url))),
        (
            "store",
            (settings.store || settings.no_store).then(|| json!(settings.store)),
        ),
        ("transport", transport),
        ("tags", (!settings.tag.is_empty()).then(|| json!(settings.tag))),
    ];
    let given = given
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let mut fields = login(&settings.login)?;
    fields.extend(given);
    Ok(fields)
}

fn login(args: &LoginArgs) -> Result<Map<String, Value>, CliError> {
    let mut fields = Map::new();
    if let Some(username) = &args.username {
        fields.insert("username".to_owned(), json!(username));
    }
    if let Some(path) = &args.password_file {
        let password = read_text(path)?;
        fields.insert("password".to_owned(), json!(password.trim_end_matches(['\r', '\n'])));
    }
    Ok(fields)
}
