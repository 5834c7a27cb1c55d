//! Frames for viewers in the media child: how many, how large, and what is drawn in them.

use futures_util::future::BoxFuture;
use image::RgbImage;
use zoetrope_worker::media_pool::{Listener, MediaError, MediaPool};
use zoetrope_worker::protocol::Request;
use zoetrope_worker::protocol_images::DrawnBox;
use zoetrope_worker::protocol_streams::{CLOSE, CloseInput, Codec, MAX_SESSIONS};
use zoetrope_worker::protocol_view::{CLEAN, FoundBoxes, MAX_VIEW_BYTES, VIEW, VIEW_SIDE, ViewInput, Viewed};

use crate::films::{Films, Packet, joined};
use crate::vocabulary::pool;

/// The pictures of an answer.
#[derive(Default)]
struct Album(Vec<(String, Vec<u8>)>);

impl Album {
    fn named(&self, name: &str) -> &[u8] {
        let found = self.0.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("a picture {name}")).1
    }
}

impl Listener for Album {
    fn progress(&mut self, _: u8, _: &str) {}

    fn picture(&mut self, name: String, bytes: Vec<u8>) -> BoxFuture<'_, ()> {
        self.0.push((name, bytes));
        Box::pin(std::future::ready(()))
    }
}

fn input(session: &str, codec: Codec, packets: &[Packet]) -> (ViewInput, Vec<u8>) {
    let (packets, body) = joined(packets);
    let input = ViewInput {
        session: session.to_owned(),
        codec,
        reset: false,
        alone: false,
        packets,
        fps: 15.0,
        found: None,
        clean: false,
    };
    (input, body)
}

async fn view(pool: &MediaPool, input: &ViewInput, body: Vec<u8>) -> Result<(Viewed, Album), MediaError> {
    let request = Request {
        kind: VIEW.to_owned(),
        input: serde_json::value::to_raw_value(input).expect("an input is JSON"),
    };
    let mut album = Album::default();
    let answer = pool.run_heard(&request, body.into(), &mut album).await?;
    Ok((
        serde_json::from_slice(&answer).expect("a child answers as promised"),
        album,
    ))
}

fn decoded(jpeg: &[u8]) -> RgbImage {
    image::load_from_memory(jpeg).expect("a JPEG").into_rgb8()
}

/// A grey picture through which a white square walks from the fifth second on.
fn walker(films: &Films, codec: Codec, fps: u32) -> Vec<Packet> {
    let (name, encoder) = match codec {
        Codec::H264 => ("walker.mp4", "-c:v libx264 -bf 2 -b_strategy 0"),
        Codec::H265 => (
            "walker265.mp4",
            "-c:v libx265 -x265-params log-level=error:bframes=2:b-adapt=0",
        ),
    };
    let film = films.make(
        name,
        &format!(
            "-f lavfi -i color=0x606060:s=1280x720:r={fps}:d=8 -f lavfi -i color=white:s=160x160:r={fps}:d=8 -filter_complex \
             [0:v][1:v]overlay=x='if(lt(t,5),-400,200*(t-5))':y=300,format=yuv420p[v] -map [v] {encoder} -preset ultrafast -g {}",
            fps * 2
        ),
    );
    films.packets(&film, codec)
}

#[tokio::test]
async fn a_stream_is_shown_fifteen_times_a_second_and_what_moves_is_framed() {
    let (films, (pool, _)) = (Films::new(), pool());
    for (codec, fps) in [(Codec::H264, 30), (Codec::H265, 15)] {
        let packets = walker(&films, codec, fps);
        let (mut frames, mut last) = (Vec::new(), Vec::new());
        for run in packets.chunks(7) {
            let (input, body) = input("gate", codec, run);
            let (viewed, album) = view(&pool, &input, body).await.expect("the packets are sound");
            assert_eq!((viewed.decode_errors, viewed.awaiting_key), (0, 0));
            if let Some(frame) = viewed.frames.last() {
                last = album.named(&frame.t_ms.to_string()).to_vec();
            }
            frames.extend(viewed.frames);
        }
        assert!((115..=121).contains(&frames.len()), "8 s: {}", frames.len());
        assert!(frames.windows(2).all(|pair| pair[0].t_ms < pair[1].t_ms));
        assert!(frames.iter().all(|frame| frame.size == (VIEW_SIDE, VIEW_SIDE * 9 / 16)));
        let still = frames.iter().filter(|frame| (500..4_800).contains(&frame.t_ms));
        assert!(still.clone().all(|frame| frame.moving.is_empty()), "{:?}", still.last());
        let walking: Vec<_> = frames.iter().filter(|frame| frame.t_ms > 6_000).collect();
        assert!(walking.iter().all(|frame| !frame.moving.is_empty()));
        let [x, y, width, height] = walking.last().expect("frames").moving[0];
        let (image, middle) = (decoded(&last), y + height / 2);
        let white = (0..image.width()).filter(|at| image.get_pixel(*at, middle).0.iter().all(|level| *level > 220));
        let (left, right) = (
            white.clone().min().expect("the square"),
            white.max().expect("the square"),
        );
        assert!(
            x <= left && right <= x + width,
            "{left} to {right} is within {x} + {width}"
        );
        let line = image.get_pixel(x + width / 2, y.saturating_sub(1)).0;
        assert!(line[2] > line[0].saturating_add(40), "a blue line above it: {line:?}");
    }
}

