// UDP and raw sockets.

import {
  all,
  host,
  namespaceOne,
  namespaceTwo,
  namespaceThree,
  processes,
  testJoins,
} from "../testing/join-cases.ts";

testJoins([
  {
    name: "two connected UDP sockets are one connection",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [
            {
              id: 1,
              protocol: "udp",
              namespace: 1,
              local: "10.0.0.1:53",
              remote: "10.0.0.2:40003",
              holders: [1],
            },
            {
              id: 2,
              protocol: "udp",
              namespace: 2,
              local: "10.0.0.2:40003",
              remote: "10.0.0.1:53",
              holders: [2],
            },
          ],
        },
      ],
    ],
    expect: ["client 10.0.0.2:40003 -> server 10.0.0.1:53 udp cs port"],
  },
  {
    name: "several UDP clients share the server's unconnected socket, in one namespace over loopback",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [
            { id: 1, protocol: "udp", local: "127.0.0.1:40001", remote: "127.0.0.1:53", holders: [2] },
            { id: 2, protocol: "udp", local: "127.0.0.1:40002", remote: "127.0.0.1:53", holders: [3] },
            { id: 3, protocol: "udp", local: "*:53", state: "CLOSE", holders: [1] },
          ],
        },
      ],
    ],
    expect: [
      "client 127.0.0.1:40001 -> server 127.0.0.1:53 udp cs listener",
      "other 127.0.0.1:40002 -> server 127.0.0.1:53 udp cs listener",
    ],
  },
  {
    name: "a UDP client joins the server's unconnected socket in the namespace that has the address",
    reports: [
      [
        {
          keyframe: true,
          namespaces: [
            host,
            { ...namespaceOne, addresses: [Uint8Array.of(10, 0, 0, 1)] },
            namespaceTwo,
            namespaceThree,
          ],
          processes,
          sockets: [
            {
              id: 1,
              protocol: "udp",
              namespace: 2,
              local: "10.0.0.2:40001",
              remote: "10.0.0.1:53",
              holders: [2],
            },
            { id: 2, protocol: "udp", namespace: 1, local: "[::]:53", state: "CLOSE", holders: [1] },
            { id: 3, protocol: "udp", namespace: 3, local: "*:53", state: "CLOSE", holders: [3] },
          ],
        },
      ],
    ],
    expect: ["client 10.0.0.2:40001 -> server 10.0.0.1:53 udp cs listener"],
  },
  {
    name: "a UDP server that comes later is joined then, and one that restarts is joined anew",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [
            { id: 1, protocol: "udp", local: "127.0.0.1:40001", remote: "127.0.0.1:53", holders: [2] },
          ],
        },
      ],
      [{ sockets: [{ id: 2, protocol: "udp", local: "127.0.0.1:53", state: "CLOSE", holders: [1] }] }],
      [
        {
          sockets: [{ id: 3, protocol: "udp", local: "127.0.0.1:53", state: "CLOSE", holders: [3] }],
          removed: [2],
        },
      ],
    ],
    expect: ["client 127.0.0.1:40001 -> other 127.0.0.1:53 udp cs listener"],
  },
  {
    name: "a raw socket that is connected joins with its mirror",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [
            {
              id: 1,
              protocol: "raw",
              namespace: 1,
              local: "10.0.0.1:89",
              remote: "10.0.0.2:0",
              holders: [1],
            },
            {
              id: 2,
              protocol: "raw",
              namespace: 2,
              local: "10.0.0.2:89",
              remote: "10.0.0.1:0",
              holders: [2],
            },
          ],
        },
      ],
    ],
    expect: ["server 10.0.0.1:89 -> client 10.0.0.2:89 raw cs guess"],
  },
  {
    name: "a client that came and went within one report is joined with the listener",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [
            { id: 1, protocol: "udp", namespace: 1, local: "10.0.0.1:53", state: "CLOSE", holders: [1] },
          ],
        },
      ],
      [
        {
          sockets: [
            {
              id: 2,
              protocol: "udp",
              namespace: 2,
              local: "10.0.0.2:40003",
              remote: "10.0.0.1:53",
              holders: [2],
            },
          ],
          removed: [2],
        },
      ],
    ],
    expect: ["client 10.0.0.2:40003 -> server 10.0.0.1:53 udp cs listener closed"],
  },
]);
