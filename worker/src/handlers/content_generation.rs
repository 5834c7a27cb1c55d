//! `content_generation`: texts by a provider's model, or by the templates alone. How texts are written belongs to
//! `writing`, how providers are called to `providers`.

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;
use zoetrope_queue::{Attempt, Failure, State, TaskId};
use zoetrope_shared::markup;
use zoetrope_shared::offload;
use zoetrope_shared::tasks::content_generation::{
    ContentFormat, ContentGenerationInput, ContentGenerationOutput, GuideStep, KIND,
};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::usage::{FellBack, Usage};

use super::{describing, telling};
use crate::media_source;
use crate::providers::calls::Unanswered;
use crate::providers::capability::{Ask, Engine, Finish, Picture};
use crate::providers::catalogue::Capability;
use crate::providers::configured::{Chain, Wanted};
use crate::services::Services;
use crate::writing::local::{self, LocalText};
use crate::writing::material::Material;
use crate::writing::prompt;
use crate::writing::rounds::{self, AskOne, ByModel};
use crate::writing::structured::{self, Form};

/// Most steps that are taken from a task.
const MAX_STEPS: usize = 500;

/// Writes the text.
pub async fn run(services: Services, attempt: Attempt) -> Result<Box<RawValue>, Failure> {
    let started = Instant::now();
    let input: ContentGenerationInput = super::parse(&attempt.input)?;
    let tenant = super::tenant_of(&attempt)?;
    let steps = match (&input.steps, &input.steps_task) {
        (Some(steps), _) => steps.clone(),
        (None, Some(id)) => steps_of_task(&services, &tenant, id).await?,
        (None, None) => Vec::new(),
    };
    let material = Material::of(&input, &steps);
    let work = Work {
        services: &services,
        attempt: &attempt,
        tenant: &tenant,
        input: &input,
        material: &material,
    };
    let mut output = work.write().await?;
    output.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    super::result(&output)
}

struct Work<'a> {
    services: &'a Services,
    attempt: &'a Attempt,
    tenant: &'a Tenant,
    input: &'a ContentGenerationInput,
    material: &'a Material,
}

