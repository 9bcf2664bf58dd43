import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { UsageError } from "../../lib/program/usage-error.ts";
import type { Flags } from "./flags.ts";
import type { Subject } from "./command-names.ts";
import { localSettings, querySettings } from "./settings.ts";

describe("localSettings", () => {
  it("has defaults for everything", () => {
    const settings = localSettings([], {});
    assert.equal(settings.subject, "edges");
    assert.deepEqual(settings.format, { name: "table" });
    assert.equal(settings.live, true);
    assert.equal(settings.intervalMs, 1000);
    assert.deepEqual(settings.source, {
      kind: "local",
      options: {
        procDir: "/proc",
        byteOrder: undefined,
        reader: "auto",
        conntrack: undefined,
        events: undefined,
        intervalMs: 1000,
        listen: { host: "127.0.0.1", port: 4180, elseAnyPort: true },
      },
    });
  });

  it("prints once what is a document, and keeps tables up to date", () => {
    for (const output of ["json", "yaml", "csv", "name"])
      assert.equal(localSettings(["edges"], { output }).live, false);
    assert.equal(localSettings(["edges"], { output: "wide" }).live, true);
    assert.equal(localSettings(["edges"], { output: "wide", once: true }).live, false);
  });

  it("reads templates and what to sort by", () => {
    const custom = localSettings([], { output: "custom-columns=A:.a[?(@.x==',')],B B:{.b.c}", once: true });
    assert.deepEqual(
      custom.format.name === "custom-columns" && custom.format.columns.map((column) => column.header),
      ["A", "B B"],
    );
    assert.equal(localSettings([], { output: "jsonpath={.items[*].port}" }).format.name, "jsonpath");
    assert.deepEqual(localSettings([], { sortBy: "last-seen" }).sort, { column: "last-seen" });
    assert.deepEqual(localSettings([], { sortBy: ".port" }).sort, {
      path: [{ step: "field", name: "port" }],
      typed: ".port",
    });
  });

  it("reads filters", () => {
    const { filter } = localSettings(["connections"], {
      from: ["nginx", "10.0.0.0/8"],
      port: ["80", "443"],
      protocol: ["TCP", "47", "gre", "dccp", "6", "ipv6-icmp", "99"],
      state: ["time-wait", "Established", "syn-sent2", "cookie-wait", "fin-wait", "fin-wait-1"],
      namespaceInode: ["net:[4026531840]"],
      outcome: ["timed-out"],
      open: true,
    });
    assert.deepEqual(filter.from, [{ process: "nginx" }, { cidr: "10.0.0.0/8" }]);
    assert.deepEqual(filter.ports, [80, 443]);
    assert.deepEqual(filter.protocols, ["tcp", "gre", "gre", "dccp", "tcp", "icmpv6", "99"]);
    assert.deepEqual(filter.states, [
      "TIME_WAIT",
      "ESTABLISHED",
      "SYN_SENT2",
      "COOKIE_WAIT",
      "FIN_WAIT",
      "FIN_WAIT1",
    ]);
    assert.deepEqual(filter.namespaceInodes, [4026531840]);
    assert.deepEqual(filter.outcomes, ["timed-out"]);
    assert.equal(filter.openOnly, true);
  });

  it("asks for unix sockets in the unix view", () => {
    assert.deepEqual(localSettings(["unix"], {}).filter.protocols, ["unix"]);
  });

  it("asks for internet protocols unless another scope is typed", () => {
    for (const subject of ["edges", "connections", "listeners", "watch"]) {
      const protocols = protocolsOf([subject], {});
      assert.equal(protocols.length, 253, subject);
      for (const word of ["tcp", "udp", "icmpv6", "raw", "99"]) assert.ok(protocols.includes(word), word);
      for (const word of ["unix", "netlink", "packet"]) assert.ok(!protocols.includes(word), word);
      assert.deepEqual(protocolsOf([subject], { protocol: ["all"] }), []);
      assert.deepEqual(protocolsOf([subject], { protocol: ["unix", "Packet"] }), ["unix", "packet"]);
      assert.deepEqual(protocolsOf([subject], { protocol: ["tcp", "ALL"] }), []);
    }
    assert.deepEqual(protocolsOf(["edges", "/run/x.sock"], {}), []);
    assert.deepEqual(protocolsOf(["edges"], { to: ["@x"] }), []);
    assert.deepEqual(protocolsOf(["edges"], { anonymous: true }), []);
    assert.deepEqual(querySettings("coverage", [], {}).filter.protocols, []);
  });

  it("reads --listen", () => {
    assert.equal(listen("none"), null);
    assert.deepEqual(listen("0.0.0.0:0"), { host: "0.0.0.0", port: 0, elseAnyPort: false });
    assert.deepEqual(listen("[::1]:4180"), { host: "::1", port: 4180, elseAnyPort: false });
  });

  const refused: ReadonlyArray<readonly [word: string | undefined, flags: Flags, message: RegExp]> = [
    ["conections", {}, /local shows edges, .* not 'conections'/],
    [undefined, { output: "xml" }, /-o takes one of table, wide, json, .*, custom-columns=…, not 'xml'/],
    [undefined, { output: "json=x" }, /-o takes one of .* not 'json=x'/],
    [undefined, { output: "jsonpath" }, /-o jsonpath takes a template: jsonpath='{\.items/],
    [undefined, { output: "jsonpath={.x" }, /^-o jsonpath cannot be read: '{\.x' has no '}'\.$/],
    [undefined, { output: "custom-columns=" }, /-o custom-columns takes a template/],
    [
      undefined,
      { output: "custom-columns=A" },
      /^-o custom-columns cannot be read: 'A' is no column: write HEADER:\.path\.$/,
    ],
    [undefined, { output: "custom-columns=A:.a,B:" }, /'B:' is no column/],
    ["connections", { output: "dot" }, /^-o dot draws edges, not connections\.$/],
    ["listeners", { output: "mermaid" }, /^-o mermaid draws edges, not listeners\.$/],
    [undefined, { output: "json", showLabels: true }, /--show-labels adds columns to a table/],
    [undefined, { sort: "open", sortBy: ".open" }, /--sort and --sort-by cannot be used together/],
    [undefined, { sortBy: "{.a}{.b}" }, /^--sort-by cannot be read: '{\.a}{\.b}' is no path\.$/],
    ["watch", { sortBy: "client" }, /--sort-by has no meaning for watch/],
    ["coverage", { showLabels: true }, /--show-labels has no meaning for coverage/],
    [undefined, { sort: "age" }, /--sort takes one of client, server, .* not 'age'/],
    ["coverage", { from: ["x"] }, /--from has no meaning for coverage/],
    ["coverage", { limit: "3" }, /--limit has no meaning for coverage/],
    ["listeners", { from: ["x"] }, /--from has no meaning for listeners/],
    ["listeners", { open: true }, /--open has no meaning for listeners/],
    ["unix", { port: ["1"] }, /--port has no meaning for unix/],
    ["watch", { sort: "client" }, /--sort has no meaning for watch/],
    ["watch", { once: true }, /watch does not end by itself/],
    [undefined, { initial: true }, /--initial has no meaning for edges/],
    [undefined, { interval: "99ms" }, /--interval takes 100ms to 1h, not '99ms'/],
    [undefined, { interval: "fast" }, /--interval takes a duration/],
    [undefined, { limit: "0" }, /--limit takes a whole number from 1/],
    [undefined, { limit: "1e3" }, /--limit takes a whole number/],
    [undefined, { port: ["65536"] }, /--port takes a whole number from 1 to 65535, not '65536'/],
    [undefined, { port: ["80", ""] }, /--port has an empty value/],
    [undefined, { protocol: ["tpc"] }, /--protocol takes one of .*tcp.*, all, not 'tpc'/],
    [undefined, { protocol: ["250"] }, /a number from 0 to 249 or 253 to 255, all, not '250'/],
    [undefined, { protocol: ["251"] }, /a number from 0 to 249 or 253 to 255, all, not '251'/],
    [undefined, { protocol: ["252"] }, /a number from 0 to 249 or 253 to 255, all, not '252'/],
    [undefined, { protocol: ["256"] }, /a number from 0 to 249 or 253 to 255, all, not '256'/],
    [undefined, { state: ["OPENED"] }, /--state takes one of ESTABLISHED/],
    [undefined, { outcome: ["fine"] }, /--outcome takes one of established, refused, timed-out, pending/],
    [undefined, { namespaceInode: ["host"] }, /--namespace-inode takes a whole number from 1, not 'host'/],
    [undefined, { byteOrder: "middle" }, /--byte-order takes one of little, big/],
    [undefined, { conntrack: "on" }, /--conntrack takes one of auto, events, dump, proc, none/],
    [undefined, { listen: "4180" }, /--listen takes an address and a port/],
    [undefined, { listen: "127.0.0.1:99999" }, /--listen takes an address and a port/],
    [undefined, { proc: "" }, /--proc takes a directory/],
  ];
  for (const [word, flags, message] of refused) {
    it(`refuses ${word ?? ""} ${JSON.stringify(flags)}`, () => {
      assert.throws(
        () => localSettings(word === undefined ? [] : [word], flags),
        (error) => error instanceof UsageError && message.test(error.message),
      );
    });
  }
});

describe("querySettings", () => {
  it("reads --server and --from-file", () => {
    assert.deepEqual(querySettings("edges", [], { server: "[::1]:4180" }).source, {
      kind: "server",
      address: "[::1]:4180",
    });
    assert.deepEqual(querySettings("edges", [], { fromFile: "-", sort: "open" }).source, {
      kind: "file",
      path: "-",
    });
  });

  it("asks the cluster by default, in the context's namespace", () => {
    const choice = { kubeconfig: undefined, context: undefined, namespace: undefined };
    const plain = querySettings("edges", [], {});
    assert.deepEqual(plain.source, { kind: "cluster", choice, namespaced: true });
    const named = querySettings("watch", [], {
      namespace: "shop",
      selector: "app=web",
      context: "c",
      kubeconfig: "k",
    });
    assert.deepEqual(named.source, {
      kind: "cluster",
      choice: { kubeconfig: "k", context: "c", namespace: undefined },
      namespaced: false,
    });
    assert.deepEqual([named.filter.namespaces, named.filter.labels], [["shop"], "app=web"]);
    const all = querySettings("edges", [], { allNamespaces: true, whotalksNamespace: "w" });
    assert.deepEqual(all.source, {
      kind: "cluster",
      choice: { ...choice, namespace: "w" },
      namespaced: false,
    });
    assert.deepEqual(all.filter.namespaces, []);
    assert.deepEqual(querySettings("coverage", [], {}).source, {
      kind: "cluster",
      choice,
      namespaced: false,
    });
  });

  const refused: ReadonlyArray<readonly [subject: Subject, flags: Flags, message: RegExp]> = [
    ["edges", { namespace: "shop", allNamespaces: true }, /-n and -A cannot be used together/],
    ["edges", { namespace: "Shop" }, /-n takes a namespace: .*, not 'Shop'/],
    ["edges", { server: "a:1", context: "x" }, /--context cannot be used with --server/],
    ["edges", { fromFile: "x", selector: "app=web" }, /--selector cannot be used with --from-file/],
    ["edges", { server: "localhost" }, /--server takes an address and a port/],
    ["edges", { server: "localhost:0" }, /--server takes an address and a port/],
    ["edges", { server: "a:1", from: ["nginx"] }, /'nginx' names no endpoint/],
    ["edges", { server: "a:1", watch: true, output: "json" }, /use watch -o json/],
    ["edges", { server: "a:1", interval: "1s" }, /add -w/],
    ["edges", { fromFile: "x", server: "a:1" }, /--server cannot be used with --from-file/],
    ["edges", { fromFile: "x", open: true }, /--open cannot be used with --from-file/],
    ["edges", { fromFile: "x", watch: true }, /--watch cannot be used with --from-file/],
  ];
  for (const [subject, flags, message] of refused) {
    it(`refuses ${subject} ${JSON.stringify(flags)}`, () => {
      assert.throws(
        () => querySettings(subject, [], flags),
        (error) => error instanceof UsageError && message.test(error.message),
      );
    });
  }
});

function protocolsOf(words: readonly string[], flags: Flags): readonly string[] {
  return localSettings(words, flags).filter.protocols;
}

function listen(text: string): unknown {
  const { source } = localSettings(["edges"], { listen: text });
  return source.kind === "local" ? source.options.listen : undefined;
}
