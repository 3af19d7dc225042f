#!/usr/bin/env bats
# What the build makes of the option tables and of templates/man: manual pages, and the completion of
# command lines in bash, zsh and fish.

load ../support/lib

BUILD=${MKV%/*}

before_each() {
    [[ -d $BUILD/completion ]] || skip "needs the build's directory"
}

# Their names, as --help lists them.
commands() {
    "$MKV" --help | awk '/^  / { print $1 }'
}

options_of() { # COMMAND
    "$MKV" "$1" --help | grep -oE '^  --[a-z0-9-]+' | tr -d ' ' | sort
}

need() { # PROGRAM
    command -v "$1" >/dev/null || skip "needs $1"
}

# The options that a page describes, of what man shows of all pages.
described() { # COMMAND
    awk -v title="mkv-$1(1)" '/^mkv[^ ]*\(/ { mine = $1 == title }
        /^[A-Z]/ { is_options = $1 == "OPTIONS" }
        mine && is_options && /^       --[a-z]/ { print $1 }' "$T/pages" | sort
}

@test "man shows the pages without a warning, and each command's has all its options" {
    local command
    [[ -d $BUILD/man/man1 ]] || skip "needs lowdown"
    need man
    MANWIDTH=80 man --warnings -P cat -l "$BUILD"/man/man?/* 2>"$T/warnings" >"$T/pages"
    same '' "$(cat "$T/warnings")" "warnings of man"
    (($(grep -c '^NAME$' "$T/pages") == $(find "$BUILD/man" -type f | wc -l)))
    for command in $(commands); do
        same "$(options_of "$command")" "$(described "$command")" "options in the page of $command"
    done
}

@test "mandoc finds nothing wrong with the pages" {
    [[ -d $BUILD/man/man1 ]] || skip "needs lowdown"
    need mandoc
    mandoc -Tlint -Wwarning "$BUILD"/man/man?/*
}

# Sets COMPLETED to what bash offers for the last of these words.
complete_bash() { # WORD...
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    COMPREPLY=()
    _mkv
    COMPLETED=$(printf '%s\n' "${COMPREPLY[@]}" | sort)
}

@test "bash completes commands, options and files" {
    local command
    # shellcheck source=/dev/null
    source "$BUILD/completion/mkv.bash"
    complete_bash mkv ''
    same "$(commands | sort)" "$(grep -v ^-- <<<"$COMPLETED")" "commands"
    for command in $(commands); do
        complete_bash mkv "$command" --
        same "$(options_of "$command")" "$COMPLETED" "options of $command"
    done
    cd "$T"
    mkdir d
    touch f
    complete_bash mkv index --keys ''
    grep -qx f <<<"$COMPLETED"
    complete_bash mkv index --index = ''
    grep -qx d <<<"$COMPLETED"
    refute grep -qx f <<<"$COMPLETED"
    complete_bash mkv index --replicas ''
    same '' "$COMPLETED" "what is offered for a number"
    complete_bash mkv volume 3001 ''
    grep -qx d <<<"$COMPLETED"
}

@test "fish completes commands, options and files" {
    local command
    need fish
    mkdir -p "$T/home/d"
    fish_completes() { # LINE
        (cd "$T/home" && HOME=$T/home fish -N -c "source '$BUILD/completion/mkv.fish'; complete -C '$1'") |
            cut -f1 | sort
    }
    same "$(commands | sort)" "$(fish_completes 'mkv ')" "commands"
    for command in $(commands); do
        same "$(options_of "$command")" "$(fish_completes "mkv $command --")" "options of $command"
    done
    fish_completes 'mkv index --index ' | grep -qx d/
}

# zsh's completion needs a terminal; here _arguments prints what it is asked for.
@test "zsh completes commands, options and files" {
    local command
    need zsh
    zsh_asks() { # WORD...
        zsh -f -c 'autoload() { :; }; _describe() { print -l -- ${(P)4}; }; _arguments() { print -l -- "$@"; }
            words=("$@"); CURRENT=$#; mkv() { source "$FILE"; }; mkv' zsh "$@"
    }
    export FILE=$BUILD/completion/mkv.zsh
    same "$(commands | sort)" "$(zsh_asks mkv '' | grep -v ^-- | cut -d: -f1 | sort)" "commands"
    for command in $(commands); do
        zsh_asks mkv "$command" -- >"$T/asked"
        same "$(options_of "$command")" "$(grep -oE '^--[a-z0-9-]+' "$T/asked" | sort)" "options of $command"
    done
    zsh_asks mkv index -- | grep -qx -- '--index=\[the index directory\]:DIR:_files -/'
}
