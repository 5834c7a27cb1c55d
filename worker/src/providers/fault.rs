//! Why a call to a provider brought nothing, and what follows from it: whether it is called again, whether another
//! provider is asked, what the task's error says.

use std::time::Duration;

use zoetrope_queue::{ErrorClass, Failure};

/// Longest message of a provider that is passed on, characters.
const MAX_MESSAGE_CHARS: usize = 300;

/// Code of the fault of a provider that is left alone for a while.
const CIRCUIT_OPEN: &str = "provider_circuit_open";
/// Code of a call that our own limit of a provider sends away.
pub const LIMIT_REACHED: &str = "provider_limit_reached";
/// Code of a call for which this worker has no seat at a provider.
pub const NO_SEAT: &str = "provider_busy";
/// Code of a call that a tenant's spend cap forbids.
const SPEND_CAP: &str = "spend_cap_reached";
/// Code of a call that was not made because nobody knows what it may cost.
const REDIS_AWAY: &str = "redis_unavailable";
/// Code of a call whose price nobody knows, where somebody set a bound to what calls cost.
pub const UNPRICED: &str = "model_unpriced";

/// What follows from a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The provider named a pause.
    RetryAfter(Duration),
    /// It may pass: network faults, overload, answers that make no sense.
    Backoff,
    /// Too many calls of this account at once.
    WaitSlot,
    /// The account's quota or credit is used up: no call helps before somebody acts.
    Defer,
    /// The key is wrong or may not do this.
    Auth,
    /// The request is wrong.
    Input,
    /// The provider declines the content.
    Content,
    /// The answer ended at the cap on its length before anything was said.
    Truncated,
    /// Any other refusal.
    Refused,
}

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{provider}: {message}")]
pub struct Fault {
    /// Who failed.
    pub provider: &'static str,
    /// What follows.
    pub class: Class,
    /// Stable word for clients.
    pub code: &'static str,
    /// One sentence, without secrets.
    pub message: String,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
}

impl Fault {
    /// A fault of a class, with the class's usual code.
    pub fn new(provider: &'static str, class: Class, message: impl Into<String>) -> Self {
        let code = match class {
            Class::RetryAfter(_) | Class::WaitSlot => "provider_rate_limited",
            Class::Backoff => "provider_unavailable",
            Class::Defer => "provider_quota_exhausted",
            Class::Auth => "provider_unauthorized",
            Class::Input | Class::Refused => "provider_refused",
            Class::Content => "content_refused",
            Class::Truncated => "output_truncated",
        };
        let message: String = message.into();
        Self {
            provider,
            class,
            code,
            message: message.chars().take(MAX_MESSAGE_CHARS).collect(),
            status: None,
        }
    }

    /// No answer, or not all of it, within the time.
    pub fn timeout(provider: &'static str, message: impl Into<String>) -> Self {
        Self {
            code: "provider_timeout",
            ..Self::new(provider, Class::Backoff, message)
        }
    }

    /// A success that makes no sense.
    pub fn garbage(provider: &'static str, message: impl Into<String>) -> Self {
        Self {
            code: "provider_answer_invalid",
            ..Self::new(provider, Class::Backoff, message)
        }
    }

    /// An answer over a cap. The next one would be as long.
    pub fn too_large(provider: &'static str, limit: usize) -> Self {
        Self {
            code: "provider_answer_too_large",
            ..Self::new(
                provider,
                Class::Refused,
                format!("the answer has more than {limit} bytes"),
            )
        }
    }

    /// It was not asked: it has failed too often of late.
    pub fn circuit_open(provider: &'static str) -> Self {
        Self {
            code: CIRCUIT_OPEN,
            ..Self::new(
                provider,
                Class::Backoff,
                "it has failed too often of late and is left alone for a while",
            )
        }
    }

    /// It was not asked: as much as we may ask it is being asked already.
    pub fn limit_reached(provider: &'static str, pause: Duration) -> Self {
        let seconds = pause.as_secs_f64();
        Self {
            code: LIMIT_REACHED,
            ..Self::new(
                provider,
                Class::RetryAfter(pause),
                format!("as many calls a minute as are allowed are under way; there is room in {seconds:.0} s"),
            )
        }
    }

    /// It was not asked: as many calls as this worker may make at a time are waiting for it.
    pub fn no_seat(provider: &'static str, pause: Duration) -> Self {
        Self {
            code: NO_SEAT,
            ..Self::new(
                provider,
                Class::RetryAfter(pause),
                "as many calls of this worker as may be are waiting for it",
            )
        }
    }

