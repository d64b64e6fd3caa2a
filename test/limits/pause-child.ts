/**
 * A process whose one domain computes again and again, each time less than its slice; run by pause.test.ts.
 *
 * A line on its standard input ends it: it prints how many calls succeeded, what died, and ends.
 */
import { makeLab, type Names } from "../support/lab.ts";

const ITERATIONS = 20_000_000;
const sliceMs = Number(process.argv[2]);

const lab = await makeLab({
  idl: `
export declare enum Err { Failed }
export interface Work { compute(n: u32): RpcResult<void, Err>; }
`,
  domains: {
    worker: {
      wat: (n: Names) => `(module
        (func (export "${n.serve("Work.compute")}") (param i32 i32) (result i32)
          (loop $l (br_if $l (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
          (i32.const 0)))`,
      provides: { work: "Work" },
      limits: { sliceMs },
    },
  },
});

let done = false;
process.stdin.once("data", () => (done = true));
const { compute } = lab.client<{ compute(n: number): { ok: boolean } }>("worker.work");
let calls = 0;
const work = async (): Promise<void> => {
  if (compute(ITERATIONS).ok) calls++;
  if (calls === 2) console.log("computing");
  if (!done) return void setImmediate(work);
  console.log(JSON.stringify({ calls, faults: lab.faults.map(({ domain, message }) => [domain, message]) }));
  await lab.close();
  process.exit(0);
};
await work();
