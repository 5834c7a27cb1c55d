//! Single submits that travel together: while Redis works on one script, the next collects. Group commit without a timer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::connection::Link;
use crate::error::QueueError;
use crate::submission::{Prepared, Submission, unanswered};
use crate::task::{Enqueued, NewTask};

type Answer = Result<Enqueued, QueueError>;

/// What waits for one shard, and the task that sends it. It ends when nothing waits; the next caller begins another.
#[derive(Debug)]
pub(crate) struct Gather {
    shard: u16,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Group>,
    is_sending: bool,
    senders: JoinSet<()>,
}

/// Tasks of one script, and who waits for each. A caller that gave up has nobody listen to its answer.
#[derive(Debug)]
struct Group {
    submission: Submission,
    callers: Vec<oneshot::Sender<Answer>>,
}

impl Group {
    async fn send(self, link: &Link) {
        match self.submission.send(link).await {
            Ok(answers) => {
                let answers = answers.into_iter().chain(std::iter::repeat_with(|| Err(unanswered())));
                for (caller, answer) in self.callers.into_iter().zip(answers) {
                    let _ = caller.send(answer);
                }
            }
            Err(error) => {
                for caller in self.callers {
                    let _ = caller.send(Err(error.clone()));
                }
            }
        }
    }
}

impl Gather {
    /// For the tenants of one shard.
    pub(crate) fn new(shard: u16) -> Arc<Self> {
        Arc::new(Self {
            shard,
            state: Mutex::default(),
        })
    }

    /// Adds one task with whatever else is on its way.
    pub(crate) async fn enqueue(self: &Arc<Self>, link: &Arc<Link>, task: NewTask) -> Answer {
        let answer = self.join(link, Prepared::new(&task)?);
        let ended = |_| Err(QueueError::Unavailable("the process ends".to_owned()));
        answer.await.unwrap_or_else(ended)
    }

    fn join(self: &Arc<Self>, link: &Arc<Link>, task: Prepared<'_>) -> oneshot::Receiver<Answer> {
        let (caller, answer) = oneshot::channel();
        let mut state = self.state.lock().expect("no holder panics");
        let id = link.new_id(self.shard);
        if state.waiting.back().is_none_or(|group| group.submission.is_full()) {
            state.waiting.push_back(Group {
                submission: Submission::to(self.shard),
                callers: Vec::new(),
            });
        }
        if let Some(group) = state.waiting.back_mut() {
            group.submission.push(id, task);
            group.callers.push(caller);
        }
        if !std::mem::replace(&mut state.is_sending, true) {
            while state.senders.try_join_next().is_some() {}
            state.senders.spawn(Sending::begin(self).run(Arc::clone(link)));
        }
        answer
    }
}

/// Sends group after group, one under way.
struct Sending {
    gather: Arc<Gather>,
    is_over: bool,
}

impl Sending {
    fn begin(gather: &Arc<Gather>) -> Self {
        Self {
            gather: Arc::clone(gather),
            is_over: false,
        }
    }

    async fn run(mut self, link: Arc<Link>) {
        while let Some(group) = self.next() {
            group.send(&link).await;
        }
    }

    fn next(&mut self) -> Option<Group> {
        let mut state = self.gather.state.lock().expect("no holder panics");
        let group = state.waiting.pop_front();
        self.is_over = group.is_none();
        state.is_sending = !self.is_over;
        group
    }
}

impl Drop for Sending {
    /// A runtime that ends takes its tasks with it: whoever waits on another one is told, and the next caller begins anew.
    fn drop(&mut self) {
        if !self.is_over {
            let mut state = self.gather.state.lock().expect("no holder panics");
            state.is_sending = false;
            state.waiting.clear();
        }
    }
}
