//! What is told of sources that cannot be played, by a server of the test's own. What can be played needs a media child: the tests
//! of `e2e/` do that.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use axum::Router;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Redirect;
use axum::routing::get;
use tokio::net::TcpListener;
use zoetrope_shared::netguard::NetGuardConfig;

use super::*;
use crate::media_pool::MediaPoolConfig;
use crate::metrics::Metrics;

const ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;
const SEALED: &str =
    "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"key\"\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n";
const GONE: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n#EXTINF:2,\nb.ts\n#EXTINF:2,\nc.ts\n#EXTINF:2,\nd.ts\n#EXT-X-ENDLIST\n";
const MASTER: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.4d401e\"\nsealed.m3u8\n";
const OTHERS: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"av01.0.05M.08\"\na.m3u8\n";

/// Serves the lists above. Answers its port.
async fn serve(serving: &mut JoinSet<()>) -> u16 {
    let guarded = async |headers: HeaderMap| match headers.get("authorization") {
        Some(_) => Ok(SEALED),
        None => Err((StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Basic")])),
    };
    let routes = Router::new()
        .route(
            "/film.mp4",
            get(async || [b"\0\0\0\x20ftypisom".as_slice(), &[0; 100_000]].concat()),
        )
        .route("/sealed.m3u8", get(async || SEALED))
        .route("/moved", get(async || Redirect::temporary("/lists/master.m3u8")))
        .route("/lists/master.m3u8", get(async || MASTER))
        .route("/lists/sealed.m3u8", get(async || SEALED))
        .route(
            "/inside",
            get(async || Redirect::temporary("http://169.254.169.254/a.m3u8")),
        )
        .route("/others.m3u8", get(async || OTHERS))
        .route("/gone.m3u8", get(async || GONE))
        .route("/guarded.m3u8", get(guarded));
    let listener = TcpListener::bind((ADDRESS, 0)).await.expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    serving.spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
    port
}

fn means() -> Means {
    let metrics = Metrics::new().expect("metrics have names of their own");
    let range = format!("{ADDRESS}/32").parse().expect("a range");
    Means {
        guard: NetGuard::new(NetGuardConfig {
            allow_cidrs: vec![range],
            ..NetGuardConfig::default()
        }),
        pool: MediaPool::new(
            MediaPoolConfig::of(PathBuf::from("/nonexistent/zoetrope-media"), 1),
            metrics,
        ),
    }
}

async fn down(url: &str, credentials: Option<Credentials>) -> SourceDown {
    let source = HlsSource::new(url.parse().expect("a URL"), credentials);
    source
        .play(means(), Duration::ZERO)
        .await
        .expect_err("it cannot be played")
}

#[tokio::test]
async fn what_cannot_be_played_is_told_with_its_cause() {
    let mut serving = JoinSet::new();
    let port = serve(&mut serving).await;
    for (path, cause, said) in [
        ("film.mp4", Cause::Network, "no HLS playlist"),
        ("nothing.m3u8", Cause::NotFound, "404"),
        ("sealed.m3u8", Cause::Codec, "SAMPLE-AES"),
        ("moved", Cause::Codec, "SAMPLE-AES"),
        ("others.m3u8", Cause::Codec, "variants"),
        ("inside", Cause::Network, "metadata"),
        ("guarded.m3u8", Cause::Auth, "401"),
    ] {
        let down = down(&format!("http://{ADDRESS}:{port}/{path}"), None).await;
        assert_eq!(down.cause, cause, "{path}: {down}");
        assert!(down.detail.contains(said), "{path}: {down}");
        assert!(!down.detail.contains(path), "{path}: {down}");
    }
    let credentials = Credentials {
        username: "alice".to_owned(),
        password: "s3cret".to_owned(),
    };
    let down = down(&format!("http://{ADDRESS}:{port}/guarded.m3u8"), Some(credentials)).await;
    assert_eq!(down.cause, Cause::Codec, "it let us in: {down}");
}

#[tokio::test]
async fn a_server_that_is_gone_is_told_at_once() {
    let listener = TcpListener::bind((ADDRESS, 0)).await.expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    assert_eq!(
        down(&format!("http://{address}/a.m3u8"), None).await.cause,
        Cause::Refused
    );
}

#[tokio::test]
async fn a_film_whose_time_is_over_ends_without_a_picture() {
    let mut serving = JoinSet::new();
    let port = serve(&mut serving).await;
    let url = format!("http://{ADDRESS}:{port}/gone.m3u8");
    let source = HlsSource::new(url.parse().expect("a URL"), None);
    let playing = source.play(means(), Duration::from_secs(8)).await;
    let mut playing = playing.expect("its end is no failure");
    assert!(matches!(playing.next().await, Ok(Item::End)));
}

#[tokio::test]
async fn segments_that_are_all_gone_are_the_end_of_the_connection() {
    let mut serving = JoinSet::new();
    let port = serve(&mut serving).await;
    let down = down(&format!("http://{ADDRESS}:{port}/gone.m3u8"), None).await;
    assert_eq!(down.cause, Cause::NotFound, "{down}");
    assert!(down.detail.starts_with("segment 2:"), "two were passed over: {down}");
}
