//! The gate that every route passes: tells who calls, and whether that is enough.
//!
//! `AUTH=none` lets everybody in. On a loopback address everybody is let in while no key exists; elsewhere nobody is.
//! Once a key exists, also a revoked one, it stays closed. While Redis is away nobody is let in whose key cannot be
//! looked up; an api that knew no key goes on without.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use url::form_urlencoded;
use zoetrope_shared::config::{AuthMode, Settings};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::{KeyState, ProblemCode, Scope};

use super::access::{self, Access};
use super::bucket::{Bucket, Rate, Took};
use super::credential::{Credential, Shown, shown_in};
use super::identity::Identity;
use super::store::{Ring, Store};
use super::tickets;
use crate::app::App;
use crate::cached::Cached;
use crate::http::problem::Refusal;
use crate::limits::{API_KEY_CACHE, API_KEY_TIMEOUT, WRONG_KEYS_PER_SECOND};
use crate::link::Plain;
use crate::recordings::grant;

/// Who calls, with what is left of the key's rate.
type Known = (Identity, Option<(Rate, Took)>);

/// What the gate goes by.
pub(crate) struct Gate {
    mode: AuthMode,
    pub(crate) loopback: bool,
    pub(crate) store: Store,
    ring: Cached<Result<Arc<Ring>, Refusal>>,
    /// The keys as last read, however long ago.
    last: Mutex<Option<Arc<Ring>>>,
    /// By key id; holds no others than the keys that exist.
    buckets: Mutex<HashMap<String, Bucket>>,
    wrong: Mutex<Bucket>,
}

impl Gate {
    /// As the settings say, with keys in this Redis.
    pub(crate) fn new(settings: &Settings, redis: Plain) -> Self {
        Self {
            mode: settings.auth,
            loopback: settings.host.is_loopback(),
            store: Store::new(redis),
            ring: Cached::new(API_KEY_CACHE),
            last: Mutex::default(),
            buckets: Mutex::default(),
            wrong: Mutex::new(Bucket::full(Rate::of(WRONG_KEYS_PER_SECOND), Instant::now())),
        }
    }

    /// The keys, at most `API_KEY_CACHE` old.
    pub(crate) async fn ring(&self) -> Result<Arc<Ring>, Refusal> {
        self.ring.get(self.read()).await
    }

    /// Reads the keys again for the next caller.
    pub(crate) async fn refresh(&self) {
        self.ring.forget().await;
    }

    /// Makes a change of the keys felt here at once; other processes feel it after `API_KEY_CACHE`. What was known is
    /// gone: without Redis an api that has just made its first key must not go on as one without keys.
    pub(crate) async fn changed(&self) {
        *self.last.lock().expect("no holder should panic") = None;
        self.ring.forget().await;
    }

    async fn read(&self) -> Result<Arc<Ring>, Refusal> {
        let last = self.last.lock().expect("no holder should panic").clone();
        // Bounded as a whole, reconnecting included: this and the cache are less than the 5 s of a revocation.
        let newer = tokio::time::timeout(API_KEY_TIMEOUT, self.store.newer(last.as_deref())).await;
        let newer = newer.unwrap_or_else(|_| Err(Refusal::redis_unavailable()));
        match (newer, last) {
            (Ok(Some(ring)), _) => {
                let ring = Arc::new(ring);
                let mut buckets = self.buckets.lock().expect("no holder should panic");
                buckets.retain(|id, _| ring.keys.contains_key(id));
                *self.last.lock().expect("no holder should panic") = Some(ring.clone());
                Ok(ring)
            }
            (Ok(None), Some(last)) => Ok(last),
            (Ok(None), None) => Err(Refusal::redis_unavailable()),
            // Without Redis nobody can make the first key.
            (Err(_), Some(last)) if last.keys.is_empty() => Ok(last),
            (Err(refusal), _) => Err(refusal),
        }
    }

    /// Whether a caller that was let in would be let in again: its key has neither expired nor been revoked.
    pub(crate) async fn is_live(&self, identity: &Identity, now_ms: u64) -> Result<bool, Refusal> {
        if self.mode == AuthMode::None {
            return Ok(true);
        }
        let ring = self.ring().await?;
        Ok(match &identity.key {
            None => self.is_open(&ring),
            Some(id) => ring
                .keys
                .get(id)
                .is_some_and(|record| record.state(now_ms) == KeyState::Active),
        })
    }

    fn is_open(&self, ring: &Ring) -> bool {
        self.loopback && ring.keys.is_empty()
    }

    /// Who shows these headers.
    async fn identify(&self, app: &App, headers: &HeaderMap, ticket: Option<String>) -> Result<Known, Refusal> {
        let open = || {
            let tenant = app.tenants.of(headers);
            let tenant = tenant.ok_or_else(|| Refusal::forbidden("no tenant belongs to this request"))?;
            Ok((Identity::open(tenant), None))
        };
        if self.mode == AuthMode::None {
            return open();
        }
        let ring = self.ring().await?;
        if self.is_open(&ring) {
            return open();
        }
        match (shown_in(headers), ticket) {
            (Shown::Key(_) | Shown::Wrong(_), Some(_)) => Err(refused("more than one credential: a key and a ticket")),
            (Shown::Nothing, None) => Err(refused(
                "this route takes an API key: send Authorization: Bearer zt_...",
            )),
            (Shown::Wrong(why), None) => Err(self.count_wrong(refused(why))),
            (Shown::Key(credential), None) => self.judge(&ring, &credential, app.clock.now_ms()),
            (Shown::Nothing, Some(ticket)) => match tickets::redeem(app, &ticket).await? {
                Some(identity) => Ok((identity, None)),
                None => Err(self.count_wrong(refused("the ticket is unknown, used or too old"))),
            },
        }
    }

