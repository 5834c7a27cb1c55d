//! The table of handlers beside the table of kinds.

use std::collections::HashSet;

use zoetrope_shared::config::{Settings, Sources};
use zoetrope_shared::tasks::KINDS;
use zoetrope_worker::dispatch::{HANDLERS, kind_slots, slot_classes};

fn settings(variables: &[(&str, &str)]) -> Settings {
    let environment = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let sources = Sources {
        environment,
        ..Sources::default()
    };
    Settings::from_sources(&sources).expect("the settings are valid")
}

#[test]
fn every_kind_has_exactly_one_handler_and_every_handler_a_kind() {
    for kind in KINDS {
        let rows = HANDLERS.iter().filter(|row| row.kind == kind.name).count();
        assert_eq!(
            rows, 1,
            "the kind `{}` has {rows} rows in worker/src/dispatch.rs; write worker/src/handlers/{}.rs and one row",
            kind.name, kind.name
        );
    }
    for row in HANDLERS {
        let known = KINDS.iter().any(|kind| kind.name == row.kind);
        assert!(known, "the handler `{}` is for no kind of shared/src/tasks", row.kind);
    }
}

#[test]
fn every_kind_claims_slots_of_its_class_within_what_the_class_has() {
    let settings = settings(&[("MAX_WORKERS", "1")]);
    let classes = slot_classes(&settings);
    for (slot, kind) in kind_slots(&settings).iter().zip(KINDS) {
        assert_eq!(
            (slot.kind.as_str(), classes[slot.class].name),
            (kind.name, kind.slot.as_str())
        );
        assert!(
            slot.cost <= classes[slot.class].units,
            "{} never fits on a worker with one cpu slot",
            kind.name
        );
        assert!(
            !(slot.claim_ahead && kind.slot.as_str() == "cpu"),
            "{} would be claimed ahead",
            kind.name
        );
    }
}

#[test]
fn worker_kinds_limits_what_is_claimed_and_lease_seconds_overrides_every_lease() {
    let settings = settings(&[("WORKER_KINDS", "ocr,echo"), ("LEASE_SECONDS", "2")]);
    let slots = kind_slots(&settings);
    let names: HashSet<&str> = slots.iter().map(|slot| slot.kind.as_str()).collect();
    assert_eq!(names, HashSet::from(["ocr", "echo"]));
    assert!(slots.iter().all(|slot| slot.lease.as_secs() == 2));
}
