#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds examples/embed as a stranger would, and runs it. Usage: consumer_test.sh WAY SOURCE BUILD COMPILER, where WAY is
#   install       cmake --install, moved elsewhere, then find_package(firecaffe)
#   pkgconfig     the same installed tree, by pkg-config and without CMake
#   subdirectory  add_subdirectory on the source tree, with clang++ if it is there: it compiles all of the library, as a
#                 build without CUDA, warnings being errors
set -euo pipefail
way=$1 source=$2 build=$3 compiler=$4
if [[ $way == subdirectory ]]; then compiler=$(command -v clang++ || echo "$compiler"); fi
work=$build/consumer/$way
rm -rf "$work"
mkdir -p "$work"
# A stranger's project has its own flags.
settings=(-G Ninja -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_CXX_FLAGS=-O0 -DCMAKE_BUILD_TYPE=None)

# What is installed must not depend on where it was installed first.
install_moved() {
  cmake --install "$build" --prefix "$work/first" >"$work/install.log"
  mv "$work/first" "$work/prefix"
  if grep -rIlF -e "$source" -e "$build" "$work/prefix"; then
    echo "the files above name the source or the build tree"
    exit 1
  fi
}

case $way in
  install)
    install_moved
    cmake -S "$source/examples/embed" -B "$work/build" "${settings[@]}" -DCMAKE_PREFIX_PATH="$work/prefix"
    ;;
  pkgconfig)
    command -v pkg-config >/dev/null || { echo "SKIP: pkg-config is not installed (apt-get install pkgconf)" && exit 77; }
    install_moved
    PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name firecaffe.pc)")
    export PKG_CONFIG_PATH
    mkdir "$work/build"
    read -r -a flags <<<"$(pkg-config --cflags firecaffe)"
    read -r -a libraries <<<"$(pkg-config --libs firecaffe)"
    "$compiler" -std=c++20 -O1 "${flags[@]}" "$source"/examples/embed/*.cpp "${libraries[@]}" -o "$work/build/embed"
    ;;
  subdirectory)
    cmake -S "$source/examples/embed" -B "$work/build" "${settings[@]}" -DFIRECAFFE_SOURCE_DIR="$source" -DFIRECAFFE_WERROR=ON \
      -DCMAKE_EXPORT_COMPILE_COMMANDS=ON
    ;;
  *) echo "unknown way '$way'" && exit 2 ;;
esac
if [[ $way != pkgconfig ]]; then cmake --build "$work/build" --target embed --parallel "$(nproc)"; fi

cd "$work"
"$work/build/embed"
