/** A user's stage over a bucket: files go to the bucket directly, and COPY reads them through the stage. */
import { S3Store } from "../store/s3_store.ts";
import type { LocalFile } from "../files/read_staged.ts";
import type { Store } from "../store/store.ts";
import { snowflake, sqlName } from "../sql/snowflake.ts";
import { schemaPath, type Names } from "./names.ts";
import { reaching } from "./ddl.ts";
import type { ExternalStage } from "./options.ts";
import type { OpenStage, Stage } from "./stage.ts";

export function externalStage(names: Names, { stage, bucket }: ExternalStage): OpenStage {
  return () => new BucketStage(new S3Store(bucket), names, stage);
}

/** On any store, for tests. */
export class BucketStage implements Stage {
  readonly grants: readonly string[];
  readonly #store: Store;
  readonly #path: string;

  constructor(store: Store, names: Names, stage: string) {
    this.#store = store;
    this.#path = `${schemaPath(names)}.${sqlName(stage)}`;
    this.grants = [...reaching(names, schemaPath(names)), `USAGE ON STAGE ${this.#path}`];
  }

  location(folder: string): string {
    return snowflake.string(`@${this.#path}/${folder}`);
  }

  async put(folder: string, name: string, file: LocalFile, signal: AbortSignal): Promise<void> {
    await this.#store.putFile(`${folder}${name}`, file, signal);
  }

  async list(folder: string, signal: AbortSignal): Promise<string[]> {
    const found = await Array.fromAsync(this.#store.list(folder, signal));
    return found.map(({ key }) => key);
  }

  async remove(folder: string, signal: AbortSignal): Promise<void> {
    await this.#store.delete(await this.list(folder, signal), signal);
    await this.#store.discard(await this.#store.unfinished(folder, signal), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
  }
}
