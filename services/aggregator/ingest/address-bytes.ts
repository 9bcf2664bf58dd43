// Addresses as reports carry them outside columns: 4 or 16 bytes in network order.

/** Parses an address into four words, IPv4 mapped; returns null if the bytes are not an address. */
export function parseAddressBytes(bytes: Uint8Array): Uint32Array | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length === 4) return Uint32Array.of(0, 0, 0xffff, view.getUint32(0));
  if (bytes.length !== 16) return null;
  return Uint32Array.of(view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12));
}
