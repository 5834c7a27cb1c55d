//! One suite over every adapter: what is true of one provider is true of all.

use zoetrope_worker::providers::fault::Class;

use super::cases::{self, Case, KEY};
use super::mock::{Body, Mock, Reply};

async fn start(case: &Case, reply: Reply) -> (Mock, zoetrope_worker::providers::configured::Providers) {
    let mock = Mock::always(reply).await;
    let providers = case.open(&mock.url(case.base_path));
    (mock, providers)
}

fn good(case: &Case) -> Reply {
    Reply::new(200, case.content_type, case.whole.clone())
}

fn events(text: &str) -> Reply {
    Reply::new(200, "text/event-stream", text)
}

#[tokio::test]
async fn a_good_answer_is_read_and_the_key_travels_in_its_header_alone() {
    for case in cases::all() {
        let (mock, providers) = start(&case, good(&case)).await;
        let heard = (case.ask)(&providers, false)
            .await
            .unwrap_or_else(|fault| panic!("{}: {fault}", case.name));
        assert_eq!(heard.said, case.said, "{}", case.name);
        let [request] = mock.requests().try_into().expect("one request");
        assert_eq!(request.line, case.line, "{}", case.name);
        let (name, scheme) = case.key_header;
        assert_eq!(
            request.header(name),
            Some(format!("{scheme}{KEY}").as_str()),
            "{}",
            case.name
        );
        assert!(!String::from_utf8_lossy(&request.body).contains(KEY), "{}", case.name);
        assert_eq!(request.head.matches(KEY).count(), 1, "{}", case.name);
    }
}

#[tokio::test]
async fn a_stream_is_passed_on_piece_by_piece_however_its_bytes_come() {
    for case in cases::all() {
        let Some(stream) = case.stream else { continue };
        for body in [Body::Whole(stream.into()), Body::Dripping(stream.into())] {
            let (_mock, providers) = start(&case, events("").with_body(body)).await;
            let heard = (case.ask)(&providers, true)
                .await
                .unwrap_or_else(|fault| panic!("{}: {fault}", case.name));
            assert_eq!(
                (heard.said.as_str(), heard.streamed.as_str()),
                (case.said, case.said),
                "{}",
                case.name
            );
            assert_eq!(
                (heard.input_tokens, heard.output_tokens),
                (Some(12), Some(2)),
                "{}",
                case.name
            );
        }
    }
}

