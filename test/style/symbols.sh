#!/usr/bin/env bash
# Names that a built lepton.so exports: ours, with our prefixes, and nothing that another library could bind to.
#
#	test/style/symbols.sh path/to/lepton.so
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
. test/style/check.sh

so=${1:-lepton.so}
expect_none "exported names begin with lep_, lepton_, store_, worker_, func_ or batch_" \
	"$(nm -D --defined-only "$so" | awk '$2 ~ /[A-Z]/ {print $3}' |
		grep -vE '^(lep_|lepton_|store_|func_|batch_|worker_|pg_finfo_lepton_|Pg_magic_func$|_PG_init$)' || true)"
expect_none "no call that ends the process is linked" \
	"$(nm -D --undefined-only "$so" | awk '{print $2}' | grep -E '^(abort|exit|_exit|__assert_fail)(@|$)' || true)"
expect_none "OpenBLAS and CUDA are not needed to load the library" \
	"$(ldd "$so" | grep -E 'openblas|blas|cuda|cublas' || true)"
finish
