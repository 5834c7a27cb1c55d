//! Streams in the media child: sampled pictures, the gate's verdicts, colours and text, from real films.

use serde::de::DeserializeOwned;
use serde_json::json;
use zoetrope_worker::media_pool::{MediaError, MediaPool};
use zoetrope_worker::protocol::Request;
use zoetrope_worker::protocol_streams::{
    Analyse, Codec, FILE, FileInput, GateState, KEY_FRAME, KeyFrameInput, PACKETS, PacketsInput, Sampled, Verdict,
};

use crate::films::{Films, Packet, joined};
use crate::vocabulary::pool;

pub(crate) async fn ask<Answer: DeserializeOwned>(
    pool: &MediaPool,
    kind: &str,
    input: &impl serde::Serialize,
    body: Vec<u8>,
) -> Result<Answer, MediaError> {
    let request = Request {
        kind: kind.to_owned(),
        input: serde_json::value::to_raw_value(input).expect("an input is JSON"),
    };
    let answer = pool.run(&request, body.into(), |_, _| {}).await?;
    Ok(serde_json::from_slice(&answer).expect("a child answers as promised"))
}

pub(crate) fn key_frame_input(codec: Codec, t_ms: u64) -> KeyFrameInput {
    KeyFrameInput {
        tenant: Some("acme".to_owned()),
        codec,
        t_ms,
        gate: None,
        analyse: Analyse::default(),
    }
}

/// Sends a stream's key frames one by one, with the gate handed from each to the next.
async fn key_frames(pool: &MediaPool, codec: Codec, packets: &[Packet], analyse: &Analyse) -> Vec<Sampled> {
    let mut gate: Option<GateState> = None;
    let mut answers = Vec::new();
    for packet in packets.iter().filter(|packet| packet.key) {
        let input = KeyFrameInput {
            gate: gate.take(),
            analyse: analyse.clone(),
            ..key_frame_input(codec, packet.t_ms)
        };
        let sampled: Sampled = ask(pool, KEY_FRAME, &input, packet.bytes.clone())
            .await
            .expect("the picture is sound");
        gate.clone_from(&sampled.gate);
        answers.push(sampled);
    }
    answers
}

pub(crate) fn packets_input(session: &str, codec: Codec, packets: &[Packet], fps: f64) -> (PacketsInput, Vec<u8>) {
    let (packets, body) = joined(packets);
    let input = PacketsInput {
        session: session.to_owned(),
        codec,
        reset: false,
        packets,
        fps,
        gate: None,
        want_gate: false,
        analyse: Analyse::default(),
    };
    (input, body)
}

pub(crate) fn file_input(path: &std::path::Path, fps: f64) -> FileInput {
    FileInput {
        session: "film".into(),
        path: path.display().to_string(),
        from_ms: 0,
        fps,
        max_frames: 10,
        gate: None,
        analyse: Analyse::default(),
    }
}

/// Ten seconds that stand still for six and then cut to another scene; a key frame every two seconds.
pub(crate) fn still_then_cut(films: &Films, codec: Codec) -> std::path::PathBuf {
    let encoder = match codec {
        Codec::H264 => "-c:v libx264 -g 50 -keyint_min 50 -sc_threshold 0 -bf 2",
        Codec::H265 => "-c:v libx265 -x265-params log-level=error:keyint=50:min-keyint=50:scenecut=0:open-gop=0",
    };
    let name = match codec {
        Codec::H264 => "cut264.mp4",
        Codec::H265 => "cut265.mp4",
    };
    films.make(
        name,
        &format!(
            "-f lavfi -i smptebars=s=640x360:r=25:d=6 -f lavfi -i mandelbrot=s=640x360:r=25:end_pts=1 -filter_complex \
             [1:v]trim=end_frame=1,loop=-1:1:0,setpts=N/25/TB,trim=duration=4,format=yuv420p[b];\
             [0:v]format=yuv420p[a];[a][b]concat=n=2:v=1[v] -map [v] -preset veryfast -pix_fmt yuv420p {encoder}"
        ),
    )
}

