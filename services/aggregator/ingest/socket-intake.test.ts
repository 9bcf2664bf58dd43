// Which sockets continue and which are new when sockets change, disappear and appear.

import { all, namespaceOne, namespaceTwo, processes, testJoins } from "../testing/join-cases.ts";

testJoins([
  {
    name: "ESTABLISHED that becomes TIME_WAIT without inode under another id goes on with its process",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [{ id: 1, local: "10.0.0.9:40000", remote: "192.0.2.1:443", holders: [2] }],
        },
      ],
      [
        {
          sockets: [
            { id: 2, local: "10.0.0.9:40000", remote: "192.0.2.1:443", state: "TIME_WAIT", inode: 0 },
          ],
          removed: [1],
        },
      ],
    ],
    expect: ["client 10.0.0.9:40000 -> external 192.0.2.1:443 tcp c port closed"],
  },
  {
    name: "TIME_WAIT that appears in a later report than the removal still is the same connection",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [{ id: 1, local: "10.0.0.9:40000", remote: "192.0.2.1:443", holders: [2] }],
        },
      ],
      [{ removed: [1] }],
      [
        {
          sockets: [
            { id: 2, local: "10.0.0.9:40000", remote: "192.0.2.1:443", state: "TIME_WAIT", inode: 0 },
          ],
        },
      ],
    ],
    expect: ["client 10.0.0.9:40000 -> external 192.0.2.1:443 tcp c port closed"],
  },
  {
    name: "a connection that waits in the accept queue gets its holder when it is accepted",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [
            { id: 1, local: "10.0.0.9:8080", remote: "192.0.2.1:40000", inode: 0 },
            { id: 2, local: "*:8080", state: "LISTEN", holders: [1] },
          ],
        },
      ],
      [
        {
          sockets: [{ id: 3, local: "10.0.0.9:8080", remote: "192.0.2.1:40000", holders: [1] }],
          removed: [1],
        },
      ],
    ],
    expect: ["external 192.0.2.1:40000 -> server 10.0.0.9:8080 tcp s listener"],
  },
  {
    name: "a port used again is another connection",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [
            { id: 1, local: "10.0.0.9:40000", remote: "192.0.2.1:443", state: "TIME_WAIT", inode: 0 },
          ],
        },
      ],
      [
        {
          sockets: [{ id: 2, local: "10.0.0.9:40000", remote: "192.0.2.1:443", holders: [2] }],
          removed: [1],
        },
      ],
    ],
    expect: [
      "process 10.0.0.9:40000 -> external 192.0.2.1:443 tcp c port closed",
      "client 10.0.0.9:40000 -> external 192.0.2.1:443 tcp c port",
    ],
  },
  {
    name: "a port used again by a change under the same id is another connection",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [
            { id: 1, local: "10.0.0.9:40000", remote: "192.0.2.1:443", state: "TIME_WAIT", inode: 0 },
          ],
        },
      ],
      [{ changes: [{ id: 1, state: "ESTABLISHED", inode: 77 }] }],
    ],
    expect: [
      "process 10.0.0.9:40000 -> external 192.0.2.1:443 tcp c port closed",
      "process 10.0.0.9:40000 -> external 192.0.2.1:443 tcp c port",
    ],
  },
  {
    name: "a port used again at both ends: two connections, each with both ends",
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
              local: "10.0.0.1:8080",
              remote: "10.0.0.2:40000",
              state: "TIME_WAIT",
              inode: 0,
            },
            {
              id: 2,
              namespace: 2,
              local: "10.0.0.2:40000",
              remote: "10.0.0.1:8080",
              inode: 50,
              holders: [2],
            },
          ],
        },
      ],
      [
        {
          sockets: [
            {
              id: 3,
              namespace: 2,
              local: "10.0.0.2:40000",
              remote: "10.0.0.1:8080",
              inode: 51,
              holders: [3],
            },
            {
              id: 4,
              namespace: 1,
              local: "10.0.0.1:8080",
              remote: "10.0.0.2:40000",
              inode: 52,
              holders: [1],
            },
          ],
          removed: [1, 2],
        },
      ],
    ],
    expect: [
      "client 10.0.0.2:40000 -> process 10.0.0.1:8080 tcp cs port closed",
      "other 10.0.0.2:40000 -> server 10.0.0.1:8080 tcp cs port",
    ],
  },
  {
    name: "a keyframe replaces: what it does not name has ended, what it names goes on, once",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [
            { id: 1, local: "10.0.0.9:40000", remote: "192.0.2.1:443", holders: [2] },
            { id: 2, local: "10.0.0.9:40001", remote: "192.0.2.1:443", holders: [2] },
          ],
        },
      ],
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [{ id: 2, local: "10.0.0.9:40001", remote: "192.0.2.1:443", holders: [2] }],
        },
      ],
    ],
    expect: [
      "client 10.0.0.9:40000 -> external 192.0.2.1:443 tcp c port closed",
      "client 10.0.0.9:40001 -> external 192.0.2.1:443 tcp c port",
    ],
  },
  {
    name: "both sides first seen when closed already are one connection",
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
              local: "10.0.0.1:80",
              remote: "10.0.0.2:40000",
              state: "TIME_WAIT",
              inode: 0,
            },
            {
              id: 2,
              namespace: 2,
              local: "10.0.0.2:40000",
              remote: "10.0.0.1:80",
              state: "TIME_WAIT",
              inode: 0,
            },
          ],
        },
      ],
    ],
    expect: ["process 10.0.0.2:40000 -> process 10.0.0.1:80 tcp cs port closed"],
  },
  {
    name: "a client that was gone before its server's node reported still joins",
    reports: [
      [
        {
          keyframe: true,
          namespaces: [namespaceTwo],
          processes,
          sockets: [{ id: 1, namespace: 2, local: "10.0.0.2:40000", remote: "10.0.1.1:80", holders: [2] }],
        },
        "a",
      ],
      [{ removed: [1] }, "a"],
      [
        {
          keyframe: true,
          namespaces: [namespaceOne],
          processes,
          sockets: [
            {
              id: 1,
              namespace: 1,
              local: "10.0.1.1:80",
              remote: "10.0.0.2:40000",
              state: "TIME_WAIT",
              inode: 0,
            },
          ],
        },
        "b",
      ],
    ],
    expect: ["client 10.0.0.2:40000 -> process 10.0.1.1:80 tcp cs port closed"],
  },
  {
    name: "a port used again before accept(): both entries without inode, and still two connections",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [
            { id: 1, local: "10.0.0.9:8080", remote: "192.0.2.1:40000", state: "TIME_WAIT", inode: 0 },
            { id: 2, local: "*:8080", state: "LISTEN", holders: [1] },
          ],
        },
      ],
      [{ changes: [{ id: 1, state: "SYN_RECV", inode: 0 }] }],
    ],
    expect: [
      "external 192.0.2.1:40000 -> process 10.0.0.9:8080 tcp s listener closed",
      "external 192.0.2.1:40000 -> process 10.0.0.9:8080 tcp s handshake",
    ],
  },
  {
    name: "a listener that is gone has still told who the server is",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          sockets: [
            { id: 1, namespace: 1, local: "10.0.0.1:40000", remote: "10.0.0.2:80", holders: [1] },
            { id: 2, namespace: 2, local: "10.0.0.2:80", remote: "10.0.0.1:40000", holders: [2] },
            { id: 3, namespace: 1, local: "*:40000", state: "LISTEN", holders: [1] },
          ],
        },
      ],
      [{ removed: [3] }],
      [{ changes: [{ id: 1, state: "CLOSE_WAIT", inode: 1001 }] }],
    ],
    expect: ["client 10.0.0.2:80 -> server 10.0.0.1:40000 tcp cs listener"],
  },
]);
