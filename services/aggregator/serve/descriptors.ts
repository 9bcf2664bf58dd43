// The protos for gRPC reflection: the files of the descriptor set that `buf build` generates.

import { readFileSync } from "node:fs";
import { BinaryReader } from "@bufbuild/protobuf/wire";

/** Field number of FileDescriptorSet.file (google/protobuf/descriptor.proto). */
const FILE_FIELD = 1;

/** Returns each file of the descriptor set, encoded as FileDescriptorProto. */
export function readFileDescriptors(): Uint8Array[] {
  return splitDescriptorSet(readFileSync(new URL("../../../lib/gen/descriptors.binpb", import.meta.url)));
}

/** Splits an encoded FileDescriptorSet into its encoded files. */
function splitDescriptorSet(bytes: Uint8Array): Uint8Array[] {
  const files: Uint8Array[] = [];
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === FILE_FIELD) files.push(reader.bytes());
    else reader.skip(wireType);
  }
  return files;
}
