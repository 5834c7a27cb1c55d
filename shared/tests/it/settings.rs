//! The settings: what wins, what is refused and in which words, and that `.env.example` tells the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use zoetrope_shared::config::{AuthMode, Settings, Sources};

fn environment(pairs: &[(&str, &str)]) -> Sources {
    Sources {
        environment: owned(pairs),
        ..Sources::default()
    }
}

fn file(text: &str) -> Sources {
    Sources {
        file: Some((PathBuf::from("zoetrope.toml"), text.to_owned())),
        ..Sources::default()
    }
}

fn owned(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn refusal(sources: &Sources) -> String {
    Settings::from_sources(sources)
        .expect_err("settings that should be refused")
        .to_string()
}

/// Name and default of every setting in `.env.example`.
fn example() -> BTreeMap<String, String> {
    let text = include_str!("../../../.env.example");
    let settings = text
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter_map(|line| line.split_once('='));
    let named = settings.filter(|(name, _)| {
        name.chars()
            .all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit())
    });
    named.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_example_file_names_exactly_the_settings_there_are() {
    let shown: BTreeSet<String> = example().into_keys().collect();
    let known: BTreeSet<String> = Settings::names().into_iter().map(str::to_owned).collect();
    assert_eq!(shown, known);
}

#[test]
fn the_example_file_uncommented_changes_nothing() {
    let uncommented = Sources {
        dotenv: example(),
        ..Sources::default()
    };
    let defaults = Settings::from_sources(&Sources::default()).expect("the defaults");
    let of_example = Settings::from_sources(&uncommented).expect("the example");
    assert_eq!(of_example.redacted(), defaults.redacted());
}

#[test]
fn the_environment_wins_over_dotenv_and_dotenv_over_the_file() {
    let mut sources = file("port = 1\nworker_port = 1\nmax_workers = 1\n");
    sources.dotenv = owned(&[("PORT", "2"), ("WORKER_PORT", "2")]);
    sources.environment = owned(&[("PORT", "3")]);
    let settings = Settings::from_sources(&sources).expect("valid settings");
    assert_eq!((settings.port, settings.worker_port, settings.max_workers), (3, 2, 1));
}

#[test]
fn an_empty_value_counts_as_not_set() {
    let mut sources = environment(&[("PORT", ""), ("OPENAI_API_KEY", "  ")]);
    sources.dotenv = owned(&[("PORT", "2")]);
    let settings = Settings::from_sources(&sources).expect("valid settings");
    assert_eq!((settings.port, settings.providers.openai.api_key), (2, None));
}

#[test]
fn values_of_the_file_may_be_numbers_strings_flags_and_lists() {
    let text = "port = 9000\nauth = \"none\"\naws_allow_http = true\nframe_rate = 0.5\n\
                worker_kinds = [\"ocr\", \"image-analysis\"]\nprocessing_timeout = \"2m\"\n";
    let settings = Settings::from_sources(&file(text)).expect("valid settings");
    assert_eq!(
        (settings.port, settings.auth, settings.aws.allow_http),
        (9000, AuthMode::None, true)
    );
    assert_eq!(
        settings.worker_kinds,
        Some(vec!["ocr".to_owned(), "image_analysis".to_owned()])
    );
    assert_eq!(
        (settings.frame_rate, settings.processing_timeout),
        (0.5, Duration::from_secs(120))
    );
}

#[test]
fn an_unknown_key_of_the_file_is_refused_with_the_nearest_setting() {
    assert_eq!(
        refusal(&file("max_worker = 4")),
        "zoetrope.toml: `max_worker` is no setting; did you mean `max_workers`?"
    );
    assert_eq!(refusal(&file("colour = 1")), "zoetrope.toml: `colour` is no setting");
}

#[test]
fn a_bad_value_names_its_setting_its_origin_and_what_is_allowed() {
    let cases = [
        (
            "PORT",
            "80a",
            "PORT (from the environment): `80a` is not a number from 0 to 65535",
        ),
        (
            "MAX_WORKERS",
            "0",
            "MAX_WORKERS (from the environment): `0` is not a number from 1 to 1024",
        ),
        ("AUTH", "off", "AUTH (from the environment): `off` is none of on, none"),
        (
            "WORKER_KINDS",
            "ocr,magic",
            "WORKER_KINDS (from the environment): `magic` is no kind; there are echo, ocr, image_analysis, scene_description, content_generation, voice_synthesis, transcription, voices, step_detection, stream_ingest, stream_test, recording_snapshot",
        ),
        (
            "HOST",
            "example.com",
            "HOST (from the environment): `example.com` is not an IP address such as 127.0.0.1, 0.0.0.0 or ::1",
        ),
        (
            "NETGUARD_ALLOW_CIDRS",
            "10.0.0.0/99",
            "NETGUARD_ALLOW_CIDRS (from the environment): `10.0.0.0/99` is not a range such as 192.168.0.0/16 or ::1/128",
        ),
        (
            "PROCESSING_TIMEOUT",
            "soon",
            "PROCESSING_TIMEOUT (from the environment): `soon` is not a duration from 1 s to 86400 s, written as 90, 90s, 500ms, 5m or 2h",
        ),
    ];
    for (name, value, expected) in cases {
        assert_eq!(refusal(&environment(&[(name, value)])), expected);
    }
    assert!(refusal(&file("port = [1, 2]")).starts_with("PORT (from zoetrope.toml): "));
    assert!(refusal(&file("port = ")).starts_with("zoetrope.toml: "));
}

#[test]
fn a_refused_url_is_not_repeated_for_it_may_hold_a_password() {
    let error = refusal(&environment(&[("REDIS_URL", "http://:hunter2@db")]));
    assert!(error.starts_with("REDIS_URL") && !error.contains("hunter2"), "{error}");
}

#[test]
fn host_and_port_of_redis_make_its_url() {
    let url = |pairs: &[(&str, &str)]| {
        Settings::from_sources(&environment(pairs))
            .expect("valid settings")
            .redis_url
    };
    assert_eq!(url(&[]), "redis://127.0.0.1:6379");
    assert_eq!(url(&[("REDIS_HOST", "db"), ("REDIS_PORT", "7000")]), "redis://db:7000");
    assert_eq!(url(&[("REDIS_HOST", "::1")]), "redis://[::1]:6379");
    assert_eq!(
        url(&[("REDIS_HOST", "db"), ("REDIS_URL", "rediss://other")]),
        "rediss://other"
    );
}

#[test]
fn artifacts_lie_in_the_data_directory_unless_told_otherwise() {
    let settings = Settings::from_sources(&environment(&[("DATA_DIR", "/srv/a b")])).expect("valid settings");
    assert_eq!(settings.artifacts_url, "file:///srv/a%20b/artifacts");
    let relative = Settings::from_sources(&Sources::default()).expect("the defaults");
    assert!(relative.data_dir.is_absolute(), "{}", relative.data_dir.display());
}

#[test]
fn contradictions_are_warned_of() {
    let warnings = |pairs: &[(&str, &str)]| {
        Settings::from_sources(&environment(pairs))
            .expect("valid settings")
            .warnings
    };
    assert_eq!(warnings(&[]), Vec::<String>::new());
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[("AUTH", "none"), ("HOST", "0.0.0.0")], "AUTH=none"),
        (&[("REDIS_URL", "redis://a"), ("REDIS_PORT", "1")], "REDIS_URL"),
        (&[("PORT", "8001")], "PORT and WORKER_PORT"),
        (
            &[("ARTIFACTS_URL", "s3://b"), ("AWS_ACCESS_KEY_ID", "x")],
            "AWS_ACCESS_KEY_ID",
        ),
        (&[("NETGUARD_ALLOW_CIDRS", "0.0.0.0/0")], "NETGUARD_ALLOW_CIDRS"),
        (
            &[("LEASE_SECONDS", "60"), ("PROCESSING_TIMEOUT", "30")],
            "LEASE_SECONDS",
        ),
    ];
    for (pairs, about) in cases {
        let warned = warnings(pairs);
        assert!(warned.len() == 1 && warned[0].contains(about), "{pairs:?}: {warned:?}");
    }
}

