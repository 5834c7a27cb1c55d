//! The child's loop: one request, its progress, its answer, the next request. What a kind does belongs in its module.

use std::io::BufReader;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};
use zoetrope_worker::protocol::{self, Frame, MAX_MEDIA_BYTES, ProtocolError, Reply, Request};
use zoetrope_worker::protocol_steps::STEPS;
use zoetrope_worker::protocol_stills::STILL;
use zoetrope_worker::{
    protocol_audio, protocol_images, protocol_sources as sources, protocol_streams as stream, protocol_view,
};

use crate::analysis::{self, Faces};
use crate::annotate;
use crate::audio::{self, Whisper};
use crate::detection::Detector;
use crate::fault::Fault;
use crate::ocr;
use crate::picture;
use crate::steps;
use crate::streams::{self, Streams};

/// Read at a time, as far as it is there: lengths, header and, of a stream, most of the body in one call.
const READ_AHEAD_BYTES: usize = 128 * 1024;

/// What lives as long as the child: engines that are slow to start.
#[derive(Default)]
pub(crate) struct Engines {
    /// Tesseract, with the languages of the last request.
    pub(crate) ocr: ocr::Engine,
    /// What finds faces.
    pub(crate) faces: Faces,
    /// What finds objects: the operator's network.
    pub(crate) detector: Detector,
    /// What writes down speech: the operator's model.
    pub(crate) whisper: Whisper,
    /// Decoders and files of streams that are held by this child.
    pub(crate) streams: Streams,
}

/// Where progress goes.
pub(crate) struct Progress<'a>(&'a UnixStream);

impl Progress<'_> {
    /// Tells the worker how far the work has come. A worker that is gone is noticed by the reader.
    pub(crate) fn report(&self, percent: u8, message: &str) {
        let mut socket = self.0;
        let _ = protocol::write(
            &mut socket,
            &Reply::Progress {
                percent,
                message: message.to_owned(),
            },
            &[],
        );
    }

    /// Sends a picture up, to be kept under a name of the result's.
    pub(crate) fn picture(&self, name: &str, jpeg: &[u8]) {
        let mut socket = self.0;
        let _ = protocol::write(&mut socket, &Reply::Picture { name: name.to_owned() }, jpeg);
    }
}

/// Serves the worker at the other end of standard input until it closes the socket.
pub(crate) fn serve() -> anyhow::Result<()> {
    let socket = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .context("take the socket on standard input")?;
    let mut socket = UnixStream::from(socket);
    let watched = socket.try_clone().context("clone the socket")?;
    std::thread::Builder::new()
        .name("watch".into())
        .spawn(move || end_with_the_worker(&watched))
        .context("start the watch")?;
    let requests = socket.try_clone().context("clone the socket")?;
    let mut requests = BufReader::with_capacity(READ_AHEAD_BYTES, requests);
    streams::be_quiet();
    let mut engines = Engines::default();
    while let Some(frame) = protocol::read(&mut requests, MAX_MEDIA_BYTES).context("read a request")? {
        match work(&mut engines, frame, &Progress(&socket)) {
            Ok(result) => protocol::write(&mut socket, &Reply::Done, &result),
            Err(fault) => protocol::write(&mut socket, &fault.into_reply(), &[]),
        }
        .context("answer the worker")?;
    }
    Ok(())
}

/// Sees the end of the worker in the middle of a long recognition. Sleeps until then: a request does not wake it.
fn end_with_the_worker(socket: &UnixStream) {
    // That the other end is closed is told unasked.
    let mut sockets = [PollFd::new(socket, PollFlags::empty())];
    while poll(&mut sockets, None) == Err(Errno::INTR) {}
    // Nobody wants the answer, and nothing here needs an orderly end.
    let _ = kill_process(getpid(), Signal::KILL);
}

fn work(engines: &mut Engines, frame: Frame, progress: &Progress<'_>) -> Result<Vec<u8>, Fault> {
    let request: Request = frame
        .header()
        .map_err(|error: ProtocolError| Fault::input_invalid(error.to_string()))?;
    match request.kind.as_str() {
        "ocr" => to_json(&ocr::run(engines, &parse(&request)?, frame.body, progress)?),
        "image_analysis" => to_json(&analysis::run(engines, &parse(&request)?, frame.body, progress)?),
        protocol_audio::SPEECH => audio::speech(&parse(&request)?, &frame.body, progress),
        protocol_audio::AUDIO_PIECE => audio::piece(&parse(&request)?, frame.body),
        protocol_audio::LISTEN => to_json(&audio::listen(&parse(&request)?, frame.body)?),
        protocol_audio::WHISPER => to_json(&audio::whisper(&mut engines.whisper, &parse(&request)?, frame.body)?),
        protocol_audio::LOCAL_VOICES => to_json(&audio::voices()?),
        protocol_images::ANNOTATE => annotate::run(&parse(&request)?, frame.body),
        protocol::PICTURE => picture::run(&parse(&request)?, frame.body),
        STEPS => to_json(&steps::run(engines, &parse(&request)?, progress)?),
        stream::KEY_FRAME => to_json(&streams::key_frame(engines, &parse(&request)?, &frame.body, progress)?),
        stream::SNAPSHOT => streams::snapshot(engines, &parse(&request)?, &frame.body),
        stream::PACKETS => to_json(&streams::packets(engines, &parse(&request)?, &frame.body, progress)?),
        protocol_view::VIEW => to_json(&streams::view(engines, &parse(&request)?, &frame.body, progress)?),
        stream::FILE => to_json(&streams::file(engines, &parse(&request)?, progress)?),
        STILL => to_json(&streams::still(engines, &parse(&request)?, frame.body, progress)?),
        sources::SOUND => streams::sound(&parse(&request)?, &frame.body),
        sources::DEMUX => streams::demux(&parse(&request)?, frame.body),
        stream::CLOSE => to_json(&streams::close(engines, &parse(&request)?)),
        other => Err(Fault::input_invalid(format!(
            "this media child knows no kind {other:?}"
        ))),
    }
}

fn parse<T: serde::de::DeserializeOwned>(request: &Request) -> Result<T, Fault> {
    serde_json::from_str(request.input.get()).map_err(|error| Fault::input_invalid(error.to_string()))
}

fn to_json(output: &impl serde::Serialize) -> Result<Vec<u8>, Fault> {
    serde_json::to_vec(output).map_err(|error| Fault::engine_failed(format!("the result is no JSON: {error}")))
}
