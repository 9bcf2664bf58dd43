#!/usr/bin/env bash
# Usage: bash scripts/test-tools.sh
#
# Installs the tools that the tests need besides npm's packages, on a Debian machine as root. Elsewhere, tests
# that lack a tool skip and name it.
set -euo pipefail
case "${1-}" in
  "") ;;
  -h | --help)
    sed -n '2,/^[^#]/s/^# //p' "$0"
    exit 0
    ;;
  *)
    echo "test-tools.sh: nothing but --help is expected here, and '$1' is one too many. See 'bash scripts/test-tools.sh --help'." >&2
    exit 2
    ;;
esac
declare -A package_of=(
  [ip]=iproute2 [ss]=iproute2 [iptables]=iptables [conntrack]=conntrack [lsof]=lsof [netstat]=net-tools
  [nats-server]=nats-server [gcc]=gcc [script]=bsdutils [setpriv]=util-linux [ping]=iputils-ping
)
missing=()
for tool in "${!package_of[@]}"; do command -v "$tool" >/dev/null || missing+=("${package_of[$tool]}"); done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "not installed: ${missing[*]} (the tests that use them will skip)" >&2
  exit 0
fi
echo "installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
{ apt-get -qq update && apt-get -qq install -y --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 ||
  echo "could not install ${missing[*]} (the tests that use them will skip)" >&2
