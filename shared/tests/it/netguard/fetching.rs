//! Redirects, statuses and requests, against a real server that one opened address makes reachable.

use zoetrope_shared::netguard::{FetchError, FetchLimits, Fetched, MAX_REDIRECTS, NetGuard, Purpose, UrlForbidden};

use super::opened;
use super::server::{Reply, Server};

/// The address that the operator of these tests opened. 127.0.0.1 stays closed.
const OPEN: &str = "127.0.0.2:0";

fn guard() -> NetGuard {
    opened(&["127.0.0.2/32"])
}

async fn fetch(server: &Server, path: &str) -> Result<Fetched, FetchError> {
    guard()
        .fetch(
            &format!("http://127.0.0.2:{}{path}", server.port()),
            FetchLimits::default(),
        )
        .await
}

#[tokio::test]
async fn a_plain_answer_is_fetched_with_its_type_and_host() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 3";
    let server = Server::start(OPEN, move |_| Reply::raw(head, b"png")).await;
    let path = "/a.png?token=1#part";
    let fetched = fetch(&server, path).await.expect("fetched");
    let url = format!("http://127.0.0.2:{}{path}", server.port());
    let expected = Fetched {
        bytes: "png".into(),
        content_type: Some("image/png".into()),
        final_url: guard().check_url(&url, Purpose::Media).expect("an opened address"),
    };
    assert_eq!(fetched, expected);
}

#[tokio::test]
async fn a_mapped_address_is_reached_as_the_ipv4_address_it_was_judged_as() {
    let server = Server::start(OPEN, |_| Reply::ok("mapped")).await;
    let url = format!("http://[::ffff:127.0.0.2]:{}/", server.port());
    let fetched = guard().fetch(&url, FetchLimits::default()).await.expect("fetched");
    assert_eq!(
        (&*fetched.bytes, fetched.final_url.host().to_string().as_str()),
        (b"mapped".as_slice(), "127.0.0.2")
    );
}

#[tokio::test]
async fn a_request_says_who_we_are_and_carries_nothing_else_even_after_a_redirect() {
    let server = Server::start(OPEN, |path| {
        if path == "/a" {
            Reply::redirect("/b")
        } else {
            Reply::ok("b")
        }
    })
    .await;
    fetch(&server, "/a").await.expect("fetched");
    let last = server.requests().pop().expect("a request").to_lowercase();
    let mut names: Vec<&str> = last
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':').map(|(name, _)| name))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "accept-encoding", "host", "user-agent"], "{last}");
    assert!(
        last.starts_with("get /b http/1.1\r\n") && last.contains("accept-encoding: identity\r\n"),
        "{last}"
    );
}

#[tokio::test]
async fn a_redirect_to_loopback_is_refused_without_a_connection() {
    let inside = Server::start("127.0.0.1:0", |_| Reply::ok("inside")).await;
    let port = inside.port();
    for target in ["127.0.0.1", "2130706433", "[::ffff:127.0.0.1]", "0x7f.1"] {
        let location = format!("http://{target}:{port}/");
        let server = Server::start(OPEN, move |_| Reply::redirect(&location)).await;
        assert_eq!(
            fetch(&server, "/").await,
            Err(FetchError::Forbidden(UrlForbidden::Address)),
            "{target}"
        );
    }
    assert_eq!(inside.requests().len(), 0);
}

#[tokio::test]
async fn a_redirect_to_what_is_not_plain_http_is_refused_and_final() {
    use UrlForbidden::{Backslash, LocalName, Metadata, Port, Scheme, Userinfo, Whitespace};
    for (location, reason) in [
        (
            "file:///etc/passwd",
            Scheme {
                expected: "http or https",
            },
        ),
        (
            "gopher://93.184.215.14/_x",
            Scheme {
                expected: "http or https",
            },
        ),
        (
            "data:text/plain,x",
            Scheme {
                expected: "http or https",
            },
        ),
        ("//localhost/", LocalName),
        ("http://169.254.169.254/", Metadata),
        ("http://user:pass@93.184.215.14/", Userinfo),
        ("http://93.184.215.14:22/", Port),
        ("\\\\127.0.0.1\\x", Backslash),
        ("http://127.0.0.1 @x/", Whitespace),
    ] {
        let server = Server::start(OPEN, move |_| Reply::redirect(location)).await;
        let error = fetch(&server, "/").await.expect_err("refused");
        assert_eq!(error, FetchError::Forbidden(reason), "{location}");
        assert!(!error.is_retryable() && error.code() == "url_forbidden");
    }
}

