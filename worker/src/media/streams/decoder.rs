//! FFmpeg's video decoders behind three verbs: send, receive, forget. One thread each, limits set before the first byte,
//! damage counted.

use ffmpeg_next::codec::{Context, Id, Parameters, packet};
use ffmpeg_next::util::error::EAGAIN;
use ffmpeg_next::util::frame;
use ffmpeg_next::{Dictionary, Discard, Error, Packet, decoder};
use zoetrope_shared::media::MAX_PIXELS;
use zoetrope_worker::protocol_streams::Codec;

use crate::fault::Fault;

/// Codecs that files may hold. Everything else FFmpeg can decode is more attack surface than use.
pub(crate) const FILE_CODECS: [(Id, &str); 9] = [
    (Id::H264, "h264"),
    (Id::HEVC, "hevc"),
    (Id::VP8, "vp8"),
    (Id::VP9, "vp9"),
    (Id::AV1, "av1"),
    (Id::MPEG4, "mpeg4"),
    (Id::MPEG2VIDEO, "mpeg2video"),
    (Id::MJPEG, "mjpeg"),
    (Id::PRORES, "prores"),
];

/// Pictures in a row that may fail to come out before the decoder is taken to be empty.
const MOST_REFUSALS: u32 = 16;

/// A decoder and the picture that it decodes into.
pub(crate) struct Decoder {
    video: decoder::Video,
    frame: frame::Video,
    /// Packets refused and pictures concealed since the last [`Decoder::take_counts`].
    errors: u32,
    decoded: u32,
}

impl Decoder {
    /// For a stream in Annex B, whose parameters come with its packets.
    pub(crate) fn of_stream(codec: Codec) -> Result<Self, Fault> {
        let id = match codec {
            Codec::H264 => Id::H264,
            Codec::H265 => Id::HEVC,
        };
        let found = decoder::find(id).ok_or_else(|| missing(id))?;
        Self::open(Context::new_with_codec(found), found)
            .map_err(|error| Fault::engine_failed(format!("the decoder of {id:?} does not open: {error}")))
    }

    /// For the video of a file, as its header describes it.
    pub(crate) fn of_file(parameters: Parameters) -> Result<Self, Fault> {
        let id = parameters.id();
        if !FILE_CODECS.iter().any(|(allowed, _)| *allowed == id) {
            return Err(Fault::media_invalid(format!("video in the codec {id:?} is not taken")));
        }
        let found = decoder::find(id).ok_or_else(|| missing(id))?;
        let context = Context::from_parameters(parameters)
            .map_err(|error| Fault::media_invalid(format!("the video's header is not valid: {error}")))?;
        Self::open(context, found).map_err(|error| {
            Fault::media_invalid(format!(
                "the video cannot be decoded, or its pictures have more than {MAX_PIXELS} pixels: {error}"
            ))
        })
    }

    fn open(context: Context, found: ffmpeg_next::Codec) -> Result<Self, Error> {
        let mut options = Dictionary::new();
        options.set("threads", "1");
        // Checked by FFmpeg against what the stream itself says, before it allocates a picture.
        options.set("max_pixels", &MAX_PIXELS.to_string());
        if found.id() == Id::HEVC {
            // It would conceal damage and say nothing, where H.264's decoder marks the picture.
            options.set("err_detect", "explode");
        }
        let video = context.decoder().open_as_with(found, options)?.video()?;
        Ok(Self {
            video,
            frame: frame::Video::empty(),
            errors: 0,
            decoded: 0,
        })
    }

    /// Whether pictures that no other refers to may be left out from the next packet on.
    pub(crate) fn skip_unneeded(&mut self, skip: bool) {
        self.video
            .skip_frame(if skip { Discard::NonReference } else { Discard::Default });
    }

    /// Whether what smooths the edges of blocks is left out from the next packet on: a sixth of the work of a key frame. Only for
    /// pictures that no other is built on and that nobody reads or is shown.
    pub(crate) fn skip_smoothing(&mut self, skip: bool) {
        self.video
            .skip_loop_filter(if skip { Discard::All } else { Discard::Default });
    }

    /// Hands over an access unit of a stream; false if the decoder refuses it.
    pub(crate) fn send(&mut self, bytes: &[u8], t_ms: u64, key: bool) -> bool {
        let mut packet = Packet::copy(bytes);
        packet.set_pts(i64::try_from(t_ms).ok());
        if key {
            packet.set_flags(packet::Flags::KEY);
        }
        self.send_packet(&packet)
    }

    /// Hands over a packet of a file; false if the decoder refuses it.
    pub(crate) fn send_packet(&mut self, packet: &Packet) -> bool {
        let taken = self.video.send_packet(packet).is_ok();
        self.errors += u32::from(!taken);
        taken
    }

    /// Says that nothing follows, so that pictures held back come out.
    pub(crate) fn send_end(&mut self) {
        // The only error is that it was said before.
        let _ = self.video.send_eof();
    }

    /// The next picture, and whether damage in it was concealed; `None` until more is sent.
    pub(crate) fn receive(&mut self) -> Option<(&frame::Video, bool)> {
        for _ in 0..=MOST_REFUSALS {
            match self.video.receive_frame(&mut self.frame) {
                Ok(()) => return Some(self.received()),
                Err(Error::Eof | Error::Other { errno: EAGAIN }) => return None,
                // A picture that cannot be decoded: those after it may.
                Err(_) => self.errors += 1,
            }
        }
        None
    }

    fn received(&mut self) -> (&frame::Video, bool) {
        let damaged = self.frame.has_decode_errors() || self.frame.is_corrupt();
        self.errors += u32::from(damaged);
        self.decoded += 1;
        (&self.frame, damaged)
    }

    /// Forgets everything but the parameters, and that nothing was to follow.
    pub(crate) fn flush(&mut self) {
        self.video.flush();
    }

    /// Pictures decoded and errors counted since the last call.
    pub(crate) fn take_counts(&mut self) -> (u32, u32) {
        (std::mem::take(&mut self.decoded), std::mem::take(&mut self.errors))
    }

    /// Counts a picture that never came out.
    pub(crate) fn count_lost(&mut self) {
        self.errors += 1;
    }

    /// The codec's name.
    pub(crate) fn name(&self) -> String {
        self.video
            .codec()
            .map_or_else(String::new, |codec| codec.name().to_owned())
    }

    /// Width and height as far as they are known.
    pub(crate) fn size(&self) -> (u32, u32) {
        (self.video.width(), self.video.height())
    }

    /// Errors since the last [`Decoder::take_counts`].
    pub(crate) fn errors(&self) -> u32 {
        self.errors
    }
}

fn missing(id: Id) -> Fault {
    Fault::engine_failed(format!("this worker's FFmpeg cannot decode {id:?}"))
}
