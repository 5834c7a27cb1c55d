//! A small web site of the test's own, at an address of loopback that nothing else uses.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::SCREENSHOT;

/// Allowed by the stages' `NETGUARD_ALLOW_CIDRS`, unlike 127.0.0.1.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A running site: `/shot.png` is the screenshot, `/inside` redirects to 127.0.0.1.
#[derive(Debug)]
pub struct Site {
    address: SocketAddr,
    _server: JoinSet<()>,
}

impl Site {
    /// What the policy for users' URLs has to allow.
    pub const ALLOWED: &str = "127.0.0.2/32";

    /// Starts to serve.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((ADDRESS, 0))
            .await
            .expect("loopback should have more than one address");
        let address = listener.local_addr().expect("a bound listener should know its address");
        let inside = format!("http://127.0.0.1:{}/shot.png", address.port());
        let routes = Router::new()
            .route(
                "/shot.png",
                get(|| async { ([(CONTENT_TYPE, "image/png")], SCREENSHOT) }),
            )
            .route("/inside", get(async move || (StatusCode::FOUND, [(LOCATION, inside)])));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.expect("the site should serve") });
        Self {
            address,
            _server: server,
        }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}
