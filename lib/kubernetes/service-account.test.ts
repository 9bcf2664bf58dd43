import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { RequestOptions } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

import { KubernetesError } from "./kubernetes-error.ts";
import { hasServiceAccount, ServiceAccountAccess } from "./service-account.ts";

const environment = { KUBERNETES_SERVICE_HOST: "10.96.0.1", KUBERNETES_SERVICE_PORT: "6443" };

test("a pod's service account has the server, the authority and the current token", async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), "whotalks-account-"));
  t.after(() => rmSync(directory, { recursive: true }));
  assert.equal(hasServiceAccount(environment, directory), false);
  writeFileSync(path.join(directory, "ca.crt"), "authority");
  for (const token of ["first", "second"]) {
    writeFileSync(path.join(directory, "token"), `${token}\n`);
    const access = new ServiceAccountAccess(environment, directory);
    const options: RequestOptions = {};
    await access.applyToHTTPSOptions(options);
    assert.equal(access.getCurrentCluster().server, "https://10.96.0.1:6443");
    assert.equal(String(options.ca as Buffer), "authority");
    assert.deepEqual(options.headers, { authorization: `Bearer ${token}` });
  }
  assert.equal(hasServiceAccount(environment, directory), true);
  assert.equal(hasServiceAccount({}, directory), false);
});

test("an IPv6 address is put into brackets", () => {
  const access = new ServiceAccountAccess({ KUBERNETES_SERVICE_HOST: "fd00::1" });
  assert.equal(access.getCurrentCluster().server, "https://[fd00::1]:443");
});

test("files that are not there are said to be", async () => {
  const access = new ServiceAccountAccess(environment, "/nonexistent");
  await assert.rejects(access.applyToHTTPSOptions({}), (error) => error instanceof KubernetesError);
});
