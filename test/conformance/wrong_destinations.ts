import type { Flaw } from "../support/memory_destination.ts";

/** For each flaw, the cases that are there to find it. A flaw may fail others too, since promises lean on each other. */
export const WRONG: Readonly<Record<Flaw, readonly string[]>> = {
  "counts another day": ["groups count and sum the current rows by day and bucket, as MD5 says"],
  "sums what it does not have": [
    "groups count and sum the current rows by day and bucket, as MD5 says",
    "rows of one day and bucket are one group, however many there are",
    "ids with quotes, line breaks and other letters have the same checksum and are found",
  ],
  "counts rows of before the range": ["groups leave out rows that began before the range, and other teams"],
  "counts other teams": ["groups leave out rows that began before the range, and other teams"],
  "finds a version that no row has": [
    "versions are those of the current rows, and none where there is no row",
    "an empty place has no groups and no versions",
  ],
  "has a record before the first": ["an empty place has no records"],
  "forgets its records": ["records are kept by kind and by time, whichever was added last"],
  "gives the record that was added last": ["records are kept by kind and by time, whichever was added last"],
  "gives records as they were added": ["records are kept by kind and by time, whichever was added last"],
  "mixes kinds of records": ["records are kept by kind and by time, whichever was added last"],
  "keeps one correction": ["of two records of one moment both are kept"],
  "doubles rows on a second load": ["a batch that is loaded again has one receipt, and its rows once"],
  "shows each file as it comes": [
    "no part of a load is visible before its end",
    "if the files fail midway, nothing is visible and nothing is left behind",
    "an abort in the middle of a load rejects with its reason, and nothing is visible or left behind",
  ],
  "shows rows of a load that failed": [
    "if the files fail midway, nothing is visible and nothing is left behind",
    "if the files fail after the last one, nothing is visible and nothing is left behind",
    "an abort in the middle of a load rejects with its reason, and nothing is visible or left behind",
  ],
  "forgets the receipt": ["the receipt that a load returns is the one in the ledger"],
  "forgets the receipt of an empty batch": ["a batch without files has a receipt"],
  "writes the receipt before the data": [
    "if the files fail midway, nothing is visible and nothing is left behind",
    "no part of a load is visible before its end",
  ],
  "is not empty at first": ["an empty destination has no rows and no receipts"],
  "the first row wins": ["a newer version of a row replaces an older one"],
  "a slow reading replaces its interval": [
    "a batch that was read earlier than the loaded one doesn't put an old row back",
  ],
  "older overwrites newer": ["an older interval that is loaded late doesn't put an old row back"],
  "looks for a session by its start": [
    "a session that now starts weeks later, since the source has dropped its first rows, has one row",
    "a session that now starts weeks earlier, since older rows have arrived, has one row",
  ],
  "the first of two rows of one version stays": ["of two rows with the same version the one that was read later wins"],
  "the last of two rows of one version wins, whenever it was read": [
    "a row that was read earlier and arrives later doesn't replace one with the same version",
  ],
  "both of two attempts win": [
    "of two live attempts the slower one loses, with the remedy retry, and changes nothing",
    "of two attempts that commit at once exactly one wins",
  ],
  "loser gives up for ever": ["of two live attempts the slower one loses, with the remedy retry, and changes nothing"],
  "loser never loads again": ["an attempt that lost succeeds when it is repeated"],
  "loser removes the winner's rows": [
    "of two live attempts the slower one loses, with the remedy retry, and changes nothing",
    "of two attempts that commit at once exactly one wins",
  ],
  "leaves staged rows after a failure": ["if the files fail midway, nothing is visible and nothing is left behind"],
  "leaves what a dead attempt staged": ["the next load of a batch removes what a dead attempt left"],
  "hides the reason of an abort": [
    "an abort in the middle of a load rejects with its reason, and nothing is visible or left behind",
  ],
  "hides the error of the files": ["if the files fail midway, nothing is visible and nothing is left behind"],
  "covering batch leaves old receipts": ["a batch that covers others replaces them in the ledger, and no row is lost"],
  "covering batch removes receipts that it only overlaps": [
    "batches that touch a covering one, or overlap it in part, keep their receipts",
  ],
  "unordered receipts": ["receipts are listed by start, whatever the order of the loads"],
  "receipts of other ranges": ["a range lists the receipts that overlap it, and no others"],
  "misses receipts that begin before the range": ["a range lists the receipts that overlap it, and no others"],
  "covered differs from receipts": ["a batch without files has a receipt"],
  "receipts live in the worker only": ["another worker sees a batch's receipt"],
  "loads only the last file": ["all files of a batch are loaded, and the receipt counts them"],
  "releases a file before it has read it": ["all files of a batch are loaded, and the receipt counts them"],
  "keeps all files of a batch on the local disk": ["staged files are released during the load"],
  "counts no rows": ["all files of a batch are loaded, and the receipt counts them"],
  "believes the counts of the stage": ["a file with another row count than was staged is refused"],
  "loads a part of a cut file": ["a staged file that was truncated on the local disk is refused"],
  "commits at another time than it says": ["the ledger says when each batch was committed, in the order of the loads"],
  "keeps the first receipt of a batch": ["a batch that is loaded again has one receipt, and its rows once"],
  "writes the password into the receipt": ["no secret is in the ledger or in the destination's name"],
  "a receipt from the future stops every load": [
    "a receipt that claims a read in the future doesn't stop the next load of the batch",
  ],
  "check writes nothing": ["a check rejects with a hint if a load couldn't work"],
  "check leaves its probe": ["a check passes on an empty destination and leaves nothing behind"],
  "check removes what was loaded": ["a check changes nothing of what was loaded"],
  "drops the rows that a reload lacks": ["rows that a reload lacks stay in the destination"],
  "drops the rows that a covering batch lacks": [
    "rows that a covering batch lacks stay in the destination, and so do newer ones",
  ],
  "locks out other intervals": ["loads of different intervals don't disturb each other"],
};
