#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the commands in the ```sh blocks of a page, and reads the files that they leave: JSON, SVG, text for Graphviz.
# Usage: documented_commands.sh PROGRAM SOURCE PAGE WORK
set -euo pipefail
program=$(realpath "$1") source=$2 page=$3 work=$4
rm -rf "$work"
mkdir -p "$work"
cd "$work"
ln -s "$source/examples" "$source/docs" .

run=0
while IFS= read -r line; do
  if [[ $line != "firecaffe "* ]]; then continue; fi
  read -r -a command <<<"$line"
  echo "\$ $line"
  timeout 240 "$program" "${command[@]:1}" </dev/null
  run=$((run + 1))
done < <(awk '$0 == "```sh" { inside = 1; next } /^```/ { inside = 0 } inside' "$source/$page")
[[ $run -gt 0 ]] || { echo "$page has no commands" && exit 1; }

read_file='
import json, pathlib, re, sys, xml.dom.minidom

def read_dot(file):
    """The part of the language that is written: a head, nodes with quoted attributes, edges between these nodes."""
    head, *statements, end = file.read().splitlines()
    assert re.fullmatch(r"digraph \"([^\"\\]|\\.)*\" \{", head) and end == "}", head
    nodes = {m[1] for m in (re.match(r"  (n\d+) \[(\w+=\"([^\"\\]|\\.)*\"(, )?)+\];$", s) for s in statements) if m}
    edges = [m.groups() for m in (re.match(r"  (n\d+) -> (n\d+);$", s) for s in statements) if m]
    assert nodes and edges and all(set(edge) <= nodes for edge in edges), "an edge without its nodes"
    assert len(nodes) + len(edges) == len(statements) - 2, "a line that is neither a node nor an edge"

read = {".json": json.load, ".svg": xml.dom.minidom.parse, ".dot": read_dot}[pathlib.Path(sys.argv[1]).suffix]
read(open(sys.argv[1], encoding="utf-8"))'
files=0
for file in *.json *.svg *.dot; do
  [[ -e $file ]] || continue
  python3 -c "$read_file" "$file"
  files=$((files + 1))
done
echo "$run commands run, $files files read"
