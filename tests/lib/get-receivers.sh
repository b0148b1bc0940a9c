#!/usr/bin/env bash
# Build receivers of logs that Debian has only as sources or libraries, into DIR: victoria-logs (of
# trixie's victoria-metrics) and otel-collector (tests/lib/programs/collector over sid's libraries).
#
#   get-receivers.sh DIR [victoria-logs|otel-collector]...
#
# One that is there already is kept: delete it to renew it. Nothing is installed: packages are only
# unpacked, and the machine's apt set-up only read. tests/golden/test_real_receivers.py uses what is
# in WEIR_RECEIVERS, by default build/receivers. About 400 MB and 5 minutes of CPU time.
# Needs: apt, dpkg-dev.
set -euo pipefail

usage='usage: get-receivers.sh DIR [victoria-logs|otel-collector]...'
target=$(realpath -m -- "${1:?$usage}")
shift
[ $# -gt 0 ] || set -- victoria-logs otel-collector
here=$(dirname "$(realpath "$0")")
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
tmp=$(mktemp -d)
trap 'chmod -R u+w "$tmp"; rm -rf "$tmp"' EXIT
# shellcheck disable=SC2016
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' |
  sort -u | head -n 1)
[ -n "$mirror" ] || { echo "get-receivers: no Debian source is configured" >&2; exit 1; }

# apt_for SUITE: point apt at a private set-up that knows that suite alone, and nothing installed.
apt_for() {
  local root=$tmp/apt-$1
  mkdir -p "$root"/{lists/partial,cache/archives/partial,parts}
  touch "$root/status"
  printf '%s [signed-by=%s] %s %s main\n' deb "$keyring" "$mirror" "$1" \
    deb-src "$keyring" "$mirror" "$1" > "$root/sources.list"
  cat > "$root/apt.conf" <<END
Dir::Etc::sourcelist "$root/sources.list";
Dir::Etc::sourceparts "$root/parts";
Dir::State::lists "$root/lists";
Dir::State::status "$root/status";
Dir::Cache "$root/cache";
Acquire::Languages "none";
APT::Sandbox::User "root";
APT::Update::Post-Invoke "true";
END
  export APT_CONFIG=$root/apt.conf
  apt-get update -qq
}

# unpack_all ROOT PACKAGE...: these and the Go libraries and tools below them.
unpack_all() {
  local root=$1 package
  shift
  export LC_ALL=C
  mkdir -p "$tmp/debs" "$root"
  cd "$tmp/debs"
  apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
    --no-replaces --no-enhances "$@" | grep -E '^[a-z]' |
    grep -E '^golang-.*-dev$|^golang-[0-9.]+-(go|src)$|^lib(zstd|c6)-dev$' | sort -u |
    comm -12 - <(apt-cache dumpavail | sed -n 's/^Package: //p' | sort -u) > "$tmp/packages"
  xargs -n 40 apt-get download -qq < "$tmp/packages"
  for package in *.deb; do
    dpkg-deb -x "$package" "$root"
  done
  rm -rf "$tmp/debs"
}

# compile ROOT GOPATH PACKAGE OUTPUT: with the newest compiler of the root.
compile() {
  local go
  go=$(find "$1/usr/lib" -maxdepth 1 -name 'go-*' | sort -V | tail -n 1)
  # The standard library is a package of its own, to which the compiler's links point.
  find "$go" -maxdepth 1 -type l | while read -r link; do
    ln -sfn "$1/usr/share/$(basename "$go")/$(basename "$link")" "$link"
  done
  cd "$tmp"
  GOROOT=$go GOPATH=$2 GO111MODULE=off GOFLAGS=-mod=mod GOTOOLCHAIN=local \
    GOCACHE=$tmp/cache CGO_ENABLED=0 "$go/bin/go" build -o "$4" "$3"
}

build_victoria_logs() {
  local root=$tmp/trixie wanted
  apt_for trixie
  mapfile -t wanted < <(apt-cache showsrc victoria-metrics | sed -n 's/^Build-Depends: //p' |
    tr , '\n' | sed 's/^ *//; s/ .*//' | grep '^golang-.*-dev$')
  unpack_all "$root" golang-1.24-go golang-1.24-src "${wanted[@]}"
  mkdir -p "$tmp/source"
  cd "$tmp/source"
  apt-get source -qq --download-only victoria-metrics
  dpkg-source -x --no-check ./*.dsc "$tmp/source/tree" > /dev/null
  mkdir -p "$tmp/go/src/github.com/VictoriaMetrics"
  mv "$tmp/source/tree" "$tmp/go/src/github.com/VictoriaMetrics/VictoriaMetrics"
  compile "$root" "$tmp/go:$root/usr/share/gocode" \
    github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-logs "$target/victoria-logs"
}

build_otel_collector() {
  local root=$tmp/sid
  apt_for sid
  unpack_all "$root" golang-go golang-opentelemetry-collector-dev
  mkdir -p "$tmp/own/src/collector"
  cp "$here/programs/collector/main.go" "$tmp/own/src/collector/"
  compile "$root" "$tmp/own:$root/usr/share/gocode" collector "$target/otel-collector"
}

mkdir -p "$target"
for want in "$@"; do
  [ -x "$target/$want" ] || (build_"${want//-/_}")
  echo "$want: $target/$want"
done
