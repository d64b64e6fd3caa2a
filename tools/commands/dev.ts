/**
 * dev [SYSTEM]: `run`, and what is saved is built and swapped in.
 *
 *   --name NAME, --debug, --port N, --no-ownership-check   as for `run`
 *
 * Builds are optimised less than those of `run`, so that one takes less than a second. A mistake is shown with its
 * place, and the running version stays; so it does when an interface, a system or a limit has changed: that takes
 * another boot.
 *
 *   npm run samara -- dev
 */
import type { Command } from "../lib/command.ts";
import { DevSession } from "../reload/session.ts";
import { RUN_OPTIONS, runSystem } from "./run.ts";

export const command: Command = {
  options: RUN_OPTIONS,
  positionals: [0, 1],
  run: (args) =>
    runSystem(args, (system, build, print) => {
      print("edit a domain and save: it is built and replaced");
      return new DevSession(system, build, print, args.options["no-ownership-check"] === true);
    }),
};
