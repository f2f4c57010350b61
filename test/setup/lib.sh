# lib.sh: shell functions shared by test/run, examples/quickstart and their helpers: packages, users, private servers.
# Sourced by bash scripts that have set $root to the clone; it starts nothing and changes nothing by itself.

# Print one line of progress.
say() { printf '%s\n' "$*"; }

# Print why, and stop.
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Run a command as root: directly, or through sudo.
as_root()
{
	if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"
	else die "this needs root: $*"; fi
}

# Install those of the named Debian packages that are missing.
need_packages()
{
	local p missing=()
	for p in "$@"; do
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	say "installing ${missing[*]}"
	command -v apt-get >/dev/null || die "install these packages first: ${missing[*]}"
	mkdir -p "$root/build"
	{
		as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q &&
			as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
	} </dev/null >"$root/build/packages.log" 2>&1 ||
		{ tail -n 20 "$root/build/packages.log"; die "the installation failed; all of it is in build/packages.log"; }
}

# The user that runs our servers: ourselves, or a system user of its own when we are root.
server_user()
{
	if [ "$(id -u)" != 0 ]; then id -un; return; fi
	id lepton_server >/dev/null 2>&1 ||
		useradd --system --no-create-home --home-dir /nonexistent --shell /bin/sh lepton_server >&2 || return 1
	echo lepton_server
}

# Run a command as a user, with a home-less plain environment.
as_user()
{
	local user=$1
	shift
	if [ "$(id -un)" = "$user" ]; then "$@"; else
		setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups -- env HOME=/tmp USER="$user" LOGNAME="$user" "$@"
	fi
}

# A directory that the user can enter and own: $root/build/NAME, or one under /var/tmp when the clone lies in a
# place closed to that user (as /root is).
user_dir()
{
	local user=$1 name=$2 dir
	mkdir -p "$root/build"
	if as_user "$user" test -x "$root/build" -a -r "$root/build"; then
		dir=$root/build/$name
	else
		dir=/var/tmp/lepton-$(printf '%s' "$root" | sha256sum | cut -c1-10)-$name
	fi
	mkdir -p "$dir" && chmod 755 "$dir" && chown "$user" "$dir" && echo "$dir"
}

# A short directory for sockets: their paths may have 107 bytes only.
socket_dir()
{
	local user=$1 key=$2 dir
	dir=/tmp/lepton-$(printf '%s' "$key" | sha256sum | cut -c1-10)
	if [ -e "$dir" ] && [ "$(stat -c %U "$dir")" != "$user" ]; then die "$dir belongs to another user"; fi
	mkdir -p "$dir" && chown "$user" "$dir" && chmod 755 "$dir" && echo "$dir"
}

# Fetch a wheel listed with its sha256 in a requirements file into build/wheels; print its path.
fetch_wheel()
{
	local list=$1 name=$2 pattern wheel line
	pattern=${name//-/_}
	mkdir -p "$root/build/wheels"
	line=$(grep -E "^$name==" "$list") || die "$name is not in $list"
	wheel=$(find "$root/build/wheels" -name "$pattern-*.whl" | head -n 1)
	if [ -z "$wheel" ] || ! grep -q "$(sha256sum "$wheel" | cut -d' ' -f1)" <<<"$line"; then
		[ -z "$wheel" ] || rm -f "$wheel"
		printf '%s\n' "$line" >"$root/build/wheels/$name.txt"
		python3 -m pip download -q --disable-pip-version-check --no-deps --require-hashes \
			--only-binary=:all: --python-version 3.11 -d "$root/build/wheels" \
			-r "$root/build/wheels/$name.txt" </dev/null >&2 || die "could not fetch $line"
		wheel=$(find "$root/build/wheels" -name "$pattern-*.whl" | head -n 1)
	fi
	[ -n "$wheel" ] || die "no wheel of $name"
	echo "$wheel"
}

# Unpack a wheel into a directory, once per version of the wheel.
unpack_wheel()
{
	local wheel=$1 dir=$2 stamp
	stamp=$(basename "$wheel")
	[ "$(cat "$dir/.wheel" 2>/dev/null)" != "$stamp" ] || return 0
	rm -rf "$dir" && mkdir -p "$dir" && python3 -m zipfile -e "$wheel" "$dir" &&
		chmod -R a+rX "$dir" && echo "$stamp" >"$dir/.wheel"
}

# Make a cluster in a directory unless it is there: bindir, data directory, user, more initdb options.
make_cluster()
{
	local bin=$1 data=$2 user=$3
	shift 3
	if [ -f "$data/PG_VERSION" ]; then return 0; fi
	rm -rf "$data"
	mkdir -p "$data" && chown "$user" "$data" && chmod 700 "$data" || return 1
	(cd / && as_user "$user" "$bin/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C --no-sync "$@") >/dev/null
}

# Start the cluster on sockets in a directory, no TCP: bindir, data, user, socket directory, port, log.
start_cluster()
{
	local bin=$1 data=$2 user=$3 sockets=$4 port=$5 log=$6
	shift 6
	if (cd / && as_user "$user" "$bin/pg_ctl" -D "$data" status) >/dev/null 2>&1; then return 0; fi
	(cd / && as_user "$user" "$bin/pg_ctl" -D "$data" -w -t 60 -l "$log" \
		-o "-c listen_addresses='' -c unix_socket_directories='$sockets' -c port=$port $*" start) >/dev/null ||
		{ tail -n 20 "$log" >&2; return 1; }
}

# Stop the cluster of a directory, if it runs; a file of a server that died with its machine is no server.
stop_cluster()
{
	local bin=$1 data=$2 user=$3 mode=${4:-fast}
	(cd / && as_user "$user" "$bin/pg_ctl" -D "$data" status) >/dev/null 2>&1 || return 0
	(cd / && as_user "$user" "$bin/pg_ctl" -D "$data" -m "$mode" -w -t 60 stop) >/dev/null
}

# Names of the source files of the clone, with those not committed yet.
source_files()
{
	if [ -d "$root/.git" ]; then
		git -c safe.directory="$root" -C "$root" ls-files -co --exclude-standard
	else
		(cd "$root" && find . -path ./build -prune -o -type f -print -o -type l -print | sed 's,^\./,,' |
			grep -vE '\.(o|bc|so)$')
	fi
}

# Copy the sources to a directory (times kept, so that make sees what changed); drop files that are gone.
copy_sources()
{
	local dir=$1 list
	mkdir -p "$dir"
	list=$(mktemp)
	(cd "$root" && source_files | while IFS= read -r f; do
		if [ -e "$f" ] || [ -L "$f" ]; then printf '%s\n' "$f"; fi; done) | sort -u >"$list"
	if [ -f "$dir/.sources" ]; then
		comm -13 "$list" "$dir/.sources" | (cd "$dir" && xargs -r -d '\n' rm -f)
	fi
	tar -C "$root" -cf - -T "$list" | tar -C "$dir" -xf - && mv "$list" "$dir/.sources" && chmod -R a+rX "$dir"
}