#[tokio::test]
async fn redirects_are_followed_three_times_and_no_more() {
    let countdown = |path: &str| match path.trim_matches('/').parse::<u32>() {
        Ok(0) | Err(_) => Reply::ok("end"),
        Ok(left) => Reply::redirect(&format!("/{}", left - 1)),
    };
    let server = Server::start(OPEN, countdown).await;
    assert_eq!(fetch(&server, "/3").await.expect("fetched").bytes, "end");
    for path in ["/4", "/20"] {
        let before = server.requests().len();
        assert_eq!(fetch(&server, path).await, Err(FetchError::TooManyRedirects));
        assert_eq!(server.requests().len() - before, MAX_REDIRECTS + 1);
    }
}

#[tokio::test]
async fn a_redirect_loop_ends() {
    let server = Server::start(OPEN, Reply::redirect).await;
    let error = fetch(&server, "/loop").await.expect_err("a loop");
    assert_eq!(
        (&error, error.is_retryable(), error.code()),
        (&FetchError::TooManyRedirects, false, "fetch_failed")
    );
}

#[tokio::test]
async fn a_pinned_client_reports_the_redirect_of_a_post_instead_of_following_it() {
    let inside = Server::start("127.0.0.1:0", |_| Reply::ok("inside")).await;
    let head = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:{}/\r\ncontent-length: 0",
        inside.port()
    );
    let server = Server::start(OPEN, move |_| Reply::raw(&head, b"")).await;
    let url = format!("http://127.0.0.2:{}/hook", server.port());
    let checked = guard().check_url(&url, Purpose::Webhook).expect("opened");
    let client = guard().pinned_client(&checked).await.expect("a client");
    let answer = client
        .post(checked.url().clone())
        .body("{}")
        .send()
        .await
        .expect("an answer");
    assert_eq!((answer.status().as_u16(), inside.requests().len()), (307, 0));
}

#[tokio::test]
async fn statuses_decide_whether_another_attempt_may_help() {
    for (status, retryable) in [
        (304, false),
        (400, false),
        (401, false),
        (404, false),
        (410, false),
        (408, true),
    ]
    .into_iter()
    .chain([(429, true), (500, true), (502, true), (503, true), (504, true)])
    {
        let head = format!("HTTP/1.1 {status} Words\r\nretry-after: 7\r\ncontent-length: 0");
        let server = Server::start(OPEN, move |_| Reply::raw(&head, b"")).await;
        let error = fetch(&server, "/").await.expect_err("not a success");
        let seven = Some(std::time::Duration::from_secs(7));
        assert_eq!(
            error,
            FetchError::Http {
                status,
                retry_after: seven
            }
        );
        assert_eq!(
            (error.is_retryable(), error.retry_after()),
            (retryable, seven),
            "{status}"
        );
    }
}

#[tokio::test]
async fn a_failure_repeats_nothing_of_the_url() {
    let server = Server::start(OPEN, |_| Reply::raw("not http at all", b"")).await;
    let port = server.port();
    let broken = fetch(&server, "/?token=SECRET").await.expect_err("not HTTP");
    drop(server);
    let url = format!("http://127.0.0.2:{port}/?token=SECRET");
    let refused = guard()
        .fetch(&url, FetchLimits::default())
        .await
        .expect_err("nobody listens");
    for error in [broken, refused] {
        assert!(
            matches!(error, FetchError::Network(_) | FetchError::Refused) && error.is_retryable(),
            "{error}"
        );
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("SECRET") && !shown.contains("127.0.0.2"), "{shown}");
    }
}
