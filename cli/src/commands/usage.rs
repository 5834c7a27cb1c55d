//! `zoetrope usage` and `zoetrope spend`: what calls to providers used and cost, and what they may cost.

use serde_json::json;
use zoetrope_shared::wire::{SpendView, UsageFigures, UsageItem, UsageView};

use crate::args::{Output, SpendArgs, UsageArgs};
use crate::client::Client;
use crate::exit::{CliError, Exit};
use crate::plain::plain;
use crate::{out, show};

const MS_A_MINUTE: f64 = 60_000.0;

/// Shows what was used.
pub(crate) async fn usage(client: &Client, args: &UsageArgs, output: Output) -> Result<Exit, CliError> {
    let usage = client.usage(args).await?;
    if output == Output::Json {
        out::json(&usage)?;
        return Ok(Exit::Done);
    }
    out::data(&table(&usage))?;
    out::note(&format!(
        "{} to {}, days of UTC: {} calls, {}",
        plain(&usage.from),
        plain(&usage.to),
        usage.total.calls,
        cost(&usage.total)
    ));
    Ok(Exit::Done)
}

/// Shows or caps what a tenant's calls cost.
pub(crate) async fn spend(client: &Client, args: &SpendArgs, output: Output) -> Result<Exit, CliError> {
    let spend = if args.usual || args.cap.is_some() {
        let period = args.cap.map(|_| args.per.as_str());
        let cap = json!({"cap_usd": args.cap, "period": period});
        client.cap_spend(&args.tenant, &cap).await?
    } else {
        client.spend(&args.tenant).await?
    };
    match output {
        Output::Json => out::json(&spend)?,
        _ => out::data(&standing(&spend))?,
    }
    Ok(Exit::Done)
}

/// A column of figures: its name, and whether it is shown where all of it is nothing.
const COLUMNS: [(&str, bool); 9] = [
    ("calls", true),
    ("failed", false),
    ("cached", false),
    ("tokens in", false),
    ("tokens out", false),
    ("characters", false),
    ("minutes", false),
    ("images", false),
    ("cost", true),
];

fn table(usage: &UsageView) -> String {
    let nothing = figures(&UsageFigures::default());
    let total = figures(&usage.total);
    let shown: Vec<usize> = (0..COLUMNS.len())
        .filter(|column| COLUMNS[*column].1 || total[*column] != nothing[*column])
        .collect();
    let mut header: Vec<&str> = usage.group.iter().map(String::as_str).collect();
    header.extend(shown.iter().map(|column| COLUMNS[*column].0));
    let mut table = show::table(&header);
    for item in &usage.items {
        let names = usage.group.iter().map(|name| plain(name_of(item, name)));
        let figures = figures(&item.figures);
        let told = shown.iter().map(|column| figures[*column].clone());
        table.add_row(names.chain(told).collect::<Vec<_>>());
    }
    table.to_string()
}

fn name_of<'a>(item: &'a UsageItem, dimension: &str) -> &'a str {
    let name = match dimension {
        "day" => &item.day,
        "tenant" => &item.tenant,
        "provider" => &item.provider,
        "capability" => &item.capability,
        _ => &item.model,
    };
    name.as_deref().unwrap_or_default()
}

fn figures(of: &UsageFigures) -> [String; 9] {
    [
        of.calls.to_string(),
        of.failed_calls.to_string(),
        of.cached_answers.to_string(),
        of.input_tokens.to_string(),
        of.output_tokens.to_string(),
        of.characters.to_string(),
        format!("{:.1}", of.audio_ms as f64 / MS_A_MINUTE),
        of.images.to_string(),
        cost(of),
    ]
}

/// In US dollars; says if calls without a price are not in it.
fn cost(of: &UsageFigures) -> String {
    match of.unpriced_calls {
        0 => dollars(of.cost_usd),
        calls => format!("{} and {calls} calls without a price", dollars(of.cost_usd)),
    }
}

fn dollars(usd: f64) -> String {
    format!("${usd:.4}")
}

fn standing(spend: &SpendView) -> String {
    let mut table = show::table(&["what", "this period"]);
    let period = plain(&spend.period);
    let cap = spend
        .cap_usd
        .map_or_else(|| "none".to_owned(), |cap| format!("{} a {period}", dollars(cap)));
    table.add_row(["tenant".to_owned(), plain(&spend.tenant)]);
    table.add_row(["spent".to_owned(), dollars(spend.spent_usd)]);
    table.add_row(["held for calls under way".to_owned(), dollars(spend.held_usd)]);
    table.add_row(["cap".to_owned(), cap]);
    table.add_row(["begins anew".to_owned(), plain(&spend.renews_at)]);
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_column_for_each_name_of_the_group_and_says_what_its_cost_lacks() {
        let figures = UsageFigures {
            calls: 3,
            cost_usd: 0.0125,
            unpriced_calls: 1,
            ..UsageFigures::default()
        };
        let usage = UsageView {
            from: "2026-11-01".to_owned(),
            to: "2026-11-30".to_owned(),
            group: vec!["tenant".to_owned(), "model".to_owned()],
            items: vec![UsageItem {
                day: None,
                tenant: Some("alice".to_owned()),
                provider: None,
                capability: None,
                model: Some("gpt\u{1b}[31m".to_owned()),
                figures,
            }],
            total: figures,
        };
        let table = table(&usage);
        assert!(
            table.contains("alice") && table.contains("$0.0125 and 1 calls"),
            "{table}"
        );
        assert!(table.contains("calls") && !table.contains("images"), "{table}");
        assert!(
            table.contains("tenant") && !table.contains("provider") && !table.contains('\u{1b}'),
            "{table}"
        );
    }
}
