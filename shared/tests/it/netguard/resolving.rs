//! Names: every answer is judged, and what was judged is what is reached.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use zoetrope_shared::netguard::{FetchError, FetchLimits, NetGuard, NetGuardConfig, Purpose, Resolve, UrlForbidden};

use super::server::{Reply, Server};
use super::{Scripted, config};

async fn resolve(guard: &NetGuard, url: &str) -> Result<Vec<String>, FetchError> {
    let checked = guard.check_url(url, Purpose::Media).expect("the text alone is fine");
    Ok(guard.resolve(&checked).await?.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn public_answers_are_taken_with_the_port_of_the_url() {
    let resolver = Scripted::answering(
        "a.example.com",
        &[&["93.184.215.14", "2606:2800:21f::1", "::ffff:8.8.8.8"]],
    );
    let guard = NetGuard::with_resolver(NetGuardConfig::default(), resolver);
    let addresses = resolve(&guard, "https://a.example.com/").await;
    assert_eq!(
        addresses.expect("taken"),
        ["93.184.215.14:443", "[2606:2800:21f::1]:443", "8.8.8.8:443"]
    );
}

#[tokio::test]
async fn one_forbidden_answer_refuses_the_name_whatever_stands_beside_it() {
    for answers in [
        ["93.184.215.14", "127.0.0.1"],
        ["127.0.0.1", "93.184.215.14"],
        ["93.184.215.14", "::1"],
        ["93.184.215.14", "::ffff:10.0.0.1"],
        ["10.0.0.5", "10.0.0.6"], // what a CNAME into a private zone comes to
        ["fe80::1", "fe80::2"],
    ] {
        let guard = NetGuard::with_resolver(
            NetGuardConfig::default(),
            Scripted::answering("m.example.com", &[&answers]),
        );
        let verdict = resolve(&guard, "http://m.example.com/").await;
        assert_eq!(
            verdict,
            Err(FetchError::Forbidden(UrlForbidden::Address)),
            "{answers:?}"
        );
    }
}

#[tokio::test]
async fn a_name_for_a_metadata_address_is_refused_even_when_everything_is_opened() {
    let resolver = Scripted::answering("m.example.com", &[&["169.254.169.254"]]);
    let guard = NetGuard::with_resolver(config(&["0.0.0.0/0"]), resolver);
    let verdict = resolve(&guard, "http://m.example.com/").await;
    assert_eq!(verdict, Err(FetchError::Forbidden(UrlForbidden::Metadata)));
}

#[tokio::test]
async fn an_unlisted_port_is_for_names_that_lead_into_an_opened_range_only() {
    let resolver = Scripted::answering("cam.example.com", &[&["192.168.1.20"], &["93.184.215.14"]]);
    let guard = NetGuard::with_resolver(config(&["192.168.0.0/16"]), resolver);
    assert_eq!(
        resolve(&guard, "http://cam.example.com:9000/").await.expect("taken"),
        ["192.168.1.20:9000"]
    );
    let verdict = resolve(&guard, "http://cam.example.com:9000/").await;
    assert_eq!(verdict, Err(FetchError::Forbidden(UrlForbidden::Port)));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_may_be_tried_again() {
    for answers in [[[].as_slice()].as_slice(), &[]] {
        let resolver = if answers.is_empty() {
            Arc::default()
        } else {
            Scripted::answering("gone.example.com", answers)
        };
        let guard = NetGuard::with_resolver(NetGuardConfig::default(), resolver);
        let error = resolve(&guard, "http://gone.example.com/")
            .await
            .expect_err("no address");
        assert!(error.is_retryable() && error.code() == "fetch_failed", "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_never_answers_is_given_up() {
    struct Silent;
    impl Resolve for Silent {
        fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
            Box::pin(std::future::pending())
        }
    }
    let guard = NetGuard::with_resolver(NetGuardConfig::default(), Arc::new(Silent));
    let error = resolve(&guard, "http://slow.example.com/")
        .await
        .expect_err("no answer");
    assert!(
        matches!(error, FetchError::Network(_)) && error.is_retryable(),
        "{error}"
    );
}

#[tokio::test]
async fn a_rebinding_name_reaches_the_address_that_was_judged_and_is_asked_once() {
    let server = Server::start("127.0.0.2:0", |_| Reply::ok("judged")).await;
    let inside = Server::start(&format!("127.0.0.1:{}", server.port()), |_| Reply::ok("inside")).await;
    let resolver = Scripted::answering("rebind.example.com", &[&["127.0.0.2"], &["127.0.0.1"]]);
    let guard = NetGuard::with_resolver(config(&["127.0.0.2/32"]), resolver.clone());
    let url = format!("http://rebind.example.com:{}/", server.port());

    let fetched = guard
        .fetch(&url, FetchLimits::default())
        .await
        .expect("the first answer is allowed");
    assert_eq!(
        (&*fetched.bytes, fetched.final_url.host().to_string().as_str()),
        (b"judged".as_slice(), "rebind.example.com")
    );
    assert_eq!(resolver.times_asked(), 1);

    let second = guard.fetch(&url, FetchLimits::default()).await;
    assert_eq!(second, Err(FetchError::Forbidden(UrlForbidden::Address)));
    assert_eq!(inside.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_redirect_back_to_a_rebinding_name_is_judged_anew() {
    let server = Server::start("127.0.0.2:0", |_| Reply::redirect("/again")).await;
    let inside = Server::start(&format!("127.0.0.1:{}", server.port()), |_| Reply::ok("inside")).await;
    let resolver = Scripted::answering("rebind.example.com", &[&["127.0.0.2"], &["127.0.0.1"]]);
    let guard = NetGuard::with_resolver(config(&["127.0.0.2/32"]), resolver);
    let url = format!("http://rebind.example.com:{}/", server.port());

    let verdict = guard.fetch(&url, FetchLimits::default()).await;
    assert_eq!(verdict, Err(FetchError::Forbidden(UrlForbidden::Address)));
    assert_eq!((server.requests().len(), inside.requests().len()), (1, 0));
}
