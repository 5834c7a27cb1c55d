//! `zoetrope why`: why a task does not run, or who runs it.

use zoetrope_shared::wire::{CauseView, WhyView};

use crate::args::{GetArgs, Output};
use crate::client::Client;
use crate::exit::{CliError, Exit};
use crate::plain::plain;
use crate::{out, show};

/// Prints what the server says.
pub(crate) async fn why(client: &Client, args: &GetArgs, output: Output) -> Result<Exit, CliError> {
    let why = client.why(&args.id).await?;
    match output {
        Output::Json => out::json(&why)?,
        Output::Id => {
            let codes: Vec<_> = why.causes.iter().map(|cause| plain(&cause.code)).collect();
            out::data(&codes.join("\n"))?;
        }
        Output::Table => out::data(&table(&why))?,
    }
    Ok(Exit::Done)
}

fn table(why: &WhyView) -> String {
    let mut table = show::table(&["what", "detail"]);
    let mut row = |what: &str, detail: Option<String>| {
        if let Some(detail) = detail {
            table.add_row([what.to_owned(), plain(&detail)]);
        }
    };
    row("state", Some(why.state.as_str().to_owned()));
    for cause in &why.causes {
        row("waits", Some(sentence(cause)));
    }
    row("starts at", why.run_at.clone());
    row("expires at", why.deadline_at.clone());
    row("worker", why.worker.clone());
    row("lease renewed", why.renewed_at.clone());
    row("lease until", why.lease_until.clone());
    row(
        "cancel",
        why.cancel_requested
            .then(|| "its worker has been asked to stop".to_owned()),
    );
    table.to_string()
}

fn sentence(cause: &CauseView) -> String {
    let number = |number: Option<u64>| number.unwrap_or_default();
    let until = cause.until.clone().unwrap_or_default();
    match cause.code.as_str() {
        "kind_paused" => "its kind is paused".to_owned(),
        "tenant_paused" => "its tenant is paused".to_owned(),
        "key_paused" => "its fairness key is paused".to_owned(),
        "kind_at_limit" => format!("{} tasks of its kind run, as many as may", number(cause.limit)),
        "key_at_limit" => format!("{} tasks of its fairness key run, as many as may", number(cause.limit)),
        "kind_rate" => format!("the rate of its kind is used up until {until}"),
        "key_rate" => format!("the rate of its fairness key is used up until {until}"),
        "no_worker" => "no live worker runs its kind".to_owned(),
        "runs_alone" => "it cost two workers and waits for one that runs nothing else".to_owned(),
        "behind" => format!("{} tasks are ahead of it", number(cause.tasks)),
        "next" => "nothing: the next worker with room takes it".to_owned(),
        other => other.to_owned(),
    }
}
