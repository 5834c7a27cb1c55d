//! Runs of packets in the media child: the wanted rate, lost packets, sessions and the children that hold them.

use rustix::process::{Pid, Signal, kill_process};
use zoetrope_worker::media_pool::{HeldChild, MediaError};
use zoetrope_worker::protocol::Request;
use zoetrope_worker::protocol_streams::{CLOSE, CloseInput, Codec, MAX_SESSIONS, PACKETS, PacketsInput, Sampled};

use crate::children::{wait_until_gone, watch};
use crate::films::Films;
use crate::stream_decode::{ask, packets_input, still_then_cut};
use crate::vocabulary::pool;

#[tokio::test]
async fn packets_give_the_wanted_rate_and_leave_out_what_no_picture_needs() {
    let (films, (pool, _)) = (Films::new(), pool());
    for (codec, encoder) in [
        (Codec::H264, "-c:v libx264 -bf 3 -b_strategy 0"),
        (
            Codec::H265,
            "-c:v libx265 -x265-params log-level=error:bframes=3:b-adapt=0",
        ),
    ] {
        let film = films.make(
            "rate.mp4",
            &format!("-f lavfi -i testsrc2=s=320x180:r=25:d=8 {encoder} -preset veryfast -g 50 -pix_fmt yuv420p"),
        );
        let packets = films.packets(&film, codec);
        let session = format!("{codec:?}");
        let mut frames = Vec::new();
        let mut decoded = 0;
        for run in packets.chunks(30) {
            let (input, body) = packets_input(&session, codec, run, 2.0);
            let sampled: Sampled = ask(&pool, PACKETS, &input, body).await.expect("the packets are sound");
            assert_eq!(
                (sampled.decode_errors, sampled.awaiting_key, &sampled.gate),
                (0, 0, &None)
            );
            frames.extend(sampled.frames);
            decoded += sampled.decoded;
        }
        let times: Vec<u64> = frames.iter().map(|frame| frame.t_ms).collect();
        assert!((15..=17).contains(&times.len()), "{codec:?}: {times:?}");
        assert!(
            times.windows(2).all(|pair| (200..=800).contains(&(pair[1] - pair[0]))),
            "{codec:?}: {times:?}"
        );
        assert!(
            decoded < packets.len() as u32 * 3 / 4,
            "{codec:?}: {decoded} of {} decoded",
            packets.len()
        );
    }
}

#[tokio::test]
async fn a_stream_that_lost_packets_goes_on_at_its_next_key_frame() {
    let (films, (pool, _)) = (Films::new(), pool());
    let packets = films.packets(&still_then_cut(&films, Codec::H264), Codec::H264);
    let (input, body) = packets_input("camera", Codec::H264, &packets[..60], 25.0);
    let first: Sampled = ask(&pool, PACKETS, &input, body).await.expect("the packets are sound");
    assert!(first.frames.len() > 50);
    let (mut input, body) = packets_input("camera", Codec::H264, &packets[80..150], 25.0);
    input.reset = true;
    input.want_gate = true;
    let second: Sampled = ask(&pool, PACKETS, &input, body).await.expect("the packets are sound");
    assert_eq!((second.awaiting_key, second.decode_errors), (20, 0));
    assert_eq!(second.frames[0].t_ms, 4000);
    assert!(second.gate.is_some());
    // Without a word of the loss, the damage shows and ends at the key frame too.
    let mut damaged = packets[150..].to_vec();
    damaged.drain(1..20);
    let (input, body) = packets_input("camera", Codec::H264, &damaged, 25.0);
    let third: Sampled = ask(&pool, PACKETS, &input, body).await.expect("the child copes");
    assert_eq!(third.frames.last().map(|frame| frame.damaged), Some(false));
}

#[tokio::test]
async fn a_stream_that_begins_anew_is_sampled_from_its_new_beginning() {
    let (films, (pool, _)) = (Films::new(), pool());
    let packets = films.packets(&still_then_cut(&films, Codec::H265), Codec::H265);
    let mut counts = Vec::new();
    for _ in 0..2 {
        let (mut input, body) = packets_input("camera", Codec::H265, &packets[..100], 1.0);
        input.reset = true;
        let sampled: Sampled = ask(&pool, PACKETS, &input, body).await.expect("the packets are sound");
        counts.push(sampled.frames.len());
    }
    assert_eq!(counts, [4, 4]);
}

#[tokio::test]
async fn a_held_child_keeps_its_sessions_and_one_that_was_killed_begins_anew() {
    let (films, (pool, _)) = (Films::new(), pool());
    let packets = films.packets(&still_then_cut(&films, Codec::H264), Codec::H264);
    let mut held = pool.hold().expect("a child can be started");
    for (round, awaiting) in [(0, 0), (1, 0), (2, 30)] {
        if round == 2 {
            let pid = held
                .pid()
                .and_then(|pid| i32::try_from(pid).ok())
                .and_then(Pid::from_raw);
            let pid = pid.expect("the child runs");
            let gone = watch(pid);
            kill_process(pid, Signal::KILL).expect("the child is ours");
            wait_until_gone(&gone);
            assert!(!held.remembers());
            let (input, body) = packets_input("camera", Codec::H264, &packets[..1], 5.0);
            let lost = hold_ask(&mut held, &input, body).await;
            assert!(matches!(lost, Err(MediaError::Crashed(_))), "{lost:?}");
        }
        let (input, body) = packets_input("camera", Codec::H264, &packets[round * 10..round * 10 + 30], 5.0);
        let sampled = hold_ask(&mut held, &input, body).await.expect("the packets are sound");
        assert_eq!(sampled.awaiting_key, awaiting, "round {round}");
        assert!(held.remembers());
    }
    assert_eq!(pool.idle_pids(), Vec::<u32>::new());
}

async fn hold_ask(held: &mut HeldChild, input: &PacketsInput, body: Vec<u8>) -> Result<Sampled, MediaError> {
    let request = Request {
        kind: PACKETS.to_owned(),
        input: serde_json::value::to_raw_value(input).expect("an input is JSON"),
    };
    let answer = held.run(&request, body.into()).await?;
    Ok(serde_json::from_slice(&answer).expect("a child answers as promised"))
}

#[tokio::test]
async fn a_child_serves_as_many_sessions_as_promised_and_closing_one_makes_room() {
    let (films, (pool, _)) = (Films::new(), pool());
    let packets = films.packets(&still_then_cut(&films, Codec::H264), Codec::H264);
    for index in 0..=MAX_SESSIONS {
        let (input, body) = packets_input(&format!("stream {index}"), Codec::H264, &packets[..1], 1.0);
        let answer: Result<Sampled, _> = ask(&pool, PACKETS, &input, body).await;
        assert_eq!(answer.is_ok(), index < MAX_SESSIONS, "{index}: {answer:?}");
    }
    let close = |session: &str| CloseInput {
        session: session.to_owned(),
    };
    for session in ["stream 3", "unknown"] {
        let () = ask(&pool, CLOSE, &close(session), Vec::new())
            .await
            .expect("closing cannot fail");
    }
    let (input, body) = packets_input("another", Codec::H264, &packets[..1], 1.0);
    let _: Sampled = ask(&pool, PACKETS, &input, body).await.expect("there is room again");
}
