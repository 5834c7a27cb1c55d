//! Providers that find objects, as the suite sees them, and what they are asked.

use futures_util::future::BoxFuture;
use serde_json::json;
use zoetrope_worker::providers::capability::{Picture, Pieces};
use zoetrope_worker::providers::catalogue::Capability;
use zoetrope_worker::providers::configured::{Providers, Wanted};
use zoetrope_worker::providers::detection::{Detected, Sight};
use zoetrope_worker::providers::fault::Fault;

use super::cases::{Case, Heard};
use super::mock::{Mock, Reply};

async fn find(providers: &Providers, model: Option<&str>) -> Result<Detected, Fault> {
    let wanted = Wanted {
        provider: "auto",
        model,
        fallback: &[],
        local: None,
    };
    let capability = Capability::Detection;
    let chain = providers
        .chain(capability, &providers.detectors, wanted)
        .expect("it is configured");
    let sight = Sight {
        picture: Picture {
            content_type: "image/jpeg",
            bytes: vec![0xff, 0xd8, 0xff].into(),
        },
        width: 640,
        height: 480,
        least_confidence: 0.4,
    };
    let nowhere = Pieces::nowhere();
    let answered = providers
        .caller
        .first_answer(capability, &chain.candidates, &nowhere, |candidate| {
            candidate.engine.detect(&sight, &candidate.model)
        });
    match answered.await {
        Ok(answered) => Ok(answered.answer),
        Err(unanswered) => Err(unanswered.fault.expect("somebody was asked")),
    }
}

fn ask(providers: &Providers, _streams: bool) -> BoxFuture<'_, Result<Heard, Fault>> {
    Box::pin(async move {
        let found = find(providers, None).await?;
        let said = found.objects.iter().map(|one| {
            let place = [one.left, one.top, one.width, one.height];
            format!("{} {} at {place:?}", one.label, one.confidence)
        });
        Ok(Heard {
            said: said.collect(),
            ..Heard::default()
        })
    })
}

pub(super) fn roboflow() -> Case {
    Case {
        name: "roboflow detection",
        provider: "roboflow",
        key_name: "ROBOFLOW_API_KEY",
        base_name: "ROBOFLOW_BASE_URL",
        base_path: "",
        key_header: ("authorization", "Bearer "),
        line: "POST /infer/object_detection HTTP/1.1",
        ask,
        said: "cobalt 0.91 at [0.25, 0.375, 0.5, 0.25]",
        content_type: "application/json",
        whole: br#"{"inference_id":"6f0e","time":0.0312,"image":{"width":640,"height":480},"predictions":[{"x":320.0,"y":240.0,"width":320.0,"height":120.0,"confidence":0.91,"class":"cobalt","class_id":0,"detection_id":"b1f2"}]}"#.to_vec(),
        stream: None,
        broken_off: None,
        failing: None,
        declined: None,
    }
}

#[tokio::test]
async fn a_picture_is_sent_with_its_model_and_what_is_not_wanted() {
    let nothing = br#"{"time":0.01,"image":{"width":null,"height":null},"predictions":[]}"#;
    let mock = Mock::always(Reply::json(200, nothing.to_vec())).await;
    let providers = roboflow().open(&mock.url(""));
    for model in [None, Some("pro"), Some("my-project/3")] {
        let found = find(&providers, model).await.expect("the mock answers");
        assert_eq!((found.objects.len(), found.usage.images), (0, Some(1)));
    }
    let asked: Vec<_> = mock.requests().iter().map(super::mock::Recorded::json).collect();
    let image = json!({"type": "base64", "value": "/9j/"});
    assert_eq!(asked[0]["image"], image);
    let confidence = asked[0]["confidence"].as_f64().expect("a number");
    assert!((confidence - 0.4).abs() < 1e-6, "{confidence}");
    let models: Vec<_> = asked.iter().map(|body| body["model_id"].as_str()).collect();
    assert_eq!(
        models,
        [Some("rfdetr-small"), Some("rfdetr-medium"), Some("my-project/3")]
    );
}

#[tokio::test]
async fn a_model_that_is_still_loading_is_waited_for() {
    let cold = Reply::json(503, r#"{"message":"Model is temporarily not ready - retry request."}"#);
    let whole = Reply::json(200, roboflow().whole);
    let mock = Mock::start(move |number| match number {
        0 => cold.clone().with_header("retry-after", "0"),
        _ => whole.clone(),
    })
    .await;
    let found = find(&roboflow().open(&mock.url("")), None)
        .await
        .expect("the second answer is good");
    assert_eq!((found.objects.len(), mock.requests().len()), (1, 2));
}

#[tokio::test]
async fn an_answer_of_a_model_that_classifies_makes_no_sense_here() {
    let classes = r#"{"time":0.02,"image":{"width":640,"height":480},"predictions":{"cat":{"confidence":0.97,"class_id":1}},"predicted_classes":["cat"]}"#;
    let mock = Mock::always(Reply::json(200, classes)).await;
    let fault = find(&roboflow().open(&mock.url("")), None)
        .await
        .expect_err("these are no boxes");
    assert_eq!(fault.code, "provider_answer_invalid");
}
