//! Bad media: refused by its first bytes, by its header or by its address, with code and pointer, and nothing is left.

use reqwest::multipart::{Form, Part};
use serde_json::json;

use crate::pictures::{base64, mp4, png};
use crate::stage::{Stage, file};

const OCR: &str = "/api/v1/tasks/ocr";

/// Body, status, code, pointer. Words in capitals stand for bytes in base64.
const BAD_MEDIA: &str = r#"
{}                                                              | 422 | media_missing   | /image
{"input": {"level": "word"}}                                    | 422 | media_missing   | /input/image
{"image": null}                                                 | 422 | media_invalid   | /image
{"image": {}}                                                   | 422 | media_invalid   | /image
{"image": "https://example.com/a.png"}                          | 422 | media_invalid   | /image
{"image": {"url": "https://example.com/a", "base64": "aGk="}}   | 422 | media_invalid   | /image
{"image": {"base64": ""}}                                       | 422 | media_invalid   | /image/base64
{"input": {"image": {"base64": "TEXT"}}}                        | 422 | media_invalid   | /input/image/base64
{"image": {"base64": "%%%not base64%%%"}}                       | 422 | media_invalid   | /image/base64
{"image": {"base64": "aGVsbG8=="}}                              | 422 | media_invalid   | /image/base64
{"image": {"base64": "data:image/png;base64,TEXT"}}             | 422 | media_invalid   | /image/base64
{"image": {"base64": "VIDEO"}}                                  | 422 | media_invalid   | /image/base64
{"image": {"base64": "HALF"}}                                   | 422 | media_invalid   | /image/base64
{"image": {"base64": "NOISE"}}                                  | 422 | media_invalid   | /image/base64
{"image": {"base64": "ZERO"}}                                   | 422 | media_invalid   | /image/base64
{"image": {"base64": "LARGE"}}                                  | 413 | media_too_large | /image/base64
{"image": {"base64": "LARGEST"}}                                | 413 | media_too_large | /image/base64
{"image": {"artifact": "0123456789abcdefghjkmnpqrs"}}           | 422 | media_invalid   | /image/artifact
{"image": {"artifact": "../../../../etc/passwd"}}               | 422 | media_invalid   | /image/artifact
{"image": {"artifact": "*"}}                                    | 422 | media_invalid   | /image/artifact
"#;

#[tokio::test]
async fn media_that_cannot_be_used_is_refused_and_leaves_nothing() {
    let stage = Stage::start().await;
    let bytes: [(&str, Vec<u8>); 7] = [
        ("\"TEXT", b"this is text named .png".to_vec()),
        ("\"VIDEO", mp4(100)),
        ("\"HALF", png(20, 10)[..18].to_vec()),
        ("\"NOISE", vec![0xff; 1_000]),
        ("\"ZERO", png(0, 0)),
        ("\"LARGEST", png(65_535, 65_535)),
        ("\"LARGE", png(16_000, 16_000)),
    ];
    for line in BAD_MEDIA.trim().lines() {
        let columns: Vec<_> = line.split('|').map(str::trim).collect();
        let [body, status, code, pointer] = columns[..] else {
            panic!("four columns: {line}")
        };
        let body = bytes.iter().fold(body.to_owned(), |body, (word, bytes)| {
            body.replace(word, &format!("\"{}", base64(bytes)))
        });
        let answer = stage.post_bytes(OCR, "application/json", body).await;
        assert_eq!(
            answer.refusal(),
            (status.parse().expect("a status"), code.to_owned(), pointer.to_owned()),
            "{line}"
        );
        stage.nothing_is_left(line).await;
    }
}

/// Path, parts, status, code, pointer. A part is its name and its content; words in capitals stand for files.
const BAD_FORMS: &str = r#"
ocr  | file EMPTY                                       | 422 | media_invalid   | /file
ocr  | file TEXT                                        | 422 | media_invalid   | /file
ocr  | file LARGE                                       | 413 | media_too_large | /file
ocr  | input {}                                         | 422 | media_missing   | /input/image
ocr  | file PNG & file PNG                              | 422 | invalid_input   | /file
ocr  | file PNG & image x                               | 422 | unknown_field   | /image
ocr  | frames PNG                                       | 422 | unknown_field   | /frames
echo | file PNG                                         | 422 | unknown_field   | /file
ocr  | file PNG & input level=word                      | 400 | malformed_json  |
ocr  | file PNG & input []                              | 422 | invalid_input   | /input
ocr  | file PNG & input {"level": 5}                    | 422 | invalid_input   | /input/level
ocr  | file PNG & input {"image": {"base64": "aGk="}}   | 422 | invalid_input   | /input/image
ocr  | file PNG & task {"priority": 5}                  | 422 | invalid_input   | /task/priority
ocr  | file PNG & task {"level": "word"}                | 422 | unknown_field   | /task/level
"#;

