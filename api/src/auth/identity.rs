//! Whom a request comes from.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use zoetrope_shared::tasks::Kind;
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::Scope;

use crate::app::App;
use crate::http::problem::Refusal;

/// A caller that the gate has let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) tenant: Tenant,
    pub(crate) scopes: Vec<Scope>,
    /// Id of the key; `None` where no key is asked for.
    pub(crate) key: Option<String>,
}

/// What a ticket remembers of a caller.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Remembered {
    tenant: String,
    scopes: Vec<Scope>,
    key: Option<String>,
}

impl Identity {
    /// Somebody of this tenant where no key is asked for: everything is allowed.
    pub(crate) fn open(tenant: Tenant) -> Self {
        Self {
            tenant,
            scopes: vec![Scope::Admin],
            key: None,
        }
    }

    /// Whether it may do what takes this scope.
    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|held| *held == scope || *held == Scope::Admin)
    }

    /// Live streams take a scope of their own: one occupies a slot for as long as it likes.
    pub(crate) fn may_submit(&self, kind: &Kind) -> Result<(), Refusal> {
        let needed = if kind.policy.live {
            Scope::Streams
        } else {
            Scope::TasksWrite
        };
        if self.may(needed) {
            return Ok(());
        }
        let detail = format!(
            "tasks of kind {} take a key with the scope {}",
            kind.name,
            needed.as_str()
        );
        Err(Refusal::forbidden(detail))
    }

    /// Whether it may see and make keys of every tenant: admins of the tenant `default` run the installation.
    pub(crate) fn is_operator(&self) -> bool {
        self.may(Scope::Admin) && self.tenant == Tenant::default_tenant()
    }

    /// Refuses everybody else; `because` says what is not a single tenant's.
    pub(crate) fn must_be_operator(&self, because: &str) -> Result<(), Refusal> {
        if self.is_operator() {
            return Ok(());
        }
        let detail = format!("{because}: this takes an admin:* key of the tenant default");
        Err(Refusal::forbidden(detail))
    }

    /// For a ticket.
    pub(crate) fn remember(&self) -> Remembered {
        Remembered {
            tenant: self.tenant.to_string(),
            scopes: self.scopes.clone(),
            key: self.key.clone(),
        }
    }

    /// From a ticket.
    pub(crate) fn recall(remembered: Remembered) -> Option<Self> {
        Some(Self {
            tenant: Tenant::parse(&remembered.tenant).ok()?,
            scopes: remembered.scopes,
            key: remembered.key,
        })
    }
}

impl FromRequestParts<App> for Identity {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Refusal> {
        // The gate puts it there on every route that is not public; a public route has no caller.
        let identity = parts.extensions.get::<Self>().cloned();
        identity.ok_or_else(|| Refusal::internal("tell who calls", &"the route is public but asks for its caller"))
    }
}
