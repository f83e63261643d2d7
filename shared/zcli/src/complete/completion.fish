# Completion of NAME for fish.
function __NAME_complete
    set -l words (commandline -opc)
    $words[1] --complete fish $words[2..] (commandline -ct) 2>/dev/null
end
complete -c NAME -a '(__NAME_complete)'
