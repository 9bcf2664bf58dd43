// How tables are described: plain data from which scripts/generate-tables.ts writes classes, the binding to
// reports and parts of the protos. Nothing imports a schema when a program runs.

/** What a column's elements are: unsigned and signed integers by their bits, and doubles. */
export type ElementType = "u8" | "u16" | "u32" | "i32" | "f64";

/** One column. */
export interface ColumnSchema {
  readonly name: string;
  readonly type: ElementType;
  /** Elements in a row; 1 by default. */
  readonly width?: number;
  /** What a cleared row has; 0 by default. */
  readonly empty?: number;
  /** Columns of one group are cleared and copied together by the table's methods. */
  readonly group?: string;
  /** What the column holds, as sentences. */
  readonly doc: string;
}

/** One column of a table that agents keep and reports carry. */
export interface ReportColumnSchema extends ColumnSchema {
  /** Field number in the table's message. A column without one stays with the agent. */
  readonly wire?: number;
  /**
   * Field number in the message of changes: a row that differs in this column is reported. Without one it
   * never changes.
   */
  readonly change?: number;
  /** Whether the aggregator's table has the column too. */
  readonly kept?: boolean;
  /** The field of a connection in which the query API answers with the column of its socket. */
  readonly answer?: AnswerSchema;
}

/** A field of query.proto's Connection. */
export interface AnswerSchema {
  readonly field: number;
  /** As in JSON. */
  readonly name: string;
  readonly doc: string;
}

/** A method that clears or copies the columns of some groups; "" stands for those without a group. */
export interface MethodSchema {
  readonly name: string;
  readonly does: "clear" | "copy";
  readonly groups: readonly string[];
  readonly doc: string;
}

/** A named limit of rows, with its arithmetic in the sentence. */
interface LimitSchema {
  readonly name: string;
  readonly rows: number;
  readonly doc: string;
}

/** A message of report.proto. */
export interface MessageSchema {
  readonly name: string;
  readonly doc: string;
  /** Fields of earlier versions, which must not be used again. */
  readonly reserved?: readonly (readonly [field: number, name: string])[];
}

/** A table that agents keep; reports carry it where it has a message. */
export interface ReportTableSchema {
  /** Of the class, which the file is named after. */
  readonly name: string;
  readonly doc: string;
  readonly limit: LimitSchema;
  /** Rows of a new table. */
  readonly firstRows: number;
  /** Whether append() takes the values of a row; else it makes room for one. */
  readonly appendsValues?: boolean;
  /** Whether rows are compared in the columns that change, each of which has one element in a row. */
  readonly comparesRows?: boolean;
  readonly columns: readonly ReportColumnSchema[];
  readonly methods?: readonly MethodSchema[];
  readonly message?: MessageSchema;
  readonly changeMessage?: MessageSchema;
  /** The column of addresses, four words each: on the wire as wide as the row's family asks for. */
  readonly addresses?: string;
}

/** One column of a table that the aggregator keeps. */
export interface ModelColumnSchema extends ColumnSchema {
  /**
   * How it grows (storage/capacity.ts): by copy where it is read again and again, in place where it is written
   * more.
   */
  readonly grows: "by copy" | "in place";
}

/** A table that the aggregator keeps: its columns are read by everyone and written by its subclass. */
export interface ModelTableSchema {
  /** Of the class, which the file is named after. */
  readonly name: string;
  readonly doc: string;
  readonly limit: LimitSchema;
  /** The table of reports that rows are copied from, for `methods` that copy. */
  readonly copiesFrom?: ReportTableSchema;
  readonly columns: readonly ModelColumnSchema[];
  readonly methods?: readonly MethodSchema[];
}

/** The aggregator's columns for those of a report's table that it keeps. */
export function keptColumns(
  { columns }: ReportTableSchema,
  grows: ModelColumnSchema["grows"],
): ModelColumnSchema[] {
  return columns.filter(({ kept }) => kept === true).map((column) => ({ ...column, grows }));
}
