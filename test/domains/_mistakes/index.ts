/**
 * Programs that break the rules of ownership, by name: `execute` runs one, if it was built in spite of the check.
 *
 * Invariant: each is an exported function of one of the files; the tests read what is wrong with it from its comments.
 */
import { ShellExecuteResult, ShellServer } from "idl/shell";
import * as leaks from "./programs/leaks";
import * as loans from "./programs/loans";
import * as moves from "./programs/moves";
import * as paths from "./programs/paths";

export * from "./programs/leaks";
export * from "./programs/loans";
export * from "./programs/moves";
export * from "./programs/paths";
export * from "./programs/places";

const programs = new Map<string, () => void>();
programs.set("useAfterCall", moves.useAfterCall);
programs.set("useAfterFree", moves.useAfterFree);
programs.set("useAfterPush", moves.useAfterPush);
programs.set("useAfterPutIntoPlace", moves.useAfterPutIntoPlace);
programs.set("useAfterPutIntoTable", moves.useAfterPutIntoTable);
programs.set("useAfterHelper", moves.useAfterHelper);
programs.set("lendAfterFree", () => {
  moves.lendAfterFree();
});
programs.set("copyFromFreed", moves.copyFromFreed);
programs.set("freeTwice", moves.freeTwice);
programs.set("moveTwice", moves.moveTwice);
programs.set("moveThenFree", moves.moveThenFree);
programs.set("freeAfterCall", moves.freeAfterCall);
programs.set("moveTwiceToCalls", moves.moveTwiceToCalls);
programs.set("sameTwice", moves.sameTwice);
programs.set("useAfterAnswer", () => {
  moves.useAfterAnswer();
});
programs.set("freedOnOneBranch", paths.freedOnOneBranch);
programs.set("movedInLoop", paths.movedInLoop);
programs.set("usedInLoop", paths.usedInLoop);
programs.set("freedInDo", paths.freedInDo);
programs.set("freeNull", paths.freeNull);
programs.set("freesWhatIsLent", () => {
  loans.freesWhatIsLent();
});
programs.set("storesLoan", loans.storesLoan);
programs.set("keepsLoanOfPlace", loans.keepsLoanOfPlace);
programs.set("loanOfOtherEnds", loans.loanOfOtherEnds);
programs.set("copies", loans.copies);
programs.set("neverFreed", leaks.neverFreed);
programs.set("earlyReturn", leaks.earlyReturn);
programs.set("lostWhenDead", () => {
  leaks.lostWhenDead();
});
programs.set("answerNotFreed", () => {
  leaks.answerNotFreed();
});
programs.set("answerReplaced", leaks.answerReplaced);
programs.set("assignedOver", leaks.assignedOver);
programs.set("dropped", leaks.dropped);
programs.set("poppedAndDropped", leaks.poppedAndDropped);
programs.set("pushIgnored", leaks.pushIgnored);
programs.set("lostInLoop", leaks.lostInLoop);
programs.set("lostByContinue", leaks.lostByContinue);
programs.set("madeAndLost", () => {
  leaks.madeAndLost();
});

class Program extends ShellServer {
  execute(line: string): ShellExecuteResult {
    programs.get(line)();
    return ShellExecuteResult.ok("done\n");
  }
}
ShellServer.provide(new Program());
