# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Shared by the scripts; sourced, never run. Sets `root`, the top of the tree.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*"; }

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# packages_of GROUP...: the package names of these groups, one per line, each once.
packages_of() {
  awk -v groups=" $* " '/^[^#]/ && NF >= 2 && index(groups, " " $1 " ") && !seen[$2]++ { print $2 }' \
    "$root/scripts/packages.txt"
}

# missing_of PACKAGE...: those that are not installed.
missing_of() {
  local installed
  # dpkg-query fails if it does not know one of the names; the others are printed all the same.
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p') || true
  printf '%s\n' "$@" | grep -Fxv -f <(printf '%s\n' "$installed") || true
}

# require_packages GROUP...: installs what is missing, and nothing else; quick when nothing is.
require_packages() {
  local packages missing as_root=()
  mapfile -t packages < <(packages_of "$@")
  if [[ ${FIRECAFFE_ANY_SYSTEM:-0} == 1 ]]; then
    say "FIRECAFFE_ANY_SYSTEM=1: taking it that this machine has what these Debian packages hold: ${packages[*]}"
    return
  fi
  if ! is_debian_12; then
    fail "these scripts install packages on Debian 12 only; here, install the counterparts of ${packages[*]} and" \
      "run again with FIRECAFFE_ANY_SYSTEM=1"
  fi
  mapfile -t missing < <(missing_of "${packages[@]}")
  if [[ ${#missing[@]} == 0 ]]; then return; fi
  say "Missing packages, which will be installed now: ${missing[*]}"
  if [[ $(id -u) != 0 ]]; then
    command -v sudo >/dev/null || fail "installing needs root and there is no sudo; as root, run:" \
      "apt-get install --no-install-recommends ${missing[*]}"
    as_root=(sudo)
  fi
  as_root+=(env DEBIAN_FRONTEND=noninteractive)
  local log
  log=$(mktemp)
  if ! { "${as_root[@]}" apt-get update -q &&
    "${as_root[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}"; } </dev/null >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    fail "apt-get could not install ${missing[*]}; its output is in $log"
  fi
  rm -f "$log"
}

is_debian_12() {
  local ID='' VERSION_ID=''
  # shellcheck source=/dev/null
  if [[ -r /etc/os-release ]]; then . /etc/os-release; fi
  [[ $ID == debian && $VERSION_ID == 12 ]] && command -v apt-get >/dev/null
}

# Compilers that run at once: one per core, and 1.5 GiB of memory for each.
jobs_for_machine() {
  local cores memory
  cores=$(nproc 2>/dev/null || echo 1)
  memory=$(awk '/^MemAvailable:/ { n = int($2 / 1572864) } END { print (n > 0 ? n : 1) }' /proc/meminfo 2>/dev/null || echo 1)
  echo $((cores < memory ? cores : memory))
}

# configure_and_build PRESET [TARGET...]; CMake also gets what is in configure_options
configure_options=()
configure_and_build() {
  local preset=$1 log
  shift
  if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER-ccache}; fi
  log=$(mktemp)
  (cd "$root" && cmake --preset "$preset" -DFIRECAFFE_WERROR="${CI:+ON}" "${configure_options[@]}") </dev/null >"$log" 2>&1 || {
    cat "$log" >&2
    fail "CMake could not configure the preset $preset; see above"
  }
  rm -f "$log"
  cmake --build "$root/build/$preset" --parallel "$(jobs_for_machine)" ${1:+--target "$@"} </dev/null ||
    fail "the build of the preset $preset failed; see above"
}
