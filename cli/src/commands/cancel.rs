//! `zoetrope cancel`: tells tasks to end.

use crate::args::{CancelArgs, Output};
use crate::client::Client;
use crate::exit::{CliError, Exit};
use crate::{out, show};

/// Cancels every task named, also after one of them could not be; the last trouble decides the exit code.
pub(crate) async fn cancel(client: &Client, args: &CancelArgs, output: Output) -> Result<Exit, CliError> {
    let mut exit = Exit::Done;
    let mut canceled = Vec::new();
    for id in &args.ids {
        match client.cancel(id).await {
            Ok(task) => canceled.push(task),
            Err(error) => {
                out::note(&format!("zoetrope: {id}: {}", error.message));
                exit = error.exit;
            }
        }
    }
    show::tasks(&canceled, output)?;
    Ok(exit)
}
