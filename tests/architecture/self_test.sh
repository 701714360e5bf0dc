#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The architecture tests must be able to fail: feeds them a small good tree, then the same tree with one fault each.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cases=0 wrong=0

good_tree() {
  rm -rf "$work/tree"
  mkdir -p "$work"/tree/{docs,src/{net,config,backend/cpu,cli},include/firecaffe/{core,tensor,net,config,comm}}
  cd "$work/tree"
  cat >docs/architecture.md <<'TEXT'
```rooms
core    | -
tensor  | core
net     | tensor
comm    | core
config  | core   | */options.hpp
backend | tensor
cli     | *
```
```outside
nlohmann/* | config
unistd.h   | *
TEXT
  echo '```' >>docs/architecture.md
  local top='// SPDX-License-Identifier: Apache-2.0'
  printf '%s\n' "$top" '#pragma once' '#include <vector>' >include/firecaffe/core/a.hpp
  printf '%s\n' "$top" '#pragma once' '#include "firecaffe/core/a.hpp"' >include/firecaffe/tensor/b.hpp
  printf '%s\n' "$top" '#pragma once' '#include "firecaffe/core/a.hpp"' >include/firecaffe/net/options.hpp
  printf '%s\n' "$top" '#pragma once' '#include "firecaffe/net/options.hpp"' >include/firecaffe/config/c.hpp
  printf '%s\n' "$top" '#pragma once' >include/firecaffe/comm/d.hpp
  printf '%s\n' "$top" '#include "firecaffe/tensor/b.hpp"' '#include "firecaffe/core/a.hpp"' >src/net/net.cpp
  printf '%s\n' "$top" '#include "private.hpp"' '#include <unistd.h>' '#include <nlohmann/json.hpp>' >src/config/c.cpp
  printf '%s\n' "$top" '#pragma once' >src/config/private.hpp
  printf '%s\n' "$top" '#include "firecaffe/tensor/b.hpp"' >src/backend/cpu/op.cpp
  printf '%s\n' "$top" '#include "firecaffe/firecaffe.hpp"' '#include "config/private.hpp"' >src/cli/main.cpp
  bash "$here/umbrella.sh" write "$PWD"
}

# expect SCRIPT STATUS TEXT: runs a script on the tree; the output must hold the text.
expect() {
  local output status=0
  case $1 in
    umbrella) output=$(bash "$here/umbrella.sh" check "$work/tree" 2>&1) || status=$? ;;
    *) output=$(bash "$here/$1.sh" "$work/tree" 2>&1) || status=$? ;;
  esac
  cases=$((cases + 1))
  if [[ $((status != 0)) != "$2" || $output != *"$3"* ]]; then
    wrong=$((wrong + 1))
    printf 'WRONG: %s gave status %s, and its output should contain "%s":\n%s\n' "$1" "$status" "$3" "$output"
  fi
}

# fault SCRIPT FILE LINE TEXT: a good tree with one more line in one file must be refused with this text.
fault() {
  good_tree
  printf '%s\n' "$3" >>"$2"
  expect "$1" 1 "$4"
}

good_tree
expect include_table 0 '0 violations'
expect file_rules 0 '0 violations'
expect umbrella 0 'public headers'

fault include_table include/firecaffe/core/a.hpp '#include "firecaffe/tensor/b.hpp"' 'room core may not include room tensor'
fault include_table include/firecaffe/tensor/b.hpp '#  include <firecaffe/net/options.hpp>' 'room tensor may not include room net'
fault include_table src/net/net.cpp '#include "firecaffe/comm/d.hpp"' 'room net may not include room comm'
fault include_table src/net/net.cpp '#include "config/private.hpp"' 'room net may not include room config'
fault include_table src/config/c.cpp '#include "firecaffe/tensor/b.hpp"' 'room config may not include room tensor'
fault include_table src/net/net.cpp '#include <nlohmann/json.hpp>' 'room net may not include <nlohmann/json.hpp>'
fault include_table src/net/net.cpp '#include <boost/any.hpp>' 'in no row of the table'
fault include_table include/firecaffe/core/a.hpp '#include <unistd.h>' 'only the standard library'
fault include_table include/firecaffe/config/c.hpp '#include <nlohmann/json.hpp>' 'only the standard library'
fault include_table include/firecaffe/core/a.hpp '#include "helper.hpp"' 'which is not public'
fault include_table src/net/net.cpp '#include "firecaffe/core/gone.hpp"' 'does not exist'
fault include_table src/net/net.cpp '#include "../config/private.hpp"' 'write the path from the top'
fault include_table src/net/net.cpp '#include "firecaffe/firecaffe.hpp"' 'umbrella'
fault include_table src/net/net.cpp '#include SOME_MACRO' 'cannot be read'
fault include_table src/backend/cpu/op.cpp '#include "firecaffe/net/options.hpp"' 'room backend may not include room net'

