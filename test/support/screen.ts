/** What a terminal shows after it was written to: enough of a VT100 for progress bars, colours and wrapped lines. */

// oxlint-disable-next-line no-control-regex -- these are what drives a terminal.
const SEQUENCE = /\u001B(?:\[([?\d;]*)([A-Za-z])|([78]))/y;

/** The lines of the screen and of what has scrolled off, without trailing blanks. */
export function screen(written: string, columns: number): string[] {
  const lines: string[][] = [[]];
  let [row, column] = [0, 0];
  let saved: [number, number] = [0, 0];
  let wraps = true;
  const line = (): string[] => {
    while (lines.length <= row) lines.push([]);
    return lines[row] ?? [];
  };
  const put = (character: string): void => {
    if (column >= columns) {
      if (!wraps) column = columns - 1;
      else [row, column] = [row + 1, 0];
    }
    const cells = line();
    while (cells.length < column) cells.push(" ");
    cells[column] = character;
    column += 1;
  };
  for (let at = 0; at < written.length; at += 1) {
    const character = written.charAt(at);
    if (character === "\u001B") {
      SEQUENCE.lastIndex = at;
      const [all = "", argument = "", command = "", saving = ""] = SEQUENCE.exec(written) ?? [];
      if (all === "") throw new Error(`unknown sequence: ${JSON.stringify(written.slice(at, at + 10))}`);
      at += all.length - 1;
      const number = Number(argument || 1);
      if (saving === "7" || command === "s") saved = [row, column];
      else if (saving === "8" || command === "u") [row, column] = saved;
      else if (command === "A") row = Math.max(0, row - number);
      else if (command === "B") row += number;
      else if (command === "G") column = number - 1;
      else if (command === "K") {
        if (argument === "" || argument === "0") line().length = Math.min(line().length, column);
        else if (argument === "2") line().length = 0;
        else line().fill(" ", 0, column + 1);
      } else if (argument === "?7") wraps = command === "h";
      else if (!["m", "h", "l"].includes(command)) throw new Error(`unknown sequence: ${JSON.stringify(all)}`);
    } else if (character === "\r") column = 0;
    else if (character === "\n") row += 1;
    else put(character);
  }
  return lines.map((cells) =>
    Array.from(cells, (cell) => cell ?? " ")
      .join("")
      .trimEnd(),
  );
}