    /// It was not asked: the tenant has spent what it may.
    pub fn spend_cap_reached(provider: &'static str, message: impl Into<String>) -> Self {
        Self {
            code: SPEND_CAP,
            ..Self::new(provider, Class::Refused, message)
        }
    }

    /// It was not asked: the tenant's calls under way may cost what it may still spend.
    pub fn spend_cap_near(provider: &'static str, message: impl Into<String>) -> Self {
        Self {
            code: SPEND_CAP,
            ..Self::new(provider, Class::WaitSlot, message)
        }
    }

    /// It was not asked: the tenant has a spend cap, and nobody knows what the model costs.
    pub fn model_unpriced(provider: &'static str, model: &str) -> Self {
        let remedy = "put its price into MODELS_FILE, 0 if it is free";
        Self {
            code: UNPRICED,
            ..Self::new(
                provider,
                Class::Refused,
                format!("the model {model} has no price that a spend cap could be kept by; {remedy}"),
            )
        }
    }

    /// It was not asked: Redis does not tell what the tenant may spend.
    pub fn redis_unavailable(provider: &'static str, message: impl Into<String>) -> Self {
        Self {
            code: REDIS_AWAY,
            ..Self::new(provider, Class::Backoff, message)
        }
    }

    /// Whether the reason is on our side, so that it says nothing of the provider.
    pub fn is_ours(&self) -> bool {
        matches!(self.code, SPEND_CAP | REDIS_AWAY)
    }

    /// Whether the same call may succeed soon.
    pub fn is_transient(&self) -> bool {
        !matches!(self.code, CIRCUIT_OPEN | LIMIT_REACHED | NO_SEAT)
            && matches!(self.class, Class::RetryAfter(_) | Class::Backoff | Class::WaitSlot)
    }

    /// Whether another provider may do better: not where the request itself, what it asks for or who pays is the reason.
    pub fn lets_others_try(&self) -> bool {
        let of_the_request = matches!(self.class, Class::Input | Class::Content | Class::Truncated);
        !of_the_request && !self.is_ours()
    }

    /// Whether it says that the provider as such is unwell, which is what a circuit breaker counts.
    pub fn is_outage(&self) -> bool {
        self.class == Class::Backoff
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let class = match fault.class {
            Class::RetryAfter(pause) => ErrorClass::RateLimited(Some(pause)),
            Class::WaitSlot => ErrorClass::RateLimited(None),
            Class::Backoff => ErrorClass::Retryable,
            Class::Defer | Class::Auth | Class::Input | Class::Content | Class::Truncated | Class::Refused => {
                ErrorClass::NonRetryable
            }
        };
        let said = if fault.is_ours() {
            fault.message.clone()
        } else {
            fault.to_string()
        };
        Self {
            class,
            provider: (!fault.is_ours()).then(|| fault.provider.to_owned()),
            ..Self::retryable(fault.code, said)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_becomes_the_failure_of_its_class_and_names_the_provider() {
        let pause = Duration::from_secs(31);
        let table = [
            (
                Class::RetryAfter(pause),
                ErrorClass::RateLimited(Some(pause)),
                "provider_rate_limited",
            ),
            (Class::WaitSlot, ErrorClass::RateLimited(None), "provider_rate_limited"),
            (Class::Backoff, ErrorClass::Retryable, "provider_unavailable"),
            (Class::Defer, ErrorClass::NonRetryable, "provider_quota_exhausted"),
            (Class::Auth, ErrorClass::NonRetryable, "provider_unauthorized"),
            (Class::Content, ErrorClass::NonRetryable, "content_refused"),
        ];
        for (class, expected, code) in table {
            let failure = Failure::from(Fault::new("openai", class, "no"));
            assert_eq!((failure.class, failure.code.as_str()), (expected, code));
            assert_eq!(failure.provider.as_deref(), Some("openai"));
        }
    }

    #[test]
    fn a_spend_cap_stops_the_task_for_good_blames_no_provider_and_lets_no_other_try() {
        let reached = Fault::spend_cap_reached("openai", "no");
        assert!(!reached.is_transient() && !reached.lets_others_try());
        let failure = Failure::from(reached);
        assert_eq!(
            (failure.class, failure.code.as_str(), failure.provider),
            (ErrorClass::NonRetryable, "spend_cap_reached", None)
        );
        for ours in [
            Fault::spend_cap_near("openai", "no"),
            Fault::redis_unavailable("openai", "no"),
        ] {
            assert!(ours.is_transient() && !ours.lets_others_try(), "{ours:?}");
        }
    }

    #[test]
    fn long_messages_of_strangers_are_cut() {
        let fault = Fault::new("openai", Class::Input, "é".repeat(5_000));
        assert_eq!(fault.message.chars().count(), MAX_MESSAGE_CHARS);
    }
}