good_tree && printf '%s\n' '#include <nlohmann/json.hpp>' >src/backend/cpu/kernel.cuh
expect include_table 1 'kernel.cuh:1: room backend may not include'
good_tree && mkdir src/attic && echo '// SPDX' >src/attic/x.cpp
expect include_table 1 'lies in no room'
good_tree && sed -i 's/^core .*/core | net/' docs/architecture.md
expect include_table 1 'by a circle'
good_tree && sed -i 's/^net .*/net | tensors/' docs/architecture.md
expect include_table 1 'which is no room'
good_tree && echo 'No table here.' >docs/architecture.md
expect include_table 1 'no table of rooms'
good_tree && rm -r src include
expect include_table 1 'no source files'

good_tree && seq -f '// line %g' 499 >>src/net/net.cpp
expect file_rules 1 'at most 500'
good_tree && sed -i 1d src/net/net.cpp
expect file_rules 1 'no SPDX'
good_tree && sed -i /pragma/d src/config/private.hpp
expect file_rules 1 'no #pragma once'
fault file_rules src/net/net.cpp $'int\tx;' 'a tab'
fault file_rules src/net/net.cpp 'int x; ' 'white space'

good_tree && echo >include/firecaffe/core/new.hpp
expect umbrella 1 'new.hpp'
good_tree && rm include/firecaffe/comm/d.hpp
expect umbrella 1 'is not up to date'

doc_tree() {
  good_tree
  mkdir examples
  printf '%s\n' '# T' '<!-- sample: src/net/net.cpp -->' '```cpp' "$(tail -n 1 src/net/net.cpp)" '```' '```sh' ls '```' >docs/t.md
}
doc_tree
expect doc_samples 0 '1 blocks, 0 faults'
doc_tree && echo >src/net/net.cpp
expect doc_samples 1 'docs/t.md:5: this block is not in src/net/net.cpp'
doc_tree && rm src/net/net.cpp
expect doc_samples 1 'is not in src/net/net.cpp'
doc_tree && printf '%s\n' '```cpp' 'int x;' '```' >>docs/t.md
expect doc_samples 1 'unknown origin'

# The counter of test.sh, on results that ctest could write.
cat >"$work/results.xml" <<'TEXT'
<testsuite>
  <testcase name="a" classname="a" time="1" status="run">
    <system-out>SKIP: no GPU &amp; no luck
All tests passed (9 assertions in 5 test cases)
</system-out>
  </testcase>
  <testcase name="b" classname="b" time="1" status="fail">
    <failure message="Failed"/>
    <system-out>test cases: 7 | 4 passed | 3 failed
</system-out>
  </testcase>
  <testcase name="c" classname="c" time="1" status="run">
    <system-out></system-out>
  </testcase>
  <testcase name="d" classname="d" time="1" status="notrun">
    <skipped message="SKIP_RETURN_CODE=77"/>
    <system-out></system-out>
  </testcase>
  <testcase name="f" classname="f" time="1" status="notrun">
    <skipped message="SKIP_RETURN_CODE=77"/>
    <system-out>SKIP: no such program</system-out>
  </testcase>
  <testcase name="e" classname="e" time="1" status="fail">
    <failure message="Timeout"/>
    <system-out></system-out>
  </testcase>
</testsuite>
TEXT
counted=$(bash "$here/../../scripts/count_tests.sh" "$work/results.xml" 2>&1) && wrong=$((wrong + 1))
cases=$((cases + 1))
if [[ $(tail -n 1 <<<"$counted") != '9 passed, 4 failed, 3 skipped' || $counted != *'a: no GPU & no luck'* ]]; then
  wrong=$((wrong + 1))
  printf 'WRONG: the counter said:\n%s\n' "$counted"
fi

echo "$cases cases, $wrong wrong"
[[ $wrong == 0 ]]
