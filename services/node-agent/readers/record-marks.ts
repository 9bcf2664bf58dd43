// Tells whether the sockets of the node are those of the latest records: the marks that the kernel gives now are held,
// as memory, against those that the records would have.

import { hostIsLittleEndian } from "../kernel/netlink.ts";
import { SocketMark } from "../kernel/socket-marks.ts";
import { SocketRecord } from "../kernel/socket-record.ts";
import type { SocketRecords } from "../kernel/socket-iterator.ts";

const RECORD_WORDS = SocketRecord.bytes / 4;
const MARK_WORDS = SocketMark.bytes / 4;

/** The marks of the latest records. */
export class RecordMarks {
  #words = new Uint32Array(0);

  /** Takes the marks of records; gives whether they are those of the records before. */
  take({ view, words, count }: SocketRecords): boolean {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    const marks = new Uint32Array(count * MARK_WORDS);
    const markBytes = new Uint8Array(marks.buffer);
    for (let record = 0; record < count; record++) {
      const word = record * RECORD_WORDS;
      const mark = record * MARK_WORDS;
      marks[mark + SocketMark.pid / 4] = words[word + SocketRecord.pid / 4]!;
      marks[mark + SocketMark.fd / 4] = words[word + SocketRecord.fd / 4]!;
      marks[mark + SocketMark.inode / 4] = words[word + SocketRecord.inode / 4]!;
      const [from, to] = [word * 4, mark * 4];
      const family = view.getUint16(from + SocketRecord.family, hostIsLittleEndian);
      markBytes[to + SocketMark.family] = family;
      markBytes[to + SocketMark.state] = bytes[from + SocketRecord.state]!;
      markBytes[to + SocketMark.localPort] = bytes[from + SocketRecord.localPort]!;
      markBytes[to + SocketMark.localPort + 1] = bytes[from + SocketRecord.localPort + 1]!;
    }
    const same = this.areStill(markBytes);
    this.#words = marks;
    return same;
  }

  /** Whether marks are those of the latest records, in their order. */
  areStill(marks: Uint8Array): boolean {
    return Buffer.compare(marks, new Uint8Array(this.#words.buffer)) === 0;
  }
}
