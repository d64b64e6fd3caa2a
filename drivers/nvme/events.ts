/**
 * Asynchronous events (NVM Express 1.4, section 5.2): the controller tells that something happened, and in which log
 * page it stands.
 *
 * One request is always with a ready controller. Reading the page is what clears the event, so that the next one of its
 * kind is told. Invariant: one page object, with the driver or with one command.
 */
import { Owned } from "heap/owned";
import { handleOf, objectOf } from "os/dma";
import { DmaBatch } from "idl/pci";
import { Command, Kind } from "./command";
import { Driver } from "./driver";
import * as op from "./opcodes";
import { SUCCESS } from "./status";

export class Events {
  /** A request is with the controller. */
  waits: bool = false;
  private page: Owned<DmaBatch> = new Owned<DmaBatch>();

  /** Gives the controller a request. */
  request(driver: Driver): void {
    const command = driver.commands.take(Kind.Event);
    if (command === null) return;
    command.opcode = op.ASYNCHRONOUS_EVENT_REQUEST;
    command.nsid = 0;
    command.bytes = 0;
    command.cdw10 = 0;
    command.cdw12 = 0;
    this.waits = driver.issueAdmin(command);
    if (!this.waits) driver.commands.release(command);
  }

  /** A request was answered, or the page of an event is here. */
  settled(driver: Driver, command: Command): void {
    const kind = command.kind;
    const object = command.object;
    driver.commands.release(command);
    if (kind == Kind.EventPage) {
      this.page.put(objectOf<DmaBatch>(object));
      if (driver.isReady) this.request(driver);
      return;
    }
    this.waits = false;
    if (command.code == SUCCESS) {
      driver.events++;
      const page = (command.result >> op.EVENT_LOG_PAGE_SHIFT) & op.EVENT_LOG_PAGE_MASK;
      if (page == op.LOG_CHANGED_NAMESPACE_LIST) driver.stale = true;
      if (driver.isReady && !this.readPage(driver, page)) this.request(driver);
    }
  }

  /** 5.14 Get Log Page, with Retain Asynchronous Event 0. */
  private readPage(driver: Driver, page: u32): bool {
    const object = this.page.isEmpty ? DmaBatch.tryCreate() : this.page.take();
    if (object.isNull) return false;
    const command = driver.commands.take(Kind.EventPage);
    if (command === null) {
      this.page.put(object);
      return false;
    }
    const handle = handleOf(object);
    const dwords = logBytes(page) / 4 - 1;
    command.opcode = op.GET_LOG_PAGE;
    command.nsid = ~0;
    command.object = handle;
    command.inbound = true;
    command.bytes = logBytes(page);
    command.cdw10 = <u64>(page | (dwords << op.NUMDL_SHIFT));
    command.cdw12 = 0;
    if (driver.issueAdmin(command)) return true;
    this.page.put(objectOf<DmaBatch>(handle));
    driver.commands.release(command);
    return false;
  }
}

/** Bytes that are read of a log page: one entry of the error log; a page, where that is not more than there is. */
function logBytes(page: u32): u32 {
  if (page == op.LOG_ERROR_INFORMATION) return 64;
  return page == op.LOG_CHANGED_NAMESPACE_LIST ? 4096 : 512;
}
