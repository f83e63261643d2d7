# The record of sizes of compare.sh; those that are not known are left out.
$sizes as [$a, $b] |
{type: "sizes", v: 1, store: $store, stored_bytes: $a, against: $against, against_stored_bytes: $b,
    saved: (if $a and $b then (1 - $b / ([$a, 1] | max)) * 1000 | round / 1000 else null end)} |
with_entries(select(.value != null))
