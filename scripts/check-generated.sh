#!/usr/bin/env bash
# Fails if the generated code does not match the table schemas and the protos.
set -euo pipefail
node scripts/generate-tables.ts --check
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
buf generate --output "$fresh"
cp -r lib/gen/tables "$fresh/lib/gen/tables"
[ ! -f lib/gen/descriptors.binpb ] || buf build -o "$fresh/lib/gen/descriptors.binpb"
diff -r "$fresh/lib/gen" lib/gen >/dev/null || { echo "lib/gen is not what proto/ gives: run npm run generate" >&2; exit 1; }
