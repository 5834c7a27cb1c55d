//! A network in ONNX Runtime, whose library is loaded when the first network is opened and linked by nothing.

use std::path::Path;
use std::sync::OnceLock;

use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::{TensorElementType, TensorRef, ValueType};
use zoetrope_worker::protocol_images::OnnxDetector;

use crate::fault::Fault;

/// Width and height of a network that takes any.
const USUAL_EDGE: u32 = 640;
/// Largest width and height, pixels: a tensor of 50 MB.
const MAX_EDGE: i64 = 2_048;
/// Red, green and blue.
const CHANNELS: i64 = 3;

/// A process has one, from the first network on.
static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();

/// An open network.
pub(super) struct Network {
    session: Session,
    width: u32,
    height: u32,
    input: String,
    output: String,
}

impl Network {
    /// Loads the library and the network.
    pub(super) fn open(of: &OnnxDetector) -> Result<Self, Fault> {
        let environment = environment(&of.library)?;
        let unreadable =
            |error: &dyn std::fmt::Display| Fault::model_invalid(format!("DETECTOR_MODEL cannot be loaded: {error}"));
        let builder = Session::builder(environment).map_err(|error| unreadable(&error))?;
        let session = builder
            // Parallelism comes from children.
            .with_intra_threads(1)
            .map_err(|error| unreadable(&error))?
            .with_optimization_level(GraphOptimizationLevel::Level3)
            .map_err(|error| unreadable(&error))?
            .commit_from_file(&of.model)
            .map_err(|error| unreadable(&error))?;
        let (Some(input), Some(output)) = (session.inputs().first(), session.outputs().first()) else {
            return Err(Fault::model_invalid("DETECTOR_MODEL has no input or no output"));
        };
        let (width, height) = size_of(input.dtype())?;
        let (input, output) = (input.name().to_owned(), output.name().to_owned());
        Ok(Self {
            session,
            width,
            height,
            input,
            output,
        })
    }

    /// Width and height of its input.
    pub(super) fn input_size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// The names of its classes, where its exporter wrote them into it.
    pub(super) fn names(&self) -> Option<String> {
        self.session.metadata().ok()?.custom("names")
    }

    /// Its answer to an input: shape and values.
    pub(super) fn run(&mut self, input: &[f32]) -> Result<(Vec<i64>, Vec<f32>), Fault> {
        let failed = |error: &dyn std::fmt::Display| Fault::model_invalid(format!("the detector failed: {error}"));
        let shape = [1_usize, CHANNELS as usize, self.height as usize, self.width as usize];
        let tensor = TensorRef::from_array_view((shape, input)).map_err(|error| failed(&error))?;
        let answer = self.session.run(ort::inputs![self.input.as_str() => tensor]);
        let answer = answer.map_err(|error| failed(&error))?;
        let (shape, values) = answer[self.output.as_str()]
            .try_extract_tensor::<f32>()
            .map_err(|error| failed(&error))?;
        Ok((shape.to_vec(), values.to_vec()))
    }
}

fn environment(library: &Path) -> Result<&'static Environment, Fault> {
    if let Some(environment) = ENVIRONMENT.get() {
        return Ok(environment);
    }
    let missing = |error: &dyn std::fmt::Display| {
        Fault::not_installed(format!(
            "ONNX Runtime cannot be loaded; `pip install onnxruntime` brings it, and ONNXRUNTIME_LIBRARY names its \
             libonnxruntime.so: {error}"
        ))
    };
    let builder = ort::init_from(library).map_err(|error| missing(&error))?;
    let built = builder.with_name("zoetrope").with_telemetry(false).build();
    let built = built.map_err(|error| missing(&error))?;
    Ok(ENVIRONMENT.get_or_init(|| built))
}

/// Width and height of `[1, 3, height, width]`; sizes that are left open are chosen here.
fn size_of(input: &ValueType) -> Result<(u32, u32), Fault> {
    let ValueType::Tensor { ty, shape, .. } = input else {
        return Err(Fault::model_invalid("DETECTOR_MODEL takes no tensor"));
    };
    if *ty != TensorElementType::Float32 {
        let message = format!("DETECTOR_MODEL takes {ty}; export it with 32-bit floats");
        return Err(Fault::model_invalid(message));
    }
    let unfit = || Fault::model_invalid(format!("DETECTOR_MODEL takes {shape}, not [1, 3, height, width]"));
    let [batch, channels, height, width] = shape[..] else {
        return Err(unfit());
    };
    let edge = |size: i64| match size {
        -1 => Ok(USUAL_EDGE),
        1..=MAX_EDGE => u32::try_from(size).map_err(|_| unfit()),
        _ => Err(unfit()),
    };
    if !matches!(batch, 1 | -1) || !matches!(channels, CHANNELS | -1) {
        return Err(unfit());
    }
    Ok((edge(width)?, edge(height)?))
}