    fn judge(&self, ring: &Ring, credential: &Credential, now_ms: u64) -> Result<Known, Refusal> {
        let record = ring.keys.get(&credential.id);
        // An unknown id is compared too, so that time does not tell which ids exist.
        let fits = credential.fits(record.map_or("", |record| record.hash.as_str()));
        let Some(record) = record.filter(|_| fits) else {
            return Err(self.count_wrong(refused("this API key is not valid")));
        };
        match record.state(now_ms) {
            KeyState::Active => {}
            KeyState::Expired => return Err(refused("this API key has expired")),
            KeyState::Revoked => return Err(refused("this API key was revoked")),
        }
        let tenant = Tenant::parse(&record.tenant)
            .map_err(|error| Refusal::internal("read the tenant of an API key", &error))?;
        let identity = Identity {
            tenant,
            scopes: record.scopes.clone(),
            key: Some(record.id.clone()),
        };
        let (rate, now) = (Rate::of(record.requests_per_second), Instant::now());
        let mut buckets = self.buckets.lock().expect("no holder should panic");
        let bucket = buckets
            .entry(record.id.clone())
            .or_insert_with(|| Bucket::full(rate, now));
        Ok((identity, Some((rate, bucket.take(rate, now)))))
    }

    /// Guessing is hopeless; this keeps it cheap too.
    fn count_wrong(&self, refusal: Refusal) -> Refusal {
        let mut wrong = self.wrong.lock().expect("no holder should panic");
        let took = wrong.take(Rate::of(WRONG_KEYS_PER_SECOND), Instant::now());
        if took.granted {
            refusal
        } else {
            too_many("too many wrong API keys", took.next_in)
        }
    }
}

/// Lets a request in, or answers why not.
pub(crate) async fn admit(State(app): State<App>, route: MatchedPath, mut request: Request, next: Next) -> Response {
    let access = access::of(request.method(), route.as_str());
    if matches!(access, Access::Media(_))
        && let Some(shown) = grant::shown(&app, request.uri())
    {
        return match shown {
            Ok((identity, allowed)) => {
                request.extensions_mut().insert(identity);
                request.extensions_mut().insert(allowed);
                next.run(request).await
            }
            Err(refusal) => challenge(refusal),
        };
    }
    let (scopes, takes_ticket) = match access {
        Access::Public => return next.run(request).await,
        Access::Local(_) if app.gate.loopback => return next.run(request).await,
        Access::AnyOf(scopes) | Access::Local(scopes) | Access::Media(scopes) => (scopes, false),
        Access::Socket(scopes) => (scopes, true),
    };
    let ticket = request.uri().query().filter(|_| takes_ticket).and_then(ticket_in);
    let (identity, rate) = match app.gate.identify(&app, request.headers(), ticket).await {
        Ok(known) => known,
        Err(refusal) => return challenge(refusal),
    };
    let mut response = if rate.is_some_and(|(_, took)| !took.granted) {
        let pause = rate.map(|(_, took)| took.next_in).unwrap_or_default();
        too_many("too many requests with this API key", pause).into_response()
    } else if scopes.iter().any(|scope| identity.may(*scope)) {
        request.extensions_mut().insert(identity);
        next.run(request).await
    } else {
        lacks(scopes)
    };
    if let Some((rate, took)) = rate {
        tell_rate(&mut response, rate, took);
    }
    response
}

/// The ticket of a WebSocket's address.
fn ticket_in(query: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "ticket")
        .map(|(_, ticket)| ticket.into_owned())
}

fn refused(why: &str) -> Refusal {
    Refusal::new(ProblemCode::Unauthenticated, why)
}

fn too_many(why: &str, pause: Duration) -> Refusal {
    Refusal {
        // Whole seconds, and never too early.
        retry_after: Some(Duration::from_secs(pause.as_secs() + 1)),
        ..Refusal::new(
            ProblemCode::RateLimited,
            format!("{why}: send fewer, and again after the pause"),
        )
    }
}

/// A refusal with the header that says how to authenticate, where that is what is missing.
fn challenge(refusal: Refusal) -> Response {
    let unauthenticated = refusal.problem.code == ProblemCode::Unauthenticated;
    let mut response = refusal.into_response();
    if unauthenticated {
        let how = HeaderValue::from_static("Bearer realm=\"zoetrope\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, how);
    }
    response
}

fn lacks(scopes: &[Scope]) -> Response {
    let words: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
    let mut response =
        Refusal::forbidden(format!("this takes a key with the scope {}", words.join(" or "))).into_response();
    let how = format!(
        "Bearer realm=\"zoetrope\", error=\"insufficient_scope\", scope=\"{}\"",
        words.join(" ")
    );
    if let Ok(how) = HeaderValue::try_from(how) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, how);
    }
    response
}

/// `RateLimit` and `RateLimit-Policy` of the IETF's draft.
fn tell_rate(response: &mut Response, rate: Rate, took: Took) {
    let window = rate.burst.div_ceil(rate.per_second);
    let policy = format!("\"key\";q={};w={window}", rate.burst);
    let left = format!("\"key\";r={};t={}", took.left, took.next_in.as_secs_f64().ceil());
    for (name, value) in [("ratelimit-policy", policy), ("ratelimit", left)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
}
