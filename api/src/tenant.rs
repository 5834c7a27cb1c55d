//! Whose request it is. Handlers that touch tasks or artifacts take a [`Caller`], so none can forget the tenant.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use zoetrope_shared::tenant::Tenant;

use crate::app::App;
use crate::auth::Identity;
use crate::http::problem::Refusal;

/// Tells the tenant of a request where no key is asked for. With keys, the key says it.
#[derive(Clone)]
pub struct Tenants(Arc<Tell>);

type Tell = dyn Fn(&HeaderMap) -> Option<Tenant> + Send + Sync;

impl Tenants {
    /// Everybody is the tenant `default`.
    pub fn everybody_is_default() -> Self {
        Self::told_by(|_| Some(Tenant::default_tenant()))
    }

    /// `tell` knows: `None` refuses the request. Tests use it to be two tenants.
    pub fn told_by(tell: impl Fn(&HeaderMap) -> Option<Tenant> + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// The tenant of a request with these headers.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Option<Tenant> {
        (self.0)(headers)
    }
}

impl std::fmt::Debug for Tenants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tenants")
    }
}

/// The tenant of the request at hand, as the gate has told it.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Tenant);

impl FromRequestParts<App> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        Identity::from_request_parts(parts, app)
            .await
            .map(|identity| Self(identity.tenant))
    }
}