#[tokio::test]
async fn files_of_forms_are_judged_by_their_content() {
    let stage = Stage::start().await;
    for line in BAD_FORMS.trim().lines() {
        let columns: Vec<_> = line.split('|').map(str::trim).collect();
        let [kind, parts, status, code, pointer] = columns[..] else {
            panic!("five columns: {line}")
        };
        let form = parts.split(" & ").fold(Form::new(), |form, part| {
            let (name, content) = part.split_once(' ').expect("name and content");
            form.part(name.to_owned(), content_of(content))
        });
        let answer = stage.post_form(&format!("/api/v1/tasks/{kind}"), form).await;
        assert_eq!(
            answer.refusal(),
            (status.parse().expect("a status"), code.to_owned(), pointer.to_owned()),
            "{line}"
        );
        stage.nothing_is_left(line).await;
    }
}

fn content_of(word: &str) -> Part {
    match word {
        "EMPTY" => file("a.png", Vec::new()),
        "TEXT" => file("a.png", b"hello".to_vec()),
        "PNG" => file("a.png", png(2, 2)),
        "LARGE" => file("a.png", png(16_000, 16_000)),
        text => Part::text(text.to_owned()),
    }
}

/// Ways to say "this machine", "this network" and "this file", and URLs that programs read differently.
#[rustfmt::skip]
const FORBIDDEN_URLS: &[&str] = &[
    "http://127.0.0.1/", "http://localhost:6379/", "http://127.1/", "http://2130706433/", "http://0x7f000001/",
    "http://0177.0.0.1/", "http://0/", "http://0.0.0.0:8080/", "http://[::1]/", "http://[::]/",
    "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::127.0.0.1]/", "http://[fe80::1%25eth0]/",
    "http://[fd00:ec2::254]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[2002:7f00:1::]/",
    "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/", "http://169.254.169.254/latest/meta-data/",
    "http://metadata.google.internal/", "http://100.100.100.200/", "http://10.0.0.1/", "http://172.17.0.1:2375/",
    "http://192.168.1.1/", "http://100.64.0.1/", "http://198.18.0.1/", "http://224.0.0.1/",
    "http://255.255.255.255/", "http://localhost./", "http://LOCALHOST/", "http://evil.com\\@127.0.0.1/",
    "http://127.0.0.1\\@evil.com/", "http://public@127.0.0.1/", "http://127.0.0.1#@public/",
    "http://127.0.0.1%00.public/", "http://127。0。0。1/", "http://①②⑦.0.0.1/", "http://public:80@10.0.0.1/",
    "gopher://127.0.0.1:6379/_FLUSHALL", "file:///etc/passwd", "ftp://example.com/x", "dict://example.com/x",
    "ldap://example.com/x", "jar:http://example.com!/x", "data:text/html,x", "//127.0.0.1/x",
    " http://example.com/x", "\thttp://example.com/x", "\nhttp://example.com/x", "http://a\r\nHost: b/",
    "http://example.com:22/", "http://example.com:25/", "http://example.com:6379/", "http://example.com:0/",
    "http://example.com:65536/", "http://user:hunter2@example.com/", "http://exаmple.com/", "",
    "concat:/etc/passwd|x.mp4", "rtsp://user:p%40ss@127.0.0.1/",
];

#[tokio::test]
async fn forbidden_urls_are_refused_in_every_form_and_never_repeated() {
    let stage = Stage::start().await;
    let long = format!("http://example.com/{}", "x".repeat(64 * 1024));
    for url in FORBIDDEN_URLS.iter().copied().chain([long.as_str()]) {
        let answer = stage.post(OCR, &json!({"image": {"url": url}})).await;
        let (status, code, pointer) = answer.refusal();
        assert_eq!((status, pointer.as_str()), (422, "/image/url"), "{url:?}: {answer:?}");
        // A URL that is longer than the schema allows is refused before it is judged.
        assert!(
            code == "url_forbidden" || (url.len() > 8_192 && code == "media_invalid"),
            "{url:?}: {answer:?}"
        );
        assert!(!answer.body.to_string().contains("hunter2"), "{answer:?}");
        stage.nothing_is_left(url).await;
    }
}
