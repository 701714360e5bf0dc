#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Reads every #include of include/firecaffe and src and holds it against the two tables in docs/architecture.md.
# Usage: include_table.sh [ROOT]. Prints one line per violation and fails if there is one.
set -euo pipefail
root=${1:-$(dirname "${BASH_SOURCE[0]}")/../..}
cd "$root"

# Which files exist, then the tables, then the code, all through one awk.
# A header that CMake makes counts as what it is made from, FILE.in.
names=( -name "*.hpp" -o -name "*.cpp" -o -name "*.cu" -o -name "*.cuh" )
files=$({ find include/firecaffe src -type f \( "${names[@]}" \) || true; } 2>/dev/null | sort)
made=$({ find src -name "*.hpp.in" || true; } 2>/dev/null | sed 's/\.in$//')
[[ -n $files ]] || { echo "no source files under $PWD/include/firecaffe and $PWD/src"; exit 1; }

# shellcheck disable=SC2086  # our own file names have no spaces
awk -v files="$files"$'\n'"$made" '
function bad(text) { print FILENAME ":" FNR ": " text; ++violations }
function directory(path) { return path ~ /\// ? substr(path, 1, match(path, /\/[^\/]*$/)) : "" }

# The room of a file, from its path: "" for the umbrella header, "?" for a folder that is in no table.
function room_of(path,    rest, first) {
    rest = path
    sub(/^include\/firecaffe\/|^src\//, "", rest)
    if (rest !~ /\//) return rest == "firecaffe.hpp" ? "" : "?"
    first = substr(rest, 1, index(rest, "/") - 1)
    return (first in stands_on) ? first : "?"
}
# Spreads "from may include to" along the chain. Returns nothing; fills may[].
function spread(from, to,    n, i, next_rooms) {
    if ((from, to) in may) return
    may[from, to] = 1
    n = split(stands_on[to], next_rooms, " ")
    for (i = 1; i <= n; ++i) {
        spread(from, next_rooms[i])
    }
}
function bad_table(text) { print "docs/architecture.md: " text; ++violations }
function close_tables(    room, n, i, list) {
    closed = 1
    for (room in stands_on) {
        n = split(stands_on[room], list, " ")
        for (i = 1; i <= n; ++i) {
            if (list[i] == "*" || list[i] in stands_on) spread(room, list[i])
            else bad_table("room " room " stands on " list[i] ", which is no room")
        }
        if ((room, room) in may) bad_table("room " room " stands on itself, by a circle")
        ++rooms
    }
    if (!rooms) bad_table("no table of rooms (a block that starts with ```rooms)")
    if (!outside_rows) bad_table("no table of outside headers (a block that starts with ```outside)")
}
function matches(name, pattern) {  # `*` at the start or the end of a pattern
    if (pattern ~ /^\*/) return substr(name, length(name) - length(pattern) + 2) == substr(pattern, 2)
    if (pattern ~ /\*$/) return index(name, substr(pattern, 1, length(pattern) - 1)) == 1
    return name == pattern
}
function single_header_allowed(room, header,    n, i, list) {
    n = split(headers[room], list, " ")
    for (i = 1; i <= n; ++i) if (matches(header, list[i])) return 1
    return 0
}
function in_list(word, words) { return index(" " words " ", " " word " ") > 0 || words == "*" }

function check_ours(path,    target) {
    target = room_of(path)
    if (target == "") { if (room != "cli") bad("includes the umbrella header; include what is used"); return }
    if (target == "?") { bad("includes " path ", which lies in no room"); return }
    if (target == room || (room, target) in may || (room, "*") in may) return
    sub(/^include\/firecaffe\/|^src\//, "", path)
    if (single_header_allowed(room, path)) return
    bad("room " room " may not include room " target " (" path ")")
}
function check_outside(header,    i) {
    if (header ~ /^[a-z_0-9]+$/) return  # the C++ standard library
    if (public) { bad("public header includes <" header ">; only the standard library may appear in one"); return }
    for (i = 1; i <= outside_rows; ++i) {
        if (!matches(header, outside_header[i])) continue
        if (!in_list(room, outside_room[i]) && room != "cli") bad("room " room " may not include <" header ">, which belongs to " outside_room[i])
        return
    }
    bad("<" header "> is in no row of the table of outside headers")
}

BEGIN { n = split(files, list, "\n"); for (i = 1; i <= n; ++i) exists[list[i]] = 1 }

FILENAME == "docs/architecture.md" {
    if ($0 ~ /^```/) { block = block == "" ? substr($0, 4) : ""; next }
    if (NF == 0 || $1 ~ /^#/) next
    if (block == "rooms") {  # room | rooms it stands on | single headers
        split($0, cell, "|")
        split(cell[1], word, " ")
        stands_on[word[1]] = cell[2]; headers[word[1]] = cell[3]
        sub(/^ *-? *$/, "", stands_on[word[1]])
    } else if (block == "outside") {  # header | rooms
        split($0, cell, "|")
        split(cell[1], word, " ")
        outside_header[++outside_rows] = word[1]
        gsub(/^ +| +$/, "", cell[2])
        outside_room[outside_rows] = cell[2]
    }
    next
}
FNR == 1 {
    if (!closed) close_tables()
    room = room_of(FILENAME); public = FILENAME ~ /^include\//
    if (room == "?") bad("lies in no room of the table")
    ++read
}
/^[ \t]*#[ \t]*include/ && room != "?" {
    if (!match($0, /["<][^">]*[">]/)) { bad("an #include that cannot be read"); next }
    quote = substr($0, RSTART, 1); name = substr($0, RSTART + 1, RLENGTH - 2)
    ++includes
    if (name ~ /\.\./) { bad("includes " name "; write the path from the top"); next }
    if (room == "") { if (name !~ /^firecaffe\//) bad("the umbrella header includes " name); next }
    if (name ~ /^firecaffe\//) {
        if (!(("include/" name) in exists)) bad("includes " name ", which does not exist")
        else check_ours("include/" name)
    } else if (quote == "\"") {
        if (public) bad("public header includes \"" name "\", which is not public")
        else if ((directory(FILENAME) name) in exists) check_ours(directory(FILENAME) name)
        else if (("src/" name) in exists) check_ours("src/" name)
        else bad("includes \"" name "\", which is neither beside this file nor under src")
    } else check_outside(name)
}
END {
    if (!closed) close_tables()
    printf "%d rooms, %d files, %d includes, %d violations\n", rooms, read, includes, violations
    exit violations > 0 || includes == 0
}' docs/architecture.md $files
