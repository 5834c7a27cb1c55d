//! From a request's JSON (and the file of a form) to a checked submission. No network, no storage: everything that is
//! wrong with the text and the bytes themselves is said here, at once, and nothing has been stored when it is.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use zoetrope_shared::media::{MediaProblem, MediaType, check_image};
use zoetrope_shared::netguard::{NetGuard, Purpose};
use zoetrope_shared::secrets::SecretKeys;
use zoetrope_shared::tasks::{Kind, MediaField, Preparation, Unprepared};
use zoetrope_shared::wire::ProblemCode;

use crate::http::problem::{Mistake, Mistakes, Refusal};
use crate::submit::envelope::Envelope;

/// Stands in for the artifact of bytes that are not stored yet while the input is checked.
const UNSTORED: &str = "00000000000000000000000000";

/// Padding is optional, and forgotten bits at the end are not: they would be silently lost data.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The file of a form.
#[derive(Debug)]
pub(crate) struct File {
    /// Its bytes.
    pub(crate) bytes: Bytes,
    /// The name that its sender gives.
    pub(crate) filename: Option<String>,
}

/// A task as a client asks for it, checked.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) kind: &'static Kind,
    pub(crate) envelope: Envelope,
    pub(crate) input: Map<String, Value>,
    pub(crate) media: Media,
}

/// What the input's media field holds.
#[derive(Debug, PartialEq)]
pub(crate) enum Media {
    /// Nothing that the api has to look at: no media, or an allowed URL.
    Settled,
    /// An artifact that must exist; `at` points at its id.
    Artifact { id: String, at: String },
    /// Bytes that come with the request, to be stored and put in the place of `field`.
    Bytes {
        bytes: Bytes,
        media_type: MediaType,
        filename: Option<String>,
    },
}

/// What is needed to judge a submission.
#[derive(Clone)]
pub(crate) struct Judge {
    pub(crate) netguard: NetGuard,
    pub(crate) secrets: SecretKeys,
    pub(crate) now_ms: u64,
}

impl Judge {
    /// A submission from one JSON object: envelope fields beside `input`, or beside the input's own fields. `at` is
    /// the pointer of the object in the request.
    pub(crate) fn object(&self, kind: &'static Kind, body: Value, at: &str) -> Result<Submission, Refusal> {
        let Value::Object(mut fields) = body else {
            return Err(Refusal::invalid(at, "send a JSON object"));
        };
        let mut mistakes = Mistakes::at(at);
        let envelope = Envelope::take(&mut fields, self.now_ms, &mut mistakes);
        envelope.fit(kind, &mut mistakes);
        let Some(input) = fields.remove("input") else {
            return self.finish(kind, envelope, fields, None, mistakes, "");
        };
        for name in fields.keys() {
            mistakes.unknown(name, "no such field beside `input`");
        }
        let Value::Object(input) = input else {
            mistakes.push(Mistake::invalid("/input", "must be a JSON object"));
            return Err(Refusal::from(mistakes));
        };
        self.finish(kind, envelope, input, None, mistakes, "/input")
    }

    /// A submission from the parts of a form.
    pub(crate) fn form(
        &self,
        kind: &'static Kind,
        input: Option<Value>,
        task: Option<Value>,
        file: Option<File>,
    ) -> Result<Submission, Refusal> {
        let mut mistakes = Mistakes::at("");
        let mut object = |part: Option<Value>, name: &str| match part {
            None => Map::new(),
            Some(Value::Object(fields)) => fields,
            Some(_) => {
                mistakes.push(Mistake::invalid(format!("/{name}"), "must be a JSON object"));
                Map::new()
            }
        };
        let input = object(input, "input");
        let mut task = object(task, "task");
        let mut of_task = Mistakes::at("/task");
        let envelope = Envelope::take(&mut task, self.now_ms, &mut of_task);
        envelope.fit(kind, &mut of_task);
        for name in task.keys() {
            of_task.unknown(name, "no such field in the envelope");
        }
        mistakes.absorb(of_task);
        self.finish(kind, envelope, input, file, mistakes, "/input")
    }

    fn finish(
        &self,
        kind: &'static Kind,
        envelope: Envelope,
        mut input: Map<String, Value>,
        file: Option<File>,
        mut mistakes: Mistakes,
        at: &str,
    ) -> Result<Submission, Refusal> {
        if file.is_some() {
            take_place(kind, &mut input, &mut mistakes, at);
        }
        let mut input = Value::Object(input);
        for error in (kind.check)(&input).err().into_iter().flatten() {
            let mistake = Mistake::from(error);
            mistakes.push(Mistake {
                pointer: format!("{at}{}", mistake.pointer),
                ..mistake
            });
        }
        mistakes.check()?;
        let media = match kind.media {
            Some(field) => self.media(&field, &mut input, file, at),
            None => Ok(Media::Settled),
        };
        let media = match media {
            Ok(media) => media,
            Err(mistake) => {
                mistakes.push(mistake);
                return Err(Refusal::from(mistakes));
            }
        };
        let Value::Object(mut input) = input else {
            unreachable!("it was made from an object above")
        };
        self.prepare(kind, &mut input, mistakes, at)?;
        Ok(Submission {
            kind,
            envelope,
            input,
            media,
        })
    }

