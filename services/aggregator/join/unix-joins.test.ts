// Unix sockets.

import { all, processes, testJoins } from "./join-cases-for-tests.ts";

testJoins([
  {
    name: "a stream pair of unix sockets across namespaces: the end with the path is the server",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          family: [
            { id: 1, namespace: 1, family: 1, type: 1, state: 1, inode: 70, peerInode: 71, holders: [2] },
            {
              id: 2,
              namespace: 0,
              family: 1,
              type: 1,
              state: 1,
              inode: 71,
              peerInode: 70,
              path: "/run/x",
              holders: [1],
            },
            { id: 3, namespace: 0, family: 1, type: 1, state: 10, inode: 72, path: "/run/x", holders: [1] },
          ],
        },
      ],
    ],
    expect: ["client -> server unix cs /run/x listener"],
  },
  {
    name: "without known peers the end with the path is a server with an unknown client",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          family: [
            { id: 1, family: 1, type: 1, state: 1, inode: 70, holders: [2] },
            { id: 2, family: 1, type: 1, state: 1, inode: 71, path: "/run/x", holders: [1] },
          ],
        },
      ],
    ],
    expect: ["client -> unknown unix c guess", "unknown -> server unix s /run/x listener"],
  },
  {
    name: "datagram unix sockets that are connected to one server share it",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          family: [
            { id: 1, family: 1, type: 2, state: 1, inode: 70, peerInode: 72, holders: [2] },
            { id: 2, family: 1, type: 2, state: 1, inode: 71, peerInode: 72, holders: [3] },
            { id: 3, family: 1, type: 2, state: 7, inode: 72, path: "/dev/log", holders: [1] },
          ],
        },
      ],
    ],
    expect: ["client -> server unix cs /dev/log listener", "other -> server unix cs /dev/log listener"],
  },
  {
    name: "a unix peer that shows later joins then",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          family: [
            { id: 1, family: 1, type: 1, state: 1, inode: 70, holders: [2] },
            { id: 2, family: 1, type: 1, state: 1, inode: 71, path: "/run/x", holders: [1] },
          ],
        },
      ],
      [
        {
          family: [
            { id: 1, family: 1, type: 1, state: 1, inode: 70, peerInode: 71 },
            { id: 2, family: 1, type: 1, state: 1, inode: 71, peerInode: 70, path: "/run/x" },
          ],
        },
      ],
    ],
    expect: ["client -> server unix cs /run/x listener"],
  },
]);
