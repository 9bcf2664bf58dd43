// Errors between a program and the Kubernetes API: a code that callers can branch on, and a sentence that
// names the verb, the resource and what to do.

/** Why a call to the API failed. */
type KubernetesErrorCode =
  | "no-config"
  | "unreachable"
  | "unauthorized"
  | "forbidden"
  | "not-found"
  | "gone"
  | "overloaded"
  | "unexpected";

/** A failed call to the API. */
export class KubernetesError extends Error {
  readonly code: KubernetesErrorCode;

  constructor(code: KubernetesErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "KubernetesError";
    this.code = code;
  }
}

/** Returns the error for an HTTP response; `message` is that of the Status object if the server sent one. */
export function errorOfStatus(status: number, message: string): KubernetesError {
  return new KubernetesError(
    codeOfStatus(status),
    message === "" ? `the API server answered ${status}` : message,
  );
}

function codeOfStatus(status: number): KubernetesErrorCode {
  switch (status) {
    case 401:
      return "unauthorized";
    case 403:
      return "forbidden";
    case 404:
      return "not-found";
    case 410:
      return "gone";
    case 429:
    case 503:
    case 504:
      return "overloaded";
    default:
      return "unexpected";
  }
}

/** Converts any thrown value to a KubernetesError; other errors come from the network below HTTP. */
export function asKubernetesError(error: unknown, server: string): KubernetesError {
  if (error instanceof KubernetesError) return error;
  return new KubernetesError("unreachable", `cannot reach the API server ${server}: ${reasonOf(error)}`, {
    cause: error,
  });
}

// A refused connection to a name with several addresses is an AggregateError without a message of its own.
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}
