//! `stream.key_frame`: one key frame in, one report out. The decoder is kept for the next key frame of the same tenant, as
//! opening and clearing one takes a fortieth of a picture's time. Nothing that one tenant's streams leave in it is there for
//! another's, and one that met damage is not kept at all.

use zoetrope_worker::protocol_streams::{Codec, KeyFrameInput, MAX_PACKET_BYTES, Sampled};

use super::decoder::Decoder;
use super::gate_state::Gate;
use super::reporter::{Reporter, Tools};
use crate::fault::Fault;

/// The decoder of the last key frame, emptied.
#[derive(Default)]
pub(super) struct KeptDecoder(Option<Kept>);

struct Kept {
    tenant: String,
    codec: Codec,
    decoder: Decoder,
}

impl KeptDecoder {
    /// That one if it is this tenant's, else a new one.
    fn take(&mut self, tenant: Option<&str>, codec: Codec) -> Result<Decoder, Fault> {
        let fits = |kept: &Kept| Some(kept.tenant.as_str()) == tenant && kept.codec == codec;
        match self.0.take().filter(fits) {
            Some(kept) => Ok(kept.decoder),
            None => Decoder::of_stream(codec),
        }
    }

    fn keep(&mut self, tenant: &str, codec: Codec, mut decoder: Decoder) {
        decoder.flush();
        self.0 = Some(Kept {
            tenant: tenant.to_owned(),
            codec,
            decoder,
        });
    }
}

/// Decodes and reports the picture.
pub(super) fn run(
    tools: Tools<'_>,
    kept: &mut KeptDecoder,
    input: &KeyFrameInput,
    body: &[u8],
) -> Result<Sampled, Fault> {
    if body.is_empty() || body.len() > MAX_PACKET_BYTES {
        return Err(Fault::input_invalid(format!(
            "a key frame has 1 to {MAX_PACKET_BYTES} bytes"
        )));
    }
    let mut gate = Gate::from_state(input.gate.as_ref());
    let mut reporter = Reporter::new(tools, &mut gate, &input.analyse);
    let mut decoder = kept.take(input.tenant.as_deref(), input.codec)?;
    decoder.skip_smoothing(input.analyse.texts == 0 && input.analyse.pictures.is_none());
    decoder.send(body, input.t_ms, true);
    decoder.send_end();
    if let Some((picture, damaged)) = decoder.receive() {
        reporter.report(picture, input.t_ms, damaged)?;
    } else if decoder.errors() == 0 {
        decoder.count_lost();
    }
    let sampled = reporter.finish_with_gate(&mut decoder);
    if let Some(tenant) = input.tenant.as_deref().filter(|_| sampled.decode_errors == 0) {
        kept.keep(tenant, input.codec, decoder);
    }
    Ok(sampled)
}
