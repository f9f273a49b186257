import type { Flaw } from "../support/memory_destination.ts";

/** For each flaw, the cases that are there to find it. A flaw may fail others too, since promises lean on each other. */
export const WRONG: Readonly<Record<Flaw, readonly string[]>> = {
  "doubles rows on a second load": ["a batch that is loaded again has one receipt, and its rows once"],
  "shows each file as it comes": [
    "nothing of a load is visible before its end",
    "where the files fail midway, nothing is visible and nothing is left",
    "an abort midway rejects with its reason, and nothing is visible or left",
  ],
  "shows rows of a load that failed": [
    "where the files fail midway, nothing is visible and nothing is left",
    "where the files fail after the last one, nothing is visible and nothing is left",
    "an abort midway rejects with its reason, and nothing is visible or left",
  ],
  "forgets the receipt": ["the receipt that load gives is the one that the ledger holds"],
  "forgets the receipt of an empty batch": ["a batch without files has a receipt"],
  "writes the receipt before the data": [
    "where the files fail midway, nothing is visible and nothing is left",
    "nothing of a load is visible before its end",
  ],
  "is not empty at first": ["an empty place has no rows and no receipts"],
  "the first row wins": ["a newer version takes the place of an older one"],
  "a slow reading replaces its interval": [
    "a batch that was read before the one that is loaded does not put an old row back",
  ],
  "older overwrites newer": ["an older interval that is loaded late does not put an old row back"],
  "the first of two rows of one version stays": ["of two rows of the same version the one that was read later wins"],
  "the last of two rows of one version wins, whenever it was read": [
    "a row that was read earlier and arrives later does not replace one of the same version",
  ],
  "both of two attempts win": [
    "of two live attempts the one that was overtaken loses, with the remedy retry, and changes nothing",
    "of two attempts that commit at once exactly one wins",
  ],
  "loser gives up for ever": [
    "of two live attempts the one that was overtaken loses, with the remedy retry, and changes nothing",
  ],
  "loser never loads again": ["an attempt that lost goes through when it is made again"],
  "loser removes the winner's rows": [
    "of two live attempts the one that was overtaken loses, with the remedy retry, and changes nothing",
    "of two attempts that commit at once exactly one wins",
  ],
  "leaves staged rows after a failure": ["where the files fail midway, nothing is visible and nothing is left"],
  "leaves what a dead attempt staged": ["what a dead attempt left is removed by the next load of the batch"],
  "hides the reason of an abort": ["an abort midway rejects with its reason, and nothing is visible or left"],
  "hides the error of the files": ["where the files fail midway, nothing is visible and nothing is left"],
  "covering batch leaves old receipts": [
    "a batch that covers others takes their place in the ledger, and no row is lost",
  ],
  "covering batch removes receipts that it only overlaps": [
    "batches that touch a covering one, or overlap it in part, keep their receipts",
  ],
  "unordered receipts": ["receipts come by start, whatever the order of the loads"],
  "receipts of other ranges": ["a range gives the receipts that overlap it, and no others"],
  "misses receipts that begin before the range": ["a range gives the receipts that overlap it, and no others"],
  "covered differs from receipts": ["a batch without files has a receipt"],
  "receipts live in the worker only": ["another worker sees the receipt"],
  "loads only the last file": ["all files of a batch are loaded, and the receipt counts them"],
  "releases a file before it has read it": ["all files of a batch are loaded, and the receipt counts them"],
  "keeps all files of a batch on the local disk": ["files leave the local disk while the load goes on"],
  "counts no rows": ["all files of a batch are loaded, and the receipt counts them"],
  "believes the counts of the stage": ["a file with other rows than were staged is refused"],
  "loads a part of a cut file": ["a staged file that was cut on the local disk is refused"],
  "commits at another time than it says": ["the ledger says when a batch was committed, and a later load later"],
  "keeps the first receipt of a batch": ["a batch that is loaded again has one receipt, and its rows once"],
  "writes the password into the receipt": ["no secret is in the ledger or in the destination's name"],
  "check writes nothing": ["check rejects, with a hint, where a load could not work"],
  "check leaves its probe": ["check passes on an empty place and leaves nothing behind"],
  "check removes what was loaded": ["check changes nothing of what was loaded"],
  "drops the rows that a reload lacks": ["rows that a reload lacks stay"],
  "drops the rows that a covering batch lacks": ["rows that a covering batch lacks stay, and so do newer ones"],
  "locks out other intervals": ["loads of different intervals do not disturb each other"],
};
