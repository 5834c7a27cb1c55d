//! A witness of every change of state: follows the queue's stream of hints by itself, through deaths of Redis.
//!
//! It is the one place outside the queue that reads its keys, because the API shows how a task ended and not how often.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::streams::{StreamId, StreamReadOptions, StreamReadReply};
use redis::{AsyncCommands, RedisResult};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::redis::Redis;

const STREAM: &str = "z:{s00}:ev";
/// While this is set, every change of state is told.
const WATCHED: &str = "z:{s00}:watched";
const WATCHED_SECONDS: u64 = 60;
/// The stream keeps about 1,000 entries, so that the witness has to look often.
const LOOK: Duration = Duration::from_millis(15);
const ENTRIES: usize = 1_000;
const PATIENCE: Duration = Duration::from_secs(240);

/// One change of state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The task.
    pub id: String,
    /// `q` queued again, `d` scheduled again, `r` running, `s` succeeded, `f` failed, `c` canceled, `p` something to read.
    pub letter: char,
    /// Unix milliseconds, by Redis' clock.
    pub at_ms: u64,
}

/// Everything that happened since it was started, in order.
#[derive(Debug)]
pub struct Events {
    seen: watch::Receiver<Vec<Event>>,
    _reader: JoinSet<()>,
}

impl Events {
    /// Starts to watch; what is enqueued afterwards is seen from its first event on.
    pub async fn watch(redis: &Redis) -> Self {
        let connected = redis.client().get_multiplexed_async_connection().await;
        let mut connection = connected.expect("redis should be there");
        let (): () = ask(&mut connection).await.expect("redis should take a key");
        let (tell, seen) = watch::channel(Vec::new());
        let mut reader = JoinSet::new();
        reader.spawn(read(redis.client(), tell));
        Self { seen, _reader: reader }
    }

    /// Everything so far.
    pub fn so_far(&self) -> Vec<Event> {
        self.seen.borrow().clone()
    }

    /// How often each letter was seen.
    fn tally(&self) -> String {
        let mut counts = std::collections::BTreeMap::new();
        for event in self.seen.borrow().iter() {
            *counts.entry(event.letter).or_insert(0) += 1;
        }
        format!("{counts:?}")
    }

    /// Waits until what happened is as `done` wants it.
    pub async fn until(&mut self, what: &str, mut done: impl FnMut(&[Event]) -> bool) {
        let waited = timeout(PATIENCE, self.seen.wait_for(|seen| done(seen))).await;
        let waited = waited.map(|seen| drop(seen.expect("the reader should run on")));
        assert!(
            waited.is_ok(),
            "{what}: should happen within {PATIENCE:?}; {} so far",
            self.tally()
        );
    }
}

async fn read(client: redis::Client, tell: watch::Sender<Vec<Event>>) {
    let mut last = "0".to_owned();
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connection = None;
    loop {
        ticks.tick().await;
        if connection.is_none() {
            connection = client.get_multiplexed_async_connection().await.ok();
        }
        let Some(open) = connection.as_mut() else { continue };
        let asked = ask(open).await;
        let options = StreamReadOptions::default().count(ENTRIES);
        let read: RedisResult<Option<StreamReadReply>> = open.xread_options(&[STREAM], &[&last], &options).await;
        let Ok(((), reply)) = asked.and_then(|asked| Ok((asked, read?))) else {
            connection = None;
            continue;
        };
        let entries: Vec<StreamId> = reply
            .into_iter()
            .flat_map(|reply| reply.keys)
            .flat_map(|key| key.ids)
            .collect();
        if let Some(newest) = entries.last() {
            last.clone_from(&newest.id);
            tell.send_modify(|seen| seen.extend(entries.iter().flat_map(events)));
        }
    }
}

/// Asks for events as a process that waits for a task does, and for longer.
async fn ask(connection: &mut MultiplexedConnection) -> RedisResult<()> {
    connection.set_ex(WATCHED, 1, WATCHED_SECONDS).await
}

/// The events of one entry of the stream.
fn events(entry: &StreamId) -> Vec<Event> {
    let at_ms = entry
        .id
        .split('-')
        .next()
        .and_then(|ms| ms.parse().ok())
        .expect("entries begin with a time");
    let text: String = entry.get("d").expect("entries carry `d`");
    // Ids and letters in turns.
    let words: Vec<&str> = text.split(',').collect();
    let (hints, rest) = words.as_chunks();
    assert!(rest.is_empty(), "{text:?} should be ids and letters");
    let event = |[id, letter]: &[&str; 2]| Event {
        id: (*id).to_owned(),
        letter: letter.chars().next().expect("a hint has a letter"),
        at_ms,
    };
    hints.iter().map(event).collect()
}
