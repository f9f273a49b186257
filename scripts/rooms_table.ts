/**
 * The table of rooms in ARCHITECTURE.md. People write which rooms there are and what each is; its last column, what a room may
 * import, is written from the rule that test/house holds the sources to.
 */
import { COMPOSE, CORE, INNER, MAY, OPTIONS, SHARED } from "../test/house/rooms.ts";

const ROW = /^\| `([^`]+)` \| (.*) \|[^|]*\|$/gm;
const GROUPS: readonly (readonly [name: string, rooms: readonly string[]])[] = [
  ["the core", CORE],
  ["the inner rooms", INNER],
  ["what destinations share", SHARED],
  ["every destination's options", OPTIONS],
];

/** ARCHITECTURE.md with the last column as the rule has it. */
export function withImports(page: string): string {
  return page.replaceAll(ROW, (row, room: string, what: string) => {
    const allowed = MAY[room];
    const may = COMPOSE.includes(room) ? "everything" : allowed && imports(allowed);
    return may === undefined ? row : `| \`${room}\` | ${what} | ${may} |`;
  });
}

/** Rooms that only the table or only the rule has. */
export function roomProblems(page: string): string[] {
  const listed = new Set([...page.matchAll(ROW)].map(([, room = ""]) => room));
  const ruled = new Set([...Object.keys(MAY), ...COMPOSE]);
  return [
    ...[...ruled].filter((room) => !listed.has(room)).map((room) => `ARCHITECTURE.md has no row for ${room}`),
    ...[...listed]
      .filter((room) => !ruled.has(room))
      .map((room) => `ARCHITECTURE.md has a row for ${room}, which is no room`),
  ];
}

function imports(allowed: readonly string[]): string {
  let rest = [...allowed];
  const names: string[] = [];
  for (const [name, rooms] of GROUPS) {
    if (!rooms.every((room) => rest.includes(room))) continue;
    names.push(name);
    rest = rest.filter((room) => !rooms.includes(room));
  }
  return [...names, ...rest.map((room) => `\`${room.replace(/^src\//, "")}\``)].join(", ") || "nothing";
}
