//! Frames of a live stream for whoever watches: a decoder of its own in a media child, only while somebody does.
//!
//! ```text
//! Source -packets-> link -> media child: decode, draw, JPEG -frames-> PUBLISH
//!           full: skip to the next key frame, count it
//! ```
//! The stage that describes the stream decodes in runs, waits for text to be read and leaves out what it does not need;
//! viewers want every picture when it comes. So the two share the packets and not the decoder.

mod finder;
pub mod wants;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use zoetrope_shared::live_view::{BoxKind, FrameHead, LiveBox, LiveFrame, MOST_FPS, Watched};
use zoetrope_shared::wire::rfc3339_ms;

use super::groups::Seat;
use super::latest::Latest;
use super::packet_link::{PacketLink, Picture, Run};
use crate::media_pool::{Listener, MediaError};
use crate::protocol_streams::Codec;
use crate::protocol_view::{CLEAN, MAX_VIEW_BYTES, VIEW, ViewInput, Viewed, ViewedFrame, scaled};
use crate::services::Services;
use finder::{Finder, Found};
use wants::Interest;

/// Pictures and bytes that may wait: some seconds. A viewer is shown what is, not what was.
const MOST_PICTURES: usize = 60;
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// Pictures of one answer: more than any run gives.
const MOST_FRAMES: usize = 64;
/// Crashes in a row after which a watched stream has a child of its own, and the pause after each from then on.
const CRASHES_TOGETHER: u32 = 2;
const PAUSE: Duration = Duration::from_secs(2);

/// The stage of one stream.
pub struct View<'a> {
    services: &'a Services,
    watched: Watched,
    session: String,
    /// Unix milliseconds of the stream's time 0.
    began_ms: u64,
    latest: &'a Latest,
    interest: Interest,
    packets: PacketLink,
    finder: Finder,
}

/// What it remembers while somebody watches.
#[derive(Default)]
struct Memory {
    seat: Option<Seat>,
    seq: u64,
    crashes: u32,
}

impl<'a> View<'a> {
    /// Listens for whoever wants to watch.
    pub fn new(services: &'a Services, watched: Watched, session: &str, began_ms: u64, latest: &'a Latest) -> Self {
        Self {
            interest: services.wants.of(&watched),
            session: format!("{session}-view"),
            packets: PacketLink::of_at_most(MOST_PICTURES, MOST_BYTES),
            finder: Finder::default(),
            services,
            watched,
            began_ms,
            latest,
        }
    }

    /// Whether somebody watches.
    pub fn is_watched(&self) -> bool {
        self.interest.is_wanted()
    }

    /// A picture arrived. Nothing is kept of it while nobody watches.
    pub fn seen(&self, codec: Codec, data: &Bytes, is_key: bool, t_ms: u64) {
        if !self.is_watched() {
            return;
        }
        let dropped = self.packets.push(Picture {
            data: data.clone(),
            codec,
            t_ms,
            is_key,
            alone: false,
        });
        self.services.metrics.view_pictures_dropped(dropped);
    }

    /// Pictures are missing from here on.
    pub fn gap(&self) {
        self.packets.gap();
    }

    /// Shows the stream whenever somebody watches. Never ends by itself.
    pub async fn run(&self) -> std::convert::Infallible {
        let mut seq = 0;
        loop {
            self.interest.wanted().await;
            tracing::info!(watched = %self.watched, "a stream is watched");
            let _counted = self.services.metrics.stream_watched();
            (seq, ()) = tokio::join!(self.show(seq), self.finder.run(self.services, &self.interest));
            self.packets.clear();
            tracing::info!(watched = %self.watched, "a stream is not watched any more");
        }
    }

    /// Shows it until nobody watches. A request that has begun is always brought to its end: dropping it would end the child, and with it
    /// the decoders of others.
    async fn show(&self, seq: u64) -> u64 {
        let mut memory = Memory {
            seq,
            ..Memory::default()
        };
        if let Some(first) = self.newest_key() {
            // What follows it is gone: the next key frame begins anew.
            self.look(&mut memory, &[first], true, true).await;
            self.packets.gap();
        }
        loop {
            let run = tokio::select! {
                biased;
                () = self.interest.over() => return memory.seq,
                run = self.packets.next_run(0) => run,
            };
            let Some(Run { pictures, after_gap }) = run else {
                return memory.seq;
            };
            self.look(&mut memory, &pictures, after_gap, false).await;
        }
    }

    fn newest_key(&self) -> Option<Picture> {
        let key = self.latest.key()?;
        Some(Picture {
            data: key.data,
            codec: key.codec,
            t_ms: key.arrived_ms.saturating_sub(self.began_ms),
            is_key: true,
            alone: false,
        })
    }

