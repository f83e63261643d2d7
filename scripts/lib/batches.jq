# The batches of batches.sh, of the records of zinspect.
def gcd($a; $b): if $b == 0 then $a else gcd($b; $a % $b) end;
def lcm: reduce .[] as $n (1; . * $n / gcd(.; $n));
[inputs | select(.type == "array") | . as $a | (.dimension_names // []) | index($dim) | select(. != null) as $i | $a | .shape[$i] as $length |
    # Packed values become float64.
    (if (.attributes // {}) | has("scale_factor") or has("add_offset") then 8 / ([.itemsize_bytes // 8, 1] | max) else 1 end) as $unpacked |
    {store, path, length: $length, chunk: ([([(.chunk_shape // .shape)[$i], $length] | min), 1] | max),
        bytes: ((.uncompressed_bytes // 0) * $unpacked / ([$length, 1] | max))}] |
if . == [] then "batches.sh: no array has the dimension \($dim)\n" | halt_error(4) else . end |
# Small arrays, such as coordinates, may have all indices in one chunk.
group_by(.store) | map((map(.bytes) | max) as $most | {store: .[0].store, length: (map(.length) | max), bytes: (map(.bytes) | add),
    chunks: (map(select(.bytes >= $most / 10).chunk) | unique)}) |
(map(.chunks[]) | unique) as $chunks | ([map(.bytes), [1]] | map(max) | max) as $bytes |
(map(.length) | max) as $longest | (map(.length) | add) as $length |
([$chunks | lcm, $longest] | min) as $common |
(if $common * $bytes <= $budget then $common else $chunks | max end) as $chunk |
([[$budget / $bytes / $chunk | floor, 1] | max * $chunk, ([$length, 1] | max)] | min) as $batch |
any(.[]; .length > $batch and any(.chunks[]; $batch % . != 0)) as $twice |
if $ranges then .[] | .store as $s | .length as $l | range(0; $l; $batch) | "\($s)\t\(.):\([. + $batch, $l] | min)"
else {type: "batches", v: 1, dim: $dim, length: $length, chunk_length: $chunk, bytes_per_index: ($bytes | ceil), memory_bytes: $budget,
    batch: $batch, batch_bytes: ($batch * $bytes | ceil), batches: ($length / $batch | ceil)} | tojson end,
if $batch * $bytes > $budget then
    "batches.sh: a chunk along \($dim) takes \($chunk * $bytes | ceil) bytes\n" | halt_error(1)
elif $twice then
    "batches.sh: chunks of \($chunks | map(tostring) | join(" and ")) indices along \($dim): some are read twice\n" | halt_error(0)
else empty end
