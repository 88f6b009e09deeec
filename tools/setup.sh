#!/bin/sh
# Install the Debian packages that building and testing bfn needs; those already there are left alone, so a second run is
# instant and needs no network.
#   tools/setup.sh              install what is missing
#   tools/setup.sh --check      install nothing: one line and exit 1 if something is missing
#   tools/setup.sh --developer  also clang, clang-format and clang-tidy
#   tools/setup.sh PACKAGE...   these packages instead of the list
set -u

packages="build-essential cmake ninja-build pkg-config
          libdnnl-dev libjansson-dev libyaml-dev zlib1g-dev libspng-dev libzip-dev nettle-dev
          libhunspell-dev hunspell-en-us liblapacke-dev libopenblas0-pthread librandom123-dev libcmocka-dev"
check=no
case "${1:-}" in
--check)
    check=yes
    shift
    ;;
--developer)
    packages="$packages clang clang-format clang-tidy"
    shift
    ;;
-*)
    echo "setup.sh: $1: unknown option (--check, --developer)" >&2
    exit 2
    ;;
esac
[ $# -gt 0 ] && packages="$*"

# On other systems CMake says what is missing.
if ! command -v dpkg-query >/dev/null 2>&1; then
    [ $check = yes ] && exit 0
    echo "setup.sh: not a Debian system; these packages (Debian's names) are needed:" $packages >&2
    exit 1
fi

missing=""
for package in $packages; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || state=none
    [ "$state" = installed ] || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if [ $check = yes ]; then
    echo "missing packages:$missing; run: make setup" >&2
    exit 1
fi

as_root=""
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "setup.sh: run as root: apt-get install$missing" >&2
        exit 1
    fi
    as_root="sudo"
fi
echo "installing:$missing"
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" </dev/null >"$log" 2>&1
}
# The package lists may be old or absent: fetch them, and install with what is there if that fails.
apt update || echo "setup.sh: apt-get update failed; trying with the lists at hand" >&2
if ! apt install --no-install-recommends $missing; then
    cat "$log" >&2
    echo "setup.sh: apt-get install failed for:$missing" >&2
    exit 1
fi
