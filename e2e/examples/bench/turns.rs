//! One caller beside another: each adds its tasks one by one to an empty Redis, in turns, so that whatever else the
//! machine does meets all alike. The time of a process from its start to its end counts, on both sides.

use std::path::Path;
use std::process::Command;

use tokio::time::Instant;
use zoetrope_e2e::{Durability, Redis, free_port};

use crate::peer::{SINGLES, one_by_one, target_of};
use crate::table::median;
use crate::{Figures, higher};

/// Tasks of a turn.
const TASKS: u64 = 10_000;
/// A round trip is more at the mercy of the moment than anything else that is measured here.
const ROUNDS: usize = 15;

/// Ours over TCP and over the unix socket, and the best of the peers if they were `built`.
pub(crate) async fn measure(worker: &Path, built: bool, (ours, peer): &mut (Figures, Figures)) {
    let programs = target_of(worker).join("release");
    let (mut near, mut socket, mut peers) = (Vec::new(), Vec::new(), [const { Vec::new() }; SINGLES.len()]);
    for _ in 0..ROUNDS {
        let port = free_port();
        let redis = Redis::start_on_port(port, Durability::None).await;
        near.extend(rate(&mut single(worker, &redis)));
        let redis = Redis::start(Durability::None).await;
        socket.extend(rate(&mut single(worker, &redis)));
        for ((program, words), rates) in SINGLES.iter().zip(&mut peers).filter(|_| built) {
            let port = free_port();
            let _redis = Redis::start_on_port(port, Durability::None).await;
            rates.extend(rate(&mut one_by_one(&programs.join(program), words, TASKS, port)));
        }
    }
    ours.single_per_s = median(near.into_iter());
    ours.socket_single_per_s = median(socket.into_iter());
    for rates in peers {
        peer.single_per_s = higher(peer.single_per_s, median(rates.into_iter()));
    }
    peer.socket_single_per_s = peer.single_per_s;
}

fn single(worker: &Path, redis: &Redis) -> Command {
    let mut command = Command::new(worker);
    command.arg(redis.url()).args(["single", &TASKS.to_string(), "1"]);
    command.stdout(std::process::Stdio::null());
    command
}

/// Tasks a second; nothing of a process that fails.
#[expect(clippy::cast_precision_loss, reason = "a rate of a benchmark")]
fn rate(command: &mut Command) -> Option<f64> {
    let begun = Instant::now();
    let ended = command.status().ok()?;
    ended.success().then(|| TASKS as f64 / begun.elapsed().as_secs_f64())
}
