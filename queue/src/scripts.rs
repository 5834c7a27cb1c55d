//! The scripts, put together from parts of at most 60 lines. A part says in its head what it does and expects;
//! parts share one chunk, so a part sees the locals of those before it.
//!
//! A chunk makes all its functions anew in every call. Lua finds each local that a new function uses by a walk through all
//! that functions use (`luaF_findupval` of Lua 5.1), unless it belongs to a function further out: then it is at hand. So what
//! stands behind a `;` is the body of a function of its own, called last. `step` took 53 us before it did anything, and takes 31.

use redis::Script;

macro_rules! script {
    ($flags:literal, $($part:literal)+ $(; $($inner:literal)+)*) => {
        Script::new(concat!(
            "#!lua", $flags, "\n",
            "local FULL_PAGE = ", full_page!(), "\n",
            $(part!($part),)+
            $("local function rest()\n", $(part!($inner),)+)*
            $(end!($($inner)+),)*
        ))
    };
}

/// How many tasks a page of a tenant's list holds before the next one is begun: one node of Redis' lists. A page of few, so
/// that the model test turns many.
#[cfg(not(test))]
macro_rules! full_page {
    () => {
        "256"
    };
}
#[cfg(test)]
macro_rules! full_page {
    () => {
        "2"
    };
}

macro_rules! part {
    ($part:literal) => {
        include_str!(concat!("../lua/", $part, ".lua"))
    };
}

macro_rules! end {
    ($($inner:literal)+) => {
        "end\nreturn rest()\n"
    };
}

/// Every script of the engine. `enqueue` alone may be refused when Redis is full: running work always finishes.
#[derive(Debug)]
pub(crate) struct Scripts {
    pub(crate) enqueue: Script,
    pub(crate) step: Script,
    pub(crate) tick: Script,
    pub(crate) cancel: Script,
    pub(crate) read: Script,
    pub(crate) list: Script,
    pub(crate) status: Script,
    pub(crate) drain: Script,
    pub(crate) leave: Script,
    pub(crate) emit: Script,
    pub(crate) output: Script,
    pub(crate) watch: Script,
    pub(crate) fsck_tasks: Script,
    pub(crate) fsck_keys: Script,
    pub(crate) fsck_tally: Script,
    pub(crate) set_rule: Script,
    pub(crate) set_bound: Script,
    pub(crate) why: Script,
    pub(crate) journal: Script,
    pub(crate) journal_read: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            enqueue: script!("", "clock" "enqueue_one" "rate" "wake" "announce" "add" "listed" "enqueue_quick" "plan" "records" "write"; "tally" "deadlines"
                "lane" "seat" "carry_out"; "rule" "waits" "unique" "enqueue" "enqueue_bound" "enqueue_add" "enqueue_write"),
            step: script!(" flags=allow-oom", "clock" "records" "header" "plan" "write" "attempt"; "tally" "lane" "seat" "release" "add" "carry_out";
                "settle" "withdraw" "overdue" "expire" "promote" "rate" "rule" "wake" "waits" "step_args" "step_replay"
                "step_return" "step_finish" "step_renew" "step_due" "step_ring" "step_lane" "step_pick" "step_take" "step_solo"
                "step_claim" "step_seat" "step_write"),
            tick: script!(" flags=allow-oom", "clock" "tick_offer" "records" "header" "ended" "plan" "write" "attempt"; "tally" "lane" "seat" "release" "add" "carry_out";
                "settle" "withdraw" "overdue" "expire" "promote" "unique" "pages" "prune" "rule" "wake" "waits" "tick"),
            cancel: script!(" flags=allow-oom", "clock" "records" "header" "ended" "plan" "write" "attempt" "tally" "lane" "add" "carry_out"
                "settle" "withdraw" "cancel"),
            read: script!(" flags=no-writes", "clock" "records" "header" "read_task" "read"),
            list: script!(" flags=no-writes", "clock" "records" "header" "read_task" "list"),
            status: script!(" flags=no-writes", "clock" "records" "header" "ended" "status_lanes" "status"),
            drain: script!(" flags=allow-oom", "clock" "drain"),
            leave: script!(" flags=allow-oom", "clock" "plan" "rule" "wake" "waits" "leave"),
            emit: script!("", "clock" "emit"),
            output: script!(" flags=no-writes", "clock" "records" "header" "ended" "output"),
            watch: script!(" flags=allow-oom", "clock" "watch"),
            fsck_tasks: script!(" flags=allow-oom", "clock" "records" "header" "ended" "plan" "write" "attempt" "tally" "deadlines" "lane" "seat"
                "release" "add" "carry_out" "settle" "unique" "pages" "fsck_header" "fsck_live" "fsck_ended" "fsck_listed" "fsck_tasks" "fsck_write"),
            fsck_keys: script!(" flags=allow-oom", "clock" "records" "header" "plan" "fsck_turns" "fsck_names" "fsck_keys"),
            set_rule: script!(" flags=allow-oom", "clock" "plan" "tally" "lane" "seat" "release" "add" "carry_out" "rule" "wake" "waits"
                "set_rule"),
            fsck_tally: script!(" flags=allow-oom", "clock" "fsck_tally"),
            set_bound: script!(" flags=allow-oom", "clock" "set_bound"),
            why: script!(" flags=no-writes", "clock" "records" "header" "ended" "plan" "attempt" "rule" "read_task" "why" "why_answer"),
            journal: script!("", "clock" "journal" "journal_keep" "journal_run"),
            journal_read: script!(" flags=no-writes", "clock" "journal_read"),
        }
    }
}
