//! Parts of what a URL leads to, and who asks for them.

use url::Url;
use zoetrope_shared::netguard::{Asked, BytePart, FetchError, FetchLimits, Fetched, OriginLogin};

use super::opened;
use super::server::{Reply, Server};

const OPEN: &str = "127.0.0.2:0";
const ALL: &[u8] = b"0123456789";

async fn part(server: &Server, first: u64, length: u64, max_bytes: u64) -> Result<Fetched, FetchError> {
    let asked = Asked {
        part: Some(BytePart { first, length }),
        login: None,
    };
    let limits = FetchLimits {
        max_bytes,
        ..FetchLimits::default()
    };
    let url = format!("http://127.0.0.2:{}/", server.port());
    opened(&["127.0.0.2/32"]).fetch_asked(&url, asked, limits).await
}

#[tokio::test]
async fn a_part_is_asked_for_and_is_the_same_from_servers_that_send_all() {
    let head = "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 3-6/10\r\ncontent-length: 4";
    let heeds = Server::start(OPEN, move |_| Reply::raw(head, b"3456")).await;
    let sends_all = Server::start(OPEN, |_| Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 10", ALL)).await;
    for server in [&heeds, &sends_all] {
        let fetched = part(server, 3, 4, 100).await.expect("it is there");
        assert_eq!(&*fetched.bytes, b"3456");
        let request = server.requests().pop().expect("a request").to_lowercase();
        assert!(request.contains("\r\nrange: bytes=3-6\r\n"), "{request}");
    }
    let short = part(&sends_all, 8, 5, 100).await.expect("there may be less");
    assert_eq!(&*short.bytes, b"89");
}

#[tokio::test]
async fn another_part_than_was_asked_for_and_one_that_lies_too_far_within_are_refused() {
    let head = "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-3/10\r\ncontent-length: 4";
    let other = Server::start(OPEN, move |_| Reply::raw(head, b"0123")).await;
    assert!(matches!(part(&other, 3, 4, 100).await, Err(FetchError::Network(_))));
    let all = Server::start(OPEN, |_| Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 10", ALL)).await;
    assert_eq!(part(&all, 5, 4, 8).await, Err(FetchError::TooLarge { limit: 8 }));
    assert!(part(&all, 3, 4, 8).await.is_ok(), "no more is read than has to be");
    let endless = Server::start(OPEN, |_| Reply::endless()).await;
    assert!(part(&endless, 9, 4, 64 * 1024).await.is_ok());
}

#[tokio::test]
async fn a_login_is_told_to_its_own_origin_alone() {
    let other = Server::start(OPEN, |_| Reply::ok("b")).await;
    let elsewhere = format!("http://127.0.0.2:{}/b", other.port());
    let own = Server::start(OPEN, move |path| match path {
        "/a" => Reply::redirect(&elsewhere),
        _ => Reply::ok("own"),
    })
    .await;
    let url = format!("http://127.0.0.2:{}", own.port());
    let origin = Url::parse(&url).expect("a URL");
    let login = OriginLogin::new(&origin, "alice".to_owned(), "s3cret".to_owned());
    assert_eq!(format!("{login:?}"), "OriginLogin(***)");
    let asked = Asked {
        part: None,
        login: Some(&login),
    };
    for path in ["/c", "/a"] {
        let url = format!("{url}{path}");
        let guard = opened(&["127.0.0.2/32"]);
        guard
            .fetch_asked(&url, asked, FetchLimits::default())
            .await
            .expect("it is there");
    }
    // "alice:s3cret" in base64.
    let told = |request: &String| request.contains("authorization: Basic YWxpY2U6czNjcmV0");
    assert!(own.requests().iter().all(told) && own.requests().len() == 2);
    assert!(
        !other
            .requests()
            .iter()
            .any(|request| request.to_lowercase().contains("authorization"))
    );
    assert_eq!(other.requests().len(), 1);
}
