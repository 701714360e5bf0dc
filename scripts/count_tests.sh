#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Counts what ctest ran: scripts/count_tests.sh RESULTS.xml (of ctest --output-junit).
# The unit is the test case: those of a Catch2 program count one by one, another test counts as one. A line that
# starts with "SKIP:" in a test's output is one case that was skipped. Lists failures and skips, then prints the line
# "N passed, N failed, N skipped" last. Fails if a test failed, or if there was none.
set -euo pipefail

awk '
function number_before(line, words,    at, rest) {  # the last number before `words` in the line
    at = index(line, words)
    if (!at) return 0
    rest = substr(line, 1, at - 1)
    sub(/ +$/, "", rest)
    sub(/.*[^0-9]/, "", rest)
    return rest + 0
}
function attribute(line, key,    rest) {
    if (!match(line, " " key "=\"[^\"]*\"")) return ""
    rest = substr(line, RSTART, RLENGTH)
    sub(/^[^"]*"/, "", rest)
    sub(/"$/, "", rest)
    return rest
}
function plain(line) {
    gsub(/&lt;/, "<", line); gsub(/&gt;/, ">", line); gsub(/&quot;/, "\"", line); gsub(/&apos;/, "\047", line)
    gsub(/&amp;/, "\\&", line)
    return line
}
function finish() {
    if (!open) return
    open = 0
    ++tests
    if (status == "notrun" || status == "disabled") { if (!skips) { note(name, reason); ++skipped_by_ctest } }
    else if (status == "run") {
        if (skips && !cases) cases = skips  # a plain test that says SKIP did not test
        passed += (cases ? cases : 1) - skips
    } else {
        failures[++failed_tests] = name (reason == "" ? "" : " (" reason ")")
        failed += bad_cases ? bad_cases : 1
        passed += good_cases > skips ? good_cases - skips : 0
    }
    skipped += skips
}
function note(test, text) { skip_lines[++skip_count] = test ": " text }
/<testcase / {
    finish()
    open = 1; name = attribute($0, "name"); status = attribute($0, "status"); reason = ""
    cases = good_cases = bad_cases = skips = 0
}
open && /<(skipped|failure) message=/ { reason = attribute($0, "message") }
open {
    line = $0
    sub(/^[ \t]*<system-out>/, "", line)
    if (line ~ /^[ \t]*SKIP:/) { ++skips; sub(/^[ \t]*SKIP:[ \t]*/, "", line); sub(/<\/system-out>.*/, "", line); note(name, plain(line)) }
    if (line ~ /^All tests passed \(/) cases = number_before(line, " test case")
    if (line ~ /^test cases: /) { good_cases = number_before(line, " passed"); bad_cases = number_before(line, " failed") }
}
/<\/testcase>/ { finish() }
END {
    finish()
    skipped += skipped_by_ctest
    if (skip_count) print "Skipped:"
    for (i = 1; i <= skip_count; ++i) print "  " skip_lines[i]
    if (failed_tests) print "Failed:"
    for (i = 1; i <= failed_tests; ++i) print "  " failures[i]
    printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
    exit failed > 0 || tests == 0
}' "$1"
