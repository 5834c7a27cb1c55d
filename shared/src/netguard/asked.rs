//! What may be asked for besides a URL: a part of what it leads to, as somebody.

use std::fmt;

use bytes::{Buf, Bytes};
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{RequestBuilder, Response, StatusCode};
use url::{Origin, Url};

use super::error::FetchError;

/// What is asked for besides the URL; nothing by default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// A part of the content instead of all of it.
    pub part: Option<BytePart>,
    /// Who asks.
    pub login: Option<&'a OriginLogin>,
}

/// A part of what a URL leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BytePart {
    /// Its first byte, from 0.
    pub first: u64,
    /// Bytes; there may be less.
    pub length: u64,
}

/// A user name and a password for the origin that they were given for (scheme, host and port), and for no other. Shown as
/// stars.
#[derive(Clone)]
pub struct OriginLogin {
    origin: Origin,
    username: String,
    password: String,
}

impl OriginLogin {
    /// For the origin of this URL.
    #[must_use]
    pub fn new(url: &Url, username: String, password: String) -> Self {
        Self {
            origin: url.origin(),
            username,
            password,
        }
    }
}

impl fmt::Debug for OriginLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OriginLogin(***)")
    }
}

impl Asked<'_> {
    /// Says so in a request to this URL.
    pub(super) fn say(&self, url: &Url, mut request: RequestBuilder) -> RequestBuilder {
        if let Some(part) = self.part.filter(|part| part.length > 0) {
            let last = part.first.saturating_add(part.length - 1);
            request = request.header(RANGE, format!("bytes={}-{last}", part.first));
        }
        match self.login.filter(|login| login.origin == url.origin()) {
            Some(login) => request.basic_auth(&login.username, Some(&login.password)),
            None => request,
        }
    }
}

/// Cuts the part that was asked for out of a body.
#[derive(Debug)]
pub(super) struct Cut {
    skip: u64,
    left: u64,
}

impl Cut {
    /// For this answer. Servers may send all of the content instead of a part.
    pub(super) fn of(asked: Asked<'_>, response: &Response) -> Result<Self, FetchError> {
        let Some(part) = asked.part else {
            return Ok(Self {
                skip: 0,
                left: u64::MAX,
            });
        };
        let is_part = response.status() == StatusCode::PARTIAL_CONTENT;
        if is_part && first_of(response) != Some(part.first) {
            return Err(FetchError::Network(
                "the server sent another part than was asked for".into(),
            ));
        }
        Ok(Self {
            skip: if is_part { 0 } else { part.first },
            left: part.length,
        })
    }

    /// Whether there is nothing more to cut out.
    pub(super) fn is_done(&self) -> bool {
        self.left == 0
    }

    /// Bytes of the body that have yet to come.
    pub(super) fn wanted(&self) -> u64 {
        self.skip.saturating_add(self.left)
    }

    /// What of the next piece of the body belongs to the part.
    pub(super) fn take(&mut self, mut piece: Bytes) -> Bytes {
        let skipped = self.skip.min(piece.len() as u64);
        self.skip -= skipped;
        piece.advance(usize::try_from(skipped).unwrap_or(usize::MAX));
        piece.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= piece.len() as u64;
        piece
    }
}

/// The first byte in `Content-Range: bytes <first>-<last>/<all>`.
fn first_of(response: &Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_cut_out_of_all_however_it_arrives() {
        for size in 1..12 {
            let mut cut = Cut { skip: 3, left: 4 };
            let mut got = Vec::new();
            for piece in b"0123456789".chunks(size) {
                got.extend_from_slice(&cut.take(Bytes::copy_from_slice(piece)));
            }
            assert_eq!((got.as_slice(), cut.is_done()), (b"3456".as_slice(), true), "{size}");
        }
    }
}
