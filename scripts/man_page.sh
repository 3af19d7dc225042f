#!/usr/bin/env bash
# Makes a manual page of its Markdown. The build calls this.
#
#     scripts/man_page.sh TABLES PAGE.md DATE VERSION >PAGE
#
# TABLES is the program that the build makes of launcher/tables; PAGE.md is templates/man/NAME.N.md.
set -euo pipefail

tables=$1 page=$2 date=$3 version=$4
name=${page##*/}
name=${name%.md}
section=${name##*.}
name=${name%.*}

"$tables" page "$name" <"$page" |
    lowdown -s -t man --nroff-nolinks --out-no-smarty -M "title=$name" -M "section=$section" -M "date=$date" \
        -M "source=mkv $version" -M "volume=mkv" |
    sed -f "${page%/*}/roff.sed"
