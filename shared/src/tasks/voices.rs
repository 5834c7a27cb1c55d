//! `voices`: lists what can speak. The route `/api/v1/voices` asks it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{FieldError, Kind, Policy, Slot};
use crate::schema::{self, InputSchema};

/// The row of the table.
pub const KIND: Kind = Kind {
    name: "voices",
    summary: "Lists the voices of every engine that a worker has, and says which engine has failed",
    slot: Slot::Io,
    cost: 1,
    policy: Policy::DEFAULT,
    media: None,
    check,
    prepare: None,
    input_schema: || INPUT.json().clone(),
    output_schema: schema::of::<VoicesOutput>,
    example: || json!({"language": "en"}),
};

/// What `voices` takes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoicesInput {
    /// Only voices whose language begins with this, such as `en`; those of no told language are left out then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 35)]
    pub language: Option<String>,
}

/// What `voices` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VoicesOutput {
    /// Voices of every engine, engine by engine, in the order in which `auto` asks them.
    pub voices: Vec<ListedVoice>,
    /// Engines that did not answer.
    pub unavailable: Vec<FailedEngine>,
}

/// A voice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListedVoice {
    /// Whose it is.
    pub provider: String,
    /// How it is asked for.
    pub voice: String,
    /// What it is called.
    pub name: String,
    /// Its language, where the engine says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub language: Option<String>,
}

/// An engine that did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailedEngine {
    /// Who it is.
    pub provider: String,
    /// Code of its failure, such as `provider_unavailable`.
    pub code: String,
    /// One sentence.
    pub message: String,
}

static INPUT: InputSchema = InputSchema::new(schema::of::<VoicesInput>, None);

fn check(input: &Value) -> Result<(), Vec<FieldError>> {
    INPUT.check::<VoicesInput>(input).map(|_| ())
}
