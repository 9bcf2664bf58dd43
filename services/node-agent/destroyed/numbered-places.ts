// Which network namespace each number (nsid) of the node's own namespace stands for.

/** Numbers and inodes of network namespaces, both ways. */
export class NumberedPlaces {
  readonly #inodeOf = new Map<number, number>();
  readonly #numberOf = new Map<number, number>();

  /** Inode of the namespace with this number; undefined if it is not known. */
  inodeOf(nsid: number): number | undefined {
    return this.#inodeOf.get(nsid);
  }

  /** Whether a namespace has a number. */
  has(inode: number): boolean {
    return this.#numberOf.has(inode);
  }

  /** Assigns a number to a namespace; returns false if it had it already. */
  assign(nsid: number, inode: number): boolean {
    const before = this.#inodeOf.get(nsid);
    if (before === inode) return false;
    if (before !== undefined) this.#numberOf.delete(before);
    this.#inodeOf.set(nsid, inode);
    this.#numberOf.set(inode, nsid);
    return true;
  }

  /** Forgets a number. */
  release(nsid: number): void {
    const inode = this.#inodeOf.get(nsid);
    this.#inodeOf.delete(nsid);
    if (inode !== undefined && this.#numberOf.get(inode) === nsid) this.#numberOf.delete(inode);
  }
}
