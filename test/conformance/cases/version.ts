import { hours } from "../batches.ts";
import type { Case } from "../harness.ts";
import { inWorld, leavesNothing, row, seesRows } from "../context.ts";

export const VERSION_CASES: readonly Case[] = [
  inWorld({
    name: "a newer version takes the place of an older one",
    async run(world) {
      const { batches, destination, signal } = world;
      await destination.load(await batches.batch(hours(0), [[row("a", 1), row("b", 1)]]), signal);
      await destination.load(await batches.batch(hours(1), [[row("a", 2)]]), signal);
      await seesRows(world, [row("a", 2), row("b", 1)]);
    },
  }),
  inWorld({
    name: "an older interval that is loaded late does not put an old row back",
    async run(world) {
      const { batches, destination, signal } = world;
      await destination.load(await batches.batch(hours(1), [[row("a", 2)]]), signal);
      await destination.load(await batches.batch(hours(0), [[row("a", 1), row("b", 1)]]), signal);
      await seesRows(world, [row("a", 2), row("b", 1)]);
    },
  }),
  inWorld({
    name: "a batch that was read before the one that is loaded does not put an old row back",
    async run(world) {
      const { batches, destination, signal } = world;
      const slow = await batches.batch(hours(0), [[row("a", 1)]]);
      await destination.load(await batches.batch(hours(0), [[row("a", 2)]]), signal);
      // It may reject, since its rows are of no use to anybody; what counts is what readers see.
      await destination.load(slow, signal).catch(() => undefined);
      await seesRows(world, [row("a", 2)]);
      await leavesNothing(world);
    },
  }),
  inWorld({
    name: "rows of the same version stay as they are",
    skip: ({ sameVersion }) =>
      sameVersion === "takes" ? "this destination reads the later load's rows; the next case shows it" : undefined,
    async run(world) {
      const { batches, destination, signal } = world;
      await destination.load(await batches.batch(hours(0), [[row("a", 1, 10)]]), signal);
      await destination.load(await batches.batch(hours(0), [[row("a", 1, 11)]]), signal);
      await seesRows(world, [row("a", 1, 10)]);
    },
  }),
  inWorld({
    name: "rows of the same version are replaced where the batch says so",
    async run(world) {
      const { batches, destination, signal } = world;
      await destination.load(await batches.batch(hours(0), [[row("a", 1, 10)]]), signal);
      await destination.load(await batches.batch(hours(0), [[row("a", 1, 11)]], { replace: true }), signal);
      await seesRows(world, [row("a", 1, 11)]);
      await destination.load(await batches.batch(hours(1), [[row("a", 1, 12)]], { replace: true }), signal);
      await seesRows(world, [row("a", 1, 12)]);
    },
  }),
  inWorld({
    name: "a batch that replaces does not put an older version back",
    async run(world) {
      const { batches, destination, signal } = world;
      await destination.load(await batches.batch(hours(1), [[row("a", 2)]]), signal);
      await destination.load(await batches.batch(hours(0), [[row("a", 1)]], { replace: true }), signal);
      await seesRows(world, [row("a", 2)]);
    },
  }),
];
