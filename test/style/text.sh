#!/usr/bin/env bash
# Text of the sources: an opening sentence, bounded length, no unfinished places, no words from elsewhere, plain ends of line.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
. test/style/check.sh

code=('*.c' '*.h' '*.cu' '*.cuh' '*.S' '*.inc')
scripts=('*.sh' '*.py' '*.pl' '*.pm' '*.sql' '*.spec' '.ci/run' 'test/run' 'test/setup/*' 'test/style/*' 'examples/quickstart')
text=("${code[@]}" "${scripts[@]}" '*.md' '*.mk' '*.yml' Makefile '*.control' '*.txt')

expect_none "no source has more than 1,000 lines" \
	"$(files "${code[@]}" "${scripts[@]}" | xargs -r -d '\n' wc -l | awk '$2 != "total" && $1 > 1000')"
expect_none "each C file opens with a comment" \
	"$(files "${code[@]}" | while IFS= read -r f; do [ "$(head -c 2 "$f")" = '/*' ] || echo "$f"; done)"
expect_none "each script opens with a comment" \
	"$(files "${scripts[@]}" | grep -vE '^(sql|expected)/' | while IFS= read -r f; do
		head -n 2 "$f" | grep -qE '^(#[^!]|--|"""|# )' || echo "$f"; done)"
expect_none "nothing is unfinished" \
	"$(search '\b(TODO|FIXME|XXX|HACK|stub|not implemented)\b' 'src/*' 'kernels/*' 'sql/*' 'bench/*' 'test/*.c' 'test/*.h' | grep -v '^test/fuzz/corpus/' || true)"
# Spelled in pieces, so that this file does not match itself.
foreign='/wo''rk/|work''place|sub''agent|this ses''sion|as an a''i\b|is''sue #?[0-9]+ (asks|says|wants)|/tm''p/w/'
expect_none "no words from outside the project" "$(search "$foreign" "${text[@]}")"
expect_none "no white space at the end of a line" "$(search '[ 	]+$' "${code[@]}" "${scripts[@]}" | grep -v '\.md:' || true)"
expect_none "no carriage returns" "$(search $'\r' "${code[@]}" "${scripts[@]}")"
expect_none "C is indented by tabs" "$(search '^    .*[^ \\]' "${code[@]}")"
expect_none "each file ends with a newline" \
	"$(files "${text[@]}" | while IFS= read -r f; do
		[ ! -s "$f" ] || [ -z "$(tail -c 1 "$f")" ] || echo "$f"; done)"
# A definition in PostgreSQL's manner has its type on the line above its name; above that stands its sentence, unless a
# header or a prototype has it, or the body is one line.  The vector words v_... are described together.
expect_none "a sentence stands above every function" \
	"$(files 'src/*.c' 'kernels/*.c' 'src/*.inc' 'kernels/*.inc' | xargs -r -d '\n' awk '
		FNR == 1 { two = one = found = "" }
		/^__attribute__\(\(.*\)\)$/ || /^[A-Z_]+$/ || /^PG_FUNCTION_INFO_V1/ { next }
		/^[a-zA-Z_][a-zA-Z0-9_]*\(.*[^;]$/ && one ~ /^[a-zA-Z].*[a-zA-Z*]$/ && one !~ /^(typedef|#|PG_)/ \
			&& two !~ /\*\/$/ { found = FILENAME ":" FNR ": " $0; body = -1; split($0, part, "("); name = part[1] }
		/^\{/ { body = 0; next }
		/^\}/ { if (found != "" && body > 1) print name, found; found = ""; two = one; one = $0; next }
		{ body++; two = one; one = $0 }' |
		while read -r name place; do
			grep -qrw --include='*.h' "$name" src kernels || grep -qE "^static .*\b$name\(" "${place%%:*}" ||
				[ "${name#v_}" != "$name" ] || echo "$place"
		done)"
finish