#[tokio::test]
async fn key_frames_of_both_codecs_are_still_until_the_scene_is_cut() {
    let (films, (pool, _)) = (Films::new(), pool());
    for codec in [Codec::H264, Codec::H265] {
        let packets = films.packets(&still_then_cut(&films, codec), codec);
        let answers = key_frames(&pool, codec, &packets, &Analyse::default()).await;
        let frames: Vec<_> = answers.iter().flat_map(|answer| &answer.frames).collect();
        let seen: Vec<_> = frames.iter().map(|frame| (frame.t_ms, frame.verdict)).collect();
        let expected = [
            (0, Verdict::Passed),
            (2000, Verdict::Still),
            (4000, Verdict::Still),
            (6000, Verdict::Passed),
            (8000, Verdict::Still),
        ];
        assert_eq!(seen, expected, "{codec:?}");
        assert!(
            frames[3].motion > 0.5 && frames[1].motion < 0.01,
            "{codec:?}: {frames:?}"
        );
        assert!(
            frames
                .iter()
                .all(|frame| (frame.width, frame.height) == (640, 360) && !frame.damaged)
        );
        assert!(
            answers
                .iter()
                .all(|answer| (answer.decoded, answer.decode_errors) == (1, 0)),
            "{codec:?}"
        );
        assert_ne!(frames[0].hash, frames[3].hash);
    }
}

#[tokio::test]
async fn a_key_frame_decodes_alike_whatever_its_child_has_decoded_before() {
    let films = Films::new();
    let small = films.make(
        "small.mp4",
        "-f lavfi -i testsrc=s=320x180:r=25:d=2 -c:v libx264 -preset veryfast -pix_fmt yuv420p",
    );
    let key_of = |film: &std::path::Path, codec| {
        let packets = films.packets(film, codec);
        let key = packets.into_iter().find(|packet| packet.key);
        (codec, key.expect("a film begins with a key frame").bytes)
    };
    let cut264 = key_of(&still_then_cut(&films, Codec::H264), Codec::H264);
    let cut265 = key_of(&still_then_cut(&films, Codec::H265), Codec::H265);
    let damaged = (Codec::H264, cut264.1[..cut264.1.len() / 2].to_vec());
    let pictures = [
        &cut264,
        &key_of(&small, Codec::H264),
        &damaged,
        &cut265,
        &cut264,
        &cut264,
    ];

    let (one, _) = pool();
    for (number, (codec, bytes)) in pictures.into_iter().enumerate() {
        let mut input = key_frame_input(*codec, 0);
        let used: Sampled = ask(&one, KEY_FRAME, &input, bytes.clone())
            .await
            .expect("a child answers");
        input.tenant = None;
        let fresh: Sampled = ask(&pool().0, KEY_FRAME, &input, bytes.clone())
            .await
            .expect("a child answers");
        let told = |sampled: Sampled| (sampled.frames, sampled.decoded, sampled.decode_errors);
        assert_eq!(told(used), told(fresh), "picture {number}");
    }
}

#[tokio::test]
async fn something_that_moves_passes_and_any_child_can_go_on_with_the_gate() {
    let films = Films::new();
    let film = films.make(
        "moving.mp4",
        "-f lavfi -i color=0x406080:s=640x360:r=25:d=12 -f lavfi -i color=white:s=60x120:r=25:d=12 -filter_complex \
         [0:v][1:v]overlay=x=40*t:y=120:shortest=1 -c:v libx264 -preset veryfast -g 50 -pix_fmt yuv420p",
    );
    let packets = films.packets(&film, Codec::H264);
    let pools = [pool().0, pool().0];
    let mut gate = None;
    for (index, packet) in packets.iter().filter(|packet| packet.key).enumerate() {
        let input = KeyFrameInput {
            gate,
            ..key_frame_input(Codec::H264, packet.t_ms)
        };
        let sampled: Sampled = ask(&pools[index % 2], KEY_FRAME, &input, packet.bytes.clone())
            .await
            .expect("the picture is sound");
        gate = sampled.gate;
        let frame = &sampled.frames[0];
        assert_eq!(frame.verdict, Verdict::Passed, "{} ms", packet.t_ms);
        assert!(index == 0 || (0.01..0.3).contains(&frame.motion), "{}", frame.motion);
    }
}

