// A small API server over HTTP for tests: it has some objects by their paths, lists them, and refuses what a user
// may not read.

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A running API server; each field may be changed while it runs. */
export interface ApiServer extends AsyncDisposable {
  readonly url: string;
  /** A kubeconfig for it, whose context is in the namespace shop. */
  readonly kubeconfig: string;
  forbidden: (path: string) => boolean;
  /** Whether it never answers. */
  silent: boolean;
}

const objectPath = /^(.*?)(?:\/namespaces\/([^/]+))?\/([a-z]+)\/([^/]+)$/;
const requestPath = /^(\/apis?\/[a-z0-9/]*?v1)(?:\/namespaces\/([^/]+))?\/([a-z]+)(?:\/([^/]+))?$/;

/** Starts it with the objects of these paths. */
export async function startApiServer(objects: readonly string[]): Promise<ApiServer> {
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, "http://x");
    const send = (status: number, body: object): void => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    if (api.silent) return;
    if (api.forbidden(pathname)) return send(403, { kind: "Status", message: "not yours" });
    if (objects.includes(pathname)) return send(200, {});
    const [, group, namespace, plural, name] = requestPath.exec(pathname) ?? [];
    if (name !== undefined || group === undefined) return send(404, { kind: "Status", message: "not found" });
    const wanted = searchParams.get("fieldSelector")?.replace("metadata.name=", "");
    const items = objects.flatMap((path) => {
      const [, itsGroup, itsNamespace, itsPlural, itsName] = objectPath.exec(path)!;
      const fits =
        itsGroup === group &&
        itsPlural === plural &&
        (namespace === undefined || itsNamespace === namespace) &&
        (wanted === undefined || itsName === wanted);
      return fits ? [{ metadata: { name: itsName, namespace: itsNamespace } }] : [];
    });
    return send(200, { items });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const api: ApiServer = {
    url,
    kubeconfig: `{apiVersion: v1, kind: Config, current-context: c, clusters: [{name: c, cluster: {server: "${url}", insecure-skip-tls-verify: true}}],
      users: [{name: c, user: {}}], contexts: [{name: c, context: {cluster: c, user: c, namespace: shop}}]}`,
    forbidden: () => false,
    silent: false,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return api;
}