#[test]
fn no_secret_is_printed() {
    let secrets = [
        ("OPENAI_API_KEY", "hunter2"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("SECRETS_KEYS", "k1:aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMmh1bnQ="),
        ("MEDIA_SIGNING_KEY", "hunter2"),
        ("RTSP_STREAM_URL", "rtsp://me:hunter2@camera/"),
        ("REDIS_URL", "redis://:hunter2@db"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://me:hunter2@collector"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hunter2"),
    ];
    let settings = Settings::from_sources(&environment(&secrets)).expect("valid settings");
    let shown = format!("{settings:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVyMm"), "{shown}");
    assert!(settings.secret_keys().can_seal());
    assert_eq!(settings.redis_url, "redis://:hunter2@db");
}

#[test]
fn limits_of_providers_are_read_and_said_again_and_nonsense_is_named() {
    let text = "openai:requests=500:tokens=200000,anthropic:tokens=7";
    let settings = Settings::from_sources(&environment(&[("PROVIDER_LIMITS", text)])).expect("good limits");
    let limits = &settings.provider_bounds.limits;
    let numbers = limits
        .iter()
        .map(|limit| (limit.provider.as_str(), limit.requests_a_minute, limit.tokens_a_minute));
    assert_eq!(
        numbers.collect::<Vec<_>>(),
        [("openai", Some(500), Some(200_000)), ("anthropic", None, Some(7))]
    );
    assert!(settings.redacted().contains(&("PROVIDER_LIMITS", text.to_owned())));
    for text in [
        "openai",
        "nobody:requests=1",
        "openai:requests=0",
        "openai:calls=1",
        "openai:requests=1,openai:tokens=1",
    ] {
        assert!(
            refusal(&environment(&[("PROVIDER_LIMITS", text)])).contains("PROVIDER_LIMITS"),
            "{text}"
        );
    }
    for text in ["-1", "2000000", "much"] {
        assert!(
            refusal(&environment(&[("SPEND_CAP_USD", text)])).contains("SPEND_CAP_USD"),
            "{text}"
        );
    }
}
