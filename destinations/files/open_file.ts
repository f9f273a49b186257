import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

/** Opening a FIFO for reading would wait for a writer, and nothing could end that. */
const READ_ONLY = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Opens a file for reading, never through a link. Undefined for a folder, a FIFO or a device, which aren't waited for. */
export async function openFile(path: string): Promise<FileHandle | undefined> {
  const handle = await open(path, READ_ONLY);
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  return undefined;
}
