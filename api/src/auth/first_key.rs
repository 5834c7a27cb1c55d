//! The first key of an api that others can reach: it makes one for its administrator and says it once.

use tokio_util::sync::CancellationToken;
use zoetrope_shared::config::AuthMode;
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::Scope;

use super::credential::Credential;
use super::record::Record;
use super::store::Added;
use crate::app::App;
use crate::http::problem::Refusal;
use crate::limits::{DEFAULT_REQUESTS_PER_SECOND, RECONNECT};

/// Makes the first key if one is needed, as soon as Redis answers.
pub(crate) async fn ensure(app: App, stop: CancellationToken) {
    if app.gate.loopback || app.settings.auth == AuthMode::None {
        return;
    }
    let (mut pause, longest) = RECONNECT;
    while let Err(refusal) = make(&app).await {
        tracing::debug!(%refusal, "api.auth.waiting: cannot read the API keys yet");
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
        pause = (pause * 2).min(longest);
    }
}

async fn make(app: &App) -> Result<(), Refusal> {
    let credential = Credential::random();
    let record = Record {
        id: credential.id.clone(),
        name: "first".to_owned(),
        tenant: Tenant::default_tenant().to_string(),
        scopes: vec![Scope::Admin],
        created_at_ms: app.clock.now_ms(),
        expires_at_ms: None,
        revoked_at_ms: None,
        requests_per_second: DEFAULT_REQUESTS_PER_SECOND,
        hash: credential.hash(),
    };
    if app.gate.store.add(&record, true).await? == Added::Yes {
        app.gate.changed().await;
        // The one place where a key is logged: nobody could send a request without it.
        tracing::warn!(
            "api.auth.first_key: there was no API key; this one allows everything and is shown only now: {}",
            credential.reveal()
        );
    }
    Ok(())
}
