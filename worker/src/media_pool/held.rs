//! A media child that one owner holds, with what it remembers: the decoders of a group of streams.

use bytes::Bytes;

use super::child::MediaChild;
use super::{Listener, MediaError, MediaPool, finish, lost};
use crate::protocol::Request;

/// A child of its owner alone. It stands beside the pool's children, so holding one takes no cpu slot from tasks.
/// Dropping it kills the child.
#[derive(Debug)]
pub struct HeldChild {
    pool: MediaPool,
    child: Option<MediaChild>,
}

impl HeldChild {
    pub(super) fn new(pool: MediaPool) -> Result<Self, MediaError> {
        let child = Some(pool.spawn()?);
        Ok(Self { pool, child })
    }

    /// Has the child do the work. After [`MediaError::Crashed`] the next call starts a new child, which remembers
    /// nothing; the same goes for a call whose future was dropped.
    pub async fn run(&mut self, request: &Request, media: Bytes) -> Result<Vec<u8>, MediaError> {
        self.run_heard(request, media, &mut |_: u8, _: &str| {}).await
    }

    /// As [`HeldChild::run`], for work that sends pictures up before it is done.
    pub async fn run_heard(
        &mut self,
        request: &Request,
        media: Bytes,
        listener: &mut dyn Listener,
    ) -> Result<Vec<u8>, MediaError> {
        // Out of its place until it has answered: whoever drops this future ends the child in the middle of its work.
        let mut child = match self.child.take() {
            Some(child) => child,
            None => self.pool.spawn()?,
        };
        match child.converse(request, &media, listener).await {
            Ok(answer) => {
                self.child = Some(child);
                finish(answer)
            }
            Err(error) => Err(lost(&self.pool.0.metrics, &mut child, &error).await),
        }
    }

    /// Whether the child that remembers is still there; false once work was lost or dropped.
    pub fn remembers(&mut self) -> bool {
        self.child.as_mut().is_some_and(MediaChild::is_alive)
    }

    /// Its process id.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(MediaChild::pid)
    }
}
