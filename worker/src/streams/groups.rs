//! Decoders of streams that need more than key frames: a media child holds the decoders of at most
//! [`MAX_SESSIONS`] streams of one tenant, so that a stream costs a few megabytes and never a process.
//!
//! A stream that was at work in two children when they died gets a child of its own: if it dies again, everybody knows
//! why.

use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::to_raw_value;

use crate::media_pool::{HeldChild, Listener, MediaError, MediaPool};
use crate::protocol::Request;
use crate::protocol_streams::{CLOSE, CloseInput, MAX_SESSIONS, PACKETS, PacketsInput, Sampled};

/// Streams that one child shows to viewers.
const MAX_SHOWN: usize = 3;

/// The groups of a worker. Clones share them.
#[derive(Debug, Clone)]
pub struct DecoderGroups {
    pool: MediaPool,
    groups: Arc<Mutex<Vec<Arc<Group>>>>,
}

#[derive(Debug)]
struct Group {
    tenant: String,
    /// Seats taken; guarded by the lock of the list.
    seats: Mutex<usize>,
    capacity: usize,
    /// Sessions of streams that have left; the child hears of them before the next request.
    left: Mutex<Vec<String>>,
    /// Held across a request on purpose: the child answers one at a time, and waiting here is fair.
    child: tokio::sync::Mutex<Option<HeldChild>>,
}

/// One stream's place in a group. Dropping it closes its decoder.
#[derive(Debug)]
pub struct Seat {
    groups: DecoderGroups,
    group: Arc<Group>,
    session: String,
}

impl DecoderGroups {
    /// No groups yet; their children come from this pool.
    pub fn new(pool: MediaPool) -> Self {
        Self {
            pool,
            groups: Arc::default(),
        }
    }

    /// A place in a group of this tenant.
    pub fn join(&self, tenant: &str, session: &str) -> Seat {
        self.take_seat(tenant, session, MAX_SESSIONS)
    }

    /// A place in a group of few: each of its streams takes a good part of a core while it is shown to viewers.
    pub fn join_shown(&self, tenant: &str, session: &str) -> Seat {
        self.take_seat(tenant, session, MAX_SHOWN)
    }

    /// A group for this stream alone.
    pub fn join_alone(&self, tenant: &str, session: &str) -> Seat {
        self.take_seat(tenant, session, 1)
    }

    /// Groups that have streams.
    pub fn len(&self) -> usize {
        lock(&self.groups).len()
    }

    /// Whether no stream needs a decoder.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn take_seat(&self, tenant: &str, session: &str, capacity: usize) -> Seat {
        let mut groups = lock(&self.groups);
        let has_room = |group: &&Arc<Group>| {
            group.tenant == tenant && group.capacity == capacity && *lock(&group.seats) < group.capacity
        };
        let group = match groups.iter().find(has_room) {
            Some(group) => Arc::clone(group),
            None => {
                let group = Arc::new(Group {
                    tenant: tenant.to_owned(),
                    seats: Mutex::new(0),
                    capacity,
                    left: Mutex::default(),
                    child: tokio::sync::Mutex::new(None),
                });
                groups.push(Arc::clone(&group));
                group
            }
        };
        *lock(&group.seats) += 1;
        Seat {
            groups: self.clone(),
            group,
            session: session.to_owned(),
        }
    }
}

impl Seat {
    /// The name of the stream's decoder.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Decodes a run of packets. After an error, and after any stream of the group broke off in the middle of a
    /// request, the decoder is a new one and waits for a key frame. The listener hears of pictures.
    pub async fn decode(
        &self,
        input: &PacketsInput,
        body: Bytes,
        listener: &mut dyn Listener,
    ) -> Result<Sampled, MediaError> {
        self.ask(PACKETS, input, body, listener).await
    }

    /// A request of this kind about this stream. What holds for [`Seat::decode`] holds for it, too.
    pub async fn ask<Answer: DeserializeOwned>(
        &self,
        kind: &str,
        input: &impl Serialize,
        body: Bytes,
        listener: &mut dyn Listener,
    ) -> Result<Answer, MediaError> {
        let mut slot = self.group.child.lock().await;
        let child = match slot.as_mut() {
            Some(child) => child,
            None => slot.insert(self.groups.pool.hold()?),
        };
        let left = std::mem::take(&mut *lock(&self.group.left));
        for session in left {
            if !child.remembers() {
                break;
            }
            let close = request(CLOSE, &CloseInput { session })?;
            child.run(&close, Bytes::new()).await?;
        }
        ask(child, kind, input, body, listener).await
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut groups = lock(&self.groups.groups);
        let mut seats = lock(&self.group.seats);
        *seats -= 1;
        if *seats == 0 {
            // The child ends with the last reference to its group.
            groups.retain(|group| !Arc::ptr_eq(group, &self.group));
        } else {
            lock(&self.group.left).push(std::mem::take(&mut self.session));
        }
    }
}

/// One request to a child.
pub(super) async fn ask<Answer: DeserializeOwned>(
    child: &mut HeldChild,
    kind: &str,
    input: &impl Serialize,
    body: Bytes,
    listener: &mut dyn Listener,
) -> Result<Answer, MediaError> {
    let answer = child.run_heard(&request(kind, input)?, body, listener).await?;
    parse(&answer)
}

/// A request of this kind.
pub(crate) fn request(kind: &str, input: &impl Serialize) -> Result<Request, MediaError> {
    let input = to_raw_value(input).map_err(|error| MediaError::Refused {
        code: "input_invalid".to_owned(),
        message: error.to_string(),
        retryable: false,
    })?;
    Ok(Request {
        kind: kind.to_owned(),
        input,
    })
}

/// A child's answer. One that was taken over by what it decodes can at most answer a false one of the right shape.
pub(crate) fn parse<Answer: DeserializeOwned>(answer: &[u8]) -> Result<Answer, MediaError> {
    serde_json::from_slice(answer).map_err(|error| MediaError::Crashed(format!("answered nonsense ({error})")))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing that holds this lock panics")
}
