# check.sh: counting for the style checks; sourced with $root set.
passed=0
failed=0

# Count one check: its name, and what stands against it (nothing when it holds).
expect_none()
{
	if [ -z "$2" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf 'FAILED: %s\n%s\n' "$1" "$(head -n 30 <<<"$2" | sed 's/^/    /')"
	fi
}

# Print the closing line; the script's status.
finish()
{
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}

# Files of the clone (committed or not) that match the patterns.
files()
{
	if [ -d "$root/.git" ]; then
		git -c safe.directory="$root" -C "$root" ls-files -co --exclude-standard -- "$@" |
			while IFS= read -r f; do if [ -f "$root/$f" ] && [ ! -L "$root/$f" ]; then echo "$f"; fi; done
	else
		local p
		for p in "$@"; do (cd "$root" && find . -path ./build -prune -o -type f -path "./$p" -print | sed 's,^\./,,'); done
	fi
}

# grep over files, silent when there is none: pattern, then patterns of files.
search()
{
	local pattern=$1
	shift
	(cd "$root" && files "$@" | sort -u | xargs -r -d '\n' grep -nHE -- "$pattern" || true)
}
