// What can go wrong between a program and the Kubernetes API, told apart by a code that callers decide by and
// in sentences that name the verb, the resource and what to do.

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

/** The error for an HTTP answer: `message` is the Status object's where the server sent one. */
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

/** Any thrown value as a KubernetesError; what is none yet came from the network below HTTP. */
export function asKubernetesError(error: unknown, server: string): KubernetesError {
  if (error instanceof KubernetesError) return error;
  return new KubernetesError("unreachable", `cannot reach the API server ${server}: ${reasonOf(error)}`, {
    cause: error,
  });
}

// A refused connection to a name with several addresses comes as an AggregateError without a message of its
// own.
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}
