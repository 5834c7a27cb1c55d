//! `stream.key_frame`: one key frame in, one report out, nothing kept. A fresh decoder each time: opening one is cheap
//! next to decoding, and nothing of one stream can be seen in another.

use zoetrope_worker::protocol_streams::{KeyFrameInput, MAX_PACKET_BYTES, Sampled};

use super::decoder::Decoder;
use super::gate_state::Gate;
use super::reporter::{Reporter, Tools};
use crate::fault::Fault;

/// Decodes and reports the picture.
pub(super) fn run(tools: Tools<'_>, input: &KeyFrameInput, body: &[u8]) -> Result<Sampled, Fault> {
    if body.is_empty() || body.len() > MAX_PACKET_BYTES {
        return Err(Fault::input_invalid(format!(
            "a key frame has 1 to {MAX_PACKET_BYTES} bytes"
        )));
    }
    let mut gate = Gate::from_state(input.gate.as_ref());
    let mut reporter = Reporter::new(tools, &mut gate, &input.analyse);
    let mut decoder = Decoder::of_stream(input.codec)?;
    if input.analyse.texts == 0 && input.analyse.pictures.is_none() {
        decoder.skip_smoothing();
    }
    decoder.send(body, input.t_ms, true);
    decoder.send_end();
    if let Some((picture, damaged)) = decoder.receive() {
        reporter.report(picture, input.t_ms, damaged)?;
    } else if decoder.errors() == 0 {
        decoder.count_lost();
    }
    Ok(reporter.finish_with_gate(&mut decoder))
}
