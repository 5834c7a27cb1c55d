//! As much of S3 as the store asks for, in memory: objects, ranges, listing, multipart uploads. Signatures are ignored.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use tokio::task::JoinSet;

const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;
const A_DAY: &str = "Fri, 20 Nov 2026 12:00:00 GMT";

/// A bucket that is served as long as it lives.
pub(super) struct Bucket {
    address: SocketAddr,
    contents: Shared,
    _server: JoinSet<()>,
}

type Shared = Arc<Mutex<Contents>>;

#[derive(Default)]
struct Contents {
    objects: BTreeMap<String, Bytes>,
    /// Key and parts by upload id.
    uploads: BTreeMap<String, (String, BTreeMap<u32, Bytes>)>,
    next_upload: u32,
}

impl Bucket {
    pub(super) async fn serve() -> Self {
        let contents = Shared::default();
        let app = Router::new()
            .fallback(answer)
            .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY_BYTES))
            .with_state(contents.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await.expect("serving should not fail") });
        Self {
            address,
            contents,
            _server: server,
        }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn stored(&self) -> Vec<String> {
        let contents = self.contents.lock().expect("no panic while locked");
        let unfinished = contents.uploads.values().map(|(key, _)| format!("unfinished {key}"));
        contents.objects.keys().cloned().chain(unfinished).collect()
    }
}

async fn answer(
    State(contents): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let mut contents = contents.lock().expect("no panic while locked");
    let query: BTreeMap<String, String> = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .into_owned()
        .collect();
    let key = uri
        .path()
        .trim_start_matches('/')
        .split_once('/')
        .map_or("", |(_, key)| key)
        .to_owned();
    match (method, query.get("uploadId")) {
        (Method::GET, _) if query.contains_key("list-type") => list(&contents, &query),
        (Method::GET | Method::HEAD, _) => get(&contents, &key, &headers),
        (Method::PUT, None) => {
            contents.objects.insert(key, body);
            ok("")
        }
        (Method::PUT, Some(upload)) => {
            let part = query["partNumber"].parse().expect("a number");
            contents
                .uploads
                .get_mut(upload)
                .expect("an upload")
                .1
                .insert(part, body);
            ok("")
        }
        (Method::POST, None) => {
            contents.next_upload += 1;
            let id = contents.next_upload.to_string();
            contents.uploads.insert(id.clone(), (key, BTreeMap::new()));
            ok(&format!(
                "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            ))
        }
        (Method::POST, Some(upload)) => {
            let (key, parts) = contents.uploads.remove(upload).expect("an upload");
            let short = parts.values().rev().skip(1).any(|part| part.len() < 5 * 1024 * 1024);
            assert!(!short, "S3 takes parts below 5 MiB only at the end");
            contents
                .objects
                .insert(key, parts.into_values().collect::<Vec<_>>().concat().into());
            ok("<CompleteMultipartUploadResult><ETag>\"done\"</ETag></CompleteMultipartUploadResult>")
        }
        (Method::DELETE, None) => {
            // S3 does not say whether there was anything to delete.
            contents.objects.remove(&key);
            status(StatusCode::NO_CONTENT)
        }
        (Method::DELETE, Some(upload)) => {
            contents.uploads.remove(upload);
            status(StatusCode::NO_CONTENT)
        }
        _ => status(StatusCode::NOT_IMPLEMENTED),
    }
}

fn get(contents: &Contents, key: &str, headers: &HeaderMap) -> Response<Body> {
    let Some(object) = contents.objects.get(key) else {
        return status(StatusCode::NOT_FOUND);
    };
    let found = Response::builder()
        .header(header::ETAG, "\"tag\"")
        .header(header::LAST_MODIFIED, A_DAY);
    let range = headers.get(header::RANGE).map(|range| range.to_str().expect("a text"));
    let Some(range) = range.and_then(|range| range.strip_prefix("bytes=")) else {
        return found.body(Body::from(object.clone())).expect("a response");
    };
    let (first, last) = range.split_once('-').expect("a range");
    let (first, last): (usize, usize) = (first.parse().expect("a number"), last.parse().expect("a number"));
    found
        .status(StatusCode::PARTIAL_CONTENT)
        .header(header::CONTENT_RANGE, format!("bytes {first}-{last}/{}", object.len()))
        .body(Body::from(object.slice(first..=last)))
        .expect("a response")
}

fn list(contents: &Contents, query: &BTreeMap<String, String>) -> Response<Body> {
    let prefix = query.get("prefix").map_or("", String::as_str);
    let delimited = query.contains_key("delimiter");
    let mut xml = String::new();
    let mut folders = std::collections::BTreeSet::new();
    for (key, object) in contents
        .objects
        .range(prefix.to_owned()..)
        .take_while(|(key, _)| key.starts_with(prefix))
    {
        match key[prefix.len()..].split_once('/') {
            Some((folder, _)) if delimited => {
                folders.insert(format!("{prefix}{folder}/"));
            }
            _ => xml.push_str(&format!(
                "<Contents><Key>{key}</Key><LastModified>2026-11-20T12:00:00.000Z</LastModified><ETag>\"tag\"</ETag>\
                 <Size>{}</Size></Contents>",
                object.len()
            )),
        }
    }
    for folder in folders {
        xml.push_str(&format!("<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"));
    }
    ok(&format!(
        "<ListBucketResult><IsTruncated>false</IsTruncated>{xml}</ListBucketResult>"
    ))
}

fn ok(xml: &str) -> Response<Body> {
    Response::builder()
        .header(header::ETAG, "\"tag\"")
        .body(Body::from(xml.to_owned()))
        .expect("a response")
}

fn status(status: StatusCode) -> Response<Body> {
    Response::builder()
        .status(status)
        .body(Body::empty())
        .expect("a response")
}
