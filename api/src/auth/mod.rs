//! Who asks, and what that allows: API keys, tickets, scopes, rate limits. Every route passes [`gate::admit`], which
//! goes by the table in [`access`]; handlers see a [`Caller`](crate::tenant::Caller) or an [`Identity`].
//!
//! A WebSocket may bring `?ticket=` instead of a key: routes that [`access`] marks so have it redeemed by the gate.
//! Whoever keeps a connection open asks [`Gate::is_live`](gate::Gate::is_live) now and then: keys are revoked.

pub(crate) mod access;
mod bucket;
mod credential;
pub(crate) mod first_key;
pub(crate) mod gate;
mod identity;
mod key_request;
pub(crate) mod keys;
mod record;
mod store;
pub(crate) mod tickets;

pub(crate) use gate::Gate;
pub(crate) use identity::Identity;
#[expect(
    unused_imports,
    reason = "for connections that are authenticated after their handshake"
)]
pub(crate) use tickets::redeem;
