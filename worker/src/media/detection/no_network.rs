//! What stands where a network would: this program was built without the feature `onnx`.

use std::convert::Infallible;

use zoetrope_worker::protocol_images::OnnxDetector;

use crate::fault::Fault;

/// There is none.
pub(super) struct Network(Infallible);

impl Network {
    pub(super) fn open(_: &OnnxDetector) -> Result<Self, Fault> {
        Err(Fault::not_installed(
            "this zoetrope-media was built without the feature `onnx`",
        ))
    }

    pub(super) fn input_size(&self) -> (u32, u32) {
        match self.0 {}
    }

    pub(super) fn names(&self) -> Option<String> {
        match self.0 {}
    }

    pub(super) fn run(&mut self, _: &[f32]) -> Result<(Vec<i64>, Vec<f32>), Fault> {
        match self.0 {}
    }
}
