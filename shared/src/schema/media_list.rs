//! Inputs with a list of pictures: what is checked of each, where a kind's one media field is checked for all kinds.

use super::{FieldCode, FieldError};
use crate::media::MediaRef;
use crate::netguard::Purpose;
use crate::tasks::{Preparation, Unprepared};

/// The mistake of a picture that was sent inline: only a kind's media field is stored on its way in.
pub fn inline_mistake(pointer: &str, media: &MediaRef) -> Option<FieldError> {
    matches!(media, MediaRef::Base64 { .. }).then(|| FieldError {
        pointer: format!("{pointer}/base64"),
        detail: "upload pictures of a list first and send {\"artifact\"}".to_owned(),
        code: FieldCode::MediaInvalid,
    })
}

/// Judges the URLs of a list, each with the pointer of its picture.
pub fn judge_urls<'a>(
    preparation: &Preparation<'_>,
    urls: impl Iterator<Item = (String, &'a str)>,
) -> Result<(), Unprepared> {
    let refused = urls.filter_map(|(pointer, url)| {
        let error = preparation.netguard.check_url(url, Purpose::Media).err()?;
        Some(FieldError {
            pointer: format!("{pointer}/url"),
            detail: error.to_string(),
            code: FieldCode::UrlForbidden,
        })
    });
    let refused: Vec<FieldError> = refused.collect();
    if refused.is_empty() {
        Ok(())
    } else {
        Err(Unprepared::Fields(refused))
    }
}
