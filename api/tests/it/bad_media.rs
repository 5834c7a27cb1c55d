//! Bad media: refused by its first bytes, by its header or by its address, with code and pointer, and nothing is left.

use reqwest::StatusCode;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::pictures::{base64, mp4, png};
use crate::stage::{Stage, file};

const OCR: &str = "/api/v1/tasks/ocr";

#[tokio::test]
async fn media_that_cannot_be_used_is_refused_and_leaves_nothing() {
    let stage = Stage::start().await;
    let empty = || json!({"base64": ""});
    let text = || json!({"base64": base64(b"this is text named .png")});
    let cases: Vec<(&str, Value, u16, &str, &str)> = vec![
        ("no media", json!({}), 422, "media_missing", "/image"),
        (
            "no media in input",
            json!({"input": {"level": "word"}}),
            422,
            "media_missing",
            "/input/image",
        ),
        ("null media", json!({"image": null}), 422, "media_invalid", "/image"),
        (
            "an empty reference",
            json!({"image": {}}),
            422,
            "media_invalid",
            "/image",
        ),
        (
            "a bare URL",
            json!({"image": "https://example.com/a.png"}),
            422,
            "media_invalid",
            "/image",
        ),
        (
            "two references",
            json!({"image": {"url": "https://example.com/a.png", "base64": "aGk="}}),
            422,
            "media_invalid",
            "/image",
        ),
        (
            "an empty file",
            json!({"image": empty()}),
            422,
            "media_invalid",
            "/image/base64",
        ),
        (
            "text",
            json!({"input": {"image": text()}}),
            422,
            "media_invalid",
            "/input/image/base64",
        ),
        (
            "garbage",
            json!({"image": {"base64": "%%%not base64%%%"}}),
            422,
            "media_invalid",
            "/image/base64",
        ),
        (
            "bad padding",
            json!({"image": {"base64": "aGVsbG8=="}}),
            422,
            "media_invalid",
            "/image/base64",
        ),
        (
            "a lying data: URL",
            json!({"image": {"base64": format!("data:image/png;base64,{}", base64(b"<svg/>"))}}),
            422,
            "media_invalid",
            "/image/base64",
        ),
        (
            "a video",
            json!({"image": {"base64": base64(&mp4(100))}}),
            422,
            "media_invalid",
            "/image/base64",
        ),
        (
            "half a header",
            json!({"image": {"base64": base64(&png(20, 10)[..18])}}),
            422,
            "media_invalid",
            "/image/base64",
        ),
        (
            "16000x16000",
            json!({"image": {"base64": base64(&png(16_000, 16_000))}}),
            413,
            "media_too_large",
            "/image/base64",
        ),
        (
            "65535x65535",
            json!({"image": {"base64": base64(&png(65_535, 65_535))}}),
            413,
            "media_too_large",
            "/image/base64",
        ),
        (
            "0x0",
            json!({"image": {"base64": base64(&png(0, 0))}}),
            422,
            "media_invalid",
            "/image/base64",
        ),
        (
            "0xFF",
            json!({"image": {"base64": base64(&[0xff; 1_000])}}),
            422,
            "media_invalid",
            "/image/base64",
        ),
        (
            "no such artifact",
            json!({"image": {"artifact": "0123456789abcdefghjkmnpqrs"}}),
            422,
            "media_invalid",
            "/image/artifact",
        ),
        (
            "traversal",
            json!({"image": {"artifact": "../../../../etc/passwd"}}),
            422,
            "media_invalid",
            "/image/artifact",
        ),
        (
            "a glob",
            json!({"image": {"artifact": "*"}}),
            422,
            "media_invalid",
            "/image/artifact",
        ),
    ];
    for (what, body, status, code, pointer) in cases {
        let answer = stage.post(OCR, &body).await;
        answer.is_refused(StatusCode::from_u16(status).expect("a status"), code, pointer, what);
        stage.nothing_is_left(what).await;
    }
}

