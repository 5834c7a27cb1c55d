//! What a request for a new key says.

use std::time::Duration;

use serde_json::{Map, Value};
use utoipa::ToSchema;
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::Scope;

use super::identity::Identity;
use crate::http::duration::{self, Span};
use crate::http::problem::{Mistake, Mistakes, Refusal};
use crate::limits::{DEFAULT_REQUESTS_PER_SECOND, MAX_KEY_LIFE, MAX_KEY_NAME_CHARS, MAX_REQUESTS_PER_SECOND};

/// A key to make.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the document's description of what `read` reads")]
pub(crate) struct KeyRequest {
    /// Name for people, at most 100 characters.
    #[schema(max_length = 100)]
    name: Option<String>,
    /// Whose tasks it opens; default: the caller's own. Only admins of the tenant `default` may name another.
    tenant: Option<String>,
    /// What it allows; default `tasks:read` and `tasks:write`.
    #[schema(min_items = 1)]
    scopes: Option<Vec<Scope>>,
    /// When it stops to work: seconds, or text such as `30s`, `5m` or `12h`; default never.
    expires_in: Option<Span>,
    /// Requests a second, twice as many at once; default 100.
    #[schema(minimum = 1, maximum = 10_000)]
    requests_per_second: Option<u32>,
}

/// The same, read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) tenant: Tenant,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) expires_in: Option<Duration>,
    pub(crate) requests_per_second: u32,
}

/// Reads it, and judges whether this caller may ask for it.
pub(crate) fn read(body: Value, caller: &Identity) -> Result<Wanted, Refusal> {
    let Value::Object(mut fields) = body else {
        return Err(Refusal::invalid("", "send a JSON object"));
    };
    let mut mistakes = Mistakes::at("");
    let mut take = |name: &str| fields.remove(name).filter(|value| !value.is_null());
    let (name, tenant, scopes) = (take("name"), take("tenant"), take("scopes"));
    let (expires_in, rate) = (take("expires_in"), take("requests_per_second"));
    let name = field(&mut mistakes, "/name", name, as_name).unwrap_or_default();
    let tenant = field(&mut mistakes, "/tenant", tenant, as_tenant).unwrap_or_else(|| caller.tenant.clone());
    let scopes = field(&mut mistakes, "/scopes", scopes, as_scopes);
    let expires_in = field(&mut mistakes, "/expires_in", expires_in, as_life);
    let rate = field(&mut mistakes, "/requests_per_second", rate, as_rate);
    refuse_others(&mut mistakes, &fields);
    mistakes.into_result()?;
    if tenant != caller.tenant && !caller.is_operator() {
        return Err(Refusal::forbidden("this key may make keys of its own tenant only"));
    }
    Ok(Wanted {
        name,
        tenant,
        scopes: scopes.unwrap_or_else(|| vec![Scope::TasksRead, Scope::TasksWrite]),
        expires_in,
        requests_per_second: rate.unwrap_or(DEFAULT_REQUESTS_PER_SECOND),
    })
}

fn field<T>(
    mistakes: &mut Mistakes,
    pointer: &str,
    value: Option<Value>,
    read: impl FnOnce(&Value) -> Result<T, String>,
) -> Option<T> {
    match read(&value?) {
        Ok(value) => Some(value),
        Err(detail) => {
            mistakes.push(Mistake::invalid(pointer, detail));
            None
        }
    }
}

fn refuse_others(mistakes: &mut Mistakes, fields: &Map<String, Value>) {
    for name in fields.keys() {
        mistakes.unknown(
            name,
            "a key has the fields name, tenant, scopes, expires_in, requests_per_second",
        );
    }
}

fn as_name(value: &Value) -> Result<String, String> {
    let fits = |name: &&str| name.chars().count() <= MAX_KEY_NAME_CHARS && !name.chars().any(char::is_control);
    let name = value.as_str().filter(fits).map(ToOwned::to_owned);
    name.ok_or_else(|| format!("write text of at most {MAX_KEY_NAME_CHARS} printable characters"))
}

fn as_tenant(value: &Value) -> Result<Tenant, String> {
    Tenant::parse(value.as_str().unwrap_or_default()).map_err(|error| error.to_string())
}

fn as_scopes(value: &Value) -> Result<Vec<Scope>, String> {
    let words = || {
        let words = Scope::ALL.map(Scope::as_str).join(", ");
        format!("write a list of some of: {words}")
    };
    let items = value.as_array().filter(|items| !items.is_empty()).ok_or_else(words)?;
    let mut scopes = Vec::new();
    for item in items {
        let scope = item.as_str().and_then(Scope::parse).ok_or_else(words)?;
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    Ok(scopes)
}

fn as_life(value: &Value) -> Result<Duration, String> {
    let life = duration::from_json(value)?;
    if (Duration::from_secs(1)..=MAX_KEY_LIFE).contains(&life) {
        Ok(life)
    } else {
        Err("it is from 1 s to ten years".to_owned())
    }
}

fn as_rate(value: &Value) -> Result<u32, String> {
    let rate = value.as_u64().and_then(|rate| u32::try_from(rate).ok());
    rate.filter(|rate| (1..=MAX_REQUESTS_PER_SECOND).contains(rate))
        .ok_or_else(|| format!("write an integer from 1 to {MAX_REQUESTS_PER_SECOND}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(tenant: &str) -> Identity {
        Identity::open(Tenant::parse(tenant).expect("a tenant"))
    }

    #[test]
    fn an_empty_request_is_a_key_for_ones_own_tasks() {
        let wanted = read(json!({}), &of("alice")).expect("a good request");
        assert_eq!((wanted.tenant.as_str(), wanted.expires_in), ("alice", None));
        assert_eq!(wanted.scopes, [Scope::TasksRead, Scope::TasksWrite]);
        assert_eq!(wanted.requests_per_second, 100);
    }

    #[test]
    fn only_an_operator_makes_keys_of_other_tenants() {
        let body = json!({"tenant": "bob", "scopes": ["streams:*"], "expires_in": "24h", "requests_per_second": 5});
        let wanted = read(body.clone(), &of("default")).expect("a good request");
        assert_eq!((wanted.tenant.as_str(), wanted.requests_per_second), ("bob", 5));
        assert!(read(body, &of("alice")).is_err());
    }

    #[test]
    fn each_wrong_field_is_named() {
        let body = json!({"name": "a\nb", "tenant": "../x", "scopes": ["tasks:*"], "expires_in": 0,
            "requests_per_second": 0, "secret": "mine"});
        let refusal = read(body, &of("default")).expect_err("a bad request");
        let pointers: Vec<_> = refusal
            .problem
            .errors
            .iter()
            .map(|error| error.pointer.as_str())
            .collect();
        assert_eq!(
            pointers,
            [
                "/name",
                "/tenant",
                "/scopes",
                "/expires_in",
                "/requests_per_second",
                "/secret"
            ]
        );
    }
}