    /// Has pictures decoded, and shows them.
    async fn look(&self, memory: &mut Memory, pictures: &[Picture], reset: bool, alone: bool) {
        let found = self.finder.found();
        match self.decode(memory, pictures, (reset, alone), found.as_ref()).await {
            Ok(viewed) => {
                memory.crashes = 0;
                for frame in viewed.frames {
                    self.publish(memory, &frame, found.as_ref()).await;
                }
            }
            Err(error) => {
                self.services.metrics.view_pictures_dropped(pictures.len() as u64);
                tracing::debug!(crashes = memory.crashes, "show a stream: {error}");
                memory.crashes += 1;
                self.packets.gap();
                if memory.crashes >= CRASHES_TOGETHER {
                    memory.seat = None;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn decode(
        &self,
        memory: &mut Memory,
        pictures: &[Picture],
        (reset, alone): (bool, bool),
        found: Option<&Found>,
    ) -> Result<Viewed, MediaError> {
        let groups = &self.services.decoders;
        let tenant = self.watched.tenant.as_str();
        let seat = memory
            .seat
            .get_or_insert_with(|| match memory.crashes < CRASHES_TOGETHER {
                true => groups.join_shown(tenant, &self.session),
                false => groups.join_alone(tenant, &self.session),
            });
        let (packets, body) = super::decoding::pack(pictures);
        let input = ViewInput {
            session: seat.session().to_owned(),
            codec: pictures[0].codec,
            reset,
            alone,
            packets,
            fps: MOST_FPS,
            found: found.map(Found::drawn),
            clean: self.finder.asks(),
        };
        let mut prints = Prints::default();
        let mut viewed: Viewed = seat.ask(VIEW, &input, body, &mut prints).await?;
        prints.hand_out(&mut viewed.frames);
        if let Some((clean, frame)) = prints.clean.zip(viewed.frames.last()) {
            self.finder.take(clean, frame.size);
        }
        Ok(viewed)
    }

    async fn publish(&self, memory: &mut Memory, frame: &ViewedFrame, found: Option<&Found>) {
        memory.seq += 1;
        let head = FrameHead {
            seq: memory.seq,
            pts_ms: frame.t_ms,
            at: rfc3339_ms(self.began_ms.saturating_add(frame.t_ms)),
            width: frame.size.0,
            height: frame.size.1,
            boxes: boxes(frame, found),
        };
        let shown = match LiveFrame::new(head, &frame.jpeg) {
            Some(frame) => self.services.live.show(&self.watched, &frame).await.is_ok(),
            None => false,
        };
        self.services.metrics.view_frame(shown);
    }
}

/// What is drawn in a frame, in its own pixels.
fn boxes(frame: &ViewedFrame, found: Option<&Found>) -> Vec<LiveBox> {
    let moving = frame.moving.iter().map(|bbox| LiveBox {
        kind: BoxKind::Motion,
        label: None,
        confidence: None,
        bbox: *bbox,
    });
    let found = found.into_iter().flat_map(|found| {
        found.boxes.iter().map(|one| LiveBox {
            bbox: scaled(one.bbox, found.size, frame.size),
            ..one.clone()
        })
    });
    moving.chain(found).collect()
}

/// The pictures of one answer as they come.
#[derive(Default)]
struct Prints {
    shown: Vec<(String, Bytes)>,
    clean: Option<Bytes>,
}

impl Prints {
    /// Gives them to their frames; a frame whose picture did not come is none.
    fn hand_out(&mut self, frames: &mut Vec<ViewedFrame>) {
        frames.retain_mut(|frame| {
            let name = frame.t_ms.to_string();
            let at = self.shown.iter().position(|(known, _)| *known == name);
            at.map(|at| frame.jpeg = self.shown.swap_remove(at).1).is_some()
        });
    }
}

impl Listener for Prints {
    fn progress(&mut self, _: u8, _: &str) {}

    fn picture(&mut self, name: String, bytes: Vec<u8>) -> BoxFuture<'_, ()> {
        // A child that sends more than it was asked for is not itself.
        if bytes.len() <= MAX_VIEW_BYTES {
            if name == CLEAN {
                self.clean = Some(bytes.into());
            } else if self.shown.len() < MOST_FRAMES {
                self.shown.push((name, bytes.into()));
            }
        }
        Box::pin(std::future::ready(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(t_ms: u64) -> ViewedFrame {
        ViewedFrame {
            t_ms,
            size: (960, 540),
            moving: vec![[10, 20, 30, 40]],
            jpeg: Bytes::new(),
        }
    }

    #[tokio::test]
    async fn frames_get_their_own_pictures_and_those_without_are_left_out() {
        let mut prints = Prints::default();
        prints.picture("66".to_owned(), b"second".to_vec()).await;
        prints.picture("0".to_owned(), b"first".to_vec()).await;
        prints.picture(CLEAN.to_owned(), b"clean".to_vec()).await;
        prints.picture("133".to_owned(), vec![0; MAX_VIEW_BYTES + 1]).await;
        let mut frames = vec![frame(0), frame(66), frame(133)];
        prints.hand_out(&mut frames);
        let seen: Vec<_> = frames.iter().map(|frame| (frame.t_ms, frame.jpeg.as_ref())).collect();
        assert_eq!(seen, [(0, &b"first"[..]), (66, &b"second"[..])]);
        assert_eq!(prints.clean.as_deref(), Some(&b"clean"[..]));
    }

    #[test]
    fn a_frame_tells_what_is_drawn_in_it() {
        let told = boxes(&frame(0), None);
        assert_eq!(
            (told.len(), told[0].kind, told[0].bbox),
            (1, BoxKind::Motion, [10, 20, 30, 40])
        );
    }
}
