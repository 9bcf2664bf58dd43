// Memory of the kernel's, mapped into this process (mmap(2)).

import { SyscallError, syscalls } from "./syscalls.ts";

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;

/** A mapping of a descriptor. */
export interface MappedMemory {
  /** The mapped bytes. Nobody may touch them after unmap(). */
  readonly buffer: ArrayBuffer;
  unmap(): void;
}

/** Maps a descriptor, shared with all others that map it. Throws SyscallError. */
export function mappedMemory(
  descriptor: number,
  { bytes, offset, writable }: { bytes: number; offset: number; writable: boolean },
): MappedMemory {
  const { map, unmap, errorNumber, viewOf } = syscalls();
  const protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  const address = map(null, bytes, protection, MAP_SHARED, descriptor, offset);
  if (BigInt.asIntN(64, address) === -1n) throw new SyscallError("mmap", errorNumber());
  return { buffer: viewOf(address, bytes), unmap: () => void unmap(address, bytes) };
}
