//! `zoetrope providers`: which providers workers have, and how they are.

use zoetrope_shared::wire::{CircuitCounts, ModelView, ProviderLimitView, ProviderView};

use crate::args::Output;
use crate::client::Client;
use crate::exit::{CliError, Exit};
use crate::plain::plain;
use crate::{out, show};

/// Lists them.
pub(crate) async fn providers(client: &Client, output: Output) -> Result<Exit, CliError> {
    let page = client.providers().await?;
    match output {
        Output::Json => out::json(&page)?,
        Output::Id => {
            let mut names: Vec<_> = page.items.iter().map(|item| plain(&item.provider)).collect();
            names.dedup();
            if !names.is_empty() {
                out::data(&names.join("\n"))?;
            }
        }
        Output::Table => {
            out::data(&table(&page.items))?;
            if page.items.is_empty() {
                out::note("no live worker has a provider: everything is done by engines of its own machine");
            }
        }
    }
    Ok(Exit::Done)
}

fn table(items: &[ProviderView]) -> String {
    let mut table = show::table(&["provider", "for", "workers", "circuits", "limits", "models"]);
    for item in items {
        table.add_row([
            plain(&item.provider),
            plain(&item.capability),
            item.workers.to_string(),
            circuits(item.circuits),
            item.limits.map(limits).unwrap_or_default(),
            item.models.iter().map(model).collect::<Vec<_>>().join(", "),
        ]);
    }
    table.to_string()
}

fn circuits(counts: CircuitCounts) -> String {
    let states = [
        (counts.closed, "closed"),
        (counts.half_open, "trying"),
        (counts.open, "open"),
    ];
    let said = states.into_iter().filter(|(count, _)| *count > 0);
    said.map(|(count, state)| format!("{count} {state}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn limits(limits: ProviderLimitView) -> String {
    let said = [
        (limits.requests_a_minute, "requests"),
        (limits.tokens_a_minute, "tokens"),
    ];
    let said = said
        .into_iter()
        .filter_map(|(number, unit)| Some(format!("{} {unit}/min", number?)));
    said.collect::<Vec<_>>().join(", ")
}

fn model(model: &ModelView) -> String {
    match &model.tier {
        Some(tier) => format!("{} ({})", plain(&model.name), plain(tier)),
        None => plain(&model.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_how_many_circuits_stand_how_and_what_the_limit_is() {
        let item = ProviderView {
            provider: "openai".to_owned(),
            capability: "text".to_owned(),
            workers: 3,
            circuits: CircuitCounts {
                closed: 2,
                half_open: 0,
                open: 1,
            },
            limits: Some(ProviderLimitView {
                requests_a_minute: Some(60),
                tokens_a_minute: None,
            }),
            models: Vec::new(),
        };
        let table = table(&[item]);
        assert!(
            table.contains("2 closed, 1 open") && table.contains("60 requests/min"),
            "{table}"
        );
    }
}
