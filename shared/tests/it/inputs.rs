//! What is said of wrong inputs, and that the schema and the check agree on what is wrong.

use serde_json::{Value, json};
use zoetrope_shared::tasks::{self, FieldCode, KINDS};

/// Pointer, detail and code of everything that is wrong.
fn wrong(kind: &str, input: &Value) -> Vec<(String, String, FieldCode)> {
    let kind = tasks::find(kind).expect("a kind");
    let errors = (kind.check)(input).expect_err("an input that should be refused");
    errors
        .into_iter()
        .map(|error| (error.pointer, error.detail, error.code))
        .collect()
}

fn only(kind: &str, input: &Value) -> (String, String, FieldCode) {
    let mut errors = wrong(kind, input);
    assert_eq!(errors.len(), 1, "{input}: {errors:?}");
    errors.remove(0)
}

fn is(pointer: &str, detail: &str, code: FieldCode) -> (String, String, FieldCode) {
    (pointer.to_owned(), detail.to_owned(), code)
}

#[test]
fn each_mistake_is_told_with_its_place_and_what_is_allowed() {
    use FieldCode::{Invalid, Unknown};
    let cases = [
        (json!({}), is("/message", "is required", Invalid)),
        (json!("hello"), is("", "must be an object, not \"hello\"", Invalid)),
        (json!(null), is("", "must be an object, not null", Invalid)),
        (
            json!({"message": 5}),
            is("/message", "must be a string, not 5", Invalid),
        ),
        (
            json!({"message": ["a"]}),
            is("/message", "must be a string, not a list", Invalid),
        ),
        (
            json!({"message": "a", "sleep_ms": 60_001}),
            is(
                "/sleep_ms",
                "must be a whole number from 0 to 60000, not 60001",
                Invalid,
            ),
        ),
        (
            json!({"message": "a", "sleep_ms": -1}),
            is("/sleep_ms", "must be a whole number from 0 to 60000, not -1", Invalid),
        ),
        (
            json!({"message": "a", "sleep_ms": 1.5}),
            is("/sleep_ms", "must be a whole number from 0 to 60000, not 1.5", Invalid),
        ),
        (
            json!({"message": "a", "sleep_ms": "1"}),
            is(
                "/sleep_ms",
                "must be a whole number from 0 to 60000, not \"1\"",
                Invalid,
            ),
        ),
        (
            json!({"message": "a", "sleep_ms": null}),
            is("/sleep_ms", "must be a whole number from 0 to 60000, not null", Invalid),
        ),
        (
            json!({"message": "a", "fail": "Crash"}),
            is(
                "/fail",
                "must be one of none, retryable, non_retryable, crash, not \"Crash\"",
                Invalid,
            ),
        ),
        (
            json!({"message": "a", "a/b~c": 1}),
            is(
                "/a~1b~0c",
                "is no field here; the fields are fail, message, sleep_ms",
                Unknown,
            ),
        ),
        (
            json!({"message": "a", "__proto__": {}}),
            is(
                "/__proto__",
                "is no field here; the fields are fail, message, sleep_ms",
                Unknown,
            ),
        ),
        (
            json!({"message": "a".repeat(16_385)}),
            is("/message", "must have at most 16384 characters, not 16385", Invalid),
        ),
    ];
    for (input, expected) in cases {
        assert_eq!(only("echo", &input), expected, "{input}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let input = json!({"sleep_ms": "x", "fail": 1, "extra": 1});
    let pointers: Vec<_> = wrong("echo", &input).into_iter().map(|(pointer, ..)| pointer).collect();
    assert_eq!(pointers, ["/message", "/extra", "/fail", "/sleep_ms"]);
}

#[test]
fn a_flood_of_mistakes_is_told_in_part() {
    let many: serde_json::Map<String, Value> = (0..100_000).map(|index| (format!("f{index}"), json!(1))).collect();
    assert_eq!(wrong("echo", &Value::Object(many)).len(), 20);
}

#[test]
fn mistakes_of_media_have_their_own_codes() {
    use FieldCode::{Invalid, MediaInvalid, MediaMissing, Unknown};
    let forms = "send exactly one of {\"url\": \"https://...\"}, {\"artifact\": \"<id>\"} or {\"base64\": \"...\"}";
    let cases = [
        (json!({}), is("/image", &format!("is required: {forms}"), MediaMissing)),
        (
            json!({"image": "https://x/"}),
            is(
                "/image",
                "must be an object with exactly one of url, artifact, base64, not \"https://x/\"",
                MediaInvalid,
            ),
        ),
        (
            json!({"image": {}}),
            is(
                "/image",
                "must have exactly one of url, artifact, base64, and has none",
                MediaInvalid,
            ),
        ),
        (
            json!({"image": {"url": "a", "base64": "b"}}),
            is(
                "/image",
                "must have exactly one of url, artifact, base64, and has more than one",
                MediaInvalid,
            ),
        ),
        (
            json!({"image": {"url": 5}}),
            is("/image/url", "must be a string, not 5", MediaInvalid),
        ),
        (
            json!({"image": {"url": "a", "name": "b"}}),
            is("/image/name", "is no field here; the fields are url", Unknown),
        ),
        (
            json!({"image": {"url": "a"}, "images": 1}),
            is(
                "/images",
                "is no field here; the fields are formats, image, languages, layout, level, preprocess, regions",
                Unknown,
            ),
        ),
        (
            json!({"image": {"url": "a"}, "languages": []}),
            is("/languages", "must have 1 to 4 items, not 0", Invalid),
        ),
    ];
    for (input, expected) in cases {
        assert_eq!(only("ocr", &input), expected, "{input}");
    }
}

#[test]
fn languages_that_could_be_paths_are_refused() {
    for language in [
        "",
        "en",
        "../etc",
        "eng/../x",
        "ENG",
        "eng_",
        "chi_sim_vert_x",
        "eng\0",
        "script/Latin",
    ] {
        let input = json!({"image": {"url": "a"}, "languages": ["eng", language]});
        assert_eq!(only("ocr", &input).0, "/languages/1", "{language:?}");
    }
    let fine = json!({"image": {"url": "a"}, "languages": ["eng", "chi_sim", "chi_sim_vert", "deu_latf"]});
    assert_eq!((tasks::find("ocr").expect("ocr").check)(&fine), Ok(()));
}

#[test]
fn regions_are_four_numbers_of_some_size() {
    let region = |bbox: Value| json!({"image": {"url": "a"}, "regions": [{"bbox": bbox}]});
    assert_eq!(
        only("ocr", &region(json!([0, 0, 10]))).1,
        "must have exactly 4 items, not 3"
    );
    assert_eq!(only("ocr", &region(json!([0, 0, 0, 10]))).0, "/regions/0/bbox");
    assert_eq!(only("ocr", &region(json!([0, 0, -1, 10]))).0, "/regions/0/bbox/2");
    assert_eq!(
        only("ocr", &region(json!([0, 0, 5_000_000_000_u64, 10]))).0,
        "/regions/0/bbox/2"
    );
}

#[test]
fn a_stream_has_one_source_and_what_belongs_to_a_model_needs_one() {
    let one = |input: Value, pointer: &str, says: &str| {
        let errors = wrong("stream_ingest", &input);
        let found = errors.iter().any(|error| error.0 == pointer && error.1.contains(says));
        assert!(found, "{input}: {errors:?}");
    };
    let url = "rtsp://camera.example.com/a";
    one(json!({}), "/url", "is required");
    one(json!({"url": url, "media": {"artifact": "a"}}), "/media", "not both");
    one(
        json!({"media": {"artifact": "a"}, "username": "a"}),
        "/username",
        "belongs to `url`",
    );
    one(json!({"url": url, "password": "a"}), "/password", "needs `username`");
    one(json!({"url": url, "realtime": true}), "/realtime", "belongs to `media`");
    one(json!({"url": url, "fps": 31}), "/fps", "from 0.02 to 30");
    one(
        json!({"url": url, "window": {"size_s": 60, "hop_s": 1}}),
        "/window/hop_s",
        "a tenth",
    );
    one(
        json!({"url": url, "prompt": "what?", "provider": "local"}),
        "/prompt",
        "answers no questions",
    );
    one(json!({"url": url, "model": "m"}), "/model", "described locally");
    one(
        json!({"url": url, "prompt": "what?", "budget_usd_per_hour": 0}),
        "/budget_usd_per_hour",
        "from 0.001 to 10000",
    );
    one(json!({"url": url, "sealed": "k1:AAAA"}), "/sealed", "is no field here");
}

#[test]
fn a_feature_that_does_not_exist_is_told_those_that_do() {
    let errors = wrong(
        "image_analysis",
        &json!({"image": {"url": "a"}, "features": ["faces", "smell"], "min_confidence": 1.5}),
    );
    let said = "must be one of colors, quality, hash, codes, text, objects, faces, description, not \"smell\"";
    let pointers: Vec<&str> = errors.iter().map(|(pointer, ..)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/features/1", "/min_confidence"]);
    assert_eq!(errors[0].1, said);
}

/// Kinds with rules between fields, which their schemas do not say: there our check is the stricter one.
const RULES_BETWEEN_FIELDS: [&str; 7] = [
    "content_generation",
    "image_analysis",
    "scene_description",
    "step_detection",
    "stream_ingest",
    "stream_test",
    "voice_synthesis",
];

/// An independent validator and our own check must agree about every one of many inputs of every kind.
#[test]
fn the_schema_and_the_check_agree() {
    for kind in KINDS {
        let schema = jsonschema::validator_for(&(kind.input_schema)()).expect("a valid schema");
        let stricter = RULES_BETWEEN_FIELDS.contains(&kind.name);
        let agree = |ours: bool, theirs: bool| ours == theirs || (stricter && theirs);
        let example = (kind.example)();
        let fields = (kind.input_schema)()["properties"].as_object().expect("fields").clone();
        for name in fields.keys().map(String::as_str).chain(["unknown"]) {
            for value in values() {
                let mut input = example.clone();
                input[name] = value;
                let (ours, theirs) = ((kind.check)(&input), schema.is_valid(&input));
                assert!(agree(ours.is_ok(), theirs), "`{}`: {input}: {ours:?}", kind.name);
            }
            let mut without = example.clone();
            without.as_object_mut().expect("an object").remove(name);
            let (ours, theirs) = ((kind.check)(&without).is_ok(), schema.is_valid(&without));
            assert!(agree(ours, theirs), "`{}`: {without}", kind.name);
        }
    }
}

fn values() -> Vec<Value> {
    let media = [
        json!({"url": "a"}),
        json!({"artifact": "a"}),
        json!({"base64": "a"}),
        json!({"url": "a", "artifact": "b"}),
    ];
    let plain = [
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(-1),
        json!(0.5),
        json!(1e300),
        json!(u64::MAX),
    ];
    let words = [
        "", "a", "none", "word", "auto", "sparse", "crash", "eng", "text", "colors",
    ]
    .map(|word| json!(word));
    let lists = [
        json!([]),
        json!(["eng"]),
        json!(["eng", "deu", "fra", "ita", "spa"]),
        json!(["text", "tsv"]),
        json!(["colors", "codes"]),
        json!(["faces"]),
        json!([{"bbox": [0, 0, 1, 1]}]),
        json!([{"bbox": [0, 0, 1]}]),
        json!([{"bbox": [0, 0, 1, 1], "name": "a"}]),
        json!([null]),
    ];
    media
        .into_iter()
        .chain(plain)
        .chain(words)
        .chain(lists)
        .chain([json!({}), json!("x".repeat(20_000))])
        .collect()
}
