//! Large JSON: out to an artifact and back, and who can follow its pointer.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use zoetrope_queue::ManualClock;
use zoetrope_shared::artifacts::{ArtifactError, Artifacts};
use zoetrope_shared::offload::{OFFLOAD_BYTES, load, offload, pointed_at};
use zoetrope_shared::tenant::Tenant;

const DAY: Duration = Duration::from_hours(24);

fn store(clock: &ManualClock) -> (tempfile::TempDir, Artifacts) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let url = url::Url::from_directory_path(folder.path()).expect("an absolute directory");
    let artifacts = Artifacts::open(url.as_str(), Arc::new(clock.clone())).expect("a local store");
    (folder, artifacts)
}

fn text_of(length: usize) -> Box<RawValue> {
    to_raw_value(&json!({"text": "x".repeat(length)})).expect("JSON")
}

#[tokio::test]
async fn small_values_stay_and_large_ones_come_back_as_they_were() {
    let (_folder, artifacts) = store(&ManualClock::at(0));
    let tenant = Tenant::default_tenant();
    let small = text_of(100);
    let stayed = offload(&artifacts, &tenant, small.clone(), DAY).await.expect("room");
    assert_eq!((stayed.get(), pointed_at(&stayed)), (small.get(), None));

    let large = text_of(OFFLOAD_BYTES);
    let pointer = offload(&artifacts, &tenant, large.clone(), DAY).await.expect("room");
    let id = pointed_at(&pointer).expect("a pointer");
    assert_eq!(pointer.get(), format!("{{\"$artifact\":\"{id}\"}}"));
    assert_eq!(
        load(&artifacts, &tenant, pointer).await.expect("found").get(),
        large.get()
    );
    assert_eq!(
        load(&artifacts, &tenant, small.clone()).await.expect("itself").get(),
        small.get()
    );
}

#[tokio::test]
async fn a_pointer_leads_its_own_tenant_only_and_only_while_it_lives() {
    let clock = ManualClock::at(0);
    let (_folder, artifacts) = store(&clock);
    let (ours, theirs) = (Tenant::default_tenant(), Tenant::parse("theirs").expect("a tenant"));
    let pointer = offload(&artifacts, &ours, text_of(OFFLOAD_BYTES), DAY)
        .await
        .expect("room");
    let followed = load(&artifacts, &theirs, pointer.clone()).await;
    assert!(matches!(followed, Err(ArtifactError::NotFound)), "{followed:?}");
    clock.advance_ms(24 * 3_600_000);
    let followed = load(&artifacts, &ours, pointer).await;
    assert!(matches!(followed, Err(ArtifactError::NotFound)), "{followed:?}");
}

#[test]
fn only_an_object_with_a_valid_pointer_alone_is_a_pointer() {
    let id = "0123456789abcdefghjkmnpqrs";
    let point = |value: serde_json::Value| pointed_at(&to_raw_value(&value).expect("JSON")).is_some();
    assert!(point(json!({"$artifact": id})));
    for other in [
        json!({"$artifact": id, "a": 1}),
        json!({"$artifact": "../x"}),
        json!({"artifact": id}),
        json!([id]),
        json!(null),
    ] {
        assert!(!point(other.clone()), "{other}");
    }
}
