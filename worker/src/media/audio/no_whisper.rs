//! What stands where whisper.cpp would: this program was built without the feature `whisper`.

use zoetrope_worker::protocol_audio::{WhisperInput, WhisperedSegment};

use super::wav::Sound;
use crate::fault::Fault;

/// There is none.
#[derive(Default)]
pub(crate) struct Whisper;

impl Whisper {
    #[expect(clippy::unused_self, reason = "it stands in for one that listens")]
    pub(super) fn listen(
        &mut self,
        input: &WhisperInput,
        _: &Sound,
    ) -> Result<(Option<String>, Vec<WhisperedSegment>), Fault> {
        Err(Fault::not_installed(format!(
            "WHISPER_MODEL is {}, and this zoetrope-media was built without the feature `whisper`: build it with \
             `cargo build --release --features zoetrope-worker/whisper`, or ask for `pocketsphinx` or a provider",
            input.model.display()
        )))
    }
}
