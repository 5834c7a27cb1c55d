//! `zoetrope get`: a task as it stands.

use crate::args::{GetArgs, Output};
use crate::client::Client;
use crate::exit::{CliError, Exit};
use crate::show;

/// Prints the task. Having read it is success, whatever became of the task.
pub(crate) async fn get(client: &Client, args: &GetArgs, output: Output) -> Result<Exit, CliError> {
    let task = client.task_now(&args.id).await?;
    show::task(&task, output)?;
    Ok(Exit::Done)
}
