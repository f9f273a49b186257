/** Writes to a socket once per turn of the event loop: ioredis sends each command in a separate packet, which costs a system call. */
import type { Writable } from "node:stream";
import type { Cluster, Redis } from "ioredis";

/** @returns call it before a command is sent */
export function corkOf(client: Redis | Cluster): () => void {
  let corked: Writable | undefined;
  return () => {
    // Before that, a Redis may close the connection at once, and its reason is lost if the first command isn't sent.
    if (client.status !== "ready") return;
    // A Cluster has none; its nodes have. ioredis makes a new one for each connection.
    const stream = "stream" in client ? client.stream : undefined;
    if (!stream || stream === corked) return;
    corked = stream;
    stream.cork();
    setImmediate(() => {
      if (corked === stream) corked = undefined;
      stream.uncork();
    });
  };
}
