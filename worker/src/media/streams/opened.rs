//! What ffmpeg-next has no safe words for: opening bytes with one demuxer and no look at what is in the streams, and what a
//! header says of a stream. Nothing else here is unsafe but one call of `scaler`.

use std::ffi::CStr;
use std::ptr;

use ffmpeg_next::codec::{Id, Parameters};
use ffmpeg_next::ffi;
use ffmpeg_next::format::context::{Input, StreamIo};
use ffmpeg_next::{Dictionary, Error};

/// Opens what `io` reads with the demuxer of this name and no other. ffmpeg-next's own way goes on to decode the first pictures in
/// order to guess what is not in headers; who wants packets needs none of that, nor decoders that strangers' bytes can reach.
pub(super) fn open(demuxer: &CStr, mut io: StreamIo, options: Dictionary<'_>) -> Result<Input, Error> {
    #[expect(
        unsafe_code,
        reason = "ffmpeg-next opens nothing without decoding; the context is made here, freed by FFmpeg where opening fails, and \
                  handed to its owner with the bytes that it reads otherwise"
    )]
    unsafe {
        let format = ffi::av_find_input_format(demuxer.as_ptr());
        if format.is_null() {
            return Err(Error::DemuxerNotFound);
        }
        let mut context = ffi::avformat_alloc_context();
        if context.is_null() {
            return Err(Error::Unknown);
        }
        (*context).pb = io.as_mut_ptr();
        (*context).flags |= ffi::AVFMT_FLAG_CUSTOM_IO;
        let mut options = options.disown();
        let opened = ffi::avformat_open_input(&raw mut context, ptr::null(), format, &raw mut options);
        // Those that nobody took are left over.
        drop(Dictionary::own(options));
        if opened < 0 {
            return Err(Error::from(opened));
        }
        Ok(Input::wrap_with_custom_io(context, io))
    }
}

/// What a header says of a stream.
pub(super) struct Header {
    /// Its codec.
    pub(super) id: Id,
    /// Its container's own word for the codec.
    pub(super) tag: u32,
    /// How it is to be decoded.
    pub(super) extra: Vec<u8>,
}

impl Header {
    pub(super) fn of(parameters: &Parameters) -> Self {
        #[expect(
            unsafe_code,
            reason = "ffmpeg-next has no word for it; the pointers are valid as long as the parameters, and what they show is copied"
        )]
        let (tag, extra) = unsafe {
            let raw = &*parameters.as_ptr();
            let bytes = usize::try_from(raw.extradata_size).unwrap_or(0);
            let extra = if raw.extradata.is_null() || bytes == 0 {
                Vec::new()
            } else {
                std::slice::from_raw_parts(raw.extradata, bytes).to_vec()
            };
            (raw.codec_tag, extra)
        };
        Self {
            id: parameters.id(),
            tag,
            extra,
        }
    }
}
