//! Where an artifact's objects lie. Every path is made here, from parts that cannot hold a separator.
//!
//! | object | holds |
//! |---|---|
//! | `tenants/<tenant>/<2 of id>/<id>.data` | the bytes |
//! | `tenants/<tenant>/<2 of id>/<id>.json` | the [`ArtifactInfo`](super::ArtifactInfo); an artifact exists when this does |
//! | `expiry/<hour>/<tenant>.<id>.<expires_at_ms>` | nothing: says what the sweep deletes, and when |
//!
//! The expiry object is written first and deleted last, so that whatever a crash leaves behind is swept in time.

use object_store::path::Path;

use super::id::ArtifactId;
use crate::tenant::Tenant;

/// Folder of the expiry objects.
pub(super) const EXPIRY: &str = "expiry";

const HOUR_MS: u64 = 3_600_000;

/// The bytes of an artifact.
pub(super) fn data(tenant: &Tenant, id: ArtifactId) -> Path {
    object(tenant, id, "data")
}

/// The metadata of an artifact.
pub(super) fn info(tenant: &Tenant, id: ArtifactId) -> Path {
    object(tenant, id, "json")
}

/// The folder of the artifacts that expire in one hour; hours sort as text.
pub(super) fn expiry_hour(at_ms: u64) -> Path {
    Path::from_iter([EXPIRY, &format!("{:010}", at_ms / HOUR_MS)])
}

/// The hour of a folder that [`expiry_hour`] made.
pub(super) fn hour_of(folder: &Path) -> Option<u64> {
    folder.filename()?.parse().ok()
}

/// The hour in which an instant lies, as in [`hour_of`].
pub(super) const fn hour(at_ms: u64) -> u64 {
    at_ms / HOUR_MS
}

/// The object that says when an artifact expires.
pub(super) fn expiry(due: &Due) -> Path {
    expiry_hour(due.expires_at_ms).join(format!("{}.{}.{}", due.tenant, due.id, due.expires_at_ms))
}

/// What an expiry object's name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) tenant: Tenant,
    pub(super) id: ArtifactId,
    pub(super) expires_at_ms: u64,
}

impl Due {
    pub(super) fn parse(path: &Path) -> Option<Self> {
        let mut parts = path.filename()?.splitn(3, '.');
        Some(Self {
            tenant: Tenant::parse(parts.next()?).ok()?,
            id: ArtifactId::parse(parts.next()?).ok()?,
            expires_at_ms: parts.next()?.parse().ok()?,
        })
    }
}

fn object(tenant: &Tenant, id: ArtifactId, extension: &str) -> Path {
    // Folders of two characters keep directories small enough to be listed by people.
    Path::from_iter([
        "tenants",
        tenant.as_str(),
        &id.as_str()[..2],
        &format!("{id}.{extension}"),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due() -> Due {
        let id = ArtifactId::parse("0123456789abcdefghjkmnpqrs").expect("an id");
        Due {
            tenant: Tenant::default_tenant(),
            id,
            expires_at_ms: 7_200_001,
        }
    }

    #[test]
    fn paths_are_as_the_table_says() {
        let Due { tenant, id, .. } = due();
        assert_eq!(
            data(&tenant, id).as_ref(),
            "tenants/default/01/0123456789abcdefghjkmnpqrs.data"
        );
        assert_eq!(
            info(&tenant, id).as_ref(),
            "tenants/default/01/0123456789abcdefghjkmnpqrs.json"
        );
        assert_eq!(
            expiry(&due()).as_ref(),
            "expiry/0000000002/default.0123456789abcdefghjkmnpqrs.7200001"
        );
    }

    #[test]
    fn an_expiry_object_tells_its_artifact_and_hour() {
        assert_eq!(Due::parse(&expiry(&due())), Some(due()));
        assert_eq!(hour_of(&expiry_hour(7_200_001)), Some(hour(7_200_001)));
        assert_eq!(Due::parse(&Path::from("expiry/0000000002/notes.txt")), None);
    }
}
