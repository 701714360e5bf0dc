#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the commands in the ```sh blocks of a page, and looks at the files that they leave: JSON is read, and SVG too.
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
import json, sys, xml.dom.minidom
read = json.load if sys.argv[1].endswith(".json") else xml.dom.minidom.parse
read(open(sys.argv[1], encoding="utf-8"))'
files=0
for file in *.json *.svg; do
  [[ -e $file ]] || continue
  python3 -c "$read_file" "$file"
  files=$((files + 1))
done
echo "$run commands run, $files files read"
