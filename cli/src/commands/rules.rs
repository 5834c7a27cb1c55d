//! `zoetrope queue rules`, `limit`, `pause`, `resume`, `drain` and `backlog`: what may run, and come.

use serde_json::{Map, json};
use zoetrope_shared::wire::RuleView;

use crate::args::{BacklogArgs, LimitArgs, Output, Rated, WhomArgs};
use crate::client::Client;
use crate::exit::{CliError, Exit};
use crate::plain::plain;
use crate::{out, show};

/// Lists the rules in force.
pub(crate) async fn list(client: &Client, output: Output) -> Result<Exit, CliError> {
    let page = client.rules().await?;
    match output {
        Output::Json => out::json(&page)?,
        _ => print(&page.items, output)?,
    }
    Ok(Exit::Done)
}

/// Sets both limits.
pub(crate) async fn limit(client: &Client, args: &LimitArgs, output: Output) -> Result<Exit, CliError> {
    let mut limits = Map::new();
    if let Some(concurrency) = args.concurrency {
        limits.insert("concurrency".to_owned(), json!(concurrency));
    }
    if let Some(Rated { count, period }) = &args.rate {
        let rate = json!({"count": count, "period": period.as_secs_f64()});
        limits.insert("rate".to_owned(), rate);
    }
    let rule = client.limit(&args.whom, &limits.into()).await?;
    show_one(rule, output)
}

/// Shows or sets how much a tenant may have in the queue.
pub(crate) async fn backlog(client: &Client, args: &BacklogArgs, output: Output) -> Result<Exit, CliError> {
    let tenant = args.tenant.as_deref();
    let backlog = if args.usual || args.tasks.is_some() || args.bytes.is_some() {
        let bound = json!({"most_tasks": args.tasks, "most_bytes": args.bytes});
        client.bound(tenant, &bound).await?
    } else {
        client.backlog(tenant).await?
    };
    if output == Output::Json {
        out::json(&backlog)?;
        return Ok(Exit::Done);
    }
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let mut table = show::table(&["what", "has", "may have"]);
    table.add_row([
        "tasks".to_owned(),
        number(backlog.tasks),
        backlog.most_tasks.to_string(),
    ]);
    table.add_row([
        "bytes".to_owned(),
        number(backlog.bytes),
        backlog.most_bytes.to_string(),
    ]);
    out::data(&table.to_string())?;
    Ok(Exit::Done)
}

/// Pauses, resumes or drains.
pub(crate) async fn steer(client: &Client, whom: &WhomArgs, action: &str, output: Output) -> Result<Exit, CliError> {
    let rule = client.steer(whom, action).await?;
    show_one(rule, output)
}

fn show_one(rule: RuleView, output: Output) -> Result<Exit, CliError> {
    match output {
        Output::Json => out::json(&rule)?,
        _ => print(&[rule], output)?,
    }
    Ok(Exit::Done)
}

fn print(rules: &[RuleView], output: Output) -> Result<(), CliError> {
    if output == Output::Id {
        let names: Vec<_> = rules.iter().map(whom).collect();
        return if names.is_empty() {
            Ok(())
        } else {
            out::data(&names.join("\n"))
        };
    }
    let mut table = show::table(&["whom", "flow", "at once", "rate"]);
    for rule in rules {
        let flow = serde_json::to_value(rule.flow).unwrap_or_default();
        let rate = rule
            .rate
            .as_ref()
            .map(|rate| format!("{} in {} ms", rate.count, rate.period_ms));
        table.add_row([
            whom(rule),
            flow.as_str().unwrap_or_default().to_owned(),
            rule.concurrency.map(|most| most.to_string()).unwrap_or_default(),
            rate.unwrap_or_default(),
        ]);
    }
    out::data(&table.to_string())
}

fn whom(rule: &RuleView) -> String {
    let tenant = || plain(rule.tenant.as_deref().unwrap_or_default());
    match (&rule.kind, &rule.fairness_key) {
        (Some(kind), _) => format!("kind {}", plain(kind)),
        (None, Some(key)) => format!("key {} of {}", plain(key), tenant()),
        (None, None) if rule.each_key => format!("each key of {}", tenant()),
        (None, None) => format!("tenant {}", tenant()),
    }
}
