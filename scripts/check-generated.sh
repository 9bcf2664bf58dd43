#!/usr/bin/env bash
# Fails where the generated code is not what the protos give.
set -euo pipefail
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
buf generate --output "$fresh"
[ ! -f lib/gen/descriptors.binpb ] || buf build -o "$fresh/lib/gen/descriptors.binpb"
diff -r "$fresh/lib/gen" lib/gen >/dev/null || { echo "lib/gen is not what proto/ gives: run npm run generate" >&2; exit 1; }
