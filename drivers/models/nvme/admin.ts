/**
 * Admin commands (NVMe 1.4, chapter 5): queues, log pages, identify, features, abort, asynchronous events.
 *
 * Invariant: a command that is refused has changed nothing.
 */
import { NO_COMPLETION, type Controller } from "./controller.ts";
import { TEMPERATURE_EVENT } from "./events.ts";
import { activeNamespaces, identifyController, identifyNamespace, namespaceDescriptors } from "./identify.ts";
import { commandsSupported, firmwareSlots, TEMPERATURE } from "./logs.ts";
import { nvmeFunction } from "./options.ts";
import { MAX_TRANSFER, PAGE, address } from "./prp.ts";
import { CompletionQueue, SubmissionQueue, type Command } from "./queues.ts";
import { Admin, Cns, Feature, Log, NSID, NSID_ALL, Status } from "./spec.ts";

/** Word 0: FUSE and PSDT, neither of which may be used. */
const FUSE_OR_PSDT = (3 << 8) | (3 << 14);
/** Get Log Page, word 10: Retain Asynchronous Event. */
const RAE = 1 << 15;
/** Set Features, word 10: Save. */
const SAVE = 1 << 31;
/** Figure 196, critical warning bit 1, and its enable in feature 0Bh. */
const WARNING_TEMPERATURE_BIT = 1 << 1;

/** @returns a status, or NO_COMPLETION */
export function admin(c: Controller, command: Command): number {
  const { words } = command;
  if ((words[0]! & FUSE_OR_PSDT) !== 0) return Status.INVALID_FIELD;
  switch (command.opcode) {
    case Admin.DELETE_IO_SQ:
      return deleteSubmissionQueue(c, words[10]! & 0xffff);
    case Admin.CREATE_IO_SQ:
      return createSubmissionQueue(c, words);
    case Admin.GET_LOG_PAGE:
      return getLogPage(c, command);
    case Admin.DELETE_IO_CQ:
      return deleteCompletionQueue(c, words[10]! & 0xffff);
    case Admin.CREATE_IO_CQ:
      return createCompletionQueue(c, words);
    case Admin.IDENTIFY:
      return identify(c, command);
    case Admin.ABORT:
      return abort(c, command);
    case Admin.SET_FEATURES:
      return setFeatures(c, command);
    case Admin.GET_FEATURES: {
      const status = c.features.get(words[10]! & 0xff, (words[10]! >>> 8) & 7, words[11]!, c.vectors);
      command.result = status === Status.SUCCESS ? c.features.result : 0;
      return status;
    }
    case Admin.ASYNC_EVENT_REQUEST:
      return c.events.request(command) ? NO_COMPLETION : Status.ASYNC_EVENT_LIMIT_EXCEEDED;
    default:
      return Status.INVALID_OPCODE;
  }
}

/** What both queues' creation has in common (5.3, 5.4). */
function checkQueue(c: Controller, words: Int32Array, taken: readonly unknown[]): number {
  const id = words[10]! & 0xffff;
  const size = words[10]! >>> 16;
  if (id === 0 || id >= taken.length || taken[id] !== null) return Status.INVALID_QUEUE_IDENTIFIER;
  if (size === 0 || size >= c.options.entries || !c.entrySizesSet) return Status.INVALID_QUEUE_SIZE;
  // CAP.CQR: all in one piece.
  if ((words[11]! & 1) === 0) return Status.INVALID_FIELD;
  return address(words[6]!, words[7]!) % PAGE === 0 ? Status.SUCCESS : Status.INVALID_PRP_OFFSET;
}

function createCompletionQueue(c: Controller, words: Int32Array): number {
  const status = checkQueue(c, words, c.cqs);
  if (status !== Status.SUCCESS) return status;
  const vector = words[11]! >>> 16;
  if (vector >= c.vectors) return Status.INVALID_INTERRUPT_VECTOR;
  const [id, size, base] = [words[10]! & 0xffff, (words[10]! >>> 16) + 1, address(words[6]!, words[7]!)];
  c.cqs[id] = new CompletionQueue(c.host.dma, id, base, size, vector, (words[11]! & 2) !== 0);
  c.queuesChanged();
  return Status.SUCCESS;
}

function createSubmissionQueue(c: Controller, words: Int32Array): number {
  const status = checkQueue(c, words, c.sqs);
  if (status !== Status.SUCCESS) return status;
  const cqId = words[11]! >>> 16;
  if (cqId === 0 || cqId >= c.cqs.length) return Status.INVALID_QUEUE_IDENTIFIER;
  const cq = c.cqs[cqId]!;
  if (cq === null) return Status.COMPLETION_QUEUE_INVALID;
  const [id, size, base] = [words[10]! & 0xffff, (words[10]! >>> 16) + 1, address(words[6]!, words[7]!)];
  c.sqs[id] = new SubmissionQueue(c.host.dma, id, base, size, cq);
  c.queuesChanged();
  return Status.SUCCESS;
}

/** 5.6: what is under way for it ends with a status of its own. */
function deleteSubmissionQueue(c: Controller, id: number): number {
  const sq = id === 0 ? null : c.sqs[id];
  if (sq == null) return Status.INVALID_QUEUE_IDENTIFIER;
  for (const command of c.pending.drop(sq)) c.complete(command, Status.ABORTED_SQ_DELETION);
  sq.gone = true;
  sq.cq.users--;
  c.sqs[id] = null;
  c.queuesChanged();
  return Status.SUCCESS;
}

