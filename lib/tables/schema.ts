// Table schemas: plain data from which scripts/generate-tables.ts generates classes, the mapping to reports
// and parts of the protos. No program imports a schema at run time.

/** Element types of columns: unsigned and signed integers by width, and doubles. */
export type ElementType = "u8" | "u16" | "u32" | "i32" | "f64";

/** One column. */
export interface ColumnSchema {
  readonly name: string;
  readonly type: ElementType;
  /** Elements per row; 1 by default. */
  readonly width?: number;
  /** Value in a cleared row; 0 by default. */
  readonly empty?: number;
  /** Columns of one group are cleared and copied together by the table's methods. */
  readonly group?: string;
  /** What the column holds, in sentences. */
  readonly doc: string;
}

/** One column of a table that agents keep and reports carry. */
export interface ReportColumnSchema extends ColumnSchema {
  /** Field number in the table's message. A column without one stays in the agent. */
  readonly wire?: number;
  /**
   * Field number in the message of changes: a difference in this column is reported. A column without one
   * never changes.
   */
  readonly change?: number;
  /** Whether the aggregator's table has the column too. */
  readonly kept?: boolean;
  /** The field of a connection in which the query API returns this column of its socket. */
  readonly answer?: AnswerSchema;
}

/** A field of query.proto's Connection. */
export interface AnswerSchema {
  readonly field: number;
  /** As in JSON. */
  readonly name: string;
  readonly doc: string;
}

/** A method that clears or copies the columns of some groups; "" means those without a group. */
export interface MethodSchema {
  readonly name: string;
  readonly does: "clear" | "copy";
  readonly groups: readonly string[];
  readonly doc: string;
}

/** A named limit of rows; its sentence has the arithmetic. */
interface LimitSchema {
  readonly name: string;
  readonly rows: number;
  readonly doc: string;
}

/** A message of report.proto. */
export interface MessageSchema {
  readonly name: string;
  readonly doc: string;
  /** Fields of earlier versions, which must not be reused. */
  readonly reserved?: readonly (readonly [field: number, name: string])[];
}

/** A table that agents keep; reports carry it if it has a message. */
export interface ReportTableSchema {
  /** Name of the class; the file is named after it. */
  readonly name: string;
  readonly doc: string;
  readonly limit: LimitSchema;
  /** Initial capacity in rows. */
  readonly firstRows: number;
  /** Whether append() takes the values of a row; otherwise it only makes room for one. */
  readonly appendsValues?: boolean;
  /**
   * Whether to generate a comparison of rows in the columns that change, each of which has one element per
   * row.
   */
  readonly comparesRows?: boolean;
  readonly columns: readonly ReportColumnSchema[];
  readonly methods?: readonly MethodSchema[];
  readonly message?: MessageSchema;
  readonly changeMessage?: MessageSchema;
  /** The column of addresses, four words each; the row's family determines their width on the wire. */
  readonly addresses?: string;
}

/** One column of a table that the aggregator keeps. */
export interface ModelColumnSchema extends ColumnSchema {
  /**
   * How the column grows (storage/capacity.ts): by copy if it is mostly read, in place if it is mostly
   * written.
   */
  readonly grows: "by copy" | "in place";
}

/** A table that the aggregator keeps: everyone reads its columns, only its subclass writes them. */
export interface ModelTableSchema {
  /** Name of the class; the file is named after it. */
  readonly name: string;
  readonly doc: string;
  readonly limit: LimitSchema;
  /** The report table from which `methods` that copy take their rows. */
  readonly copiesFrom?: ReportTableSchema;
  readonly columns: readonly ModelColumnSchema[];
  readonly methods?: readonly MethodSchema[];
}

/** Returns the aggregator's columns for the columns of a report's table that it keeps. */
export function keptColumns(
  { columns }: ReportTableSchema,
  grows: ModelColumnSchema["grows"],
): ModelColumnSchema[] {
  return columns.filter(({ kept }) => kept === true).map((column) => ({ ...column, grows }));
}