#[tokio::test]
async fn what_was_found_is_drawn_in_its_place_and_the_clean_picture_is_without() {
    let (films, (pool, _)) = (Films::new(), pool());
    let packets = walker(&films, Codec::H264, 15);
    let (mut input, body) = input("gate", Codec::H264, &packets[..1]);
    (input.alone, input.clean) = (true, true);
    input.found = Some(FoundBoxes {
        size: (320, 180),
        boxes: vec![DrawnBox {
            bbox: [40, 60, 80, 60],
            caption: "gun 91%".to_owned(),
            color: 0,
        }],
    });
    // Though it holds pictures back, a decoder gives out a key frame that stands alone.
    let (viewed, album) = view(&pool, &input, body).await.expect("the packet is sound");
    assert_eq!((viewed.frames.len(), viewed.frames[0].t_ms), (1, 0));
    let (shown, clean) = (decoded(album.named("0")), decoded(album.named(CLEAN)));
    let is_orange = |image: &RgbImage, x, y| {
        let [red, _, blue] = image.get_pixel(x, y).0;
        red > 200 && blue < 90
    };
    for (x, y) in [(240, 179), (240, 361), (119, 270), (361, 270)] {
        assert!(is_orange(&shown, x, y) && !is_orange(&clean, x, y), "{x}, {y}");
    }
    assert!(!is_orange(&shown, 240, 270));
}

#[tokio::test]
async fn noise_is_made_smaller_until_it_fits_and_its_successors_too() {
    let (films, (pool, _)) = (Films::new(), pool());
    let film = films.make(
        "noise.mp4",
        "-f lavfi -i color=gray:s=1280x720:r=5:d=2,geq=random(1)*255:128:128 -c:v libx264 -preset ultrafast -qp 5 -pix_fmt yuv420p",
    );
    let packets = films.packets(&film, Codec::H264);
    let (input, body) = input("noise", Codec::H264, &packets);
    let (viewed, album) = view(&pool, &input, body).await.expect("the packets are sound");
    assert_eq!(viewed.frames.len(), packets.len());
    assert!(album.0.iter().all(|(_, jpeg)| jpeg.len() <= MAX_VIEW_BYTES));
    assert!(
        viewed.frames.iter().all(|frame| frame.size.0 < VIEW_SIDE),
        "{:?}",
        viewed.frames[0].size
    );
    assert_eq!(decoded(&album.0[0].1).dimensions(), viewed.frames[0].size);
}

#[tokio::test]
async fn after_lost_packets_nothing_is_shown_until_the_next_key_frame() {
    let (films, (pool, _)) = (Films::new(), pool());
    let packets = walker(&films, Codec::H264, 15);
    let (first, body) = input("gate", Codec::H264, &packets[..20]);
    view(&pool, &first, body).await.expect("the packets are sound");
    let (mut second, body) = input("gate", Codec::H264, &packets[25..40]);
    second.reset = true;
    let (viewed, _) = view(&pool, &second, body).await.expect("the packets are sound");
    assert_eq!((viewed.awaiting_key, viewed.frames[0].t_ms), (5, 2_000));
}

#[tokio::test]
async fn a_child_shows_as_many_streams_as_promised_and_closing_one_makes_room() {
    let (films, (pool, _)) = (Films::new(), pool());
    let packets = walker(&films, Codec::H264, 15);
    let ask = async |session: &str| {
        let (input, body) = input(session, Codec::H264, &packets[..1]);
        view(&pool, &input, body).await
    };
    for index in 0..=MAX_SESSIONS {
        assert_eq!(
            ask(&format!("stream {index}")).await.is_ok(),
            index < MAX_SESSIONS,
            "{index}"
        );
    }
    let close = Request {
        kind: CLOSE.to_owned(),
        input: serde_json::value::to_raw_value(&CloseInput {
            session: "stream 3".to_owned(),
        })
        .expect("an input is JSON"),
    };
    pool.run(&close, bytes::Bytes::new(), |_, _| {})
        .await
        .expect("it is closed");
    assert!(ask("another").await.is_ok());
    let (mut wrong, body) = input("another", Codec::H264, &packets[..1]);
    wrong.fps = 0.0;
    assert!(matches!(
        view(&pool, &wrong, body).await,
        Err(MediaError::Refused { .. })
    ));
}
