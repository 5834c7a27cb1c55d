//! A real S3 server of the test's own: `moto`'s, with a bucket.

use std::path::PathBuf;

use tokio::process::Child;

use crate::announced;
use crate::stage::StageBuilder;

const BUCKET: &str = "zoetrope";

/// A running server. Killed when dropped.
#[derive(Debug)]
pub struct S3Server {
    _child: Child,
    url: String,
}

impl S3Server {
    /// Starts it and makes its bucket.
    pub async fn start() -> Self {
        let (child, port) = announced::start(&python(), "s3-server.py", &[]).await;
        let url = format!("http://127.0.0.1:{port}");
        let client = reqwest::Client::builder().no_proxy().build();
        let client = client.expect("a client should be buildable");
        let made = client.put(format!("{url}/{BUCKET}")).send().await;
        let made = made.expect("the server should answer").status();
        assert!(made.is_success(), "{made}: the bucket should be makeable");
        Self { _child: child, url }
    }

    /// A stage that stores its media there.
    #[must_use]
    pub fn keeps_media_of(&self, stage: StageBuilder) -> StageBuilder {
        stage
            .env("ARTIFACTS_URL", &format!("s3://{BUCKET}/media"))
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
    }
}

/// The one that `scripts/setup tests` has put `moto` beside, in the target folder.
fn python() -> PathBuf {
    let own = std::env::current_exe().expect("a test should know its own path");
    let found = own
        .ancestors()
        .map(|folder| folder.join("moto/bin/python"))
        .find(|path| path.exists());
    found.expect("moto should be installed: `scripts/setup tests`, or `make test`")
}