#[tokio::test]
async fn files_of_forms_are_judged_by_their_content() {
    let stage = Stage::start().await;
    let form = |name: &str, bytes: &[u8]| Form::new().part("file", file(name, bytes.to_vec()));
    let json_part = |text: &str| Part::text(text.to_owned());
    let cases: Vec<(&str, &str, Form, u16, &str, &str)> = vec![
        ("an empty file", OCR, form("a.png", b""), 422, "media_invalid", "/file"),
        (
            "text named .png",
            OCR,
            form("a.png", b"hello"),
            422,
            "media_invalid",
            "/file",
        ),
        (
            "a huge picture",
            OCR,
            form("a.png", &png(16_000, 16_000)),
            413,
            "media_too_large",
            "/file",
        ),
        (
            "no file",
            OCR,
            Form::new().part("input", json_part("{}")),
            422,
            "media_missing",
            "/input/image",
        ),
        (
            "a file too many",
            OCR,
            form("a.png", &png(2, 2)).part("file", file("b.png", png(2, 2))),
            422,
            "invalid_input",
            "/file",
        ),
        (
            "an unknown part",
            OCR,
            form("a.png", &png(2, 2)).part("image", json_part("x")),
            422,
            "unknown_field",
            "/image",
        ),
        (
            "frames",
            OCR,
            Form::new().part("frames", file("a.png", png(2, 2))),
            422,
            "unknown_field",
            "/frames",
        ),
        (
            "a file for a kind without media",
            "/api/v1/tasks/echo",
            form("a.png", &png(2, 2)),
            422,
            "unknown_field",
            "/file",
        ),
        (
            "input that is no JSON",
            OCR,
            form("a.png", &png(2, 2)).part("input", json_part("level=word")),
            400,
            "malformed_json",
            "",
        ),
        (
            "input that is no object",
            OCR,
            form("a.png", &png(2, 2)).part("input", json_part("[]")),
            422,
            "invalid_input",
            "/input",
        ),
        (
            "a wrong input",
            OCR,
            form("a.png", &png(2, 2)).part("input", json_part("{\"level\": 5}")),
            422,
            "invalid_input",
            "/input/level",
        ),
        (
            "media twice",
            OCR,
            form("a.png", &png(2, 2)).part("input", json_part("{\"image\": {\"base64\": \"aGk=\"}}")),
            422,
            "invalid_input",
            "/input/image",
        ),
        (
            "a wrong envelope",
            OCR,
            form("a.png", &png(2, 2)).part("task", json_part("{\"priority\": 5}")),
            422,
            "invalid_input",
            "/task/priority",
        ),
        (
            "an unknown envelope",
            OCR,
            form("a.png", &png(2, 2)).part("task", json_part("{\"level\": \"word\"}")),
            422,
            "unknown_field",
            "/task/level",
        ),
    ];
    for (what, path, form, status, code, pointer) in cases {
        let answer = stage.post_form(path, form).await;
        answer.is_refused(StatusCode::from_u16(status).expect("a status"), code, pointer, what);
        stage.nothing_is_left(what).await;
    }
}

#[tokio::test]
async fn forbidden_urls_are_refused_in_every_form_and_never_repeated() {
    let stage = Stage::start().await;
    let long = format!("http://example.com/{}", "x".repeat(64 * 1024));
    let urls = [
        "http://127.0.0.1/",
        "http://localhost:6379/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://0/",
        "http://0.0.0.0:8080/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::127.0.0.1]/",
        "http://[fe80::1%25eth0]/",
        "http://[fd00:ec2::254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[2002:7f00:1::]/",
        "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://metadata.google.internal/",
        "http://100.100.100.200/",
        "http://10.0.0.1/",
        "http://172.17.0.1:2375/",
        "http://192.168.1.1/",
        "http://100.64.0.1/",
        "http://198.18.0.1/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://localhost./",
        "http://LOCALHOST/",
        "http://evil.com\\@127.0.0.1/",
        "http://127.0.0.1\\@evil.com/",
        "http://public@127.0.0.1/",
        "http://127.0.0.1#@public/",
        "http://127.0.0.1%00.public/",
        "http://127。0。0。1/",
        "http://①②⑦.0.0.1/",
        "http://public:80@10.0.0.1/",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "file:///etc/passwd",
        "ftp://example.com/x",
        "dict://example.com/x",
        "ldap://example.com/x",
        "jar:http://example.com!/x",
        "data:text/html,x",
        "//127.0.0.1/x",
        " http://example.com/x",
        "\thttp://example.com/x",
        "\nhttp://example.com/x",
        "http://a\r\nHost: b/",
        "http://example.com:22/",
        "http://example.com:25/",
        "http://example.com:6379/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://user:hunter2@example.com/",
        "http://exаmple.com/",
        "",
        "concat:/etc/passwd|x.mp4",
        "rtsp://user:p%40ss@127.0.0.1/",
        &long,
    ];
    for url in urls {
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
