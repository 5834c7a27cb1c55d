//! Multipart bodies, part by part, over the bounded [`Reader`]. What the parts mean belongs to whoever reads them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures_util::stream;

use crate::http::body::{Reader, Share};
use crate::http::problem::Refusal;
use crate::limits::MAX_PARTS;

/// Bytes that may arrive without the parser making anything of them. Without this bound a part whose header never
/// ends would be held in memory up to the limit of the whole body.
const MAX_UNPARSED: usize = 1024 * 1024;

/// A `multipart/form-data` body.
pub(crate) struct Form {
    parser: multer::Multipart<'static>,
    parts: usize,
    unparsed: Arc<AtomicUsize>,
}

/// One part of a form.
pub(crate) struct Part {
    field: multer::Field<'static>,
    unparsed: Arc<AtomicUsize>,
}

/// Whether a request says that its body is a form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let essence = "multipart/form-data";
    content_type(headers)
        .get(..essence.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(essence))
}

/// The content type of a request; empty without one.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

impl Form {
    /// Begins to read a form.
    pub(crate) fn open(headers: &HeaderMap, reader: Reader) -> Result<Self, Refusal> {
        let boundary = multer::parse_boundary(content_type(headers))
            .map_err(|_| Refusal::bad_request("the Content-Type names no valid multipart boundary"))?;
        let unparsed = Arc::new(AtomicUsize::new(0));
        let counted = unparsed.clone();
        let pieces = stream::try_unfold(reader, move |mut reader| {
            let counted = counted.clone();
            async move {
                if counted.load(Ordering::Relaxed) > MAX_UNPARSED {
                    return Err(Refusal::bad_request("the header of a multipart part does not end"));
                }
                let piece = reader.next().await?;
                Ok(piece.map(|piece| {
                    counted.fetch_add(piece.len(), Ordering::Relaxed);
                    (piece, reader)
                }))
            }
        });
        Ok(Self {
            parser: multer::Multipart::new(pieces, boundary),
            parts: 0,
            unparsed,
        })
    }

    /// The next part; the one before must have been read or is skipped.
    pub(crate) async fn next(&mut self) -> Result<Option<Part>, Refusal> {
        let Some(field) = self.parser.next_field().await.map_err(refusal)? else {
            return Ok(None);
        };
        self.unparsed.store(0, Ordering::Relaxed);
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(Refusal::bad_request(format!(
                "the form has more than {MAX_PARTS} parts"
            )));
        }
        Ok(Some(Part {
            field,
            unparsed: self.unparsed.clone(),
        }))
    }
}

impl Part {
    /// Its name; empty without one.
    pub(crate) fn name(&self) -> String {
        self.field.name().unwrap_or_default().to_owned()
    }

    /// The file name that its sender gives.
    pub(crate) fn filename(&self) -> Option<String> {
        self.field.file_name().map(ToOwned::to_owned)
    }

    /// The next piece of its content.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Refusal> {
        let chunk = self.field.chunk().await.map_err(refusal)?;
        self.unparsed.store(0, Ordering::Relaxed);
        Ok(chunk)
    }

    /// Its whole content; `None` if that is more than `limit` bytes.
    pub(crate) async fn read(mut self, limit: u64, share: &mut Share) -> Result<Option<Bytes>, Refusal> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if (whole.len() + chunk.len()) as u64 > limit {
                return Ok(None);
            }
            share.take(chunk.len())?;
            whole.extend_from_slice(&chunk);
        }
        Ok(Some(whole.freeze()))
    }
}

fn refusal(error: multer::Error) -> Refusal {
    match error {
        multer::Error::StreamReadFailed(cause) => match cause.downcast::<Refusal>() {
            Ok(refusal) => *refusal,
            Err(_) => Refusal::bad_request("the body ended before it was complete"),
        },
        multer::Error::IncompleteStream
        | multer::Error::IncompleteHeaders
        | multer::Error::IncompleteFieldData { .. } => {
            Refusal::bad_request("the multipart body ends before its last boundary")
        }
        _ => Refusal::bad_request("the multipart body is malformed"),
    }
}