impl Work<'_> {
    async fn write(&self) -> Result<ContentGenerationOutput, Failure> {
        let providers = &self.services.providers;
        let wanted = Wanted {
            provider: &self.input.provider,
            model: self.input.model.as_deref(),
            fallback: &self.input.fallback,
            local: local::can_write(self.input).then_some(local::PROVIDER),
        };
        let (ends_local, answered) = match &self.input.media {
            Some(_) => {
                let chain = providers.chain(Capability::Vision, &providers.vision, wanted)?;
                (
                    chain.ends_local,
                    self.by_model(Capability::Vision, &chain, rounds::look).await?,
                )
            }
            None => {
                let chain = providers.chain(Capability::Text, &providers.text, wanted)?;
                (
                    chain.ends_local,
                    self.by_model(Capability::Text, &chain, rounds::write).await?,
                )
            }
        };
        match answered {
            Ok(by_model) => Ok(self.output_of(by_model)),
            Err(unanswered) => self.local(unanswered.or_local(ends_local)?),
        }
    }

    fn local(&self, fell_back: Vec<FellBack>) -> Result<ContentGenerationOutput, Failure> {
        let LocalText {
            content,
            structured,
            model,
            notes,
        } = local::write(&self.services.templates, self.input, self.material)?;
        Ok(ContentGenerationOutput {
            title: self.material.title.clone(),
            content,
            format: self.input.format,
            structured,
            finish_reason: Finish::Stop.as_str().to_owned(),
            notes,
            provider: local::PROVIDER.to_owned(),
            model,
            fell_back,
            usage: Usage::default(),
            duration_ms: 0,
        })
    }

    /// Asks the chain; pieces are told as output while they come.
    async fn by_model<T: Engine + ?Sized>(
        &self,
        capability: Capability,
        chain: &Chain<T>,
        call: AskOne<T>,
    ) -> Result<Result<ByModel, Unanswered>, Failure> {
        if chain.candidates.is_empty() {
            return Ok(Err(Unanswered::default()));
        }
        let form = self.form()?;
        let schema = form.as_ref().map(Form::schema);
        let asked = prompt::ask(&self.services.templates, self.input.template, self.material, schema)?;
        let asked = Ask {
            temperature: self.input.temperature,
            max_output_tokens: self.input.max_output_tokens,
            pictures: self.pictures().await?,
            cache: self.input.cache,
            ..asked
        };
        self.attempt.progress(0, "writing");
        let (pieces, told) = telling::pieces();
        let rounds = async {
            let pieces = pieces;
            let caller = &self.services.providers.caller;
            rounds::answer(caller, capability, chain, asked, form.as_ref(), &pieces, call).await
        };
        let (answered, told) = tokio::join!(rounds, telling::tell(self.services, self.attempt, told));
        told?;
        answered
    }

    fn form(&self) -> Result<Option<Form>, Failure> {
        match (&self.input.schema, self.input.format) {
            (Some(schema), _) => Form::new(schema).map(Some),
            (None, ContentFormat::Json) => Form::new(&structured::usual_schema()).map(Some),
            (None, ContentFormat::Markdown | ContentFormat::Html) => Ok(None),
        }
    }

    /// The picture as a child decoded and made it again: smaller, and without what its file says besides.
    async fn pictures(&self) -> Result<Vec<Picture>, Failure> {
        let (Some(media), Some(field)) = (&self.input.media, &KIND.media) else {
            return Ok(Vec::new());
        };
        let bytes = media_source::read(self.services, self.tenant, media, field).await?;
        Ok(vec![describing::picture(self.services, bytes).await?])
    }

    fn output_of(&self, by_model: ByModel) -> ContentGenerationOutput {
        let ByModel {
            written,
            structured,
            provider,
            fell_back,
        } = by_model;
        let title = match &structured {
            Some(value) => value["title"].as_str().map(str::to_owned),
            None => markup::title_of(&written.text),
        };
        let (format, content) = match (&structured, self.input.format) {
            (Some(value), _) => (ContentFormat::Json, value.to_string()),
            (None, ContentFormat::Html) => (ContentFormat::Html, markup::to_html(&written.text)),
            (None, format) => (format, written.text),
        };
        ContentGenerationOutput {
            title: title.unwrap_or_else(|| self.material.title.clone()),
            content,
            format,
            structured,
            finish_reason: written.finish.as_str().to_owned(),
            notes: Vec::new(),
            provider: provider.to_owned(),
            model: written.model,
            fell_back,
            usage: written.usage,
            duration_ms: 0,
        }
    }
}

/// The steps that a `step_detection` task of the same tenant has found.
async fn steps_of_task(services: &Services, tenant: &Tenant, id: &str) -> Result<Vec<GuideStep>, Failure> {
    /// What is read of another kind's result: it may say more.
    #[derive(Deserialize)]
    struct Found {
        steps: Vec<GuideStep>,
    }
    let invalid = |message: &str| Failure::non_retryable("input_invalid", format!("`steps_task`: {message}"));
    let unavailable = |message: String| Failure::retryable("redis_unavailable", message);
    let id: TaskId = id.parse().map_err(|_| invalid("this is no id of a task"))?;
    let queue = services
        .queue
        .get()
        .ok_or_else(|| unavailable("the queue is not connected".to_owned()))?;
    let task = queue
        .get(tenant.as_str(), id)
        .await
        .map_err(|error| unavailable(error.to_string()))?;
    let task = task.ok_or_else(|| invalid("there is no such task"))?;
    let result = match (task.state, task.result) {
        (State::Succeeded, Some(result)) => result,
        (state, _) if state.is_terminal() => return Err(invalid("this task has no result")),
        _ => {
            return Err(Failure::retryable(
                "steps_not_ready",
                "the task of `steps_task` has not ended yet",
            ));
        }
    };
    let result = offload::load(&services.artifacts, tenant, result).await;
    let result = result.map_err(|error| Failure::retryable("artifacts_unavailable", error.to_string()))?;
    let found: Found =
        serde_json::from_str(result.get()).map_err(|_| invalid("the result of this task holds no steps"))?;
    if found.steps.is_empty() || found.steps.len() > MAX_STEPS {
        return Err(invalid(&format!(
            "the task found {} steps; 1 to {MAX_STEPS} are taken",
            found.steps.len()
        )));
    }
    Ok(found.steps)
}
