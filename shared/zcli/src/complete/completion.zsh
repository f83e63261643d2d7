#compdef NAME
# Completion of NAME for zsh.
_NAME() {
    local -a found suffix
    found=("${(@f)$("${words[1]}" --complete zsh "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -z ${found[1]} ]]; then
        _files
        return
    fi
    [[ ${found[1]%%:*} == *= ]] && suffix=(-S '')
    _describe NAME found "${suffix[@]}"
}
if [[ ${funcstack[1]} == _NAME ]]; then
    _NAME "$@"
else
    compdef _NAME NAME
fi
