# shellcheck shell=bash
# The batches of pipeline.sh: fetched, verified, validated, repaired. Each step is one process for a group of batches; those that it
# does not settle, because they are damaged or the time was over, are taken one by one.
# shellcheck disable=SC2154,SC2034 # variables of pipeline.sh and of the files beside this one

# By the number of a batch: where it comes from, its name in the log, where it is in the cache, and whether it can be used (without
# a path, the selection matches nothing in it).
batch_source=() batch_store=() batch_item=() batch_path=() usable=()

# Findings about several stores, such as overlaps, which are what zdedup is for.
readonly ABOUT_SEVERAL=variables_differ,dtypes_differ,units_differ,grids_differ,stores_overlap,stores_gap,small_store,ranges_differ

list_batches() {
    local source store number name
    for source in "${sources[@]}"; do
        number=0
        while IFS= read -r store; do
            number=$((number + 1)) name=${store%%[?#]*} # signatures stay out of names
            name=${name%/} name=${name##*/}
            printf -v name '%05d-%s' "$number" "${name//[^A-Za-z0-9._-]/_}"
            batch_source+=("$source") batch_store+=("$store") batch_item+=("$name")
        done <<<"${stores[$source]%$'\n'}"
    done
}

group() { # NUMBER...
    local number rest=() known=() unknown=()
    if [ -n "$dry_run" ]; then
        plan_group "$@"
        return
    fi
    fetch_group "$@"
    for number in ${rest[@]+"${rest[@]}"}; do fetch_one "$number"; done
    rest=()
    identify "$@"
    verify_group
    validate_group
    for number in ${rest[@]+"${rest[@]}"}; do validate_one "$number"; done
}

# --- What the records of a step say about each batch

errors=()

# Runs jq on the records of a step, the last of which may be cut: lines with fields, whose number is the same for every type.
fields() { jq -r "$1 | map(. // \"\" | tostring) | join(\"\u001f\")" "$records" 2>/dev/null || true; }

# Sets `error`, `error_exit` and `error_path` to the first error about a path or what is in it.
error_within() { # PATH
    local line
    for line in ${errors[@]+"${errors[@]}"}; do
        IFS=$'\x1f' read -r error_exit error_path error <<<"$line"
        case $error_path in "$1" | "${1%/}"/*) return ;; esac
    done
    return 1
}

# A batch that failed, as the step of the group reported it; or in which the selection matches nothing, such as that of another month.
settle_error() { # STEP NUMBER
    if [[ $error_exit = 2 && $error = *"the selection matches no"* ]]; then
        usable[$2]=1
        log_batch "$1" "$2" ',"skipped":true'
        return
    fi
    error="$error_path: $error"
    record step step "$1" source "${batch_source[$2]}" batch "${batch_item[$2]}" exit:json "$error_exit" error "$error"
    say "$1 of ${batch_source[$2]} ${batch_item[$2]}: exit code $error_exit: $error"
    fail "$error_exit"
}

# --- Fetching

write_stores() { # NUMBER...
    local number
    for number; do printf '%s\n' "${batch_store[number]}"; done >"$state/@batches/stores"
}

plan_group() { # NUMBER...
    local number kind name first second third
    local -A objects=() bytes=()
    write_stores "$@"
    execute @batches/plan "${fetch[@]}" -n --stores-from "$state/@batches/stores"
    errors=()
    while IFS=$'\x1f' read -r kind first second third; do
        if [ "$kind" = error ]; then
            errors+=("$first"$'\x1f'"$second"$'\x1f'"$third")
        else
            objects[$first]=$((${objects[$first]:-0} + second)) bytes[$first]=$((${bytes[$first]:-0} + third))
        fi
    done < <(fields 'select(.type == "plan" or .type == "error") | if .type == "plan"
        then [.type, .store, .objects_expected // 0, .estimated_bytes // 0] else [.type, .exit, .path, .error] end')
    for number; do
        name=${batch_store[number]}
        if error_within "$name"; then
            settle_error plan "$number"
        elif [ -n "${objects[$name]-}" ]; then
            usable[number]=1
            log_batch plan "$number" ",\"objects\":${objects[$name]},\"bytes\":${bytes[$name]}"
        elif step plan "${batch_source[number]}" "${batch_item[number]}" "${fetch[@]}" -n -- "$name"; then
            usable[number]=1
        else
            fail "$code"
        fi
    done
    log_group $#
}

# Fetches the batches; those about which nothing is known, because the time was over, are added to `rest`.
fetch_group() { # NUMBER...
    local number kind name first second third more
    local -A path=() counts=()
    write_stores "$@"
    execute @batches/fetch "${fetch[@]}" --stores-from "$state/@batches/stores"
    errors=()
    while IFS=$'\x1f' read -r kind first second third more; do
        if [ "$kind" = error ]; then
            errors+=("$first"$'\x1f'"$second"$'\x1f'"$third")
        else
            path[$first]=$second counts[$first]=$third
        fi
    done < <(fields 'select(.type == "fetched" or .type == "error") | if .type == "error" then [.type, .exit, .path, .error] else
        [.type, .store, .path, if .already_complete then ",\"skipped\":true" else ",\"objects\":\(.objects),\"bytes\":\(.bytes)" end] end')
    for number; do
        name=${batch_store[number]}
        if [ -n "${path[$name]-}" ]; then
            batch_path[number]=${path[$name]}
            log_batch fetch "$number" "${counts[$name]}"
        elif error_within "$name"; then
            settle_error fetch "$number"
        else
            rest+=("$number")
        fi
    done
    log_group $#
}

fetch_one() { # NUMBER
    # That it is in the cache does not mean that an earlier run fetched it.
    local is_second_try=1
    if step fetch "${batch_source[$1]}" "${batch_item[$1]}" "${fetch[@]}" -- "${batch_store[$1]}"; then
        # Empty if the selection matches nothing.
        batch_path[$1]=$(jq -r 'select(.type == "fetched").path' "$records")
        [ -n "${batch_path[$1]}" ] || usable[$1]=1
    else
        fail "$code"
    fi
}

# --- Validation

# What a batch is validated as: its entry in the cache, and what is expected of it. Sorts batches into those that an earlier run
# validated as the same (`known`) and the others (`unknown`).
identify() { # NUMBER...
    local number before seconds file entries=()
    local -A changed=()
    for number; do
        [ -z "${batch_path[number]-}" ] || { entry_of "$number" && entries+=("$entry"); }
    done
    [ ${#entries[@]} -gt 0 ] || return 0
    while read -r seconds file; do changed[$file]=$seconds; done < <(stat -c '%Y %n' -- "${entries[@]}")
    for number; do
        [ -n "${batch_path[number]-}" ] || continue
        entry_of "$number"
        before=''
        identity[number]="${batch_path[number]} $accept ${changed[$entry]-} $rules_sum"
        [ ! -f "$valid" ] || IFS= read -r before <"$valid" || true
        if [ "$before" = "${identity[number]}" ]; then known+=("$number"); else unknown+=("$number"); fi
    done
}

identity=()

entry_of() { # NUMBER
    entry=${batch_path[$1]%/*/*}/entry.json
    valid=$state/${batch_source[$1]}/${batch_item[$1]}.valid
}

is_valid() { # NUMBER
    entry_of "$1"
    printf '%s\n' "${identity[$1]}" >"$valid"
    usable[$1]=1
}

write_paths() { # NUMBER...
    local number
    for number; do printf '%s\n' "${batch_path[number]}"; done >"$state/@batches/paths"
}

# Do the objects of batches that an earlier run validated still have their checksums? Where they do not, the batch is added to `rest`, with
# a list of them.
verify_group() {
    local number kind name failed
    local -A intact=()
    [ ${#known[@]} -gt 0 ] || return 0
    write_paths "${known[@]}"
    execute @batches/verify xargs -d '\n' -a "$state/@batches/paths" zfetch cache verify --json --cache "$cache"
    # xargs has an exit code of its own.
    [ "$code" != 123 ] || code=$(jq -nR '[inputs | fromjson? | select(.type == "summary").exit] | max // 1' "$records")
    errors=()
    while IFS=$'\x1f' read -r kind name failed; do
        if [ "$kind" = error ]; then errors+=("$name"); elif [ "$failed" = 0 ]; then intact[$name]=1; fi
        # An entry that has lost its checksums was not verified.
    done < <(fields 'select(.type == "cache_entry" or .type == "error") | [.type, .path, if .verified then .failed // 0 else 1 end]')
    for number in "${known[@]}"; do
        name=${batch_path[number]}
        if [ -n "${intact[$name]-}" ]; then
            usable[number]=1
            log_batch verify "$number" ''
            continue
        fi
        log_batch verify "$number" '' 1
        for failed in ${errors[@]+"${errors[@]}"}; do
            case $failed in "$name"/*) printf '%s\n' "$failed" ;; esac
        done >"$state/${batch_source[number]}/${batch_item[number]}.damaged"
        rest+=("$number")
    done
    log_group ${#known[@]} totals
}

# Validates batches that are new; those with errors are added to `rest`.
validate_group() {
    local number kind name severity all=''
    local -A findings=() bad=()
    [ ${#unknown[@]} -gt 0 ] || return 0
    write_paths "${unknown[@]}"
    execute @batches/validate "${check[@]}" --skip "$ABOUT_SEVERAL" --stores-from "$state/@batches/paths"
    case $code in 0 | 1 | 3) ;; *) all=1 ;; esac
    # There is a record for each array, most of which are not looked at.
    grep '^{"type":"\(finding\|error\)"' "$records" >"$records.findings" || true
    while IFS=$'\x1f' read -r kind name severity; do
        if [ "$kind" = error ]; then
            # Of which batch it is, its own validation finds out.
            all=1
        else
            findings[$name]=$((${findings[$name]:-0} + 1))
            [ "$severity" != error ] || bad[$name]=1
        fi
    done < <(records=$records.findings fields '[.type, .store // .path, .severity]')
    for number in "${unknown[@]}"; do
        name=${batch_path[number]}
        if [ -z "$all${bad[$name]-}" ]; then
            is_valid "$number"
            log_batch validate "$number" ",\"findings\":${findings[$name]:-0}"
        else
            rest+=("$number")
        fi
    done
    log_group ${#unknown[@]} totals
}

# Validates a batch, and fetches again what is damaged or missing.
validate_one() { # NUMBER
    local source=${batch_source[$1]} item=${batch_item[$1]} path=${batch_path[$1]} list errors is_known=''
    list=$state/$source/$item
    [ ! -s "$list.damaged" ] || is_known=1
    if repaired; then
        rm -f "$list.damaged"
        entry_of "$1"
        identity[$1]="$path $accept $(stat -c %Y -- "$entry") $rules_sum"
        is_valid "$1"
    else
        fail "$code"
    fi
}

repaired() { # of `validate_one`
    validate validate || return
    sort -u "$list.missing" "$list.corrupt" ${is_known:+"$list.damaged"} >"$list.repair"
    if [ -s "$list.repair" ]; then
        # What the source does not have either is found again by the next check.
        step repair "$source" "$item" zfetch --json --cache "$cache" "${store_flags[@]}" --repair "$list.repair" || true
        validate validate-again || return
        local found=$code records_of_check=$records
        # Not every change is damage that can be seen.
        [ -z "$is_known" ] || step verify "$source" "$item" zfetch cache verify --json --cache "$cache" "$path" || return
        code=$found records=$records_of_check
    fi
    [ "$code" != 0 ] || return 0
    errors=$(jq -s 'map(select(.type == "error" or .severity == "error")) | length' "$records")
    [ "$errors" -gt 0 ] || return 0 # warnings
    say "$source $item: $errors errors, such as $(jq -rs 'map(select(.type == "error" or .severity == "error"))[0] |
        "\(.kind // .error) of \(.key // .path)"' "$records"); see $records"
    [ -n "$accept" ]
}

# Fails only if the check itself does.
validate() { # NAME
    rm -f "$list.missing" "$list.corrupt"
    step "$1" "$source" "$item" "${check[@]}" --missing "$list.missing" --corrupt "$list.corrupt" -- "$path" || true
    case $code in 0 | 1 | 3) ;; *) return 1 ;; esac
    touch "$list.missing" "$list.corrupt"
}
