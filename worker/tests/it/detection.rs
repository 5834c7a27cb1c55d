//! Objects by a network of the operator's, in ONNX Runtime: the files are real, and so is the runtime.

use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};
use tempfile::TempDir;
use zoetrope_worker::media_pool::{MediaError, MediaPool, MediaPoolConfig};

use crate::onnx_network::{Export, network};
use crate::pixels::encoded;
use crate::vocabulary::{pool_with, refusal, work};

const COLUMNS: Export = Export {
    rows: false,
    names: true,
};
const ROWS: Export = Export {
    rows: true,
    names: true,
};

/// ONNX Runtime's library in its own place below the target folder.
pub(crate) fn library() -> PathBuf {
    let own = Path::new(env!("CARGO_BIN_EXE_zoetrope-media"));
    let places = own
        .ancestors()
        .map(|folder| folder.join("onnxruntime/libonnxruntime.so"));
    let mut found = places.filter(|path| path.exists());
    found
        .next()
        .expect("ONNX Runtime should be installed: `scripts/setup tests`, or `make test`")
}

/// Files of an operator's detector, and children that may read them.
struct Installed {
    folder: TempDir,
    library: PathBuf,
}

impl Installed {
    fn new(model: &[u8]) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        std::fs::write(folder.path().join("squares.onnx"), model).expect("the folder is ours");
        Self {
            folder,
            library: library(),
        }
    }

    fn with_labels(self, labels: &str) -> Self {
        std::fs::write(self.folder.path().join("labels.txt"), labels).expect("the folder is ours");
        self
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.path().join(name)).filter(|path| path.exists())
    }

    fn pool(&self) -> MediaPool {
        let named = [
            self.file("squares.onnx"),
            self.file("labels.txt"),
            Some(self.library.clone()),
        ];
        let children = MediaPoolConfig::of(env!("CARGO_BIN_EXE_zoetrope-media").into(), 1);
        pool_with(MediaPoolConfig {
            readable: named.into_iter().flatten().collect(),
            ..children
        })
        .0
    }

    async fn find(&self, pool: &MediaPool, image: Vec<u8>, more: Value) -> Result<Value, MediaError> {
        let mut input = json!({
            "features": ["objects"],
            "detector": {
                "model": self.folder.path().join("squares.onnx"),
                "labels": self.file("labels.txt"),
                "library": self.library,
            },
        });
        let fields = more.as_object().expect("an object").clone();
        input.as_object_mut().expect("an object").extend(fields);
        work(pool, "image_analysis", image, input).await
    }
}

/// A red and a blue square on a grey ground of 256 x 128 pixels, and a red one that is too pale to be sure of.
pub(crate) fn squares() -> Vec<u8> {
    let mut picture = RgbImage::from_pixel(256, 128, Rgb([90; 3]));
    // The network sees it at a quarter of its size with 16 rows above: a cell of eight is a square of 32.
    let mut square = |x: u32, y: u32, color| {
        for (dx, dy) in (0..32).flat_map(|x| (0..32).map(move |y| (x, y))) {
            picture.put_pixel(x + dx, y + dy, Rgb(color));
        }
    };
    square(64, 32, [255, 0, 0]);
    square(192, 64, [10, 10, 200]);
    square(0, 96, [150, 40, 40]);
    encoded(&DynamicImage::ImageRgb8(picture), ImageFormat::Png)
}

fn told(found: &Value) -> Vec<(String, [u32; 4])> {
    let objects = found["objects"].as_array().expect("objects were asked for");
    let of = |object: &Value| {
        let label = object["label"].as_str().expect("a label").to_owned();
        (
            label,
            serde_json::from_value(object["bbox"].clone()).expect("four numbers"),
        )
    };
    objects.iter().map(of).collect()
}

#[tokio::test]
async fn a_network_finds_objects_where_they_are_in_either_layout() {
    for export in [COLUMNS, ROWS] {
        let installed = Installed::new(&network(export));
        let pool = installed.pool();
        let found = installed
            .find(&pool, squares(), json!({}))
            .await
            .expect("the network is sound");
        let expected = [("red square", [64, 32, 32, 32]), ("blue square", [192, 64, 32, 32])];
        assert_eq!(
            told(&found),
            expected.map(|(label, bbox)| (label.to_owned(), bbox)),
            "{export:?}"
        );
        let sure = |at: usize| found["objects"][at]["confidence"].as_f64().expect("a number");
        assert!(sure(0) > 0.8 && (0.5..0.71).contains(&sure(1)), "{found}");
        let by = &found["made_by"]["objects"];
        assert_eq!(
            (&by["provider"], &by["model"]),
            (&json!("onnx"), &json!("squares.onnx"))
        );
        let all = installed
            .find(&pool, squares(), json!({"min_confidence": 0.15}))
            .await
            .expect("it is sound");
        assert_eq!(told(&all).len(), 3, "the pale one too: {all}");
        let surest = installed
            .find(&pool, squares(), json!({"min_confidence": 0.75}))
            .await
            .expect("it is sound");
        assert_eq!(told(&surest).len(), 1, "{surest}");
    }
}

#[tokio::test]
async fn names_of_a_file_win_and_a_network_without_names_has_numbers() {
    let installed = Installed::new(&network(COLUMNS)).with_labels("rot\nblau\n\n");
    let found = installed
        .find(&installed.pool(), squares(), json!({}))
        .await
        .expect("it is sound");
    assert_eq!(told(&found)[0].0, "rot");
    let nameless = Export {
        names: false,
        ..COLUMNS
    };
    let installed = Installed::new(&network(nameless));
    let found = installed
        .find(&installed.pool(), squares(), json!({}))
        .await
        .expect("it is sound");
    assert_eq!(told(&found)[1].0, "class 1");
    let three = Installed::new(&network(nameless)).with_labels("a\nb\nc\n");
    let (code, again, message) = refusal(three.find(&three.pool(), squares(), json!({})).await);
    assert_eq!((code.as_str(), again), ("model_invalid", false));
    assert!(
        message.contains("[1, 6, 64]") && message.contains("3 classes"),
        "{message}"
    );
}

#[tokio::test]
async fn what_is_missing_is_named_with_its_remedy_and_the_child_goes_on() {
    let garbage = Installed::new(b"this is no network");
    let pool = garbage.pool();
    let (code, _, message) = refusal(garbage.find(&pool, squares(), json!({})).await);
    assert!(
        code == "model_invalid" && message.contains("DETECTOR_MODEL"),
        "{code}: {message}"
    );
    let colors = work(&pool, "image_analysis", squares(), json!({"features": ["colors"]})).await;
    assert!(colors.expect("the child is well")["colors"].is_array());

    let mut installed = Installed::new(&network(COLUMNS));
    installed.library = installed.folder.path().join("libonnxruntime.so.0");
    let (code, again, message) = refusal(installed.find(&installed.pool(), squares(), json!({})).await);
    assert_eq!((code.as_str(), again), ("engine_not_installed", false));
    assert!(
        message.contains("ONNXRUNTIME_LIBRARY") && message.contains("pip install onnxruntime"),
        "{message}"
    );
    std::fs::write(&installed.library, "no library").expect("the folder is ours");
    let (code, _, message) = refusal(installed.find(&installed.pool(), squares(), json!({})).await);
    assert!(
        code == "engine_not_installed" && message.contains("ONNXRUNTIME_LIBRARY"),
        "{message}"
    );
}
