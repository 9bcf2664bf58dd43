import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Protocol } from "./protocols.ts";
import { flowStates, normalizeState, SocketState, stateWord, TcpFlowState } from "./states.ts";

describe("normalizeState", () => {
  const cases: ReadonlyArray<readonly [text: string, word: string | null]> = [
    ["established", "ESTABLISHED"],
    ["ESTAB", "ESTABLISHED"],
    ["time-wait", "TIME_WAIT"],
    ["Time_Wait", "TIME_WAIT"],
    ["fin-wait-1", "FIN_WAIT1"],
    ["fin-wait", "FIN_WAIT"],
    ["syn-sent2", "SYN_SENT2"],
    ["cookie-wait", "COOKIE_WAIT"],
    ["NEW_SYN_RECV", "SYN_RECV"],
    ["timewait", "TIMEWAIT"],
    ["10", null],
    ["", null],
    ["opened", null],
  ];
  for (const [text, word] of cases) {
    it(`${JSON.stringify(text)} is ${word}`, () => assert.equal(normalizeState(text), word));
  }

  it("finds every word that answers have", () => {
    const words = Object.values(SocketState).map(stateWord);
    for (const protocol of [Protocol.tcp, Protocol.sctp, Protocol.dccp]) words.push(...flowStates(protocol));
    for (const word of words) assert.equal(normalizeState(word.toLowerCase().replaceAll("_", "-")), word);
  });
});

describe("TcpFlowState", () => {
  it("numbers the words of TCP flows", () => {
    const spelled: Record<string, string> = { synReceived: "SYN_RECV", synSent2: "SYN_SENT2" };
    for (const [name, number] of Object.entries(TcpFlowState)) {
      const word = spelled[name] ?? name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
      assert.equal(flowStates(Protocol.tcp)[number], word);
    }
  });
});
