#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Does what README.md says: builds its C++ with its CMakeLists.txt against an installed tree, and runs the commands of
# its shell blocks with the installed program (training is cut short). Usage: readme_test.sh SOURCE BUILD COMPILER
set -euo pipefail
source=$1 build=$2 compiler=$3
work=$build/consumer/readme
rm -rf "$work"
mkdir -p "$work"

# blocks LANGUAGE: the text of all fenced blocks of that language.
blocks() { awk -v fence="\`\`\`$1" '$0 == fence { inside = 1; next } /^```/ { inside = 0 } inside' "$source/README.md"; }

blocks cpp >"$work/main.cpp"
blocks cmake >"$work/CMakeLists.txt"
blocks sh >"$work/commands"
for file in main.cpp CMakeLists.txt commands; do
  [[ -s $work/$file ]] || { echo "README.md has no block for $file" && exit 1; }
done

cmake --install "$build" --prefix "$work/prefix" >"$work/install.log"
cmake -S "$work" -B "$work/build" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$work/prefix" \
  -DCMAKE_CXX_FLAGS="-O1 -Wall -Wextra -Werror" -DCMAKE_BUILD_TYPE=None
cmake --build "$work/build"
"$work/build/my_program"

if [[ ! -e /usr/share/datasets/fashion-mnist ]]; then
  echo "SKIP: the commands of README.md need the package dataset-fashion-mnist"
  exit 0
fi
# A reader's folder: the examples, and room for output.
mkdir "$work/reader"
cd "$work/reader"
ln -s "$source/examples" "$source/docs" .
export PATH=$work/prefix/bin:$PATH
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1

# Whether the program in front of a command works on this machine; srun needs a cluster, and some releases of PyTorch
# have a torchrun that does not get along with their Python.
works() {
  case $1 in
    srun) false ;;
    torchrun) command -v torchrun >/dev/null && timeout 120 torchrun --nproc_per_node 1 --no_python true >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

run=0 left=0 iterations=0
while IFS= read -r line; do
  read -r -a command <<<"$line"
  if [[ ${#command[@]} == 0 ]]; then continue; fi
  if ! works "${command[0]}"; then
    echo "SKIP: no ${command[0]} works here: $line"
    left=$((left + 1))
    continue
  fi
  if [[ $line == *"firecaffe train "* ]]; then
    iterations=$((iterations + 2))  # more each time, so that --resume has something to do
    command+=(--no-pin --set "solver.max_iter=$iterations" --set solver.test_interval=0 --set data.train.limit=256
      --set data.test.limit=128)
  elif [[ $line == "firecaffe test "* ]]; then
    command+=(--set data.test.limit=128)
  fi
  echo "\$ ${command[*]}"
  timeout 240 "${command[@]}" </dev/null
  run=$((run + 1))
done <"$work/commands"
echo "$run commands run, $left left out"
[[ $run -ge 9 ]]
cmp firecaffe.schema.json "$source/docs/firecaffe.schema.json"
grep -q '"parameters_digest"' out/nin/summary.json
