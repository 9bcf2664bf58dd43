import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { localIpv4Addresses } from "./net-fib-trie.ts";
import { localIpv6Addresses } from "./net-if-inet6.ts";

describe("addresses of a namespace", () => {
  it("are the LOCAL leaves of fib_trie, without loopback, once each", () => {
    const text = [
      "Main:",
      "  +-- 0.0.0.0/0 3 0 5",
      "     |-- 0.0.0.0",
      "        /0 universe UNICAST",
      "     +-- 10.244.2.0/24 2 0 1",
      "        |-- 10.244.2.0",
      "           /24 link UNICAST",
      "        |-- 10.244.2.4",
      "           /32 host LOCAL",
      "        |-- 10.244.2.255",
      "           /32 link BROADCAST",
      "        |-- 127.0.0.1",
      "           /32 host LOCAL",
      "Local:",
      "        |-- 10.244.2.4",
      "           /32 host LOCAL",
      "",
    ].join("\n");
    assert.deepEqual(localIpv4Addresses(text), ["10.244.2.4"]);
  });

  it("are the lines of if_inet6, without loopback", () => {
    const text = [
      "00000000000000000000000000000001 01 80 10 80       lo",
      "20010db8011300000000000000000010 02 40 00 80     eth0",
      "fe8000000000000044c0a1fffe1c4a5d 02 40 20 80     eth0",
      "garbage",
      "",
    ].join("\n");
    assert.deepEqual(localIpv6Addresses(text), ["2001:db8:113::10", "fe80::44c0:a1ff:fe1c:4a5d"]);
  });

  it("are empty if the text is not a table", () => {
    assert.deepEqual(localIpv4Addresses("\0\n|-- 999\n/32 host LOCAL"), []);
    assert.deepEqual(localIpv6Addresses("\0\nzz"), []);
  });
});