#[tokio::test]
async fn each_class_of_error_has_its_code_and_only_what_may_pass_is_asked_again() {
    let rows = [
        (
            401,
            r#"{"error":{"message":"no","type":"authentication_error"}}"#,
            "provider_unauthorized",
            1,
        ),
        (403, r#"{"error":{"message":"no"}}"#, "provider_unauthorized", 1),
        (402, r#"{"error":{"message":"pay"}}"#, "provider_quota_exhausted", 1),
        (
            429,
            r#"{"error":{"message":"m","type":"insufficient_quota","code":"insufficient_quota"}}"#,
            "provider_quota_exhausted",
            1,
        ),
        (
            429,
            r#"{"error":{"message":"slow down","type":"rate_limit_error"}}"#,
            "provider_unavailable",
            3,
        ),
        (
            400,
            r#"{"error":{"message":"bad","type":"invalid_request_error"}}"#,
            "provider_refused",
            1,
        ),
        (404, r#"{"error":{"message":"no model"}}"#, "provider_refused", 1),
        (413, "too large", "provider_refused", 1),
        (
            400,
            r#"{"error":{"message":"m","code":"content_policy_violation"}}"#,
            "content_refused",
            1,
        ),
        (418, "teapot", "provider_refused", 1),
        (408, "", "provider_unavailable", 3),
        (
            500,
            r#"{"error":{"message":"m","type":"api_error"}}"#,
            "provider_unavailable",
            3,
        ),
        (502, "<html>Bad Gateway</html>", "provider_unavailable", 3),
        (
            529,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
            "provider_unavailable",
            3,
        ),
    ];
    for case in cases::all() {
        for (status, body, code, calls) in rows {
            let (mock, providers) = start(&case, Reply::json(status, body)).await;
            let fault = (case.ask)(&providers, false).await.expect_err(case.name);
            let told = (fault.code, fault.provider, fault.status, mock.requests().len());
            assert_eq!(
                told,
                (code, case.provider, Some(status), calls),
                "{}: {status} {body}",
                case.name
            );
        }
    }
}

#[tokio::test]
async fn a_success_that_makes_no_sense_is_no_success() {
    for case in cases::all() {
        for body in [
            "",
            "<html>Welcome</html>",
            "{}",
            "[]",
            "null",
            "{\"choices\": 5, \"content\": 5}",
            "\u{0}\u{1}\u{2}",
        ] {
            let (mock, providers) = start(&case, Reply::json(200, body)).await;
            let fault = (case.ask)(&providers, false).await.expect_err(case.name);
            assert_eq!(
                (fault.code, mock.requests().len()),
                ("provider_answer_invalid", 3),
                "{}: {body}",
                case.name
            );
        }
    }
}

#[tokio::test]
async fn a_provider_that_falls_silent_is_left_in_time() {
    for case in cases::all() {
        for silence in [None, Some(case.whole[..5].to_vec())] {
            let mock = Mock::always(good(&case).with_body(Body::ThenSilence(silence))).await;
            let providers = case.open_impatient(&mock.url(case.base_path));
            let fault = (case.ask)(&providers, false).await.expect_err(case.name);
            assert_eq!(fault.code, "provider_timeout", "{}", case.name);
        }
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_at_the_cap_and_a_lying_length_is_refused() {
    for case in cases::all() {
        let (mock, providers) = start(&case, good(&case).with_body(Body::Endless(vec![b' '; 16 * 1024]))).await;
        let fault = (case.ask)(&providers, false).await.expect_err(case.name);
        assert_eq!(
            (fault.code, mock.requests().len()),
            ("provider_answer_too_large", 1),
            "{}",
            case.name
        );
        let (_mock, providers) = start(&case, good(&case).with_body(Body::CutOff(case.whole.clone()))).await;
        let fault = (case.ask)(&providers, false).await.expect_err(case.name);
        assert_eq!(fault.code, "provider_unavailable", "{}", case.name);
    }
}

#[tokio::test]
async fn an_error_inside_a_good_stream_and_an_early_end_are_faults() {
    for case in cases::all() {
        for text in [case.failing, case.broken_off].into_iter().flatten() {
            let (mock, providers) = start(&case, events(text)).await;
            let fault = (case.ask)(&providers, true).await.expect_err(case.name);
            assert_eq!(
                (fault.code, mock.requests().len()),
                ("provider_unavailable", 3),
                "{}: {text}",
                case.name
            );
        }
    }
}

#[tokio::test]
async fn what_a_broken_stream_said_is_void_once_another_answers() {
    for case in cases::all() {
        let (Some(broken), Some(stream)) = (case.broken_off, case.stream) else {
            continue;
        };
        let mock = Mock::start(move |number| events(if number == 0 { broken } else { stream })).await;
        let providers = case.open(&mock.url(case.base_path));
        let heard = (case.ask)(&providers, true)
            .await
            .unwrap_or_else(|fault| panic!("{}: {fault}", case.name));
        assert_eq!(
            (heard.said.as_str(), heard.streamed.as_str()),
            (case.said, case.said),
            "{}",
            case.name
        );
    }
}

#[tokio::test]
async fn a_declined_request_is_no_outage_and_is_not_repeated() {
    for case in cases::all() {
        let Some(declined) = case.declined else { continue };
        let (mock, providers) = start(&case, Reply::json(200, declined)).await;
        let fault = (case.ask)(&providers, false).await.expect_err(case.name);
        assert_eq!(
            (fault.class, mock.requests().len()),
            (Class::Content, 1),
            "{}",
            case.name
        );
    }
}

#[tokio::test]
async fn a_short_pause_is_waited_for_and_a_long_one_goes_back_to_the_queue() {
    for case in cases::all() {
        let whole = good(&case);
        let mock = Mock::start(move |number| match number {
            0 => Reply::json(429, "{}").with_header("retry-after-ms", "20"),
            _ => whole.clone(),
        })
        .await;
        let providers = case.open(&mock.url(case.base_path));
        let heard = (case.ask)(&providers, false)
            .await
            .unwrap_or_else(|fault| panic!("{}: {fault}", case.name));
        assert_eq!(
            (heard.said.as_str(), mock.requests().len()),
            (case.said, 2),
            "{}",
            case.name
        );

        let (mock, providers) = start(&case, Reply::json(429, "{}").with_header("retry-after", "60")).await;
        let fault = (case.ask)(&providers, false).await.expect_err(case.name);
        assert_eq!(
            (fault.code, mock.requests().len()),
            ("provider_rate_limited", 1),
            "{}",
            case.name
        );
        let failure = zoetrope_queue::Failure::from(fault);
        let minute = Some(std::time::Duration::from_secs(60));
        assert_eq!(
            failure.class,
            zoetrope_queue::ErrorClass::RateLimited(minute),
            "{}",
            case.name
        );
    }
}

#[tokio::test]
async fn a_canceled_call_hangs_up() {
    for case in cases::all() {
        let (mock, providers) = start(&case, good(&case).with_body(Body::ThenSilence(None))).await;
        tokio::select! {
            _ = (case.ask)(&providers, true) => panic!("{}: nobody answers", case.name),
            () = mock.arrived() => {}
        }
        mock.hung_up().await;
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for case in cases::all() {
        let elsewhere = Mock::always(good(&case)).await;
        let reply = Reply::json(307, "").with_header("location", &elsewhere.url("/v1/chat/completions"));
        let (_mock, providers) = start(&case, reply).await;
        let fault = (case.ask)(&providers, false).await.expect_err(case.name);
        assert!(
            fault.message.contains("redirects are not followed"),
            "{}: {fault}",
            case.name
        );
        assert_eq!(elsewhere.requests().len(), 0, "{}", case.name);
    }
}

#[tokio::test]
async fn the_key_stands_in_no_fault_and_no_metric() {
    for case in cases::all() {
        let metrics = cases::metrics();
        let body = format!(r#"{{"error":{{"message":"Incorrect API key provided: {KEY}.","type":"x"}}}}"#);
        for status in [400, 401, 403, 429, 500] {
            let mock = Mock::always(Reply::json(status, body.clone())).await;
            let providers = case.open_counting(&mock.url(case.base_path), &metrics);
            let fault = (case.ask)(&providers, false).await.expect_err(case.name);
            let shown = format!("{fault} {fault:?} {providers:?}");
            assert!(!shown.contains(KEY) && shown.contains("***"), "{}: {shown}", case.name);
        }
        let text = metrics.render().expect("metrics should be text");
        assert!(
            text.contains("zoetrope_provider_calls_total{capability=") && !text.contains(KEY),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_provider_that_keeps_failing_is_left_alone() {
    for case in cases::all() {
        let (mock, providers) = start(&case, Reply::json(503, "{}")).await;
        let mut codes = Vec::new();
        for _ in 0..4 {
            codes.push((case.ask)(&providers, false).await.expect_err(case.name).code);
        }
        let open = "provider_circuit_open";
        assert_eq!(codes, ["provider_unavailable", open, open, open], "{}", case.name);
        assert_eq!(
            mock.requests().len(),
            5,
            "{}: five in a row open the circuit",
            case.name
        );
    }
}
