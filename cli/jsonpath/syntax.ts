// What a JSONPath template of kubectl consists of, and the errors in one.
// https://kubernetes.io/docs/reference/kubectl/jsonpath/

/** One step of a path: takes a list of values to a list of values. */
export type Step =
  | { readonly step: "field"; readonly name: string }
  | { readonly step: "all" }
  | { readonly step: "descend" }
  | {
      readonly step: "slice";
      readonly from: number | null;
      readonly to: number | null;
      readonly by: number | null;
    }
  | { readonly step: "index"; readonly index: number }
  | { readonly step: "union"; readonly paths: readonly Path[] }
  | { readonly step: "filter"; readonly left: Path; readonly operator: Operator; readonly right: Path }
  | { readonly step: "exists"; readonly path: Path }
  | { readonly step: "literal"; readonly value: string | number | boolean };

/** A path: its steps, one after the other. */
export type Path = readonly Step[];

/** The operators of filters. */
export const operators = ["==", "!=", "<=", ">=", "=~", "<", ">"] as const;
/** An operator of filters. */
export type Operator = (typeof operators)[number];

/** One part of a template. */
export type Part =
  | { readonly part: "text"; readonly text: string }
  | { readonly part: "path"; readonly path: Path }
  | { readonly part: "range"; readonly path: Path; readonly body: Template };

/** A template: text and expressions. */
export type Template = readonly Part[];

/** A template or path that does not fit the data. The message is a sentence. */
export class JsonPathMismatch extends Error {
  override readonly name = "JsonPathMismatch";
}

/** A template or path that cannot be read; the message is the end of a sentence. */
export class JsonPathSyntaxError extends Error {
  override readonly name = "JsonPathSyntaxError";
}
