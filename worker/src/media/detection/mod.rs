//! Objects, found by an operator's network: an ONNX export of the YOLO family. Runs here, where the pixels are, so that
//! neither decoded pixels nor a decoder leave the child; what runs the network is loaded when it is first asked for.

mod labels;
mod letterbox;
#[cfg_attr(not(feature = "onnx"), path = "no_network.rs")]
mod network;
mod outputs;
mod suppress;

use image::RgbImage;
use zoetrope_shared::tasks::image_analysis::Object;
use zoetrope_worker::protocol_images::{MAX_FOUND, OnnxDetector};

use crate::fault::Fault;
use letterbox::Letterbox;
use network::Network;
use outputs::Layout;

/// Least confidence where a task names none.
const USUAL_CONFIDENCE: f32 = 0.4;

/// The network of the last request: a worker has one, and its children keep it.
#[derive(Default)]
pub(crate) struct Detector(Option<Loaded>);

struct Loaded {
    of: OnnxDetector,
    network: Network,
    labels: Option<Vec<String>>,
}

impl Detector {
    /// The objects of an image, surest first.
    pub(crate) fn find(
        &mut self,
        of: &OnnxDetector,
        image: &RgbImage,
        least: Option<f32>,
    ) -> Result<Vec<Object>, Fault> {
        let loaded = self.load(of)?;
        let letterbox = Letterbox::of(image.dimensions(), loaded.network.input_size());
        let (shape, values) = loaded.network.run(&letterbox.fill(image)?)?;
        let labels = loaded.labels.as_deref();
        let layout = Layout::of(&shape, labels.map(<[String]>::len)).map_err(Fault::model_invalid)?;
        let candidates = layout.candidates(&values, least.unwrap_or(USUAL_CONFIDENCE));
        let kept = match layout.is_final() {
            true => suppress::surest(candidates, MAX_FOUND),
            false => suppress::suppress(candidates, MAX_FOUND),
        };
        let objects = kept.into_iter().filter_map(|candidate| {
            Some(Object {
                bbox: letterbox.back(candidate.corners)?,
                confidence: candidate.confidence,
                label: labels::name_of(labels, candidate.class),
            })
        });
        Ok(objects.collect())
    }

    fn load(&mut self, of: &OnnxDetector) -> Result<&mut Loaded, Fault> {
        if self.0.as_ref().is_none_or(|loaded| loaded.of != *of) {
            self.0 = None;
            let network = Network::open(of)?;
            let labels = match &of.labels {
                Some(file) => Some(labels::read(file)?),
                None => network.names().as_deref().and_then(labels::of_metadata),
            };
            self.0 = Some(Loaded {
                of: of.clone(),
                network,
                labels,
            });
        }
        Ok(self.0.as_mut().expect("it was loaded just now"))
    }
}

/// What results call the network: its file's name.
pub(crate) fn name_of(of: &OnnxDetector) -> String {
    let name = of.model.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
