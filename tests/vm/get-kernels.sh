#!/usr/bin/env bash
# Fetch stock Debian kernels for run-in-kernel.sh, with apt, into CACHE_DIR.
#
#   get-kernels.sh CACHE_DIR [SUITE[:PACKAGE]...]
#
# Each argument becomes CACHE_DIR/SUITE (or CACHE_DIR/PACKAGE), which holds vmlinux, config,
# release (uname -r), package (name and version) and the few modules that tests need. One
# that is there already is kept: delete it to renew it. PACKAGE is by default the suite's
# linux-image-amd64; an older one that the suite still has can be named instead.
# The machine's own apt set-up is only read: its Debian mirror is used for each suite.
# Needs: apt, kmod, xz-utils, zstd.
set -euo pipefail

usage='usage: get-kernels.sh CACHE_DIR [SUITE[:PACKAGE]...]'
cache=$(realpath -m -- "${1:?$usage}")
shift
[ $# -gt 0 ] || set -- bullseye bookworm trixie sid
# Modules by name, with whatever they depend on; ones a kernel lacks are skipped.
modules=${KERNEL_MODULES:-virtio_pci 9p 9pnet_virtio overlay veth dummy bridge
  sch_ingress sch_fq cls_bpf act_bpf tls tcp_diag inet_diag tcp_bbr nf_conntrack}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The mirror of the repository with this label among the machine's configured sources.
mirror() {
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Label: $1" |
    sort -u | head -n 1
}
main=$(mirror Debian)
security=$(mirror Debian-Security)
if [ -z "$main" ]; then
  echo "get-kernels: no Debian source is configured (apt-get update?)" >&2
  exit 1
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# apt_for SUITE: point apt at a private set-up that knows that suite alone.
apt_for() {
  local root=$tmp/apt-$1
  mkdir -p "$root"/{lists/partial,cache/archives/partial,parts}
  echo "deb [signed-by=$keyring] $main $1 main" > "$root/sources.list"
  case $1 in
    sid | unstable | experimental | testing | *-*) ;;
    *)
      [ -z "$security" ] ||
        echo "deb [signed-by=$keyring] $security $1-security main" >> "$root/sources.list"
      ;;
  esac
  cat > "$root/apt.conf" <<EOF
Dir::Etc::sourcelist "$root/sources.list";
Dir::Etc::sourceparts "$root/parts";
Dir::State::lists "$root/lists";
Dir::Cache "$root/cache";
Acquire::Languages "none";
APT::Sandbox::User "root";
APT::Update::Post-Invoke "true";
EOF
  export APT_CONFIG=$root/apt.conf
  apt-get update -qq
}

# depends PACKAGE REGEX: the names in the newest version's Depends that match.
depends() {
  apt-cache show --no-all-versions "$1" | sed -n 's/^Depends: //p' | tr , '\n' |
    sed 's/^ *//; s/ .*//' | grep -E "$2" || true
}

# unpack VMLINUZ VMLINUX: the ELF inside. QEMU starts it seconds sooner than a compressed one,
# and bpftool and libbpf can read its BTF.
unpack() {
  local magic tool at
  while read -r magic tool; do
    while read -r at; do
      tail -c "+$((at + 1))" "$1" | "$tool" -dcq > "$2" 2> /dev/null || true # more follows it
      [ "$(head -c 4 "$2" | tail -c 3)" != ELF ] || return 0
    done < <(LC_ALL=C grep -obUaP "$magic" "$1" | cut -d: -f1)
  done <<'EOF'
\xfd7zXZ\x00 xz
\x28\xb5\x2f\xfd zstd
EOF
  echo "get-kernels: $1: no ELF found in it" >&2
  return 1
}

fetch() { # SUITE PACKAGE DIR
  local suite=$1 package=$2 dir=$3 image work=$tmp/work packages release m path
  apt_for "$suite"
  image=$(depends "$package" '^linux-image-[0-9]') # a meta-package names the image
  image=${image:-$package}
  # Since 6.19 the image is split in linux-binary and linux-modules; linux-base has the config.
  mapfile -t packages < <(echo "$image"; depends "$image" '^linux-(binary|modules)-[0-9]')
  rm -rf "$work"
  mkdir -p "$work/debs" "$work/root"
  cd "$work/debs"
  apt-get download -qq "${packages[@]}"
  # Not of every version:
  apt-get download -qq "linux-base-${image#linux-image-}" 2> /dev/null || true
  for m in "$work"/debs/*.deb; do
    dpkg-deb --fsys-tarfile "$m" |
      tar -C "$work/root" -x --exclude='./usr/share' --exclude='*/sound/*' --exclude='*/gpu/*'
  done
  [ ! -d "$work/root/usr/lib" ] || cp -a "$work/root/usr/lib" "$work/root/"
  release=$(basename "$work"/root/lib/modules/*)
  depmod -b "$work/root" "$release"

  mkdir -p "$dir.part/lib/modules/$release"
  cp "$work/root/lib/modules/$release"/modules.builtin* "$dir.part/lib/modules/$release/"
  for m in $modules; do
    modprobe -d "$work/root" -S "$release" --show-depends "$m" 2> /dev/null || true
  done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r path; do
    cp "$path" "$dir.part/lib/modules/$release/"
  done
  find "$dir.part/lib" -name '*.ko.xz' -exec xz -d {} +
  touch "$dir.part/lib/modules/$release/modules.order"
  depmod -b "$dir.part" "$release"
  # Since 6.19 these two are not in /boot but beside the modules.
  local beside=$work/root/lib/modules/$release
  unpack "$(ls "$work"/root/boot/vmlinuz-* "$beside/vmlinuz" 2> /dev/null)" "$dir.part/vmlinux"
  cat "$work"/root/boot/config-* "$beside/config" 2> /dev/null > "$dir.part/config" || true
  echo "$release" > "$dir.part/release"
  # shellcheck disable=SC2016
  dpkg-deb -W --showformat '${Package} ${Version}\n' "$work/debs/$image"_*.deb > "$dir.part/package"
  rm -rf "$work"
  mv "$dir.part" "$dir"
}

for want in "$@"; do
  suite=${want%%:*}
  case $want in
    *:*) package=${want#*:} name=$package ;;
    *) package=linux-image-amd64 name=$suite ;;
  esac
  if [ ! -d "$cache/$name" ]; then
    rm -rf "$cache/$name.part"
    (fetch "$suite" "$package" "$cache/$name")
  fi
  echo "$name: $(cat "$cache/$name/package")"
done
