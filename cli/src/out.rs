//! The two channels of the command: data goes to stdout in the asked form, talk goes to stderr.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::args::{Cli, Output};
use crate::exit::CliError;

/// The form that was asked for, or the one that fits where stdout goes.
pub(crate) fn form(cli: &Cli) -> Output {
    match cli.output {
        Some(output) => output,
        None if cli.json || !io::stdout().is_terminal() => Output::Json,
        None => Output::Table,
    }
}

/// Whether somebody watches stderr, so that progress is worth drawing.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Writes data as lines. A reader that has left (`| head`) is no error.
pub(crate) fn data(text: &str) -> Result<(), CliError> {
    piece(&format!("{}\n", text.trim_end_matches('\n')))
}

/// Writes data as it is: a part of a line, or more.
pub(crate) fn piece(text: &str) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::failed(format!("writing the output failed: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes data as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(CliError::failed)?;
    data(&text)
}

/// Writes data as JSON on one line.
pub(crate) fn json_line(value: &impl Serialize) -> Result<(), CliError> {
    data(&serde_json::to_string(value).map_err(CliError::failed)?)
}

/// Says something to the person at the terminal. Nobody listening is no error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
