import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { CLASS_FIELDS_MAX, FOLDER_FILES_MAX, largeClasses, rooms, writers, writingRooms } from "./borders.ts";
import { classFields } from "./class-fields.ts";

const root = path.join(import.meta.dirname, "../..");
const productFiles = globSync("{lib,services,cli}/**/*.ts", { cwd: root }).filter(
  (file) => !file.endsWith(".test.ts") && !file.includes("/testing/"),
);

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

function importsOf(file: string): Import[] {
  const text = readFileSync(path.join(root, file), "utf8");
  const statements = text.matchAll(/^(import type|import|export)\b[^;]*?\bfrom "(\.[^"]+)";/gm);
  const dynamic = text.matchAll(/(import)\("(\.[^"]+)"\)/g);
  return [...statements, ...dynamic].map((found) => ({
    from: file,
    to: path.normalize(path.join(path.dirname(file), found[2]!)),
    typeOnly: found[1] === "import type",
  }));
}

function roomOf(file: string): string {
  const room = rooms.find((each) => file === each.path || file.startsWith(`${each.path}/`));
  return room?.path ?? file;
}

function mayImport(from: string, to: string): boolean {
  const own = roomOf(from);
  const other = roomOf(to);
  if (own === other || other === "lib") return true;
  const allowed = rooms.find((each) => each.path === own)?.imports ?? [];
  return allowed.some((each) => to === each || roomOf(to) === each);
}

const imports = productFiles.flatMap(importsOf);

function isUsed(room: string, permitted: string): boolean {
  return imports.some(
    ({ from, to }) => roomOf(from) === room && (to === permitted || roomOf(to) === permitted),
  );
}

test("the test sees the imports of every room", () => {
  assert.ok(productFiles.length > 300, `${productFiles.length} files`);
  for (const { path: room, imports: permitted } of rooms) {
    const isLeaf = permitted.length === 0;
    assert.ok(isLeaf || imports.some(({ from }) => roomOf(from) === room), `nothing is imported in ${room}`);
  }
});

test("rooms import only the rooms that the table names", () => {
  const wrong = imports.filter(({ from, to }) => !mayImport(from, to));
  assert.deepEqual(
    wrong.map(({ from, to }) => `${from} imports ${to}`),
    [],
  );
});

test("every permission of the table is used", () => {
  const unused = rooms
    .filter(({ path: room }) => !/^(services\/[a-z-]+|cli|lib)$/.test(room) && !room.endsWith(".ts"))
    .flatMap(({ path: room, imports: permitted }) =>
      permitted.filter((each) => !isUsed(room, each)).map((each) => `${room} may import ${each}`),
    )
    .filter((each) => !/(observation|agent-parts)\.ts$/.test(each));
  assert.deepEqual(unused, []);
});

test("product code imports no test and no helper of tests", () => {
  const wrong = imports.filter(({ to }) => to.includes("/testing/") || to.endsWith(".test.ts"));
  assert.deepEqual(wrong, []);
});

test("only ingest and apply import what writes the aggregator's tables; others import types of it", () => {
  const wrong = imports.filter(
    ({ from, to, typeOnly }) => writers.test(to) && !typeOnly && !writingRooms.includes(roomOf(from)),
  );
  assert.deepEqual(
    wrong.map(({ from, to }) => `${from} imports ${to}`),
    [],
  );
});

test(`no folder has more than ${FOLDER_FILES_MAX} product files`, () => {
  const counts = new Map<string, number>();
  for (const file of productFiles.filter((each) => !/(^|\/)gen\//.test(each))) {
    const folder = path.dirname(file);
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  assert.deepEqual(
    [...counts].filter(([, count]) => count > FOLDER_FILES_MAX),
    [],
  );
});

test(`no class has more than ${CLASS_FIELDS_MAX} fields that are not columns`, () => {
  const classes = productFiles
    .filter((file) => !/(^|\/)gen\//.test(file))
    .flatMap((file) => classFields(readFileSync(path.join(root, file), "utf8")));
  assert.ok(classes.length > 150, `${classes.length} classes`);
  const large = classes.filter(({ fields }) => fields.length > CLASS_FIELDS_MAX);
  assert.deepEqual(
    large
      .filter(({ name }) => !(name in largeClasses))
      .map(({ name, fields }) => `${name}: ${fields.join(" ")}`),
    [],
  );
  const excused = large.map(({ name }) => name).filter((name) => name in largeClasses);
  assert.deepEqual(excused.toSorted(), Object.keys(largeClasses).toSorted());
});

test("columns, statics, methods and accessors are not counted as fields", () => {
  const text = `
export class Table<Row> extends Other {
  static readonly shared = new Table();
  readonly capacity: number;
  size = 0;
  protected override name?: string;
  #rows: Map<
    number,
    string
  > = new Map();
  #id = new Uint32Array(4);
  readonly #place: Float64Array<ArrayBuffer>;
  readonly #take = (row: number): void => {
    this.size = row;
  };

  get length(): number {
    return this.size;
  }
  async #run(): Promise<void> {}
}
const size = 1;
class Empty {}
`;
  assert.deepEqual(classFields(text), [
    { name: "Table", fields: ["capacity", "size", "name", "#rows", "#take"] },
  ]);
});

test("ARCHITECTURE shows the same table", () => {
  const text = readFileSync(path.join(root, "ARCHITECTURE.md"), "utf8");
  const shown = text
    .split("\n")
    .filter((line) => /^\| `(lib|services|cli)[^|]*` \|/.test(line) && line.split("|").length === 4);
  const expected = rooms.map(({ path: room, imports: permitted }) => {
    const list = permitted.map((each) => `\`${each}\``).join(", ");
    return `| \`${room}\` | ${list === "" ? "–" : list} |`;
  });
  const inBorders = shown.slice(-expected.length);
  assert.deepEqual(inBorders, expected, `write into ARCHITECTURE.md, under Borders:\n${expected.join("\n")}`);
});
