# The records of audit.sh, of those of zinspect and zvalidate. An error that both report is counted once.
def count(condition): map(select(condition)) | length;
[inputs] |
(map(.store // empty) | unique) as $stores |
(map(select(.type == "error")) | unique_by([.path, .error]) |
    map(.path as $path | . + {of: first(($stores[] | . as $store | select($path == $store or ($path | startswith($store + "/")))), $path)}))
    as $failed |
map(select(.type != "error" and .type != "summary")) as $records |
($stores + ($failed | map(.of)) | unique) as $all |
($all[] as $store | ($records | map(select(.store == $store))) as $of | ($failed | map(select(.of == $store))) as $errors |
    {type: "audit", v: 1, store: $store, arrays: ($of | count(.type == "array")),
        stored_bytes: ($of | map(select(.type == "array").stored_bytes // empty) | add),
        slow_arrays: ($of | count(.type == "array" and .recompress_helps)),
        errors: (($of | count(.severity == "error")) + ($errors | length)), warnings: ($of | count(.severity == "warning")),
        error: $errors[0].error} | with_entries(select(.value != null))),
{type: "summary", v: 1, tool: "audit.sh", exit: $exit, stores: ($all | length),
    findings: ($records | count(.severity == "error" or .severity == "warning")), errors: ($failed | length)}
