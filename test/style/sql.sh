#!/usr/bin/env bash
# What users install: every object has a comment, every C function exists, every public name and setting is in the README.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
. test/style/check.sh

scripts=(sql/lepton--*.sql)
# Objects created, as "FUNCTION name(types)" without argument names and defaults; triggers and indexes need no comment.
created=$(sed 's/^--.*//' "${scripts[@]}" | tr '\n\t' '  ' | sed 's/;/;\n/g' |
	grep -oE 'CREATE (OR REPLACE )?(SCHEMA|TABLE|VIEW|FUNCTION) [^ (;]+' | sed -E 's/CREATE (OR REPLACE )?//' | sort | uniq -c | sed 's/^ *//')
commented=$(grep -ohE 'COMMENT ON (SCHEMA|TABLE|VIEW|FUNCTION) [^ (;]+' "${scripts[@]}" |
	sed 's/COMMENT ON //' | sort | uniq -c | sed 's/^ *//')
expect_none "every object has a comment" "$(diff <(echo "$created") <(echo "$commented") || true)"

symbols=$(grep -ohE "'MODULE_PATHNAME', '[a-z_0-9]+'" "${scripts[@]}" | sed "s/.*, '//; s/'//" | sort -u)
expect_none "every C function that the SQL names is in src" \
	"$(for s in $symbols; do grep -rqE "^PG_FUNCTION_INFO_V1\($s\)" src --include='*.c' || echo "$s"; done)"
expect_none "every PG_FUNCTION_INFO_V1 is named by the SQL" \
	"$(grep -rhoE '^PG_FUNCTION_INFO_V1\([a-z_0-9]+\)' src --include='*.c' | sed 's/.*(//; s/)//' |
		while IFS= read -r s; do grep -qx "$s" <<<"$symbols" || echo "$s"; done)"

public=$(grep -ohE '@extschema@\.lepton_[a-z_]+' "${scripts[@]}" | sed 's/.*\.//' | sort -u)
expect_none "every public name is in the README" \
	"$(for n in $public; do grep -qw "$n" README.md 2>/dev/null || echo "$n"; done)"

settings=$(grep -rhoE '^[ 	]*"lepton\.[a-z_]+"|(DefineCustom[A-Za-z]+Variable|define_model)\("lepton\.[a-z_]+"' src/*.c src/store src/func --include='*.c' |
	grep -oE 'lepton\.[a-z_]+' || true)
expect_none "settings are defined in the order of the alphabet" "$(diff <(echo "$settings") <(sort <<<"$settings") || true)"
expect_none "every setting is in the README" \
	"$(for n in $settings; do grep -qF "$n" README.md 2>/dev/null || echo "$n"; done)"
expect_none "the prefix of the settings is reserved" \
	"$(grep -rqE 'MarkGUCPrefixReserved\("lepton"\)|EmitWarningsOnPlaceholders' src --include='*.c' || echo 'no MarkGUCPrefixReserved')"

version=$(sed -n "s/^default_version = '\(.*\)'/\1/p" lepton.control)
expect_none "a script leads to the default version" \
	"$(compgen -G "sql/lepton--$version.sql" >/dev/null || compgen -G "sql/lepton--*--$version.sql" >/dev/null || echo "$version")"
finish
