//! What is reported of a stream's sources: of one, how it is; of two, how each is, and as the whole the worse one.

use zoetrope_shared::streams::SourceReport;
use zoetrope_shared::wire::{StreamCause, StreamSource, StreamState};

use super::status::{Phase, SourceIs, Standing, Video};

/// Since when something is as it is.
#[derive(Debug, Default)]
pub(super) struct Since {
    known: Option<(StreamState, Option<StreamCause>)>,
    since_ms: u64,
}

impl Since {
    /// It is like this now.
    fn of(&mut self, is: (StreamState, Option<StreamCause>), now_ms: u64) -> u64 {
        if self.known.replace(is) != Some(is) {
            self.since_ms = now_ms;
        }
        self.since_ms
    }
}

/// Since when the stream is as it is, and each of its sources.
#[derive(Debug, Default)]
pub(super) struct Told {
    whole: Since,
    recorded: Since,
    watched: Since,
}

/// How a stream is.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) state: StreamState,
    pub(super) cause: Option<StreamCause>,
    pub(super) detail: Option<String>,
    pub(super) since_ms: u64,
    /// Both sources where there are two.
    pub(super) sources: Vec<SourceReport>,
}

impl Whole {
    /// Takes together what is known of the sources.
    pub(super) fn of(standing: &Standing, told: &mut Told, now_ms: u64) -> Self {
        let sources = match &standing.recorded {
            None => Vec::new(),
            Some(recorded) => {
                let watched = SourceIs {
                    phase: standing.phase,
                    detail: standing.detail.clone(),
                    video: standing.video,
                };
                vec![
                    report(StreamSource::Url, recorded, &mut told.recorded, now_ms),
                    report(StreamSource::DetectUrl, &watched, &mut told.watched, now_ms),
                ]
            }
        };
        // Of two that are alike, the one that is recorded.
        let worst = sources.iter().rev().max_by_key(|source| source.state.badness());
        let (state, cause, detail) = match worst {
            None => {
                let (state, cause) = state_of(standing.phase);
                (state, cause, standing.detail.clone())
            }
            Some(worst) => {
                let named = |detail: &String| format!("{}: {detail}", worst.source.as_str());
                (worst.state, worst.cause, worst.detail.as_ref().map(named))
            }
        };
        Self {
            state,
            cause,
            detail: detail.filter(|_| cause.is_some()),
            since_ms: told.whole.of((state, cause), now_ms),
            sources,
        }
    }
}

fn report(source: StreamSource, is: &SourceIs, since: &mut Since, now_ms: u64) -> SourceReport {
    let (state, cause) = state_of(is.phase);
    SourceReport {
        source,
        state,
        cause,
        detail: is.detail.clone().filter(|_| cause.is_some()),
        since_ms: since.of((state, cause), now_ms),
        codec: is.video.map(|video: Video| video.codec.as_str().to_owned()),
        size: is.video.and_then(|video| video.size),
    }
}

/// The state that clients are told of what a source is doing.
pub(super) fn state_of(phase: Phase) -> (StreamState, Option<StreamCause>) {
    match phase {
        Phase::Live => (StreamState::Connected, None),
        Phase::Down(cause) if cause.is_slow() => (StreamState::Error, Some(cause)),
        Phase::Down(cause) => (StreamState::Reconnecting, Some(cause)),
        Phase::Connecting | Phase::Waiting | Phase::Fetching | Phase::Reading => (StreamState::Connecting, None),
    }
}

#[cfg(test)]
mod tests {
    use zoetrope_shared::tasks::stream_ingest::StreamCounts;

    use super::*;

    #[test]
    fn a_person_is_called_where_trying_again_does_not_help() {
        let cases = [
            (Phase::Connecting, (StreamState::Connecting, None)),
            (Phase::Live, (StreamState::Connected, None)),
            (
                Phase::Down(StreamCause::Refused),
                (StreamState::Reconnecting, Some(StreamCause::Refused)),
            ),
            (
                Phase::Down(StreamCause::Auth),
                (StreamState::Error, Some(StreamCause::Auth)),
            ),
            (
                Phase::Down(StreamCause::Codec),
                (StreamState::Error, Some(StreamCause::Codec)),
            ),
        ];
        for (phase, expected) in cases {
            assert_eq!(state_of(phase), expected, "{phase:?}");
        }
    }

    fn standing(watched: Phase, recorded: Option<Phase>) -> Standing {
        let why = |phase| matches!(phase, Phase::Down(_)).then(|| "nobody listens".to_owned());
        Standing {
            phase: watched,
            detail: why(watched),
            video: None,
            counts: StreamCounts::default(),
            recorded: recorded.map(|phase| SourceIs {
                phase,
                detail: why(phase),
                video: None,
            }),
        }
    }

    #[test]
    fn of_two_sources_the_worse_one_is_told_by_name_and_both_beside_it() {
        let (refused, auth) = (Phase::Down(StreamCause::Refused), Phase::Down(StreamCause::Auth));
        let whole = |watched, recorded| Whole::of(&standing(watched, recorded), &mut Told::default(), 1);
        let one = whole(refused, None);
        assert_eq!((one.detail.as_deref(), one.sources.len()), (Some("nobody listens"), 0));
        let cases = [
            (Phase::Live, Phase::Live, StreamState::Connected, None),
            (Phase::Live, Phase::Connecting, StreamState::Connecting, None),
            (
                Phase::Live,
                refused,
                StreamState::Reconnecting,
                Some("url: nobody listens"),
            ),
            (
                refused,
                Phase::Live,
                StreamState::Reconnecting,
                Some("detect_url: nobody listens"),
            ),
            (auth, refused, StreamState::Error, Some("detect_url: nobody listens")),
            (refused, refused, StreamState::Reconnecting, Some("url: nobody listens")),
        ];
        for (watched, recorded, state, detail) in cases {
            let told = whole(watched, Some(recorded));
            assert_eq!(
                (told.state, told.detail.as_deref()),
                (state, detail),
                "{watched:?} {recorded:?}"
            );
            let each: Vec<_> = told
                .sources
                .iter()
                .map(|source| (source.source, source.state))
                .collect();
            let expected = [
                (StreamSource::Url, state_of(recorded).0),
                (StreamSource::DetectUrl, state_of(watched).0),
            ];
            assert_eq!(each, expected);
        }
    }

    #[test]
    fn each_has_its_own_time_at_which_it_became_as_it_is() {
        let mut told = Told::default();
        let refused = Phase::Down(StreamCause::Refused);
        let mut at = |now_ms, watched, recorded| {
            let whole = Whole::of(&standing(watched, Some(recorded)), &mut told, now_ms);
            (whole.since_ms, whole.sources[0].since_ms, whole.sources[1].since_ms)
        };
        assert_eq!(at(1, Phase::Live, Phase::Live), (1, 1, 1));
        assert_eq!(at(2, Phase::Live, refused), (2, 2, 1));
        assert_eq!(at(3, refused, refused), (2, 2, 3));
        assert_eq!(at(4, refused, Phase::Live), (2, 4, 3));
        assert_eq!(at(5, Phase::Live, Phase::Live), (5, 4, 5));
    }
}
