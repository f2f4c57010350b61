#!/usr/bin/env bash
# clang-format agrees with every C file.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
. test/style/check.sh

while IFS= read -r f; do
	expect_none "clang-format: $f" "$(clang-format --dry-run -Werror "$f" 2>&1 | head -n 4)"
done < <(files '*.c' '*.h' '*.inc')
finish
