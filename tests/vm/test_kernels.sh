#!/usr/bin/env bash
# TIMEOUT: 2400
# Boots Debian's stock kernels and runs smoke.py in each, with each rung of the attach ladder that
# the kernel has: 5.10 and 6.1 lack the BTF tracepoints of rung tracepoint, which came with 6.3.
#
#   WEIR                 the program (build/weir)
#   WEIR_KERNEL_CACHE    where kernels are kept (build/kernels); see get-kernels.sh
#   WEIR_KERNELS         which of them (bullseye bookworm trixie sid)
#   WEIR_GUESTS          how many at a time (2)
# sid moves: its failure is a warning. Skips when QEMU, apt or the download is not to be had.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
top=$(realpath "$here/../..")
build=$(realpath -m "${WEIR_BUILD:-$top/build}")
weir=$(realpath -m "${WEIR:-$build/weir}")
cache=$(realpath -m "${WEIR_KERNEL_CACHE:-$top/build/kernels}")
read -r -a kernels <<< "${WEIR_KERNELS:-bullseye bookworm trixie sid}"

skip() {
  echo "SKIP: $*"
  exit 77
}

[ -x "$weir" ] || skip "$weir is not built"
for tool in qemu-system-x86_64 busybox cpio cc; do
  command -v "$tool" > /dev/null || skip "$tool is not installed"
done
[ "$(uname -m)" = x86_64 ] || skip "the guests are x86-64"

# get_kernel NAME: it is in the cache, or it is fetched.
get_kernel() {
  [ ! -d "$cache/$1" ] || return 0
  for tool in apt-get dpkg-deb modprobe xz zstd; do
    command -v "$tool" > /dev/null || { echo "$tool is not installed"; return 1; }
  done
  timeout 240 "$here/get-kernels.sh" "$cache" "$1"
}

required_rungs() {
  case $1 in
    bullseye* | bookworm) echo fentry syscall ;;
    *) echo fentry tracepoint syscall ;;
  esac
}

# In the guest, /tmp is a copy in memory of this machine's: what is made here can be read there.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc -std=gnu11 -O2 -static "$here/smoke_peer.c" -o "$work/smoke_peer" 2> /dev/null ||
  cc -std=gnu11 -O2 "$here/smoke_peer.c" -o "$work/smoke_peer"

# For TLS; it is left out where there is none.
if openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
  -subj /CN=peer.test -keyout "$work/key.pem" -out "$work/crt.pem" 2> /dev/null; then
  cat "$work/crt.pem" "$work/key.pem" > "$work/certificate.pem"
fi

# The newest kernel is run fully preemptible: programs on one CPU then interrupt each other.
arguments() {
  case $1 in
    sid*) echo preempt=full ;;
  esac
}

# Processors of the guest. Two of two each keep this machine's busy for longer than two of one.
processors() {
  case $1 in
    bullseye | bookworm) echo 1 ;;
    *) echo 2 ;;
  esac
}

# In seconds. The newest need not work, so a guest that stands still must not hold up the rest.
limit() {
  case $1 in
    sid* | experimental*) echo 420 ;;
    *) echo 900 ;;
  esac
}

boot() { # NAME
  local rungs result=0 start=$SECONDS
  read -r -a rungs < <(required_rungs "$1")
  APPEND=$(arguments "$1") TIMEOUT=$(limit "$1") SMP=${SMP:-$(processors "$1")} \
    "$here/run-in-kernel.sh" "$cache/$1" \
    python3 -B "$here/smoke.py" "$weir" "$work/smoke_peer" "${rungs[@]}" \
    > "$work/$1.log" 2>&1 || result=$?
  echo "$result" > "$work/$1.status"
  {
    echo "== $1, $(cat "$cache/$1/release"): $((SECONDS - start)) s, status $result"
    cat "$work/$1.log"
  } > "$work/$1.report"
  cat "$work/$1.report"
}

booted=()
for name in "${kernels[@]}"; do
  if ! get_kernel "$name" > "$work/fetch.log" 2>&1; then
    echo "SKIP: $name: no kernel: $(tail -n 1 "$work/fetch.log")"
    continue
  fi
  booted+=("$name")
done
[ ${#booted[@]} -gt 0 ] || skip "no kernel could be fetched"

running=0
for name in "${booted[@]}"; do
  if [ "$running" -ge "${WEIR_GUESTS:-2}" ]; then
    wait -n
    running=$((running - 1))
  fi
  boot "$name" &
  running=$((running + 1))
done
wait

failed=0
for name in "${booted[@]}"; do
  [ "$(cat "$work/$name.status")" != 0 ] || continue
  case $name in
    sid* | experimental*) echo "WARNING: $name failed; it is not one of those that must work" ;;
    *) failed=1 ;;
  esac
done
exit "$failed"