#[tokio::test]
async fn only_frames_that_pass_have_colours_and_text_and_the_budget_of_texts_is_kept() {
    let (films, (pool, _)) = (Films::new(), pool());
    let film = films.make(
        "text.mp4",
        "-f lavfi -i color=0x101828:s=1280x720:r=25:d=6,drawtext=text=Deployment\\ finished:fontsize=48:\
         fontcolor=0xe0e0e0:x=200:y=300 -c:v libx264 -preset veryfast -g 50 -pix_fmt yuv420p -colorspace bt709"
            .replace("\\ ", "_")
            .as_str(),
    );
    let packets = films.packets(&film, Codec::H264);
    let analyse = Analyse {
        texts: 1,
        colors: true,
        ..Analyse::default()
    };
    let answers = key_frames(&pool, Codec::H264, &packets, &analyse).await;
    let first = &answers[0].frames[0];
    let text = first.text.as_deref().unwrap_or_default();
    assert!(text.contains("Deployment") && text.contains("finished"), "{text:?}");
    let [x, y, width, height] = first.lines[0].bbox;
    assert!((190..215).contains(&x) && (290..320).contains(&y), "{:?}", first.lines);
    assert!(
        (380..560).contains(&width) && (30..70).contains(&height),
        "{:?}",
        first.lines
    );
    let colors = first.colors.as_ref().expect("colours were wanted");
    assert!(
        colors[0].share > 0.9 && near(&colors[0].hex, [0x10, 0x18, 0x28]),
        "{colors:?}"
    );
    let second = &answers[1].frames[0];
    assert_eq!(
        (second.verdict, &second.text, &second.colors),
        (Verdict::Still, &None, &None)
    );
    let unread = key_frames(&pool, Codec::H264, &packets[..1], &Analyse { texts: 0, ..analyse }).await;
    assert_eq!(unread[0].frames[0].text, None);
}

fn near(hex: &str, rgb: [u8; 3]) -> bool {
    let levels = (0..3).map(|index| u8::from_str_radix(&hex[1 + index * 2..3 + index * 2], 16).expect("hexadecimal"));
    levels.zip(rgb).all(|(level, wanted)| level.abs_diff(wanted) <= 3)
}

#[tokio::test]
async fn text_that_is_too_small_for_one_look_gets_a_second() {
    let (films, (pool, _)) = (Films::new(), pool());
    let film = films.make(
        "small-text.mp4",
        "-f lavfi -i color=0x101828:s=1280x720:r=25:d=1,drawtext=text=build_log_of_small_text:fontsize=15:\
         fontcolor=0xd0d0d0:x=200:y=400 -c:v libx264 -g 25 -pix_fmt yuv420p",
    );
    let packets = films.packets(&film, Codec::H264);
    let analyse = Analyse {
        texts: 1,
        ..Analyse::default()
    };
    let answers = key_frames(&pool, Codec::H264, &packets, &analyse).await;
    let text = answers[0].frames[0].text.as_deref().unwrap_or_default();
    assert!(text.contains("log") && text.contains("small"), "{text:?}");
}

#[tokio::test]
async fn inputs_beyond_their_bounds_are_refused_with_a_sentence() {
    let (pool, _) = pool();
    let path = std::path::Path::new("nothing-here.mp4");
    let (good, _) = packets_input("s", Codec::H264, &[], 1.0);
    for fps in [0.0, -1.0, 1e9] {
        let answer: Result<Sampled, _> = ask(&pool, PACKETS, &PacketsInput { fps, ..good.clone() }, Vec::new()).await;
        assert!(
            matches!(&answer, Err(MediaError::Refused { code, .. }) if code == "input_invalid"),
            "{answer:?}"
        );
    }
    for (kind, input, body) in [
        (KEY_FRAME, json!(key_frame_input(Codec::H264, 0)), Vec::new()),
        (
            KEY_FRAME,
            json!({"codec": "av1", "t_ms": 0, "analyse": Analyse::default()}),
            vec![0],
        ),
        (
            PACKETS,
            json!(PacketsInput {
                session: String::new(),
                ..good.clone()
            }),
            Vec::new(),
        ),
        (PACKETS, json!(good), vec![1, 2, 3]),
        (
            FILE,
            json!(FileInput {
                session: "x".repeat(200),
                ..file_input(path, 1.0)
            }),
            Vec::new(),
        ),
    ] {
        let answer: Result<serde_json::Value, _> = ask(&pool, kind, &input, body).await;
        assert!(
            matches!(&answer, Err(MediaError::Refused { code, .. }) if code == "input_invalid"),
            "{answer:?}"
        );
    }
}
