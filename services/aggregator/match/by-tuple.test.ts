// Which ends match, and who opened a connection.

import { all, host, namespaceOne, namespaceTwo, processes, testJoins } from "../testing/join-cases.ts";

testJoins([
  {
    name: "both ends in one namespace are one connection; the listener tells the direction",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [
            { id: 1, local: "127.0.0.1:8080", remote: "127.0.0.1:40000", holders: [1] },
            { id: 2, local: "127.0.0.1:40000", remote: "127.0.0.1:8080", holders: [2] },
            { id: 3, local: "*:8080", state: "LISTEN", holders: [1] },
          ],
        },
      ],
    ],
    expect: ["client 127.0.0.1:40000 -> server 127.0.0.1:8080 tcp cs listener"],
  },
  {
    name: "both ends in two namespaces of one node",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [
            { id: 1, namespace: 1, local: "10.0.0.1:8080", remote: "10.0.0.2:40000", holders: [1] },
            { id: 2, namespace: 2, local: "10.0.0.2:40000", remote: "10.0.0.1:8080", holders: [2] },
          ],
        },
      ],
    ],
    expect: ["client 10.0.0.2:40000 -> server 10.0.0.1:8080 tcp cs port"],
  },
  {
    name: "both ends on two nodes, the client's report first",
    reports: [
      [
        {
          keyframe: true,
          namespaces: [namespaceTwo],
          processes,
          sockets: [{ id: 1, namespace: 2, local: "10.0.0.2:40000", remote: "10.0.1.1:8080", holders: [2] }],
        },
        "a",
      ],
      [
        {
          keyframe: true,
          namespaces: [namespaceOne],
          processes,
          sockets: [
            { id: 1, namespace: 1, local: "10.0.1.1:8080", remote: "10.0.0.2:40000", holders: [1] },
            { id: 2, namespace: 1, local: "[::]:8080", state: "LISTEN", holders: [1] },
          ],
        },
        "b",
      ],
    ],
    expect: ["client 10.0.0.2:40000 -> server 10.0.1.1:8080 tcp cs listener"],
  },
  {
    name: "the same loopback tuple in two namespaces is two connections, not mixed",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [
            { id: 1, namespace: 1, local: "127.0.0.1:8080", remote: "127.0.0.1:40000", holders: [1] },
            { id: 2, namespace: 2, local: "127.0.0.1:40000", remote: "127.0.0.1:8080", holders: [3] },
            { id: 3, namespace: 1, local: "127.0.0.1:40000", remote: "127.0.0.1:8080", holders: [2] },
            { id: 4, namespace: 2, local: "127.0.0.1:8080", remote: "127.0.0.1:40000", holders: [1] },
          ],
        },
      ],
    ],
    expect: [
      "client 127.0.0.1:40000 -> server 127.0.0.1:8080 tcp cs port",
      "other 127.0.0.1:40000 -> server 127.0.0.1:8080 tcp cs port",
    ],
  },
  {
    name: "a server's end that could be one of two namespaces' is never guessed",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [
            { id: 1, namespace: 1, local: "10.0.0.1:8080", remote: "10.0.0.2:40000", holders: [1] },
            { id: 2, namespace: 2, local: "10.0.0.2:40000", remote: "10.0.0.1:8080", holders: [2] },
            { id: 3, namespace: 3, local: "10.0.0.1:8080", remote: "10.0.0.2:40000", holders: [3] },
          ],
        },
      ],
    ],
    expect: [
      "node 10.0.0.2:40000 -> server 10.0.0.1:8080 tcp s port",
      "client 10.0.0.2:40000 -> node 10.0.0.1:8080 tcp c port",
      "node 10.0.0.2:40000 -> other 10.0.0.1:8080 tcp s port",
    ],
    ambiguous: 3,
  },
  {
    name: "two pairs with one address plan, each within its own namespace, are told apart",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [
            { id: 1, namespace: 1, local: "10.0.0.1:8080", remote: "10.0.0.2:40000", holders: [1] },
            { id: 2, namespace: 2, local: "10.0.0.2:40000", remote: "10.0.0.1:8080", holders: [2] },
            { id: 3, namespace: 1, local: "10.0.0.2:40000", remote: "10.0.0.1:8080", holders: [3] },
            { id: 4, namespace: 2, local: "10.0.0.1:8080", remote: "10.0.0.2:40000", holders: [1] },
          ],
        },
      ],
    ],
    expect: [
      "other 10.0.0.2:40000 -> server 10.0.0.1:8080 tcp cs port",
      "client 10.0.0.2:40000 -> server 10.0.0.1:8080 tcp cs port",
    ],
  },
  {
    name: "the same by a change under the same id, holders cleared",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [{ id: 1, local: "10.0.0.9:40000", remote: "192.0.2.1:443", holders: [2] }],
        },
      ],
      [{ changes: [{ id: 1, state: "TIME_WAIT", inode: 0 }], cleared: [1] }],
    ],
    expect: ["client 10.0.0.9:40000 -> external 192.0.2.1:443 tcp c port closed"],
  },
  {
    name: "a socket connected to itself is one connection with both sides the same",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [{ id: 1, local: "127.0.0.1:5000", remote: "127.0.0.1:5000", holders: [2] }],
        },
      ],
    ],
    expect: ["client 127.0.0.1:5000 -> client 127.0.0.1:5000 tcp cs guess"],
  },
  {
    name: "IPv6 ends join, and a listener bound to :: answers for IPv4",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [
            { id: 1, namespace: 1, local: "[fd00::1]:40001", remote: "[fd00::2]:40002", holders: [1] },
            { id: 2, namespace: 2, local: "[fd00::2]:40002", remote: "[fd00::1]:40001", holders: [2] },
            { id: 3, namespace: 1, local: "[::]:40001", state: "LISTEN", holders: [1] },
            { id: 4, namespace: 1, local: "10.0.0.1:40001", remote: "10.0.0.2:40003", holders: [1] },
            { id: 5, namespace: 2, local: "10.0.0.2:40003", remote: "10.0.0.1:40001", holders: [2] },
          ],
        },
      ],
    ],
    expect: [
      "client fd00::2:40002 -> server fd00::1:40001 tcp cs listener",
      "client 10.0.0.2:40003 -> server 10.0.0.1:40001 tcp cs listener",
    ],
  },
  {
    name: "IPv4-mapped addresses are IPv4",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [
            {
              id: 1,
              namespace: 1,
              local: "[::ffff:10.0.0.1]:8080",
              remote: "[::ffff:10.0.0.2]:40003",
              holders: [1],
            },
            { id: 2, namespace: 2, local: "10.0.0.2:40003", remote: "10.0.0.1:8080", holders: [2] },
          ],
        },
      ],
    ],
    expect: ["client 10.0.0.2:40003 -> server 10.0.0.1:8080 tcp cs port"],
  },
  {
    name: "a listener that shows later turns the direction round",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [
            { id: 1, namespace: 1, local: "10.0.0.1:40000", remote: "10.0.0.2:80", holders: [1] },
            { id: 2, namespace: 2, local: "10.0.0.2:80", remote: "10.0.0.1:40000", holders: [2] },
          ],
        },
      ],
      [{ sockets: [{ id: 3, namespace: 1, local: "*:40000", state: "LISTEN", holders: [1] }] }],
    ],
    expect: ["client 10.0.0.2:80 -> server 10.0.0.1:40000 tcp cs listener"],
  },
  {
    name: "SYN_SENT tells the client whatever the ports say",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [
            { id: 1, local: "10.0.0.1:80", remote: "192.0.2.7:40000", state: "SYN_SENT", holders: [2] },
          ],
        },
      ],
    ],
    expect: ["client 10.0.0.1:80 -> external 192.0.2.7:40000 tcp c handshake"],
  },
  {
    name: "of several holders the youngest names a connection",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [{ id: 1, local: "10.0.0.9:40000", remote: "192.0.2.1:443", holders: [1, 3, 2] }],
        },
      ],
    ],
    expect: ["other 10.0.0.9:40000 -> external 192.0.2.1:443 tcp c port"],
  },
  {
    name: "an address that any namespace of the machine has is the node's, not external",
    reports: [
      [
        {
          keyframe: true,
          namespaces: [host, { ...namespaceOne, addresses: [Uint8Array.of(10, 0, 0, 1)] }],
          processes,
          sockets: [{ id: 1, local: "10.0.0.9:40000", remote: "10.0.0.1:443", holders: [2] }],
        },
      ],
    ],
    expect: ["client 10.0.0.9:40000 -> node 10.0.0.1:443 tcp c port"],
  },
]);