function deleteCompletionQueue(c: Controller, id: number): number {
  const cq = id === 0 ? null : c.cqs[id];
  if (cq == null) return Status.INVALID_QUEUE_IDENTIFIER;
  if (cq.users > 0) return Status.INVALID_QUEUE_DELETION;
  c.cqs[id] = null;
  c.queuesChanged();
  return Status.SUCCESS;
}

/** Copies `page` to the memory that the command names. @param bytes what the command asks for; the rest is zeros */
function send(c: Controller, command: Command, page: Uint8Array, bytes: number): number {
  const status = c.walk.fill(c.host.dma, command.words, bytes);
  if (status !== Status.SUCCESS) return status;
  let done = 0;
  for (let i = 0; i < c.walk.count; i++) {
    const length = c.walk.lengths[i]!;
    const view = c.host.dma.view(c.walk.addresses[i]!, length, true);
    if (view === null) return Status.DATA_TRANSFER_ERROR;
    const piece = page.subarray(done, done + length);
    view.set(piece);
    view.fill(0, piece.length);
    done += length;
  }
  return Status.SUCCESS;
}

/** 5.14. */
function getLogPage(c: Controller, command: Command): number {
  const { words, nsid } = command;
  const dwords = (words[10]! >>> 16) + (words[11]! & 0xffff) * 0x1_0000 + 1;
  const offset = address(words[12]!, words[13]!);
  const id = words[10]! & 0xff;
  if (nsid !== 0 && nsid !== NSID_ALL && nsid !== NSID) return Status.INVALID_NAMESPACE;
  if (dwords * 4 > MAX_TRANSFER || offset % 4 !== 0) return Status.INVALID_FIELD;
  const page = logPage(c, id);
  if (page === null) return Status.INVALID_LOG_PAGE;
  if (offset > page.length) return Status.INVALID_FIELD;
  const status = send(c, command, page.subarray(offset), dwords * 4);
  if (status === Status.SUCCESS && (words[10]! & RAE) === 0) c.events.read(id);
  return status;
}

function logPage(c: Controller, id: number): Uint8Array | null {
  switch (id) {
    case Log.ERROR:
      return c.errors.page();
    case Log.SMART:
      return c.health.page(c.errors.count, c.uptimeMs);
    case Log.FIRMWARE_SLOT:
      return firmwareSlots();
    case Log.COMMANDS_SUPPORTED:
      return commandsSupported();
    default:
      return null;
  }
}

/** 5.15. */
function identify(c: Controller, command: Command): number {
  const { nsid, words } = command;
  const { serial } = c.options;
  switch (words[10]! & 0xff) {
    case Cns.NAMESPACE:
      return nsid === NSID ? send(c, command, identifyNamespace(c.store, serial), PAGE) : Status.INVALID_NAMESPACE;
    case Cns.CONTROLLER:
      return send(c, command, identifyController(serial, nvmeFunction(c.options).vendor), PAGE);
    case Cns.ACTIVE_NAMESPACES:
      if (nsid >= NSID_ALL - 1) return Status.INVALID_NAMESPACE;
      return send(c, command, activeNamespaces(nsid), PAGE);
    case Cns.NAMESPACE_DESCRIPTORS:
      return nsid === NSID ? send(c, command, namespaceDescriptors(serial), PAGE) : Status.INVALID_NAMESPACE;
    default:
      return Status.INVALID_FIELD;
  }
}

/** 5.1: bit 0 of the result says that it was not aborted. */
function abort(c: Controller, command: Command): number {
  const sqId = command.words[10]! & 0xffff;
  const cid = command.words[10]! >>> 16;
  const found = sqId === 0 ? c.events.abort(cid) : c.pending.abort(sqId, cid);
  command.result = found === undefined ? 1 : 0;
  if (found !== undefined) c.complete(found, Status.ABORT_REQUESTED);
  return Status.SUCCESS;
}

/** 5.21. */
function setFeatures(c: Controller, command: Command): number {
  const { words } = command;
  const id = words[10]! & 0xff;
  const queues = c.cqs.some((cq, i) => cq !== null && i > 0);
  const cached = c.store.cached;
  if (id === Feature.VOLATILE_WRITE_CACHE && cached && (words[11]! & 1) === 0) {
    try {
      c.store.flush();
    } catch {
      c.health.mediaErrors++;
      return Status.WRITE_FAULT;
    }
  }
  const status = c.features.set(id, (words[10]! & SAVE) !== 0, words[11]!, c.vectors, queues);
  if (status !== Status.SUCCESS) return status;
  if (id === Feature.NUMBER_OF_QUEUES) command.result = c.features.value(id);
  if (id === Feature.VOLATILE_WRITE_CACHE) c.store.cached = c.features.value(id) === 1;
  if (id === Feature.TEMPERATURE_THRESHOLD || id === Feature.ASYNC_EVENT_CONFIGURATION) checkTemperature(c);
  return Status.SUCCESS;
}

/** 5.14.1.2: the warning, and the event if it is asked for. */
function checkTemperature(c: Controller): void {
  const over = TEMPERATURE >= c.features.value(Feature.TEMPERATURE_THRESHOLD);
  const under = TEMPERATURE <= c.features.underTemperature;
  c.health.warning = over || under ? WARNING_TEMPERATURE_BIT : 0;
  const asked = c.features.value(Feature.ASYNC_EVENT_CONFIGURATION) & WARNING_TEMPERATURE_BIT;
  if ((c.health.warning & asked) !== 0) c.raise(TEMPERATURE_EVENT);
}
