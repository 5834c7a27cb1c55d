//! `zoetrope list`: tasks, newest first.

use crate::args::{ListArgs, Output};
use crate::client::Client;
use crate::exit::{CliError, Exit};
use crate::{out, show};

/// Prints one page.
pub(crate) async fn list(client: &Client, args: &ListArgs, output: Output) -> Result<Exit, CliError> {
    let page = client.list(args.kind.as_deref(), &args.page).await?;
    if output == Output::Json {
        out::json(&page)?;
        return Ok(Exit::Done);
    }
    show::tasks(&page.items, output)?;
    if let Some(cursor) = &page.next_cursor {
        out::note(&format!("more follow: --cursor {cursor}"));
    }
    Ok(Exit::Done)
}
