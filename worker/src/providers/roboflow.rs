//! Roboflow's object detection, hosted or on a server of one's own: `POST /infer/object_detection`. The key travels in
//! the `Authorization` header, which that route takes before a key in the body, so that no body holds it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use zoetrope_shared::usage::Usage;

use super::capability::{Call, Engine};
use super::catalogue::Model;
use super::detection::{Detected, Detector, Sight, Spotted};
use super::fault::Fault;
use super::http::Endpoint;

/// Boxes of one class that overlap by more than this are one object; the provider's own default.
const MAX_OVERLAP: f32 = 0.3;

/// The adapter.
#[derive(Debug)]
pub struct Roboflow {
    endpoint: Endpoint,
}

impl Roboflow {
    /// An adapter for a server.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }

    async fn find(&self, sight: &Sight, model: &Model) -> Result<Detected, Fault> {
        let body = json!({
            "model_id": model.name,
            "image": {"type": "base64", "value": BASE64_STANDARD.encode(&sight.picture.bytes)},
            // From 1 on it would be read as percent.
            "confidence": sight.least_confidence.clamp(0.0, 0.99),
            "iou_threshold": MAX_OVERLAP,
        });
        let request = self.endpoint.request(Method::POST, &["infer", "object_detection"]);
        let answer: Answer = self.endpoint.send(request.json(&body)).await?.json().await?;
        // Its sizes are null where it found nothing.
        let told = answer
            .image
            .and_then(|size| Some((size.width?, size.height?)))
            .filter(|(width, height)| *width > 0.0 && *height > 0.0);
        let (width, height) = told.unwrap_or((f64::from(sight.width), f64::from(sight.height)));
        let spotted = answer.predictions.into_iter().map(|one| Spotted {
            label: one.class,
            confidence: one.confidence,
            left: (one.x - one.width / 2.0) / width,
            top: (one.y - one.height / 2.0) / height,
            width: one.width / width,
            height: one.height / height,
        });
        Ok(Detected {
            objects: spotted.collect(),
            model: model.name.clone(),
            usage: Usage {
                images: Some(1),
                ..Usage::default()
            },
        })
    }
}

impl Engine for Roboflow {
    fn provider(&self) -> &'static str {
        self.endpoint.provider()
    }

    fn address(&self) -> (String, u16) {
        self.endpoint.address()
    }
}

impl Detector for Roboflow {
    fn detect<'a>(&'a self, sight: &'a Sight, model: &'a Model) -> Call<'a, Detected> {
        Box::pin(self.find(sight, model))
    }
}

#[derive(Debug, Deserialize)]
struct Answer {
    image: Option<Size>,
    /// A map for models that classify: those answer elsewhere, and here that is an answer that makes no sense.
    predictions: Vec<Prediction>,
}

#[derive(Debug, Deserialize)]
struct Size {
    width: Option<f64>,
    height: Option<f64>,
}

/// `x` and `y` are the middle of the box, pixels.
#[derive(Debug, Deserialize)]
struct Prediction {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    confidence: f32,
    class: String,
}