    /// Has the kind turn the input into what is stored. Pointers of what is wrong are inside the value at `at`.
    fn prepare(
        &self,
        kind: &Kind,
        input: &mut Map<String, Value>,
        mut mistakes: Mistakes,
        at: &str,
    ) -> Result<(), Refusal> {
        let Some(prepare) = kind.prepare else { return Ok(()) };
        let unprepared = match prepare(
            input,
            &Preparation {
                netguard: &self.netguard,
                secrets: &self.secrets,
            },
        ) {
            Ok(()) => return Ok(()),
            Err(unprepared) => unprepared,
        };
        match unprepared {
            Unprepared::Fields(errors) => {
                for mistake in errors.into_iter().map(Mistake::from) {
                    mistakes.push(Mistake {
                        pointer: format!("{at}{}", mistake.pointer),
                        ..mistake
                    });
                }
                Err(Refusal::from(mistakes))
            }
            Unprepared::Secrets(error) => Err(Refusal::new(ProblemCode::SecretsNotConfigured, error.to_string())),
        }
    }

    fn media(&self, field: &MediaField, input: &mut Value, file: Option<File>, at: &str) -> Result<Media, Mistake> {
        let at = format!("{at}/{}", field.name);
        if let Some(file) = file {
            let media_type = check_media(field, &file.bytes, "/file")?;
            return Ok(Media::Bytes {
                bytes: file.bytes,
                media_type,
                filename: file.filename,
            });
        }
        let Some(Value::Object(reference)) = input.get_mut(field.name) else {
            return Ok(Media::Settled);
        };
        if let Some(Value::String(url)) = reference.get("url") {
            let judged = self.netguard.check_url(url, Purpose::Media);
            let forbidden = |error| Mistake::new(ProblemCode::UrlForbidden, format!("{at}/url"), format!("{error}"));
            return judged.map(|_| Media::Settled).map_err(forbidden);
        }
        if let Some(Value::String(id)) = reference.get("artifact") {
            return Ok(Media::Artifact {
                id: id.clone(),
                at: format!("{at}/artifact"),
            });
        }
        // Taken out, not copied: it may have megabytes, and bytes never travel with the input.
        let Some(Value::String(text)) = reference.remove("base64") else {
            return Ok(Media::Settled);
        };
        let at = format!("{at}/base64");
        let bytes = decode(&text).map_err(|detail| Mistake::new(ProblemCode::MediaInvalid, &at, detail))?;
        let media_type = check_media(field, &bytes, &at)?;
        Ok(Media::Bytes {
            bytes,
            media_type,
            filename: None,
        })
    }
}

/// Puts a stand-in where the file of a form will be referred to.
fn take_place(kind: &Kind, input: &mut Map<String, Value>, mistakes: &mut Mistakes, at: &str) {
    let Some(field) = kind.media else {
        return mistakes.unknown("file", format!("`{}` takes no media", kind.name));
    };
    if input
        .insert(field.name.to_owned(), json!({"artifact": UNSTORED}))
        .is_some()
    {
        let detail = format!("send the part `file` or `{}`, not both", field.name);
        mistakes.push(Mistake::invalid(format!("{at}/{}", field.name), detail));
    }
}

/// Whether bytes are media that a field takes, told by their content.
pub(crate) fn check_media(field: &MediaField, bytes: &[u8], at: &str) -> Result<MediaType, Mistake> {
    if bytes.len() as u64 > field.max_bytes {
        return Err(too_large(field, at));
    }
    let checked = match MediaType::sniff(bytes) {
        Some(media_type) if field.accepts.contains(&media_type) && !media_type.is_image() => Ok(media_type),
        _ => check_image(bytes, field.accepts).map(|header| header.media_type),
    };
    checked.map_err(|problem| {
        let code = match problem {
            MediaProblem::TooManyPixels { .. } => ProblemCode::MediaTooLarge,
            MediaProblem::Empty | MediaProblem::NotAccepted { .. } | MediaProblem::Unreadable(_) => {
                ProblemCode::MediaInvalid
            }
        };
        Mistake::new(code, at, problem.to_string())
    })
}

/// The mistake of media over its field's limit.
pub(crate) fn too_large(field: &MediaField, at: &str) -> Mistake {
    Mistake::new(
        ProblemCode::MediaTooLarge,
        at,
        format!("the media is larger than {} bytes", field.max_bytes),
    )
}

/// Standard base64 with or without padding, line breaks and a `data:` prefix, whose type is not believed.
fn decode(text: &str) -> Result<Bytes, String> {
    let payload = match text.strip_prefix("data:") {
        Some(rest) => {
            rest.split_once(";base64,")
                .ok_or("a data: URL must be of the form data:<type>;base64,<data>")?
                .1
        }
        None => text,
    };
    let decoded = if payload.bytes().any(|byte| byte.is_ascii_whitespace()) {
        let dense: Vec<u8> = payload.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        BASE64.decode(dense)
    } else {
        BASE64.decode(payload)
    };
    decoded
        .map(Bytes::from)
        .map_err(|error| format!("it is not base64: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_taken_with_and_without_padding_lines_and_prefix() {
        for text in ["aGVsbG8=", "aGVsbG8", "aGVs\nbG8=\n", "data:image/png;base64,aGVsbG8="] {
            assert_eq!(decode(text).expect(text), "hello", "{text}");
        }
        assert_eq!(decode("").expect("nothing"), "");
    }

    #[test]
    fn garbage_is_no_base64() {
        for text in [
            "%%%",
            "aGVsbG8==",
            "a",
            "aGVsbG9",
            "aGVs_G8=",
            "data:image/png,aGVsbG8=",
            "data:",
            "é",
        ] {
            assert!(decode(text).is_err(), "{text}");
        }
    }
}
