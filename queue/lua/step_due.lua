-- Any step carries overdue leases and due timers along; the ticker only guarantees that somebody does. Tasks that
-- become claimable here are claimed by the next step, so that everything is read before anything is written.
local expired, promoted = plan_expiries(64), plan_promotions(64)
restore_freed()
